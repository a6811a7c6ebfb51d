"""Fixtures of the CUDA tests that need no GPU."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

sys.path.insert(0, os.path.dirname(__file__))

from simulated import HostArray, RecordingDriver, SimulatedDriver, set_sizes

if TYPE_CHECKING:
    from collections.abc import Callable


# Nothing here can run without it.
collect_ignore_glob = [] if importlib.util.find_spec("numba_cuda") else ["test_*.py"]


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> RecordingDriver:
    """A driver that runs nothing and writes down everything."""
    from fastblur.cuda import backend

    driver = RecordingDriver()
    monkeypatch.setattr(backend, "get_driver", lambda: driver)
    return driver


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> SimulatedDriver:
    """A driver that runs kernels in Numba's simulator, in this process."""
    if importlib.util.find_spec("numba_cuda") is None:
        pytest.skip("numba-cuda is not installed")
    pytest.importorskip("greenlet")
    if "numba" not in sys.modules:
        os.environ["NUMBA_ENABLE_CUDASIM"] = "1"
    from numba import config

    if not config.ENABLE_CUDASIM:
        pytest.skip("Numba was imported without its simulator")
    from light_threads import use_light_threads

    from fastblur.cuda import backend
    from fastblur.cuda import driver as driver_module

    use_light_threads(monkeypatch)
    # The simulator spends its time on threads; the kernels take any number of whole warps.
    set_sizes(monkeypatch, threads=32)
    monkeypatch.setattr(driver_module, "THREADS", 32)
    driver = SimulatedDriver()
    monkeypatch.setattr(backend, "get_driver", lambda: driver)
    return driver


@pytest.fixture
def tiled(simulated: SimulatedDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every box takes the path of large boxes."""
    set_sizes(monkeypatch, threads=32, shared_limit=0)


@pytest.fixture
def noise() -> Callable[..., np.ndarray[Any, Any]]:
    """Random images over the whole range of an integer dtype, or from -3 to 5."""

    def make(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray[Any, Any]:
        rng = np.random.default_rng(seed)
        if np.dtype(dtype).kind == "u":
            return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
        return (rng.random(shape) * 8 - 3).astype(dtype)

    return make


__all__ = ["HostArray", "noise", "recording", "simulated", "tiled"]
