"""Boxes and their strengths: every form a caller may give becomes rows of float64, which the core resolves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastblur import _core

Reals = npt.NDArray[Any]  # of any integer or floating dtype: the core takes them as float64
ToHost = Callable[[Any], Any]

BOX_FORMATS = {"xyxy": 0, "xywh": 1, "cxcywh": 2}
_KERNEL_LIMIT = 2**62
_ZERO = np.zeros(1)


class Rows:
    """Box coordinates (K, 4), and which image each belongs to; or both as (K, 5), the image index first."""

    __slots__ = ("coordinates", "image_index", "per_image")

    def __init__(self, coordinates: Reals, image_index: Reals | None = None, per_image: bool = False) -> None:
        self.coordinates, self.image_index, self.per_image = coordinates, image_index, per_image

    def __len__(self) -> int:
        return len(self.coordinates)


def parse_rows(boxes: Any, sizes: npt.NDArray[np.int64], batched: bool, box_format: str, to_host: ToHost) -> Rows:
    """`boxes` in any of the accepted forms, for images of `sizes` (N, 2)."""
    count = len(sizes)
    if boxes is None:
        whole = np.zeros((count, 4))
        whole[:, 2:] = sizes[:, ::-1]
        if box_format == "cxcywh":
            whole[:, :2] = whole[:, 2:] / 2
        return Rows(whole, np.arange(count, dtype=np.float64), per_image=True)
    if isinstance(boxes, (list, tuple)) and _is_per_image(boxes):
        if len(boxes) != count:
            raise ValueError(f"boxes has {len(boxes)} entries; accepted: one per image, {count} in all")
        return _concatenated([_real_array(entry, f"boxes[{i}]", to_host) for i, entry in enumerate(boxes)])

    array = _real_array(boxes, "boxes", to_host)
    if array.ndim == 3 and array.shape[2] == 4:
        if array.shape[0] != count:
            raise ValueError(f"boxes has shape {array.shape}; accepted: one entry per image, ({count}, K, 4)")
        index = np.repeat(np.arange(count, dtype=np.float64), array.shape[1])
        return Rows(array.reshape(-1, 4), index, per_image=True)
    if array.ndim == 2 and array.shape[1] == 5:
        return Rows(array)
    if array.size == 0 and array.ndim <= 2:
        return Rows(np.zeros((0, 4)))
    if array.ndim == 2 and array.shape[1] == 4:
        if batched:
            raise ValueError(
                f"boxes has shape {array.shape}, which does not say which of the {count} images a row belongs to; "
                "write rows [image_index, x1, y1, x2, y2] of shape (K, 5), or a list with one (K, 4) array per image"
            )
        return Rows(array)
    if array.shape == (4,):
        raise ValueError("boxes has shape (4,); for one box write a row of it, of shape (1, 4): [[x1, y1, x2, y2]]")
    raise ValueError(
        f"boxes has shape {array.shape}; accepted: (K, 4) for one image, (K, 5) with the image index first, "
        "(N, K, 4), or a list with one (K, 4) array per image"
    )


def parse_relative(relative: Any, names: Sequence[str]) -> frozenset[str]:
    """Which of the parameters `names` are fractions of a box's longer side."""
    if isinstance(relative, (bool, np.bool_)):
        return frozenset(names) if relative else frozenset()
    if isinstance(relative, (tuple, list, set, frozenset)):
        for name in relative:
            if name not in names:
                raise ValueError(f"relative names {name!r}; accepted: {', '.join(repr(n) for n in names)}")
        return frozenset(relative)
    raise TypeError(f"relative is {relative!r}; accepted: True, False or a tuple of names among {', '.join(names)}")


def parse_column(name: str, value: Any, count: int, to_host: ToHost, *, positive: bool) -> Reals:
    """A scalar, or one value per box: finite, and positive or at least not negative."""
    bound = "greater than 0" if positive else "0 or greater"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value == 0 and not positive:
            return _ZERO
        if isinstance(value, int) and abs(value) > 10**300:
            raise ValueError(f"{name} is beyond the range of float64; accepted: finite and {bound}")
        if not 0 < value < math.inf:
            raise ValueError(f"{name} is {value}; accepted: finite and {bound}")
        return np.array([value], np.float64)
    column = _real_array(value, name, to_host)
    if column.ndim > 1 or (column.ndim == 1 and len(column) != count):
        raise ValueError(f"{name} has shape {column.shape}; accepted: a scalar, or one value per box, ({count},)")
    bad = _core.first_bad(column, positive)
    if bad is not None:
        where = f"{name}[{bad}]" if column.ndim else name
        raise ValueError(f"{where} is {np.float64(column.flat[bad])}; accepted: finite and {bound}")
    return column


def parse_kernel_size(kernel_size: Any, count: int, to_host: ToHost) -> npt.NDArray[np.int64]:
    """Kernel radii from odd sizes: shape (1,) or (count,)."""
    if isinstance(kernel_size, int) and kernel_size >= _KERNEL_LIMIT:
        raise ValueError(f"kernel_size is {kernel_size}; accepted: odd, from 1 to below 2**62")
    sizes = np.asarray(to_host(kernel_size))
    if sizes.dtype.kind not in "iu" and not (sizes.size == 0 and sizes.ndim == 1):
        raise TypeError(f"kernel_size is {kernel_size!r}; accepted: an odd int, or one per box")
    if sizes.ndim > 1 or (sizes.ndim == 1 and len(sizes) != count):
        raise ValueError(f"kernel_size has shape {sizes.shape}; accepted: a scalar, or one value per box, ({count},)")
    flat = sizes.reshape(-1)
    good = (flat >= 1) & (flat % 2 == 1) & (flat < _KERNEL_LIMIT)
    if not good.all():
        bad = int(np.argmin(good))
        where = f"kernel_size[{bad}]" if sizes.ndim else "kernel_size"
        raise ValueError(f"{where} is {flat[bad]}; accepted: odd, from 1 to below 2**62")
    return np.ascontiguousarray((flat.astype(np.int64) - 1) // 2)


def _is_per_image(boxes: Sequence[Any]) -> bool:
    """Whether each entry is the boxes of an image, (Ki, 4) or empty, rather than one row of numbers.

    The first entry that is not empty tells; when all are, they are images without boxes.
    """
    for entry in boxes:
        shape = getattr(entry, "shape", None)
        if shape is not None and shape != (0,):
            return len(shape) != 1
        if isinstance(entry, (list, tuple)) and entry:
            return hasattr(entry[0], "__len__")
    return len(boxes) > 0 and hasattr(boxes[0], "__len__")


def _concatenated(entries: list[Reals]) -> Rows:
    for i, entry in enumerate(entries):
        if entry.size and (entry.ndim != 2 or entry.shape[1] != 4):
            raise ValueError(f"boxes[{i}] has shape {entry.shape}; accepted: (K, 4), or empty")
    if len(entries) == 1 and entries[0].size:
        return Rows(entries[0], np.zeros(len(entries[0])), per_image=True)
    counts = [len(entry) if entry.size else 0 for entry in entries]
    full = [entry for entry in entries if entry.size]
    coordinates = np.concatenate(full) if full else np.zeros((0, 4))
    index = np.repeat(np.arange(len(entries), dtype=np.float64), counts)
    return Rows(coordinates, index, per_image=True)


def _real_array(value: Any, name: str, to_host: ToHost) -> Reals:
    if type(value) is np.ndarray and value.dtype.kind in "iuf":
        return value
    numbers = _core.array_of_numbers(value)
    if numbers is not None:
        return numbers
    if getattr(value, "requires_grad", False):
        raise TypeError(f"{name} is a tensor with requires_grad=True; accepted: one without, such as {name}.detach()")
    if isinstance(value, (list, tuple)) and value and hasattr(value[0], "detach"):
        value = [to_host(entry) for entry in value]  # a list of tensors, which NumPy takes one by one at best
    try:
        array = np.asarray(to_host(value))
    except ValueError as error:
        raise ValueError(f"{name} cannot be made an array: {error}") from error
    if array.dtype.kind not in "iuf":
        if array.size == 0:
            return np.zeros(array.shape)
        raise TypeError(f"{name} has dtype {array.dtype}; accepted: real numbers")
    return array
