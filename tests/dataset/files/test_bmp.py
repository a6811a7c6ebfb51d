"""BMP: all common kinds are read as Pillow reads them, and written as 8, 24 or 32 bits."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fastblur.dataset.files import ImageFileError, decode, encode, probe

from . import builders

PHOTO = builders.photo(21, 31)


def _alpha() -> bytes:
    """32 bits with masks, as graphics programs write them; rows bottom up, blue first."""
    pixels = builders.noise((21, 31, 4))
    info = struct.pack("<IiiHHIIiiII", 108, 31, 21, 1, 32, 3, pixels.nbytes, 2835, 2835, 0, 0)
    info += struct.pack("<4I4s", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, b"BGRs") + b"\0" * 48
    return struct.pack("<2sIHHI", b"BM", 122 + pixels.nbytes, 0, 0, 122) + info + pixels.tobytes()


def _profile() -> bytes:
    """24 bits with an ICC profile behind the pixels."""
    plain = builders.saved(PHOTO, "BMP")
    pixels = plain[int.from_bytes(plain[10:14], "little") :]
    profile = builders.icc_profile()
    info = struct.pack("<IiiHHIIiiII", 124, 31, 21, 1, 24, 0, len(pixels), 0, 0, 0, 0)
    info += b"\0" * 16 + b"DEBM" + b"\0" * 48 + struct.pack("<IIII", 4, 124 + len(pixels), len(profile), 0)
    return struct.pack("<2sIHHI", b"BM", 138 + len(pixels) + 400, 0, 0, 138) + info + pixels + profile


FILES = {
    "RGB": builders.saved(PHOTO, "BMP"),
    "grey": builders.saved(PHOTO[..., 0], "BMP"),
    "palette": builders.saved(Image.fromarray(PHOTO).quantize(9), "BMP"),
    "black and white": builders.saved(Image.fromarray(PHOTO).convert("1"), "BMP"),
    "alpha": _alpha(),
    "profile": _profile(),
}


@pytest.mark.parametrize("name", FILES)
def test_pixels(name: str) -> None:
    source = FILES[name]
    picture = decode(source, max_pixels=10**4)
    mode = {"palette": "RGB", "black and white": "L"}.get(name)
    np.testing.assert_array_equal(picture.frames[0], builders.opened(source, mode))
    picture.frames[0][3:9, 4:20] = 50
    encoded = encode(picture, touched=[(4, 3, 20, 9)])
    assert encoded.dropped == {}
    np.testing.assert_array_equal(builders.opened(encoded.data), picture.frames[0])
    assert probe(source) == picture.info


def test_profile_and_resolution_stay() -> None:
    encoded = encode(decode(FILES["profile"], max_pixels=10**4), touched=[]).data
    assert encoded.endswith(builders.icc_profile())
    resolution = builders.saved(PHOTO, "BMP", dpi=(300, 300))
    again = Image.open(io.BytesIO(encode(decode(resolution, max_pixels=10**4), touched=[]).data))
    assert tuple(map(round, again.info["dpi"])) == (300, 300)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (18, struct.pack("<i", -5), "damaged: BMP of -5x21"),
        (28, struct.pack("<H", 3), "unsupported: BMP with 3 bits"),
        (30, struct.pack("<I", 4), "unsupported: BMP with 24 bits and compression 4"),
        (22, struct.pack("<i", 10**6), "truncated: BMP whose pixels would lie outside the file"),
        (10, struct.pack("<I", 20), "damaged: BMP whose pixels would lie outside the file"),
    ],
)
def test_hostile_headers(offset: int, value: Any, message: str) -> None:
    source = bytearray(FILES["RGB"])
    source[offset : offset + len(value)] = value
    with pytest.raises(ImageFileError, match=message):
        decode(bytes(source), max_pixels=10**12)
