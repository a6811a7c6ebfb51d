"""Making sure that data is on disk, that one run at a time works on an output folder, and that none leaves rubbish."""

from __future__ import annotations

import ctypes
import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from .tree import is_temporary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


def sync(files: Sequence[str], folder: Path) -> None:
    """Return once the data of `files`, all on the file system of `folder`, is on disk.

    Where the system can sync a file system as a whole (Linux), one call does for thousands of files.
    """
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        for path in files:
            _with_descriptor(path, os.fsync)
        return

    def all_of_it(descriptor: int) -> None:
        if syncfs(descriptor) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(folder))

    _with_descriptor(folder, all_of_it)


def forget(files: Sequence[str]) -> None:
    """Let the system's cache have the memory of `files`, which are on disk, back for what is written next.

    Otherwise a data set's output pushes everything else out of memory. And a page that was in use is cheaper than a new
    one: in a virtual machine whose host hands out memory when it is touched, a new one takes 3 to 12 microseconds.
    """
    if hasattr(os, "posix_fadvise"):
        for path in files:
            with suppress(OSError):  # a hint, no promise
                _with_descriptor(path, lambda descriptor: os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED))


def _with_descriptor(path: str | Path, action: Callable[[int], None]) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        action(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; BlockingIOError if another holds it. A dead process holds nothing."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def output_files(dst: Path) -> Iterator[str]:
    """Paths below `dst`, relative to it, of all that is no folder; links are not followed."""
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(dst / folder) as children:
            for child in children:
                path = os.path.join(folder, child.name)
                if child.is_dir(follow_symlinks=False):
                    folders.append(path)
                else:
                    yield path


def remove_temporaries(dst: Path) -> None:
    """Remove what an interrupted run left half written."""
    for path in output_files(dst):
        if is_temporary(os.path.basename(path)):
            os.unlink(dst / path)
