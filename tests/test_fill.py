"""Promise: a filled box holds the value exactly, one or one per channel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import DTYPES, bits, check
from strategies import RANGES, Case, cases, stretch

import fastblur


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_any_box_of_any_image(dtype: str, data: st.DataObject) -> None:
    case: Case = data.draw(cases(dtype))
    shape, feather = data.draw(st.sampled_from(["rectangle", "ellipse"])), data.draw(st.sampled_from([0, 2.5]))
    check("fill", case.image, case.box, case.value, shape=shape, feather=feather)


@pytest.mark.parametrize("layout", ["HW", "HWC", "CHW", "NHW", "NHWC", "NCHW"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_default_is_zero(dtype: str, layout: str) -> None:
    image = stretch(np.ones([{"N": 2, "C": 3}.get(axis, 8) for axis in layout]), dtype, *RANGES[dtype][0])
    assert not fastblur.fill(image, None, layout=layout).any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_one_value_per_channel(channels: int, dtype: str) -> None:
    image = stretch(np.random.default_rng(0).random((12, 14, channels)), dtype, *RANGES[dtype][0])
    value = [10, 200, 0, 255][:channels]
    for given_as in (value, tuple(value), np.array(value), np.array(value, dtype), np.array(value, np.float64)):
        result = check("fill", image, (2, 3, 9, 11), given_as)
        assert np.all(result[3:11, 2:9] == np.array(value, dtype))
        chw = fastblur.fill(np.moveaxis(image, 2, 0), [(2, 3, 9, 11)], given_as, layout="CHW")
        np.testing.assert_array_equal(np.moveaxis(chw, 0, 2), result)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("uint8", 255),
        ("uint8", 255.0),
        ("uint8", np.uint8(255)),
        ("uint8", np.int64(0)),
        ("uint8", -0.0),
        ("uint16", 65535),
        ("uint16", np.float32(65535)),
        ("float16", -65504),
        ("float16", 0.1),
        ("float32", 0.1),
        ("float32", -3.4e38),
        ("float32", 16777217),
        ("float32", 5e-324),
    ],
)
def test_representable_values_and_rounded_floats(dtype: str, value: Any) -> None:
    image = np.ones((5, 6), dtype)
    expected = np.full_like(image, np.array(value, np.float64).astype(dtype))
    np.testing.assert_array_equal(fastblur.fill(image, None, value), expected)


def test_fill_is_irreversible() -> None:
    """Two images that differ only inside the box are the same afterwards, also under an ellipse without feather."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 256, (30, 30, 3), dtype=np.uint8)
    second = first.copy()
    second[10:20, 10:20] = rng.integers(0, 256, (10, 10, 3))
    assert bits(fastblur.fill(first, [(10, 10, 20, 20)], 7)) == bits(fastblur.fill(second, [(10, 10, 20, 20)], 7))


def test_of_garbage_leaves_none() -> None:
    """The value replaces what was there, whatever it was."""
    image = np.full((9, 9), np.nan, np.float32)
    assert np.all(fastblur.fill(image, None, 3) == 3)
