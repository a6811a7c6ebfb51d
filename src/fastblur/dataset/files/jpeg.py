"""JPEG files: decoding, and encoding with the tables, sampling, colour model and kind of scans that the source has."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from fastblur.dataset.files import exif, jpeg_blocks, jpeg_metadata
from fastblur.dataset.files import jpeg_markers as jm
from fastblur.dataset.files.errors import ImageFileError
from fastblur.dataset.files.jpeg_tables import standard_quality
from fastblur.dataset.files.limits import require_pixels
from fastblur.dataset.files.optional import require
from fastblur.dataset.files.picture import Box, Check, Chroma, Encoded, Frame, ImageInfo, JpegMode, Metadata, Picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
COLOURS = {1: "GRAY", 3: "RGB", 4: "CMYK"}

# Chroma subsampling by the factors of the three components: imagecodecs' names, and Pillow's numbers for them.
_SAMPLING: dict[tuple[tuple[int, int], ...], str] = {
    ((1, 1), (1, 1), (1, 1)): "444",
    ((2, 1), (1, 1), (1, 1)): "422",
    ((2, 2), (1, 1), (1, 1)): "420",
    ((1, 2), (1, 1), (1, 1)): "440",
    ((4, 1), (1, 1), (1, 1)): "411",
}
_PILLOW_SAMPLING = {"Gray": -1, "444": 0, "422": 1, "420": 2}

# libjpeg warns of bytes that are left over before EOI when the picture is complete.
_LEFT_OVER = re.compile(r"extraneous bytes before marker 0xd9")


@dataclass(frozen=True)
class _State:
    layout: jm.Layout
    notes: tuple[str, ...]


def probe(data: bytes) -> ImageInfo:
    """The header of a JPEG file."""
    return _info(jm.parse(data, headers_only=True))


def _info(layout: jm.Layout) -> ImageInfo:
    turned = exif.orientation(layout.exif) if layout.exif else 1
    return ImageInfo("jpeg", layout.width, layout.height, _MODES[len(layout.components)], 1, turned)


def decode(data: bytes, max_pixels: int, chroma: Chroma = "stored") -> Picture:
    """The samples of a JPEG file whose every scan is there and decodes without a warning."""
    layout = jm.parse(data)
    require_pixels(layout.width, layout.height, 1, max_pixels)
    jm.require_complete(layout)
    notes: tuple[str, ...] = ()
    try:
        pixels = _samples(data, layout, chroma)
    except ImageFileError:
        pixels = _samples(jm.normalised(data, layout), layout, chroma)
        notes = ("jpeg-irregular-segments",)
    return Picture(_info(layout), [pixels], data, _State(layout, notes), chroma)


def _samples(data: bytes, layout: jm.Layout, chroma: Chroma) -> NDArray[np.uint8]:
    components = len(layout.components)
    pixels = decode_strictly(data, COLOURS[components], chroma)
    return pixels[..., 0] if components == 1 else pixels


def decode_strictly(data: bytes, colour: str, chroma: Chroma = "stored") -> NDArray[np.uint8]:
    """Samples of shape (H, W, C), from a file that decodes without a warning."""
    simplejpeg = require("simplejpeg")
    decode_jpeg = partial(simplejpeg.decode_jpeg, data, colour, fastupsample=chroma == "stored")
    try:
        pixels = decode_jpeg(strict=True)
    except ValueError as error:
        # Decoding stopped at the first warning, so one about the very end means that all before it was right.
        if not _LEFT_OVER.search(str(error)):
            raise _decode_error(str(error)) from error
        pixels = decode_jpeg(strict=False)
    samples: NDArray[np.uint8] = pixels
    return samples


def _decode_error(message: str) -> ImageFileError:
    if "remature end" in message:
        return ImageFileError("truncated", f"JPEG data ends early ({message})")
    if "not supported" in message or "nsupported" in message or "not implemented" in message:
        return ImageFileError("unsupported", f"JPEG ({message})")
    return ImageFileError("damaged", f"JPEG data does not decode ({message})")


def encode(picture: Picture, touched: list[Box], metadata: Metadata, jpeg: JpegMode, check: Check) -> Encoded:
    """The picture as a JPEG file of the source's kind, from its pixels or by rewriting touched blocks."""
    state: _State = picture.state
    layout, pixels = state.layout, picture.frames[0]
    notes = list(state.notes)
    if layout.arithmetic:
        notes.append("jpeg-arithmetic-coding-became-huffman")
    stream: bytes | None = None
    if jpeg == "blocks":
        _require_untouched(picture, touched)
        try:
            stream = jpeg_blocks.rewrite(picture.source, layout, pixels, touched)
        except jpeg_blocks.BlocksError as error:
            notes.append(f"jpeg-blocks-fallback: {error}")
    rewritten = stream is not None
    if stream is None:
        stream = _encode_pixels(picture.source, layout, pixels)
    data = jpeg_metadata.with_segments(stream, jpeg_metadata.allowed_segments(layout, metadata))
    _check_structure(data, layout, metadata)
    try:
        if rewritten:
            # The coefficients have been compared already; this shows that a decoder is content with the file.
            _samples(data, layout, picture.chroma)
        elif check == "full":
            _check_samples(data, layout, pixels)
    except ImageFileError as error:
        raise ImageFileError("check-failed", f"the JPEG written does not read back ({error})") from error
    return Encoded(data, dict(+jpeg_metadata.findings(picture.source, layout, metadata)), notes)


def _require_untouched(picture: Picture, touched: list[Box]) -> None:
    """Raise if pixels outside the boxes were changed: rewriting blocks would lose that without a word."""
    source = decode(picture.source, picture.info.width * picture.info.height, picture.chroma).frames[0]
    changed = source != picture.frames[0]
    for x1, y1, x2, y2 in touched:
        changed[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = False
    if changed.any():
        y, x = np.argwhere(changed)[0][:2].tolist()
        raise ValueError(f"the pixel at x {x}, y {y} was changed, but lies in none of the {len(touched)} touched boxes")


def _encode_pixels(source: bytes, layout: jm.Layout, pixels: Frame) -> bytes:
    tables = layout.component_tables
    factors = tuple((c.h, c.v) for c in layout.components)
    sampling = "Gray" if layout.colour == "L" else _SAMPLING.get(factors)
    if layout.colour in ("L", "YCbCr") and sampling and not layout.progressive:
        quality = standard_quality(tables)
        if quality is not None:
            return _with_imagecodecs(pixels, quality, sampling)
    if layout.colour in ("L", "YCbCr", "RGB") and sampling in _PILLOW_SAMPLING:
        return _with_pillow(pixels, layout, tables, sampling)
    try:
        # Sampling and colour models that no encoder at hand can be told: write the blocks themselves, all anew.
        return jpeg_blocks.rewrite(source, layout, pixels, [(0, 0, layout.width, layout.height)])
    except jpeg_blocks.BlocksError as error:
        raise ImageFileError("unsupported", f"JPEG that cannot be written again the way it is: {error}") from error


def _with_imagecodecs(pixels: Frame, quality: int, sampling: str) -> bytes:
    # As fast as simplejpeg, which below quality 96 takes libjpeg's inaccurate DCT and so loses twice as much.
    imagecodecs = require("imagecodecs")
    subsampling = None if sampling == "Gray" else sampling
    stream: bytes = imagecodecs.jpeg8_encode(np.ascontiguousarray(pixels), quality, subsampling=subsampling)
    return stream


def _with_pillow(pixels: Frame, layout: jm.Layout, tables: list[tuple[int, ...]], sampling: str) -> bytes:
    image = require("PIL.Image", "Pillow")
    stream = io.BytesIO()
    image.fromarray(pixels).save(
        stream,
        "JPEG",
        qtables=[list(table) for table in tables],
        subsampling=_PILLOW_SAMPLING[sampling],
        progressive=layout.progressive,
        keep_rgb=layout.colour == "RGB",
    )
    return stream.getvalue()


def _check_structure(data: bytes, layout: jm.Layout, metadata: Metadata) -> None:
    """Read the segments of a file just made: same picture, same tables, nothing that is not allowed."""
    try:
        again = jm.parse(data)
        jm.require_complete(again)
    except ImageFileError as error:
        raise ImageFileError("check-failed", f"the JPEG written cannot be read again ({error})") from error
    same = {
        "size": (layout.width, layout.height) == (again.width, again.height),
        "quantisation tables": layout.component_tables == again.component_tables,
        "sampling": _sampling(layout) == _sampling(again),
        "colour space": layout.colour == again.colour,
        "kind of scans": layout.progressive == again.progressive,
    }
    wrong = [name for name, equal in same.items() if not equal]
    wrong += sorted(jpeg_metadata.findings(data, again, metadata))
    if wrong:
        raise ImageFileError("check-failed", f"the JPEG written differs in {', '.join(wrong)}")


def _sampling(layout: jm.Layout) -> list[tuple[int, int]]:
    # The factors of a single component mean nothing.
    return [(c.h, c.v) for c in layout.components] if len(layout.components) > 1 else []


def _check_samples(data: bytes, layout: jm.Layout, pixels: Frame) -> None:
    """Decode a file just made and hold every 8x8 block of it against the pixels that were to be written.

    Quantisation moves each coefficient by half its step at most, the transform keeps distances, and clipping cannot
    lead away from samples that are within range: so half the length of the vector of steps bounds the distance of a
    block of a component that is stored pixel by pixel. Chroma planes are subsampled, so for colour it is luma that is
    held against this bound.
    """
    tables = layout.component_tables
    if layout.colour in ("L", "YCbCr"):
        written = _luma(pixels)[None]
        read = decode_strictly(data, "GRAY")[None, ..., 0]
        tables = tables[:1]
    else:
        decoded = _samples(data, layout, "stored")
        if layout.colour == "YCCK" or any((c.h, c.v) != (1, 1) for c in layout.components):
            return
        written, read = np.moveaxis(pixels, -1, 0), np.moveaxis(decoded, -1, 0)
    for a, b, table in zip(written, read, tables, strict=True):
        if _largest_block_distance(a, b) > _distance_bound(table):
            raise ImageFileError("damaged", "a block is further from its pixels than quantisation explains")


def _luma(pixels: Frame) -> NDArray[np.uint8]:
    if pixels.ndim == 2:
        return np.asarray(pixels, np.uint8)
    image = require("PIL.Image", "Pillow")
    return np.asarray(image.fromarray(pixels).convert("L"))


def _distance_bound(table: tuple[int, ...]) -> float:
    # Integer transforms and colour conversion round: 1.5 levels in each of 64 samples cover both ways.
    return 0.5 * float(np.linalg.norm(np.array(table, float))) + 1.5 * 8


def _largest_block_distance(a: Frame, b: Frame) -> float:
    """The largest Euclidean distance between blocks at the same place, edge blocks filled up with equal samples."""
    height, width = a.shape
    squares = np.zeros((-(-height // 8) * 8, -(-width // 8) * 8), np.float32)
    np.square(np.maximum(a, b) - np.minimum(a, b), dtype=np.float32, out=squares[:height, :width])
    # Sums of 8 columns and of 8 rows as one matrix product each: several times faster than reductions over short axes.
    columns = squares.reshape(-1, 8) @ np.ones(8, np.float32)
    rows = columns.reshape(squares.shape[0] // 8, 8, -1).sum(axis=1)
    return float(np.sqrt(rows.max()))


def findings(data: bytes, metadata: Metadata) -> dict[str, int]:
    """Everything in a file besides its one picture that the level does not allow, by kind."""
    return dict(+jpeg_metadata.findings(data, jm.parse(data), metadata))
