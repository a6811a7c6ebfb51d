"""Which stream, device and allocator each array library is asked for, with stand-ins for the libraries."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections import deque
from contextlib import nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from simulated import HostArray, RecordingDriver

import fastblur
from fastblur.cuda import arrays
from fastblur.cuda.arrays import DeviceArray
from fastblur.cuda.driver import Slot


class Tensor:
    """What the backend uses of a torch.Tensor, over a NumPy array."""

    requires_grad = False
    is_cuda = True
    layout = "torch.strided"

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array, self.shape, self.dtype = array, array.shape, f"torch.{array.dtype}"
        self.device = SimpleNamespace(type="cuda", index=2)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 2

    def data_ptr(self) -> int:
        return int(self.array.ctypes.data)

    def is_neg(self) -> bool:
        return False

    def stride(self) -> tuple[int, ...]:
        return tuple(s // self.array.itemsize for s in self.array.strides)


Tensor.__module__ = "torch"


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A torch with one current stream per device; the log of what it was asked for."""
    log: list[Any] = []

    def current_stream(device: int) -> Any:
        log.append(("stream", device))
        return SimpleNamespace(cuda_stream=1000 + device)

    def empty(size: int, dtype: str, device: str) -> Tensor:
        log.append(("empty", device))
        return Tensor(np.zeros(size, np.uint8))

    module = ModuleType("torch")
    module.Tensor = Tensor  # type: ignore[attr-defined]
    module.uint8 = "torch.uint8"  # type: ignore[attr-defined]
    module.empty = empty  # type: ignore[attr-defined]
    module.cuda = SimpleNamespace(current_stream=current_stream)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", module)
    return log


def test_torch_gives_stream_device_and_scratch(torch: list[Any], recording: RecordingDriver) -> None:
    tensor = Tensor(np.zeros((3, 40, 50), np.uint8))
    fastblur.gaussian_blur(tensor, [(3, 3, 30, 30)], 4.0, out=tensor)
    assert recording.pushed == [2]
    assert torch == [("stream", 2), ("empty", "cuda:2")]
    assert [entry[0] for entry in recording.log] == ["upload", "launch", "left"]
    assert recording.log[0][1] == recording.log[1][2] == 1002


def test_torch_channels_last_is_interleaved(torch: list[Any], recording: RecordingDriver) -> None:
    tensor = Tensor(np.zeros((2, 40, 50, 3), np.uint8).transpose(0, 3, 1, 2))
    fastblur.fill(tensor, [(1, 3, 3, 30, 30)], 4, out=tensor)
    assert recording.log[1][1] == ("fill", "uint8", True)


def test_torch_refuses_gradients(torch: list[Any], recording: RecordingDriver) -> None:
    tensor = Tensor(np.zeros((3, 40, 50), np.float32))
    tensor.requires_grad = True
    with pytest.raises(TypeError, match=r"requires_grad=True; accepted: one without, such as images\.detach\(\)"):
        fastblur.gaussian_blur(tensor, [(3, 3, 30, 30)], 4.0, out=tensor)
    assert recording.log == []


def test_containers_do_not_mix(torch: list[Any], recording: RecordingDriver) -> None:
    tensor = Tensor(np.zeros((3, 40, 50), np.uint8))
    other = HostArray(np.zeros((3, 40, 50), np.uint8))
    with pytest.raises(TypeError, match=r"out is a simulated\.HostArray"):
        fastblur.gaussian_blur(tensor, [(3, 3, 30, 30)], 4.0, out=other)


def test_cupy_allocates_on_the_arrays_device(monkeypatch: pytest.MonkeyPatch, recording: RecordingDriver) -> None:
    log: list[Any] = []
    memory = np.zeros(1 << 16, np.uint8)

    def device(ordinal: int) -> Any:
        log.append(("device", ordinal))
        return nullcontext()

    def current_stream(ordinal: int) -> Any:
        log.append(("stream", ordinal))
        return SimpleNamespace(ptr=77)

    module = ModuleType("cupy")
    module.cuda = SimpleNamespace(  # type: ignore[attr-defined]
        get_current_stream=current_stream, Device=device, alloc=lambda size: SimpleNamespace(ptr=memory.ctypes.data)
    )
    monkeypatch.setitem(sys.modules, "cupy", module)

    class Array(HostArray):
        device = SimpleNamespace(id=1)
        data = property(lambda self: SimpleNamespace(ptr=self.array.ctypes.data))
        dtype = property(lambda self: self.array.dtype)
        strides = property(lambda self: self.array.strides)

    Array.__module__ = "cupy"
    image = Array(np.zeros((40, 50, 3), np.uint16))
    fastblur.pixelate(image, [(3, 3, 30, 30)], 4, out=image)
    assert log == [("stream", 1), ("device", 1)]
    assert recording.pushed == [1]
    assert recording.log[1][:3] == ("launch", ("mosaic", "uint16", True), 77)


def test_describe_capsule_reads_dlpack() -> None:
    array = np.zeros((4, 5, 3), np.float16)[::2, :, 1:]
    described = arrays.describe_capsule(array.__dlpack__())
    assert described == DeviceArray(array.ctypes.data, (2, 5, 2), array.strides, "float16", 0, False)


def test_what_jax_takes_back_waits_for_the_queued_work() -> None:
    waits: list[tuple[int, int, int]] = []
    driver = SimpleNamespace(wait=lambda *arguments: waits.append(arguments))
    array = SimpleNamespace(
        __dlpack_device__=lambda: (2, 1), __dlpack__=lambda stream, **options: ("capsule", stream, options)
    )
    queued = arrays._Queued(array, driver, 55)
    assert queued.__dlpack_device__() == (2, 1)
    assert queued.__dlpack__(stream=9) == ("capsule", 9, {})
    assert waits == [(1, 9, 55)]


@pytest.mark.parametrize(
    ("first", "second", "meet"),
    [
        ((slice(0, 20), slice(0, 20)), (slice(0, 20), slice(20, 40)), False),
        ((slice(0, 20), slice(0, 21)), (slice(0, 20), slice(20, 40)), True),
        ((slice(0, 10), slice(0, 40)), (slice(10, 20), slice(0, 40)), False),
        ((slice(0, 20, 2), slice(0, 40)), (slice(1, 20, 2), slice(0, 40)), False),
        ((slice(0, 20), slice(0, 40, 2)), (slice(0, 20), slice(1, 40, 2)), False),
        ((slice(0, 20, 2), slice(5, 15)), (slice(4, 20, 2), slice(14, 24)), True),
    ],
)
def test_shared_memory_is_told_exactly(first: Any, second: Any, meet: bool) -> None:
    memory = np.zeros((20, 40), np.uint16)

    def described(view: np.ndarray[Any, Any]) -> DeviceArray:
        return DeviceArray(view.ctypes.data, view.shape, view.strides, "uint16", 0, False)

    a, b = memory[first], memory[second]
    assert np.shares_memory(a, b) == meet
    assert arrays.spans_meet(described(a), described(b)) == meet
    assert arrays.spans_meet(described(b), described(a)) == meet


def test_pinned_slots_are_reused_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real driver class over a library that only keeps books."""
    from fastblur.cuda.driver import Driver

    blocks: list[Any] = []
    busy: set[int] = set()

    class Library:
        def __getattr__(self, name: str) -> Any:
            return lambda *arguments: 0

        def cuMemHostAlloc(self, address: Any, size: Any, flags: int) -> int:  # noqa: N802 - the driver's name
            blocks.append((ctypes.c_uint8 * size.value)())
            address._obj.value = ctypes.addressof(blocks[-1])
            return 0

        def cuEventCreate(self, event: Any, flags: int) -> int:  # noqa: N802
            event._obj.value = len(blocks)
            return 0

        def cuEventQuery(self, event: int) -> int:  # noqa: N802
            return 600 if event in busy else 0

    staged: list[int] = []

    def queued(size: int) -> int:
        """Queue a plan with an upload of `size` bytes; the staging memory that it was given."""

        def queue(
            calls: Any, functions: list[int], stream: int, base: int, staging: int, event: int, threads: int
        ) -> tuple[str | None, int]:
            assert (functions, stream, base) == ([], 5, 1234)
            staged.append(staging)
            return None, 0

        plan: Any = SimpleNamespace(kernels=[], upload_bytes=size, queue=queue)
        driver.queue(plan, 0, 5, 1234)
        return staged[-1]

    driver = Driver.__new__(Driver)
    driver._library, driver._slots, driver._queueing = Library(), {}, None
    driver._lock = threading.Lock()
    small = queued(100)
    assert queued(100) == small
    large = queued(100_000)
    assert large != small
    assert queued(100_000) == large
    busy.update(slot.event for slot in driver._slots[0] if slot.address == small)
    busy.update(slot.event for slot in driver._slots[0] if slot.address == large)
    assert queued(100) not in (small, large)
    assert len(blocks) == 3


def test_a_failing_call_of_the_driver_is_named() -> None:
    from fastblur.cuda.driver import CudaError, Driver

    driver = Driver.__new__(Driver)
    driver._library = SimpleNamespace(cuGetErrorString=lambda code, text: 0)
    driver._slots, driver._queueing = {0: deque()}, None
    driver._lock = threading.Lock()
    driver.take_slot = lambda ordinal, size: Slot(0, size, 0)  # type: ignore[method-assign]
    plan: Any = SimpleNamespace(kernels=[], upload_bytes=10, queue=lambda *arguments: ("cuLaunchKernel", 700))
    with pytest.raises(CudaError, match=r"cuLaunchKernel failed: 700 \(error 700\)"):
        driver.queue(plan, 0, 5, 1234)
    assert len(driver._slots[0]) == 1
