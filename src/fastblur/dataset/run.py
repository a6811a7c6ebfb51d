"""The run: every file of the source tree through the workers, and a manifest that keeps up with the output."""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import __version__
from . import disk, manifest, worker
from .parameters import Parameters, digest
from .plan import Annotations, Exclusion, Plan, Refused, check_folders
from .pool import Pool
from .tree import printable
from .twins import Twins
from .worker import Job, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from .index import Item
    from .manifest import Row

_BATCH = 32
_SYNC_EVERY = 1024
_SYNC_SECONDS = 5.0
_KEY_BYTES = 32

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Request:
    """One `fastblur blur`."""

    src: Path
    dst: Path
    annotations: Annotations
    exclusion: Exclusion
    parameters: Parameters
    workers: int = 1
    resume: bool = False


@dataclass(frozen=True)
class Result:
    """The summary of a run, whether every image was handled, and how many rows an earlier run had finished."""

    summary: Row
    complete: bool
    resumed: int


def header_of(request: Request) -> Row:
    """The manifest's first line: what decides the output, and the digest of it."""
    content: Row = {
        "fastblur": __version__,
        "parameters": request.parameters.as_json(),
        "annotations": request.annotations.identity(),
        "exclude": sorted(request.exclusion.names),
    }
    return {"digest": digest(content), **content}


def blur(request: Request, plan: Plan, progress: Progress) -> Result:
    """Obfuscate the tree; `progress` is called with the number of files done since it was called last."""
    check_folders(request.src, request.dst)
    record = manifest.path_of(request.dst)
    header = header_of(request)
    _check_output(request, record, header)
    plan.check(request.parameters)
    request.dst.mkdir(parents=True, exist_ok=True)
    try:
        with disk.locked(request.dst):
            return _Run(request, plan, record, progress).run(header)
    except BlockingIOError:
        raise Refused(f"another run is at work on {printable(str(request.dst))}") from None


def _check_output(request: Request, record: Path, header: Row) -> None:
    dst = printable(str(request.dst))
    if record.exists() and record.stat().st_size:
        if not request.resume:
            raise Refused(f"{printable(str(record))} tells of an earlier run: say --resume, or choose another DST")
        earlier = manifest.header(record)
        if earlier["digest"] != header["digest"]:
            differ = [key for key in header if key != "digest" and earlier.get(key) != header[key]]
            raise Refused(f"{dst} was begun with other {' and '.join(differ) or 'settings'}: --resume cannot go on")
    elif request.dst.exists() and any(request.dst.iterdir()):
        raise Refused(f"DST {dst} is not empty and has no manifest: choose another")


class _Run:
    def __init__(self, request: Request, plan: Plan, record: Path, progress: Progress) -> None:
        self._request, self._plan, self._record, self._progress = request, plan, record, progress
        self._secret = record.with_suffix(".key")
        self._finished = sqlite3.connect("", isolation_level=None)
        self._finished.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE finished (path BLOB PRIMARY KEY) WITHOUT ROWID;"
        )
        self._twins = Twins()
        self._waiting: list[Outcome] = []
        self._committer = ThreadPoolExecutor(1)
        self._committing: Future[None] | None = None
        self._synced = time.monotonic()

    def run(self, header: Row) -> Result:
        """All of it."""
        begun = time.monotonic()
        writer, resumed, key = self._prepare(header)
        job = Job(self._request.src, self._request.dst, self._request.parameters, key)
        pool: Pool[Item, Outcome, Job] = Pool(self._request.workers, worker.run_batch, worker.start, job, _crashed)
        try:
            with closing(pool.run(self._batches(resumed))) as results:
                for outcomes in results:
                    self._waiting += outcomes
                    self._progress(len(outcomes))
                    if len(self._waiting) >= _SYNC_EVERY or time.monotonic() - self._synced > _SYNC_SECONDS:
                        self._commit_behind(writer)
            for name in self._plan.missing():
                self._waiting.append(Outcome({"path": name, "status": "left-out", "reason": "missing"}, None))
            self._commit_behind(writer)
            self._settle()
            return self._finish(writer, time.monotonic() - begun, resumed)
        finally:
            self._committer.shutdown(wait=True)
            writer.close()
            self._finished.close()
            self._twins.close()
            disk.remove_temporaries(self._request.dst)

    def _prepare(self, header: Row) -> tuple[manifest.Writer, int, bytes]:
        """Begin the manifest, with the rows of an earlier one that still hold; how many those are, and the run's key.

        The key is a secret for tags, which find identical images: without it nobody can tell from a tag whether it is
        of an image they hold. It is kept beside the manifest until the run is complete. With a new key all tags are
        made anew, so it is kept only after the rows that have them.
        """
        disk.remove_temporaries(self._request.dst)
        kept = self._secret.read_bytes() if self._secret.exists() else b""
        key = kept if len(kept) == _KEY_BYTES else secrets.token_bytes(_KEY_BYTES)
        fresh = self._record.with_suffix(".new")
        writer = manifest.Writer(fresh, header)
        for row in manifest.rows(self._record) if self._record.exists() else ():
            if self._holds(row) and self._note_finished(row["path"]):
                if key != kept and "tag" in row:
                    row["tag"] = worker.tag_of_file(self._request.src / row["path"], key)
                self._record_rows(writer, [row])
        writer.sync()
        fresh.replace(self._record)
        resumed = sum(writer.tally.status.values())
        self._progress(resumed)
        if key != kept:
            with open(os.open(self._secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(key)
        return writer, resumed, key

    def _holds(self, row: Row) -> bool:
        """Whether a finished file's source is as it was and its output is there."""
        if row["status"] not in manifest.FINISHED:
            return False
        try:
            source = (self._request.src / row["path"]).stat()
            output = (self._request.dst / row["path"]).lstat()
        except OSError:
            return False
        was = row["source"]
        return (source.st_size, source.st_mtime_ns, output.st_size) == (was["bytes"], was["mtime_ns"], row["bytes"])

    def _note_finished(self, path: str) -> bool:
        """Whether this is the first row of `path`."""
        return self._finished.execute("INSERT OR IGNORE INTO finished VALUES (?)", (os.fsencode(path),)).rowcount == 1

    def _is_finished(self, path: str) -> bool:
        return (
            self._finished.execute("SELECT 1 FROM finished WHERE path = ?", (os.fsencode(path),)).fetchone() is not None
        )

    def _batches(self, resumed: int) -> Iterator[list[Item]]:
        size = min(_BATCH, max(1, self._plan.files // (8 * self._request.workers)))
        batch: list[Item] = []
        for item in self._plan.items():
            if self._plan.exclusion.covers(item.path):
                self._waiting.append(Outcome({"path": item.path, "status": "excluded"}, None))
                self._progress(1)
            elif not (resumed and self._is_finished(item.path)):
                batch.append(item)
                if len(batch) == size:
                    yield batch
                    batch = []
        if batch:
            yield batch

    def _commit_behind(self, writer: manifest.Writer) -> None:
        """Commit what is waiting while the next images are made; no more than one commit is under way."""
        self._settle()
        outcomes, self._waiting = self._waiting, []
        self._committing = self._committer.submit(self._commit, writer, outcomes)
        self._synced = time.monotonic()

    def _settle(self) -> None:
        if self._committing is not None:
            self._committing.result()

    def _commit(self, writer: manifest.Writer, outcomes: list[Outcome]) -> None:
        """Data to disk, then final names, then rows: what the manifest tells is true after any crash."""
        temporaries = [outcome.temporary for outcome in outcomes if outcome.temporary is not None]
        if temporaries:
            disk.sync(temporaries, self._request.dst)
            disk.forget(temporaries)
        for row, temporary in outcomes:
            if temporary is not None:
                os.replace(temporary, os.path.join(self._request.dst, row["path"]))
            elif self._request.resume and row.get("reason") != "missing":
                (self._request.dst / row["path"]).unlink(missing_ok=True)
        self._record_rows(writer, [outcome.row for outcome in outcomes])
        writer.sync()

    def _record_rows(self, writer: manifest.Writer, rows: list[Row]) -> None:
        writer.add(rows)
        self._twins.add(rows)

    def _finish(self, writer: manifest.Writer, seconds: float, resumed: int) -> Result:
        tally = writer.tally
        done = sum(tally.status.values()) - resumed
        summary: Row = {
            **tally.as_json(),
            "twins": self._twins.as_json(self._request.src),
            "seconds": round(seconds, 3),
            "images_per_second": round(done / seconds, 1) if seconds else 0.0,
            "resumed": resumed,
        }
        writer.end(summary)
        disk.sync([], self._request.dst)
        self._secret.unlink(missing_ok=True)
        return Result(summary, tally.complete, resumed)


def _crashed(item: Item) -> Outcome:
    detail = "decoding or obfuscating it ended the worker process"
    return Outcome({"path": item.path, "status": "left-out", "reason": "crashed", "detail": detail}, None)
