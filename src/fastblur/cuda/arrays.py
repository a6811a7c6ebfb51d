"""CUDA containers: where an array's memory is, which stream its owner works on, and how to make another like it."""

from __future__ import annotations

import ctypes
import sys
from functools import cache, lru_cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastblur.cuda.driver import Driver


ITEM_BYTES = {"uint8": 1, "uint16": 2, "float16": 2, "float32": 4}


class DeviceArray(NamedTuple):
    """An array in device memory. Strides are in bytes."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str
    device: int
    readonly: bool

    def span(self) -> tuple[int, int]:
        """First byte, and the byte after the last."""
        low, high = _extent(self.shape, self.strides, ITEM_BYTES[self.dtype])
        return self.address + low, self.address + high


@lru_cache(maxsize=256)
def _extent(shape: tuple[int, ...], strides: tuple[int, ...], item: int) -> tuple[int, int]:
    """The span of an array whose first element is at 0."""
    low = high = 0
    for n, stride in zip(shape, strides, strict=True):
        if n == 0:
            return 0, 0
        low, high = low + min(0, (n - 1) * stride), high + max(0, (n - 1) * stride)
    return low, high + item


class Container(Protocol):
    """What the backend needs of an array library."""

    leaves_copy_empty: bool  # `copy` makes the array only, and the backend has to fill it

    def describe(self, array: Any, name: str) -> DeviceArray:
        """Where the array is. Raises TypeError for what is not accepted."""

    def stream(self, array: Any, described: DeviceArray) -> int:
        """Handle of the stream that the caller works on, ordered after what the array still waits for."""

    def copy(self, array: Any, described: DeviceArray, stream: int) -> Any:
        """A new array of the same kind, device and memory format, its contents copied behind the caller's work."""

    def copy_into(self, target: Any, source: Any) -> bool:
        """Queue the copy of `source` into `target`; False if the backend has to."""

    def scratch(self, described: DeviceArray, stream: int, size: int) -> tuple[int, Callable[[], None]]:
        """Device memory for the work queued on the stream: its address, and what to call when all is queued."""

    def finish(self, array: Any, described: DeviceArray, stream: int) -> Any:
        """What to give back to the caller for an array made by `copy`."""


@cache
def _dtype_of(typestr: str) -> tuple[str, bool, int]:
    """Name, native byte order and item size of a dtype."""
    dtype = np.dtype(typestr)
    return dtype.name, dtype.isnative, dtype.itemsize


def container_of(array: Any, driver: Driver) -> Container:
    """The container of a CUDA array."""
    kind: Any = type(array)
    root = _library_of(kind)
    if root == "torch":
        return TorchContainer()
    if root == "cupy":
        return CupyContainer()
    if root in {"jax", "jaxlib"}:
        return JaxContainer(driver)
    if root in {"numba", "numba_cuda"}:
        return NumbaContainer(driver)
    if hasattr(array, "__cuda_array_interface__"):
        return InterfaceContainer(driver)
    raise TypeError(
        f"images is a {kind_of(array)}; accepted CUDA arrays: torch, CuPy, JAX, Numba, "
        "or any other with __cuda_array_interface__"
    )


@cache
def _library_of(kind: type) -> str | None:
    """The array library that a type comes from, itself or by a base."""
    roots = [base.__module__.partition(".")[0] for base in kind.__mro__]
    return next((root for root in roots if root in {"torch", "cupy", "jax", "jaxlib", "numba", "numba_cuda"}), None)


def kind_of(array: Any) -> str:
    """An array's type, for messages."""
    return f"{type(array).__module__}.{type(array).__qualname__}"


def _check_dtype(dtype: str, name: str) -> str:
    if dtype not in ITEM_BYTES:
        raise TypeError(f"{name} has dtype {dtype}; accepted: {', '.join(ITEM_BYTES)}")
    return dtype


@lru_cache(maxsize=256)
def _packed(shape: tuple[int, ...], item: int) -> tuple[int, ...]:
    """Strides of an array in C order."""
    strides = []
    for n in reversed(shape):
        strides.append(item)
        item *= n
    return tuple(reversed(strides))


def _keep(block: Any) -> None:
    """Holding `block` is all: its owner's allocator takes it back by itself, behind the work queued on the stream."""


@cache
def _torch_name(constant: Any) -> str:
    """A dtype or layout of torch, by the name it has there."""
    return str(constant).removeprefix("torch.")


class TorchContainer:
    """torch tensors: torch's current stream, torch's caching allocator."""

    leaves_copy_empty = False

    def describe(self, array: Any, name: str) -> DeviceArray:
        dtype = _check_dtype(_torch_name(array.dtype), name)
        if array.requires_grad:
            raise TypeError(
                f"{name} is a tensor with requires_grad=True; accepted: one without, such as images.detach()"
            )
        if _torch_name(array.layout) != "strided":
            raise TypeError(f"{name} is a {array.layout} tensor; accepted: torch.strided")
        if array.is_neg():
            raise TypeError(f"{name} is a lazily negated view (tensor.is_neg()); accepted: images.resolve_neg()")
        size = ITEM_BYTES[dtype]
        strides = tuple([stride * size for stride in array.stride()])
        return DeviceArray(array.data_ptr(), tuple(array.shape), strides, dtype, array.device.index, False)

    def stream(self, array: Any, described: DeviceArray) -> int:
        torch: Any = sys.modules["torch"]
        return int(torch.cuda.current_stream(described.device).cuda_stream)

    def copy(self, array: Any, described: DeviceArray, stream: int) -> Any:
        torch: Any = sys.modules["torch"]
        return array.detach().as_subclass(torch.Tensor).clone(memory_format=torch.preserve_format)

    def copy_into(self, target: Any, source: Any) -> bool:
        target.copy_(source)
        return True

    def scratch(self, described: DeviceArray, stream: int, size: int) -> tuple[int, Callable[[], None]]:
        torch: Any = sys.modules["torch"]
        block = torch.empty(size, dtype=torch.uint8, device=f"cuda:{described.device}")
        return int(block.data_ptr()), partial(_keep, block)

    def finish(self, array: Any, described: DeviceArray, stream: int) -> Any:
        return array


class CupyContainer:
    """CuPy arrays: CuPy's current stream on the array's device, CuPy's memory pool."""

    leaves_copy_empty = False

    def describe(self, array: Any, name: str) -> DeviceArray:
        dtype = _check_dtype(str(array.dtype), name)
        return DeviceArray(int(array.data.ptr), tuple(array.shape), tuple(array.strides), dtype, array.device.id, False)

    def stream(self, array: Any, described: DeviceArray) -> int:
        cupy: Any = sys.modules["cupy"]
        return int(cupy.cuda.get_current_stream(described.device).ptr)

    def copy(self, array: Any, described: DeviceArray, stream: int) -> Any:
        cupy: Any = sys.modules["cupy"]
        with array.device:
            return cupy.array(array, copy=True, order="K", subok=False)

    def copy_into(self, target: Any, source: Any) -> bool:
        cupy: Any = sys.modules["cupy"]
        with target.device:
            cupy.copyto(target, source)
        return True

    def scratch(self, described: DeviceArray, stream: int, size: int) -> tuple[int, Callable[[], None]]:
        cupy: Any = sys.modules["cupy"]
        with cupy.cuda.Device(described.device):
            block = cupy.cuda.alloc(size)
        return int(block.ptr), partial(_keep, block)

    def finish(self, array: Any, described: DeviceArray, stream: int) -> Any:
        return array


class InterfaceContainer:
    """Any array with `__cuda_array_interface__`: the stream it names, else the default one; stream-ordered scratch."""

    leaves_copy_empty = False

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def describe(self, array: Any, name: str) -> DeviceArray:
        interface = array.__cuda_array_interface__
        typestr = str(interface["typestr"])
        dtype, native, item = _dtype_of(typestr)
        if not native:
            raise TypeError(
                f"{name} has dtype {typestr}, of non-native byte order; accepted: {', '.join(ITEM_BYTES)}, native"
            )
        _check_dtype(dtype, name)
        if interface.get("mask") is not None:
            raise TypeError(f"{name} is masked; accepted: an array without a mask")
        shape = tuple(map(int, interface["shape"]))
        strides = interface.get("strides")
        if strides is None:
            strides = _packed(shape, item)
        address, readonly = interface["data"]
        device = self.driver.device_of(int(address)) if address else 0
        return DeviceArray(int(address or 0), shape, tuple(map(int, strides)), dtype, device, bool(readonly))

    def stream(self, array: Any, described: DeviceArray) -> int:
        return int(array.__cuda_array_interface__.get("stream") or 0)

    def copy(self, array: Any, described: DeviceArray, stream: int) -> Any:
        if not callable(getattr(array, "copy", None)):
            raise TypeError(f"images is a {kind_of(array)}, of which no new one can be made; give out=, or out=images")
        return array.copy()

    def copy_into(self, target: Any, source: Any) -> bool:
        return False

    def scratch(self, described: DeviceArray, stream: int, size: int) -> tuple[int, Callable[[], None]]:
        address = self.driver.allocate(stream, size)
        return address, lambda: self.driver.free(stream, address)

    def finish(self, array: Any, described: DeviceArray, stream: int) -> Any:
        return array


class NumbaContainer(InterfaceContainer):
    """Numba device arrays."""

    leaves_copy_empty = True

    def copy(self, array: Any, described: DeviceArray, stream: int) -> Any:
        return import_module("numba.cuda").device_array_like(array)


class JaxContainer(InterfaceContainer):
    """JAX arrays, which have no stream that a caller can see: a stream of our own, joined on both sides by DLPack."""

    def describe(self, array: Any, name: str) -> DeviceArray:
        _check_dtype(str(array.dtype), name)
        if len(array.devices()) != 1:
            raise TypeError(f"{name} is spread over {len(array.devices())} devices; accepted: an array on one device")
        stream = self.driver.own_stream(int(array.__dlpack_device__()[1]))
        return describe_capsule(array.__dlpack__(stream=stream))._replace(readonly=True)

    def stream(self, array: Any, described: DeviceArray) -> int:
        return self.driver.own_stream(described.device)

    def copy(self, array: Any, described: DeviceArray, stream: int) -> Any:
        return array.copy()

    def finish(self, array: Any, described: DeviceArray, stream: int) -> Any:
        return import_module("jax.numpy").from_dlpack(_Queued(array, self.driver, stream))


class _Queued:
    """An array whose last writes are queued on `stream`: whoever takes it through DLPack waits for them there."""

    def __init__(self, array: Any, driver: Driver, stream: int) -> None:
        self._array, self._driver, self._stream = array, driver, stream

    def __dlpack_device__(self) -> tuple[int, int]:
        kind, ordinal = self._array.__dlpack_device__()
        return int(kind), int(ordinal)

    def __dlpack__(self, *, stream: int | None = None, **options: Any) -> Any:
        if stream != -1:
            self._driver.wait(self.__dlpack_device__()[1], stream or 0, self._stream)
        return self._array.__dlpack__(stream=stream, **options)


class _DLTensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


_DLPACK_DTYPES = {(1, 8): "uint8", (1, 16): "uint16", (2, 16): "float16", (2, 32): "float32"}


def describe_capsule(capsule: Any) -> DeviceArray:
    """Where the tensor in a DLPack capsule is. The capsule stays unconsumed, and frees itself."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    tensor = _DLTensor.from_address(get(capsule, b"dltensor"))
    dtype = _DLPACK_DTYPES[tensor.code, tensor.bits]
    shape = tuple(tensor.shape[: tensor.ndim])
    item = tensor.bits // 8
    strides = tuple(item * s for s in tensor.strides[: tensor.ndim]) if tensor.strides else _packed(shape, item)
    address = int(tensor.data or 0) + int(tensor.byte_offset)
    return DeviceArray(address, shape, strides, dtype, int(tensor.device_id), False)


def check_out(source: DeviceArray, target: DeviceArray, name: str, out_name: str) -> None:
    """Raise if `target` cannot take the result for `source`."""
    if target is not source:
        _check_alike(source, target, name, out_name)
    if target.readonly:
        raise ValueError(f"{out_name} is read-only; accepted: a writable array")
    if _overlaps_itself(target.shape, target.strides, ITEM_BYTES[target.dtype]):
        raise ValueError(
            f"{out_name} has strides {target.strides} for shape {target.shape}, so that some of its elements share "
            "memory (a broadcast view?); accepted: an array whose elements are apart"
        )


def _check_alike(source: DeviceArray, target: DeviceArray, name: str, out_name: str) -> None:
    if target.dtype != source.dtype:
        raise TypeError(f"{out_name} has dtype {target.dtype}; accepted: {source.dtype}, that of {name}")
    if target.shape != source.shape:
        raise ValueError(f"{out_name} has shape {target.shape}; accepted: {source.shape}, that of {name}")
    if target.device != source.device:
        raise ValueError(f"{out_name} is on device {target.device}; accepted: device {source.device}, that of {name}")
    if not same_memory(source, target) and spans_meet(source, target):
        raise ValueError(f"{out_name} overlaps {name} in part; accepted: {name} itself, or memory apart from it")


def check_apart(sources: Sequence[DeviceArray], targets: Sequence[DeviceArray]) -> None:
    """Raise if one of `targets` shares memory with another, or with one of `sources` that is not its own."""
    spans = []  # (low, high, index, whether it is written, array)
    for i, (source, target) in enumerate(zip(sources, targets, strict=True)):
        spans.append((*target.span(), i, True, target))
        if not same_memory(source, target):
            spans.append((*source.span(), i, False, source))
    spans.sort(key=lambda span: span[:2])
    reaching: list[tuple[int, int, int, bool, DeviceArray]] = []  # those that may reach beyond where the next begins
    for span in spans:
        low, _, index, written, array = span
        reaching = [other for other in reaching if other[1] > low]
        for _, _, other_index, other_written, other in reaching:
            if index != other_index and (written or other_written) and spans_meet(array, other):
                # The one that is written is named first, or the earlier one.
                first, second = sorted([(not written, index), (not other_written, other_index)])
                kind = "images" if second[0] else "out"
                raise ValueError(
                    f"out[{first[1]}] shares memory with {kind}[{second[1]}]; accepted: arrays apart from each other"
                )
        reaching.append(span)


@lru_cache(maxsize=256)
def _overlaps_itself(shape: tuple[int, ...], strides: tuple[int, ...], item: int) -> bool:
    """Whether two elements may share memory, as in a broadcast view."""
    extent = item
    for stride, n in sorted((abs(s), n) for s, n in zip(strides, shape, strict=True) if n > 1):
        if stride < extent:
            return True
        extent = stride * (n - 1) + extent
    return False


def same_memory(a: DeviceArray, b: DeviceArray) -> bool:
    """Whether two arrays are the same elements in the same order."""
    return a.address == b.address and a.shape == b.shape and a.strides == b.strides


def spans_meet(a: DeviceArray, b: DeviceArray) -> bool:
    """Whether the byte ranges of two arrays meet and they may share elements.

    Two slices of one array whose rows are apart, as the left and right halves of an image are, are told apart where
    both walk the memory in the same strides.
    """
    (a_low, a_high), (b_low, b_high) = a.span(), b.span()
    if a_high <= b_low or b_high <= a_low or a_low == a_high or b_low == b_high:
        return False
    if a.strides != b.strides:
        return True
    distance = b_low - a_low
    # Greedy digits of the distance in the mixed radix of the strides: apart if no pair of elements can meet.
    extents = sorted(((abs(s), n, m) for s, n, m in zip(a.strides, a.shape, b.shape, strict=True)), reverse=True)
    return _meets(distance, extents, ITEM_BYTES[a.dtype])


def _meets(distance: int, extents: Sequence[tuple[int, int, int]], size: int) -> bool:
    """Whether some a, b within the extents have |distance + b - a| < size."""
    if not extents:
        return abs(distance) < size
    (stride, n, m), rest = extents[0], extents[1:]
    if stride == 0:
        return _meets(distance, rest, size)
    reach = size + sum(s * max(n_, m_) for s, n_, m_ in rest)
    first = -(-(-distance - reach) // stride)
    last = (-distance + reach) // stride
    return any(_meets(distance + k * stride, rest, size) for k in range(max(first, -(n - 1)), min(last, m - 1) + 1))
