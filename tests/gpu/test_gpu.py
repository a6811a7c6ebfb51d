"""The CUDA backend on a device: accuracy at real sizes, containers, streams, in place, determinism."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import fastblur
from fastblur import reference

pytestmark = pytest.mark.gpu

DTYPES = ("uint8", "uint16", "float16", "float32")
BORDERS = ("reflect", "symmetric", "replicate")


def noise(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "u":
        return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    return (rng.random(shape) * 8 - 3).astype(dtype)


def binary(shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
    """The input furthest from smooth: every sample is one of the two ends of the range."""
    top = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 5
    return np.where(np.random.default_rng(1).random(shape) < 0.5, 0, top).astype(dtype)


def bound(pixels: np.ndarray[Any, Any], kind: str) -> float:
    """The largest error of one box, against the unrounded reference, that the contract allows."""
    dtype, values = pixels.dtype, pixels.astype(np.float64)
    spread = float(np.ptp(values))
    if dtype.kind == "u":
        if kind == "auto":
            return 1.5 if dtype == np.uint8 else 5e-4 * spread + 1
        return 0.5 + (0.01 if dtype == np.uint8 else 0.05)
    ulp = float(np.spacing(np.abs(pixels).max()))
    return (5e-4 if kind == "auto" else 4e-6) * spread + ulp


def to_torch(torch: Any, array: np.ndarray[Any, Any], layout: str = "HWC") -> Any:
    """A CUDA tensor that holds an (H, W, C) array in a layout."""
    tensor = torch.from_numpy(np.ascontiguousarray(array)).cuda()
    return tensor.permute(2, 0, 1).contiguous() if layout == "CHW" else tensor


def check(
    image: np.ndarray[Any, Any], result: np.ndarray[Any, Any], box: Any, exact: np.ndarray[Any, Any], kind: str
) -> None:
    x1, y1, x2, y2 = box
    assert np.abs(result.astype(np.float64) - exact)[y1:y2, x1:x2].max() <= bound(image[y1:y2, x1:x2], kind)
    outside = np.ones(image.shape[:2], bool)
    outside[y1:y2, x1:x2] = False
    np.testing.assert_array_equal(result[outside], image[outside])


@pytest.mark.parametrize("layout", ["HWC", "CHW"])
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("width", "height", "sigma"), [(61, 83, 7.0), (301, 217, 23.0), (640, 480, 80.0), (500, 400, 5.3)]
)
@pytest.mark.parametrize("pixels", [noise, binary])
def test_gaussian(
    torch: Any, pixels: Any, width: int, height: int, sigma: float, dtype: str, border: str, layout: str
) -> None:
    image = pixels((height + 5, width + 7, 3), dtype)
    box = (3, 2, 3 + width, 2 + height)
    tensor = to_torch(torch, image, layout)
    fastblur.gaussian_blur(tensor, [box], sigma, border_mode=border, layout=layout, out=tensor)
    result = (tensor.permute(1, 2, 0) if layout == "CHW" else tensor).cpu().numpy()
    check(image, result, box, reference.gaussian_blur(image, box, sigma, border_mode=border), "auto")


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("width", "height", "sigma", "kernel_size"),
    [(50, 40, 2.0, None), (700, 300, 3.0, None), (333, 222, 60.0, None), (300, 300, 1.0, 31)],
)
def test_direct(
    torch: Any, width: int, height: int, sigma: float, kernel_size: int | None, dtype: str, border: str
) -> None:
    image = noise((height + 5, width + 7, 3), dtype)
    box = (3, 2, 3 + width, 2 + height)
    tensor = to_torch(torch, image)
    options: dict[str, Any] = {"kernel_size": kernel_size, "border_mode": border}
    fastblur.gaussian_blur(tensor, [box], sigma, method="direct", layout="HWC", out=tensor, **options)
    check(image, tensor.cpu().numpy(), box, reference.gaussian_blur(image, box, sigma, **options), "direct")


@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
@pytest.mark.parametrize("feather", [0, 6])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("block", [1, 7, 40, 400])
def test_pixelate(torch: Any, block: int, dtype: str, feather: int, shape: str) -> None:
    image = noise((430, 520, 3), dtype)
    box = (20, 15, 470, 400)
    tensor = to_torch(torch, image)
    fastblur.pixelate(tensor, [box], block, shape=shape, feather=feather, layout="HWC", out=tensor)
    working = (20 - feather, 15 - feather, 470 + feather, 400 + feather)
    exact = reference.pixelate(image, box, block, shape=shape, feather=feather)
    check(image, tensor.cpu().numpy(), working, exact, "direct")


@pytest.mark.parametrize("dtype", DTYPES)
def test_fill(torch: Any, dtype: str) -> None:
    image = noise((200, 301, 3), dtype)
    tensor = to_torch(torch, image)
    fastblur.fill(tensor, [(10, 20, 280, 190)], (1, 2, 250), layout="HWC", out=tensor)
    image[20:190, 10:280] = (1, 2, 250)
    np.testing.assert_array_equal(tensor.cpu().numpy(), image)


def random_boxes(count: int, width: int, height: int, seed: int) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    corner = rng.random((count, 2)) * (width - 200, height - 200)
    return np.concatenate([corner, corner + rng.random((count, 2)) * 190 + 5], axis=1)


def test_overlapping_boxes_are_the_loop(torch: Any) -> None:
    tensor = to_torch(torch, noise((720, 1280, 3), "uint8"))
    boxes = random_boxes(120, 1280, 720, 5)
    sigma = np.random.default_rng(6).choice([0.7, 2.0, 6.0, 18.0], len(boxes))
    together = fastblur.gaussian_blur(tensor, boxes, sigma, layout="HWC")
    for box, s in zip(boxes, sigma, strict=True):
        fastblur.gaussian_blur(tensor, [box], s, layout="HWC", out=tensor)
    assert torch.equal(together, tensor)


def test_same_bits_every_run(torch: Any) -> None:
    tensor = to_torch(torch, noise((720, 1280, 3), "float32"))
    boxes = random_boxes(200, 1280, 720, 7)
    first = fastblur.gaussian_blur(tensor, boxes, 12.0, layout="HWC")
    for _ in range(10):
        assert torch.equal(first, fastblur.gaussian_blur(tensor, boxes, 12.0, layout="HWC"))


def test_ragged_list(torch: Any) -> None:
    shapes = [(375, 500, 3), (333, 500, 3), (500, 401, 3), (64, 64, 3)]
    images = [noise(shape, "uint8", seed) for seed, shape in enumerate(shapes)]
    boxes = [random_boxes(3, max(s[1], 201), max(s[0], 201), i) for i, s in enumerate(shapes)]
    results = fastblur.gaussian_blur([to_torch(torch, i) for i in images], boxes, 0.1, relative=True, layout="HWC")
    for image, rows, result in zip(images, boxes, results, strict=True):
        expected = to_torch(torch, image)
        for row in rows:
            fastblur.gaussian_blur(expected, [row], 0.1, relative=True, layout="HWC", out=expected)
        assert torch.equal(result, expected)


def test_memory_formats_come_back(torch: Any) -> None:
    batch = torch.randint(0, 255, (4, 3, 90, 120), dtype=torch.uint8, device="cuda")
    boxes = [[n, 10, 10, 100, 80] for n in range(4)]
    plain = fastblur.gaussian_blur(batch, boxes, 8.0)
    last = fastblur.gaussian_blur(batch.to(memory_format=torch.channels_last), boxes, 8.0)
    assert plain.is_contiguous()
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(plain, last)
    view = torch.zeros((4, 3, 100, 140), dtype=torch.uint8, device="cuda")[:, :, 5:95, 7:127]
    view.copy_(batch)
    fastblur.gaussian_blur(view, boxes, 8.0, out=view)
    assert torch.equal(view, plain)


def test_requires_grad_is_refused(torch: Any) -> None:
    tensor = torch.zeros((3, 20, 20), device="cuda", requires_grad=True)
    with pytest.raises(TypeError, match="detach"):
        fastblur.gaussian_blur(tensor, [(0, 0, 5, 5)], 2.0)


def test_boxes_on_the_device(torch: Any) -> None:
    tensor = to_torch(torch, noise((300, 400, 3), "uint8"))
    boxes = torch.tensor([[10.0, 20, 150, 180], [200, 50, 390, 290]], device="cuda")
    sigma = torch.tensor([5.0, 9.0], device="cuda")
    got = fastblur.gaussian_blur(tensor, boxes, sigma, layout="HWC")
    assert torch.equal(got, fastblur.gaussian_blur(tensor, boxes.cpu().numpy(), sigma.cpu().numpy(), layout="HWC"))


def test_queued_behind_a_slow_kernel(torch: Any) -> None:
    """A blur on a stream sees what a slow kernel queued before it on that stream writes."""
    source = to_torch(torch, noise((400, 400, 3), "uint8"))
    expected = fastblur.gaussian_blur(source, [(0, 0, 400, 400)], 10.0, layout="HWC")
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        target = torch.zeros_like(source)
        # The allocator's first block for a stream may wait for the device, so it is taken before.
        fastblur.gaussian_blur(target, [(0, 0, 400, 400)], 10.0, layout="HWC", out=target)
        torch.cuda._sleep(200_000_000)
        target.copy_(source)
        fastblur.gaussian_blur(target, [(0, 0, 400, 400)], 10.0, layout="HWC", out=target)
        assert not stream.query(), "the call waited for the stream"
    stream.synchronize()
    assert torch.equal(target, expected)


def test_two_streams(torch: Any) -> None:
    images = [to_torch(torch, noise((500, 700, 3), "uint8", seed)) for seed in range(2)]
    boxes = random_boxes(50, 700, 500, 8)
    expected = [fastblur.gaussian_blur(image, boxes, 9.0, layout="HWC") for image in images]
    torch.cuda.synchronize()
    streams = [torch.cuda.Stream() for _ in images]
    results: list[list[Any]] = [[], []]
    for _ in range(20):
        for i, (image, stream) in enumerate(zip(images, streams, strict=True)):
            with torch.cuda.stream(stream):
                results[i].append(fastblur.gaussian_blur(image, boxes, 9.0, layout="HWC"))
    torch.cuda.synchronize()
    for i in range(2):
        assert all(torch.equal(result, expected[i]) for result in results[i])


def test_second_device(torch: Any) -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("one device only")
    image = to_torch(torch, noise((200, 200, 3), "uint8"))
    expected = fastblur.gaussian_blur(image, [(5, 5, 190, 190)], 9.0, layout="HWC")
    other = fastblur.gaussian_blur(image.to("cuda:1"), [(5, 5, 190, 190)], 9.0, layout="HWC")
    assert other.device.index == 1
    assert torch.cuda.current_device() == 0
    assert torch.equal(other.to("cuda:0"), expected)


def test_cupy(cupy: Any) -> None:
    host = noise((300, 400, 3), "uint8")
    box = (10, 20, 350, 280)
    exact = reference.gaussian_blur(host, box, 20.0)
    with cupy.cuda.Stream(non_blocking=True) as stream:
        image = cupy.asarray(host)
        result = fastblur.gaussian_blur(image, [box], 20.0)
        stream.synchronize()
    assert isinstance(result, cupy.ndarray)
    check(host, result.get(), box, exact, "auto")
    np.testing.assert_array_equal(image.get(), host)
    flipped = cupy.asarray(host)[::-1, ::-1]
    fastblur.gaussian_blur(flipped, [box], 20.0, out=flipped)
    check(host[::-1, ::-1], flipped.get(), box, reference.gaussian_blur(host[::-1, ::-1], box, 20.0), "auto")


def test_numba() -> None:
    cuda = pytest.importorskip("numba.cuda")
    host = noise((300, 400, 3), "uint16")
    box = (10, 20, 350, 280)
    image = cuda.to_device(host)
    result = fastblur.gaussian_blur(image, [box], 20.0)
    check(host, result.copy_to_host(), box, reference.gaussian_blur(host, box, 20.0), "auto")
    np.testing.assert_array_equal(image.copy_to_host(), host)


def test_jax(jax: Any) -> None:
    host = noise((300, 400, 3), "float32")
    box = (10, 20, 350, 280)
    image = jax.device_put(host, jax.devices("gpu")[0])
    result = fastblur.gaussian_blur(image, [box], 20.0)
    assert isinstance(result, jax.Array)
    check(host, np.asarray(result), box, reference.gaussian_blur(host, box, 20.0), "auto")
    np.testing.assert_array_equal(np.asarray(image), host)
    np.testing.assert_array_equal(np.asarray(jax.numpy.sum(result)), np.asarray(jax.numpy.sum(np.asarray(result))))
    with pytest.raises(ValueError, match="read-only"):
        fastblur.gaussian_blur(image, [box], 20.0, out=image)


def test_many_python_threads(torch: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    image = to_torch(torch, noise((300, 400, 3), "uint8"))
    boxes = random_boxes(40, 400, 300, 9)
    expected = fastblur.gaussian_blur(image, boxes, 5.0, layout="HWC")
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: fastblur.gaussian_blur(image, boxes, 5.0, layout="HWC"), range(64)))
    torch.cuda.synchronize()
    assert all(torch.equal(result, expected) for result in results)


def test_cache_serves_a_second_process(torch: Any, tmp_path: Any) -> None:
    script = (
        "import sys, torch, fastblur\n"
        "x = torch.zeros((3, 50, 50), dtype=torch.uint8, device='cuda')\n"
        "fastblur.gaussian_blur(x, [(5, 5, 45, 45)], 6.0, out=x)\n"
        "print('numba' in sys.modules)\n"
    )
    command = [sys.executable, "-c", script]
    import os

    environment = {**os.environ, "FASTBLUR_CACHE_DIR": str(tmp_path)}
    runs = [subprocess.run(command, env=environment, capture_output=True, text=True, check=True) for _ in range(2)]
    assert [run.stdout.strip() for run in runs] == ["True", "False"]


@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "synccheck"])
def test_compute_sanitizer(torch: Any, tool: str) -> None:
    sanitizer = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    if sanitizer is None:
        pytest.skip("compute-sanitizer is not installed")
    from pathlib import Path

    exercise = Path(__file__).with_name("exercise.py")
    options = ["--tool", tool, "--error-exitcode", "9"]
    done = subprocess.run(
        [sanitizer, *options, sys.executable, str(exercise)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
