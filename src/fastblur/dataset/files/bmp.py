"""BMP files: Pillow reads their many kinds, grey, RGB and RGBA are written uncompressed."""

from __future__ import annotations

import io

import numpy as np

from fastblur.dataset.files import bmp_header, icc
from fastblur.dataset.files.checks import require_same_frames
from fastblur.dataset.files.errors import ImageFileError
from fastblur.dataset.files.limits import require_pixels
from fastblur.dataset.files.optional import require
from fastblur.dataset.files.picture import Box, Check, Chroma, Encoded, Frame, ImageInfo, JpegMode, Metadata, Picture


def probe(data: bytes) -> ImageInfo:
    """The header of a BMP file."""
    return _info(bmp_header.parse(data))


def _info(header: bmp_header.Header) -> ImageInfo:
    mode = {1: "1", 4: "P", 8: "P"}.get(header.bits, "RGBA" if header.alpha else "RGB")
    return ImageInfo("bmp", header.width, header.height, mode, 1, 1)


def decode(data: bytes, max_pixels: int, chroma: Chroma = "stored") -> Picture:
    """The pixels of a BMP file; palettes looked up, greys (also black and white) as one channel."""
    header = bmp_header.parse(data)
    require_pixels(header.width, header.height, 1, max_pixels)
    # Not Image.open: its own limit on pixels would come on top of max_pixels.
    plugin = require("PIL.BmpImagePlugin", "Pillow")
    try:
        with plugin.BmpImageFile(io.BytesIO(data)) as opened:
            if opened.size != (header.width, header.height):
                raise ImageFileError("damaged", "BMP whose size differs from its header")
            mode = {"1": "L", "L": "L", "RGBA": "RGBA"}.get(opened.mode, "RGB")
            pixels: Frame = np.array(opened.convert(mode))
    except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:
        if isinstance(error, ImageFileError):
            raise
        early = "truncated" in str(error) or "not enough" in str(error)
        raise ImageFileError("truncated" if early else "damaged", f"BMP data ({error})") from error
    return Picture(_info(header), [pixels], data, header)


def encode(picture: Picture, touched: list[Box], metadata: Metadata, jpeg: JpegMode, check: Check) -> Encoded:
    """The picture as an uncompressed BMP file of 8, 24 or 32 bits."""
    header: bmp_header.Header = picture.state
    profile = icc.clean(header.icc) if header.icc else b""
    pixels = picture.frames[0]
    # BMP stores blue first.
    planes = pixels[..., None] if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    height, width, channels = planes.shape
    rows = planes[::-1].reshape(height, width * channels)
    padded = np.pad(rows, ((0, 0), (0, -(width * channels) % 4)))
    data = bmp_header.pack(width, height, 8 * channels, header.resolution, profile) + padded.tobytes() + profile
    again = decode(data, max_pixels=width * height)
    require_same_frames(picture.frames, again.frames)
    if left := findings(data, metadata):
        raise ImageFileError("check-failed", f"the BMP written holds {', '.join(sorted(left))}")
    return Encoded(data, findings(picture.source, metadata), [])


def findings(data: bytes, metadata: Metadata) -> dict[str, int]:
    """Everything in a file besides its picture that may not stay, by kind."""
    header = bmp_header.parse(data)
    found: dict[str, int] = {}
    if header.gap and data:
        found["hidden-data"] = 1
    if header.icc and icc.clean(header.icc) != header.icc:
        found["icc-damaged"] = 1
    if header.end < len(data):
        found["trailing-data"] = 1
    return found
