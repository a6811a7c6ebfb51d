"""Which quality setting of libjpeg, if any, made a pair of quantisation tables (ITU-T T.81, annex K, scaled)."""

from __future__ import annotations

from functools import cache

import numpy as np

# fmt: off
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61,  12, 12, 14, 19, 26, 58, 60, 55,  14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62,  18, 22, 37, 56, 68, 109, 103, 77,  24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,  72, 92, 95, 98, 112, 100, 103, 99,
)
_CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99,  18, 21, 26, 66, 99, 99, 99, 99,  24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,  99, 99, 99, 99, 99, 99, 99, 99,  99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,  99, 99, 99, 99, 99, 99, 99, 99,
)
# fmt: on

Table = tuple[int, ...]


def _scaled(base: Table, quality: int) -> Table:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(np.clip((np.array(base) * scale + 50) // 100, 1, 255).tolist())


@cache
def _qualities() -> dict[tuple[Table, Table], int]:
    return {(_scaled(_LUMINANCE, q), _scaled(_CHROMINANCE, q)): q for q in range(1, 101)}


@cache
def _luminance_qualities() -> dict[Table, int]:
    return {_scaled(_LUMINANCE, q): q for q in range(1, 101)}


def standard_quality(tables: list[Table]) -> int | None:
    """The libjpeg quality, 1 to 100, that has these tables (one per component, natural order), or None."""
    if len(tables) == 1:
        return _luminance_qualities().get(tables[0])
    if len(tables) == 3 and tables[1] == tables[2]:
        return _qualities().get((tables[0], tables[1]))
    return None
