"""WebP files, lossless, lossy and animated."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from fastblur.dataset.files import exif, icc, riff, vp8_quality, webp_layout
from fastblur.dataset.files.checks import require_same_frames
from fastblur.dataset.files.errors import ImageFileError
from fastblur.dataset.files.limits import require_pixels
from fastblur.dataset.files.optional import require
from fastblur.dataset.files.picture import Box, Check, Chroma, Encoded, Frame, ImageInfo, JpegMode, Metadata, Picture

# libwebp's own default for lossless pictures; lossy ones take the source's quality.
_LOSSLESS_EFFORT = 75


def probe(data: bytes) -> ImageInfo:
    """The header of a WebP file."""
    return _info(webp_layout.parse(data))


def _exif(layout: webp_layout.Layout) -> bytes:
    block = layout.exif or b""
    # Some writers repeat the identifier that only JPEG needs.
    return block[6:] if block.startswith(b"Exif\0\0") else block


def _info(layout: webp_layout.Layout) -> ImageInfo:
    alpha = layout.alpha if layout.still is None else layout.still.alpha
    turned = exif.orientation(_exif(layout))
    return ImageInfo("webp", layout.width, layout.height, "RGBA" if alpha else "RGB", len(layout.frames) or 1, turned)


def decode(data: bytes, max_pixels: int, chroma: Chroma = "stored") -> Picture:
    """The frames of a WebP file, animations as composited."""
    layout = webp_layout.parse(data)
    info = _info(layout)
    require_pixels(info.width, info.height, info.frames, max_pixels)
    # Not Image.open: its own limit on pixels would come on top of max_pixels.
    plugin = require("PIL.WebPImagePlugin", "Pillow")
    frames: list[Frame] = []
    try:
        with plugin.WebPImageFile(io.BytesIO(data)) as opened:
            if getattr(opened, "n_frames", 1) != info.frames or opened.size != (info.width, info.height):
                raise ImageFileError("damaged", "WebP whose frames do not match its headers")
            for number in range(info.frames):
                opened.seek(number)
                frames.append(np.array(opened.convert(info.mode)))
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, ImageFileError):
            raise
        raise ImageFileError("damaged", f"WebP data does not decode ({error})") from error
    return Picture(info, frames, data, layout)


def _encode_picture(pixels: Frame, source: webp_layout.Bitstream) -> webp_layout.Bitstream:
    image = require("PIL.Image", "Pillow")
    settings: dict[str, Any]
    if source.lossless:
        settings = {"lossless": True, "quality": _LOSSLESS_EFFORT, "exact": True}
    else:
        quality = vp8_quality.quality_of(source.chunks[-1].data)
        settings = {"quality": quality, "alpha_quality": 100, "exact": True}
    stream = io.BytesIO()
    try:
        image.fromarray(pixels).save(stream, "WEBP", **settings)
    except (OSError, ValueError) as error:  # a composited frame may be larger than any one picture can be
        raise ImageFileError("unsupported", f"WebP that cannot be written again ({error})") from error
    picture = webp_layout.parse(stream.getvalue()).still
    if picture is None:
        raise ImageFileError("check-failed", "the WebP encoder wrote an animation for one picture")
    return picture


def encode(picture: Picture, touched: list[Box], metadata: Metadata, jpeg: JpegMode, check: Check) -> Encoded:
    """The picture as a WebP file: each frame lossless or lossy as it was, every frame a whole picture."""
    layout: webp_layout.Layout = picture.state
    profile = icc.clean(layout.icc) if layout.icc else b""
    block = exif.rebuild(_exif(layout), metadata) if layout.exif else b""
    if layout.still is not None:
        still = _encode_picture(picture.frames[0], layout.still)
        data = webp_layout.still_file(layout.width, layout.height, still, profile, block)
    else:
        # A composited frame may show pixels of any frame before it: one that is lossless makes those after it so, too.
        pictures = []
        model = layout.frames[0].picture
        for pixels, frame in zip(picture.frames, layout.frames, strict=True):
            model = model if model.lossless else frame.picture
            pictures.append((_encode_picture(pixels, model), frame.duration))
        data = webp_layout.animated_file(
            layout.width,
            layout.height,
            pictures,
            background=layout.background,
            loops=layout.loops,
            icc=profile,
            exif=block,
        )
    _check(data, picture, metadata)
    return Encoded(data, findings(picture.source, metadata), [])


def _check(data: bytes, picture: Picture, metadata: Metadata) -> None:
    layout: webp_layout.Layout = picture.state
    again = decode(data, max_pixels=sum(frame.shape[0] * frame.shape[1] for frame in picture.frames))
    written: webp_layout.Layout = again.state
    timing = [(x.loops, x.background, [frame.duration for frame in x.frames]) for x in (layout, written)]
    if timing[0] != timing[1]:
        raise ImageFileError("check-failed", "the WebP written has another timing than its source")
    streams = [written.still] if written.still else [frame.picture for frame in written.frames]
    if all(stream.lossless for stream in streams):
        require_same_frames(picture.frames, again.frames)
    elif [f.shape[:2] for f in picture.frames] != [f.shape[:2] for f in again.frames]:
        raise ImageFileError("check-failed", "the WebP written has frames of another size")
    if left := findings(data, metadata):
        raise ImageFileError("check-failed", f"the WebP written holds {', '.join(sorted(left))}")


_SLUGS = {b"XMP ": "xmp", b"ICCP": "duplicate-chunk", b"EXIF": "duplicate-chunk"}


def findings(data: bytes, metadata: Metadata) -> dict[str, int]:
    """Everything in a file besides its picture that the level does not allow, by kind."""
    layout = webp_layout.parse(data)
    found: dict[str, int] = {}

    def count(kind: str, times: int = 1) -> None:
        if times:
            found[kind] = found.get(kind, 0) + times

    for chunk in layout.extra:
        count(_slug(chunk))
    for frame in layout.frames:
        count("other-chunk", frame.extra)
    if layout.exif is not None:
        for kind, times in exif.findings(_exif(layout), metadata).items():
            count(kind, times)
    if layout.icc is not None and icc.clean(layout.icc) != layout.icc:
        count("icc-damaged")
    if layout.end < len(data):
        count("trailing-data")
    return found


def _slug(chunk: riff.Chunk) -> str:
    if chunk.id in (b"VP8 ", b"VP8L", b"ALPH", b"ANMF"):
        return "hidden-frame"
    return _SLUGS.get(chunk.id, "other-chunk")
