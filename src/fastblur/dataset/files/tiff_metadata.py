"""What a TIFF file carries besides its pages: the allowed tags of the first, or everything that is not allowed."""

from __future__ import annotations

import re
import struct
from collections import Counter
from typing import TYPE_CHECKING

from fastblur.dataset.files import exif, exif_tags, icc, ifd, tiff_layout
from fastblur.dataset.files.signatures import holds_image

if TYPE_CHECKING:
    from fastblur.dataset.files.picture import Metadata

_SLUGS = {330: "sub-ifd", 700: "xmp", 33723: "iptc", 34377: "photoshop", 37724: "layers", 50740: "makernote"}
# The tags that the writer sets by itself or from its own arguments.
_WRITER = frozenset({256, 257, 258, 259, 262, 273, 277, 278, 279, 282, 283, 284, 296, 317, 320, 338, 339})
_IMAGEJ = re.compile(rb"^ImageJ=.*^images=(\d+)", re.MULTILINE | re.DOTALL)


def imagej_images(page: tiff_layout.Page) -> int:
    """How many images ImageJ says it has put behind this one directory; 1 for files of other programs."""
    entry = page.directory.get(tiff_layout.DESCRIPTION)
    match = _IMAGEJ.match(entry.value) if entry else None
    return int(match.group(1)) if match else 1


def profile(page: tiff_layout.Page) -> bytes:
    """The page's ICC profile, cleaned; empty if it has none."""
    entry = page.directory.get(tiff_layout.ICC)
    return icc.clean(entry.value) if entry else b""


def allowed_tags(
    data: bytes, layout: tiff_layout.Layout, page: tiff_layout.Page, metadata: Metadata
) -> dict[str, list[ifd.Entry]]:
    """The allowed tags of a page by directory: ``ifd0`` for its own, and for the first also its EXIF directories."""
    if page is layout.pages[0]:
        return exif.allowed_entries(data, metadata)[1]
    return {"ifd0": [entry for entry in page.directory.entries if exif.allowed(entry, "ifd0", metadata)]}


def with_exif(data: bytes, order: ifd.Order, kept: dict[str, list[ifd.Entry]]) -> bytes:
    """A TIFF file with EXIF and GPS directories added to its first page.

    tifffile writes no tags that point to them, so the first directory moves behind the data and gets them there.
    """
    added = exif.pointers(order, kept)
    if not added:
        return data
    (first,) = struct.unpack_from(order + "I", data, 4)
    directory = ifd.read_directory(data, first, order)
    moved = bytearray(data)
    for start, end in directory.spans:
        moved[start:end] = bytes(end - start)
    moved += b"\0" * (len(moved) % 2)
    struct.pack_into(order + "I", moved, 4, len(moved))
    moved += ifd.write_directory([*directory.entries, *added], len(moved), order, directory.next)
    return exif.append_directories(bytes(moved), order, kept)


def findings(data: bytes, layout: tiff_layout.Layout, metadata: Metadata) -> Counter[str]:
    """Everything in a file besides its pages that the level does not allow, by kind."""
    found: Counter[str] = Counter()
    spans = [(0, 8)]
    # Their directories are looked into below.
    followed = {exif_tags.EXIF_POINTER, *([exif_tags.GPS_POINTER] if metadata == "keep" else [])}
    for number, page in enumerate(layout.pages):
        spans += page.directory.spans
        spans += [(offset, offset + length) for offset, length in page.segments()]
        found["tiff-thumbnail"] += page.reduced
        found["exif-damaged"] += len(page.directory.unreadable)
        for entry in page.directory.entries:
            slug = _SLUGS.get(entry.tag) or exif_tags.SLUGS.get(entry.tag, "tiff-other")
            if entry.tag == tiff_layout.ICC:
                found["icc-damaged"] += icc.clean(entry.value) != entry.value
            elif entry.tag in tiff_layout.STRUCTURE or (number == 0 and entry.tag in followed):
                continue
            elif slug == "tiff-other" and holds_image(entry.value):
                found["exif-embedded-image"] += 1
            elif entry.tag not in exif_tags.ALLOWED[metadata]["ifd0"]:
                found[slug] += 1
            elif not exif.allowed(entry, "ifd0", metadata):
                found["exif-oversized"] += 1
    sub, sub_spans = exif.sub_findings(data, metadata)
    found.update(sub)
    found["hidden-data"] += exif.unreferenced(data, [*spans, *sub_spans])
    return +found


def extra_tags(entries: list[ifd.Entry]) -> list[tuple[int, int, int, bytes, bool]]:
    """Tags as tifffile takes them, without those it writes by itself."""
    return [(e.tag, e.type, e.count, e.value, True) for e in entries if e.tag not in _WRITER]
