"""Promise: only the working box's own pixels are read, and every pixel outside it keeps its bits."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import DTYPES, KINDS, bits, call, working_box
from strategies import Case, cases
from subprocesses import run_python


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
@pytest.mark.parametrize("dtype", DTYPES)
def test_boxes_of_every_width(dtype: str, kind: str) -> None:
    """Around every number of samples that a processor takes at once."""
    image = np.random.default_rng(0).integers(0, 256, (9, 160)).astype(dtype)
    for width in range(1, 140):
        inside = np.s_[2:7, 8 : 8 + width]
        for strength in (1, 5):
            result = call(kind, image, [(8, 2, 8 + width, 7)], strength)
            assert bits(result[inside]) == bits(call(kind, np.ascontiguousarray(image[inside]), None, strength))
            result[inside] = image[inside]
            assert bits(result) == bits(image)


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_that_miss(kind: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    boxes = [(-9, 0, 0, 20), (30, 0, 40, 20), (0, -5, 30, 0), (0, 20, 30, 21), (4, 4, 4, 9), (4, 4, 9, 4), (5, 5, 5, 5)]
    assert bits(call(kind, image, boxes, 3)) == bits(image)
    assert bits(call(kind, image, boxes[4:], 3, margin=5, feather=3)) == bits(image)


@pytest.mark.skipif(os.name == "nt", reason="pages are closed the POSIX way")
@pytest.mark.parametrize("dtype", DTYPES)
def test_an_image_between_pages_that_cannot_be_touched(dtype: str) -> None:
    """In place, with the first of its samples just after such a page, and with the last of them just before one."""
    code = """
        import ctypes
        import mmap
        import numpy as np
        from oracle import call

        PAGE = mmap.PAGESIZE
        STRENGTHS = {"auto": (0.6, 2, 9, 40), "direct": (0.6, 9), "kernel_size": (3, 41)}
        STRENGTHS |= {"pixelate": (4,), "fill": (7,)}

        def views(h, w, c):
            yield (h, w, c), lambda a: a
            yield (h, w, c), lambda a: a[::-1, ::-1, ::-1]
            yield (w, h, c), lambda a: a.transpose(1, 0, 2)
            yield (c, h, w), lambda a: a.transpose(1, 2, 0)
            yield (h, 3 * w - 2, c), lambda a: a[:, ::3]
            yield (h, w, 4), lambda a: a[..., :c]
            yield (h, w, 4), lambda a: a[..., 4 - c :]

        SIZES = ((1, 1, 1), (1, 5, 3), (7, 1, 3), (9, 11, 3), (31, 33, 3), (40, 21, 4), (33, 70, 1), (18, 350, 3))
        for h, w, c in SIZES:
            for shape, view in views(h, w, c):
                size = int(np.prod(shape)) * np.dtype(DTYPE).itemsize
                inner = -(-size // PAGE) * PAGE
                memory = np.frombuffer(mmap.mmap(-1, inner + 2 * PAGE), np.uint8)
                for closed in (0, PAGE + inner):
                    address = ctypes.c_void_p(memory.ctypes.data + closed)
                    assert ctypes.CDLL(None).mprotect(address, ctypes.c_size_t(PAGE), 0) == 0
                for first in (PAGE, PAGE + inner - size):
                    image = view(memory[first : first + size].view(DTYPE).reshape(shape))
                    image[...] = np.random.default_rng(0).integers(0, 200, image.shape)
                    for kind, strengths in STRENGTHS.items():
                        for strength in strengths:
                            call(kind, image, None, strength, out=image)
                            call(kind, image, None, strength, out=image, shape="ellipse")
    """
    run_python(f"DTYPE = {dtype!r}", code)
