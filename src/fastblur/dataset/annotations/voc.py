"""Pascal VOC: an XML file per image with ``object/bndbox``: xmin, ymin, xmax, ymax in pixels.

Traps: the corners are 1-based and inclusive, so a box begins one pixel earlier than it says; parts of an object
have boxes of their own inside it; the XML may name another file than the one it lies beside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from .entry import AnnotationError, Box, Entry, ReaderOptions, files_below, number

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read(path: Path, options: ReaderOptions) -> Iterator[Entry]:
    """Entries of the folder at `path`. `labels` are the objects' names."""
    if not path.is_dir():
        raise AnnotationError(f"{path}: --format voc needs the folder that holds the .xml files")
    for file in files_below(path, ".xml"):
        parts = file.relative_to(path).with_suffix("").parts
        key = "/".join("JPEGImages" if part == "Annotations" else part for part in parts)
        try:
            boxes, size = _parse(file, options)
            yield Entry(key, boxes, size=size)
        except (ValueError, ElementTree.ParseError) as error:
            yield Entry(key, [], problem=f"{file.name}: {error}")


def _parse(file: Path, options: ReaderOptions) -> tuple[list[Box], tuple[int, int] | None]:
    content = file.read_bytes()
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise ValueError("document types and entities are not accepted")
    root = ElementTree.fromstring(content)
    if root.tag != "annotation":
        raise ValueError(f"the outermost element is <{root.tag}>; accepted: <annotation>")
    name = (root.findtext("filename") or "").strip()
    if name and file.stem not in (name, name.rpartition(".")[0]):
        raise ValueError(f"it names the image {name!r}")
    boxes = []
    for index, item in enumerate(root.iterfind("object"), 1):
        corner = item.find("bndbox")
        if corner is None:
            raise ValueError(f"object {index} has no bndbox")
        try:
            x1, y1, x2, y2 = (number(corner.findtext(tag) or "") for tag in ("xmin", "ymin", "xmax", "ymax"))
        except ValueError as error:
            raise ValueError(f"object {index}: {error}") from None
        if options.labels.keep((item.findtext("name") or "").strip()):
            boxes.append((x1 - 1, y1 - 1, x2, y2))
    width, height = (number(root.findtext(f"size/{tag}") or "0") for tag in ("width", "height"))
    return boxes, ((int(width), int(height)) if width and height else None)
