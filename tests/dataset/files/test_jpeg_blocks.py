"""Rewriting DCT blocks: bit-identical outside the touched ones, the new pixels and nothing of the old inside."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastblur.dataset.files import ImageFileError, coefficients_equal_outside, decode, encode, jpeg_blocks

from . import builders
from .test_jpeg import FILES, PHOTO

BOXES = {
    "inside": [(20, 10, 50, 30)],
    "on the grid": [(16, 16, 48, 32)],
    "corner": [(70, 50, 83, 61)],
    "right edge": [(80, 0, 83, 20)],
    "one pixel": [(41, 33, 42, 34)],
    "overlapping": [(10, 10, 40, 40), (30, 20, 60, 50)],
    "beyond the image": [(-5, -5, 9, 9), (60, 40, 200, 200)],
    "everything": [(0, 0, 83, 61)],
    "nothing": [],
    "outside": [(100, 100, 120, 120)],
}


@pytest.mark.parametrize("boxes", BOXES)
@pytest.mark.parametrize("name", [name for name in FILES if name not in ("one pixel", "narrow")])
def test_outside_the_blocks_everything_is_identical(name: str, boxes: str) -> None:
    source, touched = FILES[name], BOXES[boxes]
    picture = decode(source, max_pixels=10**6)
    before = picture.frames[0].copy()
    inside = np.zeros(before.shape[:2], bool)
    for x1, y1, x2, y2 in touched:
        inside[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = True
    picture.frames[0][inside] = 90
    encoded = encode(picture, touched=touched, jpeg="blocks")
    assert encoded.notes == []
    assert coefficients_equal_outside(source, encoded.data, touched) == []
    after = decode(encoded.data, max_pixels=10**6).frames[0].astype(int)
    # Two MCUs away not even the interpolation of chroma sees a difference.
    far = ~inside
    for y, x in np.argwhere(inside):
        far[max(y - 48, 0) : y + 49, max(x - 48, 0) : x + 49] = False
    np.testing.assert_array_equal(after[far], before[far])
    if inside.sum() > 300 and "tables" not in name:
        assert np.abs(after - 90)[inside].mean() < 8


@settings(deadline=None, max_examples=40)
@given(
    name=st.sampled_from(["4:2:0", "4:2:2", "4:4:0", "4:1:1", "4:4:4", "progressive", "grey", "YCCK", "RGB", "narrow"]),
    boxes=st.lists(
        st.tuples(st.integers(0, 82), st.integers(0, 60), st.integers(1, 60), st.integers(1, 60)), max_size=4
    ),
)
def test_any_boxes(name: str, boxes: list[tuple[int, int, int, int]]) -> None:
    touched = [(x, y, x + w, y + h) for x, y, w, h in boxes]
    picture = decode(FILES[name], max_pixels=10**6)
    for x1, y1, x2, y2 in touched:
        picture.frames[0][y1:y2, x1:x2] = 0
    encoded = encode(picture, touched=touched, jpeg="blocks")
    assert encoded.notes == []
    assert coefficients_equal_outside(FILES[name], encoded.data, touched) == []


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_nothing_of_the_old_content_remains(subsampling: int) -> None:
    """Two photos that differ only under the box give the same file once the box is filled."""
    box = (16, 16, 64, 48)
    files = []
    for seed in (0, 1):
        pixels = builders.photo(80, 96)
        pixels[16:48, 16:64] = builders.noise((32, 48, 3), seed=seed)
        source = builders.saved(pixels, "JPEG", quality=80, subsampling=subsampling)
        picture = decode(source, max_pixels=10**6)
        picture.frames[0][16:48, 16:64] = (10, 200, 90)
        files.append(encode(picture, touched=[box], jpeg="blocks").data)
    assert files[0] == files[1]


@pytest.mark.parametrize("edge", ["right", "bottom"])
def test_the_padding_behind_the_edge_is_rewritten_too(edge: str) -> None:
    """The samples of an edge block that lie outside the image repeat what was at its edge."""
    pixels = builders.photo(61, 83)
    source = builders.saved(pixels, "JPEG", quality=95, subsampling=0)
    box = (70, 0, 83, 61) if edge == "right" else (0, 50, 83, 61)
    picture = decode(source, max_pixels=10**6)
    picture.frames[0][box[1] : box[3], box[0] : box[2]] = 128
    encoded = encode(picture, touched=[box], jpeg="blocks").data
    from fastblur.dataset.files import jpeg_markers as jm

    layout = jm.parse(encoded)
    luma = jpeg_blocks.read(encoded, layout).coef_arrays[0]
    # The last blocks lie in the box altogether, padding included: flat, so no AC coefficient is left.
    last = luma[:, -8:] if edge == "right" else luma[-8:, :]
    ac = last.reshape(last.shape[0] // 8, 8, last.shape[1] // 8, 8).swapaxes(1, 2).reshape(-1, 64)[:, 1:]
    assert not ac.any()


def test_less_is_lost_around_the_box_than_by_encoding_anew() -> None:
    source = FILES["4:2:0"]
    errors = {}
    for mode in ("pixels", "blocks"):
        picture = decode(source, max_pixels=10**6)
        before = picture.frames[0].copy()
        picture.frames[0][10:30, 20:50] = 90
        after = decode(encode(picture, touched=[(20, 10, 50, 30)], jpeg=mode).data, max_pixels=10**6).frames[0]
        outside = np.ones(before.shape[:2], bool)
        outside[8:34, 16:52] = False
        errors[mode] = np.abs(after.astype(int) - before)[outside].mean()
    assert errors["blocks"] < errors["pixels"]


def test_a_changed_coefficient_outside_is_named() -> None:
    source = FILES["4:2:0"]
    picture = decode(source, max_pixels=10**6)
    picture.frames[0][10:30, 20:50] = 90
    encoded = encode(picture, touched=[(20, 10, 50, 30)], jpeg="blocks").data
    found = coefficients_equal_outside(source, encoded, [(20, 10, 40, 30)])
    assert any("component 0" in line and "untouched blocks changed" in line for line in found)
    assert coefficients_equal_outside(source, FILES["4:4:4"], []) != []
    assert coefficients_equal_outside(source, FILES["narrow"], []) == ["size: 83x61 became 3x61"]
    with pytest.raises(ImageFileError, match="output is no JPEG"):
        coefficients_equal_outside(source, b"no", [])


def test_what_cannot_be_rewritten_is_encoded_from_pixels_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(data: bytes, layout: object) -> None:
        raise jpeg_blocks.BlocksError("arithmetic coding")

    monkeypatch.setattr(jpeg_blocks, "read", failing)
    picture = decode(FILES["4:2:0"], max_pixels=10**6)
    encoded = encode(picture, touched=[(0, 0, 8, 8)], jpeg="blocks")
    assert encoded.notes == ["jpeg-blocks-fallback: arithmetic coding"]
    assert np.abs(decode(encoded.data, max_pixels=10**6).frames[0].astype(int) - picture.frames[0]).mean() < 4


def test_a_library_that_writes_other_coefficients_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    write = jpeg_blocks._write

    def wrong(jpeg: object) -> bytes:
        jpeg.coef_arrays[0][0, 0] += 1  # type: ignore[attr-defined]
        data = write(jpeg)
        jpeg.coef_arrays[0][0, 0] -= 1  # type: ignore[attr-defined]
        return data

    monkeypatch.setattr(jpeg_blocks, "_write", wrong)
    encoded = encode(decode(FILES["4:2:0"], max_pixels=10**6), touched=[(0, 0, 8, 8)], jpeg="blocks")
    assert encoded.notes == ["jpeg-blocks-fallback: the coefficients written do not read back"]


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastblur.dataset.files import optional

    optional.require.cache_clear()
    monkeypatch.setitem(sys.modules, "jpegio", None)
    with pytest.raises(ImportError, match=r"pyjpegio is needed for this file: pip install 'fastblur\[dataset\]'"):
        encode(decode(FILES["4:2:0"], max_pixels=10**6), touched=[], jpeg="blocks")
    optional.require.cache_clear()


def test_extreme_pixels_can_be_coded() -> None:
    """Checkerboards at quality 100 need the largest coefficients there are."""
    source = builders.saved(PHOTO, "JPEG", quality=100, subsampling=0)
    picture = decode(source, max_pixels=10**6)
    picture.frames[0][...] = ((np.indices((61, 83)).sum(0) % 2) * 255).astype(np.uint8)[..., None]
    encoded = encode(picture, touched=[(0, 0, 83, 61)], jpeg="blocks")
    assert encoded.notes == []
    assert np.abs(decode(encoded.data, max_pixels=10**6).frames[0].astype(int) - picture.frames[0]).max() <= 4


@pytest.mark.parametrize("touched", [[], [(0, 0, 40, 40)], [(31, 20, 60, 60)], [(-9, -9, 0, 0)]])
def test_a_change_outside_the_boxes_is_refused(touched: list[tuple[int, int, int, int]]) -> None:
    picture = decode(FILES["4:2:0"], max_pixels=10**6)
    picture.frames[0][50, 30] ^= 255
    with pytest.raises(ValueError, match="pixel at x 30, y 50 was changed, but lies in none"):
        encode(picture, touched=touched, jpeg="blocks")


def test_arithmetic_coding_is_read_and_becomes_huffman_coding() -> None:
    import jpegio

    from fastblur.dataset.files.scratch import scratch_path

    with scratch_path(FILES["4:2:0"]) as path:
        jpeg = jpegio.read(path)
    jpeg.arith_code = True
    with scratch_path() as path:
        jpeg.write(path)
        with open(path, "rb") as file:
            source = file.read()
    assert b"\xff\xc9" in source
    picture = decode(source, max_pixels=10**6)
    np.testing.assert_array_equal(picture.frames[0], decode(FILES["4:2:0"], max_pixels=10**6).frames[0])
    encoded = encode(picture, touched=[], jpeg="blocks")
    assert encoded.notes == ["jpeg-arithmetic-coding-became-huffman", "jpeg-blocks-fallback: arithmetic coding"]
    assert b"\xff\xc0" in encoded.data
