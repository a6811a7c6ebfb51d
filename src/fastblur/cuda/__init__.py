"""The CUDA backend: the same three operations on arrays that live on a GPU, on the caller's device and stream.

Importing this package imports neither Numba nor any array library; the first CUDA array does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastblur import _core

__all__ = ["Fill", "GaussianBlur", "Operation", "Pixelate", "build_info", "is_cuda_array", "run", "to_host"]

_DLPACK_CUDA = (2, 13)  # kDLCUDA, kDLCUDAManaged


@dataclass(frozen=True)
class GaussianBlur:
    """A Gaussian per box. `radius`: kernel radii, none, one for all rows or one per row."""

    border_mode: str = "reflect"
    direct: bool = False
    shape: str = "rectangle"
    radius: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class Pixelate:
    """Cells replaced by their means."""

    shape: str = "rectangle"


@dataclass(frozen=True)
class Fill:
    """A value, or one per channel."""

    value: npt.NDArray[Any]
    shape: str = "rectangle"


Operation = GaussianBlur | Pixelate | Fill


def is_cuda_array(x: Any) -> bool:
    """Whether `x` is an array in CUDA memory: it has `__cuda_array_interface__`, or its DLPack device is CUDA."""
    if isinstance(x, np.ndarray):
        return False
    device = getattr(x, "__dlpack_device__", None)
    if device is not None:
        return int(device()[0]) in _DLPACK_CUDA
    return hasattr(x, "__cuda_array_interface__")


def to_host(x: Any) -> Any:
    """A CUDA array (boxes, or values per box) as a NumPy array: one copy on the caller's stream, which it waits for.

    Anything else comes back as it is, except torch tensors on the CPU, which NumPy cannot take when they are bfloat16.
    """
    if hasattr(x, "detach") and hasattr(x, "cpu"):
        tensor = x.detach().cpu()
        return (tensor.double() if tensor.dtype.is_floating_point else tensor).numpy()
    if not is_cuda_array(x):
        return x
    from fastblur.cuda.backend import copy_to_host

    return copy_to_host(x)


def run(
    operation: Operation,
    images: list[Any],
    out: Sequence[Any] | None,
    layouts: Sequence[str],
    boxes: _core.Boxes,
) -> Any:
    """Queue one operation on the device and stream of `images`; see `fastblur.cuda.backend`."""
    from fastblur.cuda.backend import run_on_device

    return run_on_device(operation, images, out, layouts, boxes)


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
