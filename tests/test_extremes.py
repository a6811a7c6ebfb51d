"""Promise: absurd sizes neither crash, nor overflow, nor take for ever."""

from __future__ import annotations

import sys
from typing import Any, Literal

import numpy as np
import pytest
from oracle import BORDER_MODES, DTYPES, KINDS, assert_close, bits, call, check, exact, tolerance
from strategies import RANGES, stretch

import fastblur
from fastblur import reference

STRENGTHS: dict[str, tuple[Any, ...]] = {
    "auto": (1.5, 30.0, 5000.0),
    "direct": (1.5, 30.0),
    "kernel_size": (5, 101),
    "pixelate": (7, 1e5),
    "fill": (7,),
}


@pytest.mark.parametrize("shape", [(3, 40_000), (40_000, 3)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_very_long_images(dtype: str, kind: str, shape: tuple[int, int]) -> None:
    """Too long for the reference's matrices: there, the ends are held to what the first and last 600 pixels give."""
    image = stretch(np.random.default_rng(0).random(shape), dtype, *RANGES[dtype][0])
    along = int(np.argmax(shape))
    for strength in STRENGTHS[kind]:
        result = call(kind, image, None, strength)
        assert result.shape == shape
        assert np.isfinite(result).all()
        if kind in ("pixelate", "fill"):
            whole = (0, 0, shape[1], shape[0])
            assert_close(kind, result, image, exact(kind, image, whole, strength), whole)
        elif strength <= 101:
            for turn in (np.asarray, lambda a: np.flip(a, along)):
                part = np.moveaxis(turn(image), along, 0)[:600]
                answer = exact(kind, part, (0, 0, 3, 600), strength)[:200]
                error = np.abs(np.moveaxis(turn(result), along, 0)[:200] - answer)
                assert error.max() <= tolerance(kind, image)


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_box_far_to_the_right(kind: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 40_000, 3), dtype=np.uint8)
    result = call(kind, image, [(39_900.5, 3, 39_990, 50)], 9)
    crop = call(kind, np.ascontiguousarray(image[:, 39_800:]), [(100.5, 3, 190, 50)], 9)
    assert bits(result[:, 39_800:]) == bits(crop)
    assert bits(result[:, :39_800]) == bits(image[:, :39_800])


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_thousand_boxes(kind: str) -> None:
    """Random ones, so nearly all overlap thousands of others; equal to ten calls of ten thousand."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (400, 600), dtype=np.uint8)
    corners = rng.uniform(-5, 600, (100_000, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0, 9, (100_000, 2))], axis=1)
    together = call(kind, image, boxes, 3)
    parts = image
    for part in np.split(boxes, 10):
        parts = call(kind, parts, part, 3)
    assert bits(together) == bits(parts)


def test_a_hundred_thousand_times_the_same_box() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 20), dtype=np.uint8)
    boxes = np.tile([2.0, 3.0, 14.0, 12.0], (100_000, 1))
    result = fastblur.gaussian_blur(image, boxes, 2)
    assert np.ptp(result[3:12, 2:14]) <= 2
    result = fastblur.fill(image, boxes, 5)
    assert bits(result) == bits(fastblur.fill(image, boxes[:1], 5))


def test_ten_thousand_images() -> None:
    images = [np.full((1 + i % 5, 1 + i % 7), i % 256, np.uint8) for i in range(10_000)]
    results = fastblur.gaussian_blur(images, None, 3)
    assert all(bits(a) == bits(b) for a, b in zip(images, results, strict=True))


@pytest.mark.parametrize("far", [1e9, 2.0**31, 2.0**32, 2.0**53, 2.0**63, 1e19, 1e300, 1.7e308])
@pytest.mark.parametrize("kind", KINDS)
def test_boxes_far_away(kind: str, far: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    whole = call(kind, image, None, 7)
    for box in [(-far, -far, far, far), (0, -far, far, 30), (-far, 0, 40, far)]:
        for options in ({}, {"margin": 3}):
            assert bits(call(kind, image, [box], 7, **options)) == bits(whole)
    for box in [(far, 0, far, 30), (-far, 0, -far / 2, 30), (far / 2, 0, far, 30), (0, far / 2, 9, far)]:
        assert bits(call(kind, image, [box], 7, feather=2)) == bits(image)
    assert bits(call(kind, image, [(-far, -far, far, far)], 7, feather=9.5)) == bits(whole)


@pytest.mark.parametrize("far", [1e9, 2.0**31, 2.0**53, 1e19, 1e150, 1e300])
def test_ellipses_far_larger_than_the_image(far: float) -> None:
    """The image is inside the ellipse, or on its rim, where only the reference can say."""
    image = np.zeros((30, 40), np.uint8)
    assert (fastblur.fill(image, [(-far, -far, far, far)], 9, shape="ellipse") == 9).all()
    for feather in (0, 5):
        check("fill", image, (0, -far, far, far), 9, shape="ellipse", feather=feather)
        check("fill", image, (-far, -far, 40, far), 9, shape="ellipse", feather=feather)


@pytest.mark.parametrize("huge", [1e6, 1e9, 2.0**31, 2.0**32 + 1, 1e12, 2.0**63, 1e19, 1e300])
@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
def test_huge_margins_and_feathers(shape: str, huge: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 40), dtype=np.uint8)
    box = (10, 10, 20, 22)
    for kind in ("auto", "direct", "pixelate"):
        check(kind, image, box, 3, margin=huge, shape=shape)
    check("auto", image, box, 3, feather=huge, shape=shape)
    check("fill", image, box, 200, feather=huge, shape=shape)
    check("fill", image, box, 200, feather=huge, margin=huge, shape=shape)


@pytest.mark.parametrize("border_mode", BORDER_MODES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel_size", [100_001, 2**31 - 1, 2**31 + 1, 2**32 + 1, 2**53 + 1, 2**62 - 1])
def test_huge_kernel_sizes(kernel_size: int, dtype: str, border_mode: str) -> None:
    """A kernel much wider than 4 sigma is the plain Gaussian: the rest of its weights is nothing."""
    image = stretch(np.random.default_rng(0).random((30, 40)), dtype, *RANGES[dtype][0])
    result = fastblur.gaussian_blur(image, None, 5.0, kernel_size=kernel_size, border_mode=border_mode)
    answer = reference.gaussian_blur(image, (0, 0, 40, 30), 5.0, kernel_size=401, border_mode=border_mode)
    assert_close("direct", result, image, answer, (0, 0, 40, 30))


@pytest.mark.parametrize("kernel_size", [2**62 + 1, 2**63 - 1, 2**64 + 1, 10**30 + 1])
def test_the_largest_kernel_size_is_named(kernel_size: int) -> None:
    with pytest.raises(ValueError, match=r"kernel_size is .*2\*\*62"):
        fastblur.gaussian_blur(np.zeros((9, 9), np.uint8), None, 5.0, kernel_size=kernel_size)


def test_a_huge_kernel_size_alone() -> None:
    """sigma grows with it: in the limit every pixel weighs the same."""
    image = np.random.default_rng(0).random((30, 40)).astype(np.float32)
    for kernel_size in (10**9 + 1, 2**53 + 1):
        result = fastblur.gaussian_blur(image, None, kernel_size=kernel_size, border_mode="symmetric")
        np.testing.assert_allclose(result, image.mean(dtype=np.float64), atol=1e-5)


@pytest.mark.parametrize("method", ["auto", "direct"])
def test_sigma_far_beyond_a_large_image(method: str) -> None:
    """The cost and the memory depend on the box."""
    image = np.random.default_rng(0).integers(0, 256, (300, 400), dtype=np.uint8)
    for sigma in (1e5, 1e9, 1e300):
        result = fastblur.gaussian_blur(image, None, sigma, method=method, border_mode="symmetric")
        assert np.abs(result - image.mean()).max() <= (1.5 if method == "auto" else 0.51)


def test_strides_beyond_32_bits() -> None:
    """A view whose rows are a gigabyte apart, of memory that is reserved and never touched elsewhere."""
    if sys.maxsize < 2**32:
        pytest.skip("needs 64-bit addresses")
    rows, apart = 5, 2**30
    base = np.zeros(rows * apart, np.uint8)  # calloc: only the pages that are written exist
    view = np.lib.stride_tricks.as_strided(base, (rows, 60), (apart, 1))
    image = np.random.default_rng(0).integers(0, 256, (rows, 60), dtype=np.uint8)
    view[...] = image
    for kind in KINDS:
        assert bits(call(kind, view, None, 3)) == bits(call(kind, image, None, 3))
    fastblur.gaussian_blur(view[::-1], None, 3, out=view[::-1])
    assert bits(view[::-1]) == bits(fastblur.gaussian_blur(image[::-1], None, 3))


def test_an_image_beyond_2_gigabytes_by_index() -> None:
    """The last box of an image with more than 2^31 bytes, in place; the pages in between are never touched."""
    if sys.maxsize < 2**32:
        pytest.skip("needs 64-bit addresses")
    image = np.zeros((70_000, 40_000), np.uint8)
    patch = np.random.default_rng(0).integers(0, 256, (50, 60), dtype=np.uint8)
    image[-50:, -60:] = patch
    fastblur.gaussian_blur(image, [(39_940, 69_950, 40_000, 70_000)], 5, out=image)
    assert bits(image[-50:, -60:]) == bits(fastblur.gaussian_blur(patch, None, 5))


@pytest.mark.parametrize("method", ["auto", "direct"])
@pytest.mark.parametrize("sigma", [0.5, 1.0, 4.0, 30.0])
def test_the_largest_floats_do_not_overflow_wherever_they_stand(
    sigma: float, method: Literal["auto", "direct"]
) -> None:
    behind_a_small_one = np.full((40, 40), 1.8e38, np.float32)
    behind_a_small_one[0, 0] = 0
    rng = np.random.default_rng(0)
    both_signs = np.where(rng.random((60, 50)) < 0.5, np.float32(3.4e38), np.float32(-3.4e38))
    for image in (behind_a_small_one, both_signs):
        assert np.isfinite(fastblur.gaussian_blur(image, None, sigma, method=method)).all()
        assert np.isfinite(fastblur.gaussian_blur(image, None, sigma, method=method, shape="ellipse", feather=3)).all()
        assert np.isfinite(fastblur.pixelate(image, None, 3, shape="ellipse", feather=3)).all()
        assert np.isfinite(fastblur.fill(image, [(9, 9, 30, 30)], -3e38, shape="ellipse", feather=3)).all()


def test_a_large_value_fills_a_tiny_image() -> None:
    result = fastblur.fill(np.zeros((20, 20), np.float32), [(3, 3, 15, 15)], 3e20, shape="ellipse")
    assert result[9, 9] == np.float32(3e20)
    assert set(result.ravel().tolist()) == {0.0, float(np.float32(3e20))}


def test_a_large_value_of_one_channel_fills_a_tiny_image() -> None:
    for value in [(0, 1, 3e20), (3e20, 0, 1e-39)]:
        for layout, axis in (("HWC", 2), ("CHW", 0)):
            image = np.zeros([3 if position == axis else 20 for position in range(3)], np.float32)
            result = fastblur.fill(image, [(3, 3, 15, 15)], value, shape="ellipse", layout=layout)
            np.testing.assert_array_equal(np.moveaxis(result, axis, 2)[9, 9], np.array(value, np.float32))
