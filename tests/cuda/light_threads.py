"""Threads for Numba's simulator that cost microseconds. Its own are threads of the system, which a busy loop polls."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from greenlet import getcurrent, greenlet
from numba.cuda.simulator import kernel, kernelapi
from numba.cuda.simulator.kernelapi import Dim3

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


class Thread(greenlet):
    """A thread of a kernel, as Numba's simulator asks for it."""

    def __init__(self, body: Callable[[], None], block: Any, index: Any) -> None:
        super().__init__(body)
        self.blockIdx, self.threadIdx = block, index

    def syncthreads(self) -> None:
        self.parent.switch(True)


class Block:
    """Takes the place of Numba's BlockManager: threads run one after another, each to the next barrier.

    They do so in another order each time, so that a missing barrier shows. What shows only where threads alternate
    between two barriers, such as a sum that two of them add to, does not.
    """

    def __init__(self, order: random.Random, body: Callable[..., None], size: tuple[int, int, int]) -> None:
        self._order, self._body, self._size = order, body, size

    def run(self, block: tuple[int, int, int], *arguments: Any) -> None:
        threads = [
            Thread(lambda: self._body(*arguments), Dim3(*block), Dim3(*index)) for index in np.ndindex(*self._size)
        ]
        waiting = True
        try:
            while waiting:
                self._order.shuffle(threads)
                at_barrier = [thread.switch() for thread in threads]
                waiting = any(at_barrier)
                assert waiting == all(at_barrier), "some threads of a block are at a barrier, others have ended"
        finally:
            for thread in threads:
                if thread:  # not ended: it gives back what it holds of Numba
                    thread.throw()


def use_light_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the simulator run kernels with the threads above."""
    order = random.Random(2026)
    monkeypatch.setattr(kernel, "BlockManager", lambda body, grid, size, debug: Block(order, body, size))
    monkeypatch.setattr(kernelapi, "threading", SimpleNamespace(current_thread=getcurrent))
