"""Directories of TIFF tags: the structure that TIFF files and EXIF blocks share."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Order = Literal["<", ">"]

# Bytes per value of each TIFF 6.0 type, and IFD (13), which EXIF writers use for pointers.
TYPE_SIZE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}


class IfdError(ValueError):
    """A directory that cannot be read."""


@dataclass(frozen=True)
class Entry:
    """One tag; `value` is its bytes in the block's own byte order."""

    tag: int
    type: int
    count: int
    value: bytes

    def integer(self, order: Order) -> int | None:
        """The first value, if it is an unsigned integer."""
        code = {1: "B", 3: "H", 4: "I", 13: "I"}.get(self.type)
        if code is None or self.count < 1:
            return None
        return int(struct.unpack_from(order + code, self.value)[0])


@dataclass(frozen=True)
class Directory:
    """The tags of one directory, the offset of the next, the byte ranges read, and the tags that were unreadable."""

    entries: tuple[Entry, ...]
    next: int
    spans: tuple[tuple[int, int], ...]
    unreadable: tuple[int, ...]

    def get(self, tag: int) -> Entry | None:
        """The first entry of a tag."""
        return next((entry for entry in self.entries if entry.tag == tag), None)


def byte_order(block: bytes) -> Order:
    """The byte order of a classic TIFF header."""
    if block[:4] == b"II*\0":
        return "<"
    if block[:4] == b"MM\0*":
        return ">"
    raise IfdError("no TIFF header")


def read_directory(block: bytes, offset: int, order: Order) -> Directory:
    """Read one directory; tags of unknown type or with values outside the block are named, not returned."""
    if offset < 8 or offset + 2 > len(block):
        raise IfdError(f"directory at {offset} is outside the {len(block)} bytes")
    (count,) = struct.unpack_from(order + "H", block, offset)
    end = offset + 2 + 12 * count
    if end > len(block):
        raise IfdError(f"directory at {offset} with {count} tags ends outside the {len(block)} bytes")
    entries: list[Entry] = []
    # Writers are known to leave the offset of the next directory out at the very end of a block.
    following = struct.unpack_from(order + "I", block, end)[0] if end + 4 <= len(block) else 0
    spans = [(offset, min(end + 4, len(block)))]
    unreadable: list[int] = []
    for position in range(offset + 2, end, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", block, position)
        size = TYPE_SIZE.get(kind, 0) * values
        start = position + 8 if size <= 4 else struct.unpack_from(order + "I", block, position + 8)[0]
        if kind not in TYPE_SIZE or start + size > len(block):
            unreadable.append(tag)
            continue
        if size > 4:
            spans.append((start, start + size))
        entries.append(Entry(tag, kind, values, block[start : start + size]))
    return Directory(tuple(entries), following, tuple(spans), tuple(unreadable))


def write_directory(entries: Iterable[Entry], offset: int, order: Order, following: int = 0) -> bytes:
    """A directory to stand at `offset`, its values right behind it; `following` is the offset of the next, or 0."""
    ordered = sorted(entries, key=lambda entry: entry.tag)
    table = [struct.pack(order + "H", len(ordered))]
    values = bytearray()
    start = offset + 2 + 12 * len(ordered) + 4
    for entry in ordered:
        table.append(struct.pack(order + "HHI", entry.tag, entry.type, entry.count))
        if len(entry.value) <= 4:
            table.append(entry.value.ljust(4, b"\0"))
        else:
            table.append(struct.pack(order + "I", start + len(values)))
            values += entry.value
            # TIFF 6.0 wants values to begin on a word boundary.
            values += b"\0" * (len(values) % 2)
    table.append(struct.pack(order + "I", following))
    return b"".join(table) + bytes(values)
