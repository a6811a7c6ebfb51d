"""What a worker process does: a batch of files, from the source tree to temporary files beside their final places.

Nothing here gives a file its final name. The parent does, once the data is on disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shutil
import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from typing import TYPE_CHECKING, NamedTuple

from .geometry import LeftOut
from .image import HEAD, Made, decide, make
from .tree import temporary_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from .index import Item
    from .manifest import Row
    from .parameters import Parameters

MAX_FILE_BYTES = 1 << 31
"""Image files beyond this are refused: they are read in whole."""
_AT_ONCE = 1 << 20
"""How much of an annotated file is read at first: nearly always all of it."""
_SLICES, _SLICE = 8, 512
"""How many slices of a file its tag looks at, and how many bytes each has."""


class OutputError(Exception):
    """Writing failed, as on a full disk: the run ends, to be resumed."""


@dataclass(frozen=True)
class Job:
    """What all images of a run share. `key` makes tags of sources that nobody without it can recompute."""

    src: Path
    dst: Path
    parameters: Parameters
    key: bytes


class Outcome(NamedTuple):
    """The manifest's row of a file, and where its output waits to be renamed, if it has one."""

    row: Row
    temporary: str | None


_job: Job


def start(job: Job) -> None:
    """Set up a worker process: the parent alone handles Ctrl-C, and a worker does not outlive it."""
    global _job  # noqa: PLW0603 - a worker process has one job
    _job = job
    parent = parent_process()
    if parent is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def run_batch(items: Sequence[Item]) -> list[Outcome]:
    """Obfuscate or copy each of `items`; OutputError if the output cannot be written."""
    return [run_one(item, _job) for item in items]


def run_one(item: Item, job: Job) -> Outcome:
    """Obfuscate or copy one file. Whatever is wrong with it is in the row; only writing may fail."""
    begun = time.perf_counter()
    row: Row = {"path": item.path, "status": "left-out"}
    temporary = None
    try:
        temporary = _handle(item, job, row)
    except LeftOut as error:
        row.update(reason=error.reason, detail=error.detail)
    except OutputError:
        raise
    except OSError as error:
        row.update(reason="unreadable", detail=error.strerror or str(error))
    except MemoryError:
        row.update(reason="out-of-memory", detail="decoding it needs more memory than there is")
    except Exception as error:  # a defect in a codec must cost one image, not the run
        row.update(reason="failed", detail=f"{type(error).__name__}: {error}")
    row["ms"] = round(1000 * (time.perf_counter() - begun), 2)
    return Outcome(row, temporary)


class Source(NamedTuple):
    """A source file: its status as `decide` tells it, its content unless it is no image, and what the system says."""

    status: str | None
    content: bytes
    stat: os.stat_result


def read_source(path: str | Path, item: Item, parameters: Parameters) -> Source:
    """Read an image in whole, of any other file only the beginning; LeftOut if it has no place in the output."""
    if item.problem is not None:  # it may lead out of the tree, or block when opened
        reason, _, detail = item.problem.partition(": ")
        raise LeftOut(reason, detail)
    with open(path, "rb", buffering=0) as file:
        stat = os.fstat(file.fileno())
        # An annotated file hardly ever turns out to be none that is read in whole. Some file systems tell no size.
        head = file.read(min(max(stat.st_size, HEAD), _AT_ONCE) if item.annotated else HEAD)
        status = decide(item, head, parameters)
        if status in ("skipped", "copied-other"):
            return Source(status, head, stat)
        if stat.st_size > MAX_FILE_BYTES:
            raise LeftOut("too-large", f"{stat.st_size} bytes; at most {MAX_FILE_BYTES} are read")
        return Source(status, head if len(head) == stat.st_size else head + file.read(), stat)


def _handle(item: Item, job: Job, row: Row) -> str | None:
    """Fill in the row and write the output; the path of the temporary file, if any."""
    path, final = os.path.join(job.src, item.path), os.path.join(job.dst, item.path)
    status, source, stat = read_source(path, item, job.parameters)
    row["source"] = {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    if status == "skipped":
        row["status"] = status
        return None
    if status == "copied-other":
        temporary = _copy_other(path, final)
        row["bytes"], row["sha256"] = hash_file(temporary)
        row["status"] = status
        return temporary
    made = make(item, source, job.parameters) if status is None else Made(status)
    describe(row, made, source, job)
    return _write(source if made.data is None else made.data, final)


def describe(row: Row, made: Made, source: bytes, job: Job) -> None:
    """Write into `row` what became of an image."""
    data = source if made.data is None else made.data
    row["status"] = made.status
    if made.applied.boxes:
        row["method"] = job.parameters.method
        row["boxes"] = [[*box, strength] for box, strength in made.applied.boxes]
    if made.degenerate:
        row["skipped_degenerate"] = [list(box) for box in made.degenerate]
    if made.dropped:
        row["dropped"] = made.dropped
    if made.notes:
        row["notes"] = made.notes
    row["bytes"], row["sha256"] = len(data), hashlib.sha256(data).hexdigest()
    row["tag"] = tag(source, job.key)
    if job.parameters.hash_sources:
        row["source"]["sha256"] = hashlib.sha256(source).hexdigest()


def tag(source: bytes, key: bytes) -> str:
    """What identical files share, and hardly any others: a keyed hash of their length and of slices all over them."""
    return _tag(len(source), lambda start: source[start : start + _SLICE], key)


def tag_of_file(path: str | Path, key: bytes) -> str:
    """The tag of a file that is not read in whole."""
    with open(path, "rb", buffering=0) as file:
        descriptor = file.fileno()
        return _tag(os.fstat(descriptor).st_size, lambda start: os.pread(descriptor, _SLICE, start), key)


def _tag(length: int, slice_at: Callable[[int], bytes], key: bytes) -> str:
    last = max(length - _SLICE, 0)
    slices = (slice_at(last * number // (_SLICES - 1)) for number in range(_SLICES))
    return hashlib.blake2b(length.to_bytes(8, "big") + b"".join(slices), key=key, digest_size=32).hexdigest()


def _write(data: bytes, final: str) -> str:
    temporary = _temporary(final)
    try:
        with open(temporary, "xb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
    except OSError as error:
        _remove(temporary)
        raise OutputError(f"writing {final}: {error.strerror}") from None
    return temporary


def _copy_other(path: str, final: str) -> str:
    temporary = _temporary(final)
    with open(path, "rb") as source:
        try:
            with open(temporary, "xb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
        except OSError as error:
            _remove(temporary)
            raise OutputError(f"copying {path} to {final}: {error.strerror}") from None
    return temporary


def hash_file(path: str | Path) -> tuple[int, str]:
    """Size and SHA-256 of a file of any size."""
    size, total = 0, hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            size += len(block)
            total.update(block)
    return size, total.hexdigest()


_folders: set[str] = set()
_number = itertools.count(1)


def _temporary(final: str) -> str:
    """A new name in the folder of `final`, which is made if need be and must lie inside the output folder."""
    folder = os.path.dirname(final)
    if folder not in _folders:
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise OutputError(f"making the folder {folder}: {error.strerror}") from None
        root = os.path.realpath(_job.dst)
        if os.path.commonpath([root, os.path.realpath(folder)]) != root:
            raise OutputError(f"{folder} leads out of the output folder by a symbolic link")
        if len(_folders) > 10_000:
            _folders.clear()
        _folders.add(folder)
    return os.path.join(folder, temporary_name(f"{os.getpid()}-{next(_number)}"))


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
