"""How many threads a call may use."""

from __future__ import annotations

import os
import sys

from fastblur import _core

MOST_THREADS = 1024  # any more are taken as so many
_chosen: tuple[int, int] | None = None  # (process id, threads), by set_num_threads


def set_num_threads(n: int) -> None:
    """Let later calls in this process use at most `n` threads.

    A call's own ``num_threads`` argument takes precedence; the environment variables ``FASTBLUR_NUM_THREADS`` and
    ``OMP_NUM_THREADS`` and the processor count come after. Raises TypeError or ValueError unless `n` is a positive int.

    >>> import fastblur
    >>> fastblur.set_num_threads(2)
    >>> fastblur.get_num_threads()
    2
    """
    global _chosen  # noqa: PLW0603 - the one setting of the module
    _chosen = (os.getpid(), checked_threads("n", n))


def get_num_threads() -> int:
    """The number of threads that a call without ``num_threads`` uses here and now.

    By `set_num_threads`; else one in a worker process of a torch DataLoader; else by ``FASTBLUR_NUM_THREADS``, then
    ``OMP_NUM_THREADS``; else the processors that this process may run on.
    """
    if _chosen is not None and _chosen[0] == os.getpid():
        return _chosen[1]
    if _in_dataloader_worker():
        return 1
    given = os.environ.get("FASTBLUR_NUM_THREADS", "")
    if given:
        if not given.isascii() or not given.isdigit() or int(given) < 1:
            raise ValueError(f"FASTBLUR_NUM_THREADS is {given!r}; accepted: a positive whole number")
        return min(int(given), MOST_THREADS)
    inherited = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if inherited.isascii() and inherited.isdigit() and int(inherited) >= 1:
        return min(int(inherited), MOST_THREADS)
    return _core.available_processors()


def checked_threads(name: str, n: object) -> int:
    """`n` as a positive int."""
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"{name} is {n!r}; accepted: a positive int")
    count = int(n.__index__())
    if count < 1:
        raise ValueError(f"{name} is {count}; accepted: a positive int")
    return min(count, MOST_THREADS)


def _in_dataloader_worker() -> bool:
    data = sys.modules.get("torch.utils.data")
    return data is not None and data.get_worker_info() is not None
