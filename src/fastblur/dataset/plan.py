"""What a run would do, and the reasons to refuse it before anything is written."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from . import files
from .annotations import READERS, ReaderOptions, digest
from .image import HEAD
from .index import Index, Item
from .tree import printable, scan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .parameters import Parameters

LEAST_FOUND = 0.99
"""Share of the annotated images that must be found."""
_EXAMPLES = 3


class Refused(Exception):  # noqa: N818 - an outcome, not a failure
    """The run must not begin; the message says why and shows examples."""


@dataclass(frozen=True)
class Exclusion:
    """What to leave out of the output: paths of images, paths of folders, and names of folders at any depth."""

    names: frozenset[str] = frozenset()

    @classmethod
    def load(cls, path: Path) -> Exclusion:
        """A name or path per line; empty lines and lines that begin with # do not count."""
        lines = (line.strip() for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines())
        return cls(frozenset(line.strip("/") for line in lines if line and not line.startswith("#")))

    def covers(self, path: str) -> bool:
        """Whether the image at `path` is to be left out."""
        if not self.names:
            return False
        parts = path.split("/")
        return any(part in self.names for part in parts[:-1]) or any(
            "/".join(parts[:depth]) in self.names for depth in range(1, len(parts) + 1)
        )


@dataclass(frozen=True)
class Annotations:
    """Which annotation file to read, and how."""

    path: Path
    format: str
    options: ReaderOptions

    def identity(self) -> dict[str, object]:
        """What the manifest's digest holds of it."""
        return {
            "format": self.format,
            "sha256": digest(self.path, READERS[self.format]),
            "labels": None if self.options.labels.wanted is None else sorted(self.options.labels.wanted),
            "box_format": self.options.box_format,
            "normalised": self.options.normalised,
            "columns": [list(pair) for pair in self.options.columns],
        }


class Plan:
    """The files of a tree with their annotations, and the annotated images that are not there."""

    def __init__(self, src: Path, annotations: Annotations, exclusion: Exclusion) -> None:
        self.src, self.exclusion = src, exclusion
        self._index = Index()
        reader = READERS[annotations.format]
        self._index.add_entries(reader.read(annotations.path, annotations.options))
        annotations.options.labels.check()
        self._index.add_files(scan(src))
        self._index.match(keys_without_ending=reader.keys_without_ending)
        self.files = self._index.count_files()

    def close(self) -> None:
        """Drop the index."""
        self._index.close()

    def items(self) -> Iterator[Item]:
        """Every file of the source tree, in the order of its path."""
        return self._index.items()

    def missing(self) -> Iterator[str]:
        """Annotated images that are not in the tree and not excluded."""
        return (key for key in self._index.keys_without_file() if not self.exclusion.covers(key))

    def check(self, parameters: Parameters) -> None:
        """Refuse annotations that do not belong to this tree, and images without any where those are errors."""
        total, found = self._index.count_keys()
        if self.exclusion.names:
            total = found + sum(1 for _ in self.missing())
        if not total:
            raise Refused("the annotations name no image")
        if found < LEAST_FOUND * total:
            lost = ", ".join(map(_quoted, islice(self.missing(), _EXAMPLES)))
            there = ", ".join(map(_quoted, islice(self._unannotated(), _EXAMPLES))) or "none without annotation"
            raise Refused(
                f"only {found} of {total} annotated images were found below {self.src} (at least 99 % must be): "
                f"annotated but not found: {lost}; found but not annotated: {there}"
            )
        if parameters.unannotated == "error":
            unannotated = self._unannotated()
            if examples := list(islice(unannotated, _EXAMPLES)):
                count = len(examples) + sum(1 for _ in unannotated)
                raise Refused(
                    f"no annotation names {count} of the images, such as {', '.join(map(_quoted, examples))}: "
                    "say --unannotated copy (they hold nothing to hide) or skip (leave them out)"
                )

    def _unannotated(self) -> Iterator[str]:
        for path in self._index.files_without_key():
            if not self.exclusion.covers(path) and _is_image(self.src / path):
                yield path

    def counts(self) -> Counter[str]:
        """What there is to do, for a dry run; formats are told by the files' contents, but nothing is decoded."""
        counts: Counter[str] = Counter(missing=sum(1 for _ in self.missing()))
        for item in self.items():
            boxes = sum(len(entry.boxes) for entry in item.entries)
            if self.exclusion.covers(item.path):
                counts["excluded"] += 1
            elif item.problem is not None:
                counts["left out: " + item.problem.partition(":")[0]] += 1
            elif not _is_image(self.src / item.path):
                counts["not images"] += 1
            elif not item.annotated:
                counts["images without annotation"] += 1
            else:
                counts["images with boxes" if boxes else "images without boxes"] += 1
                counts["boxes"] += boxes
        return counts


def _is_image(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return files.sniff(file.read(HEAD)) is not None
    except OSError:
        return False


def _quoted(path: str) -> str:
    return f"'{printable(path)}'"


def check_folders(src: Path, dst: Path) -> None:
    """Refuse folders that lie in one another, and a source that is none."""
    if not src.is_dir():
        raise Refused(f"SRC {printable(str(src))} is not a folder")
    inside, outside = os.path.realpath(dst), os.path.realpath(src)
    common = os.path.commonpath([inside, outside])
    if common in (inside, outside):
        raise Refused("SRC and DST must be two folders, neither inside the other")
    if dst.exists() and not dst.is_dir():
        raise Refused(f"DST {printable(str(dst))} exists and is not a folder")
