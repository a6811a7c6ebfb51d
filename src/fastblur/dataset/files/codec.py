"""What each format's module offers, and which module handles which format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from fastblur.dataset.files import bmp, jpeg, png, tiff, webp
from fastblur.dataset.files.errors import ImageFileError
from fastblur.dataset.files.sniff import sniff

if TYPE_CHECKING:
    from types import ModuleType

    from fastblur.dataset.files.picture import Box, Check, Chroma, Encoded, ImageInfo, JpegMode, Metadata, Picture


class Codec(Protocol):
    """The functions of a format's module; all raise `ImageFileError`."""

    def probe(self, data: bytes) -> ImageInfo:
        """The header."""

    def decode(self, data: bytes, max_pixels: int, chroma: Chroma = "stored") -> Picture:
        """All frames, complete and checked."""

    def encode(self, picture: Picture, touched: list[Box], metadata: Metadata, jpeg: JpegMode, check: Check) -> Encoded:
        """A rebuilt file, read again and checked."""

    def findings(self, data: bytes, metadata: Metadata) -> dict[str, int]:
        """Everything besides the picture that the level does not allow, by kind."""


_MODULES: dict[str, ModuleType] = {"jpeg": jpeg, "png": png, "webp": webp, "tiff": tiff, "bmp": bmp}


def codec_of(data: bytes) -> Codec:
    """The codec for a file, by its content."""
    found = sniff(data[:32])
    if found is None:
        raise ImageFileError(
            "not-an-image", f"the {len(data)} bytes begin with {data[:8]!r}: none of {', '.join(_MODULES)}"
        )
    return cast("Codec", _MODULES[found])
