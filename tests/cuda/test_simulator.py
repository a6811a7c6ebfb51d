"""The kernels, run in Numba's simulator, against the float64 reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from simulated import HostArray, set_sizes

import fastblur
from fastblur import reference

pytestmark = [pytest.mark.simulator, pytest.mark.usefixtures("simulated")]

DTYPES = ("uint8", "uint16", "float16", "float32")
BORDERS = ("reflect", "symmetric", "replicate")
KINDS = [
    ("uint8", "reflect"),
    ("uint16", "symmetric"),
    ("float16", "replicate"),
    ("float32", "reflect"),
    ("float32", "replicate"),
]
Noise = Callable[..., np.ndarray[Any, Any]]


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


def check(
    image: np.ndarray[Any, Any], result: np.ndarray[Any, Any], box: Any, exact: np.ndarray[Any, Any], kind: str
) -> None:
    x1, y1, x2, y2 = box
    error = np.abs(result.astype(np.float64) - exact)[y1:y2, x1:x2].max()
    assert error <= bound(image[y1:y2, x1:x2], kind)
    outside = np.ones(image.shape[:2], bool)
    outside[y1:y2, x1:x2] = False
    np.testing.assert_array_equal(result[outside], image[outside])


def in_place(
    image: np.ndarray[Any, Any], function: Callable[..., Any], *args: Any, **options: Any
) -> np.ndarray[Any, Any]:
    held = HostArray(np.array(image, order="K"))
    function(held, *args, out=held, **options)
    return held.array


@pytest.mark.parametrize(("dtype", "border"), KINDS)
@pytest.mark.parametrize(("size", "sigma"), [((13, 11), 0.7), ((26, 31), 5.5), ((19, 37), 40.0), ((1, 7), 3.0)])
def test_small_boxes(noise: Noise, size: tuple[int, int], sigma: float, dtype: str, border: str) -> None:
    height, width = size
    image = noise((height + 3, width + 4, 3), dtype)
    box = (1, 2, 1 + width, 2 + height)
    result = in_place(image, fastblur.gaussian_blur, [box], sigma, border_mode=border)
    check(image, result, box, reference.gaussian_blur(image, box, sigma, border_mode=border), "auto")


@pytest.mark.usefixtures("tiled")
@pytest.mark.parametrize(("dtype", "border"), KINDS)
@pytest.mark.parametrize(("size", "sigma"), [((13, 11), 0.7), ((70, 31), 5.5), ((19, 37), 40.0)])
def test_large_boxes(noise: Noise, size: tuple[int, int], sigma: float, dtype: str, border: str) -> None:
    height, width = size
    image = noise((height + 3, width + 4, 3), dtype)
    box = (1, 2, 1 + width, 2 + height)
    result = in_place(image, fastblur.gaussian_blur, [box], sigma, border_mode=border)
    check(image, result, box, reference.gaussian_blur(image, box, sigma, border_mode=border), "auto")


@pytest.mark.parametrize("path", ["small", "large"])
@pytest.mark.parametrize(("dtype", "border"), KINDS)
@pytest.mark.parametrize(("sigma", "kernel_size"), [(2.0, None), (30.0, None), (1.3, 9), (0.4, 61)])
def test_direct(
    noise: Noise,
    sigma: float,
    kernel_size: int | None,
    dtype: str,
    border: str,
    path: str,
    request: pytest.FixtureRequest,
) -> None:
    if path == "large":
        request.getfixturevalue("tiled")
    image = noise((17, 14, 2), dtype)
    box = (2, 1, 13, 16)
    result = in_place(
        image, fastblur.gaussian_blur, [box], sigma, kernel_size=kernel_size, method="direct", border_mode=border
    )
    exact = reference.gaussian_blur(image, box, sigma, kernel_size=kernel_size, border_mode=border)
    check(image, result, box, exact, "direct")


@pytest.mark.usefixtures("tiled")
@pytest.mark.parametrize("sigma", [40.0, 90.0])
def test_direct_rows_longer_than_a_tile(noise: Noise, sigma: float) -> None:
    """Several tiles, and for each several pieces of the continued row, which pass through the same shared memory."""
    image = noise((2, 300), "float32")
    result = in_place(image, fastblur.gaussian_blur, [(0, 0, 300, 2)], sigma, method="direct")
    check(image, result, (0, 0, 300, 2), reference.gaussian_blur(image, (0, 0, 300, 2), sigma), "direct")


@pytest.mark.parametrize("method", ["auto", "direct"])
def test_absurd_sigma_is_the_mean_of_the_continued_row(noise: Noise, method: str) -> None:
    """A kernel of 8e9 taps, folded without touching each of them."""
    image = noise((7, 9), "float32")
    whole = image.astype(np.float64)
    means = {
        "reflect": np.pad(whole, ((0, 5), (0, 7)), "reflect").mean(),
        "symmetric": whole.mean(),
        "replicate": whole[[0, 0, -1, -1], [0, -1, 0, -1]].mean(),
    }
    for border, mean in means.items():
        result = in_place(image, fastblur.gaussian_blur, [(0, 0, 9, 7)], 1e9, method=method, border_mode=border)
        np.testing.assert_allclose(result, mean, atol=4e-6 * np.ptp(image) + 1e-6)


@pytest.mark.parametrize("path", ["small", "large"])
@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
@pytest.mark.parametrize("feather", [0, 2.5])
@pytest.mark.parametrize(
    ("operation", "dtype"), [("blur", "uint8"), ("spline", "float32"), ("pixelate", "uint8"), ("fill", "float16")]
)
def test_shapes_and_feathers(
    noise: Noise, dtype: str, operation: str, feather: float, shape: str, path: str, request: pytest.FixtureRequest
) -> None:
    if path == "large":
        request.getfixturevalue("tiled")
    image = noise((24, 27, 3), dtype)
    box = (4, 5, 24, 19)
    options: dict[str, Any] = {"shape": shape, "feather": feather}
    name, argument = {
        "blur": ("gaussian_blur", 1.2),
        "spline": ("gaussian_blur", 6.0),
        "pixelate": ("pixelate", 4),
        "fill": ("fill", 7),
    }[operation]
    result = in_place(image, getattr(fastblur, name), [box], argument, **options)
    exact = getattr(reference, name)(image, box, argument, **options)
    f = int(np.ceil(feather))
    working = (max(4 - f, 0), max(5 - f, 0), min(24 + f, 27), min(19 + f, 24))
    check(image, result, working, exact, "auto" if operation in ("blur", "spline") else "direct")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("size", "block"), [((4, 5), 1), ((20, 23), 7), ((20, 23), 50), ((9, 40), 6.2)])
@pytest.mark.parametrize("path", ["small", "large"])
def test_pixelate(
    noise: Noise, size: tuple[int, int], block: float, dtype: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path == "large":
        set_sizes(monkeypatch, threads=32, largest=0)
    height, width = size
    image = noise((height + 2, width + 2, 3), dtype)
    box = (1, 1, 1 + width, 1 + height)
    result = in_place(image, fastblur.pixelate, [box], block)
    check(image, result, box, reference.pixelate(image, box, block), "direct")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [3, (1, 2, 250)])
def test_fill(noise: Noise, value: Any, dtype: str) -> None:
    image = noise((20, 23, 3), dtype)
    result = in_place(image, fastblur.fill, [(3, 1, 20, 19)], value)
    expected = image.copy()
    expected[1:19, 3:20] = value
    np.testing.assert_array_equal(result, expected)


LAYOUTS = {
    "HW": lambda a: a[0, :, :, 0],
    "HWC": lambda a: a[0],
    "CHW": lambda a: np.moveaxis(a[0], -1, 0),
    "NHW": lambda a: a[..., 0],
    "NHWC": lambda a: a,
    "NCHW": lambda a: np.moveaxis(a, -1, 1),
}


@pytest.mark.parametrize("storage", ["C", "F", "flipped", "cropped", "odd"])
@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize(("dtype", "sigma"), [("uint8", 6.0), ("float16", 1.1)])
def test_layouts_and_strides(noise: Noise, sigma: float, dtype: str, layout: str, storage: str) -> None:
    images = noise((2, 21, 18, 3), dtype)
    array = LAYOUTS[layout](images)
    axes = (array.ndim - 2, array.ndim - 1) if layout[-1] == "W" else (array.ndim - 3, array.ndim - 2)
    if storage == "C":
        view = np.array(array, order="C")
    elif storage == "F":
        view = np.array(array, order="F")
    elif storage == "flipped":
        view = np.flip(np.array(np.flip(array, axes), order="C"), axes)
    else:
        wide = [(0, 0)] * array.ndim
        wide[axes[0]], wide[axes[1]] = (2, 1), ((1, 3) if storage == "odd" else (4, 4))
        padded = np.pad(array, wide)
        view = padded[tuple(slice(before, before + n) for (before, _), n in zip(wide, array.shape, strict=True))]
    held = HostArray(view)
    boxes = [[n, 2, 1, 17, 20] for n in range(2 if layout[0] == "N" else 1)]
    fastblur.gaussian_blur(held, boxes, sigma, layout=layout, out=held)
    whole = np.array(images)
    for n, *box in boxes:
        whole[n] = in_place(images[n], fastblur.gaussian_blur, [box], sigma)
    np.testing.assert_array_equal(view, LAYOUTS[layout](whole))


def test_overlaps_are_the_loop(noise: Noise) -> None:
    image = noise((40, 44, 3), "uint8")
    rng = np.random.default_rng(3)
    corners = rng.integers(0, 25, (9, 2))
    boxes = np.concatenate([corners, corners + rng.integers(3, 16, (9, 2))], axis=1)
    sigma = rng.choice([0.8, 2.5, 6.0], 9)
    together = in_place(image, fastblur.gaussian_blur, boxes, sigma)
    one_by_one = image
    for box, s in zip(boxes, sigma, strict=True):
        one_by_one = in_place(one_by_one, fastblur.gaussian_blur, [box], s)
    np.testing.assert_array_equal(together, one_by_one)


def test_ragged_batch_of_mixed_kinds(noise: Noise) -> None:
    images = [noise((20, 30, 3), "uint8"), noise((33, 14), "float32"), noise((12, 12, 4), "uint8")[:, :, :3]]
    boxes = [[[2, 2, 28, 19]], [[0, 0, 14, 33], [3, 3, 9, 9]], [[1, 1, 12, 12]]]
    held = [HostArray(np.array(image, order="K") if i < 2 else image) for i, image in enumerate(images)]
    expected = []
    for image, rows in zip(images, boxes, strict=True):
        result = image
        for row in rows:
            result = in_place(result, fastblur.gaussian_blur, [row], 5.5)
        expected.append(result)
    held[1] = HostArray(held[1].array[:, :, None])
    fastblur.gaussian_blur(held, boxes, 5.5, out=held)
    held[1] = HostArray(held[1].array[:, :, 0])
    for got, want in zip(held, expected, strict=True):
        np.testing.assert_array_equal(got.array, want)


@pytest.mark.parametrize("path", ["small", "large"])
@pytest.mark.parametrize(
    ("dtype", "sigma"), [("uint8", 7.0), ("uint16", 3.0), ("float16", 0.9), ("float32", 300.0), ("float32", 7.0)]
)
def test_constants_stay(sigma: float, dtype: str, path: str, request: pytest.FixtureRequest) -> None:
    if path == "large":
        request.getfixturevalue("tiled")
    image = np.full((22, 25), 0.1 if dtype.startswith("float") else 201, dtype)
    for border in BORDERS:
        np.testing.assert_array_equal(
            in_place(image, fastblur.gaussian_blur, [(1, 2, 24, 22)], sigma, border_mode=border), image
        )


def test_non_finite_pixels_stay_in_their_box(noise: Noise) -> None:
    image = noise((30, 30), "float32")
    image[10, 12] = np.nan
    result = in_place(image, fastblur.gaussian_blur, [(5, 5, 20, 20), (22, 22, 30, 30)], 4.0)
    assert np.isfinite(result[22:, 22:]).all()
    outside = np.ones(image.shape, bool)
    outside[5:20, 5:20] = False
    assert np.isfinite(result[outside]).all()


def test_new_arrays_leave_the_input(noise: Noise) -> None:
    image = noise((20, 20, 3), "uint8")
    held = HostArray(image.copy())
    result = fastblur.gaussian_blur(held, [(2, 2, 15, 15)], 3.0)
    np.testing.assert_array_equal(held.array, image)
    np.testing.assert_array_equal(result.array, in_place(image, fastblur.gaussian_blur, [(2, 2, 15, 15)], 3.0))


def test_separate_out_is_copied_by_a_kernel(noise: Noise) -> None:
    image = noise((20, 37, 3), "uint16")
    target = HostArray(np.zeros((37, 3, 20), np.uint16).transpose(2, 0, 1)[:, ::-1])
    returned = fastblur.gaussian_blur(HostArray(image), [(2, 2, 15, 15)], 3.0, out=target)
    assert returned is target
    np.testing.assert_array_equal(target.array, in_place(image, fastblur.gaussian_blur, [(2, 2, 15, 15)], 3.0))


def test_boxes_on_the_device(noise: Noise) -> None:
    image = noise((20, 20, 3), "uint8")
    boxes = np.array([[2.0, 2.0, 15.0, 15.0]], np.float32)
    held = HostArray(image.copy())
    fastblur.gaussian_blur(held, HostArray(boxes), HostArray(np.array([3.0])), out=held)
    np.testing.assert_array_equal(held.array, in_place(image, fastblur.gaussian_blur, boxes, 3.0))


def test_chunks_share_scratch(noise: Noise, monkeypatch: pytest.MonkeyPatch) -> None:
    set_sizes(monkeypatch, threads=32, shared_limit=0)
    image = noise((40, 40), "uint8")
    boxes = [(0, 0, 20, 20), (20, 0, 40, 20), (0, 20, 20, 40), (20, 20, 40, 40)]
    whole = in_place(image, fastblur.gaussian_blur, boxes, [6.0, 6.0, 2.0, 2.0])
    set_sizes(monkeypatch, threads=32, shared_limit=0, scratch_limit=1)
    np.testing.assert_array_equal(in_place(image, fastblur.gaussian_blur, boxes, [6.0, 6.0, 2.0, 2.0]), whole)
