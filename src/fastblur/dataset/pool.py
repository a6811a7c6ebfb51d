"""Batches through worker processes: a bounded number under way, results in order, and no image that ends the run."""

from __future__ import annotations

import multiprocessing
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")
Shared = TypeVar("Shared")

AHEAD = 3
"""Batches under way per worker: enough that none waits while the parent syncs."""


class WorkersError(RuntimeError):
    """No worker process can be had."""


class Pool(Generic[Item, Result, Shared]):
    """Runs `work` on batches in `workers` processes, or, if that is one, in this process.

    A worker that dies (a codec crashed, the system ran out of memory) takes the batches under way with it. They are
    run again one image at a time, so that exactly the image that kills its worker goes to `on_crash`.
    """

    def __init__(
        self,
        workers: int,
        work: Callable[[Sequence[Item]], list[Result]],
        initialise: Callable[[Shared], None],
        shared: Shared,
        on_crash: Callable[[Item], Result],
    ) -> None:
        self._workers, self._work, self._on_crash = workers, work, on_crash
        self._initialise, self._shared = initialise, shared

    def run(self, batches: Iterable[Sequence[Item]]) -> Generator[list[Result], None, None]:
        """The results of each batch, in order."""
        if self._workers == 1:
            self._initialise(self._shared)
            yield from map(self._work, batches)
            return
        executor = self._executor(self._workers)
        underway: deque[tuple[Sequence[Item], Future[list[Result]]]] = deque()
        try:
            for batch in batches:
                while len(underway) >= AHEAD * self._workers:
                    executor = yield from self._oldest(executor, underway)
                underway.append((batch, _submit(executor, self._work, batch)))
            while underway:
                executor = yield from self._oldest(executor, underway)
        finally:
            executor.shutdown(wait=True, cancel_futures=True)

    def _oldest(
        self, executor: ProcessPoolExecutor, underway: deque[tuple[Sequence[Item], Future[list[Result]]]]
    ) -> Generator[list[Result], None, ProcessPoolExecutor]:
        """Wait for the oldest batch and yield its results; returns the executor to go on with."""
        try:
            result = underway[0][1].result()
        except BrokenProcessPool:
            executor.shutdown(wait=True)
            for batch, future in underway:
                yield future.result() if _succeeded(future) else list(self._one_at_a_time(batch))
            underway.clear()
            return self._executor(self._workers)
        underway.popleft()
        yield result
        return executor

    def _one_at_a_time(self, batch: Sequence[Item]) -> Iterator[Result]:
        executor = self._executor(1)
        try:
            for item in batch:
                try:
                    yield executor.submit(self._work, [item]).result()[0]
                except BrokenProcessPool:
                    executor.shutdown(wait=True)
                    executor = self._executor(1)
                    _require_alive(executor)
                    yield self._on_crash(item)
        finally:
            executor.shutdown(wait=True)

    def _executor(self, workers: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), self._initialise, (self._shared,))


def _nothing() -> None:
    pass


def _require_alive(executor: ProcessPoolExecutor) -> None:
    """A worker that ends before it was given any image says nothing about images."""
    try:
        executor.submit(_nothing).result()
    except BrokenProcessPool:
        raise WorkersError("worker processes end as soon as they start; --workers 1 does without them") from None


def _submit(
    executor: ProcessPoolExecutor, work: Callable[[Sequence[Item]], list[Result]], batch: Sequence[Item]
) -> Future[list[Result]]:
    """Submit; a pool that broke since gives a future that says so, to be dealt with in its turn."""
    try:
        return executor.submit(work, batch)
    except BrokenProcessPool as error:
        future: Future[list[Result]] = Future()
        future.set_exception(error)
        return future


def _succeeded(future: Future[list[Result]]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
