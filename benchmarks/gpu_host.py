"""Host time of a call on CUDA arrays, on a machine without a device: ``python -m benchmarks.gpu_host``.

The driver is a stand-in (cuda_stub.c) that returns at once, and nothing is compiled for a device. What is timed is all
that fastblur does itself, from Python's call to the last launch, and nothing of what the CUDA driver and the array
library's allocator do. Median and quartiles over 2,000 calls, in microseconds, go into
``benchmarks/results/<version>/<machine>-gpu-host.json``. Needs a C compiler and numba-cuda.
"""

from __future__ import annotations

import gc
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import fastblur
from benchmarks import machine, native, store
from benchmarks.gpu import faces
from benchmarks.timing import spread
from fastblur.cuda import backend, driver

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = 2000


class Array:
    """NumPy memory that says it is a device's."""

    def __init__(self, shape: tuple[int, ...], dtype: str = "uint8") -> None:
        self.memory = np.zeros(shape, dtype)
        self.shape = shape
        self.__cuda_array_interface__ = {**self.memory.__array_interface__, "version": 3, "stream": 1}


def stand_in() -> driver.Driver:
    """The driver's class over a library that does nothing."""
    compiler = native.compiler()
    if compiler is None:
        raise SystemExit("benchmarks.gpu_host needs a C compiler (cc, gcc or clang)")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "cuda_stub.so"
        source = Path(__file__).with_name("cuda_stub.c")
        subprocess.run([compiler, "-O2", "-w", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
        return driver.Driver(str(library))


def microseconds(call: Callable[[], object], calls: int) -> list[float]:
    for _ in range(calls // 10):
        call()
    gc.collect()
    gc.disable()
    times = []
    for _ in range(calls):
        start = time.perf_counter_ns()
        call()
        times.append(1e-3 * (time.perf_counter_ns() - start))
    gc.enable()
    return times


def main() -> None:
    stub = stand_in()
    setattr(backend, "get_driver", lambda: stub)  # noqa: B010 - not a name that the module offers
    setattr(driver, "cached_ptx", lambda key: ".visible .entry kernel(")  # noqa: B010
    rng = np.random.default_rng(1)
    corner = rng.integers(0, (1850, 1000), (100, 2))
    small = np.concatenate([corner, corner + rng.integers(17, 65, (100, 2))], axis=1)
    exact, lists = small.astype(np.float64), small.tolist()
    frame, sigma = Array((1080, 1920, 3)), np.full(100, 4.0)
    sizes, rows, sigmas = faces(1)
    images, sides = [Array((*size, 3)) for size in sizes], np.concatenate(sigmas)
    loads: dict[str, Callable[[], Any]] = {
        "gaussian_blur, 100 boxes": lambda: fastblur.gaussian_blur(frame, small, 4.0, out=frame),
        "the same, float64 boxes": lambda: fastblur.gaussian_blur(frame, exact, 4.0, out=frame),
        "the same, boxes as lists": lambda: fastblur.gaussian_blur(frame, lists, 4.0, out=frame),
        "the same, a list of one image": lambda: fastblur.gaussian_blur([frame], [small], sigma, out=[frame]),
        "pixelate, 100 boxes": lambda: fastblur.pixelate(frame, small, 8, out=frame),
        "fill, 100 boxes": lambda: fastblur.fill(frame, small, 8, out=frame),
        "gaussian_blur, 1 box": lambda: fastblur.gaussian_blur(frame, small[:1], 4.0, out=frame),
        f"gaussian_blur, 256 images, {len(sides)} boxes": lambda: fastblur.gaussian_blur(
            images, rows, sides, out=images
        ),
    }
    calls = {}
    for name, call in loads.items():
        times = spread(microseconds(call, CALLS // 10 if "images" in name else CALLS))
        calls[name] = times
        print(f"{name:42} {times['median']:8.1f}   ({times['q1']:.1f} to {times['q3']:.1f})")
    store.write(
        store.path(quick=False, name=f"{machine.slug()}-gpu-host"),
        {"fastblur": fastblur.__version__, "machine": machine.describe(), "microseconds": calls},
    )


if __name__ == "__main__":
    main()
