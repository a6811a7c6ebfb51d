"""Promise: a Gaussian blur of one box keeps the error bounds, for any input whatever."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import BORDER_MODES, DTYPES, GAUSSIANS, assert_close, check, exact, tolerance
from strategies import PATTERNS, RANGES, Case, cases, sigmas, stretch

import fastblur
from fastblur import reference

Float64 = npt.NDArray[np.float64]


@pytest.mark.parametrize("kind", GAUSSIANS)
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_any_box_of_any_image(dtype: str, kind: str, data: st.DataObject) -> None:
    case: Case = data.draw(cases(dtype))
    check(kind, case.image, case.box, case.strength(kind), **case.options(kind))


@pytest.mark.parametrize("border_mode", BORDER_MODES)
@pytest.mark.parametrize("kind", ["auto", "direct"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sigma", [0.7, 2.0, 4.3, 6.1, 13.0, 40.0])
def test_gratings_of_every_period(dtype: str, kind: str, sigma: float, border_mode: str) -> None:
    """All 63 in one call: across, along, and chequered, in turn."""
    y, x = np.indices((45, 97))
    waves = []
    for period in range(2, 65):
        position = (x, y * 2 + x, x + y // period % 2 * (period // 2))[period % 3]
        waves.append(position % period * 2 >= period)
    low, high = RANGES[dtype][0]
    gratings = stretch(np.array(waves, np.float64), dtype, low, high)
    method = {"auto": "auto", "direct": "direct"}[kind]
    results = fastblur.gaussian_blur(gratings, None, sigma, layout="NHW", method=method, border_mode=border_mode)
    whole = (0, 0, 97, 45)
    for image, result in zip(gratings, results, strict=True):
        assert_close(kind, result, image, exact(kind, image, whole, sigma, border_mode=border_mode), whole)


@pytest.mark.parametrize("border_mode", BORDER_MODES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.__name__)
def test_every_pattern_in_every_range(pattern: Any, dtype: str, border_mode: str) -> None:
    rng = np.random.default_rng(7)
    for low, high in RANGES[dtype]:
        sizes = [(1, 1), (1, 2), (2, 1), (3, 200), (33, 64)] + [(150, 151)] * ((low, high) == RANGES[dtype][0])
        for height, width in sizes:
            image = stretch(pattern((height, width, 3), rng), dtype, low, high)
            for sigma in (0.4, 3.9, 4.8, 25.0, 500.0):
                for kind in ("auto", "direct"):
                    check(kind, image, (0, 0, width, height), sigma, border_mode=border_mode)


@pytest.mark.parametrize("border_mode", BORDER_MODES)
@pytest.mark.parametrize("kind", ["auto", "direct"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tiny_boxes(dtype: str, kind: str, border_mode: str) -> None:
    """Every size from 1x1 to 9x9, all in one ragged call for each sigma: the borders are all there is."""
    rng = np.random.default_rng(3)
    sizes = [(height, width) for height in range(1, 10) for width in range(1, 10)]
    low, high = RANGES[dtype][0]
    images = [stretch(rng.integers(0, 2, size).astype(float), dtype, low, high) for size in sizes]
    for sigma in (0.1, 0.13, 0.5, 1.0, 2.3, 2.65, 2.66, 4.7, 11.0, 100.0, 500.0):
        results = fastblur.gaussian_blur(images, None, sigma, layout="HW", method=kind, border_mode=border_mode)
        for image, result, (height, width) in zip(images, results, sizes, strict=True):
            whole = (0, 0, width, height)
            assert_close(kind, result, image, exact(kind, image, whole, sigma, border_mode=border_mode), whole)


@pytest.mark.parametrize("sigma", [1.5, 2.6, 4.0, 30.0])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("height", "width", "channels"), [(20, 2100, 1), (40, 700, 3), (70, 530, 4), (600, 30, 3)])
def test_boxes_that_are_worked_on_piece_by_piece(
    height: int, width: int, channels: int, dtype: str, sigma: float
) -> None:
    image = stretch(np.random.default_rng(1).random((height, width, channels)), dtype, *RANGES[dtype][0])
    check("auto", image, (0, 0, width, height), sigma)


@functools.lru_cache(maxsize=256)
def operator(n: int, sigma: float, border_mode: str, dtype: str = "float32") -> Float64:
    """The (n, n) matrix that `method="auto"` applies to a row of n pixels.

    For floats from its impulse responses; for integers, whose rounding hides the small ones, by least squares from
    black and white noise.
    """
    options: dict[str, Any] = {"layout": "NHW", "border_mode": border_mode}
    if dtype.startswith("float"):
        impulses = np.eye(n, dtype=dtype)[:, None, :]
        return np.asarray(fastblur.gaussian_blur(impulses, None, sigma, **options)[:, 0, :].T, dtype=np.float64)
    largest = np.iinfo(dtype).max
    noise = np.random.default_rng(n).integers(0, 2, (20 * n + 500, n))
    rows = (noise * largest).astype(dtype)[:, None, :]
    answers = fastblur.gaussian_blur(rows, None, sigma, **options)[:, 0, :] / largest
    return np.asarray(np.linalg.lstsq(noise - 0.5, answers - 0.5, rcond=None)[0].T)


def largest_error(n: int, sigma: float, border_mode: str) -> float:
    """Of any image of range 1: half the L1 norm of what the operator of both axes does too much or too little.

    Taken at the pixel where both axes are at their worst.
    """
    ours, true = operator(n, sigma, border_mode), reference.gaussian_matrix(n, sigma, None, border_mode)
    worst = np.argmax(np.abs(ours - true).sum(axis=1))
    difference = np.outer(ours[worst], ours[worst]) - np.outer(true[worst], true[worst])
    return float(np.abs(difference).sum() / 2)


@given(st.integers(1, 400), sigmas(), st.sampled_from(BORDER_MODES))
def test_no_image_can_exceed_the_bound(n: int, sigma: float, border_mode: str) -> None:
    assert largest_error(n, sigma, border_mode) <= 5e-4


@pytest.mark.parametrize("border_mode", BORDER_MODES)
@pytest.mark.parametrize("n", [17, 46, 97, 222])
def test_the_bound_is_kept_on_the_way_from_one_grid_to_the_next(n: int, border_mode: str) -> None:
    """Sigmas a hundredth apart: the spline is at its worst just before its grid would have a node more."""
    errors = {sigma: largest_error(n, sigma, border_mode) for sigma in np.geomspace(2.5, 6.5, 96).tolist()}
    assert max(errors.values()) <= 5e-4, max(errors, key=lambda sigma: errors[sigma])


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_images_made_against_the_implementation(dtype: str, data: st.DataObject) -> None:
    """Black and white by the sign of the operator's own error at its worst pixel: no image does worse there."""
    border_mode = data.draw(st.sampled_from(BORDER_MODES))
    sigma = data.draw(sigmas(1.0, 60.0))
    ours, true = [], []
    for n in (data.draw(st.integers(1, 150)), data.draw(st.integers(1, 150))):
        matrix, exact_matrix = (
            operator(n, sigma, border_mode, dtype),
            reference.gaussian_matrix(n, sigma, None, border_mode),
        )
        worst = np.argmax(np.abs(matrix - exact_matrix).sum(axis=1))
        ours.append(matrix[worst])
        true.append(exact_matrix[worst])
    error = np.outer(*ours) - np.outer(*true)
    low, high = RANGES[dtype][0]
    for sign in (1, -1):
        image = stretch((sign * error > 0).astype(float), dtype, low, high)
        check("auto", image, (0, 0, image.shape[1], image.shape[0]), sigma, border_mode=border_mode)


@pytest.mark.parametrize("border_mode", BORDER_MODES)
@pytest.mark.parametrize("n", [40, 97])
def test_bytes_made_against_the_implementation_on_the_way_from_one_grid_to_the_next(n: int, border_mode: str) -> None:
    """In levels a little apart, too: what the error comes to depends on what is left to round."""
    whole = (0, 0, n, n)
    ends = [(low, high) for low in range(3) for high in range(250, 256)]
    found = []
    for sigma in np.geomspace(2.2, 6, 96).tolist():
        ours, true = operator(n, sigma, border_mode, "uint8"), reference.gaussian_matrix(n, sigma, None, border_mode)
        worst = np.argmax(np.abs(ours - true).sum(axis=1))
        error = np.outer(ours[worst], ours[worst]) - np.outer(true[worst], true[worst])
        found.append((np.abs(error).sum(), sigma, error, true))
    for _, sigma, error, true in sorted(found, key=lambda one: -one[0])[:12]:
        images = np.array([np.where(sign * error > 0, high, low) for sign in (1, -1) for low, high in ends], np.uint8)
        results = fastblur.gaussian_blur(images, None, sigma, layout="NHW", border_mode=border_mode)
        for image, result in zip(images, results, strict=True):
            assert_close("auto", result, image, true @ image.astype(np.float64) @ true.T, whole)


@pytest.mark.parametrize("border_mode", BORDER_MODES)
@pytest.mark.parametrize("sigma", [2.3, 2.6, 3.0, 5.0])
@pytest.mark.parametrize("axis", [0, 1])
def test_either_axis_of_bytes_has_half_of_the_error(axis: int, sigma: float, border_mode: str) -> None:
    """Stripes are blurred along one axis alone: black and white by the sign of what that axis does wrong."""
    n, across = 61, 200
    true = reference.gaussian_matrix(n, sigma, None, border_mode)

    def blurred(stripes: npt.NDArray[np.uint8]) -> Float64:
        images = np.repeat(np.expand_dims(stripes, 2 - axis), across, 2 - axis)
        results = fastblur.gaussian_blur(images, None, sigma, layout="NHW", border_mode=border_mode)
        return np.take(results, across // 2, 2 - axis).astype(np.float64)

    noise = np.random.default_rng(n).integers(0, 2, (20 * n + 500, n))
    ours = np.linalg.lstsq(noise - 0.5, blurred((noise * 255).astype(np.uint8)) / 255 - 0.5, rcond=None)[0].T
    error = (ours - true)[np.argmax(np.abs(ours - true).sum(axis=1))]
    ends = [(low, high) for low in range(3) for high in range(250, 256)]
    worst = np.array([np.where(sign * error > 0, high, low) for sign in (1, -1) for low, high in ends], np.uint8)
    assert np.abs(blurred(worst) - worst @ true.T).max() <= 0.5 + 0.55


@pytest.mark.parametrize("border_mode", BORDER_MODES)
@pytest.mark.parametrize(("n", "sigma"), [(700, 120.0), (700, 900.0), (3000, 500.0), (3000, 2500.0)])
def test_bytes_on_the_widest_grids(n: int, sigma: float, border_mode: str) -> None:
    """Sums of hundreds of bright pixels, and end pixels that stand for as many copies, are still exact to a level."""
    rng = np.random.default_rng(n)
    images = np.zeros((5, n, 18), np.uint8)
    images[0] = 255
    images[1] = rng.integers(0, 2, (n, 18)) * 255
    images[2, : n // 3] = 255
    images[3, 0] = images[3, -1] = 255
    images[4, : n // 2] = rng.integers(0, 2, (n // 2, 18)) * 255
    for image in (*images, *images.transpose(0, 2, 1)):
        whole = (0, 0, image.shape[1], image.shape[0])
        check("auto", np.ascontiguousarray(image), whole, sigma, border_mode=border_mode)


@pytest.mark.parametrize("sigma", [2.0, 4.0, 20.0])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_an_ellipse_has_the_bits_of_its_box_inside(dtype: str, sigma: float) -> None:
    """A weight of one is no arithmetic, and halves are rounded the same way with and without weights."""
    image = stretch(np.random.default_rng(3).random((200, 200, 3)), dtype, *RANGES[dtype][0])
    y, x = (np.indices((200, 200)) + 0.5 - 100) / 100
    inside = y * y + x * x <= 1
    box = [[0, 0, 200, 200]]
    whole = fastblur.gaussian_blur(image, box, sigma)
    ellipse = fastblur.gaussian_blur(image, box, sigma, shape="ellipse")
    np.testing.assert_array_equal(ellipse[inside], whole[inside])
    np.testing.assert_array_equal(ellipse[~inside], image[~inside])


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_sums_of_thousands_of_bright_pixels_after_a_dark_one(dtype: str) -> None:
    """The bound of the direct filter does not grow with the kernel, as the rounding of a plain float32 sum would."""
    n, sigma, radius = 9000, 2000.0, 8000
    row = 0.7 + 0.3 * np.random.default_rng(0).random(n)
    row[0] = 0
    image = stretch(row[None], dtype, *RANGES[dtype][0])
    continued = np.pad(image[0].astype(np.float64), radius, mode="reflect")
    answer = np.convolve(continued, reference.gaussian_kernel(sigma, 2 * radius + 1), mode="valid")
    result = fastblur.gaussian_blur(image, None, sigma, method="direct")
    assert_close("direct", result, image, answer[None], (0, 0, n, 1))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("kind", GAUSSIANS)
def test_the_largest_finite_floats(kind: str, dtype: str) -> None:
    """The range itself does not fit in the dtype; the answer does."""
    largest = float(np.finfo(dtype).max)
    image = stretch(np.random.default_rng(0).integers(0, 2, (40, 50)).astype(float), dtype, -largest, largest)
    for strength in (3, 15):
        check(kind, image, (0, 0, 50, 40), strength)


@pytest.mark.parametrize("kind", GAUSSIANS)
def test_subnormal_floats(kind: str) -> None:
    image = (np.random.default_rng(0).random((40, 50)) * 1e-39).astype(np.float32)
    for strength in (3, 15):
        check(kind, image, (0, 0, 50, 40), strength)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["auto", "direct"])
def test_one_bright_channel_does_not_leak(kind: str, dtype: str) -> None:
    """Channels are independent: a black channel beside a white and a noisy one stays black."""
    image = np.zeros((50, 70, 4), dtype)
    low, high = RANGES[dtype][0]
    image[..., 1] = high
    image[..., 2] = stretch(np.random.default_rng(1).random((50, 70)), dtype, low, high)
    for sigma in (1.5, 9.0, 70.0):
        result = check(kind, image, (3, 4, 66, 45), sigma)
        assert not result[..., 0].any()
        assert not result[..., 3].any()
        np.testing.assert_array_equal(result[..., 1], image[..., 1])


@pytest.mark.parametrize("method", ["auto", "direct"])
def test_the_answer_is_symmetric(method: str) -> None:
    """Up to the bound: the blur of the mirror image is the mirror image of the blur, and of the transpose likewise."""
    image = np.random.default_rng(2).random((61, 83)).astype(np.float32)
    for sigma in (2.0, 7.5, 30.0):
        blurred = fastblur.gaussian_blur(image, None, sigma, method=method)
        allowed = 2 * tolerance(method, image)
        for turn in (np.flipud, np.fliplr, np.transpose):
            turned = fastblur.gaussian_blur(np.ascontiguousarray(turn(image)), None, sigma, method=method)
            assert np.abs(turned - turn(blurred)).max() <= allowed


@pytest.mark.parametrize("sigma", [0.1, 0.124])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_kernel_of_one_tap_changes_no_level(dtype: str, sigma: float) -> None:
    """R = int(4 sigma + 0.5) is 0 below sigma 0.125: the identity, to the level, and for floats within the bound."""
    low, high = RANGES[dtype][0]
    image = stretch(np.random.default_rng(5).random((20, 30, 3)), dtype, low, high)
    for kind in ("auto", "direct"):
        result = check(kind, image, (0, 0, 30, 20), sigma)
        if image.dtype.kind == "u":
            np.testing.assert_array_equal(result, image)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_narrowest_gaussians(dtype: str) -> None:
    """From a kernel whose neighbours weigh nothing yet: nearly all of the weight is the centre's."""
    low, high = RANGES[dtype][0]
    image = stretch(np.random.default_rng(5).random((20, 30, 3)), dtype, low, high)
    for sigma in np.arange(0.12, 0.5, 0.01).tolist():
        for kind in ("auto", "direct"):
            check(kind, image, (0, 0, 30, 20), sigma)
