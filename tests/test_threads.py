"""Promise: the same bits at every thread count, and any number of Python threads may call at once."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from oracle import DTYPES, KINDS, bits, call
from strategies import RANGES, stretch
from subprocesses import run_python

import fastblur

THREADS = [1, 2, 3, 7, 16, 1000]


def work(dtype: str) -> dict[str, tuple[Any, Any]]:
    """One large box, a thousand small ones, and many images: the three ways to split."""
    rng = np.random.default_rng(5)
    image = stretch(rng.random((400, 500, 3)), dtype, *RANGES[dtype][0])
    corners = rng.integers(0, 400, (1000, 2))
    small = np.concatenate([corners, corners + rng.integers(1, 40, (1000, 2))], axis=1)
    images = [stretch(rng.random((9 + i, 60 - i, 3)), dtype, *RANGES[dtype][0]) for i in range(40)]
    return {
        "one large box": (image, None),
        "one tall box": (image, [(100, 0, 117, 400)]),
        "one flat box": (image, [(0, 100, 500, 109)]),
        "many small boxes": (image, small),
        "many images": (images, None),
    }


def digest(result: Any) -> bytes:
    return b"".join(bits(one) for one in result) if isinstance(result, list) else bits(result)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits_at_every_thread_count(dtype: str, kind: str) -> None:
    for name, (images, boxes) in work(dtype).items():
        for strength in (3, 21) if kind != "fill" else (7,):
            one = digest(call(kind, images, boxes, strength, num_threads=1))
            for threads in [*THREADS, None]:
                assert digest(call(kind, images, boxes, strength, num_threads=threads)) == one, (name, threads)


@pytest.mark.parametrize("kind", KINDS)
def test_same_bits_on_every_run(kind: str) -> None:
    images, boxes = work("float32")["many small boxes"]
    first = digest(call(kind, images, boxes, 9))
    for _ in range(20):
        assert digest(call(kind, images, boxes, 9)) == first


@pytest.fixture
def restore_threads() -> Any:
    before = fastblur.get_num_threads()
    yield
    fastblur.set_num_threads(before)


@pytest.mark.usefixtures("restore_threads")
def test_set_and_get() -> None:
    image = np.random.default_rng(0).integers(0, 256, (300, 300), dtype=np.uint8)
    expected = bits(fastblur.gaussian_blur(image, None, 9, num_threads=1))
    for threads in (1, 2, 5, 64, np.int64(3)):
        fastblur.set_num_threads(threads)
        assert fastblur.get_num_threads() == threads
        assert bits(fastblur.gaussian_blur(image, None, 9)) == expected
    fastblur.set_num_threads(2)
    fastblur.gaussian_blur(image, None, 9, num_threads=1)
    assert fastblur.get_num_threads() == 2, "num_threads is for one call only"


GET = "import fastblur; print(fastblur.get_num_threads())"


@pytest.mark.parametrize(
    ("env", "threads"),
    [
        ({"FASTBLUR_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "5"}, 5),
        ({"FASTBLUR_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3),
    ],
)
def test_environment(env: dict[str, str], threads: int) -> None:
    unset = {"FASTBLUR_NUM_THREADS": "", "OMP_NUM_THREADS": ""}
    assert int(run_python(GET, env=unset | env)) == threads


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity masks here")
def test_affinity_mask() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n" + GET
    assert int(run_python(code, env={"FASTBLUR_NUM_THREADS": "", "OMP_NUM_THREADS": ""})) == 1


USE = "import numpy as np, fastblur; fastblur.gaussian_blur(np.zeros((300, 300, 3), np.uint8), None, 9)"


@pytest.mark.parametrize("value", ["0", "-3", "many", "1e9", "2.0"])
def test_a_bad_environment_is_named(value: str) -> None:
    said = run_python(USE, env={"FASTBLUR_NUM_THREADS": value}, fails=True)
    assert "ValueError" in said
    assert "FASTBLUR_NUM_THREADS" in said
    assert value in said


@pytest.mark.parametrize("name", ["FASTBLUR_NUM_THREADS", "OMP_NUM_THREADS"])
def test_a_huge_environment_is_no_crash(name: str) -> None:
    run_python(USE, env={"FASTBLUR_NUM_THREADS": "", "OMP_NUM_THREADS": "", name: "99999999999999999999"})


@pytest.mark.parametrize("value", ["many", "0", "4,2"])
def test_another_programs_variable_is_no_reason_to_fail(value: str) -> None:
    run_python(USE, env={"FASTBLUR_NUM_THREADS": "", "OMP_NUM_THREADS": value})


@pytest.mark.parametrize("kind", KINDS)
def test_many_python_threads_at_once(kind: str) -> None:
    """Each with its own images; the pool is one, the answers are each one's own."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (90 + i, 120, 3), dtype=np.uint8) for i in range(16)]
    expected = [bits(call(kind, image, None, 9, num_threads=1)) for image in images]

    def repeat(index: int) -> bool:
        return all(
            bits(call(kind, images[index], None, 9, num_threads=1 + n % 4)) == expected[index] for n in range(12)
        )

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(repeat, range(16)))


def test_many_python_threads_in_one_image() -> None:
    """Disjoint boxes of one image, in place, from many threads."""
    image = np.random.default_rng(0).integers(0, 256, (320, 320, 3), dtype=np.uint8)
    rows = [(x, y, x + 40, y + 40) for y in range(0, 320, 40) for x in range(0, 320, 40)]
    expected = bits(fastblur.gaussian_blur(image, rows, 6))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda row: fastblur.gaussian_blur(image, [row], 6, out=image), rows))
    assert bits(image) == expected


def test_the_gil_is_released() -> None:
    """While one thread blurs for as long as it takes, this one must get to run: it is what ends the blurring."""
    image = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), dtype=np.uint8)
    inside = threading.Event()
    ticks: list[int] = []
    done = threading.Event()

    def blur() -> None:
        inside.set()
        fastblur.gaussian_blur(image, None, 60.0, method="direct", num_threads=1)
        done.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        worker = threading.Thread(target=blur)
        worker.start()
        inside.wait()
        while not done.is_set():
            ticks.append(1)
        worker.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(ticks) > 1000


def test_nested_in_a_callback_of_another_call() -> None:
    """An exporter that itself blurs while its pixels are asked for."""

    class Nested:
        def __init__(self, array: npt.NDArray[Any]) -> None:
            self.array = array

        def __dlpack__(self, **options: Any) -> Any:
            fastblur.gaussian_blur(self.array, None, 9, out=self.array)
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self) -> tuple[Any, int]:
            return self.array.__dlpack_device__()

    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    nested = Nested(image)
    fastblur.gaussian_blur(nested, None, 3, out=nested)
