"""Images in and out: any container becomes strided NumPy views with axes (N,) H, W, C, and what came in goes out.

A container is told by what it is, never by importing its library: torch is asked only when it is loaded already.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastblur import _core
from fastblur._layout import IMAGE_AXES, resolve_layout

View = npt.NDArray[Any]
DTYPES = ("uint8", "uint16", "float16", "float32")
_NATIVE = frozenset(map(np.dtype, DTYPES))
_ACCEPTED = (
    "a NumPy array, a torch tensor, another array with DLPack (JAX, CuPy, ...), or a list or tuple of such arrays"
)


@dataclass
class Batch:
    """The images of one call, opened for writing: `begin`, write the views, `finish`."""

    views: list[View]  # writable, with axes (N,) H, W, C; one per array
    sizes: npt.NDArray[np.int64]  # (images, 2): height, width, a 4-D view counting as its N images
    batched: bool  # whether the caller thinks of a batch rather than of one image
    result: Any
    copies: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]  # (out, image) where they are apart

    def begin(self) -> None:
        """Bring the pixels to where they are to be written. From here on the caller's memory changes."""
        for target, source in self.copies:
            np.copyto(target, source)

    def finish(self) -> Any:
        """What to return, once the views are written."""
        if isinstance(self.result, list):
            return [entry.make() if isinstance(entry, _Later) else entry for entry in self.result]
        return self.result.make() if isinstance(self.result, _Later) else self.result


def is_sequence(images: object) -> bool:
    """Whether `images` is a ragged batch."""
    return isinstance(images, (list, tuple))


def open_images(images: Any, layout: str | None, out: Any) -> Batch:
    """Check `images`, `layout` and `out`, and open what is to be written: a copy of the images, or `out`."""
    if not is_sequence(images):
        if is_sequence(out):
            raise TypeError(f"out is a {type(out).__name__}; accepted for {_kind(images)}: an array of its own kind")
        entry = _open(images, layout, out, None)
        return _batch([entry], "N" in entry.layout, entry.result, out)

    if out is not None and (not is_sequence(out) or len(out) != len(images)):
        received = f"{len(out)} arrays" if is_sequence(out) else f"a {type(out).__name__}"
        raise ValueError(f"out is {received}; accepted for a list of {len(images)} images: a list of as many arrays")
    entries = [_open(image, layout, None if out is None else out[i], i) for i, image in enumerate(images)]
    if out is not None:
        _check_overlaps(entries)
    result = out if out is not None else [entry.result for entry in entries]
    return _batch(entries, True, result, out)


def _batch(entries: list[_Entry], batched: bool, result: Any, out: Any) -> Batch:
    views = [entry.view for entry in entries]
    copies = []  # without `out` they are made already
    if out is not None:
        copies = [(entry.target, entry.source) for entry in entries if not _same_memory(entry.target, entry.source)]
    return Batch(views, _core.image_sizes(views), batched, result, copies)


@dataclass
class _Entry:
    layout: str
    source: npt.NDArray[Any]  # the caller's array as NumPy sees it
    target: npt.NDArray[Any]  # what is written; the source itself in place
    view: View  # target, with axes (N,) H, W, C
    result: Any


def _open(image: Any, layout: str | None, out: Any, element: int | None) -> _Entry:
    name = "images" if element is None else f"images[{element}]"
    out_name = "out" if element is None else f"out[{element}]"
    source, torch_like = _as_numpy(image, name)
    _check_dtype(source.dtype, name)
    layout = resolve_layout(source.shape, layout, channels_first=torch_like, element=element)
    if out is None:
        target, result = _copy(image, source, torch_like)
    else:
        target, result = _check_out(image, source, out, name, out_name), out
    view = target.transpose(IMAGE_AXES[layout])
    if "C" not in layout:
        view = view[..., np.newaxis]
    return _Entry(layout, source, target, view, result)


def _as_numpy(image: Any, name: str) -> tuple[npt.NDArray[Any], bool]:
    """`image` as a NumPy array over the same memory, and whether it is a torch tensor."""
    if isinstance(image, np.ndarray):
        return image if type(image) is np.ndarray else image.view(np.ndarray), False
    if is_torch(image):
        return _torch_as_numpy(image, name), True
    if not hasattr(image, "__dlpack__") or not hasattr(image, "__dlpack_device__"):
        raise TypeError(f"{name} is {_kind(image)}; accepted: {_ACCEPTED}")
    if image.__dlpack_device__()[0] != 1:
        raise TypeError(f"{name} is {_kind(image)} on DLPack device {image.__dlpack_device__()}; accepted: CPU or CUDA")
    try:
        return np.from_dlpack(image), False
    except (BufferError, RuntimeError, TypeError) as error:
        dtype = getattr(image, "dtype", "unknown")
        raise TypeError(
            f"{name} is {_kind(image)} of dtype {dtype}; accepted: {', '.join(DTYPES)} ({error})"
        ) from error


def _torch_as_numpy(tensor: Any, name: str) -> npt.NDArray[Any]:
    if tensor.requires_grad:
        raise TypeError(f"{name} is a tensor with requires_grad=True; accepted: one without, such as images.detach()")
    dtype = str(tensor.dtype).removeprefix("torch.")
    if dtype not in DTYPES:
        raise TypeError(f"{name} has dtype {dtype}; accepted: {', '.join(DTYPES)}")
    if str(tensor.layout) != "torch.strided" or tensor.device.type != "cpu":
        raise TypeError(
            f"{name} is a {tensor.layout} tensor on {tensor.device}; accepted: torch.strided tensors on cpu or cuda"
        )
    if tensor.is_neg():
        raise TypeError(f"{name} is a lazily negated view (tensor.is_neg()); accepted: images.resolve_neg()")
    array: npt.NDArray[Any] = tensor.detach().numpy()
    return array


def _check_dtype(dtype: np.dtype[Any], name: str) -> None:
    if dtype not in _NATIVE:
        received = dtype.name if dtype.isnative else f"{dtype.name} of non-native byte order ({dtype.str})"
        raise TypeError(f"{name} has dtype {received}; accepted: {', '.join(DTYPES)}, in native byte order")


def _copy(image: Any, source: npt.NDArray[Any], torch_like: bool) -> tuple[npt.NDArray[Any], Any]:
    """A new array of the same container type and memory format, as NumPy sees it and as the caller does."""
    if torch_like:
        torch = sys.modules["torch"]
        clone = image.detach().as_subclass(torch.Tensor).clone(memory_format=torch.preserve_format)
        return clone.numpy(), clone
    target = np.array(source, copy=True, order="K", subok=False)
    if isinstance(image, np.ndarray):
        return target, target
    if not hasattr(image, "__array_namespace__"):
        raise TypeError(f"images is {_kind(image)}, which cannot be made anew; give out=, or one of: {_ACCEPTED}")
    return target, _Later(image.__array_namespace__(), target)


class _Later:
    """An immutable container, made from its finished memory only when that is finished."""

    def __init__(self, namespace: Any, array: npt.NDArray[Any]) -> None:
        self.namespace, self.array = namespace, array

    def make(self) -> Any:
        if hasattr(self.namespace, "from_dlpack") and self.array.flags.c_contiguous and self.array.size:
            return self.namespace.from_dlpack(self.array)
        return self.namespace.asarray(self.array)


def _check_out(image: Any, source: npt.NDArray[Any], out: Any, name: str, out_name: str) -> npt.NDArray[Any]:
    target = source
    if out is not image:
        target, torch_like = _as_numpy(out, out_name)
        if is_torch(image) != torch_like or isinstance(image, np.ndarray) != isinstance(out, np.ndarray):
            raise TypeError(f"{out_name} is {_kind(out)}; accepted for {_kind(image)}: an array of its own kind")
        if target.dtype != source.dtype:
            raise TypeError(f"{out_name} has dtype {target.dtype}; accepted: {source.dtype}, that of {name}")
        if target.shape != source.shape:
            raise ValueError(f"{out_name} has shape {target.shape}; accepted: {source.shape}, that of {name}")
    if not target.flags.writeable:
        raise ValueError(f"{out_name} is read-only; accepted: a writable array")
    if _overlaps_itself(target):
        raise ValueError(
            f"{out_name} has strides {target.strides} for shape {target.shape}, so that elements share memory "
            "(a broadcast view?); accepted: an array whose elements are apart"
        )
    if not _same_memory(source, target) and _share_memory(source, target):
        raise ValueError(f"{out_name} overlaps {name} in part; accepted: {name} itself, or memory apart from it")
    return target


def _check_overlaps(entries: list[_Entry]) -> None:
    """No entry of `out` may share memory with another, nor with an image that is not its own."""
    spans = []  # (low, high, is out, index, array)
    for i, entry in enumerate(entries):
        for is_out, array in ((True, entry.target), (False, entry.source)):
            if array.size and (is_out or not _same_memory(entry.source, entry.target)):
                low, high = np.lib.array_utils.byte_bounds(array) if _HAS_ARRAY_UTILS else np.byte_bounds(array)  # type: ignore[attr-defined]
                spans.append((low, high, is_out, i, array))
    spans.sort(key=lambda span: span[:2])
    open_spans: list[tuple[int, int, bool, int, npt.NDArray[Any]]] = []
    for span in spans:
        open_spans = [other for other in open_spans if other[1] > span[0]]
        for other in open_spans:
            if (span[2] or other[2]) and span[3] != other[3] and _share_memory(span[4], other[4]):
                first, second = sorted((other, span), key=lambda s: not s[2])
                kind = "out" if second[2] else "images"
                raise ValueError(
                    f"out[{first[3]}] shares memory with {kind}[{second[3]}]; accepted: arrays apart from each other"
                )
        open_spans.append(span)


_HAS_ARRAY_UTILS = hasattr(np.lib, "array_utils")


def _same_memory(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    return a is b or (a.ctypes.data == b.ctypes.data and a.strides == b.strides)


def _share_memory(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    if not np.may_share_memory(a, b):
        return False
    try:
        return np.shares_memory(a, b, max_work=100_000)  # type: ignore[arg-type]  # the stub knows two of the values
    except np.exceptions.TooHardError:
        return True


def _overlaps_itself(array: npt.NDArray[Any]) -> bool:
    """Whether two elements share memory."""
    if array.size == 0 or array.flags.c_contiguous or array.flags.f_contiguous:
        return False
    steps = sorted((abs(step), size) for step, size in zip(array.strides, array.shape, strict=True) if size > 1)
    extent = array.itemsize
    apart = True  # each step reaches beyond all that the smaller ones span
    for step, size in steps:
        apart &= step >= extent
        extent += step * (size - 1)
    if apart:
        return False
    if any(step == 0 for step, _ in steps) or array.size > 1 << 24:
        return True
    offsets = np.zeros(1, np.int64)
    for step, size in steps:
        offsets = (offsets[:, None] + step * np.arange(size)).reshape(-1)
    return bool((np.diff(np.sort(offsets)) < array.itemsize).any())


def fill_value(value: npt.NDArray[Any], dtype: np.dtype[Any], channels: int) -> View:
    """`value` as one item per channel in `dtype`."""
    if value.dtype.kind not in "iuf":
        raise TypeError(f"value has dtype {value.dtype}; accepted: real numbers")
    if value.ndim > 1 or (value.ndim == 1 and len(value) not in {1, channels}):
        raise ValueError(f"value has shape {value.shape}; accepted: a scalar, or one per channel, ({channels},)")
    item = np.empty(channels, dtype)
    if dtype.kind == "u":
        most = 256**dtype.itemsize - 1
        if not all(0 <= number <= most and number % 1 == 0 for number in value.reshape(-1).tolist()):
            raise ValueError(f"value is {value.tolist()}; accepted for {dtype}: whole numbers from 0 to {most}")
        item[...] = value
    else:
        with np.errstate(over="ignore"):
            item[...] = value
    return item


def is_torch(image: object) -> bool:
    """Whether `image` is a torch tensor; never imports torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(image, torch.Tensor)


def _kind(image: object) -> str:
    kind = type(image)
    module = kind.__module__.split(".")[0]
    return f"a {kind.__name__}" if module == "builtins" else f"a {module}.{kind.__name__}"
