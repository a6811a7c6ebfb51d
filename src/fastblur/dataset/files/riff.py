"""RIFF containers, as WebP uses them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastblur.dataset.files.errors import ImageFileError

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Chunk:
    """One chunk."""

    id: bytes
    data: bytes


def split(data: bytes, what: str) -> list[Chunk]:
    """The chunks of a list; `what` names the file in errors."""
    chunks = []
    position = 0
    while position < len(data):
        if position + 8 > len(data):
            raise ImageFileError("truncated", f"{what} ends inside a chunk header")
        kind, length = struct.unpack_from("<4sI", data, position)
        if position + 8 + length > len(data):
            raise ImageFileError("truncated", f"{what} ends inside the chunk {kind!r}")
        chunks.append(Chunk(kind, data[position + 8 : position + 8 + length]))
        position += 8 + length + length % 2
    return chunks


def join(chunks: Iterable[Chunk]) -> bytes:
    """Chunks one behind the other, each padded to an even length."""
    return b"".join(struct.pack("<4sI", c.id, len(c.data)) + c.data + b"\0" * (len(c.data) % 2) for c in chunks)
