"""Which boxes belong to which file.

Both sides go into a temporary SQLite database, on disk as soon as it outgrows its cache, so that memory does not grow
with the number of images. Paths are stored as bytes: file names need not be text.

An annotation's key finds its file by one of these rules:

1. the key is the file's path below the source folder;
2. so is the key less its first folder, or its first two, ... (``train/n01/x.JPEG`` where the source is ``train``);
3. the key is the end of the file's path (``x.JPEG`` for ``n01/x.JPEG``).

Formats that name images without their ending then try the same with the files' endings left out. All keys with the
same number of folders go by the same rule, the one that finds most of them: a key whose image is missing must not
hand its boxes to another image that merely has the same name. A key that fits several files, and a file that several
keys claim, are ambiguous: those files are left out rather than matched by guess.
"""

from __future__ import annotations

import os
import posixpath
import sqlite3
from array import array
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from .annotations import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .tree import Found

_MAX_FOLDERS = 32
_AMBIGUOUS = "ambiguous-annotation: the annotations name it in a way that fits several images or entries"
_SCHEMA = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;
CREATE TABLE entries (key BLOB, boxes BLOB, normalised INTEGER, width INTEGER, height INTEGER, problem TEXT);
CREATE TABLE files (path BLOB PRIMARY KEY, form BLOB, backwards BLOB, problem TEXT, ambiguous INTEGER) WITHOUT ROWID;
CREATE TABLE keys (key BLOB PRIMARY KEY, folders INTEGER, path BLOB) WITHOUT ROWID;
CREATE TABLE claims (rule INTEGER, key BLOB, path BLOB);
"""


class Item(NamedTuple):
    """A file with all that is annotated about it; `annotated` is False if no entry names it."""

    path: str
    problem: str | None
    annotated: bool
    entries: list[Entry]


class Index:
    """Entries and files, and the match between them, once `match` was called."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_SCHEMA)
        for function, arguments in (
            (_form, 2),
            (_folders, 1),
            (_without_folders, 2),
            (_backwards, 1),
            (_first_with_end, 1),
            (_last_with_end, 1),
        ):
            self._db.create_function(function.__name__, arguments, function, deterministic=True)

    def close(self) -> None:
        """Forget everything."""
        self._db.close()

    def add_entries(self, entries: Iterable[Entry]) -> None:
        """Store the stream that an annotation reader yields."""
        rows = (
            (_key(e.key), _pack(e.boxes), e.normalised, *_storable_size(e.size), _storable(e.problem)) for e in entries
        )
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._db.execute("INSERT INTO keys SELECT DISTINCT key, _folders(key), NULL FROM entries")
        self._db.execute("COMMIT")

    def add_files(self, found: Iterable[Found]) -> None:
        """Store the files of the source tree."""
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT INTO files VALUES (?, NULL, NULL, ?, 0)", ((os.fsencode(f.path), f.problem) for f in found)
        )
        self._db.execute("COMMIT")

    def match(self, *, keys_without_ending: bool) -> None:
        """Find each key's file."""
        self._db.execute("BEGIN")
        for with_ending in (True, False) if keys_without_ending else (True,):
            self._db.execute("UPDATE files SET form = _form(path, ?)", (with_ending,))
            self._db.execute("UPDATE files SET backwards = _backwards(form)")
            self._db.execute("CREATE INDEX files_by_form ON files (form)")
            self._db.execute("CREATE INDEX files_by_backwards ON files (backwards)")
            groups = "SELECT folders, count(*) FROM keys WHERE path IS NULL GROUP BY folders"
            for folders, keys in self._db.execute(groups).fetchall():
                self._match_group(folders, keys)
            self._db.execute("DROP INDEX files_by_form")
            self._db.execute("DROP INDEX files_by_backwards")
        self._db.execute("CREATE INDEX keys_by_path ON keys (path)")
        self._db.execute("CREATE INDEX entries_by_key ON entries (key)")
        rivals = "SELECT path FROM keys WHERE path IS NOT NULL GROUP BY path HAVING count(*) > 1"
        self._db.execute(f"UPDATE files SET ambiguous = 1 WHERE path IN ({rivals})")
        self._db.execute("COMMIT")

    def _match_group(self, folders: int, keys: int) -> None:
        """Match the keys with this many folders by the rule that finds most of them; more than half is most."""
        joins = [f"f.form = _without_folders(k.key, {n})" for n in range(min(folders, _MAX_FOLDERS) + 1)]
        joins.append("f.backwards > _first_with_end(k.key) AND f.backwards < _last_with_end(k.key)")
        best_rule, most = 0, 0
        self._db.execute("DELETE FROM claims")
        for rule, join in enumerate(joins):
            self._db.execute(
                f"INSERT INTO claims SELECT ?, k.key, f.path FROM keys k CROSS JOIN files f ON {join} "
                "WHERE k.folders = ? AND k.path IS NULL",
                (rule, folders),
            )
            (found,) = self._db.execute("SELECT count(DISTINCT key) FROM claims WHERE rule = ?", (rule,)).fetchone()
            if found > most:
                best_rule, most = rule, found
            if most * 2 > keys:
                break
        self._db.execute("DELETE FROM claims WHERE rule <> ?", (best_rule,))
        self._db.execute("CREATE INDEX claims_by_key ON claims (key)")
        undecided = "SELECT key FROM claims GROUP BY key HAVING count(*) > 1"
        self._db.execute(
            f"UPDATE files SET ambiguous = 1 WHERE path IN (SELECT path FROM claims WHERE key IN ({undecided}))"
        )
        self._db.execute(f"DELETE FROM claims WHERE key IN ({undecided})")
        self._db.execute(
            "UPDATE keys SET path = (SELECT path FROM claims WHERE claims.key = keys.key) "
            "WHERE folders = ? AND path IS NULL",
            (folders,),
        )
        self._db.execute("DROP INDEX claims_by_key")

    def count_keys(self) -> tuple[int, int]:
        """How many images the annotations name, and how many of those were found."""
        total, found = self._db.execute("SELECT count(*), count(path) FROM keys").fetchone()
        return int(total), int(found)

    def count_files(self) -> int:
        """How many files the source tree holds."""
        return int(self._db.execute("SELECT count(*) FROM files").fetchone()[0])

    def keys_without_file(self) -> Iterator[str]:
        """Keys whose image is missing."""
        for (key,) in self._db.execute("SELECT key FROM keys WHERE path IS NULL ORDER BY key"):
            yield os.fsdecode(key)

    def files_without_key(self) -> Iterator[str]:
        """Files that no annotation names and that could be copied, in the order of their paths."""
        query = (
            "SELECT f.path FROM files f LEFT JOIN keys k ON k.path = f.path "
            "WHERE k.path IS NULL AND f.problem IS NULL AND NOT f.ambiguous ORDER BY f.path"
        )
        for (path,) in self._db.execute(query):
            yield os.fsdecode(path)

    def items(self) -> Iterator[Item]:
        """Every file, in the order of its path, with its entries."""
        query = (
            "SELECT f.path, f.problem, f.ambiguous, k.key, e.boxes, e.normalised, e.width, e.height, e.problem "
            "FROM files f LEFT JOIN keys k ON k.path = f.path LEFT JOIN entries e ON e.key = k.key "
            "ORDER BY f.path, e.rowid"
        )
        for (path, problem, ambiguous), rows in groupby(self._db.execute(query), key=lambda row: row[:3]):
            entries = [
                Entry("", _unpack(boxes), bool(normalised), (width, height) if width is not None else None, trouble)
                for _, _, _, key, boxes, normalised, width, height, trouble in rows
                if key is not None
            ]
            yield Item(
                os.fsdecode(path),
                problem or (_AMBIGUOUS if ambiguous else None),
                bool(entries) or bool(ambiguous),
                entries,
            )


def _key(key: str) -> bytes:
    """A key as a relative path: forward slashes, no leading ``./`` or ``/``."""
    return os.fsencode(_storable(posixpath.normpath(key.replace("\\", "/")).lstrip("/")) or "")


def _form(path: bytes, with_ending: bool) -> bytes:
    """What keys are compared with: a file's path as `_key` would write it."""
    form = _key(os.fsdecode(path))
    return form if with_ending else os.path.splitext(form)[0]


def _folders(key: bytes) -> int:
    return key.count(b"/")


def _without_folders(key: bytes, folders: int) -> bytes:
    return key.split(b"/", folders)[folders]


def _backwards(form: bytes) -> bytes:
    return form[::-1]


def _first_with_end(key: bytes) -> bytes:
    """Paths that end in a slash and `key` lie, read backwards, between this and `_last_with_end`."""
    return key[::-1] + b"/"


def _last_with_end(key: bytes) -> bytes:
    return key[::-1] + b"0"


def _storable(text: str | None) -> str | None:
    """`text` with lone surrogates that are no undecodable bytes of a file name escaped."""
    if text is None:
        return None
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text


def _storable_size(size: tuple[int, int] | None) -> tuple[int, int] | tuple[None, None]:
    """SQLite's integers have 64 bits; a size beyond them differs from every image's all the same."""
    return (min(size[0], 1 << 62), min(size[1], 1 << 62)) if size else (None, None)


def _pack(boxes: Iterable[tuple[float, float, float, float]]) -> bytes:
    return array("d", (value for box in boxes for value in box)).tobytes()


def _unpack(packed: bytes) -> list[tuple[float, float, float, float]]:
    values = array("d")
    values.frombytes(packed)
    flat = iter(values)
    return list(zip(flat, flat, flat, flat, strict=True))
