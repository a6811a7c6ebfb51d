"""Identical images with different boxes: in one of them, something may have been left clear."""

from __future__ import annotations

import os
import sqlite3
from array import array
from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING

from .worker import hash_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from .manifest import Row

_MOST = 100


class Twins:
    """The tags of sources and the boxes applied to them, in a temporary database.

    Threads may take turns with it, but not use it at the same time.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; CREATE TABLE tags (tag TEXT, boxes BLOB, path BLOB);"
        )

    def close(self) -> None:
        """Forget everything."""
        self._db.close()

    def add(self, rows: Iterable[Row]) -> None:
        """Note the rows of the manifest that have a tag."""
        tagged = ((row["tag"], _pack(row.get("boxes", ())), os.fsencode(row["path"])) for row in rows if "tag" in row)
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO tags VALUES (?, ?, ?)", tagged)
        self._db.execute("COMMIT")

    def as_json(self, src: Path) -> Row:
        """How many groups of twins there are in `src`, and the paths of some, as the summary holds them."""
        self._db.execute("CREATE INDEX IF NOT EXISTS tags_by_tag ON tags (tag)")
        groups = 0
        examples: list[list[str]] = []
        for (tag,) in self._db.execute("SELECT tag FROM tags GROUP BY tag HAVING count(DISTINCT boxes) > 1"):
            for paths in self._identical(src, tag):
                groups += 1
                if len(examples) < _MOST:
                    examples.append(paths)
        return {"groups": groups, "examples": sorted(examples)}

    def _identical(self, src: Path, tag: str) -> Iterator[list[str]]:
        """The paths of files of one tag, by content, where boxes differ: a tag is of parts of a file only."""
        rows = self._db.execute("SELECT path, boxes FROM tags WHERE tag = ? ORDER BY path", (tag,)).fetchall()
        try:
            contents = [hash_file(src / os.fsdecode(path)) for path, _ in rows]
        except OSError:  # one has gone since the run read it: as far as can be told, all are the same
            contents = [(0, tag)] * len(rows)
        found = defaultdict(list)
        for content, row in zip(contents, rows, strict=True):
            found[content].append(row)
        for same in found.values():
            if len({boxes for _, boxes in same}) > 1:
                yield [os.fsdecode(path) for path, _ in same]


def _pack(boxes: Sequence[Sequence[float]]) -> bytes:
    return array("d", chain.from_iterable(boxes)).tobytes()
