"""The headers of a BMP file."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from fastblur.dataset.files.errors import ImageFileError

_NAMES = {0: "uncompressed", 1: "RLE8", 2: "RLE4", 3: "bit fields", 6: "bit fields with alpha"}
_PROFILE_EMBEDDED = b"DEBM"


@dataclass(frozen=True)
class Header:
    """File and information header.

    `palette` is the number of colours, `gap` the bytes between headers and pixels, `end` the offset behind all data.
    """

    width: int
    height: int
    bits: int
    compression: int
    masks: tuple[int, ...]
    resolution: tuple[int, int]
    palette: int
    icc: bytes
    gap: int
    end: int

    @property
    def alpha(self) -> bool:
        """Whether a mask declares alpha bits."""
        return len(self.masks) == 4 and self.masks[3] != 0


def parse(data: bytes) -> Header:
    """Read the headers and check that the file is long enough for what they announce."""
    if len(data) < 26:
        raise ImageFileError("truncated", f"BMP of {len(data)} bytes")
    (offset, size) = struct.unpack_from("<II", data, 10)
    if 14 + size > len(data):
        raise ImageFileError("truncated", "BMP ends inside its header")
    compression, colours, resolution, stored = 0, 0, (0, 0), 0
    if size == 12:
        width, height, planes, bits = struct.unpack_from("<HHHH", data, 18)
    else:
        width, height, planes, bits = struct.unpack_from("<iiHH", data, 18)
        if size >= 40:
            compression, stored, x, y, colours = struct.unpack_from("<IIiiI", data, 30)
            resolution = (x, y)
    height = abs(height)
    if width <= 0 or height <= 0 or planes != 1:
        raise ImageFileError("damaged", f"BMP of {width}x{height} pixels in {planes} planes")
    if bits not in (1, 4, 8, 16, 24, 32) or compression not in _NAMES:
        raise ImageFileError("unsupported", f"BMP with {bits} bits and compression {compression}")
    masks: tuple[int, ...] = ()
    position = 14 + size
    if compression in (3, 6):
        count = 4 if compression == 6 or size >= 56 else 3
        if 54 + 4 * count > len(data):
            raise ImageFileError("truncated", "BMP ends inside its header")
        masks = struct.unpack_from(f"<{count}I", data, 54)
        if size == 40:
            position += 4 * count
    elif size >= 56:
        # Without bit fields the masks of a large header mean nothing.
        masks = ()
    if bits <= 8:
        colours = min(colours or 1 << bits, 1 << bits)
        position += colours * (3 if size == 12 else 4)
    else:
        colours = 0
    length = (width * bits + 31) // 32 * 4 * height if compression in (0, 3, 6) else stored
    if offset < position or offset + length > len(data):
        reason = "BMP whose pixels would lie outside the file"
        raise ImageFileError("truncated" if offset >= position else "damaged", reason)
    profile, end = _profile(data, size)
    gap = offset - position
    return Header(width, height, bits, compression, masks, resolution, colours, profile, gap, max(offset + length, end))


def _profile(data: bytes, size: int) -> tuple[bytes, int]:
    """An embedded ICC profile and the offset behind it."""
    if size < 124 or data[14 + 56 : 14 + 60] != _PROFILE_EMBEDDED:
        return b"", 0
    start, length = struct.unpack_from("<II", data, 14 + 112)
    begin = 14 + start
    return data[begin : begin + length], begin + length


def pack(width: int, height: int, bits: int, resolution: tuple[int, int], profile: bytes) -> bytes:
    """Everything before the pixels, and a profile's position behind them, for rows stored bottom up.

    Grey (8 bits) gets its palette, alpha (32 bits) its masks.
    """
    palette = b"".join(bytes((i, i, i, 0)) for i in range(256)) if bits == 8 else b""
    size = 124 if bits == 32 or profile else 40
    offset = 14 + size + len(palette)
    length = (width * bits + 31) // 32 * 4 * height
    compression = 3 if bits == 32 else 0
    info = struct.pack(
        "<IiiHHIIiiII", size, width, height, 1, bits, compression, length, *resolution, len(palette) // 4, 0
    )
    if size == 124:
        masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000) if bits == 32 else (0, 0, 0, 0)
        space = b"DEBM" if profile else b"BGRs"
        info += struct.pack("<4I4s", *masks, space) + b"\0" * 48
        # Rendering intent 4: images.
        info += struct.pack("<IIII", 4, size + len(palette) + length if profile else 0, len(profile), 0)
    file = struct.pack("<2sIHHI", b"BM", offset + length + len(profile), 0, 0, offset)
    return file + info + palette
