"""Promise: every layout, strided view and size gives the answer of the plain (H, W, C) image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import DTYPES, GAUSSIANS, KINDS, assert_close, bits, call, exact, tolerance
from strategies import RANGES, stretch

import fastblur

if TYPE_CHECKING:
    from collections.abc import Callable

Array = npt.NDArray[Any]
BOXES = [(2, 3, 25, 18), (10, 0, 30, 20), (-4.5, 12, 9.25, 40)]
STRENGTHS: dict[str, list[Any]] = {
    "auto": [1.5, 9.0],
    "direct": [1.5, 9.0],
    "kernel_size": [5],
    "pixelate": [4],
    "fill": [7],
}


def random(dtype: str, shape: tuple[int, ...]) -> Array:
    return stretch(np.random.default_rng(0).random(shape), dtype, *RANGES[dtype][0])


def assert_same(kind: str, result: Array, expected: Array, *, dense: bool = True) -> None:
    """Bit for bit: the layout says where the pixels are, not what becomes of them.

    Where the samples of a row do not lie together, a Gaussian may take another path or the axes in the other order:
    then by the bounds, of both results and up to three boxes.
    """
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    if not dense and kind in GAUSSIANS:
        error = np.abs(result.astype(np.float64) - expected.astype(np.float64))
        assert error.max() <= 6 * tolerance(kind, expected), kind
    else:
        np.testing.assert_array_equal(result, expected, err_msg=kind)


def has_dense_rows(image: Array) -> bool:
    """Whether the samples of each row of an (..., H, W, C) image lie one after the other."""
    return image.strides[-1] == image.itemsize and image.strides[-2] == image.itemsize * image.shape[-1]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_all_layouts_agree(dtype: str, kind: str, channels: int) -> None:
    batch = random(dtype, (3, 20, 30, channels))
    for strength in STRENGTHS[kind]:
        expected = np.stack([call(kind, image, BOXES, strength) for image in batch])
        table = [(i, *box) for i in range(3) for box in BOXES]
        assert_same(kind, call(kind, batch, table, strength), expected)
        planes = np.ascontiguousarray(np.moveaxis(batch, 3, 1))
        assert_same(kind, call(kind, planes, table, strength, layout="NCHW"), np.moveaxis(expected, 3, 1))
        assert_same(kind, call(kind, planes[0], BOXES, strength, layout="CHW"), np.moveaxis(expected[0], 2, 0))
        gray = np.ascontiguousarray(batch[..., 0])
        assert_same(kind, call(kind, gray, table, strength, layout="NHW"), expected[..., 0])
        assert_same(kind, call(kind, gray[0], BOXES, strength), expected[0, ..., 0])
        assert_same(kind, call(kind, gray[0], BOXES, strength, layout="HW"), expected[0, ..., 0])
        assert_same(kind, call(kind, batch[0], BOXES, strength, layout="HWC"), expected[0])
        listed = call(kind, list(planes), [BOXES] * 3, strength, layout="CHW")
        assert isinstance(listed, list)
        for one, image in zip(listed, expected, strict=True):
            assert_same(kind, one, np.moveaxis(image, 2, 0))


VIEWS: dict[str, Callable[[Array], Array]] = {
    "fortran": np.asfortranarray,
    "upside down": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "mirrored": lambda a: np.ascontiguousarray(a[:, ::-1])[:, ::-1],
    "channels reversed": lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1],
    "all reversed": lambda a: np.ascontiguousarray(a[::-1, ::-1, ::-1])[::-1, ::-1, ::-1],
    "transposed": lambda a: np.ascontiguousarray(a.transpose(1, 0, 2)).transpose(1, 0, 2),
    "planes": lambda a: np.ascontiguousarray(a.transpose(2, 0, 1)).transpose(1, 2, 0),
    "cropped": lambda a: np.pad(a, ((3, 4), (5, 6), (0, 0)), mode="edge")[3:-4, 5:-6],
    "three of four channels": lambda a: np.pad(a, ((0, 0), (0, 0), (1, 0)))[..., 1:],
    "every other": lambda a: np.repeat(np.repeat(a, 2, axis=0), 3, axis=1)[::2, ::3],
    "unaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_strided_views(dtype: str, kind: str, view: str) -> None:
    image = random(dtype, (20, 30, 3))
    for strength in STRENGTHS[kind]:
        expected = call(kind, image, BOXES, strength)
        strided = VIEWS[view](image)
        np.testing.assert_array_equal(strided, image)
        dense = has_dense_rows(strided)
        assert_same(kind, call(kind, strided, BOXES, strength), expected, dense=dense)
        if strided.flags.writeable:
            call(kind, strided, BOXES, strength, out=strided)
            assert_same(kind, strided, expected, dense=dense)


@pytest.mark.parametrize("view", [view for view in VIEWS if view not in ("read-only", "unaligned")])
@pytest.mark.parametrize("kind", GAUSSIANS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_strided_views_keep_the_bounds(dtype: str, kind: str, view: str) -> None:
    """In place, in one box of many more rows than a kernel reaches over; in stripes, each pixel of a row errs alike."""
    noise = np.random.default_rng(0).integers(0, 2, 70).astype(np.float64)
    for unit in (np.tile(noise[:, None, None], (1, 70, 3)), np.tile(noise[:, None], (70, 1, 3))):
        image = stretch(unit, dtype, *RANGES[dtype][0])
        for strength in {"kernel_size": (3, 11)}.get(kind, (0.45, 0.75, 1.3, 2.6, 5)):
            strided = VIEWS[view](image)
            call(kind, strided, None, strength, out=strided)
            assert_close(kind, strided, image, exact(kind, image, (0, 0, 70, 70), strength), (0, 0, 70, 70))


@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
@pytest.mark.parametrize("view", [view for view in VIEWS if view not in ("read-only", "unaligned")])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_in_strided_views(kind: str, view: str, shape: str) -> None:
    """In place: a feather lies where its box is, whichever way rows and columns run in memory."""
    image = random("float32", (20, 30, 3))
    strength = STRENGTHS[kind][-1]
    for box in BOXES:
        for feather in (0, 4):
            expected = call(kind, image, [box], strength, shape=shape, feather=feather)
            strided = VIEWS[view](image)
            call(kind, strided, [box], strength, out=strided, shape=shape, feather=feather)
            assert_same(kind, strided, expected, dense=has_dense_rows(strided))


@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [1, 3, 5, 9, 17])
def test_tall_boxes_of_rows_shorter_than_a_vector(width: int, dtype: str, shape: str) -> None:
    """Rows that are gathered, filtered and scattered in whole vectors spill over into nothing that is still needed."""
    image = random(dtype, (300, width, 3))
    strided = np.empty((300, 2 * width, 3), image.dtype)[:, ::2]
    strided[...] = image
    options: dict[str, Any] = {"shape": shape, "feather": 3.0}
    expected = fastblur.gaussian_blur(image, None, 4.0, num_threads=1, **options)
    result = fastblur.gaussian_blur(strided, None, 4.0, num_threads=1, out=strided, **options)
    assert_same("auto", result, expected)


def test_a_record_field_and_a_broadcast_pixel() -> None:
    records = np.zeros((20, 30), [("id", "u1"), ("value", "<f4")])  # 5 bytes apart: neither aligned nor a multiple
    records["value"] = random("float32", (20, 30))
    expected = fastblur.pixelate(np.ascontiguousarray(records["value"]), BOXES, 3)
    assert bits(fastblur.pixelate(records["value"], BOXES, 3)) == bits(expected)
    fastblur.pixelate(records["value"], BOXES, 3, out=records["value"])
    assert bits(records["value"]) == bits(expected)
    flat = np.broadcast_to(np.array([9, 8, 7], np.uint8), (20, 30, 3))
    result = fastblur.pixelate(flat, BOXES, 3)
    assert bits(result) == bits(flat)
    assert result.flags.writeable
    rows = np.broadcast_to(random("uint8", (30, 3)), (20, 30, 3))
    assert bits(fastblur.pixelate(rows, BOXES, 3)) == bits(fastblur.pixelate(rows.copy(), BOXES, 3))


def test_a_batch_of_one_image_broadcast() -> None:
    image = random("uint8", (20, 30, 3))
    batch = np.broadcast_to(image, (3, 20, 30, 3))
    result = fastblur.pixelate(batch, [(1, 2, 3, 25, 18)], 3)
    assert bits(result[0]) == bits(result[2]) == bits(image)
    assert bits(result[1]) == bits(fastblur.pixelate(image, [(2, 3, 25, 18)], 3))


@given(st.data())
def test_any_strides(data: st.DataObject) -> None:
    """Any permutation of axes, any steps, any signs, any offsets."""
    kind = data.draw(st.sampled_from(KINDS))
    dtype = data.draw(st.sampled_from(DTYPES))
    shape = tuple(data.draw(st.integers(1, limit)) for limit in (3, 20, 20, 4))
    image = random(dtype, shape)
    order = data.draw(st.permutations(range(4)))
    steps = [data.draw(st.sampled_from([1, 1, 2, 3, -1, -2])) for _ in range(4)]
    pads = [data.draw(st.integers(0, 3)) for _ in range(4)]
    base = np.zeros([shape[axis] * abs(steps[axis]) + pads[axis] for axis in order], dtype)
    view = base.transpose(np.argsort(order))
    view = view[tuple(slice(0, n * abs(s), abs(s)) for n, s in zip(shape, steps, strict=True))]
    view = view[tuple(slice(None, None, -1 if step < 0 else 1) for step in steps)]
    view[...] = image
    strength = STRENGTHS[kind][-1]
    expected = call(kind, image, None, strength)
    assert_same(kind, call(kind, view, None, strength), expected, dense=has_dense_rows(view))
    call(kind, view, None, strength, out=view)
    assert_same(kind, view, expected, dense=has_dense_rows(view))


# What comes in comes out


def test_results_are_of_the_inputs_container() -> None:
    single, batch = random("uint8", (20, 30, 3)), random("uint8", (2, 20, 30, 3))
    for kind in KINDS:
        strength = STRENGTHS[kind][0]
        assert type(call(kind, single, [], strength)) is np.ndarray
        assert type(call(kind, batch, [], strength)) is np.ndarray
        for images in ([single, single[:5]], (single, single[:5])):
            result = call(kind, images, [[], []], strength)
            assert type(result) is list
            assert [type(one) for one in result] == [np.ndarray] * 2


def test_a_list_may_mix_shapes_and_channels() -> None:
    images = [random("uint8", shape) for shape in [(20, 30, 3), (5, 6), (9, 40, 1), (1, 1, 4), (300, 2, 3)]]
    results = fastblur.gaussian_blur(images, None, 3)
    for image, result in zip(images, results, strict=True):
        assert bits(result) == bits(fastblur.gaussian_blur(image, None, 3))


def test_two_axes_are_one_image_and_three_are_one_image() -> None:
    assert fastblur.gaussian_blur(random("uint8", (20, 30)), [(0, 0, 0, 9, 9)], 3).shape == (20, 30)
    assert fastblur.gaussian_blur(random("uint8", (20, 4, 3)), [(0, 0, 4, 9)], 3).shape == (20, 4, 3)


# Zero-sized


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        ("HW", (0, 0)),
        ("HW", (0, 5)),
        ("HWC", (5, 0, 3)),
        ("HWC", (0, 5, 3)),
        ("CHW", (3, 0, 5)),
        ("CHW", (4, 5, 0)),
        ("NHW", (0, 5, 5)),
        ("NHW", (2, 0, 5)),
        ("NHWC", (0, 5, 5, 3)),
        ("NHWC", (2, 5, 0, 3)),
        ("NCHW", (0, 3, 5, 5)),
        ("NCHW", (2, 1, 0, 0)),
    ],
)
def test_zero_sized_images_come_back(layout: str, shape: tuple[int, ...], dtype: str, kind: str) -> None:
    images = np.zeros(shape, dtype)
    strength = STRENGTHS[kind][0]
    boxes: list[Any] = [None, [], np.empty((0, 5))]
    if "N" not in layout:
        boxes.append([(0, 0, 5, 5)])
    elif shape[0]:
        boxes += [[(1, 0, 0, 5, 5)], [[(0, 0, 5, 5)], []]]
    for one in boxes:
        result = call(kind, images, one, strength, layout=layout)
        assert result.shape == shape
        assert result.dtype == images.dtype
        assert call(kind, images, one, strength, layout=layout, out=images) is images


def test_no_images() -> None:
    nothing: list[Any] = [[], None, np.empty((0, 5))]
    for boxes in nothing:
        assert fastblur.gaussian_blur([], boxes, 3) == []
        assert fastblur.gaussian_blur((), boxes, 3) == []


def test_zero_sized_images_in_a_list() -> None:
    images = [np.zeros((0, 5, 3), np.uint8), random("uint8", (20, 30, 3)), np.zeros((5, 0), np.uint8)]
    results = fastblur.gaussian_blur(images, None, 3)
    assert [result.shape for result in results] == [image.shape for image in images]
    assert bits(results[1]) == bits(fastblur.gaussian_blur(images[1], None, 3))
