"""Promise: `kernel_size` truncates the Gaussian at (k - 1) / 2, and alone it also says sigma."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import BORDER_MODES, DTYPES, assert_close
from strategies import RANGES, Case, cases, stretch

import fastblur
from fastblur import reference


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_with_sigma(dtype: str, data: st.DataObject) -> None:
    """The direct filter, whatever the method: also where the truncation is so short that it is nearly a box filter."""
    case: Case = data.draw(cases(dtype, largest=120))
    method = data.draw(st.sampled_from(["auto", "direct"]))
    options = {"kernel_size": case.kernel_size, "border_mode": case.border_mode}
    height, width = case.image.shape[:2]
    result = fastblur.gaussian_blur(case.image, None, case.sigma, method=method, **options)
    exact = reference.gaussian_blur(case.image, (0, 0, width, height), case.sigma, **options)
    assert_close("direct", result, case.image, exact, (0, 0, width, height))


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7, 9, 11, 31])
def test_alone_says_sigma_by_the_formula(kernel_size: int) -> None:
    """Not OpenCV's tables for k <= 9."""
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    sigma = 0.3 * ((kernel_size - 1) / 2 - 1) + 0.8
    alone = fastblur.gaussian_blur(image, None, kernel_size=kernel_size)
    both = fastblur.gaussian_blur(image, None, sigma, kernel_size=kernel_size)
    np.testing.assert_array_equal(alone, both)


def test_the_formula_by_hand() -> None:
    """k = 3: sigma 0.8, a side weight of exp(-0.78125) / (1 + 2 exp(-0.78125)) = 0.23899."""
    impulse = np.zeros((1, 9), np.float32)
    impulse[0, 4] = 1
    blurred = fastblur.gaussian_blur(impulse, None, kernel_size=3)
    np.testing.assert_allclose(blurred[0, 3:6], [0.23899, 0.52201, 0.23899], atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_of_one_changes_no_level(dtype: str) -> None:
    image = stretch(np.random.default_rng(0).random((20, 30, 2)), dtype, *RANGES[dtype][0])
    for sigma in (None, 50.0):
        result = fastblur.gaussian_blur(image, None, sigma, kernel_size=1)
        assert_close("direct", result, image, image.astype(np.float64), (0, 0, 30, 20))
        if image.dtype.kind == "u":
            np.testing.assert_array_equal(result, image)


@pytest.mark.parametrize("border_mode", BORDER_MODES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_longer_than_the_box_is_folded(dtype: str, border_mode: str) -> None:
    image = stretch(np.random.default_rng(4).integers(0, 2, (5, 9)).astype(float), dtype, *RANGES[dtype][0])
    for sigma, kernel_size in [(0.3, 101), (3.0, 101), (200.0, 77), (1e6, 301)]:
        result = fastblur.gaussian_blur(image, None, sigma, kernel_size=kernel_size, border_mode=border_mode)
        exact = reference.gaussian_blur(image, (0, 0, 9, 5), sigma, kernel_size=kernel_size, border_mode=border_mode)
        assert_close("direct", result, image, exact, (0, 0, 9, 5))


@pytest.mark.parametrize("border_mode", BORDER_MODES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_wide_gaussians_cut_anywhere(dtype: str, border_mode: str) -> None:
    """Where the fold is nearly uniform: how nearly depends on where the kernel is cut."""
    image = stretch(np.random.default_rng(4).integers(0, 2, (5, 9)).astype(float), dtype, *RANGES[dtype][0])
    for sigma in (60.0, 512.0, 1100.0, 4000.0):
        for cut in (0.01, 0.5, 1.0, 2.0, 3.0, 3.39, 3.45, 3.8, 4.0, 5.0, 8.0):
            kernel_size = 2 * int(cut * sigma) + 1
            result = fastblur.gaussian_blur(image, None, sigma, kernel_size=kernel_size, border_mode=border_mode)
            exact = reference.gaussian_blur(
                image, (0, 0, 9, 5), sigma, kernel_size=kernel_size, border_mode=border_mode
            )
            assert_close("direct", result, image, exact, (0, 0, 9, 5))


def test_one_per_box() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 90), dtype=np.uint8)
    boxes = [(0, 0, 30, 40), (30, 0, 60, 40), (60, 0, 90, 40)]
    for kernel_sizes in ([3, 9, 21], (3, 9, 21), np.array([3, 9, 21]), np.array([3, 9, 21], np.uint8)):
        together = fastblur.gaussian_blur(image, boxes, [1.0, 2.0, 3.0], kernel_size=kernel_sizes)
        looped = image
        for box, sigma, kernel_size in zip(boxes, [1.0, 2.0, 3.0], [3, 9, 21], strict=True):
            looped = fastblur.gaussian_blur(looped, [box], sigma, kernel_size=kernel_size)
        np.testing.assert_array_equal(together, looped)


def test_relative_leaves_it_in_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    relative = fastblur.gaussian_blur(image, None, 0.1, kernel_size=9, relative=True)
    np.testing.assert_array_equal(relative, fastblur.gaussian_blur(image, None, 4.0, kernel_size=9))
