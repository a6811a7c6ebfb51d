"""The logic of benchmarks/gpu.py, on a CPU: what it times, what it leaves out, what it holds against the targets."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fastblur import reference

sys.path.insert(0, str(Path(__file__).parents[2]))

gpu = pytest.importorskip("benchmarks.gpu")


class Event:
    """The clock, as a torch.cuda.Event."""

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, end: Event) -> float:
        return 1e3 * (end.at - self.at)


@pytest.fixture
def slept() -> list[int]:
    return []


@pytest.fixture
def device(slept: list[int]) -> Any:
    return SimpleNamespace(cuda=SimpleNamespace(synchronize=lambda: None, _sleep=slept.append, Event=Event))


def load(contenders: dict[str, Any], buffers: int = 5, **options: Any) -> Any:
    return gpu.Load("load", list(range(buffers)), [], 1000, 4, contenders, lambda: None, **options)


def test_buffers_rotate_and_failures_are_left_out(device: Any, slept: list[int]) -> None:
    runs: list[int] = []

    def fails(buffer: int) -> None:
        raise RuntimeError("too wide\nfor it")

    result = gpu.measure(device, load({gpu.OURS: runs.append, "peer": lambda buffer: None, "broken": fails}), 6, 1e9)
    assert runs[:2] == [0, 1]
    assert [sorted(runs[i : i + 5]) for i in range(2, len(runs), 5)] == [[0, 1, 2, 3, 4]] * 6
    assert result["left_out"] == {"broken": "RuntimeError: too wide"}
    assert set(result["results"]) == {gpu.OURS, "peer"}
    assert result["floor_us"] == pytest.approx(8.0)
    own = result["results"][gpu.OURS]
    assert own["rounds"] == 6
    assert own["share_of_copy"] == pytest.approx(8.0 / own["device_us"]["median"])
    assert len(slept) == 12
    assert all(10_000_000 <= cycles <= 1_000_000_000 for cycles in slept)


def test_our_own_failure_ends_the_run(device: Any) -> None:
    def fails(buffer: int) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        gpu.measure(device, load({gpu.OURS: fails}), 5, 1e9)


def test_batches_visit_every_buffer_and_slow_peers_stay_short() -> None:
    many = load({}, buffers=3 * gpu.PENDING)
    batches = [gpu.batch_of(many, 1e-5, True, turn) for turn in range(3)]
    assert [len(batch) for batch in batches] == [gpu.PENDING] * 3
    assert sorted(buffer for batch in batches for buffer in batch) == many.buffers
    assert gpu.batch_of(many, 1e-5, False, 1) == many.buffers[: gpu.PENDING]
    assert gpu.batch_of(many, gpu.PEER_SECONDS / 3.5, False, 1) == [0, 1, 2]
    assert gpu.batch_of(many, 100.0, False, 1) == [0]


def entry(name: str, device_us: dict[str, float], **targets: float) -> dict[str, Any]:
    results = {
        who: {"device_us": {"median": us}, "host_us": {"median": us / 2}, "share_of_copy": 10 / us}
        for who, us in device_us.items()
    }
    return {"load": name, "target_share": None, "target_host_us": None, "results": results, **targets}


def test_targets_are_met_or_missed() -> None:
    loads = [
        entry(gpu.FACES, {gpu.OURS: 20.0, "Kornia": 500.0, "torch separable": 300.0}, target_share=0.45),
        entry(gpu.SMALL, {gpu.OURS: 40.0}, target_host_us=25.0),
        *(entry(f"{gpu.SWEEP}{sigma:g}", {gpu.OURS: us}) for sigma, us in ((5.0, 99.0), (8.0, 10.0), (80.0, 14.0))),
    ]
    rows = gpu.targets({"loads": loads, "first_call_s": {"compiled": 6.0, "from disk": 0.1}})
    assert [(measured, met) for _, measured, _, met in rows] == [
        (0.5, True),
        (25.0, True),
        (15.0, False),
        (20.0, True),
        (1.4, True),
        (6.0, False),
    ]


def test_faces_lie_in_their_images() -> None:
    sizes, boxes, sigmas = gpu.faces(3)
    assert len(sizes) == len(boxes) == len(sigmas) == 256
    assert 500 < sum(map(len, boxes)) < 700
    for (height, width), rows, values in zip(sizes, boxes, sigmas, strict=True):
        assert (rows[:, :2] >= 0).all()
        assert (rows[:, 2:] <= (width, height)).all()
        assert (rows[:, 2:] > rows[:, :2]).all()
        assert len(rows) == len(values)


def test_boxes_that_meet_no_other() -> None:
    rows = np.array([[0, 0, 10, 10], [5, 5, 20, 20], [20, 20, 30, 30], [40, 0, 50, 10]])
    assert gpu.apart(rows) == [2, 3]


@pytest.mark.parametrize(("dtype", "bound"), [("uint8", 0.51), ("float32", 1e-3)])
@pytest.mark.parametrize("sigma", [1.5, 40.0])
def test_the_torch_peer_is_the_reference(sigma: float, dtype: str, bound: float) -> None:
    torch = pytest.importorskip("torch")
    image = np.random.default_rng(0).integers(0, 256, (23, 31, 3)).astype(dtype)
    boxes, sigmas = [np.array([[2, 1, 30, 20]])], [np.array([sigma])]
    buffer = [torch.from_numpy(image.copy())]
    gpu.box_by_box(torch, gpu.torch_separable, boxes, sigmas)(buffer)
    exact = reference.gaussian_blur(image, boxes[0][0], sigma)
    assert np.abs(buffer[0].numpy()[1:20, 2:30] - exact[1:20, 2:30]).max() <= bound
    gpu.check(torch.from_numpy(image), buffer[0], boxes[0][0], lambda p, b: reference.gaussian_blur(p, b, sigma), 1)
    with pytest.raises(SystemExit, match="wrong answer"):
        gpu.check(torch.from_numpy(image), 0 * buffer[0], boxes[0][0], lambda p, b: p.astype(np.float64), 1)
