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

    They do so in another order each time, so that a result that depends on the order shows.
    """

    def __init__(self, body: Callable[..., None], grid_size: Any, size: tuple[int, int, int], debug: bool) -> None:
        self._body, self._size = body, size

    def run(self, block: tuple[int, int, int], *arguments: Any) -> None:
        order = random.Random(repr(block))
        threads = [
            Thread(lambda: self._body(*arguments), Dim3(*block), Dim3(*index)) for index in np.ndindex(*self._size)
        ]
        waiting = True
        while waiting:
            order.shuffle(threads)
            at_barrier = [thread.switch() for thread in threads]
            waiting = any(at_barrier)
            assert waiting == all(at_barrier), "some threads of a block are at a barrier, others have ended"


def use_light_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the simulator run kernels with the threads above."""
    monkeypatch.setattr(kernel, "BlockManager", Block)
    monkeypatch.setattr(kernelapi, "threading", SimpleNamespace(current_thread=getcurrent))
