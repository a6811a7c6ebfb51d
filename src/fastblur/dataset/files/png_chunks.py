"""The chunks of a PNG file (W3C PNG, third edition), without decompressing any picture data."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from fastblur.dataset.files.errors import ImageFileError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Colour types and the bit depths each may have.
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


@dataclass(frozen=True)
class Chunk:
    """One chunk; `intact` tells whether its checksum is right."""

    type: bytes
    data: bytes
    intact: bool


@dataclass(frozen=True)
class Header:
    """IHDR."""

    width: int
    height: int
    depth: int
    colour: int
    interlace: int

    def pack(self) -> bytes:
        """IHDR's content."""
        return struct.pack(">IIBBBBB", self.width, self.height, self.depth, self.colour, 0, 0, self.interlace)


@dataclass(frozen=True)
class Layout:
    """All chunks up to IEND, and the offset behind it."""

    header: Header
    chunks: tuple[Chunk, ...]
    end: int

    def first(self, kind: bytes) -> bytes | None:
        """The content of the first intact chunk of a type."""
        return next((chunk.data for chunk in self.chunks if chunk.type == kind and chunk.intact), None)


def parse(data: bytes, *, headers_only: bool = False) -> Layout:
    """Walk over the chunks up to IEND, or with `headers_only` up to the first IDAT."""
    chunks: list[Chunk] = []
    position = len(SIGNATURE)
    while not (chunks and chunks[-1].type == b"IEND"):
        if position + 12 > len(data):
            raise ImageFileError("truncated", "PNG without its IEND chunk")
        length, kind = struct.unpack_from(">I4s", data, position)
        if position + 12 + length > len(data):
            raise ImageFileError("truncated", f"PNG ends inside the chunk {kind!r} at byte {position}")
        content = data[position + 8 : position + 8 + length]
        checksum = int.from_bytes(data[position + 8 + length : position + 12 + length], "big")
        intact = zlib.crc32(content, zlib.crc32(kind)) == checksum
        # Lower case in the first letter marks a chunk that the picture does not need.
        if not intact and not kind[0] & 0x20:
            raise ImageFileError("damaged", f"PNG chunk {kind!r} at byte {position} has a wrong checksum")
        chunks.append(Chunk(kind, content, intact))
        position += 12 + length
        if headers_only and kind == b"IDAT":
            break
    return Layout(_header(chunks[0]), tuple(chunks), position)


def _header(chunk: Chunk) -> Header:
    if chunk.type != b"IHDR" or len(chunk.data) != 13:
        raise ImageFileError("damaged", "PNG that does not begin with IHDR")
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", chunk.data)
    if not (0 < width < 2**31 and 0 < height < 2**31):
        raise ImageFileError("damaged", f"PNG of {width}x{height} pixels")
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise ImageFileError("damaged", f"PNG with colour type {colour} and {depth} bits")
    return Header(width, height, depth, colour, interlace)


def pack(kind: bytes, content: bytes) -> bytes:
    """A chunk as it stands in a file."""
    return struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


def file_of(header: Header, chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A file of these chunks between IHDR and IEND."""
    parts = [SIGNATURE, pack(b"IHDR", header.pack()), *(pack(*chunk) for chunk in chunks), pack(b"IEND", b"")]
    return b"".join(parts)
