"""The structure of a WebP file: canvas, frames and metadata, without decoding any picture data (RFC 9649)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from fastblur.dataset.files import riff
from fastblur.dataset.files.errors import ImageFileError

_ALPHA, _ANIMATION, _EXIF, _ICC = 0x10, 0x02, 0x08, 0x20
_PICTURE = (b"ALPH", b"VP8 ", b"VP8L")


@dataclass(frozen=True)
class Bitstream:
    """The chunks of one picture: VP8L, or VP8 with an optional ALPH before it."""

    chunks: tuple[riff.Chunk, ...]

    @property
    def lossless(self) -> bool:
        """Whether the picture is stored as VP8L."""
        return self.chunks[-1].id == b"VP8L"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height by the picture's own header."""
        content = self.chunks[-1].data
        if self.lossless:
            if len(content) < 5 or content[0] != 0x2F:
                raise ImageFileError("damaged", "WebP with a wrong VP8L header")
            bits = int.from_bytes(content[1:5], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        if len(content) < 10 or content[3:6] != b"\x9d\x01\x2a" or content[0] & 1:
            raise ImageFileError("damaged", "WebP with a wrong VP8 header")
        width, height = struct.unpack_from("<HH", content, 6)
        return width & 0x3FFF, height & 0x3FFF

    @property
    def alpha(self) -> bool:
        """Whether the picture says that it has an alpha channel."""
        if self.lossless:
            return bool(self.chunks[-1].data[4] & 0x10)
        return len(self.chunks) > 1


@dataclass(frozen=True)
class AnimationFrame:
    """One ANMF chunk; `duration` in milliseconds."""

    x: int
    y: int
    width: int
    height: int
    duration: int
    flags: int
    picture: Bitstream
    extra: int


@dataclass(frozen=True)
class Layout:
    """Everything a WebP file says about itself; `extra` are the chunks that belong to no picture."""

    width: int
    height: int
    alpha: bool
    still: Bitstream | None
    background: bytes
    loops: int
    frames: tuple[AnimationFrame, ...]
    icc: bytes | None
    exif: bytes | None
    extra: tuple[riff.Chunk, ...]
    end: int


def parse(data: bytes) -> Layout:
    """Read the structure of a WebP file."""
    size = int.from_bytes(data[4:8], "little")
    end = 8 + size + size % 2
    if 8 + size > len(data):
        raise ImageFileError("truncated", f"WebP of {len(data)} bytes that should have {8 + size}")
    chunks = riff.split(data[12 : 8 + size], "WebP")
    if not chunks:
        raise ImageFileError("damaged", "WebP without chunks")
    if chunks[0].id != b"VP8X":
        picture = _bitstream(chunks[:1])
        return Layout(*picture.size, picture.alpha, picture, b"", 0, (), None, None, tuple(chunks[1:]), end)

    header = chunks[0].data
    if len(header) < 10:
        raise ImageFileError("damaged", "WebP with a VP8X chunk cut short")
    flags = header[0]
    width, height = int.from_bytes(header[4:7], "little") + 1, int.from_bytes(header[7:10], "little") + 1
    frames = tuple(_frame(c.data, width, height) for c in chunks if c.id == b"ANMF") if flags & _ANIMATION else ()
    control = next((c.data for c in chunks if c.id == b"ANIM"), b"")
    if flags & _ANIMATION and (len(control) < 6 or not frames):
        raise ImageFileError("damaged", "animated WebP without its ANIM chunk or without frames")
    still = None if frames else _bitstream([c for c in chunks if c.id in _PICTURE])
    if still and still.size != (width, height):
        raise ImageFileError("damaged", f"WebP canvas of {width}x{height} with a picture of {still.size}")
    known = {b"VP8X", b"ICCP", b"EXIF", *((b"ANIM", b"ANMF") if frames else _PICTURE)}
    first = {c.id: c.data for c in reversed(chunks)}
    seen: set[bytes] = set()
    extra = []
    for chunk in chunks:
        single = chunk.id != b"ANMF"
        if chunk.id not in known or (single and chunk.id in seen):
            extra.append(chunk)
        seen.add(chunk.id)
    return Layout(
        width,
        height,
        bool(flags & _ALPHA),
        still,
        control[:4],
        int.from_bytes(control[4:6], "little"),
        frames,
        first.get(b"ICCP"),
        first.get(b"EXIF"),
        tuple(extra),
        end,
    )


def _bitstream(chunks: list[riff.Chunk]) -> Bitstream:
    ids = [chunk.id for chunk in chunks]
    if ids[:1] == [b"VP8L"] or ids[:1] == [b"VP8 "]:
        return Bitstream((chunks[0],))
    if ids[:2] == [b"ALPH", b"VP8 "]:
        return Bitstream((chunks[0], chunks[1]))
    raise ImageFileError("damaged", f"WebP with the chunks {ids} where a picture should be")


def _frame(content: bytes, width: int, height: int) -> AnimationFrame:
    if len(content) < 16:
        raise ImageFileError("damaged", "WebP with an ANMF chunk cut short")
    x, y, w, h, duration = (int.from_bytes(content[i : i + 3], "little") for i in (0, 3, 6, 9, 12))
    chunks = riff.split(content[16:], "WebP")
    picture = _bitstream([chunk for chunk in chunks if chunk.id in _PICTURE])
    frame = AnimationFrame(
        2 * x, 2 * y, w + 1, h + 1, duration, content[15] & 3, picture, len(chunks) - len(picture.chunks)
    )
    if picture.size != (frame.width, frame.height) or frame.x + frame.width > width or frame.y + frame.height > height:
        raise ImageFileError("damaged", "animated WebP with a frame outside its canvas")
    return frame


def still_file(width: int, height: int, picture: Bitstream, icc: bytes, exif: bytes) -> bytes:
    """A file of one picture; without metadata and ALPH in the simple form."""
    if not icc and not exif and len(picture.chunks) == 1:
        return _file(picture.chunks)
    flags = _flags(picture.alpha, icc, exif)
    return _file(_wrapped(flags, width, height, list(picture.chunks), icc=icc, exif=exif))


def animated_file(
    width: int,
    height: int,
    pictures: list[tuple[Bitstream, int]],
    *,
    background: bytes,
    loops: int,
    icc: bytes,
    exif: bytes,
) -> bytes:
    """A file of whole pictures, each with its duration, none blended with the one before it."""
    flags = _flags(any(picture.alpha for picture, _ in pictures), icc, exif) | _ANIMATION
    chunks = [riff.Chunk(b"ANIM", background + loops.to_bytes(2, "little"))]
    for picture, duration in pictures:
        sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        # Flag 2: replace instead of blending; not disposed of, since the next frame covers everything.
        head = b"\0" * 6 + sizes + duration.to_bytes(3, "little") + b"\x02"
        chunks.append(riff.Chunk(b"ANMF", head + riff.join(picture.chunks)))
    return _file(_wrapped(flags, width, height, chunks, icc=icc, exif=exif))


def _flags(alpha: bool, icc: bytes, exif: bytes) -> int:
    return _ALPHA * alpha | _ICC * bool(icc) | _EXIF * bool(exif)


def _wrapped(
    flags: int, width: int, height: int, chunks: list[riff.Chunk], *, icc: bytes, exif: bytes
) -> list[riff.Chunk]:
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    before = [riff.Chunk(b"VP8X", bytes((flags, 0, 0, 0)) + sizes)]
    before += [riff.Chunk(b"ICCP", icc)] if icc else []
    return before + chunks + ([riff.Chunk(b"EXIF", exif)] if exif else [])


def _file(chunks: list[riff.Chunk] | tuple[riff.Chunk, ...]) -> bytes:
    body = b"WEBP" + riff.join(chunks)
    return b"RIFF" + len(body).to_bytes(4, "little") + body
