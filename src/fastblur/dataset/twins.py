"""Identical images with different boxes: in one of them, something may have been left clear."""

from __future__ import annotations

import os
import sqlite3
from array import array
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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

    def as_json(self) -> Row:
        """How many groups of twins there are, and the paths of some, as the summary holds them."""
        self._db.execute("CREATE INDEX IF NOT EXISTS tags_by_tag ON tags (tag)")
        differing = "SELECT tag FROM tags GROUP BY tag HAVING count(DISTINCT boxes) > 1"
        (groups,) = self._db.execute(f"SELECT count(*) FROM ({differing})").fetchone()
        examples = []
        for (tag,) in self._db.execute(f"{differing} LIMIT {_MOST}").fetchall():
            paths = self._db.execute("SELECT path FROM tags WHERE tag = ? ORDER BY path", (tag,))
            examples.append([os.fsdecode(path) for (path,) in paths])
        return {"groups": groups, "examples": sorted(examples)}


def _pack(boxes: Sequence[Sequence[float]]) -> bytes:
    return array("d", chain.from_iterable(boxes)).tobytes()
