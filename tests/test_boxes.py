"""Promise: every form and format of boxes, margins and per-box strengths means what the contract says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import bits, check

import fastblur

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = [(3.0, 4.0, 20.0, 17.0), (10.5, 0.25, 39.0, 29.0), (-5.0, 20.0, 12.0, 99.0)]
Image = npt.NDArray[np.uint8]


@pytest.fixture
def image() -> Image:
    return np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)


@pytest.fixture
def batch() -> Image:
    return np.random.default_rng(1).integers(0, 256, (3, 30, 40, 3), dtype=np.uint8)


def marks(image: Image, boxes: Any, **options: Any) -> npt.NDArray[np.bool_]:
    """Which pixels of one (H, W, 3) image the boxes reach."""
    return np.asarray(fastblur.fill(np.zeros_like(image), boxes, 1, **options)[..., 0] > 0)


# Forms


def as_forms(rows: Any) -> dict[str, Any]:
    return {
        "list of tuples": rows,
        "tuple of tuples": tuple(rows),
        "list of lists": [list(row) for row in rows],
        "list of arrays": [np.array(row) for row in rows],
        "float64": np.array(rows),
        "float32": np.array(rows, np.float32),
        "float16": np.array(rows, np.float16),
        "long double": np.array(rows, np.longdouble),
        "big-endian": np.array(rows, ">f8"),
        "fortran": np.asfortranarray(rows),
        "reversed view": np.array(rows[::-1])[::-1],
        "strided view": np.repeat(np.array(rows), 2, axis=1)[:, ::2],
        "read-only": np.broadcast_to(np.array(rows), (len(rows), len(rows[0]))),
        "numbers of NumPy": [[np.float32(value) for value in row] for row in rows],
    }


@pytest.mark.parametrize("form", as_forms(ROWS))
def test_array_likes_of_one_image(image: Image, form: str) -> None:
    expected = fastblur.gaussian_blur(image, np.array(ROWS), 3)
    assert bits(fastblur.gaussian_blur(image, as_forms(ROWS)[form], 3)) == bits(expected)


@pytest.mark.parametrize("form", as_forms(ROWS))
def test_array_likes_with_image_index(batch: Image, form: str) -> None:
    rows = [(index, *row) for index, row in zip([2, 0, 2], ROWS, strict=True)]
    expected = fastblur.gaussian_blur(batch, np.array(rows), 3)
    assert bits(fastblur.gaussian_blur(batch, as_forms(rows)[form], 3)) == bits(expected)
    assert bits(expected[1]) == bits(batch[1])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_whole_numbers(image: Image, dtype: str) -> None:
    rows = [(3, 4, 20, 17), (0, 0, 40, 30)]
    expected = fastblur.gaussian_blur(image, rows, 3)
    assert bits(fastblur.gaussian_blur(image, np.array(rows, dtype), 3)) == bits(expected)


class ListOfItsOwn(list):  # type: ignore[type-arg]
    """NumPy takes it as it takes lists."""


LAST_NUMBERS = [17, 17.5, True, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), -(2**63) - 1, 10**400, math.nan, math.inf]
OTHERS = [None, "7", 1j, [], [17.0], (17,), np.float32(17.1), np.int8(17), np.array([17.0]), np.array([17.0, 3.0])]


@pytest.mark.parametrize("of_images", [False, True])
@pytest.mark.parametrize(
    "rows",
    [
        *([[3, 4.5, 20, 17], [1, 2, 30, last]] for last in (*LAST_NUMBERS, *OTHERS)),
        *([[1, 2, 30, last], [3, 4, 20, 17]] for last in (*LAST_NUMBERS, *OTHERS)),
        *([[0, 1, 2, 30, last]] for last in LAST_NUMBERS),
        [[True, True, True, True]],
        [[1, 2, 30], [3, 4, 20, 17]],
        [[1, 2, 30, 20], [3, 4, 20]],
        [[1, 2, 30, 20], [], [3, 4, 20, 17]],
        [[1, 2, 30, 20], 5],
        [5, [1, 2, 30, 20]],
        [[1, 2, 30, 20], None],
        [[1, 2, 30, 20], np.array([3, 4, 20, 17])],
        [1, 2, 30, 20],
        [[]],
    ],
)
def test_lists_are_what_numpy_makes_of_them(image: Image, rows: Any, of_images: bool) -> None:
    """Python's own numbers are read without NumPy, to the same boxes, strengths and errors."""

    def outcome(boxes: Any, values: Any) -> Any:
        try:
            return bits(fastblur.pixelate(image, boxes, values))
        except (TypeError, ValueError) as error:
            return type(error), str(error)

    def outcomes(kind: Callable[[Any], Any]) -> Any:
        boxes = kind([kind(row) if isinstance(row, list) else row for row in rows])
        values = kind([row[-1] if isinstance(row, list) and row else 3 for row in rows])
        return outcome([boxes] if of_images else boxes, 3), outcome([(0, 0, 40, 30)] * len(rows), values)

    assert outcomes(list) == outcomes(tuple) == outcomes(ListOfItsOwn)


def test_ragged_lists_are_refused_before_memory_is_asked_for(image: Image) -> None:
    with pytest.raises(ValueError, match="boxes cannot be made an array"):
        fastblur.fill(image, [[0.0] * 10**6] + [[]] * 10**6, 1)


def test_a_single_image_is_image_zero(image: Image) -> None:
    rows = [(0, *row) for row in ROWS]
    assert bits(fastblur.gaussian_blur(image, rows, 3)) == bits(fastblur.gaussian_blur(image, ROWS, 3))


def per_image(rows: list[list[tuple[float, ...]]]) -> dict[str, Any]:
    arrays = [np.array(r, np.float64).reshape(-1, 4) for r in rows]
    return {
        "list of arrays": arrays,
        "tuple of arrays": tuple(arrays),
        "list of lists": rows,
        "list of tuples": [tuple(r) for r in rows],
        "mixed": [arrays[0].astype(np.float32), rows[1], tuple(rows[2])],
        "empty of another shape": [a if len(a) else np.empty(0) for a in arrays],
    }


@pytest.mark.parametrize("form", per_image([[], [], []]))
@pytest.mark.parametrize("ragged", [False, True])
def test_per_image_lists(batch: Image, form: str, ragged: bool) -> None:
    rows: list[list[tuple[float, ...]]] = [[ROWS[0], ROWS[1]], [], [ROWS[2]]]
    expected = [fastblur.gaussian_blur(one, r, 3) if r else one for one, r in zip(batch, rows, strict=True)]
    images: Any = [np.ascontiguousarray(one) for one in batch] if ragged else batch
    results = fastblur.gaussian_blur(images, per_image(rows)[form], 3)
    for result, one in zip(results, expected, strict=True):
        assert bits(result) == bits(one)


def test_an_array_for_each_image(batch: Image) -> None:
    """(N, K, 4), also as nested lists."""
    rows = np.array([ROWS[:2], ROWS[1:], ROWS[:2]])
    expected = np.stack([fastblur.gaussian_blur(one, r, 3) for one, r in zip(batch, rows, strict=True)])
    for given_as in (rows, rows.astype(np.float32), rows.tolist(), list(rows), np.asfortranarray(rows)):
        assert bits(fastblur.gaussian_blur(batch, given_as, 3)) == bits(expected)


def test_five_rows_for_five_images_are_rows_with_an_index() -> None:
    """A list of N flat rows of 5 is a (K, 5) table, not one element for each image."""
    batch = np.random.default_rng(0).integers(0, 256, (5, 20, 20), dtype=np.uint8)
    rows = [[4, 0, 0, 20, 20], [0, 0, 0, 9, 9], [0, 3, 3, 9, 9], [4, 0, 0, 5, 5], [1, 0, 0, 20, 20]]
    as_list = fastblur.gaussian_blur(batch, rows, 3, layout="NHW")
    as_array = fastblur.gaussian_blur(batch, np.array(rows), 3, layout="NHW")
    assert bits(as_list) == bits(as_array)
    assert bits(as_list[2:4]) == bits(batch[2:4])


def test_four_boxes_for_each_of_four_images() -> None:
    """(4, 4, 4): image, box, coordinate."""
    batch = np.zeros((4, 20, 20), np.uint8)
    rows = np.array([[[i, 4 * k, i + 3, 4 * k + 4] for k in range(4)] for i in range(4)])
    filled = fastblur.fill(batch, rows, 1, layout="NHW")
    for i in range(4):
        assert filled[i, :16, i : i + 3].all()
        assert filled[i].sum() == 48


def test_none_is_each_whole_image(image: Image, batch: Image) -> None:
    whole = fastblur.gaussian_blur(image, [(0, 0, 40, 30)], 3)
    assert bits(fastblur.gaussian_blur(image, None, 3)) == bits(whole)
    table = [(i, 0, 0, 40, 30) for i in range(3)]
    assert bits(fastblur.gaussian_blur(batch, None, 3)) == bits(fastblur.gaussian_blur(batch, table, 3))
    ragged = [batch[0], batch[1, :20], batch[2, :, :7]]
    for result, one in zip(fastblur.gaussian_blur(ragged, None, 3), ragged, strict=True):
        height, width = one.shape[:2]
        assert bits(result) == bits(fastblur.gaussian_blur(np.ascontiguousarray(one), [(0, 0, width, height)], 3))


def test_none_with_a_relative_strength_uses_the_longer_side(image: Image) -> None:
    relative = fastblur.gaussian_blur(image, None, 0.1, relative=True)
    assert bits(relative) == bits(fastblur.gaussian_blur(image, None, 4.0))


@pytest.mark.parametrize(
    "nothing", [[], (), np.empty((0, 4)), np.empty((0, 5)), np.empty(0), [[]] * 3, np.empty((3, 0, 4))]
)
def test_no_rows_is_nothing_to_do(batch: Image, nothing: Any) -> None:
    result = fastblur.gaussian_blur(batch, nothing, 3)
    assert bits(result) == bits(batch)
    assert not np.shares_memory(result, batch)


def test_boxes_must_be_given(image: Image) -> None:
    with pytest.raises(TypeError, match="boxes"):
        fastblur.gaussian_blur(image, sigma=3)
    with pytest.raises(TypeError, match="boxes"):
        fastblur.fill(image)


# From a row to pixels


@pytest.mark.parametrize(
    ("box_format", "row"),
    [("xyxy", (10, 12, 26, 20)), ("xywh", (10, 12, 16, 8)), ("cxcywh", (18, 16, 16, 8))],
)
def test_formats(image: Image, batch: Image, box_format: str, row: tuple[int, ...]) -> None:
    expected = np.zeros(image.shape[:2], bool)
    expected[12:20, 10:26] = True
    np.testing.assert_array_equal(marks(image, [row], box_format=box_format), expected)
    filled = fastblur.fill(np.zeros_like(batch), [(2, *row)], 1, box_format=box_format)
    np.testing.assert_array_equal(filled[2, ..., 0] > 0, expected)
    assert not filled[:2].any()


def test_formats_are_torchvisions() -> None:
    """Half widths and odd centres: x1 = cx - w / 2, before anything is rounded."""
    zeros = np.zeros((30, 40, 3), np.uint8)
    np.testing.assert_array_equal(
        marks(zeros, [(10.25, 10, 4.5, 5)], box_format="cxcywh"), marks(zeros, [(8, 7.5, 12.5, 12.5)])
    )


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ((3, 0, 5, 1), (3, 5)),  # half-open
        ((3.0001, 0, 4.9999, 1), (3, 5)),
        ((2.9999, 0, 5.0001, 1), (2, 6)),
        ((4.4, 0, 4.6, 1), (4, 5)),
        ((3.9, 0, 4.1, 1), (3, 5)),
        ((-0.5, 0, 0.5, 1), (0, 1)),
        ((-3, 0, 1e9, 1), (0, 40)),
        ((39.999, 0, 50, 1), (39, 40)),
        ((-1e300, 0, 1e300, 1), (0, 40)),
        ((-1e9, 0, 2, 1), (0, 2)),
        ((16777217.5, 0, 16777219, 1), (40, 40)),
        ((4, 0, math.nextafter(4, 5), 1), (4, 5)),
    ],
)
def test_rounded_outward(image: Image, row: tuple[float, ...], columns: tuple[int, int]) -> None:
    expected = np.zeros(image.shape[:2], bool)
    expected[0, columns[0] : columns[1]] = True
    np.testing.assert_array_equal(marks(image, [row]), expected)
    turned = marks(image, [(row[1], row[0], row[3], row[2])])
    np.testing.assert_array_equal(turned[:30, 0], expected[0, :30])


def test_computed_in_float64(image: Image) -> None:
    """In float32 the far edge of this box would be lost."""
    row = (-16777217.0, 0, 16777219.0, 1)
    expected = marks(image, [(0, 0, 2, 1)])
    np.testing.assert_array_equal(marks(image, [row], box_format="xywh"), expected)


@pytest.mark.parametrize("box_format", ["xywh", "cxcywh"])
def test_a_width_that_vanishes_in_the_conversion(image: Image, box_format: str) -> None:
    """Zero width after the conversion to float64 corners: nothing to do, whatever the margin."""
    for row in [(5, 5, 1e-20, 9), (5, 5, 9, 1e-20), (1e17, 5, 1, 9)]:
        assert not marks(image, [row], box_format=box_format, margin=2, feather=1).any()


def test_margin_is_added_before_rounding(image: Image) -> None:
    np.testing.assert_array_equal(marks(image, [(10.5, 10, 12, 12)], margin=0.5), marks(image, [(10, 9, 13, 13)]))
    np.testing.assert_array_equal(marks(image, [(10, 10, 12, 12)], margin=2), marks(image, [(8, 8, 14, 14)]))


def test_relative_margin_is_of_the_longer_side_of_the_row_itself(image: Image) -> None:
    """Not of the grown, rounded or clipped box."""
    for row, grown in [((10, 10, 18, 12), (8, 8, 20, 14)), ((-100, 10, 28, 12), (-132, -22, 60, 44))]:
        np.testing.assert_array_equal(marks(image, [row], margin=0.25, relative=True), marks(image, [grown]))
    np.testing.assert_array_equal(
        marks(image, [(14, 11, 8, 2)], margin=0.25, relative=True, box_format="cxcywh"), marks(image, [(8, 8, 20, 14)])
    )


@pytest.mark.parametrize(
    ("relative", "sigma", "margin", "feather"),
    [
        (True, 4.0, 8.0, 2.0),
        (("sigma", "margin", "feather"), 4.0, 8.0, 2.0),
        (["sigma", "margin"], 4.0, 8.0, 0.125),
        (("sigma",), 4.0, 0.5, 0.125),
        (("feather",), 0.25, 0.5, 2.0),
        ((), 0.25, 0.5, 0.125),
        (False, 0.25, 0.5, 0.125),
    ],
)
def test_relative_names(image: Image, relative: Any, sigma: float, margin: float, feather: float) -> None:
    box = (12, 9, 24, 25)  # side 16
    result = fastblur.gaussian_blur(image, [box], 0.25, margin=0.5, feather=0.125, relative=relative)
    expected = fastblur.gaussian_blur(image, [box], sigma, margin=margin, feather=feather)
    assert bits(result) == bits(expected)


def test_relative_block_size(image: Image) -> None:
    box = (12, 9, 24, 25)
    expected = fastblur.pixelate(image, [box], 4)
    assert bits(fastblur.pixelate(image, [box], 0.25, relative=True)) == bits(expected)
    assert bits(fastblur.pixelate(image, [box], 0.25, relative=("block_size",))) == bits(expected)


@given(
    corner=st.tuples(st.integers(-40, 200), st.integers(-40, 200)),
    size=st.tuples(st.integers(1, 100), st.integers(1, 100)),
    box_format=st.sampled_from(["xyxy", "xywh", "cxcywh"]),
    margin=st.sampled_from([0, 0.125, 0.5, 3]),
    feather=st.sampled_from([0, 0.25, 0.5]),
    relative=st.booleans(),
)
def test_from_a_row_to_pixels(
    *, corner: tuple[int, int], size: tuple[int, int], box_format: str, margin: float, feather: float, relative: bool
) -> None:
    """Quarter pixels, so that every format says exactly the same box."""
    left, top, w, h = (value / 4 for value in (*corner, *size))
    row = {
        "xyxy": (left, top, left + w, top + h),
        "xywh": (left, top, w, h),
        "cxcywh": (left + w / 2, top + h / 2, w, h),
    }[box_format]
    scale = max(w, h) if relative else 1
    image = np.zeros((40, 44), np.float32)
    result = fastblur.fill(image, [row], 1, box_format=box_format, margin=margin, feather=feather, relative=relative)
    expected = check("fill", image, (left, top, left + w, top + h), 1, margin=margin * scale, feather=feather * scale)
    assert bits(result) == bits(expected)


# One value for each box


@pytest.mark.parametrize(
    "container", [list, tuple, np.array, lambda v: np.array(v, np.float32), lambda v: np.array(v)[::1]]
)
def test_one_value_per_box(image: Image, container: Any) -> None:
    sigma, margin, feather = [1.0, 6.0, 2.5], [0.0, 2.0, 1.0], [3.0, 0.0, 1.5]
    looped = image
    for row, s, m, f in zip(ROWS, sigma, margin, feather, strict=True):
        looped = fastblur.gaussian_blur(looped, [row], s, margin=m, feather=f)
    together = fastblur.gaussian_blur(
        image, ROWS, container(sigma), margin=container(margin), feather=container(feather)
    )
    assert bits(together) == bits(looped)
    looped = image
    for row, s in zip(ROWS, sigma, strict=True):
        looped = fastblur.pixelate(looped, [row], s)
    assert bits(fastblur.pixelate(image, ROWS, container(sigma))) == bits(looped)


def test_values_of_per_image_lists_run_image_by_image(batch: Image) -> None:
    rows: list[Any] = [[ROWS[0], ROWS[1]], [], [ROWS[2]]]
    result = fastblur.gaussian_blur(batch, rows, [1.0, 9.0, 4.0])
    assert bits(result[0]) == bits(fastblur.gaussian_blur(batch[0], rows[0], [1.0, 9.0]))
    assert bits(result[2]) == bits(fastblur.gaussian_blur(batch[2], rows[2], 4.0))


def test_values_of_none_are_one_per_image(batch: Image) -> None:
    result = fastblur.gaussian_blur(batch, None, [1.0, 9.0, 4.0])
    for one, blurred, sigma in zip(batch, result, [1.0, 9.0, 4.0], strict=True):
        assert bits(blurred) == bits(fastblur.gaussian_blur(one, None, sigma))


def test_rows_with_nothing_to_do_keep_their_place_in_the_values(image: Image) -> None:
    rows = [(5, 5, 5, 9), ROWS[0], (500, 0, 600, 9), ROWS[1]]
    result = fastblur.gaussian_blur(image, rows, [50.0, 2.0, 40.0, 7.0])
    assert bits(result) == bits(fastblur.gaussian_blur(image, [ROWS[0], ROWS[1]], [2.0, 7.0]))


def test_scalars_of_any_kind(image: Image) -> None:
    expected = bits(fastblur.gaussian_blur(image, ROWS, 3.0, margin=1.0))
    for scalar in (np.float32, np.float64, np.int32, np.uint8, np.array, float, int):
        assert bits(fastblur.gaussian_blur(image, ROWS, scalar(3), margin=scalar(1))) == expected


def test_inputs_are_left_alone(image: Image) -> None:
    boxes, sigma = np.array(ROWS), np.array([1.0, 2.0, 3.0])
    before = boxes.copy(), sigma.copy()
    fastblur.gaussian_blur(image, boxes, sigma, box_format="xyxy", margin=sigma, relative=True)
    np.testing.assert_array_equal(boxes, before[0])
    np.testing.assert_array_equal(sigma, before[1])
