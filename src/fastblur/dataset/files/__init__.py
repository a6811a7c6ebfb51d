"""Image files: read them whole, and write them anew with nothing in them but what is on the allowlist.

A rebuilt file holds the pixels, the ICC profile and the listed EXIF tags. Thumbnails, previews, MakerNotes, XMP,
layers, comments and data behind the end of the picture are left out and counted.
"""

from fastblur.dataset.files.api import (
    allowed_difference,
    coefficients_equal_outside,
    decode,
    encode,
    previews,
    probe,
)
from fastblur.dataset.files.errors import ImageFileError
from fastblur.dataset.files.picture import Chroma, Encoded, ImageInfo, Picture
from fastblur.dataset.files.sniff import sniff

__all__ = [
    "Chroma",
    "Encoded",
    "ImageFileError",
    "ImageInfo",
    "Picture",
    "allowed_difference",
    "coefficients_equal_outside",
    "decode",
    "encode",
    "previews",
    "probe",
    "sniff",
]
