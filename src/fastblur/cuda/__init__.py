"""The CUDA backend: the same three operations on arrays that live on a GPU, on the caller's device and stream.

Importing this package imports neither Numba nor any array library; the first CUDA array does.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from fastblur._images import is_sequence, is_torch

if TYPE_CHECKING:
    from types import ModuleType

    from fastblur.cuda.backend import DeviceBatch

__all__ = ["build_info", "holds_cuda_arrays", "is_cuda_array", "open_images", "to_host"]

_DLPACK_CUDA = (2, 13)  # kDLCUDA, kDLCUDAManaged


def is_cuda_array(x: Any) -> bool:
    """Whether `x` is an array in CUDA memory: it has `__cuda_array_interface__`, or its DLPack device is CUDA."""
    if isinstance(x, np.ndarray):
        return False
    if is_torch(x):
        return bool(x.is_cuda)
    device = getattr(x, "__dlpack_device__", None)
    if device is not None:
        return int(device()[0]) in _DLPACK_CUDA
    return hasattr(x, "__cuda_array_interface__")


def holds_cuda_arrays(images: Any) -> bool:
    """Whether `images` is a CUDA array or a list or tuple that begins with one."""
    return is_cuda_array(images[0] if is_sequence(images) and images else images)


def to_host(x: Any) -> Any:
    """A CUDA array (boxes, or values per box) as a NumPy array: one copy on the caller's stream, which it waits for.

    Anything else comes back as it is, except torch tensors on the CPU, which NumPy cannot take when they are bfloat16.
    """
    if isinstance(x, (np.ndarray, int, float, list, tuple)):
        return x
    if hasattr(x, "detach") and hasattr(x, "cpu"):
        tensor = x.detach().cpu()
        return (tensor.double() if tensor.dtype.is_floating_point else tensor).numpy()
    if not is_cuda_array(x):
        return x
    return _backend().copy_to_host(x)


def open_images(images: Any, layout: str | None, out: Any) -> DeviceBatch:
    """Check `images`, `layout` and `out`, which are CUDA arrays; see `fastblur.cuda.backend`."""
    batch: DeviceBatch = _backend().DeviceBatch(images, layout, out)
    return batch


@cache
def _backend() -> ModuleType:
    from fastblur.cuda import backend

    return backend


def build_info() -> dict[str, Any]:
    """What is installed of the backend; looks, starts nothing.

    >>> import fastblur.cuda
    >>> sorted(fastblur.cuda.build_info())
    ['available', 'numba-cuda']
    """
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    try:
        found: str | None = version("numba-cuda")
    except PackageNotFoundError:
        found = None
    return {"available": found is not None, "numba-cuda": found}
