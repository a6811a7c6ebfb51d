"""The functions that the data-set command uses, for any of the formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastblur.dataset.files import jpeg_blocks
from fastblur.dataset.files.codec import codec_of
from fastblur.dataset.files.errors import ImageFileError
from fastblur.dataset.files.sniff import sniff

if TYPE_CHECKING:
    from fastblur.dataset.files.picture import (
        Box,
        Check,
        Chroma,
        Encoded,
        Frame,
        ImageInfo,
        JpegMode,
        Metadata,
        Picture,
    )


def probe(data: bytes) -> ImageInfo:
    """The header of an image file, without decoding a pixel.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    ImageFileError
        If the content is no image that is handled, or its header is damaged.

    Examples
    --------
    >>> probe(open("photo.jpg", "rb").read()).orientation  # doctest: +SKIP
    6
    """
    return codec_of(data).probe(data)


def decode(data: bytes, *, max_pixels: int, chroma: Chroma = "stored") -> Picture:
    """Decode every frame of an image file, completely or not at all.

    Parameters
    ----------
    data : bytes
        The whole file.
    max_pixels : int
        The most pixels that all frames together may have; looked at before anything is decompressed.
    chroma : {"stored", "smooth"}
        How a JPEG's subsampled chroma is spread over the pixels: each sample over the pixels it was made of, so that
        encoding again finds the very samples that were stored, or interpolated, as viewers and other libraries do.

    Returns
    -------
    Picture
        With `frames` of shape (H, W) or (H, W, C), uint8 or uint16. Palettes are looked up (RGB, or RGBA where a colour
        is transparent), 1, 2 and 4 bits become 8-bit grey.

    Raises
    ------
    ImageFileError
        For anything but a complete, undamaged image of a handled kind; `reason` tells which.

    Examples
    --------
    >>> picture = decode(open("photo.jpg", "rb").read(), max_pixels=10**8)  # doctest: +SKIP
    >>> picture.frames[0][20:80, 30:90] = 0  # doctest: +SKIP
    """
    return codec_of(data).decode(data, max_pixels, chroma)


def encode(
    picture: Picture,
    *,
    touched: list[Box],
    metadata: Metadata = "safe",
    jpeg: JpegMode = "pixels",
    check: Check = "full",
) -> Encoded:
    """Write a picture anew, in its own format, with its frames as they are now.

    Parameters
    ----------
    picture : Picture
        From `decode`; its frames hold the obfuscated pixels, with unchanged shapes and dtypes.
    touched : list of (x1, y1, x2, y2)
        The half-open boxes, in stored pixels, that were changed. Only `jpeg="blocks"` uses them, and raises
        `ValueError` if a pixel outside all of them was changed.
    metadata : {"safe", "keep", "strip"}
        ``safe`` keeps orientation, camera, exposure and date tags; ``keep`` also GPS, owner, serial numbers and
        descriptions; ``strip`` the orientation alone. None keeps previews, MakerNotes, XMP or comments; all keep the
        ICC profile.
    jpeg : {"pixels", "blocks"}
        Encode all of a JPEG again with the tables and the sampling it had, or rewrite only the DCT blocks that a box
        touches and leave every other coefficient as it is. Where the latter cannot be done, the former is, and `notes`
        says why.
    check : {"full", "structure"}
        What is read back of a JPEG encoded from pixels: ``full`` decodes it and holds every 8x8 block against the
        pixels; ``structure`` reads its segments, tables and scans only. All other files are always decoded and
        compared.

    Returns
    -------
    Encoded

    Raises
    ------
    ImageFileError
        ``unsupported`` if the picture cannot be written the way it was, ``check-failed`` if what was written does not
        read back.

    Examples
    --------
    >>> encode(picture, touched=[(30, 20, 90, 80)]).dropped  # doctest: +SKIP
    {'exif-thumbnail': 1, 'gps': 1}
    """
    for name, value, choices in (
        ("metadata", metadata, ("keep", "safe", "strip")),
        ("jpeg", jpeg, ("pixels", "blocks")),
        ("check", check, ("full", "structure")),
    ):
        if value not in choices:
            raise ValueError(f"{name} is {value!r}; accepted are {', '.join(choices)}")
    _require_frames(picture)
    return codec_of(picture.source).encode(picture, touched, metadata, jpeg, check)


def _require_frames(picture: Picture) -> None:
    """Raise unless the frames still are what the source had."""
    info = picture.info
    dtype = np.uint16 if "16" in info.mode else np.uint8
    if len(picture.frames) != info.frames:
        raise ValueError(f"{len(picture.frames)} frames; the file has {info.frames}")
    for number, frame in enumerate(picture.frames):
        if frame.shape[:2] != (info.height, info.width) or frame.ndim not in (2, 3) or frame.dtype != dtype:
            expected = f"({info.height}, {info.width}[, C]) of {np.dtype(dtype)}"
            raise ValueError(f"frame {number} is {frame.shape} of {frame.dtype}; the file has {expected}")


def previews(data: bytes, *, metadata: Metadata = "keep") -> list[str]:
    """Every kind of clear copy, and of metadata that a rebuilt file may not have, in an image file.

    Parameters
    ----------
    data : bytes
        The whole file.
    metadata : {"keep", "safe", "strip"}
        The level to hold it against; the default finds what no level lets through.

    Returns
    -------
    list of str
        Sorted kinds such as ``exif-thumbnail``, ``xmp``, ``makernote``, ``trailing-data``; empty for a clean file.

    Raises
    ------
    ImageFileError
        If the structure of the file cannot be read.

    Examples
    --------
    >>> previews(open("photo.jpg", "rb").read())  # doctest: +SKIP
    ['exif-thumbnail', 'mpf', 'trailing-data']
    """
    return sorted(codec_of(data).findings(data, metadata))


def coefficients_equal_outside(source: bytes, output: bytes, touched: list[Box]) -> list[str]:
    """What differs between two JPEG files besides the DCT blocks that boxes touch.

    Parameters
    ----------
    source, output : bytes
        The whole files.
    touched : list of (x1, y1, x2, y2)
        The boxes given to `encode`.

    Returns
    -------
    list of str
        Empty if sizes, sampling, quantisation tables and every untouched coefficient are identical.

    Raises
    ------
    ImageFileError
        If one of the files is no JPEG file whose coefficients can be read.

    Examples
    --------
    >>> coefficients_equal_outside(photo, blurred, [(30, 20, 90, 80)])  # doctest: +SKIP
    []
    """
    for name, data in (("source", source), ("output", output)):
        if sniff(data[:32]) != "jpeg":
            raise ImageFileError("not-an-image", f"{name} is no JPEG file")
    try:
        return jpeg_blocks.differences(source, output, touched)
    except jpeg_blocks.BlocksError as error:
        raise ImageFileError("unsupported", str(error)) from error


def allowed_difference(picture: Picture) -> float:
    """The largest difference of a sample, outside the boxes, that encoding a picture explains.

    It is measured: the picture is encoded with its frames as they are now and decoded again, and a quarter and two
    levels are added. For lossless files it is 0.

    With the obfuscated frames the bound holds for every pixel that was not obfuscated. With the source's frames it
    holds except within 2 pixels of a 16x16 block that a box touches, where the new edges ring. (Photographs with filled
    boxes, JPEG quality 50 to 98 by pixels and by blocks, WebP quality 50 to 95: no pixel beyond it in 92 files.)

    Parameters
    ----------
    picture : Picture
        From `decode`.

    Returns
    -------
    float
        In levels of the frames' dtype.

    Examples
    --------
    >>> allowed_difference(picture)  # doctest: +SKIP
    14.5
    """
    encoded = encode(picture, touched=[], metadata="strip", check="structure")
    total = sum(frame.shape[0] * frame.shape[1] for frame in picture.frames)
    again = decode(encoded.data, max_pixels=total, chroma=picture.chroma)
    largest = max(_largest_difference(a, b) for a, b in zip(picture.frames, again.frames, strict=True))
    return 1.25 * largest + 2 if largest else 0.0


def _largest_difference(a: Frame, b: Frame) -> int:
    if a.shape != b.shape:  # an opaque alpha channel that the encoder left out
        a, b = a[..., : b.shape[-1]], b[..., : a.shape[-1]]
    return int((np.maximum(a, b) - np.minimum(a, b)).max(initial=0))
