"""Each kernel by itself, through pytest-benchmark; a fast wrong answer fails.

    pytest benchmarks/test_kernels.py --benchmark-columns=median,iqr,rounds --benchmark-sort=name

The time is that of one call in place on one thread; `extra_info` holds the nanoseconds per pixel of its boxes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import photos
from benchmarks.cases import Operation, Source, Work, grid
from benchmarks.trial import Trial, fastblur_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

# Count, width and height of the boxes; no size is a multiple of a vector or square, except where that is the point.
SHAPES = {
    "10000 of 9x11": (10_000, 9, 11),
    "100 of 101x97": (100, 101, 97),
    "one of 1000x1000": (1, 1000, 1000),
    "one of 19x2001": (1, 19, 2001),
    "one of 2001x19": (1, 2001, 19),
}
# The direct filter, both sides of the choice between it and the constant-cost path, and that path at length.
SIGMAS = (0.7, 3.0, 6.0, 60.0)
DTYPES = ("uint8", "uint16", "float16", "float32")


@pytest.fixture(scope="module")
def source() -> Source:
    """The photos of the examples."""
    return Source(photos.load(photos.DEFAULT), seed=2026, draw="uniform", quick=False)


def measure(benchmark: BenchmarkFixture, work: Work) -> None:
    trial, run = Trial(work, 0.2, seed=2026), fastblur_run(1)
    trial.judge.hold(trial.once(run))
    timed: Callable[..., None] = benchmark.pedantic
    timed(run, args=(trial.work,), setup=lambda: trial.prepare(0), rounds=15)
    if benchmark.stats is not None:  # None under --benchmark-disable
        benchmark.extra_info["ns per pixel"] = benchmark.stats.stats.median * 1e9 / work.pixels


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sigma", SIGMAS)
def test_gaussian_blur(benchmark: BenchmarkFixture, source: Source, shape: str, sigma: float) -> None:
    measure(benchmark, grid(source, "blur", SHAPES[shape], sigma))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("block", [2.0, 7.0, 64.0])
def test_pixelate(benchmark: BenchmarkFixture, source: Source, shape: str, block: float) -> None:
    measure(benchmark, grid(source, "mosaic", SHAPES[shape], block))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize(("operation", "strength"), [("blur", 2.0), ("blur", 20.0), ("mosaic", 16.0)])
def test_dtype_and_layout(
    benchmark: BenchmarkFixture, source: Source, *, dtype: str, layout: str, operation: Operation, strength: float
) -> None:
    work = grid(source, operation, SHAPES["100 of 101x97"], strength).as_dtype(np.dtype(dtype))
    measure(benchmark, work.as_nchw() if layout == "NCHW" else work)
