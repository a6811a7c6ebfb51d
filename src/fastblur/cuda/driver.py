"""The few calls of the CUDA driver that the backend makes, through ctypes.

A launch passes six integers; going to the driver directly spares the host what unpacking array objects costs. The
caller's library (torch, CuPy, JAX, Numba) has created the device's primary context; it is made current for the duration
of a call if it is not already.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastblur.cuda.kernels import SHARED_LIMIT, Key, cached_ptx, canonical, entry_point

if TYPE_CHECKING:
    from collections.abc import Iterator

_ATTRIBUTE_DEVICE_ORDINAL = 9
_FUNCTION_MAX_DYNAMIC_SHARED = 8
_HOST_ALLOC_PORTABLE = 1
_EVENT_DISABLE_TIMING = 2
_STREAM_NON_BLOCKING = 1
_SMALLEST_SLOT = 1 << 16
_NOT_READY = 600


class CudaError(RuntimeError):
    """A call of the CUDA driver failed."""


class _Arguments(ctypes.Structure):
    _fields_ = (
        ("images", ctypes.c_int64),
        ("first", ctypes.c_int64),
        ("prefix", ctypes.c_int64),
        ("count", ctypes.c_int32),
        ("border", ctypes.c_int32),
        ("shape", ctypes.c_int32),
    )


_OFFSETS = (0, 8, 16, 24, 28, 32)
_Pointers = ctypes.c_void_p * len(_OFFSETS)


class Slot:
    """Pinned host memory that one upload at a time travels from."""

    __slots__ = ("address", "bytes", "event")

    def __init__(self, address: int, size: int, event: int) -> None:
        self.address, self.event = address, event
        self.bytes: npt.NDArray[np.uint8] = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))


class Driver:
    """The driver library and what this process keeps per device: contexts, functions, pinned slots, one own stream."""

    def __init__(self) -> None:
        name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
        try:
            self._library = ctypes.CDLL(name)
        except OSError as error:
            raise CudaError(f"the CUDA driver ({name}) cannot be loaded: {error}") from error
        self._lock = threading.Lock()
        self._contexts: dict[int, int] = {}
        self._functions: dict[tuple[int, Key], int] = {}
        self._slots: dict[int, deque[Slot]] = {}
        self._streams: dict[int, int] = {}
        self._launch = self._library.cuLaunchKernel
        self._launch.argtypes = [ctypes.c_void_p] + [ctypes.c_uint] * 7 + [ctypes.c_void_p] * 3
        self._call("cuInit", 0)

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(code, ctypes.byref(text))
            raise CudaError(f"{name} failed: {text.value.decode() if text.value else code} (error {code})")

    def device_of(self, address: int) -> int:
        """Ordinal of the device that owns the memory at `address`."""
        ordinal = ctypes.c_int()
        self._call("cuPointerGetAttribute", ctypes.byref(ordinal), _ATTRIBUTE_DEVICE_ORDINAL, ctypes.c_uint64(address))
        return ordinal.value

    @contextmanager
    def device(self, ordinal: int) -> Iterator[None]:
        """Make the primary context of a device current."""
        context = self._contexts.get(ordinal)
        if context is None:
            handle, device = ctypes.c_void_p(), ctypes.c_int()
            self._call("cuDeviceGet", ctypes.byref(device), ordinal)
            self._call("cuDevicePrimaryCtxRetain", ctypes.byref(handle), device)
            context = self._contexts[ordinal] = handle.value or 0
        current = ctypes.c_void_p()
        self._call("cuCtxGetCurrent", ctypes.byref(current))
        if current.value == context:
            yield
            return
        self._call("cuCtxPushCurrent_v2", ctypes.c_void_p(context))
        try:
            yield
        finally:
            self._call("cuCtxPopCurrent_v2", ctypes.byref(current))

    def kernel(self, ordinal: int, key: Key) -> int:
        """The function of a kernel, compiled and loaded at first use."""
        key = canonical(key)
        function = self._functions.get((ordinal, key))
        if function is None:
            ptx = cached_ptx(key)
            function = self._load(ptx, entry_point(ptx))
            self._functions[ordinal, key] = function
        return function

    def _load(self, ptx: str, entry: str) -> int:
        """Load a kernel and allow it all the shared memory it may ask for. The module stays for the process's life."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(ptx.encode()))
        self._call("cuModuleGetFunction", ctypes.byref(function), module, ctypes.c_char_p(entry.encode()))
        self._call("cuFuncSetAttribute", function, _FUNCTION_MAX_DYNAMIC_SHARED, SHARED_LIMIT)
        return function.value or 0

    def launch(
        self, function: int, stream: int, grid: int, threads: int, shared: int, arguments: tuple[int, ...]
    ) -> None:
        """Queue `grid` blocks; `arguments` as every kernel takes them."""
        values = _Arguments(*arguments)
        base = ctypes.addressof(values)
        pointers = _Pointers(*(base + offset for offset in _OFFSETS))
        code = self._launch(function, grid, 1, 1, threads, 1, 1, shared, stream, ctypes.addressof(pointers), None)
        if code:
            raise CudaError(f"cuLaunchKernel failed (error {code}) for {grid} blocks of {threads} threads")

    def take_slot(self, ordinal: int, size: int) -> Slot:
        """Pinned memory that no upload still reads: the oldest slot that is free and large enough, else a new one."""
        with self._lock:
            slots = self._slots.setdefault(ordinal, deque())
            for slot in slots:
                if len(slot.bytes) >= size:
                    code = self._library.cuEventQuery(ctypes.c_void_p(slot.event))
                    if code == 0:
                        slots.remove(slot)
                        return slot
                    if code != _NOT_READY:
                        raise CudaError(f"earlier work on this device failed (error {code})")
        size = max(_SMALLEST_SLOT, 1 << (size - 1).bit_length())
        address, event = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuMemHostAlloc", ctypes.byref(address), ctypes.c_size_t(size), _HOST_ALLOC_PORTABLE)
        self._call("cuEventCreate", ctypes.byref(event), _EVENT_DISABLE_TIMING)
        return Slot(address.value or 0, size, event.value or 0)

    def upload(self, ordinal: int, stream: int, target: int, slot: Slot, size: int) -> None:
        """Queue the copy of a slot's first bytes to the device, and give the slot back."""
        stream_handle = ctypes.c_void_p(stream)
        self._call(
            "cuMemcpyHtoDAsync_v2",
            ctypes.c_uint64(target),
            ctypes.c_void_p(slot.address),
            ctypes.c_size_t(size),
            stream_handle,
        )
        self._call("cuEventRecord", ctypes.c_void_p(slot.event), stream_handle)
        with self._lock:
            self._slots[ordinal].append(slot)

    def download(self, stream: int, source: int, target: npt.NDArray[np.uint8]) -> None:
        """Copy device memory to the host on a stream, and wait for it."""
        stream_handle = ctypes.c_void_p(stream)
        self._call(
            "cuMemcpyDtoHAsync_v2",
            ctypes.c_void_p(target.ctypes.data),
            ctypes.c_uint64(source),
            ctypes.c_size_t(target.nbytes),
            stream_handle,
        )
        self._call("cuStreamSynchronize", stream_handle)

    def allocate(self, stream: int, size: int) -> int:
        """Stream-ordered device memory, for containers that bring no allocator of their own."""
        address = ctypes.c_uint64()
        self._call("cuMemAllocAsync", ctypes.byref(address), ctypes.c_size_t(size), ctypes.c_void_p(stream))
        return address.value

    def free(self, stream: int, address: int) -> None:
        """Return memory to the stream-ordered pool, after the work queued so far."""
        self._call("cuMemFreeAsync", ctypes.c_uint64(address), ctypes.c_void_p(stream))

    def own_stream(self, ordinal: int) -> int:
        """One stream per device, for containers without a current stream that callers can see."""
        stream = self._streams.get(ordinal)
        if stream is None:
            handle = ctypes.c_void_p()
            with self.device(ordinal):
                self._call("cuStreamCreate", ctypes.byref(handle), _STREAM_NON_BLOCKING)
            stream = self._streams[ordinal] = handle.value or 0
        return stream

    def wait(self, ordinal: int, waiting: int, working: int) -> None:
        """Make stream `waiting` wait for what is queued on stream `working`, without blocking the host."""
        event = ctypes.c_void_p()
        with self.device(ordinal):
            self._call("cuEventCreate", ctypes.byref(event), _EVENT_DISABLE_TIMING)
            self._call("cuEventRecord", event, ctypes.c_void_p(working))
            self._call("cuStreamWaitEvent", ctypes.c_void_p(waiting), event, 0)
            self._call("cuEventDestroy_v2", event)


_driver: Driver | None = None


def get_driver() -> Driver:
    """The process's driver; made at first use."""
    global _driver  # noqa: PLW0603 - one per process
    if _driver is None:
        _driver = Driver()
    return _driver
