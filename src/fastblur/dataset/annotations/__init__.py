"""Annotation files: one reader per format, all of them streams of `Entry`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import coco, imagenet, rekognition, table, voc, wider, yolo
from .entry import AnnotationError, Box, Entry, Labels, ReaderOptions, files_below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["READERS", "AnnotationError", "Box", "Entry", "Labels", "Reader", "ReaderOptions", "digest"]


@dataclass(frozen=True)
class Reader:
    """A format: how to read it, and whether its keys lack the file ending and whether its boxes have labels."""

    read: Callable[[Path, ReaderOptions], Iterator[Entry]]
    ending: str | None = None
    keys_without_ending: bool = False
    labels: bool = True


READERS = {
    "imagenet": Reader(imagenet.read, labels=False),
    "coco": Reader(coco.read),
    "yolo": Reader(yolo.read, ending=".txt", keys_without_ending=True),
    "voc": Reader(voc.read, ending=".xml", keys_without_ending=True),
    "wider": Reader(wider.read, labels=False),
    "rekognition": Reader(rekognition.read, ending=".json", keys_without_ending=True),
    "openimages": Reader(table.read_openimages, keys_without_ending=True),
    "csv": Reader(table.read_csv),
}


def digest(path: Path, reader: Reader) -> str:
    """SHA-256 of an annotation file, or of the names and contents of the files that `reader` reads in a folder."""
    total = hashlib.sha256()
    if not path.is_dir():
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
        return total.hexdigest()
    for file_path in files_below(path, reader.ending or ""):
        total.update(hashlib.sha256(str(file_path.relative_to(path)).encode("utf-8", "surrogateescape")).digest())
        total.update(hashlib.sha256(file_path.read_bytes()).digest())
    return total.hexdigest()
