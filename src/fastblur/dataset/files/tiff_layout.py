"""The pages of a classic TIFF file and where their data lies, without decoding any of it (TIFF 6.0)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property

from fastblur.dataset.files import ifd
from fastblur.dataset.files.errors import ImageFileError

_MOST_PAGES = 10_000

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
DESCRIPTION, STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS = 270, 273, 277, 278, 279
PLANAR, PREDICTOR, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS = 284, 317, 322, 323, 324, 325
SUBFILE, EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES, ICC = 254, 338, 339, 347, 34675
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, ORIENTATION = 282, 283, 296, 274


# Tags that describe how the samples are stored.
# fmt: off
STRUCTURE = frozenset({
    254, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 282, 283, 284, 292, 293, 296, 297, 317, 320,
    322, 323, 324, 325, 338, 339, JPEG_TABLES, 529, 530, 532, ICC,
})
# fmt: on


@dataclass(frozen=True)
class Page:
    """One directory of the file's main chain."""

    directory: ifd.Directory
    order: ifd.Order

    def numbers(self, tag: int) -> tuple[int, ...]:
        """All values of an integer tag; empty if it is missing."""
        entry = self.directory.get(tag)
        code = {1: "B", 3: "H", 4: "I", 13: "I"}.get(entry.type) if entry else None
        if entry is None or code is None:
            return ()
        return struct.unpack(f"{self.order}{entry.count}{code}", entry.value)

    def number(self, tag: int, default: int) -> int:
        """The first value of an integer tag."""
        values = self.numbers(tag)
        return values[0] if values else default

    @cached_property
    def width(self) -> int:
        """In pixels."""
        return self.number(WIDTH, 0)

    @cached_property
    def height(self) -> int:
        """In pixels."""
        return self.number(HEIGHT, 0)

    @property
    def samples(self) -> int:
        """Samples per pixel."""
        return self.number(SAMPLES, 1)

    @property
    def bits(self) -> tuple[int, ...]:
        """Bits of each sample."""
        return self.numbers(BITS) or (1,)

    @property
    def reduced(self) -> bool:
        """Whether the page is a smaller copy of another one."""
        return bool(self.number(SUBFILE, 0) & 1) or self.number(255, 1) == 2

    @property
    def mask(self) -> bool:
        """Whether the page is a transparency mask of another one."""
        return bool(self.number(SUBFILE, 0) & 4)

    @property
    def tiled(self) -> bool:
        """Whether the data is in tiles instead of strips."""
        return self.directory.get(TILE_WIDTH) is not None

    def segments(self) -> list[tuple[int, int]]:
        """Offset and length of each strip or tile."""
        tags = (TILE_OFFSETS, TILE_COUNTS) if self.tiled else (STRIP_OFFSETS, STRIP_COUNTS)
        offsets, counts = (self.numbers(tag) for tag in tags)
        if len(offsets) != len(counts):
            raise ImageFileError(
                "damaged", f"TIFF page with {len(offsets)} offsets and {len(counts)} lengths of its data"
            )
        return list(zip(offsets, counts, strict=True))


@dataclass(frozen=True)
class Layout:
    """The pages in the order of the main chain."""

    order: ifd.Order
    pages: tuple[Page, ...]

    @property
    def frames(self) -> tuple[Page, ...]:
        """The pages that are pictures of their own, not smaller copies."""
        return tuple(page for page in self.pages if not page.reduced)


def parse(data: bytes) -> Layout:
    """Read the main chain of directories."""
    if data[2:4] in (b"+\0", b"\0+"):
        raise ImageFileError("unsupported", "BigTIFF; TIFF files below 4 GiB are handled")
    pages: list[Page] = []
    try:
        order = ifd.byte_order(data)
        if len(data) < 8:
            raise ImageFileError("truncated", f"TIFF of {len(data)} bytes")
        (offset,) = struct.unpack_from(order + "I", data, 4)
        seen: set[int] = set()
        while offset:
            if offset in seen or len(pages) >= _MOST_PAGES:
                raise ImageFileError("damaged", "TIFF whose directories form a loop or are more than 10000")
            seen.add(offset)
            directory = ifd.read_directory(data, offset, order)
            if lost := STRUCTURE.intersection(directory.unreadable):
                raise ImageFileError("truncated", f"TIFF with the values of tag {min(lost)} outside the file")
            pages.append(Page(directory, order))
            offset = directory.next
    except ifd.IfdError as error:
        raise ImageFileError("truncated", f"TIFF ({error})") from error
    layout = Layout(order, tuple(pages))
    if not layout.frames:
        raise ImageFileError("unsupported", "TIFF whose pages are all reduced copies, as in raw camera files")
    return layout


def require_data(page: Page, data: bytes) -> None:
    """Raise unless every strip or tile that the page needs is there, whole."""
    segments = page.segments()
    across, down = 1, 1
    if page.tiled:
        tile_width, tile_height = page.number(TILE_WIDTH, 0), page.number(TILE_HEIGHT, 0)
        if not tile_width or not tile_height:
            raise ImageFileError("damaged", "TIFF page with tiles of no size")
        across, down = -(-page.width // tile_width), -(-page.height // tile_height)
    else:
        rows = min(page.number(ROWS_PER_STRIP, page.height), page.height)
        if not rows:
            raise ImageFileError("damaged", "TIFF page with strips of no rows")
        down = -(-page.height // rows)
    planes = page.samples if page.number(PLANAR, 1) == 2 else 1
    if len(segments) != across * down * planes:
        raise ImageFileError(
            "truncated", f"TIFF page with {len(segments)} of its {across * down * planes} pieces of data"
        )
    for offset, length in segments:
        if offset < 8 or length == 0 or offset + length > len(data):
            raise ImageFileError("truncated", f"TIFF data at {offset}, {length} bytes, in a file of {len(data)}")
