"""PNG files, also animated ones, with 8 and 16 bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastblur.dataset.files import apng, exif, png_chunks, png_metadata
from fastblur.dataset.files.checks import require_same_frames
from fastblur.dataset.files.errors import ImageFileError
from fastblur.dataset.files.limits import require_pixels
from fastblur.dataset.files.optional import require
from fastblur.dataset.files.picture import Box, Check, Chroma, Encoded, Frame, ImageInfo, JpegMode, Metadata, Picture

_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
# zlib's levels on photographs: 4 takes a third of the time of 6 for 1 % more bytes.
_LEVEL = 4


@dataclass(frozen=True)
class _State:
    layout: png_chunks.Layout
    animation: apng.Animation | None


def probe(data: bytes) -> ImageInfo:
    """The header of a PNG file."""
    return _info(png_chunks.parse(data, headers_only=True))


def _info(layout: png_chunks.Layout) -> ImageInfo:
    header = layout.header
    mode = _MODES[header.colour]
    if header.depth == 16:
        mode = "I;16" if mode == "L" else f"{mode};16"
    elif header.depth == 1 and mode == "L":
        mode = "1"
    block = layout.first(b"eXIf")
    turned = exif.orientation(block) if block else 1
    return ImageInfo("png", header.width, header.height, mode, apng.declared_frames(layout), turned)


def decode(data: bytes, max_pixels: int, chroma: Chroma = "stored") -> Picture:
    """The frames of a PNG file; animations as composited, then the default image where it is not part of them."""
    layout = png_chunks.parse(data)
    info = _info(layout)
    require_pixels(info.width, info.height, info.frames, max_pixels)
    if layout.first(b"acTL") is None:
        return Picture(info, [decode_still(data)], data, _State(layout, None))
    animation, frames = apng.decode(layout, decode_still)
    return Picture(info, frames, data, _State(layout, animation))


def decode_still(data: bytes) -> Frame:
    """The samples of one still picture: palettes looked up, few bits spread to 8, a transparent colour as alpha."""
    imagecodecs = require("imagecodecs")
    try:
        pixels = imagecodecs.png_decode(data)
    except (imagecodecs.PngError, ValueError) as error:
        early = "too small" in str(error) or "ot enough" in str(error)
        raise ImageFileError("truncated" if early else "damaged", f"PNG data ({error})") from error
    return np.require(pixels, requirements=["C", "W"])


def encode_still(pixels: Frame) -> tuple[png_chunks.Header, bytes]:
    """The header and the compressed data (IDAT's content) of one picture."""
    imagecodecs = require("imagecodecs")
    layout = png_chunks.parse(imagecodecs.png_encode(np.ascontiguousarray(pixels), level=_LEVEL))
    return layout.header, b"".join(chunk.data for chunk in layout.chunks if chunk.type == b"IDAT")


def encode(picture: Picture, touched: list[Box], metadata: Metadata, jpeg: JpegMode, check: Check) -> Encoded:
    """The picture as a PNG file: lossless, every frame, what is allowed of the rest."""
    state: _State = picture.state
    if state.animation is None:
        header, compressed = encode_still(picture.frames[0])
        pictures = [(b"IDAT", compressed)]
        before: list[tuple[bytes, bytes]] = []
    else:
        header, before, pictures = apng.encode(state.animation, picture.frames, encode_still)
    chunks = [*png_metadata.allowed_chunks(state.layout, header, metadata), *before, *pictures]
    data = png_chunks.file_of(header, chunks)
    again = decode(data, max_pixels=sum(frame.shape[0] * frame.shape[1] for frame in picture.frames))
    require_same_frames(picture.frames, again.frames)
    if state.animation != again.state.animation:
        raise ImageFileError("check-failed", "the PNG written has another timing than its source")
    if left := png_metadata.findings(data, again.state.layout, metadata):
        raise ImageFileError("check-failed", f"the PNG written holds {', '.join(sorted(left))}")
    return Encoded(data, findings(picture.source, metadata), [])


def findings(data: bytes, metadata: Metadata) -> dict[str, int]:
    """Everything in a file besides its picture that the level does not allow, by kind."""
    return dict(png_metadata.findings(data, png_chunks.parse(data), metadata))
