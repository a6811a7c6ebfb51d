"""How far a run has come, on a terminal; silent anywhere else."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


# Only one process draws. tqdm's own lock is shared with every process forked from this one, and stays locked for all of
# them when one is killed while it holds it.
tqdm.set_lock(threading.RLock())


@contextmanager
def bar(total: int, what: str, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar with images per second and the time left; yields what to call with the number of files done."""
    with tqdm(total=total, desc=what, unit=" files", disable=True if quiet else None, smoothing=0.05) as progress:

        def advance(files: int) -> None:
            progress.update(files)

        yield advance
