"""The few calls of the CUDA driver that the backend makes, through ctypes.

A launch passes six integers; going to the driver directly spares the host what unpacking array objects costs. What
every call repeats, the upload and the launches, is done by the compiled module, through the driver's addresses. The
caller's library (torch, CuPy, JAX, Numba) has created the device's primary context; it is made current for the duration
of a call if it is not already.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from fastblur import _core
from fastblur.cuda.kernels import Key, cached_ptx, canonical, entry_point
from fastblur.cuda.tables import SHARED_LIMIT, THREADS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_ATTRIBUTE_DEVICE_ORDINAL = 9
_FUNCTION_MAX_DYNAMIC_SHARED = 8
_HOST_ALLOC_PORTABLE = 1
_EVENT_DISABLE_TIMING = 2
_STREAM_NON_BLOCKING = 1
_SMALLEST_SLOT = 1 << 16
_NOT_READY = 600


class CudaError(RuntimeError):
    """A call of the CUDA driver failed."""


class Slot(NamedTuple):
    """Pinned host memory that one upload at a time travels from."""

    address: int
    size: int
    event: int


class _Current:
    """A device's primary context, current while in a `with` block."""

    __slots__ = ("_context", "_driver", "_pushed")

    def __init__(self, driver: Driver, context: int) -> None:
        self._driver, self._context = driver, context

    def __enter__(self) -> None:
        self._pushed = self._driver.current_context() != self._context
        if self._pushed:
            self._driver._call("cuCtxPushCurrent_v2", ctypes.c_void_p(self._context))

    def __exit__(self, *error: object) -> None:
        if self._pushed:
            self._driver._call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))


class Driver:
    """The driver library and what this process keeps per device: contexts, functions, pinned slots, one own stream."""

    def __init__(self, name: str = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1") -> None:
        try:
            self._library = ctypes.CDLL(name)
        except OSError as error:
            raise CudaError(f"the CUDA driver ({name}) cannot be loaded: {error}") from error
        self._lock = threading.Lock()
        self._contexts: dict[int, int] = {}
        self._functions: dict[tuple[int, tuple[str, str, bool]], int] = {}
        self._slots: dict[int, deque[Slot]] = {}
        self._streams: dict[int, int] = {}
        # What every call needs: declared, so that plain integers can be passed, or called by the compiled module.
        handle, size, address = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64
        for function, types in {
            "cuCtxGetCurrent": (ctypes.POINTER(handle),),
            "cuEventQuery": (handle,),
            "cuMemAllocAsync": (ctypes.POINTER(address), size, handle),
            "cuMemFreeAsync": (address, handle),
            "cuPointerGetAttribute": (handle, ctypes.c_int, address),
        }.items():
            getattr(self._library, function).argtypes = types
        self._queueing = _core.DeviceDriver(
            *(
                ctypes.cast(getattr(self._library, name), ctypes.c_void_p).value or 0
                for name in ("cuMemcpyHtoDAsync_v2", "cuEventRecord", "cuLaunchKernel")
            )
        )
        self._call("cuInit", 0)

    def _call(self, name: str, *arguments: Any) -> None:
        self._check(getattr(self._library, name)(*arguments), name)

    def _check(self, code: int, name: str) -> None:
        if code:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(code, ctypes.byref(text))
            raise CudaError(f"{name} failed: {text.value.decode() if text.value else code} (error {code})")

    def device_of(self, address: int) -> int:
        """Ordinal of the device that owns the memory at `address`."""
        ordinal = ctypes.c_int()
        self._call("cuPointerGetAttribute", ctypes.byref(ordinal), _ATTRIBUTE_DEVICE_ORDINAL, address)
        return ordinal.value

    def device(self, ordinal: int) -> _Current:
        """Make the primary context of a device current, in a `with` block."""
        context = self._contexts.get(ordinal)
        if context is None:
            handle, device = ctypes.c_void_p(), ctypes.c_int()
            self._call("cuDeviceGet", ctypes.byref(device), ordinal)
            self._call("cuDevicePrimaryCtxRetain", ctypes.byref(handle), device)
            context = self._contexts[ordinal] = handle.value or 0
        return _Current(self, context)

    def current_context(self) -> int:
        """Handle of the calling thread's context, 0 if it has none."""
        current = ctypes.c_void_p()
        self._check(self._library.cuCtxGetCurrent(current), "cuCtxGetCurrent")
        return current.value or 0

    def kernel(self, ordinal: int, key: tuple[str, str, bool]) -> int:
        """The function of a kernel, compiled and loaded at first use."""
        function = self._functions.get((ordinal, key))
        if function is None:
            code = canonical(Key(*key))
            function = self._functions.get((ordinal, code))
            if function is None:
                ptx = cached_ptx(code)
                function = self._functions[ordinal, code] = self._load(ptx, entry_point(ptx))
            self._functions[ordinal, key] = function
        return function

    def _load(self, ptx: str, entry: str) -> int:
        """Load a kernel and allow it all the shared memory it may ask for. The module stays for the process's life."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(ptx.encode()))
        self._call("cuModuleGetFunction", ctypes.byref(function), module, ctypes.c_char_p(entry.encode()))
        self._call("cuFuncSetAttribute", function, _FUNCTION_MAX_DYNAMIC_SHARED, SHARED_LIMIT)
        return function.value or 0

    def queue(self, plan: _core.DevicePlan, ordinal: int, stream: int, base: int) -> None:
        """Queue the upload of a plan to the device block at address `base`, and its launches."""
        functions = [self.kernel(ordinal, key) for key in plan.kernels]
        slot = self.take_slot(ordinal, plan.upload_bytes)
        name, code = plan.queue(self._queueing, functions, stream, base, slot.address, slot.event, THREADS)
        with self._lock:
            self._slots[ordinal].append(slot)
        if name is not None:
            self._check(code, name)

    def take_slot(self, ordinal: int, size: int) -> Slot:
        """Pinned memory that no upload still reads: the oldest slot that is free and large enough, else a new one."""
        with self._lock:
            slots = self._slots.setdefault(ordinal, deque())
            for slot in slots:
                if slot.size >= size:
                    code = self._library.cuEventQuery(slot.event)
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
        self._call("cuMemAllocAsync", address, size, stream)
        return address.value

    def free(self, stream: int, address: int) -> None:
        """Return memory to the stream-ordered pool, after the work queued so far."""
        self._call("cuMemFreeAsync", address, stream)

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
