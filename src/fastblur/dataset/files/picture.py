"""What a file holds: its header, its decoded frames, and what a rebuilt file looks like."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

# uint8 or uint16.
Frame = NDArray[np.unsignedinteger[Any]]
Box = tuple[int, int, int, int]
Metadata = Literal["keep", "safe", "strip"]
JpegMode = Literal["pixels", "blocks"]
Check = Literal["full", "structure"]
Chroma = Literal["stored", "smooth"]


@dataclass(frozen=True)
class ImageInfo:
    """The header of an image file.

    Attributes
    ----------
    format : str
        ``jpeg``, ``png``, ``webp``, ``tiff`` or ``bmp``, told by the content, never by the name.
    width, height : int
        In pixels as stored, before the EXIF orientation.
    mode : str
        What is stored, by Pillow's names: ``1``, ``L``, ``LA``, ``P``, ``RGB``, ``RGBA``, ``CMYK``, and with 16 bits
        ``I;16``, ``LA;16``, ``RGB;16``, ``RGBA;16``, ``CMYK;16``.
    frames : int
        Number of frames or pages.
    orientation : int
        EXIF orientation, 1 to 8; 1 where the file does not say.
    """

    format: str
    width: int
    height: int
    mode: str
    frames: int
    orientation: int


@dataclass
class Picture:
    """A decoded image file, complete enough to be written again.

    Attributes
    ----------
    info : ImageInfo
        The file's header.
    frames : list of ndarray
        Arrays of shape (H, W) or (H, W, C), C from 2 to 4, uint8 or uint16, writable and C-contiguous, as stored (not
        rotated). Obfuscate them in place, or replace them by arrays of the same shape and dtype, then call `encode`.
        For animations these are the composited frames, what a viewer shows; for a CMYK JPEG they are the stored samples
        (255 is no ink where an Adobe marker says so).
    chroma : {"stored", "smooth"}
        How `decode` spread what a JPEG file stores of chroma.
    """

    info: ImageInfo
    frames: list[Frame]
    source: bytes = field(repr=False)
    state: Any = field(repr=False, default=None)
    chroma: Chroma = "stored"


@dataclass(frozen=True)
class Encoded:
    """A rebuilt file.

    Attributes
    ----------
    data : bytes
        The file.
    dropped : dict
        What the source held that the file does not, by kind, with counts: ``{"exif-thumbnail": 1, "gps": 1}``.
    notes : list of str
        What the reader of a record should know, such as ``jpeg-blocks-fallback: <why>``.
    """

    data: bytes
    dropped: dict[str, int]
    notes: list[str]
