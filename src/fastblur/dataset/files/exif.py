"""EXIF blocks: read the orientation, rebuild them from the allowlist, and say what else they hold."""

from __future__ import annotations

import struct
from collections import Counter
from typing import TYPE_CHECKING

from fastblur.dataset.files import exif_tags, ifd
from fastblur.dataset.files.signatures import holds_image

if TYPE_CHECKING:
    from fastblur.dataset.files.picture import Metadata

_POINTERS = {
    exif_tags.EXIF_POINTER: "exif",
    exif_tags.GPS_POINTER: "gps",
    exif_tags.INTEROP_POINTER: "interop",
}
_PARENT = {"exif": "ifd0", "gps": "ifd0", "interop": "exif"}


def _directories(block: bytes) -> tuple[ifd.Order, dict[str, ifd.Directory], int]:
    """Byte order, the named directories that can be read, and the number of those that cannot."""
    order = ifd.byte_order(block)
    if len(block) < 8:
        raise ifd.IfdError("no directory")
    (first,) = struct.unpack_from(order + "I", block, 4)
    found = {"ifd0": ifd.read_directory(block, first, order)}
    broken = 0
    for tag, name in _POINTERS.items():
        parent = found.get(_PARENT[name])
        pointer = parent.get(tag) if parent else None
        offset = pointer.integer(order) if pointer else None
        if offset is None:
            continue
        try:
            found[name] = ifd.read_directory(block, offset, order)
        except ifd.IfdError:
            broken += 1
    return order, found, broken


def orientation(block: bytes) -> int:
    """The orientation, 1 to 8, that an EXIF block (from its TIFF header on) gives; 1 if it gives none."""
    try:
        order, found, _ = _directories(block)
    except ifd.IfdError:
        return 1
    entry = found["ifd0"].get(exif_tags.ORIENTATION)
    value = entry.integer(order) if entry else None
    return value if value is not None and 1 <= value <= 8 else 1


def allowed(entry: ifd.Entry, directory: str, metadata: Metadata) -> bool:
    """Whether a tag of the named directory may stay at a level."""
    return (
        entry.tag in exif_tags.ALLOWED[metadata][directory]
        and len(entry.value) <= exif_tags.longest(entry.tag)
        and not holds_image(entry.value)
    )


def allowed_entries(block: bytes, metadata: Metadata) -> tuple[ifd.Order, dict[str, list[ifd.Entry]]]:
    """The allowed tags of a block by directory, each tag once; nothing where the block cannot be read."""
    try:
        order, found, _ = _directories(block)
    except ifd.IfdError:
        return "<", {}
    kept: dict[str, list[ifd.Entry]] = {}
    for name, directory in found.items():
        unique = {entry.tag: entry for entry in reversed(directory.entries) if allowed(entry, name, metadata)}
        if unique:
            kept[name] = list(unique.values())
    if metadata == "strip" and orientation(block) == 1:
        kept.pop("ifd0", None)
    return order, kept


def build(order: ifd.Order, kept: dict[str, list[ifd.Entry]]) -> bytes:
    """An EXIF block (from its TIFF header on) that holds exactly these tags; empty for none."""
    if not any(kept.values()):
        return b""
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    main = [*kept.get("ifd0", []), *pointers(order, kept)]
    return append_directories(header + ifd.write_directory(main, 8, order), order, kept)


def _pointer(tag: int, offset: int, order: ifd.Order) -> ifd.Entry:
    return ifd.Entry(tag, 4, 1, struct.pack(order + "I", offset))


def pointers(order: ifd.Order, kept: dict[str, list[ifd.Entry]]) -> list[ifd.Entry]:
    """The tags of the first directory that `append_directories` is to point to what it appends."""
    exif = [exif_tags.EXIF_POINTER] if kept.get("exif") or kept.get("interop") else []
    gps = [exif_tags.GPS_POINTER] if kept.get("gps") else []
    return [_pointer(tag, 0, order) for tag in exif + gps]


def append_directories(block: bytes, order: ifd.Order, kept: dict[str, list[ifd.Entry]]) -> bytes:
    """A TIFF structure with EXIF, interoperability and GPS directories behind it, its `pointers` set to them."""
    data = bytearray(block)

    def append(entries: list[ifd.Entry]) -> int:
        data.extend(b"\0" * (len(data) % 2))
        offset = len(data)
        data.extend(ifd.write_directory(entries, offset, order))
        return offset

    targets = {}
    sub = list(kept.get("exif", []))
    if kept.get("interop"):
        sub.append(_pointer(exif_tags.INTEROP_POINTER, append(kept["interop"]), order))
    if sub:
        targets[exif_tags.EXIF_POINTER] = append(sub)
    if kept.get("gps"):
        targets[exif_tags.GPS_POINTER] = append(kept["gps"])

    (first,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, first)
    for position in range(first + 2, first + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from(order + "H", data, position)
        if tag in targets:
            struct.pack_into(order + "I", data, position + 8, targets[tag])
    return bytes(data)


def rebuild(block: bytes, metadata: Metadata) -> bytes:
    """A new EXIF block with the allowed tags of an old one and not one byte more; empty if none is left."""
    return build(*allowed_entries(block, metadata))


def findings(block: bytes, metadata: Metadata) -> Counter[str]:
    """Everything in an EXIF block that the level does not allow, by kind."""
    found: Counter[str] = Counter()
    try:
        order, directories, broken = _directories(block)
    except ifd.IfdError:
        return Counter({"exif-damaged": 1})
    found["exif-damaged"] += broken + sum(len(directory.unreadable) for directory in directories.values())
    spans = [(0, 8)]
    for name, directory in directories.items():
        spans += directory.spans
        found.update(_directory_findings(name, directory, order, metadata))
        if name == "ifd0" and directory.next:
            found["exif-thumbnail"] += 1
            spans += _linked_spans(block, directory.next, order)
        elif directory.next:
            found["sub-ifd"] += 1
    found["exif-unreferenced"] += unreferenced(block, spans)
    return +found


def sub_findings(data: bytes, metadata: Metadata) -> tuple[Counter[str], list[tuple[int, int]]]:
    """What the level does not allow in the EXIF directories of a TIFF file, and the byte ranges they take."""
    found: Counter[str] = Counter()
    spans: list[tuple[int, int]] = []
    order, directories, broken = _directories(data)
    found["exif-damaged"] += broken
    for name, directory in directories.items():
        if name != "ifd0":
            spans += directory.spans
            found["exif-damaged"] += len(directory.unreadable)
            found["sub-ifd"] += bool(directory.next)
            found.update(_directory_findings(name, directory, order, metadata))
    return found, spans


def _directory_findings(name: str, directory: ifd.Directory, order: ifd.Order, metadata: Metadata) -> Counter[str]:
    found: Counter[str] = Counter()
    seen: set[int] = set()
    for entry in directory.entries:
        if _POINTERS.get(entry.tag) is not None and _PARENT[_POINTERS[entry.tag]] == name:
            if entry.tag == exif_tags.GPS_POINTER and metadata != "keep":
                found["gps"] += 1
            continue
        if name == "gps" and metadata != "keep":
            continue  # counted once, by its pointer
        slug = exif_tags.SLUGS.get(entry.tag, "exif-other") if name != "gps" else "exif-other"
        if entry.tag in seen:
            found["exif-duplicate"] += 1
        elif holds_image(entry.value) and slug == "exif-other":
            found["exif-embedded-image"] += 1
        elif entry.tag not in exif_tags.ALLOWED[metadata][name]:
            found[slug] += 1
        elif not allowed(entry, name, metadata):
            found["exif-oversized"] += 1
        seen.add(entry.tag)
    return found


def _linked_spans(block: bytes, offset: int, order: ifd.Order) -> list[tuple[int, int]]:
    """What a thumbnail's directory refers to, so that its bytes are not counted a second time as unreferenced."""
    try:
        directory = ifd.read_directory(block, offset, order)
    except ifd.IfdError:
        return []
    spans = list(directory.spans)
    start, size = directory.get(0x0201), directory.get(0x0202)
    begin = start.integer(order) if start else None
    length = size.integer(order) if size else None
    if begin is not None and length is not None:
        spans.append((begin, begin + length))
    return spans


def unreferenced(block: bytes, spans: list[tuple[int, int]]) -> int:
    """1 if bytes that are not zero lie where no tag refers to, else 0."""
    position = 0
    for start, end in sorted(spans):
        if start > position and block[position:start].strip(b"\0"):
            return 1
        position = max(position, end)
    return int(bool(block[position:].strip(b"\0")))
