"""Promise: only the working box's own pixels are read, and every pixel outside it keeps its bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import DTYPES, KINDS, bits, call, working_box
from strategies import Case, cases


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_neither_written_nor_read(dtype: str, kind: str, data: st.DataObject) -> None:
    """Replace everything outside by other bytes: the inside comes out the same, the outside as it went in."""
    case: Case = data.draw(cases(dtype, largest=120))
    geometry = {
        "margin": data.draw(st.sampled_from([0, 1.25, 6])),
        "feather": data.draw(st.sampled_from([0, 0.5, 4])),
    }
    options = case.options(kind) | geometry | {"shape": data.draw(st.sampled_from(["rectangle", "ellipse"]))}
    garbage = np.random.default_rng(data.draw(st.integers(0, 99))).bytes(case.image.nbytes)
    other = np.frombuffer(garbage, case.image.dtype).reshape(case.image.shape).copy()  # NaN and infinity among them
    inside = np.zeros(case.image.shape[:2], bool)
    working = working_box(case.image, case.box, **geometry)
    if working is not None:
        x1, y1, x2, y2 = working
        inside[y1:y2, x1:x2] = True
    other[inside] = case.image[inside]
    first = call(kind, case.image, [case.box], case.strength(kind), **options)
    second = call(kind, other, [case.box], case.strength(kind), **options)
    assert bits(first[~inside]) == bits(case.image[~inside])
    assert bits(second[~inside]) == bits(other[~inside])
    assert bits(first[inside]) == bits(second[inside])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_bytes_beside_a_strided_view(dtype: str, kind: str) -> None:
    """In place on a crop of a larger array: the rest of that array, and the padding between its rows, stay."""
    rng = np.random.default_rng(0)
    base = np.frombuffer(rng.bytes(70 * 90 * 4 * 4), np.uint8)[: 70 * 90 * 4 * np.dtype(dtype).itemsize]
    base = base.view(dtype).reshape(70, 90, 4).copy()
    base[~np.isfinite(base)] = 1
    for view in (np.s_[7:60, 11:80, :3], np.s_[8:61:2, 3:80:3, 1:3], np.s_[60:7:-1, 80:11:-1, ::-1]):
        after = base.copy()
        call(kind, after[view], None, 5, out=after[view])
        untouched = np.ones(base.shape, bool)
        untouched[view] = False
        assert bits(after[untouched]) == bits(base[untouched])
        assert bits(after[view]) != bits(base[view])


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_that_miss(kind: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    boxes = [(-9, 0, 0, 20), (30, 0, 40, 20), (0, -5, 30, 0), (0, 20, 30, 21), (4, 4, 4, 9), (4, 4, 9, 4), (5, 5, 5, 5)]
    assert bits(call(kind, image, boxes, 3)) == bits(image)
    assert bits(call(kind, image, boxes[4:], 3, margin=5, feather=3)) == bits(image)
