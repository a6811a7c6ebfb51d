"""The marker segments of a JPEG file (ITU-T T.81, annex B), without decoding any of its scans."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastblur.dataset.files.errors import ImageFileError

if TYPE_CHECKING:
    from collections.abc import Mapping

SOI, EOI, SOS, DQT, DHT, DRI, DAC, DNL, COM = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0xCC, 0xDC, 0xFE
APP0, APP1, APP2, APP13, APP14 = 0xE0, 0xE1, 0xE2, 0xED, 0xEE
# What a decoder needs: tables, frame and scan headers.
OF_THE_PICTURE = frozenset({DQT, SOS, DRI, *range(0xC0, 0xD0)})
_SOF = frozenset(range(0xC0, 0xD0)) - {DHT, 0xC8, DAC}
_SOF_NAMES = {
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical",
    0xC7: "hierarchical",
    0xCB: "lossless arithmetic",
    0xCD: "hierarchical",
    0xCE: "hierarchical",
    0xCF: "hierarchical",
}

_WINDOW = 1 << 16
# libjpeg's own fuzzers stop here; more scans only serve to keep a decoder busy.
_MOST_SCANS = 500

# Where each entry of a table in natural (row by row) order stands in a file, which stores them in zigzag order.
# fmt: off
_TO_NATURAL = itemgetter(
    0, 1, 5, 6, 14, 15, 27, 28, 2, 4, 7, 13, 16, 26, 29, 42,
    3, 8, 12, 17, 25, 30, 41, 43, 9, 11, 18, 24, 31, 40, 44, 53,
    10, 19, 23, 32, 39, 45, 52, 54, 20, 22, 33, 38, 46, 51, 55, 60,
    21, 34, 37, 47, 50, 56, 59, 61, 35, 36, 48, 49, 57, 58, 62, 63,
)
# fmt: on


class Segment(NamedTuple):
    """One marker segment: its code, where it starts (at 0xFF), and its payload without the length."""

    marker: int
    start: int
    payload: bytes


class Component(NamedTuple):
    """A component as the frame header declares it."""

    id: int
    h: int
    v: int
    table: int


@dataclass(frozen=True)
class Layout:
    """Everything a JPEG file says about itself outside its compressed data.

    `end` is the offset behind EOI, or None when only the headers were read; `stray` counts bytes between segments that
    belong to none.
    """

    segments: tuple[Segment, ...]
    sof: int
    width: int
    height: int
    components: tuple[Component, ...]
    scans: tuple[Segment, ...]
    end: int | None
    stray: int

    @property
    def progressive(self) -> bool:
        """Whether the scans refine the image step by step."""
        return self.sof in (0xC2, 0xCA)

    @property
    def arithmetic(self) -> bool:
        """Whether the entropy coding is arithmetic instead of Huffman."""
        return self.sof in (0xC9, 0xCA)

    @property
    def redefines_tables(self) -> bool:
        """Whether a quantisation table follows the first scan: components may then use one slot in turn."""
        return any(s.marker == DQT and s.start > self.scans[0].start for s in self.segments)

    @cached_property
    def component_tables(self) -> list[tuple[int, ...]]:
        """The quantisation table of each component, in natural order, as they are when the first scan begins."""
        tables: dict[int, tuple[int, ...]] = {}
        for segment in self.segments:
            if segment.marker == DQT and segment.start < self.scans[0].start:
                tables.update(_quantisation_tables(segment.payload))
        try:
            return [tables[component.table] for component in self.components]
        except KeyError as missing:
            raise ImageFileError("damaged", f"JPEG component without its quantisation table {missing}") from None

    def _application(self, marker: int, beginning: bytes, length: int) -> Segment | None:
        """The first segment of that beginning and at least that length."""
        for s in self.segments:
            if s.marker == marker and s.payload.startswith(beginning) and len(s.payload) >= length:
                return s
        return None

    @property
    def jfif(self) -> Segment | None:
        """The JFIF header, if there is one; like libjpeg, a shorter one is taken for none."""
        return self._application(APP0, b"JFIF\0", 14)

    @property
    def adobe(self) -> Segment | None:
        """Adobe's segment, which tells the colour transform, if there is one."""
        return self._application(APP14, b"Adobe", 12)

    @property
    def exif(self) -> bytes | None:
        """The first EXIF block, from its TIFF header on."""
        found = self._application(APP1, b"Exif\0", 5)
        return found.payload[6:] if found else None

    @cached_property
    def icc(self) -> bytes | None:
        """The ICC profile put together from its numbered chunks; None if there is none or a chunk is missing."""
        chunks: dict[int, bytes] = {}
        total = set()
        for segment in self.segments:
            if segment.marker == APP2 and segment.payload.startswith(b"ICC_PROFILE\0") and len(segment.payload) > 14:
                chunks[segment.payload[12]] = segment.payload[14:]
                total.add(segment.payload[13])
        if len(total) != 1 or set(chunks) != set(range(1, total.pop() + 1)):
            return None
        return b"".join(chunks[number] for number in sorted(chunks))

    @cached_property
    def colour(self) -> str:
        """``L``, ``YCbCr``, ``RGB``, ``CMYK`` or ``YCCK``, by the rules that libjpeg applies."""
        if len(self.components) == 1:
            return "L"
        transform = self.adobe.payload[11] if self.adobe else None
        if len(self.components) == 4:
            return "YCCK" if transform not in (None, 0) else "CMYK"
        if self.jfif:
            return "YCbCr"
        if transform is not None:
            return "RGB" if transform == 0 else "YCbCr"
        return "RGB" if [component.id for component in self.components] == [0x52, 0x47, 0x42] else "YCbCr"


def parse(data: bytes, *, headers_only: bool = False) -> Layout:
    """Walk over the segments of a file up to EOI, or with `headers_only` up to the first scan.

    Raises `ImageFileError` (``truncated``, ``damaged``, ``unsupported``) for what cannot be walked or decoded whole.
    """
    segments: list[Segment] = []
    scans: list[Segment] = []
    frame: tuple[int, int, int, tuple[Component, ...]] | None = None
    position, stray, end = 2, 0, None
    while True:
        start = data.find(b"\xff", position)
        if start < 0:
            raise ImageFileError("truncated", "JPEG without an end-of-image marker")
        stray += start - position
        position = start + 1
        while position < len(data) and data[position] == 0xFF:
            position += 1
        if position >= len(data):
            raise ImageFileError("truncated", "JPEG without an end-of-image marker")
        marker = data[position]
        position += 1
        if marker == EOI:
            end = position
            break
        if marker in (0x00, 0x01, SOI) or 0xD0 <= marker <= 0xD7:
            stray += 2
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        if position + length > len(data) or position + 2 > len(data):
            raise ImageFileError("truncated", f"JPEG ends inside the segment 0xff{marker:02x} at byte {start}")
        if length < 2:
            raise ImageFileError("damaged", f"JPEG segment 0xff{marker:02x} at byte {start} has length {length}")
        segment = Segment(marker, start, data[position + 2 : position + length])
        segments.append(segment)
        position += length
        if marker in _SOF:
            if frame is not None:
                raise ImageFileError("damaged", "JPEG with two frame headers")
            frame = _frame(segment)
        elif marker == SOS:
            if frame is None:
                raise ImageFileError("damaged", "JPEG scan before the frame header")
            scans.append(segment)
            if headers_only:
                break
            if len(scans) > _MOST_SCANS:
                raise ImageFileError("damaged", f"JPEG with more than {_MOST_SCANS} scans")
            position = _scan_end(data, position)
    if frame is None or not scans:
        raise ImageFileError("damaged", "JPEG without an image in it")
    return Layout(tuple(segments), *frame, tuple(scans), end, stray)


def _scan_end(data: bytes, position: int) -> int:
    """Where the marker stands that ends the scan which begins at `position`.

    In a scan 0xFF stands before a stuffed zero, a fill byte (0xFF again) or a restart marker; anything else ends it.
    """
    while position + 1 < len(data):
        window = np.frombuffer(data, np.uint8, min(len(data) - position, _WINDOW), position)
        # Zeros and fill bytes fall away in vectorised passes (0xFF + 1 wraps to 0), and few marks are left to look at.
        marks: bytes = ((window[:-1] == 0xFF) & (window[1:] + np.uint8(1) > 1)).tobytes()
        mark = marks.find(True)
        while mark >= 0:
            if not 0xD0 <= window[mark + 1] <= 0xD7:
                return position + mark
            mark = marks.find(True, mark + 1)
        position += len(window) - 1
    raise ImageFileError("truncated", "JPEG without an end-of-image marker")


def _frame(segment: Segment) -> tuple[int, int, int, tuple[Component, ...]]:
    payload = segment.payload
    if len(payload) < 6 or len(payload) != 6 + 3 * payload[5]:
        raise ImageFileError("damaged", "JPEG frame header of a wrong length")
    if segment.marker in _SOF_NAMES:
        raise ImageFileError("unsupported", f"{_SOF_NAMES[segment.marker]} JPEG; baseline and progressive are handled")
    precision, height, width = payload[0], int.from_bytes(payload[1:3], "big"), int.from_bytes(payload[3:5], "big")
    if precision != 8:
        raise ImageFileError("unsupported", f"JPEG with {precision} bits per sample; 8 are handled")
    if not width or not height:
        raise ImageFileError("unsupported", f"JPEG frame header gives {width}x{height} pixels")
    if payload[5] not in (1, 3, 4):
        raise ImageFileError("unsupported", f"JPEG with {payload[5]} components; 1, 3 and 4 are handled")
    components = tuple(
        Component(payload[i], payload[i + 1] >> 4, payload[i + 1] & 15, payload[i + 2])
        for i in range(6, len(payload), 3)
    )
    if not all(1 <= c.h <= 4 and 1 <= c.v <= 4 for c in components):
        raise ImageFileError("damaged", "JPEG sampling factors outside 1 to 4")
    return segment.marker, width, height, components


# What was just written has the tables of its source, and images of one origin have the same.
@lru_cache(64)
def _quantisation_tables(payload: bytes) -> Mapping[int, tuple[int, ...]]:
    tables: dict[int, tuple[int, ...]] = {}
    position = 0
    while position < len(payload):
        size = 2 if payload[position] >> 4 else 1
        stored = payload[position + 1 : position + 1 + 64 * size]
        if len(stored) < 64 * size:
            raise ImageFileError("damaged", "JPEG quantisation table cut short")
        tables[payload[position] & 15] = _TO_NATURAL(stored if size == 1 else struct.unpack(">64H", stored))
        position += 1 + 64 * size
    return tables


def require_complete(layout: Layout) -> None:
    """Raise unless every component has its quantisation table and the scans carry its coefficients to the last bit.

    A decoder shows what is missing as grey or as blur and says nothing.
    """
    if not all(map(all, layout.component_tables)):
        raise ImageFileError("damaged", "JPEG with a quantisation step of 0")
    # Bits of each coefficient that are still to come, as a decoder tracks them; -1: nothing yet. One entry stands for
    # all 64 where no scan is progressive: each then carries its components whole.
    tracked = 64 if layout.progressive else 1
    pending = {component.id: [-1] * tracked for component in layout.components}
    for scan in layout.scans:
        payload = scan.payload
        count = payload[0] if payload else 0
        if len(payload) != 4 + 2 * count:
            raise ImageFileError("damaged", "JPEG scan header of a wrong length")
        first, last, low = (payload[-3], payload[-2], payload[-1] & 15) if layout.progressive else (0, 0, 0)
        for identity in payload[1 : 1 + 2 * count : 2]:
            if identity not in pending:
                raise ImageFileError("damaged", f"JPEG scan of an unknown component {identity}")
            pending[identity][first : last + 1] = [low] * (min(last, 63) + 1 - first)
    for identity, bits in pending.items():
        if bits[0] < 0 or max(bits) > 0:
            raise ImageFileError("truncated", f"JPEG without all scans of component {identity}")


def normalised(data: bytes, layout: Layout) -> bytes:
    """The same picture without what a decoder may warn of although every sample is there.

    Application data and stray bytes go; a JFIF version or scan parameters that a decoder ignores become what they
    should be.
    """
    first = layout.scans[0]
    parts = [data[:2]]
    if layout.jfif:
        parts.append(jfif_header(layout.jfif))
    if layout.adobe:
        parts.append(segment(APP14, layout.adobe.payload[:12]))
    for part in layout.segments:
        if part.start < first.start and not (0xE0 <= part.marker <= 0xEF or part.marker == COM):
            parts.append(segment(part.marker, part.payload))
    header = first.payload if layout.progressive else first.payload[:-3] + b"\0\x3f\0"
    parts += [segment(SOS, header), data[first.start + 4 + len(first.payload) : layout.end]]
    return b"".join(parts)


def jfif_header(source: Segment) -> bytes:
    """A JFIF header with the unit and the density of another one, and no thumbnail."""
    # Decoders warn of other versions than 1.x.
    version = source.payload[5:7] if source.payload[5] == 1 else b"\1\2"
    return segment(APP0, b"JFIF\0" + version + source.payload[7:12] + b"\0\0")


def segment(marker: int, payload: bytes) -> bytes:
    """A marker segment as it stands in a file."""
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload
