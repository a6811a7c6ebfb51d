"""Compare what was written with what was to be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastblur.dataset.files.errors import ImageFileError

if TYPE_CHECKING:
    from fastblur.dataset.files.picture import Frame


def require_same_frames(written: list[Frame], read: list[Frame]) -> None:
    """Raise ``check-failed`` unless both hold the same samples; an alpha channel that is opaque throughout may go."""
    if len(written) != len(read):
        raise ImageFileError("check-failed", f"{len(written)} frames were written, {len(read)} read back")
    for number, (a, b) in enumerate(zip(written, read, strict=True)):
        if not (np.array_equal(a, b) or np.array_equal(_without_opaque_alpha(a), _without_opaque_alpha(b))):
            raise ImageFileError("check-failed", f"frame {number} does not read back as it was written")


def _without_opaque_alpha(pixels: Frame) -> Frame:
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4) and (pixels[..., -1] == np.iinfo(pixels.dtype).max).all():
        colours = pixels[..., :-1]
        return colours[..., 0] if colours.shape[2] == 1 else colours
    return pixels
