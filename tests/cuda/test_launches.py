"""What the backend asks of the driver: arguments, addresses, strides, streams, devices, scratch. Nothing runs."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from simulated import HostArray, RecordingDriver

import fastblur
from fastblur import cuda
from fastblur.cuda import backend
from fastblur.cuda.tables import BOX, IMAGE, JOB


def launches(driver: RecordingDriver) -> list[tuple[Any, ...]]:
    return [entry[1:] for entry in driver.log if entry[0] == "launch"]


class Upload(RecordingDriver):
    """Keeps the uploaded bytes, and the address they went to."""

    def uploaded(self, stream: int, target: int, source: int, size: int) -> None:
        self.target, self.bytes = target, np.frombuffer(ctypes.string_at(source, size), np.uint8)
        super().uploaded(stream, target, source, size)

    def table(self, dtype: Any, address: int, count: int) -> Any:
        start = address - self.target
        return self.bytes[start : start + count * np.dtype(dtype).itemsize].view(dtype)


@pytest.fixture
def uploaded(monkeypatch: pytest.MonkeyPatch) -> Upload:
    driver = Upload()
    monkeypatch.setattr(backend, "get_driver", lambda: driver)
    return driver


def test_one_launch_for_small_boxes(recording: RecordingDriver) -> None:
    image = HostArray(np.zeros((1080, 1920, 3), np.uint8), stream=77)
    boxes = [(20 * i, 10, 20 * i + 18, 40) for i in range(60)]
    fastblur.gaussian_blur(image, boxes, 4.0, out=image)
    ((key, stream, grid, threads, shared, arguments),) = launches(recording)
    assert key == ("small_spline", "uint8", True)
    assert (stream, grid, threads) == (77, 60, 256)
    assert shared <= 96 * 1024
    assert arguments[3:] == (60, 0, 0)
    assert [entry[0] for entry in recording.log] == ["allocate", "upload", "launch", "free", "left"]
    assert all(entry[1] == 77 for entry in recording.log if entry[0] in ("allocate", "upload", "free"))
    assert not recording.blocks.keys() & {entry[1] for entry in recording.log if entry[0] == "free"}


def test_records_hold_addresses_and_strides(uploaded: Upload) -> None:
    memory = np.zeros((2, 3, 50, 60), np.float32)
    view = memory[:, :, ::-1, 10:50]
    image = HostArray(view)
    fastblur.pixelate(image, [[1, 3, 4, 30, 40]], 5, layout="NCHW", out=image)
    ((key, _, _, _, _, arguments),) = launches(uploaded)
    assert key == ("mosaic", "float32", True)
    records = uploaded.table(IMAGE, arguments[0], 2)
    base = view.__array_interface__["data"][0]
    assert records["address"].tolist() == [base, base + memory.strides[0]]
    assert records["step_x"].tolist() == [4, 4]
    assert records["step_y"].tolist() == [-240, -240]
    assert records["step_c"].tolist() == [12000, 12000]
    assert records["channels"].tolist() == [3, 3]
    assert records["interleaved"].tolist() == [0, 0]
    job = uploaded.table(JOB, arguments[1], 1)[0]
    box = uploaded.table(BOX, int(job["box"]), 1)[0]
    assert box["image"] == 1
    assert box["working"].tolist() == [3, 4, 30, 40]
    assert box["strength"] == 5


@pytest.mark.parametrize(
    ("view", "layout", "contiguous"),
    [
        (np.zeros((8, 9, 3), np.uint8), "HWC", True),
        (np.zeros((8, 9, 4), np.uint8)[:, :, :3], "HWC", False),
        (np.zeros((8, 9, 3), np.uint8)[:, ::-1], "HWC", False),
        (np.zeros((8, 9, 3), np.uint8)[::-1], "HWC", True),
        (np.zeros((8, 9, 3), np.uint8).transpose(2, 0, 1), "CHW", True),
        (np.zeros((3, 8, 9), np.uint8), "CHW", True),
        (np.zeros((8, 18), np.uint8)[:, ::2], "HW", False),
        (np.asfortranarray(np.zeros((8, 9), np.uint8)), "HW", False),
    ],
)
def test_contiguous_rows_take_words(recording: RecordingDriver, view: Any, layout: str, contiguous: bool) -> None:
    image = HostArray(view)
    fastblur.fill(image, [(1, 1, 5, 5)], 3, layout=layout, out=image)
    assert launches(recording)[0][0] == ("fill", "uint8", contiguous)


def test_levels_are_launched_in_order(recording: RecordingDriver) -> None:
    image = HostArray(np.zeros((100, 100), np.uint8))
    fastblur.gaussian_blur(image, [(0, 0, 30, 30), (50, 50, 80, 80), (20, 20, 60, 60), (90, 0, 99, 9)], 4.0, out=image)
    assert [launch[2] for launch in launches(recording)] == [3, 1]


def test_a_path_depends_on_the_box_alone(recording: RecordingDriver) -> None:
    image = HostArray(np.zeros((600, 900, 3), np.uint8))
    rows = [(0, 0, 500, 500), (600, 0, 640, 40), (700, 0, 740, 40), (0, 520, 900, 600)]
    sigmas = [40.0, 5.0, 1.0, 2.0]
    alone = set()
    for row, sigma in zip(rows, sigmas, strict=True):
        recording.log.clear()
        fastblur.gaussian_blur(image, [row], sigma, out=image)
        alone |= {launch[0] for launch in launches(recording)}
    recording.log.clear()
    fastblur.gaussian_blur(image, rows, sigmas, out=image)
    assert {launch[0] for launch in launches(recording)} == alone
    names = [launch[0][0] for launch in launches(recording)]
    assert names[0] == "small_spline"
    assert {"spline_decimate", "spline_rows", "spline_columns", "spline_interpolate"} <= set(names)
    assert {"direct_weights", "direct_rows", "direct_columns", "small_direct"} <= set(names)


def test_scratch_is_bounded_by_chunks(recording: RecordingDriver) -> None:
    image = HostArray(np.zeros((40, 1080, 1920), np.uint8))
    fastblur.gaussian_blur(image, None, 3.0, layout="NHW", out=image)
    (allocated,) = [entry[2] for entry in recording.log if entry[0] == "allocate"]
    assert allocated < 65 << 20
    names = [launch[0][0] for launch in launches(recording)]
    assert names[:3] == ["direct_weights", "direct_rows", "direct_columns"]
    assert len(names) == 3 * -(-40 // 8)


def test_device_of_the_arrays_is_made_current(recording: RecordingDriver) -> None:
    recording.ordinal = 3
    image = HostArray(np.zeros((20, 20), np.uint8))
    fastblur.fill(image, [(1, 1, 5, 5)], 3, out=image)
    assert recording.pushed == [3]


def test_default_stream(recording: RecordingDriver) -> None:
    image = HostArray(np.zeros((20, 20), np.uint8))
    fastblur.fill(image, [(1, 1, 5, 5)], 3, out=image)
    assert launches(recording)[0][1] == 0


def test_boxes_from_the_device_cost_one_copy(recording: RecordingDriver) -> None:
    image = HostArray(np.zeros((20, 20), np.uint8))
    fastblur.fill(image, HostArray(np.array([[1.0, 1, 5, 5]]), stream=9), 3, out=image)
    assert [entry for entry in recording.log if entry[0] == "download"] == [("download", 9, 32)]


def test_nothing_to_do_launches_nothing(recording: RecordingDriver) -> None:
    image = HostArray(np.zeros((20, 20), np.uint8))
    for boxes in ([], np.zeros((0, 4)), [(3, 3, 3, 9)], [(100, 100, 120, 120)]):
        assert fastblur.gaussian_blur(image, boxes, 4.0, out=image) is image
    empty = HostArray(np.zeros((0, 20, 3), np.uint8))
    assert fastblur.gaussian_blur(empty, None, 4.0).shape == (0, 20, 3)
    assert launches(recording) == []


def test_bad_arrays_are_named(recording: RecordingDriver) -> None:
    def blur(image: Any, **options: Any) -> None:
        fastblur.gaussian_blur(image, [(0, 0, 5, 5)], 2.0, **options)

    good = HostArray(np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(TypeError, match=r"images has dtype int32; accepted: uint8, uint16, float16, float32"):
        blur(HostArray(np.zeros((20, 20), np.int32)))
    with pytest.raises(TypeError, match="non-native byte order"):
        blur(HostArray(np.zeros((20, 20), ">u2")))
    with pytest.raises(ValueError, match="read-only"):
        blur(good, out=HostArray(np.zeros((20, 20, 3), np.uint8), readonly=True))
    with pytest.raises(TypeError, match="out has dtype uint16; accepted: uint8"):
        blur(good, out=HostArray(np.zeros((20, 20, 3), np.uint16)))
    with pytest.raises(ValueError, match=r"out has shape \(20, 21, 3\); accepted: \(20, 20, 3\)"):
        blur(good, out=HostArray(np.zeros((20, 21, 3), np.uint8)))
    with pytest.raises(ValueError, match="share memory"):
        blur(good, out=HostArray(np.broadcast_to(np.zeros((1, 20, 3), np.uint8), (20, 20, 3))))
    memory = np.zeros((21, 20, 3), np.uint8)
    with pytest.raises(ValueError, match="overlaps images in part"):
        blur(HostArray(memory[:20]), out=HostArray(memory[1:]))
    with pytest.raises(ValueError, match=r"value is 300; accepted for uint8"):
        fastblur.fill(good, [(0, 0, 5, 5)], 300, out=good)
    with pytest.raises(ValueError, match="a list of as many arrays"):
        fastblur.fill([good, good], [[], []], 3, out=[good])
    assert launches(recording) == []


def test_halves_of_one_array_are_apart(recording: RecordingDriver) -> None:
    memory = np.zeros((20, 40, 3), np.uint8)
    left, right = HostArray(memory[:, :20]), HostArray(memory[:, 20:])
    fastblur.fill([left, right], [[(0, 0, 5, 5)], [(0, 0, 5, 5)]], 3, out=[left, right])
    middle = HostArray(memory[:, 10:30])
    with pytest.raises(ValueError, match=r"out\[0\] shares memory with out\[1\]"):
        fastblur.fill([left, middle], [[(0, 0, 5, 5)], []], 3, out=[left, middle])


def test_one_device_only(recording: RecordingDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [HostArray(np.zeros((20, 20), np.uint8)) for _ in range(2)]
    second = images[1].array.__array_interface__["data"][0]
    monkeypatch.setattr(recording, "device_of", lambda address: int(address == second))
    with pytest.raises(ValueError, match=r"images\[1\] is on device 1, images\[0\] on 0"):
        fastblur.fill(images, [[], []], 3, out=images)


def test_without_a_driver_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastblur.cuda.driver import CudaError

    def no_driver() -> None:
        raise CudaError("the CUDA driver (libcuda.so.1) cannot be loaded")

    monkeypatch.setattr(backend, "get_driver", no_driver)
    with pytest.raises(CudaError, match="no usable CUDA device"):
        fastblur.fill(HostArray(np.zeros((20, 20), np.uint8)), [(0, 0, 5, 5)], 3)


def test_without_numba_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    backend._check_installed.cache_clear()
    find_spec = backend.importlib.util.find_spec
    monkeypatch.setattr(
        backend.importlib.util, "find_spec", lambda name, *a: None if name == "numba_cuda" else find_spec(name, *a)
    )
    with pytest.raises(ImportError, match=r"fastblur\[cuda13\]"):
        fastblur.fill(HostArray(np.zeros((20, 20), np.uint8)), [(0, 0, 5, 5)], 3)


def test_import_stays_light() -> None:
    script = "import sys, fastblur.cuda as c; c.build_info(); print(*({'numba', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_host_arrays_are_not_cuda_arrays() -> None:
    assert not cuda.is_cuda_array(np.zeros(3))
    assert not cuda.is_cuda_array([1, 2])
    assert cuda.is_cuda_array(HostArray(np.zeros(3)))
