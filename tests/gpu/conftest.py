"""The GPU tests: `pytest -m gpu`, by themselves, on a machine with a CUDA device."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def device() -> None:
    """Skip where there is no device, or where this process already runs Numba's simulator."""
    from fastblur.cuda.driver import CudaError, get_driver

    try:
        get_driver()
    except CudaError as error:
        pytest.skip(str(error))
    numba = sys.modules.get("numba")
    if numba is not None and numba.config.ENABLE_CUDASIM:
        pytest.skip("Numba runs its simulator in this process; run pytest -m gpu by itself")


@pytest.fixture
def torch() -> Any:
    """torch with CUDA."""
    module = pytest.importorskip("torch")
    if not module.cuda.is_available():
        pytest.skip("torch has no CUDA device")
    return module


@pytest.fixture
def cupy() -> Any:
    return pytest.importorskip("cupy")


@pytest.fixture
def jax() -> Any:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the other libraries need memory, too
    module = pytest.importorskip("jax")
    try:
        module.devices("gpu")
    except RuntimeError:
        pytest.skip("JAX has no CUDA device")
    return module
