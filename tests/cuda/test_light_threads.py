"""What the simulated threads of the other tests find, and what they leave behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.simulator
THREADS = 32

# Globals, since the simulator puts its own in their place while a kernel runs.
cuda: Any = None
meet: Any = None


@pytest.fixture(autouse=True)
def numba_cuda(simulated: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The simulator as the fixture `simulated` leaves it, which is Numba's CUDA."""
    from numba import cuda as module

    monkeypatch.setitem(globals(), "cuda", module)
    monkeypatch.setitem(globals(), "meet", module.jit(device=True)(_meet))
    return module


def _meet() -> None:
    cuda.syncthreads()


def write_order(order: Any, count: Any) -> None:
    order[cuda.threadIdx.x] = count[0]
    count[0] += 1


def meet_some(order: Any, count: Any) -> None:
    if cuda.threadIdx.x < 5:
        cuda.syncthreads()


def fail_after_meeting(order: Any, count: Any) -> None:
    meet()
    if cuda.threadIdx.x == 7:
        raise ZeroDivisionError
    meet()


def launch(kernel: Any) -> np.ndarray[Any, Any]:
    order = np.full(THREADS, -1)
    cuda.jit(kernel)[1, THREADS](order, np.zeros(1, int))
    return order


def test_threads_run_in_another_order_each_time() -> None:
    orders = [launch(write_order) for _ in range(3)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(THREADS))
    assert len({order.tobytes() for order in orders}) == 3


def test_a_barrier_for_some_threads_only_is_an_error() -> None:
    with pytest.raises(AssertionError, match="some threads of a block are at a barrier"):
        launch(meet_some)


def test_a_failed_launch_leaves_nothing_behind(numba_cuda: Any) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        launch(fail_after_meeting)
    assert cuda is numba_cuda, raised
