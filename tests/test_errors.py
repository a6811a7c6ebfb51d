"""Promise: bad input raises the right error, which says what was received and what is accepted, and writes nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from oracle import bits, call

import fastblur

if TYPE_CHECKING:
    from collections.abc import Callable

GRAY = np.arange(20 * 30, dtype=np.uint8).reshape(20, 30)
COLOUR = np.arange(20 * 30 * 3, dtype=np.uint16).reshape(20, 30, 3).astype(np.uint8)
BATCH = np.stack([COLOUR, COLOUR[::-1], COLOUR[:, ::-1]])
BOX = (2, 3, 12, 13)
FOUR_DTYPES = ("uint8", "uint16", "float16", "float32")
LAYOUTS = ("HW", "HWC", "CHW", "NHW", "NHWC", "NCHW")

blur, pixelate, fill = fastblur.gaussian_blur, fastblur.pixelate, fastblur.fill


def assert_raises(
    error: type[Exception], needles: tuple[Any, ...], function: Callable[..., Any], *args: Any, **kwargs: Any
) -> None:
    """It raises exactly this type, and the message has every needle in it."""
    with pytest.raises((TypeError, ValueError)) as caught:
        function(*args, **kwargs)
    assert caught.type is error, f"{caught.type.__name__}: {caught.value}"
    missing = [str(needle) for needle in needles if str(needle) not in str(caught.value)]
    assert not missing, f"{missing} not in {str(caught.value)!r}"


# Images


@pytest.mark.parametrize(
    "dtype",
    [
        "int8",
        "int16",
        "int32",
        "int64",
        "uint32",
        "uint64",
        "float64",
        "longdouble",
        "bool",
        "complex64",
        "S1",
        "U1",
        "O",
        "M8[s]",
    ],
)
@pytest.mark.parametrize("function", [blur, pixelate, fill])
def test_dtype(function: Callable[..., Any], dtype: str) -> None:
    image = np.zeros((20, 30), dtype)
    assert_raises(TypeError, (image.dtype.name, *FOUR_DTYPES), function, image, [BOX], 3)


@pytest.mark.parametrize("dtype", [">u2", ">f2", ">f4"])
def test_non_native_byte_order(dtype: str) -> None:
    assert_raises(TypeError, (dtype, *FOUR_DTYPES), blur, np.zeros((20, 30), dtype), [BOX], 3)


def test_structured_dtype() -> None:
    image = np.zeros((20, 30), [("r", "u1"), ("g", "u1")])
    assert_raises(TypeError, FOUR_DTYPES, blur, image, [BOX], 3)


@pytest.mark.parametrize(
    "thing", [None, 3, 3.5, "photo.jpg", b"bytes", {"image": GRAY}, {1, 2}, object(), iter([GRAY])]
)
def test_kind_of_image(thing: Any) -> None:
    assert_raises(TypeError, (type(thing).__name__,), blur, thing, [BOX], 3)


@pytest.mark.parametrize("thing", [[1, 2, 3], [[1, 2], [3, 4]], [GRAY, None], [GRAY, "b.jpg"], (GRAY, [GRAY])])
def test_kind_of_image_in_a_list(thing: Any) -> None:
    assert_raises(TypeError, (), blur, thing, None, 3)


def test_which_image_of_a_list() -> None:
    assert_raises(TypeError, ("1", "float64", *FOUR_DTYPES), blur, [GRAY, GRAY.astype(np.float64)], None, 3)
    assert_raises(ValueError, ("2",), blur, [COLOUR, COLOUR, COLOUR[None]], None, 3)


@pytest.mark.parametrize(
    ("shape", "fitting", "not_fitting"),
    [
        ((3, 20, 30), ("CHW", "NHW"), ("NHWC",)),
        ((20, 30, 5), ("NHW",), ("CHW",)),
        ((2, 3, 20, 30), ("NCHW",), ("NHW",)),
    ],
)
def test_channel_axis_of_a_default_layout(
    shape: tuple[int, ...], fitting: tuple[str, ...], not_fitting: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="layout") as caught:
        blur(np.zeros(shape, np.uint8), None, 3)
    message = str(caught.value)
    assert str(shape) in message
    for name in fitting:
        assert repr(name) in message
    for name in not_fitting:
        assert repr(name) not in message


def test_channel_axis_of_a_default_layout_that_nothing_fits() -> None:
    assert_raises(ValueError, ("layout", (7, 20, 30, 9)), blur, np.zeros((7, 20, 30, 9), np.uint8), None, 3)


def test_channel_axis_of_a_defaulted_layout_in_a_list() -> None:
    """An image of a list has no batch axis, so NHW does not fit."""
    with pytest.raises(ValueError, match="layout") as caught:
        blur([np.zeros((3, 20, 30), np.uint8)], None, 3)
    assert "'CHW'" in str(caught.value)
    assert "'NHW'" not in str(caught.value)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_channels_of_a_given_layout(layout: str) -> None:
    for channels in (0, 5, 7):
        shape = tuple({"N": 2, "C": channels}.get(axis, 9) for axis in layout)
        if "C" in layout:
            assert_raises(ValueError, (shape, "4"), blur, np.zeros(shape, np.uint8), None, 3, layout=layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("ndim", [0, 1, 2, 3, 4, 5])
def test_axes_of_a_given_layout(layout: str, ndim: int) -> None:
    image = np.zeros((3,) * ndim, np.uint8)
    if ndim != len(layout):
        assert_raises(ValueError, (layout, image.shape), blur, image, None, 3, layout=layout)


@pytest.mark.parametrize("ndim", [0, 1, 5, 6])
def test_axes_without_a_layout(ndim: int) -> None:
    image = np.zeros((3,) * ndim, np.uint8)
    assert_raises(ValueError, (image.shape,), blur, image, None, 3)


@pytest.mark.parametrize("layout", ["", "hwc", "CWH", "WH", "NHWCD", "HWC "])
def test_unknown_layout(layout: str) -> None:
    assert_raises(ValueError, (repr(layout), *LAYOUTS), blur, COLOUR, None, 3, layout=layout)


@pytest.mark.parametrize("layout", [3, ("H", "W", "C"), b"HWC"])
def test_kind_of_layout(layout: Any) -> None:
    assert_raises(TypeError, ("layout", repr(layout)), blur, COLOUR, None, 3, layout=layout)


@pytest.mark.parametrize("layout", ["NHW", "NHWC", "NCHW"])
def test_a_list_takes_the_layout_of_one_image(layout: str) -> None:
    images = [np.zeros((3,) * len(layout), np.uint8)]
    assert_raises(ValueError, (layout,), blur, images, None, 3, layout=layout)


# Boxes


@pytest.mark.parametrize("function", [blur, pixelate, fill])
@pytest.mark.parametrize("boxes", [BOX, list(BOX), np.array(BOX), np.array(BOX, np.float32)])
def test_a_flat_box(function: Callable[..., Any], boxes: Any) -> None:
    """The message says what to write instead."""
    with pytest.raises(ValueError, match=r"\(4,\)") as caught:
        function(COLOUR, boxes, 3)
    assert any(hint in str(caught.value) for hint in ("[box]", "[boxes]", "[[", "(1, 4)", "(K, 4)"))


@pytest.mark.parametrize("boxes", [[BOX], [BOX] * 2, np.array([BOX] * 3), [BOX] * 3, [list(BOX)] * 4, (BOX,) * 3])
@pytest.mark.parametrize("ragged", [False, True])
def test_rows_without_an_image_index_for_a_batch(boxes: Any, ragged: bool) -> None:
    """Also when there are as many rows as images, where a guess would be possible."""
    assert_raises(ValueError, ("(K, 5)", (len(boxes), 4)), blur, list(BATCH) if ragged else BATCH, boxes, 3)


@pytest.mark.parametrize("shape", [(1,), (5,), (2, 3), (2, 6), (2, 2, 4), (1, 1, 1, 4)])
def test_shape_of_boxes(shape: tuple[int, ...]) -> None:
    assert_raises(ValueError, (shape,), blur, COLOUR, np.ones(shape), 3)


@pytest.mark.parametrize("shape", [(3, 2, 3), (3, 2, 5), (2, 2, 4), (4, 2, 4), (3, 1, 2, 4)])
def test_shape_of_boxes_of_a_batch(shape: tuple[int, ...]) -> None:
    assert_raises(ValueError, (shape,), blur, BATCH, np.ones(shape), 3)


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("ragged", [False, True])
def test_a_list_for_another_number_of_images(count: int, ragged: bool) -> None:
    images: Any = list(BATCH) if ragged else BATCH
    assert_raises(ValueError, (count, 3), blur, images, [np.array([BOX])] * count, 3)


def test_shape_of_the_boxes_of_one_image() -> None:
    assert_raises(ValueError, ("1", (2, 5)), blur, BATCH, [np.ones((1, 4)), np.ones((2, 5)), np.ones((1, 4))], 3)
    assert_raises(ValueError, ("2", (4,)), blur, BATCH, [np.ones((1, 4)), np.ones((1, 4)), np.ones(4)], 3)


@pytest.mark.parametrize("boxes", [[(1, 2, 3, 4), (1, 2, 3)], [[1, 2], 3], [(1, 2, 3, 4), 5]])
def test_boxes_of_uneven_shape(boxes: Any) -> None:
    assert_raises(ValueError, ("boxes",), blur, COLOUR, boxes, 3)


@pytest.mark.parametrize("boxes", [[("1", "2", "3", "4")], "all", [(1j, 2, 3, 4)], {"x1": 1}, object(), [None], 5j])
def test_kind_of_boxes(boxes: Any) -> None:
    assert_raises(TypeError, ("boxes",), blur, COLOUR, boxes, 3)


BAD_ROWS = [
    ((10.0, 3.0, 9.5, 8.0), ("10", "9.5")),
    ((1.0, 8.0, 4.0, 7.0), ("8", "7")),
    ((math.nan, 1.0, 4.0, 7.0), ("nan",)),
    ((1.0, 1.0, 4.0, math.nan), ("nan",)),
    ((-math.inf, 1.0, 4.0, 7.0), ("inf",)),
    ((1.0, 1.0, math.inf, 7.0), ("inf",)),
]


@pytest.mark.parametrize("function", [blur, pixelate, fill])
@pytest.mark.parametrize(("row", "needles"), BAD_ROWS)
def test_the_bad_row_is_named(function: Callable[..., Any], row: tuple[float, ...], needles: tuple[str, ...]) -> None:
    rows = [BOX] * 7 + [row] + [BOX]
    assert_raises(ValueError, ("row 7", *needles), function, COLOUR, rows, 3)
    rows = [(1, *one) for one in rows]
    assert_raises(ValueError, ("row 7", *needles), function, BATCH, rows, 3)


@pytest.mark.parametrize(("row", "needles"), BAD_ROWS)
def test_the_bad_row_of_an_image_is_named(row: tuple[float, ...], needles: tuple[str, ...]) -> None:
    boxes: list[Any] = [[BOX], [BOX, BOX, row], []]
    assert_raises(ValueError, ("image 1", "row 2", *needles), blur, BATCH, boxes, 3)


@pytest.mark.parametrize("box_format", ["xywh", "cxcywh"])
def test_negative_width_or_height(box_format: str) -> None:
    for row in [(5, 5, -1, 4), (5, 5, 4, -0.5)]:
        assert_raises(ValueError, ("row 1",), blur, COLOUR, [(5, 5, 4, 4), row], 3, box_format=box_format)


def test_a_conversion_that_overflows() -> None:
    """Finite before, infinite after."""
    assert_raises(ValueError, ("row 0",), blur, COLOUR, [(1.7e308, 0, 1.7e308, 4)], 3, box_format="xywh")


@pytest.mark.parametrize("index", [-1, 3, 1e9, 1e300, 0.5, -0.25, math.nan, math.inf])
@pytest.mark.parametrize("ragged", [False, True])
def test_image_index(index: float, ragged: bool) -> None:
    rows = np.array([(0, *BOX), (index, *BOX)], np.float64)
    assert_raises(ValueError, ("row 1",), blur, list(BATCH) if ragged else BATCH, rows, 3)


def test_image_index_of_a_single_image() -> None:
    assert_raises(ValueError, ("row 0", "1"), blur, COLOUR, [(1, *BOX)], 3)


# Strengths and geometry


@pytest.mark.parametrize("boxes", [[BOX], [], np.empty((0, 4)), None])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sigma", 0),
        ("sigma", -1.5),
        ("sigma", math.nan),
        ("sigma", math.inf),
        ("kernel_size", 4),
        ("kernel_size", 0),
        ("kernel_size", -3),
        ("margin", -0.5),
        ("margin", math.nan),
        ("margin", math.inf),
        ("feather", -1),
        ("feather", math.nan),
        ("feather", math.inf),
        ("block_size", 0),
        ("block_size", -8),
        ("block_size", math.nan),
        ("block_size", math.inf),
    ],
)
def test_bad_values_even_without_boxes(name: str, value: float, boxes: Any) -> None:
    function = pixelate if name == "block_size" else blur
    options = {name: value} if name in ("sigma", "kernel_size", "block_size") else {"sigma": 3, name: value}
    assert_raises(ValueError, (name, value), function, COLOUR, boxes, **options)


@pytest.mark.parametrize("name", ["sigma", "margin", "feather", "kernel_size", "block_size"])
def test_integers_beyond_any_float(name: str) -> None:
    function = pixelate if name == "block_size" else blur
    huge = 10**400 + 1
    options = {name: huge} if name in ("sigma", "kernel_size", "block_size") else {"sigma": 3, name: huge}
    assert_raises(ValueError, (name,), function, COLOUR, [BOX], **options)


@pytest.mark.parametrize("name", ["sigma", "margin", "feather", "kernel_size", "block_size"])
def test_the_bad_value_of_many_is_named(name: str) -> None:
    function = pixelate if name == "block_size" else blur
    for bad in (-7, math.nan, math.inf) if name != "kernel_size" else (-7, 4):
        values = [3, 5, bad, 3]
        options = {name: values} if name in ("sigma", "kernel_size", "block_size") else {"sigma": 3, name: values}
        assert_raises(ValueError, (name, bad, "2"), function, COLOUR, [BOX] * 4, **options)


@pytest.mark.parametrize("name", ["sigma", "margin", "feather", "kernel_size", "block_size"])
@pytest.mark.parametrize("values", [[3], [3, 3], (3, 5), [3] * 4, []])
def test_another_number_of_values_than_boxes(name: str, values: Any) -> None:
    """One value in a list is not a scalar, and a tuple is per box, never (x, y)."""
    function = pixelate if name == "block_size" else blur
    options = {name: values} if name in ("sigma", "kernel_size", "block_size") else {"sigma": 3, name: values}
    assert_raises(ValueError, (name, len(values), 3), function, COLOUR, [BOX] * 3, **options)


@pytest.mark.parametrize("name", ["sigma", "margin", "feather", "kernel_size", "block_size"])
def test_values_of_two_axes(name: str) -> None:
    function = pixelate if name == "block_size" else blur
    values = np.ones((3, 1)) if name != "kernel_size" else np.ones((3, 1), int)
    options = {name: values} if name in ("sigma", "kernel_size", "block_size") else {"sigma": 3, name: values}
    assert_raises(ValueError, (name, (3, 1)), function, COLOUR, [BOX] * 3, **options)


@pytest.mark.parametrize("name", ["sigma", "margin", "feather", "kernel_size", "block_size"])
@pytest.mark.parametrize("value", ["3", 3j, object(), {"a": 1}, [None], ["3"]])
def test_kind_of_value(name: str, value: Any) -> None:
    function = pixelate if name == "block_size" else blur
    options = {name: value} if name in ("sigma", "kernel_size", "block_size") else {"sigma": 3, name: value}
    assert_raises(TypeError, (name,), function, COLOUR, [BOX], **options)


@pytest.mark.parametrize("kernel_size", [3.5, [3, 4.5], math.nan, math.inf])
def test_a_kernel_size_that_is_not_whole(kernel_size: Any) -> None:
    boxes = [BOX] * np.size(kernel_size)
    with pytest.raises((TypeError, ValueError), match="kernel_size"):
        blur(COLOUR, boxes, kernel_size=kernel_size)


def test_neither_sigma_nor_kernel_size() -> None:
    assert_raises(TypeError, ("sigma", "kernel_size"), blur, COLOUR, [BOX])
    assert_raises(TypeError, ("sigma", "kernel_size"), blur, COLOUR, [], None, kernel_size=None)


def test_no_block_size() -> None:
    assert_raises(TypeError, ("block_size",), pixelate, COLOUR, [BOX])
    assert_raises(TypeError, ("block_size",), pixelate, COLOUR, [BOX], None)


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("border_mode", "wrap", ("reflect", "symmetric", "replicate")),
        ("border_mode", "REFLECT", ("reflect", "symmetric", "replicate")),
        ("method", "fft", ("auto", "direct")),
        ("shape", "circle", ("rectangle", "ellipse")),
        ("box_format", "yxyx", ("xyxy", "xywh", "cxcywh")),
    ],
)
@pytest.mark.parametrize("boxes", [[BOX], []])
def test_unknown_names(name: str, value: str, accepted: tuple[str, ...], boxes: Any) -> None:
    assert_raises(ValueError, (name, repr(value), *accepted), blur, COLOUR, boxes, 3, **{name: value})


@pytest.mark.parametrize("name", ["border_mode", "method", "shape", "box_format"])
@pytest.mark.parametrize("value", [None, 3, b"auto"])
def test_kind_of_name(name: str, value: Any) -> None:
    assert_raises(TypeError, (name, repr(value)), blur, COLOUR, [BOX], 3, **{name: value})


@pytest.mark.parametrize("relative", [("sigmma",), ["margin", "side"], ("block_size",), ("kernel_size",)])
def test_unknown_relative_name(relative: Any) -> None:
    assert_raises(
        ValueError, ("relative", relative[-1], "sigma", "margin", "feather"), blur, COLOUR, [BOX], 3, relative=relative
    )


@pytest.mark.parametrize("relative", [0.5, 3, None, "sigma", {"sigma": True}])
def test_kind_of_relative(relative: Any) -> None:
    assert_raises(TypeError, ("relative",), blur, COLOUR, [BOX], 3, relative=relative)


@pytest.mark.parametrize("num_threads", [0, -1, -(10**30)])
def test_num_threads(num_threads: int) -> None:
    assert_raises(ValueError, ("num_threads", num_threads), blur, COLOUR, [BOX], 3, num_threads=num_threads)
    assert_raises(ValueError, (num_threads,), fastblur.set_num_threads, num_threads)


@pytest.mark.parametrize("num_threads", [1.5, "2", [1], 2j])
def test_kind_of_num_threads(num_threads: Any) -> None:
    assert_raises(TypeError, ("num_threads",), blur, COLOUR, [BOX], 3, num_threads=num_threads)
    with pytest.raises(TypeError):
        fastblur.set_num_threads(num_threads)


@pytest.mark.parametrize(
    ("dtype", "value", "bad"),
    [
        ("uint8", 256, "256"),
        ("uint8", -1, "-1"),
        ("uint8", 0.5, "0.5"),
        ("uint8", 1e300, "1e+300"),
        ("uint8", math.nan, "nan"),
        ("uint8", math.inf, "inf"),
        ("uint16", 65536, "65536"),
        ("uint16", 3.25, "3.25"),
        ("uint8", [1, 2, 256], "256"),
        ("uint16", np.array([1, -2, 3]), "-2"),
    ],
)
@pytest.mark.parametrize("boxes", [[BOX], []])
def test_fill_value_must_be_representable(dtype: str, value: Any, bad: str, boxes: Any) -> None:
    assert_raises(ValueError, ("value", bad, dtype), fill, COLOUR.astype(dtype), boxes, value)


@pytest.mark.parametrize("value", [[1, 2], [1, 2, 3, 4], [], [[1, 2, 3]], np.ones((1, 3))])
def test_fill_value_shape(value: Any) -> None:
    assert_raises(ValueError, ("value", "3"), fill, COLOUR, [BOX], value)


@pytest.mark.parametrize("value", ["black", None, 3j, ["a", "b", "c"], object()])
def test_kind_of_fill_value(value: Any) -> None:
    assert_raises(TypeError, ("value",), fill, COLOUR, [BOX], value)


def test_options_are_keyword_only() -> None:
    for function in (blur, pixelate, fill):
        with pytest.raises(TypeError):
            function(COLOUR, [BOX], 3, 5)


@pytest.mark.parametrize("name", ["border_mode", "method", "kernel_size", "sigma"])
def test_options_of_a_blur_alone(name: str) -> None:
    for function in (pixelate, fill):
        with pytest.raises(TypeError, match=name):
            function(COLOUR, [BOX], 3, **{name: 3})


# Nothing is written


BAD_CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "row 50": ("auto", {"boxes": [BOX] * 50 + [(9, 9, 1, 1)]}),
    "row 30": ("pixelate", {"boxes": [BOX] * 30 + [(math.nan, 9, 1, 1)]}),
    "sigma": ("auto", {"boxes": [BOX] * 3, "strength": [3, 3, -1]}),
    "block_size": ("pixelate", {"boxes": [BOX] * 3, "strength": [3, 3, 0]}),
    "kernel_size": ("kernel_size", {"boxes": [BOX] * 3, "strength": [3, 3, 4]}),
    "margin": ("fill", {"boxes": [BOX] * 3, "margin": [0, 0, -1]}),
    "feather": ("fill", {"boxes": [BOX] * 3, "feather": [0, 0, math.nan]}),
    "value": ("fill", {"boxes": [BOX], "strength": [0, 0, 256]}),
    "shape": ("fill", {"boxes": [BOX], "shape": "star"}),
    "num_threads": ("auto", {"boxes": [BOX], "num_threads": 0}),
    "border_mode": ("auto", {"boxes": [BOX], "border_mode": "wrap"}),
}


@pytest.mark.parametrize("wrong", BAD_CALLS)
def test_nothing_is_written_in_place(wrong: str) -> None:
    kind, options = BAD_CALLS[wrong]
    image = COLOUR.copy()
    with pytest.raises(ValueError, match=wrong):
        call(kind, image, out=image, **{"strength": 3, **options})
    assert bits(image) == bits(COLOUR)


def test_nothing_is_written_to_earlier_images() -> None:
    """Whatever is wrong with the last one."""

    def attempt(images: list[npt.NDArray[Any]], boxes: Any, out: Any) -> None:
        before = [bits(image) for image in [*images, *out]]
        with pytest.raises((TypeError, ValueError)):
            blur(images, boxes, 3, out=out)
        assert [bits(image) for image in [*images, *out]] == before

    good = COLOUR.copy()
    frozen = COLOUR.copy()
    frozen.flags.writeable = False
    for bad in (COLOUR.astype(np.float64), frozen, COLOUR[None], COLOUR.astype(">u2")):
        images = [good, bad]
        attempt(images, None, images)
    attempt([good, COLOUR], [[BOX], [(5, 5, 1, 1)]], [good, COLOUR.copy()])
    attempt([good, COLOUR], None, [good.copy(), COLOUR[:5].copy()])
    attempt([good, COLOUR], None, [good.copy(), COLOUR.astype(np.uint16)])
