"""The limit on how large a picture may become when it is decoded."""

from __future__ import annotations

from fastblur.dataset.files.errors import ImageFileError


def require_pixels(width: int, height: int, frames: int, max_pixels: int) -> None:
    """Raise ``too-large`` if all frames together have more than `max_pixels` pixels."""
    if width * height * frames > max_pixels:
        size = f"{width}x{height}" + (f", {frames} frames," if frames > 1 else "")
        raise ImageFileError("too-large", f"{size} is more than the {max_pixels} pixels allowed")
