"""YOLO: a text file per image, a row per box: ``class cx cy width height [confidence]``, fractions of the image.

Traps: the box is given by its centre; image and text file share their path but for the ending, and for a folder
``labels`` beside a folder ``images``; rows of polygons and key points look alike, so neither is accepted; lists of
class names often lie among the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .entry import (
    AnnotationError,
    Box,
    Entry,
    ReaderOptions,
    corners,
    files_below,
    number,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path, PurePath

NOT_ANNOTATIONS = frozenset({"classes.txt", "labels.txt", "obj_names.txt", "train.txt", "val.txt", "test.txt"})


def read(path: Path, options: ReaderOptions) -> Iterator[Entry]:
    """Entries of the folder at `path`. `labels` are the class numbers, as text."""
    if not path.is_dir():
        raise AnnotationError(f"{path}: --format yolo needs the folder that holds the .txt files")
    for file in files_below(path, ".txt"):
        if file.name in NOT_ANNOTATIONS:
            continue
        boxes: list[Box] = []
        problem = None
        try:
            for line, row in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                if row.strip():
                    boxes.extend(_boxes(row.split(), line, options))
        except ValueError as error:
            problem, boxes = f"{file.name}: {error}", []
        yield Entry(_image_key(file.relative_to(path)), boxes, normalised=True, problem=problem)


def _boxes(row: list[str], line: int, options: ReaderOptions) -> list[Box]:
    if len(row) not in (5, 6):
        raise ValueError(
            f"line {line} has {len(row)} columns; accepted: class cx cy width height, and a confidence after them"
        )
    try:
        cx, cy, width, height = (number(text) for text in row[1:5])
    except ValueError as error:
        raise ValueError(f"line {line}: {error}") from None
    return [corners((cx, cy, width, height), "cxcywh")] if options.labels.keep(row[0]) else []


def _image_key(file: PurePath) -> str:
    parts = list(file.with_suffix("").parts)
    if "labels" in parts[:-1]:
        parts[len(parts) - 2 - parts[-2::-1].index("labels")] = "images"
    return "/".join(parts)
