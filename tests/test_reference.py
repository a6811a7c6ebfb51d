"""The definition of correct is itself correct: against SciPy, and against answers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastblur import reference

ndimage = pytest.importorskip("scipy.ndimage")

SCIPY_MODES = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest"}


@pytest.mark.parametrize("border_mode", SCIPY_MODES)
@pytest.mark.parametrize("n", [1, 2, 3, 7, 40])
@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0, 2.7, 9.0, 60.0])
def test_matrix_is_scipys_filter(n: int, sigma: float, border_mode: str) -> None:
    """On every basis vector, so on every row; SciPy truncates at 4 sigma by default."""
    scipys = ndimage.gaussian_filter1d(np.eye(n), sigma, axis=0, mode=SCIPY_MODES[border_mode])
    np.testing.assert_allclose(reference.gaussian_matrix(n, sigma, None, border_mode), scipys, atol=1e-12)


@pytest.mark.parametrize("border_mode", SCIPY_MODES)
def test_blur_of_a_whole_image_is_scipys(border_mode: str) -> None:
    image = np.random.default_rng(0).random((31, 23, 3))
    ours = reference.gaussian_blur(image, (0, 0, 23, 31), 3.3, border_mode=border_mode)
    scipys = ndimage.gaussian_filter(image, (3.3, 3.3, 0), mode=SCIPY_MODES[border_mode])
    np.testing.assert_allclose(ours, scipys, atol=1e-12)


@pytest.mark.parametrize("border_mode", SCIPY_MODES)
def test_blur_of_a_box_is_scipys_of_the_crop(border_mode: str) -> None:
    image = np.random.default_rng(1).random((20, 30))
    expected = image.copy()
    expected[3:17, 5:26] = ndimage.gaussian_filter(image[3:17, 5:26], 2.0, mode=SCIPY_MODES[border_mode])
    ours = reference.gaussian_blur(image, (5.9, 3.2, 25.1, 16.5), 2.0, border_mode=border_mode)
    np.testing.assert_allclose(ours, expected, atol=1e-12)


@pytest.mark.parametrize("n", [5, 8])
@pytest.mark.parametrize("border_mode", SCIPY_MODES)
def test_border_is_scipys_far_beyond_the_edge(n: int, border_mode: str) -> None:
    far = 4 * n
    row = np.arange(n, dtype=np.float64)
    shifted = [
        ndimage.correlate1d(row, np.eye(2 * far + 1)[far + offset], mode=SCIPY_MODES[border_mode])
        for offset in range(-far, far + 1)
    ]
    ours = [row[reference.border_index(np.arange(n) + offset, n, border_mode)] for offset in range(-far, far + 1)]
    np.testing.assert_array_equal(ours, shifted)


def test_borders_by_hand() -> None:
    positions = np.arange(-4, 7)
    assert reference.border_index(positions, 3, "reflect").tolist() == [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]
    assert reference.border_index(positions, 3, "symmetric").tolist() == [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]
    assert reference.border_index(positions, 3, "replicate").tolist() == [0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2]
    assert reference.border_index(positions, 1, "reflect").tolist() == [0] * 11


def test_kernel_by_hand() -> None:
    np.testing.assert_allclose(
        reference.gaussian_kernel(1.0, 3), np.array([1, math.sqrt(math.e), 1]) / (2 + math.e**0.5)
    )
    assert len(reference.gaussian_kernel(1.0)) == 9  # R = int(4.5)
    assert len(reference.gaussian_kernel(1.13)) == 11  # R = int(5.02)
    assert len(reference.gaussian_kernel(0.1)) == 1  # R = int(0.9)
    assert reference.gaussian_kernel(1e-300, 5).tolist() == [0, 0, 1, 0, 0]


def test_three_pixels_by_hand() -> None:
    e = math.exp(-0.5)
    centre, side = 1 / (1 + 2 * e), e / (1 + 2 * e)
    image = np.array([[10.0, 20.0, 60.0]])
    blurred = reference.gaussian_blur(image, (0, 0, 3, 1), 1.0, kernel_size=3)
    middle = side * 10 + centre * 20 + side * 60
    np.testing.assert_allclose(blurred, [[centre * 10 + 2 * side * 20, middle, 2 * side * 20 + centre * 60]])
    blurred = reference.gaussian_blur(image, (0, 0, 3, 1), 1.0, kernel_size=3, border_mode="replicate")
    np.testing.assert_allclose(blurred[0, 0], (side + centre) * 10 + side * 20)


@pytest.mark.parametrize(
    ("n", "block_size", "edges"),
    [
        (10, 3, [0, 3, 6, 10]),
        (10, 2.1, [0, 3, 6, 10]),  # ceil
        (10, 0.2, list(range(11))),
        (10, 11, [0, 10]),
        (11, 4, [0, 5, 11]),
        (1, 1e300, [0, 1]),
    ],
)
def test_cells_by_hand(n: int, block_size: float, edges: list[int]) -> None:
    assert reference.cell_edges(n, block_size).tolist() == edges


def test_pixelate_by_hand() -> None:
    image = np.arange(20.0).reshape(4, 5)
    expected = np.array(
        [
            [3, 3, 5.5, 5.5, 5.5],
            [3, 3, 5.5, 5.5, 5.5],
            [13, 13, 15.5, 15.5, 15.5],
            [13, 13, 15.5, 15.5, 15.5],
        ]
    )
    np.testing.assert_array_equal(reference.pixelate(image, (0, 0, 5, 4), 2), expected)


def test_rectangle_weights_by_hand() -> None:
    weights = reference.box_weights((4.0, 4.0, 6.0, 6.0), (1, 1, 9, 9), 3, "rectangle")
    assert weights.shape == (8, 8)
    np.testing.assert_array_equal(weights[3:5, 3:5], 1)
    np.testing.assert_allclose(weights[3], [0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25])
    assert weights[2, 2] == pytest.approx(1 - math.sqrt(2) / 4)
    assert weights[0, 0] == 0  # sqrt(18) > 4


def test_ellipse_weights_by_hand() -> None:
    weights = reference.box_weights((0.0, 0.0, 4.0, 2.0), (0, 0, 4, 2), 0, "ellipse")
    # dx / rx is 0.75 or 0.25, dy / ry is 0.5: the corners' rho^2 is 0.8125
    np.testing.assert_array_equal(weights, 1)
    weights = reference.box_weights((0.0, 0.0, 4.0, 4.0), (-1, -1, 5, 5), 1, "ellipse")
    assert weights[1, 1] == pytest.approx(1 - (math.sqrt(2 * 0.75**2) - 1) * 2 / 2)
    assert weights[0, 3] == pytest.approx(1 - (math.sqrt(1.25**2 + 0.25**2) - 1) * 2 / 2)
    hard = reference.box_weights((0.0, 0.0, 4.0, 4.0), (0, 0, 4, 4), 0, "ellipse")
    np.testing.assert_array_equal(hard, [[0, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0]])


def test_margin_then_outward_rounding_then_feather() -> None:
    image = np.zeros((20, 20))
    filled = reference.fill(image, (8.5, 8.0, 10.0, 10.0), 1, margin=1.25)
    expected = image.copy()
    expected[6:12, 7:12] = 1  # 7.25, 6.75, 11.25, 11.25 rounded outward
    np.testing.assert_array_equal(filled, expected)
    feathered = reference.fill(image, (8, 8, 10, 10), 1, feather=1.5)  # f = 2
    np.testing.assert_allclose(feathered[8, 5:13], [0, 1 / 3, 2 / 3, 1, 1, 2 / 3, 1 / 3, 0])


def test_zero_width_is_nothing_whatever_the_margin() -> None:
    image = np.zeros((9, 9))
    np.testing.assert_array_equal(reference.fill(image, (4, 2, 4, 7), 1, margin=3, feather=3), image)


def test_feather_reaches_in_from_a_marked_box_outside() -> None:
    image = np.zeros((4, 4))
    filled = reference.fill(image, (-3, 0, -1, 4), 1, feather=3)
    np.testing.assert_allclose(filled[0], [0.5, 0.25, 0, 0])


def test_rounding() -> None:
    assert reference.to_dtype(np.array([-1.0, 0.5, 1.5, 2.4, 254.6, 300.0]), np.uint8).tolist() == [
        0,
        0,
        2,
        2,
        255,
        255,
    ]
    assert reference.to_dtype(np.array([65535.4, 7e4]), np.uint16).tolist() == [65535, 65535]
    assert reference.to_dtype(np.array([1 + 2**-11, 1 + 3 * 2**-11]), np.float16).tolist() == [1.0, 1.001953125]


@pytest.mark.parametrize(("argument", "value"), [("border_mode", "wrap"), ("shape", "circle")])
def test_unknown_names(argument: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){value}.*accepted"):
        reference.gaussian_blur(np.zeros((3, 3)), (0, 0, 3, 3), 1.0, **{argument: value})
