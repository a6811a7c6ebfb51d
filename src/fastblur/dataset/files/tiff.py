"""TIFF files with one or more pages of 8 or 16 bits; tifffile decodes and encodes them."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np

from fastblur.dataset.files import exif_tags, ifd, jpeg, tiff_layout, tiff_metadata
from fastblur.dataset.files import jpeg_markers as jm
from fastblur.dataset.files.checks import require_same_frames
from fastblur.dataset.files.errors import ImageFileError
from fastblur.dataset.files.limits import require_pixels
from fastblur.dataset.files.optional import require
from fastblur.dataset.files.picture import Box, Check, Chroma, Encoded, Frame, ImageInfo, JpegMode, Metadata, Picture

_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _SEPARATED, _YCBCR = 0, 1, 2, 3, 5, 6
_PHOTOMETRIC_NAMES = {4: "mask", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "colour filter array"}

# How each compression is written again: losslessly the same, else deflate.
_JPEG = 7
_COMPRESSIONS = {
    1: None,
    5: "lzw",
    8: "zlib",
    32946: "zlib",
    32773: "packbits",
    50000: "zstd",
    34925: "lzma",
    _JPEG: "zlib",
}
# Nothing in fax data tells whether it is complete: a damaged page could not be told from a whole one.
_FAX = (2, 3, 4)
_PREDICTABLE = (5, 8, 32946, 50000, 34925)


def probe(data: bytes) -> ImageInfo:
    """The header of a TIFF file."""
    return _info(tiff_layout.parse(data))


def _info(layout: tiff_layout.Layout) -> ImageInfo:
    page = layout.frames[0]
    turned = page.number(tiff_layout.ORIENTATION, 1)
    return ImageInfo(
        "tiff", page.width, page.height, _mode(page), len(layout.frames), turned if turned in range(1, 9) else 1
    )


def _mode(page: tiff_layout.Page) -> str:
    photometric, bits, samples = page.number(tiff_layout.PHOTOMETRIC, _MINISBLACK), page.bits[0], page.samples
    if photometric == _PALETTE:
        return "P"
    if photometric == _SEPARATED:
        mode = "CMYK"
    elif photometric in (_RGB, _YCBCR):
        mode = "RGBA" if samples == 4 else "RGB"
    else:
        mode = "LA" if samples == 2 else "1" if bits == 1 else "L"
    if bits == 16:
        return "I;16" if mode == "L" else f"{mode};16"
    return mode


def _require_supported(page: tiff_layout.Page) -> None:
    photometric, bits, samples = page.number(tiff_layout.PHOTOMETRIC, _MINISBLACK), set(page.bits), page.samples
    compression = page.number(tiff_layout.COMPRESSION, 1)
    allowed = {
        _MINISWHITE: (1, 2),
        _MINISBLACK: (1, 2),
        _RGB: (3, 4),
        _PALETTE: (1,),
        _SEPARATED: (4,),
        _YCBCR: (3,),
    }
    problem = None
    if photometric not in allowed:
        problem = f"{_PHOTOMETRIC_NAMES.get(photometric, 'unknown')} samples (photometric {photometric})"
    elif samples not in allowed[photometric]:
        problem = f"{samples} samples per pixel with photometric {photometric}"
    elif set(page.numbers(tiff_layout.SAMPLE_FORMAT)) - {1, 4}:
        problem = "samples that are not unsigned integers"
    elif bits not in ({8}, {16}) and not (samples == 1 and bits in ({1}, {2}, {4})):
        problem = f"samples of {sorted(bits)} bits"
    elif bits == {16} and photometric == _PALETTE:
        problem = "a palette of 65536 colours"
    elif compression not in _COMPRESSIONS:
        problem = "fax compression" if compression in _FAX else f"compression {compression}"
    elif photometric == _YCBCR and compression != _JPEG:
        problem = "YCbCr samples without JPEG compression"
    elif compression == _JPEG and bits != {8}:
        problem = "JPEG compression of other than 8 bits"
    if problem:
        raise ImageFileError("unsupported", f"TIFF page with {problem}")


def decode(data: bytes, max_pixels: int, chroma: Chroma = "stored") -> Picture:
    """The pages of a TIFF file; smaller copies are left out, pages of different sizes refused."""
    layout = tiff_layout.parse(data)
    info = _info(layout)
    if not info.width or not info.height:
        raise ImageFileError("damaged", f"TIFF page of {info.width}x{info.height} pixels")
    require_pixels(info.width, info.height, info.frames, max_pixels)
    if (count := tiff_metadata.imagej_images(layout.frames[0])) > len(layout.frames):
        raise ImageFileError("multi-frame", f"ImageJ stack of {count} images behind {len(layout.frames)} directories")
    for number, page in enumerate(layout.frames):
        if (page.width, page.height) != (info.width, info.height):
            size = f"{page.width}x{page.height}, the first {info.width}x{info.height}"
            raise ImageFileError("multi-frame", f"page {number} is {size}: the boxes of one do not fit the other")
        if page.mask:
            raise ImageFileError("multi-frame", f"page {number} is a transparency mask")
        _require_supported(page)
        tiff_layout.require_data(page, data)
        if page.number(tiff_layout.COMPRESSION, 1) == _JPEG:
            _require_whole_jpegs(page, data)
    tifffile = require("tifffile")
    frames: list[Frame] = []
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            for page, decoded in zip(layout.pages, file.pages, strict=True):
                if not page.reduced:
                    frames.append(_samples(page, decoded))
    except ImageFileError:
        raise
    except Exception as error:  # the codecs of TIFF share no class of errors
        raise ImageFileError("damaged", f"TIFF data does not decode ({type(error).__name__}: {error})") from error
    return Picture(info, frames, data, layout)


def _require_whole_jpegs(page: tiff_layout.Page, data: bytes) -> None:
    """Decode every JPEG strip or tile strictly, which tifffile's codec does not."""
    entry = page.directory.get(tiff_layout.JPEG_TABLES)
    tables = entry.value[2:-2] if entry else b""
    for offset, length in page.segments():
        stream = data[offset : offset + 2] + tables + data[offset + 2 : offset + length]
        layout = jm.parse(stream)
        jm.require_complete(layout)
        jpeg.decode_strictly(stream, jpeg.COLOURS[len(layout.components)])


def _samples(page: tiff_layout.Page, decoded: Any) -> Frame:
    """A page as (H, W) or (H, W, C), palettes looked up, fewer than 8 bits spread to 8."""
    array: Any = decoded.asarray()
    photometric, bits = page.number(tiff_layout.PHOTOMETRIC, _MINISBLACK), page.bits[0]
    if page.number(tiff_layout.PLANAR, 1) == 2 and array.ndim == 3:
        array = np.moveaxis(array, 0, -1)
    shape = (page.height, page.width) if page.samples == 1 else (page.height, page.width, page.samples)
    if array.shape != shape:
        raise ImageFileError("damaged", f"TIFF page of shape {array.shape}, its tags say {shape}")
    if photometric == _PALETTE:
        colours = np.asarray(decoded.colormap)
        # 16-bit entries by TIFF 6.0; some writers store 8 bits.
        table = (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)
        return np.ascontiguousarray(np.moveaxis(table[:, array], 0, -1))
    if bits < 8:
        spread = array.astype(np.uint8) * np.uint8(255 // (2**bits - 1))
        return np.asarray(255 - spread if photometric == _MINISWHITE else spread)
    native: Frame = np.require(array, array.dtype.newbyteorder("="), ["C", "W"])
    return native


def encode(picture: Picture, touched: list[Box], metadata: Metadata, jpeg: JpegMode, check: Check) -> Encoded:
    """The pages as a TIFF file: compressed as they were where that is lossless, else with deflate."""
    layout: tiff_layout.Layout = picture.state
    kept = tiff_metadata.allowed_tags(picture.source, layout, layout.frames[0], metadata)
    directories = {name: entries for name, entries in kept.items() if name != "ifd0"}
    notes = []
    stream = io.BytesIO()
    with require("tifffile").TiffWriter(stream, byteorder=layout.order, bigtiff=False) as writer:
        for number, (page, frame) in enumerate(zip(layout.frames, picture.frames, strict=True)):
            own = kept if number == 0 else tiff_metadata.allowed_tags(picture.source, layout, page, metadata)
            entries = [e for e in own.get("ifd0", []) if e.tag not in (exif_tags.EXIF_POINTER, exif_tags.GPS_POINTER)]
            writer.write(**_page_arguments(page, frame, entries, len(layout.frames) > 1))
            if page.number(tiff_layout.COMPRESSION, 1) == _JPEG:
                notes.append("tiff-compression-became-deflate")
    data = tiff_metadata.with_exif(stream.getvalue(), layout.order, directories)
    again = decode(data, max_pixels=sum(frame.shape[0] * frame.shape[1] for frame in picture.frames))
    require_same_frames(picture.frames, again.frames)
    if left := findings(data, metadata):
        raise ImageFileError("check-failed", f"the TIFF written holds {', '.join(sorted(left))}")
    return Encoded(data, findings(picture.source, metadata), sorted(set(notes)))


def _page_arguments(page: tiff_layout.Page, frame: Frame, entries: list[ifd.Entry], several: bool) -> dict[str, Any]:
    photometric = page.number(tiff_layout.PHOTOMETRIC, _MINISBLACK)
    compression = page.number(tiff_layout.COMPRESSION, 1)
    kind = {
        _MINISWHITE: "miniswhite" if page.bits[0] >= 8 else "minisblack",
        _MINISBLACK: "minisblack",
        _SEPARATED: "separated",
    }.get(photometric, "rgb")
    samples = 1 if frame.ndim == 2 else frame.shape[2]
    extra = samples - {"rgb": 3, "separated": 4}.get(kind, 1)
    planar = page.number(tiff_layout.PLANAR, 1) == 2 and samples > 1 and photometric != _PALETTE
    alpha = page.number(tiff_layout.EXTRA_SAMPLES, 0)
    unit = page.number(tiff_layout.RESOLUTION_UNIT, 2)
    tile_shape = (page.number(tiff_layout.TILE_HEIGHT, 0), page.number(tiff_layout.TILE_WIDTH, 0))
    return {
        "data": np.ascontiguousarray(np.moveaxis(frame, -1, 0)) if planar else frame,
        "photometric": kind,
        "planarconfig": ("separate" if planar else "contig") if samples > 1 else None,
        "extrasamples": (alpha if alpha in (0, 1, 2) else 0,) if extra else None,
        "compression": _COMPRESSIONS[compression],
        "predictor": page.number(tiff_layout.PREDICTOR, 1) == 2 and compression in _PREDICTABLE,
        "tile": tile_shape if all(side and side % 16 == 0 for side in tile_shape) else None,
        "subfiletype": page.number(tiff_layout.SUBFILE, 2 if several else 0) & 2,
        "resolution": _resolution(page),
        "resolutionunit": unit if unit in (1, 2, 3) else 1,
        "iccprofile": tiff_metadata.profile(page) or None,
        "extratags": tiff_metadata.extra_tags(entries),
        "metadata": None,
        "software": False,
    }


def _resolution(page: tiff_layout.Page) -> tuple[tuple[int, int], tuple[int, int]] | None:
    values = []
    for tag in (tiff_layout.X_RESOLUTION, tiff_layout.Y_RESOLUTION):
        entry = page.directory.get(tag)
        if entry is None or entry.type != 5 or entry.count != 1:
            return None
        values.append(struct.unpack(page.order + "II", entry.value))
    return None if any(denominator == 0 for _, denominator in values) else (values[0], values[1])


def findings(data: bytes, metadata: Metadata) -> dict[str, int]:
    """Everything in a file besides its pages that the level does not allow, by kind."""
    return dict(tiff_metadata.findings(data, tiff_layout.parse(data), metadata))
