"""A CUDA device that is not there: arrays in host memory with a CUDA face, and a driver that runs kernels in Numba's
simulator or only writes down what was asked of it."""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastblur import _core
from fastblur.cuda import backend, kernels, tables
from fastblur.cuda.driver import Driver, Slot

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


class HostArray:
    """A NumPy array that says it lives on a GPU."""

    def __init__(self, array: np.ndarray[Any, Any], stream: int | None = None, readonly: bool = False) -> None:
        self.array, self._stream, self._readonly = array, stream, readonly

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        interface = dict(self.array.__array_interface__)
        interface["data"] = (interface["data"][0], self._readonly)
        return {**interface, "version": 3, "stream": self._stream, "strides": self.array.strides}

    def copy(self) -> HostArray:
        return HostArray(np.array(self.array, order="K"), self._stream)


def set_sizes(monkeypatch: pytest.MonkeyPatch, **changed: int) -> None:
    """Plan with other sizes than those of the tables."""
    sizes = _core.DeviceSizes(**{**tables.SIZES, **changed})
    monkeypatch.setattr(backend, "_sizes", sizes)


_P, _U = ctypes.c_void_p, ctypes.c_uint
_COPY = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint64, _P, ctypes.c_size_t, _P)
_RECORD = ctypes.CFUNCTYPE(ctypes.c_int, _P, _P)
_LAUNCH = ctypes.CFUNCTYPE(ctypes.c_int, _P, *[_U] * 7, _P, ctypes.POINTER(_P), _P)
_ARGUMENTS = (ctypes.c_int64,) * 3 + (ctypes.c_int32,) * 3


class RecordingDriver(Driver):
    """What the backend asks of the driver, in order, with memory on the host.

    The compiled module calls the driver by address, and so it does here: what is written down is what arrived.
    """

    def __init__(self) -> None:
        self.ordinal = 0
        self.log: list[tuple[Any, ...]] = []
        self.blocks: dict[int, Any] = {}
        self.pushed: list[int] = []
        self.handles: dict[int, kernels.Key] = {}
        self._lock, self._slots = threading.Lock(), {0: deque()}
        self._error: BaseException | None = None
        self._calls = _COPY(self._copied), _RECORD(lambda event, stream: 0), _LAUNCH(self._launched)
        self._queueing = _core.DeviceDriver(*(ctypes.cast(call, _P).value or 0 for call in self._calls))

    def device_of(self, address: int) -> int:
        return self.ordinal

    @contextmanager
    def device(self, ordinal: int) -> Iterator[None]:
        self.pushed.append(ordinal)
        self._slots.setdefault(ordinal, deque())
        yield
        self.log.append(("left", ordinal))

    def kernel(self, ordinal: int, key: tuple[str, str, bool]) -> int:
        canonical = kernels.canonical(kernels.Key(*key))
        handle = hash(canonical) & 0xFFFFFFFF
        self.handles[handle] = canonical
        return handle

    def allocate(self, stream: int, size: int) -> int:
        block = (ctypes.c_uint8 * (size + 256))()
        address = (ctypes.addressof(block) + 255) // 256 * 256
        self.blocks[address] = block
        self.log.append(("allocate", stream, size))
        return address

    def free(self, stream: int, address: int) -> None:
        del self.blocks[address]
        self.log.append(("free", stream))

    def take_slot(self, ordinal: int, size: int) -> Slot:
        block = (ctypes.c_uint8 * size)()
        slot = Slot(ctypes.addressof(block), size, 0)
        self.blocks[slot.address] = block
        return slot

    def download(self, stream: int, source: int, target: np.ndarray[Any, Any]) -> None:
        ctypes.memmove(target.ctypes.data, source, target.nbytes)
        self.log.append(("download", stream, target.nbytes))

    def uploaded(self, stream: int, target: int, source: int, size: int) -> None:
        ctypes.memmove(target, source, size)
        self.log.append(("upload", stream, size))

    def launched(
        self, key: kernels.Key, stream: int, grid: int, threads: int, shared: int, arguments: tuple[int, ...]
    ) -> None:
        self.log.append(("launch", key, stream, grid, threads, shared, arguments))

    def _copied(self, target: int, source: int, size: int, stream: int | None) -> int:
        return self._attempt(self.uploaded, stream or 0, target, source, size)

    def _launched(self, function: int, *rest: Any) -> int:
        grid, grid_y, grid_z, threads, threads_y, threads_z, shared, stream, pointers, extra = rest
        assert (grid_y, grid_z, threads_y, threads_z, extra) == (1, 1, 1, 1, None)
        arguments = tuple(kind.from_address(pointers[i]).value for i, kind in enumerate(_ARGUMENTS))
        return self._attempt(self.launched, self.handles[function], stream or 0, grid, threads, shared, arguments)

    def _attempt(self, call: Any, *arguments: Any) -> int:
        """Run what was called from C++, through which no exception can pass."""
        try:
            call(*arguments)
        except BaseException as error:
            self._error = error
            return 1
        return 0

    def _check(self, code: int, name: str) -> None:
        if code:
            raise self._error or AssertionError(f"{name}: {code}")


class SimulatedDriver(RecordingDriver):
    """Runs every launch in Numba's simulator."""

    functions: ClassVar[dict[kernels.Key, Any]] = {}

    def launched(
        self, key: kernels.Key, stream: int, grid: int, threads: int, shared: int, arguments: tuple[int, ...]
    ) -> None:
        from numba import cuda

        if key not in self.functions:
            self.functions[key] = cuda.jit(kernels.specialise(key))
        self.functions[key][grid, threads, 0, shared + 64](*arguments)
