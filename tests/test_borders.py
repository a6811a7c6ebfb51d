"""Promise: `border_mode` continues the working box, not the image; a kernel longer than the box is folded onto it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from oracle import BORDER_MODES, DTYPES, bits, check, tolerance
from strategies import RANGES, stretch

import fastblur
from fastblur import reference

ndimage = pytest.importorskip("scipy.ndimage")

SCIPY_MODES = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest"}
NUMPY_MODES = {"reflect": "reflect", "symmetric": "symmetric", "replicate": "edge"}


@pytest.mark.parametrize("border_mode", BORDER_MODES)
@pytest.mark.parametrize("method", ["auto", "direct"])
@pytest.mark.parametrize("sigma", [1.0, 4.0, 8.0, 50.0])
def test_same_as_scipy_of_the_crop(sigma: float, method: str, border_mode: str) -> None:
    image = np.random.default_rng(0).random((70, 90)).astype(np.float32)
    blurred = fastblur.gaussian_blur(image, [(7, 9, 80, 61)], sigma, method=method, border_mode=border_mode)
    crop = image[9:61, 7:80].astype(np.float64)
    expected = ndimage.gaussian_filter(crop, sigma, mode=SCIPY_MODES[border_mode])
    assert np.abs(blurred[9:61, 7:80] - expected).max() <= tolerance(method, image)


@pytest.mark.parametrize("border_mode", BORDER_MODES)
@pytest.mark.parametrize("method", ["auto", "direct"])
def test_same_as_padding_by_hand(method: str, border_mode: str) -> None:
    """The box in the middle of a row that was continued with NumPy is blurred as the box alone."""
    image = np.random.default_rng(0).integers(0, 256, (25, 31), dtype=np.uint8)
    padded = np.pad(image, 60, mode=NUMPY_MODES[border_mode])  # type: ignore[call-overload]
    ours = fastblur.gaussian_blur(image, None, 6.0, method=method, border_mode=border_mode)
    theirs = fastblur.gaussian_blur(padded, None, 6.0, method=method, border_mode=border_mode)[60:-60, 60:-60]
    assert np.abs(ours.astype(int) - theirs).max() <= (2 if method == "auto" else 1)


def test_the_default_is_reflect() -> None:
    image = np.random.default_rng(0).integers(0, 256, (25, 31), dtype=np.uint8)
    for sigma in (1.0, 9.0):
        default = fastblur.gaussian_blur(image, None, sigma)
        assert bits(default) == bits(fastblur.gaussian_blur(image, None, sigma, border_mode="reflect"))
        assert bits(default) != bits(fastblur.gaussian_blur(image, None, sigma, border_mode="symmetric"))


def test_the_border_is_of_the_working_box_with_its_feather_and_clip() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    for border_mode in BORDER_MODES:
        for kind in ("auto", "direct"):
            for box in [(-9, -9, 30, 20), (20, 20, 99, 99), (0, 0, 50, 40)]:
                check(kind, image, box, 7, border_mode=border_mode, margin=2, feather=3)


def limit(pixels: npt.NDArray[np.float64], border_mode: str) -> npt.NDArray[np.float64]:
    """The value of every pixel of (n, m) for sigma without limit: equal weights, over the continued rows."""

    def weights(n: int) -> npt.NDArray[np.float64]:
        if border_mode == "symmetric" or n == 1:
            return np.full(n, 1 / n)
        ends = np.zeros(n)
        ends[[0, -1]] = 0.5
        return ends if border_mode == "replicate" else (1 - ends) / (n - 1)

    return np.full_like(pixels, weights(pixels.shape[0]) @ pixels @ weights(pixels.shape[1]))


@pytest.mark.parametrize("border_mode", BORDER_MODES)
@pytest.mark.parametrize("kind", ["auto", "direct"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sigma", [1e7, 1e9, 1e15, 1e300])
def test_sigma_without_limit(sigma: float, dtype: str, kind: str, border_mode: str) -> None:
    """Far beyond what the reference can sum term by term the answer is known: every pixel weighs the same."""
    rng = np.random.default_rng(0)
    for shape in [(1, 1), (1, 9), (8, 1), (2, 2), (31, 48)]:
        image = stretch(rng.random(shape), dtype, *RANGES[dtype][0])
        result = fastblur.gaussian_blur(image, None, sigma, method=kind, border_mode=border_mode)
        error = np.abs(result.astype(np.float64) - limit(image.astype(np.float64), border_mode)).max()
        assert error <= tolerance(kind, image) + 1e-6 * (RANGES[dtype][0][1] - RANGES[dtype][0][0])


@pytest.mark.parametrize("border_mode", BORDER_MODES)
@pytest.mark.parametrize("sigma", [1e8, 1e9, 1e12, 1e300])
@pytest.mark.parametrize("kernel_size", [10**8 + 1, 10**9 + 1, 2**53 + 1, 2**61 + 1])
def test_sigma_and_kernel_size_without_limit(kernel_size: int, sigma: float, border_mode: str) -> None:
    """Cut anywhere: the number of weights must not be what it costs."""
    image = np.random.default_rng(0).random((31, 48)).astype(np.float32)
    result = fastblur.gaussian_blur(image, None, sigma, kernel_size=kernel_size, border_mode=border_mode)
    assert np.abs(result - limit(image.astype(np.float64), border_mode)).max() <= 1e-5


@pytest.mark.parametrize("border_mode", BORDER_MODES)
@pytest.mark.parametrize("kind", ["auto", "direct"])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 21])
def test_sigma_far_beyond_the_box(n: int, kind: str, border_mode: str) -> None:
    image = np.random.default_rng(n).integers(0, 2, (n, 2 * n)).astype(np.float32)
    for sigma in (n / 2, n * 3.0, n * 50.0, 2000.0):
        check(kind, image, (0, 0, 2 * n, n), sigma, border_mode=border_mode)


@pytest.mark.parametrize("sigma", [1e-300, 5e-324, 1e-10, 0.01])
def test_sigma_near_zero_changes_nothing(sigma: float) -> None:
    image = np.random.default_rng(0).random((20, 30, 3)).astype(np.float32)
    for method in ("auto", "direct"):
        np.testing.assert_allclose(fastblur.gaussian_blur(image, None, sigma, method=method), image, rtol=0, atol=4e-6)
    assert reference.gaussian_kernel(sigma, 5).tolist() == [0, 0, 1, 0, 0]
    np.testing.assert_allclose(fastblur.gaussian_blur(image, None, sigma, kernel_size=5), image, rtol=0, atol=4e-6)
