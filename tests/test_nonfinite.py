"""Promise: a NaN or an infinity may spoil its own working box, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import GAUSSIANS, bits, call, check

KINDS = [*GAUSSIANS, "pixelate"]
BAD = [np.nan, np.inf, -np.inf]


def picture(dtype: str) -> np.ndarray:
    return np.random.default_rng(0).random((60, 80, 3)).astype(dtype)


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_stays_inside(dtype: str, kind: str, value: float) -> None:
    clean = picture(dtype)
    box, neighbour = (10, 10, 40, 50), (40, 10, 75, 50)
    for strength in (3, 15):
        for shape, feather in [("rectangle", 0), ("ellipse", 0), ("ellipse", 4)]:
            grow = feather
            options = {"shape": shape, "feather": feather}
            dirty = clean.copy()
            dirty[10, 10, 0] = dirty[30, 20, 1] = dirty[49, 39, 2] = value
            inside = np.zeros(clean.shape[:2], bool)
            inside[10 - grow : 50 + grow, 10 - grow : 40 + grow] = True
            result = call(kind, dirty, [box], strength, **options)
            assert bits(result[~inside]) == bits(clean[~inside])
            if not feather:
                # The box beside it, and the same one on the next image, see nothing of it: no scratch is shared.
                both = call(kind, dirty, [box, neighbour], strength, **options)
                alone = call(kind, clean, [neighbour], strength, **options)
                assert bits(both[10:50, 40:75]) == bits(alone[10:50, 40:75])


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("num_threads", [1, 2])
def test_scratch_forgets(num_threads: int, dtype: str, kind: str, value: float) -> None:
    """A spoiled box leaves nothing behind for later boxes of the same call, or of the next."""
    clean = picture(dtype)
    dirty = np.full_like(clean, value)
    for strength in (3, 15):
        expected = call(kind, clean, None, strength, num_threads=num_threads)
        results = call(kind, [dirty, clean, dirty, clean], None, strength, num_threads=num_threads)
        assert bits(results[1]) == bits(results[3]) == bits(expected)
        assert bits(call(kind, clean, None, strength, num_threads=num_threads)) == bits(expected)
        smaller = clean[:31, :47].copy()
        again = call(kind, [dirty, smaller], None, strength, num_threads=num_threads)[1]
        assert bits(again) == bits(call(kind, smaller, None, strength))


@pytest.mark.parametrize("kind", KINDS)
def test_the_rest_of_the_call_keeps_its_bounds(kind: str) -> None:
    image = picture("float32")
    image[5, 5, 1] = np.nan
    check(kind, image, (6, 6, 70, 50), 9)
    check(kind, image, (0, 6, 70, 50), 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", BAD)
def test_a_whole_image_of_them_does_no_harm(value: float, kind: str) -> None:
    for dtype in ("float16", "float32"):
        image = np.full((40, 50), value, dtype)
        result = call(kind, image, None, 9)
        assert not np.isfinite(result).any()
