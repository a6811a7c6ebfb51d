"""Checking an output folder against its source: from the files, the annotations and the manifest."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from . import disk, manifest
from .check import Claim, Finding, check_batch, crashed, start
from .index import Item
from .manifest import ManifestError, Row
from .parameters import Parameters, digest
from .plan import Annotations, Exclusion, Plan
from .pool import Pool
from .progress import bar
from .tree import scan
from .worker import Job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BATCH = 16


def verify(src: Path, dst: Path, annotations: Annotations | None, workers: int, *, quiet: bool) -> Iterator[Finding]:
    """Everything that is not as it should be, as it is found. Without `annotations`, the manifest's boxes are taken
    for the right ones."""
    if not src.is_dir() or not dst.is_dir():
        raise ManifestError(f"{src if not src.is_dir() else dst} is not a folder")
    record = manifest.path_of(dst)
    header = manifest.header(record)
    yield from _check_header(record, header, annotations)
    parameters = _parameters(record, header)
    exclusion = Exclusion(frozenset(header.get("exclude", ())))
    with closing(_Rows(record)) as rows:
        yield from rows.load()
        yield from rows.check_output(dst)
        plan = Plan(src, annotations, exclusion) if annotations is not None else None
        try:
            if plan is not None:
                for key in plan.missing():
                    row = rows.take(key)
                    if row is None or row.get("reason") != "missing":
                        yield Finding(key, "it is annotated and missing, and the manifest does not say so")
            items = plan.items() if plan is not None else (Item(f.path, f.problem, False, []) for f in scan(src))
            job = Job(src, dst, parameters, bytes(32))
            pool: Pool[Claim, list[Finding], Job] = Pool(workers, check_batch, start, job, crashed)
            claims = _claims(items, rows, exclusion, from_manifest=plan is None)
            with (
                bar(rows.count, "verify", quiet=quiet) as progress,
                closing(pool.run(_batches(claims))) as results,
            ):
                for batch in results:
                    progress(len(batch))
                    for findings in batch:
                        yield from findings
            yield from rows.left_over(keep_missing=plan is None)
        finally:
            if plan is not None:
                plan.close()


def _check_header(record: Path, header: Row, annotations: Annotations | None) -> Iterator[Finding]:
    content = {key: value for key, value in header.items() if key != "digest"}
    if digest(content) != header["digest"]:
        yield Finding(record.name, "its first line does not have the digest it claims")
    if annotations is not None and annotations.identity() != header.get("annotations"):
        yield Finding(record.name, "it was made with other annotations, or another way to read them")


def _parameters(record: Path, header: Row) -> Parameters:
    try:
        given: dict[str, Any] = dict(header["parameters"])
        red, green, blue = given.pop("value")
        return Parameters(**given, value=(red, green, blue))
    except (KeyError, TypeError, ValueError):
        raise ManifestError(f"{record}: the first line holds no parameters of this version") from None


class _Rows:
    """The manifest's rows by path, in a temporary database; what `take` takes is gone."""

    def __init__(self, record: Path) -> None:
        self._record = record
        self.count = 0
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;"
            "CREATE TABLE rows (path BLOB PRIMARY KEY, finished INTEGER, taken INTEGER, content TEXT);"
        )

    def close(self) -> None:
        """Forget everything."""
        self._db.close()

    def load(self) -> Iterator[Finding]:
        """Read the manifest; findings about it as a whole."""
        tally = manifest.Tally()
        for row in manifest.rows(self._record):
            tally.add(row)
            self.count += 1
            inserted = self._db.execute(
                "INSERT OR IGNORE INTO rows VALUES (?, ?, 0, ?)",
                (os.fsencode(row["path"]), row["status"] in manifest.FINISHED, json.dumps(row)),
            )
            if not inserted.rowcount:
                yield Finding(row["path"], "the manifest has two rows of it")
        summary: Row | None = None
        canonical = True
        for raw, row in manifest.read(self._record):
            canonical = manifest.line(row) == raw
            if summary is not None:
                yield Finding(self._record.name, "it goes on after its summary")
                break
            summary = row.get("summary")
        if summary is None:
            yield Finding(self._record.name, "it has no summary: the run did not end")
        elif not canonical or digest({k: v for k, v in summary.items() if k != "digest"}) != summary.get("digest"):
            yield Finding(self._record.name, "its summary does not have the digest it claims")
        elif {**summary, **tally.as_json()} != summary:
            yield Finding(self._record.name, "its summary does not count what its rows say")
        elif summary.get("sha256_of_lines") != manifest.digest_of_lines(self._record):
            yield Finding(self._record.name, "its lines do not have the digest that its summary claims")

    def check_output(self, dst: Path) -> Iterator[Finding]:
        """Output that the manifest does not tell of. That what it tells of is there is checked file by file."""
        for path in disk.output_files(dst):
            query = "SELECT finished FROM rows WHERE path = ?"
            found = self._db.execute(query, (os.fsencode(path),)).fetchone()
            if found is None:
                yield Finding(path, "it is in the output, and the manifest does not tell of it")
            elif not found[0]:
                yield Finding(path, "it is in the output, although the manifest says that it was left out")

    def take(self, path: str) -> Row | None:
        """The row of `path`, if there is one."""
        found = self._db.execute("SELECT content FROM rows WHERE path = ?", (os.fsencode(path),)).fetchone()
        if found is None:
            return None
        self._db.execute("UPDATE rows SET taken = 1 WHERE path = ?", (os.fsencode(path),))
        row: Row = json.loads(found[0])
        return row

    def left_over(self, *, keep_missing: bool) -> Iterator[Finding]:
        """Rows of files that the source does not have."""
        for path, content in self._db.execute("SELECT path, content FROM rows WHERE NOT taken ORDER BY path"):
            if not (keep_missing and json.loads(content).get("reason") == "missing"):
                yield Finding(os.fsdecode(path), "the manifest tells of it, but it is not in the source folder")


def _claims(items: Iterator[Item], rows: _Rows, exclusion: Exclusion, *, from_manifest: bool) -> Iterator[Claim]:
    for item in items:
        yield Claim(item, rows.take(item.path), exclusion.covers(item.path), from_manifest)


def _batches(claims: Iterator[Claim]) -> Iterator[list[Claim]]:
    batch: list[Claim] = []
    for claim in claims:
        batch.append(claim)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
