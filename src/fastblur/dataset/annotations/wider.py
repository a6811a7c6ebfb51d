"""WIDER FACE: the image's path, the number of faces, then a row per face that begins with ``x y width height``.

Trap: an image with 0 faces still carries one dummy row of zeros (in some editions it does not).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .entry import AnnotationError, Box, Entry, ReaderOptions, corners, number

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read(path: Path, options: ReaderOptions) -> Iterator[Entry]:
    """Entries of the text file at `path`, one image in memory at a time; its boxes carry no labels."""
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        lines = ((index, line.strip()) for index, line in enumerate(file, 1))
        index, key = next(lines, (0, ""))
        while key:
            index, text = next(lines, (index + 1, ""))
            if not text.isdecimal() or len(text) > 9:
                raise AnnotationError(f"{path}: line {index}: the number of faces of {key!r} is {text!r}")
            boxes: list[Box] = []
            problem = None
            for _ in range(int(text)):
                index, row = next(lines, (0, ""))
                if not index:
                    raise AnnotationError(f"{path}: it ends among the {text} faces of {key!r}")
                try:
                    boxes.append(_box(row))
                except ValueError as error:
                    problem = f"line {index}: {error}"
            following = next(lines, (index + 1, ""))
            if text == "0" and _is_dummy(following[1]):
                following = next(lines, (index + 2, ""))
            yield Entry(key, [] if problem else boxes, problem=problem)
            index, key = following
        if any(line for _, line in lines):
            raise AnnotationError(f"{path}: line {index} is empty where the path of an image belongs")


def _box(row: str) -> Box:
    values = row.split()
    if len(values) < 4:
        raise ValueError(f"{row!r} is no row of x y width height")
    x, y, width, height = (number(text) for text in values[:4])
    return corners((x, y, width, height), "xywh")


def _is_dummy(row: str) -> bool:
    values = row.split()
    return len(values) >= 4 and all(value == "0" for value in values)
