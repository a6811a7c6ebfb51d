"""A CUDA device that is not there: arrays in host memory with a CUDA face, and a driver that runs kernels in Numba's
simulator or only writes down what was asked of it."""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastblur.cuda import kernels
from fastblur.cuda.driver import Slot

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@dataclass
class RecordingDriver:
    """What the backend asks of the driver, in order, with memory on the host."""

    ordinal: int = 0
    log: list[tuple[Any, ...]] = field(default_factory=list)
    blocks: dict[int, Any] = field(default_factory=dict)
    pushed: list[int] = field(default_factory=list)

    def device_of(self, address: int) -> int:
        return self.ordinal

    @contextmanager
    def device(self, ordinal: int) -> Iterator[None]:
        self.pushed.append(ordinal)
        yield
        self.log.append(("left", ordinal))

    def kernel(self, ordinal: int, key: kernels.Key) -> Any:
        return kernels.canonical(key)

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

    def upload(self, ordinal: int, stream: int, target: int, slot: Slot, size: int) -> None:
        ctypes.memmove(target, slot.address, size)
        self.log.append(("upload", stream, size))

    def download(self, stream: int, source: int, target: np.ndarray[Any, Any]) -> None:
        ctypes.memmove(target.ctypes.data, source, target.nbytes)
        self.log.append(("download", stream, target.nbytes))

    def launch(
        self, function: Any, stream: int, grid: int, threads: int, shared: int, arguments: tuple[int, ...]
    ) -> None:
        self.log.append(("launch", function, stream, grid, threads, shared, arguments))


class SimulatedDriver(RecordingDriver):
    """Runs every launch in Numba's simulator."""

    functions: ClassVar[dict[kernels.Key, Any]] = {}

    def kernel(self, ordinal: int, key: kernels.Key) -> Any:
        from numba import cuda

        key = kernels.canonical(key)
        if key not in self.functions:
            self.functions[key] = cuda.jit(kernels.specialise(key))
        return self.functions[key]

    def launch(
        self, function: Any, stream: int, grid: int, threads: int, shared: int, arguments: tuple[int, ...]
    ) -> None:
        function[grid, threads, 0, shared + 64](*arguments)
