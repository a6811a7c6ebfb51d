"""Promise: `out` is filled and returned, in place or apart, and nothing else is accepted."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from oracle import DTYPES, KINDS, bits, call
from strategies import RANGES, stretch

import fastblur

OVERLAP = "overlap|share"
BOXES = [(2, 3, 25, 18), (10, 0, 30, 20)]


def picture(dtype: str = "uint8", shape: tuple[int, ...] = (20, 30, 3)) -> npt.NDArray[Any]:
    return stretch(np.random.default_rng(0).random(shape), dtype, *RANGES[dtype][0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_in_place_and_apart_are_the_same(dtype: str, kind: str) -> None:
    image = picture(dtype)
    expected = bits(call(kind, image, BOXES, 9))
    assert bits(image) == bits(picture(dtype))
    apart = np.full_like(image, 77)
    assert call(kind, image, BOXES, 9, out=apart) is apart
    assert bits(apart) == expected, "pixels outside the boxes must be copied too"
    assert bits(image) == bits(picture(dtype))
    assert call(kind, image, BOXES, 9, out=image) is image
    assert bits(image) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_result_shares_nothing(kind: str) -> None:
    image = picture()
    for boxes in ([], BOXES, None):
        result = call(kind, image, boxes, 9)
        assert not np.shares_memory(result, image)
        assert result.flags.writeable
        assert result.flags.owndata or result.base is not None


def test_lists() -> None:
    images = [picture(shape=(20, 30, 3)), picture(shape=(9, 8)), picture(shape=(5, 40, 1))]
    expected = [bits(one) for one in fastblur.gaussian_blur(images, None, 3)]
    outs = [np.zeros_like(image) for image in images]
    result = fastblur.gaussian_blur(images, None, 3, out=outs)
    assert all(one is out for one, out in zip(result, outs, strict=True))
    assert [bits(one) for one in outs] == expected
    result = fastblur.gaussian_blur(images, None, 3, out=images)
    assert isinstance(result, list)
    assert all(one is image for one, image in zip(result, images, strict=True))
    assert [bits(one) for one in images] == expected


def test_some_of_a_list_in_place() -> None:
    images = [picture(), picture()]
    expected = bits(fastblur.gaussian_blur(images[0], None, 3))
    apart = np.zeros_like(images[0])
    fastblur.gaussian_blur(images, None, 3, out=[images[0], apart])
    assert bits(images[0]) == bits(apart) == expected
    assert bits(images[1]) == bits(picture())


def test_a_tuple_in_place() -> None:
    images = (picture(), picture())
    expected = bits(fastblur.gaussian_blur(images[0], None, 3))
    fastblur.gaussian_blur(images, None, 3, out=images)
    assert bits(images[0]) == bits(images[1]) == expected


def test_the_same_pixels_through_another_array_is_in_place() -> None:
    image = picture()
    expected = bits(fastblur.gaussian_blur(image, BOXES, 3))
    for view in (np.s_[:], np.s_[...]):
        again = picture()
        fastblur.gaussian_blur(again, BOXES, 3, out=again[view])
        assert bits(again) == expected
    writeable = picture()
    frozen = writeable.view()
    frozen.flags.writeable = False
    fastblur.gaussian_blur(frozen, BOXES, 3, out=writeable)
    assert bits(writeable) == expected


def test_other_strides_than_the_input() -> None:
    image = picture()
    expected = bits(fastblur.pixelate(image, BOXES, 3))
    base = np.zeros((40, 60, 4), np.uint8)
    for out in (
        base[::2, ::2, :3],
        base[:20, :30, 3:0:-1],
        base[39:19:-1, 59:29:-1, 1:],
        np.moveaxis(np.zeros((3, 20, 30), np.uint8), 0, 2),
    ):
        out[...] = 5
        assert fastblur.pixelate(image, BOXES, 3, out=out) is out
        assert bits(out) == expected


# Overlap


def test_side_by_side_is_no_overlap() -> None:
    """A before-and-after picture: the two halves interleave in memory and share no byte."""
    expected = bits(fastblur.pixelate(picture(), BOXES, 3))
    pair = np.zeros((20, 60, 3), np.uint8)
    pair[:, :30] = picture()
    fastblur.pixelate(pair[:, :30], BOXES, 3, out=pair[:, 30:])
    assert bits(pair[:, 30:]) == expected
    assert bits(pair[:, :30]) == bits(picture())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_interleaved_is_no_overlap(axis: int) -> None:
    shape = [20, 30, 2]
    shape[axis] *= 2
    base = np.zeros(shape, np.uint8)
    even, odd = (np.s_[:],) * axis + (np.s_[::2],), (np.s_[:],) * axis + (np.s_[1::2],)
    base[even] = picture()[..., :2]
    expected = bits(fastblur.pixelate(np.ascontiguousarray(base[even]), BOXES, 3))
    fastblur.pixelate(base[even], BOXES, 3, out=base[odd])
    assert bits(base[odd]) == expected


def overlapping() -> dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    base = np.zeros((41, 41, 4), np.uint8)
    square = np.zeros((30, 30), np.uint8)
    return {
        "one row down": (base[:-1], base[1:]),
        "one row up": (base[1:], base[:-1]),
        "one column": (base[:, 1:], base[:, :-1]),
        "one channel": (base[..., :3], base[..., 1:]),
        "corner": (base[:21, :21], base[20:, 20:]),
        "flipped": (base, base[::-1]),
        "flipped sideways": (base, base[:, ::-1]),
        "channels swapped": (base[..., :3], base[..., 2::-1]),
        "transposed": (square, square.T),
    }


@pytest.mark.parametrize("name", overlapping())
def test_partial_overlap(name: str) -> None:
    image, out = overlapping()[name]
    with pytest.raises(ValueError, match=OVERLAP):
        fastblur.gaussian_blur(image, [(0, 0, 5, 5)], 3, out=out)
    with pytest.raises(ValueError, match=OVERLAP):
        fastblur.gaussian_blur(image, [], 3, out=out)


def test_overlap_by_one_byte_of_a_pixel() -> None:
    buffer = np.zeros(2 * 30 * 40 + 1, np.uint8)
    image = buffer[:-1].view(np.uint16).reshape(30, 40)
    out = buffer[1:].view(np.uint16).reshape(30, 40)
    with pytest.raises(ValueError, match=OVERLAP):
        fastblur.gaussian_blur(image, None, 3, out=out)


def test_overlap_within_out() -> None:
    image = picture(shape=(20, 30))
    once = np.zeros((20, 1), np.uint8)
    window = sliding_window_view(np.zeros(49, np.uint8), 30, writeable=True)
    diagonal = as_strided(np.zeros(60, np.uint8), (20, 30), (1, 1))
    zero_stride = as_strided(once, (20, 30), (1, 0))
    for out in (window, diagonal, zero_stride):
        with pytest.raises(ValueError, match=OVERLAP):
            fastblur.gaussian_blur(image, None, 3, out=out)
        with pytest.raises(ValueError, match=OVERLAP):
            fastblur.gaussian_blur(out, None, 3, out=out)


def test_axes_of_one_pixel_may_have_any_stride() -> None:
    """An axis of length 1 overlaps nothing, whatever NumPy says its stride is."""
    for shape, strides in [((1, 30), (0, 1)), ((20, 1), (1, 0)), ((20, 30, 1), (30, 1, 0)), ((1, 1, 3), (0, 0, 1))]:
        out = as_strided(np.zeros(600, np.uint8), shape, strides)
        image = picture(shape=shape)
        assert fastblur.gaussian_blur(image, None, 3, out=out) is out
        assert bits(out) == bits(fastblur.gaussian_blur(image, None, 3))


def test_strides_that_interleave_without_overlap() -> None:
    """Addresses 2 y + 3 x for y < 3, x < 2 are all different, though neither axis is nested in the other."""
    image = picture(shape=(3, 2))
    out = as_strided(np.zeros(8, np.uint8), (3, 2), (2, 3))
    fastblur.gaussian_blur(image, None, 1, out=out)
    assert bits(out) == bits(fastblur.gaussian_blur(image, None, 1))


def test_overlap_between_images_of_a_list() -> None:
    first, second = picture(), picture()
    base = np.zeros((30, 30, 3), np.uint8)
    for images, outs in [
        ([first, first], [first, first]),  # the same image twice, in place
        ([first, second], [np.zeros_like(first)] * 2),
        ([first, second], [second, first]),
        ([first, second], [base[:20], base[10:]]),
    ]:
        before = [bits(one) for one in (*images, *outs)]
        with pytest.raises(ValueError, match=OVERLAP):
            fastblur.gaussian_blur(images, None, 3, out=outs)
        assert [bits(one) for one in (*images, *outs)] == before


def test_the_same_image_twice_apart() -> None:
    image = picture()
    results = fastblur.gaussian_blur([image, image], [[BOXES[0]], [BOXES[1]]], 3)
    assert bits(results[0]) == bits(fastblur.gaussian_blur(image, [BOXES[0]], 3))
    assert bits(results[1]) == bits(fastblur.gaussian_blur(image, [BOXES[1]], 3))


# What is refused


def test_read_only() -> None:
    image = picture()
    image.flags.writeable = False
    with pytest.raises(ValueError, match=r"read-only|writ"):
        fastblur.gaussian_blur(image, BOXES, 3, out=image)
    with pytest.raises(ValueError, match=r"read-only|writ"):
        fastblur.gaussian_blur(picture(), [], 3, out=image)
    assert bits(image) == bits(picture())


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 4), (20, 31, 3), (30, 20, 3), (1, 20, 30, 3), (20, 30, 1)])
def test_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="out") as caught:
        fastblur.gaussian_blur(picture(), BOXES, 3, out=np.zeros(shape, np.uint8))
    assert str(shape) in str(caught.value)
    assert "(20, 30, 3)" in str(caught.value)


@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64", "int8", "bool"])
def test_another_dtype(dtype: str) -> None:
    with pytest.raises(TypeError, match="out") as caught:
        fastblur.gaussian_blur(picture(), BOXES, 3, out=np.zeros((20, 30, 3), dtype))
    assert dtype in str(caught.value)
    assert "uint8" in str(caught.value)


@pytest.mark.parametrize("out", [True, 3, "out", b"", [1], object()])
def test_another_kind(out: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="out"):
        fastblur.gaussian_blur(picture(), BOXES, 3, out=out)


def test_one_out_for_a_list_and_a_list_for_one() -> None:
    images = [picture(), picture()]
    for bad in (np.zeros((2, 20, 30, 3), np.uint8), [np.zeros_like(images[0])], [np.zeros_like(images[0])] * 3, []):
        with pytest.raises((TypeError, ValueError), match="out"):
            fastblur.gaussian_blur(images, None, 3, out=bad)
    with pytest.raises((TypeError, ValueError), match="out"):
        fastblur.gaussian_blur(picture(), BOXES, 3, out=[picture()])
