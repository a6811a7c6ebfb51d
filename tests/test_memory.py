"""Promise: when memory runs out there is a MemoryError, and the process lives on."""

from __future__ import annotations

import sys

import pytest
from subprocesses import run_python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="address space limits are set the Linux way")

CODE = """
    import resource
    import numpy as np
    import fastblur
    THREADS = {threads}
    image = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3)).astype({dtype!r})
    small = image[:90, :80].copy()
    boxes = [(0, 0, 1500, 1500), (3, 3, 1490, 1400)]

    def blur(picture, rows, **options):
        return {call}

    expected = blur(small, None).tobytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    failures = 0
    for megabytes in (0, 0.1, 0.5, 1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512):
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        for options in ({{}}, {{"out": image}}):
            try:
                resource.setrlimit(resource.RLIMIT_AS, (used + int(megabytes * 2**20), hard))
                try:
                    blur(image, boxes, num_threads=THREADS, **options)
                finally:
                    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
            except MemoryError:
                failures += 1
        assert blur(small, None).tobytes() == expected, megabytes
    assert failures, "no limit was small enough to fail"
    print("alive")
"""


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32"])
@pytest.mark.parametrize(
    "call",
    [
        "fastblur.gaussian_blur(picture, rows, 40, **options)",
        "fastblur.gaussian_blur(picture, rows, 3, method='direct', **options)",
        "fastblur.pixelate(picture, rows, 7, **options)",
    ],
    ids=["auto", "direct", "pixelate"],
)
def test_every_limit(call: str, dtype: str, threads: int) -> None:
    assert "alive" in run_python(CODE.format(call=call, dtype=dtype, threads=threads))


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_in_place_needs_no_second_image(dtype: str, threads: int) -> None:
    """Whatever the height: 24 million pixels, of which a few rows are held at a time."""
    code = """
        import resource
        import numpy as np
        import fastblur
        image = np.zeros((12_000, 2_000), DTYPE)
        calls = [
            lambda part: fastblur.gaussian_blur(part, None, 3, out=part, num_threads=THREADS, method="direct"),
            lambda part: fastblur.gaussian_blur(part, None, 9, out=part, num_threads=THREADS),
            lambda part: fastblur.pixelate(part, None, 9, out=part, num_threads=THREADS),
            lambda part: fastblur.fill(part, None, 9, out=part, num_threads=THREADS),
        ]
        for call in calls:
            call(image[:1000])  # starts the threads
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 20 * 2**20, resource.RLIM_INFINITY))
        for call in calls:
            call(image)
    """
    run_python(f"DTYPE, THREADS = {dtype!r}, {threads}", code)


def test_too_many_boxes_for_the_memory() -> None:
    """The table of boxes itself."""
    code = """
        import resource
        import numpy as np
        import fastblur
        image = np.zeros((30, 30), np.uint8)
        boxes = np.tile([2.0, 3.0, 4.0, 5.0], (2_000_000, 1))
        fastblur.fill(image, boxes[:3], 1)
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**22, resource.RLIM_INFINITY))
        try:
            fastblur.fill(image, boxes, 1)
        except MemoryError:
            print("alive")
        assert fastblur.fill(image, boxes[:3], 1).sum() == 4
    """
    assert "alive" in run_python(code)


def test_no_memory_leaks() -> None:
    """After the first hundred calls, two thousand more of every kind take no more memory."""
    code = """
        import resource
        import numpy as np
        import fastblur
        rng = np.random.default_rng(0)

        def resident():
            return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

        def calls(count, seed):
            rng = np.random.default_rng(seed)
            for _ in range(count):
                image = rng.random((rng.integers(1, 120), rng.integers(1, 120), 3)).astype(np.float32)
                corners = rng.uniform(0, 120, (9, 2))
                boxes = np.concatenate([corners, corners + rng.uniform(0, 60, (9, 2))], axis=1)
                fastblur.gaussian_blur(image, boxes, rng.uniform(0.5, 30), feather=2)
                fastblur.pixelate(image, boxes, rng.uniform(0.5, 30))
                fastblur.fill(image, boxes, 0)
                for bad in ([(9, 9, 1, 1)], [(0, 0, float("nan"), 1)], [1, 2, 3]):
                    try:
                        fastblur.fill(image, bad, 0)
                    except ValueError:
                        pass

        calls(300, 1)
        before = resident()
        calls(2000, 2)
        grown = resident() - before
        assert grown < 16 * 2**20, grown
    """
    run_python(code)
