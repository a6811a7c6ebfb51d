"""Boxes become pixels of the stored image, and wrong ones are never used."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from fastblur.dataset.annotations import Box, Entry
from fastblur.dataset.files import ImageInfo
from fastblur.dataset.geometry import LeftOut, stored_boxes, working_box


def info(width: int = 100, height: int = 60, orientation: int = 1) -> ImageInfo:
    return ImageInfo("jpeg", width, height, "RGB", 1, orientation)


def stored(*boxes: Box, normalised: bool = False, orientation: int = 1, given: str | None = None) -> list[Box]:
    return stored_boxes([Entry("", list(boxes), normalised)], info(orientation=orientation), orientation=given).boxes


def reason(*entries: Entry, orientation: int = 1) -> str:
    with pytest.raises(LeftOut) as caught:
        stored_boxes(entries, info(orientation=orientation), orientation=None)
    assert caught.value.detail
    return caught.value.reason


def test_pixels_stay_and_fractions_are_scaled() -> None:
    assert stored((10, 20, 30.5, 40)) == [(10, 20, 30.5, 40)]
    assert stored((0.1, 0.2, 0.3, 0.5), normalised=True) == [(10, 12, 30, 30)]


def test_a_box_given_twice_is_applied_once_and_order_is_kept() -> None:
    assert stored((30, 1, 40, 9), (1, 2, 9, 9), (30, 1, 40, 9)) == [(30, 1, 40, 9), (1, 2, 9, 9)]


def test_a_box_may_run_over_the_edge_by_half() -> None:
    assert stored((-10, 0, 10, 20)) == [(-10, 0, 10, 20)]
    assert reason(Entry("", [(-11, 0, 10, 20)])) == "box-mostly-outside"


@pytest.mark.parametrize(
    ("box", "why"),
    [
        ((10, 10, 9, 20), "malformed-box"),
        ((10, 10, 20, 9), "malformed-box"),
        ((math.nan, 0, 1, 1), "malformed-box"),
        ((0, 0, math.inf, 1), "malformed-box"),
        ((10, 10, 10, 20), "box-empty"),
        ((100, 0, 120, 20), "box-outside"),
        ((-20, -20, -1, -1), "box-outside"),
        ((90, 50, 120, 80), "box-mostly-outside"),
        ((0.1, 0.2, 0.5, 0.9), "malformed-box"),
        ((1e300, 0, 1e308, 5), "box-outside"),
    ],
)
def test_a_wrong_box_leaves_the_image_out(box: Box, why: str) -> None:
    assert reason(Entry("", [(10, 10, 20, 20), box])) == why


def test_an_entry_with_a_problem_leaves_the_image_out_even_without_boxes() -> None:
    assert reason(Entry("", [], problem="row 3")) == "malformed-box"


def test_another_size_than_annotated_leaves_the_image_out() -> None:
    assert reason(Entry("", [], size=(100, 61))) == "size-differs"
    assert stored_boxes([Entry("", [], size=(100, 60))], info(), orientation=None).boxes == []
    turned = stored_boxes([Entry("", [(1, 2, 9, 9)], size=(60, 100))], info(orientation=6), orientation="displayed")
    assert len(turned.boxes) == 1


def test_an_orientation_nobody_explained_leaves_the_image_out_if_it_has_boxes() -> None:
    assert reason(Entry("", [(1, 2, 9, 9)]), orientation=6) == "orientation"
    assert stored_boxes([Entry("", [])], info(orientation=6), orientation=None).boxes == []


def test_boxes_in_stored_pixels_stay() -> None:
    assert stored((1, 2, 9, 9), orientation=6, given="stored") == [(1, 2, 9, 9)]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_of_the_displayed_image_mark_the_same_pixels_in_the_stored_one(orientation: int) -> None:
    pixels = np.arange(60 * 100, dtype=np.int32).reshape(60, 100)
    image = Image.fromarray(pixels.astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    image.save(file, "png", exif=exif)
    with Image.open(file) as opened:
        shown = np.asarray(ImageOps.exif_transpose(opened))
    box = (5, 8, 25, 38)
    ((x1, y1, x2, y2),) = stored(box, orientation=orientation, given="displayed")
    marked = np.asarray(image)[int(y1) : int(y2), int(x1) : int(x2)]
    expected = shown[box[1] : box[3], box[0] : box[2]]
    assert sorted(marked.ravel()) == sorted(expected.ravel())
    assert {marked[0, 0], marked[-1, -1], marked[0, -1], marked[-1, 0]} == {
        expected[0, 0],
        expected[-1, -1],
        expected[0, -1],
        expected[-1, 0],
    }


def test_degenerate_boxes_are_kept_apart_where_the_method_skips_them() -> None:
    found = stored_boxes([Entry("", [(5, 5, 5, 9), (1, 2, 9, 9)])], info(), orientation=None, keep_degenerate=True)
    assert found.boxes == [(1, 2, 9, 9)]
    assert found.degenerate == [(5, 5, 5, 9)]


coordinate = st.floats(-200, 200)


@given(st.tuples(coordinate, coordinate, coordinate, coordinate), st.floats(0, 50), st.floats(0, 50))
def test_the_working_box_holds_the_box_and_stays_inside(box: Box, grow: float, feather: float) -> None:
    x1, y1, x2, y2 = working_box(box, grow, feather, 100, 60)
    assert x1 >= 0
    assert y1 >= 0
    assert x2 <= 100
    assert y2 <= 60
    assert x1 <= max(box[0] - grow, 0)
    assert x2 >= min(box[2] + grow, 100)
