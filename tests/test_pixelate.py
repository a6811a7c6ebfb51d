"""Promise: every cell becomes the mean of its own pixels, and no cell is smaller than asked."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import DTYPES, check
from strategies import RANGES, Case, cases, stretch

import fastblur
from fastblur import reference


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_any_box_of_any_image(dtype: str, data: st.DataObject) -> None:
    case: Case = data.draw(cases(dtype))
    check("pixelate", case.image, case.box, case.block_size)


@given(st.integers(1, 300), st.integers(1, 300), st.one_of(st.integers(1, 320), st.floats(0.001, 320)))
def test_no_cell_is_smaller_than_asked(height: int, width: int, block_size: float) -> None:
    """Seen in the result: on a ramp every cell has its own value, and each value covers at least the cell."""
    ramp = np.arange(height * width, dtype=np.float32).reshape(height, width)
    cells = fastblur.pixelate(ramp, None, block_size)
    asked = max(1, math.ceil(block_size))
    for line, n in ((cells[0], width), (cells[:, 0], height)):
        edges = np.flatnonzero(np.diff(line)) + 1
        runs = np.diff(np.concatenate([[0], edges, [n]]))
        assert runs.min() >= min(asked, n)
        assert len(runs) == max(1, n // asked)
        assert runs.max() - runs.min() <= 1


@pytest.mark.parametrize("n", range(1, 41))
def test_edges_are_the_contracts(n: int) -> None:
    ramp = np.arange(n, dtype=np.float32)[None]
    for block_size in range(1, n + 2):
        edges = reference.cell_edges(n, block_size)
        expected = np.concatenate([np.full(b - a, (a + b - 1) / 2) for a, b in itertools.pairwise(edges)])
        np.testing.assert_array_equal(fastblur.pixelate(ramp, None, block_size)[0], expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_block_of_one_changes_nothing(dtype: str) -> None:
    image = stretch(np.random.default_rng(0).random((20, 30, 3)), dtype, *RANGES[dtype][0])
    for block_size in (1, 1.0, 0.5, 1e-300):
        np.testing.assert_array_equal(fastblur.pixelate(image, None, block_size), image)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("block_size", [97.0, 1e9, 1e300])
def test_one_cell(dtype: str, block_size: float) -> None:
    image = stretch(np.random.default_rng(0).random((96, 50, 3)), dtype, *RANGES[dtype][0])
    result = check("pixelate", image, (0, 0, 50, 96), block_size)
    assert len(np.unique(result.reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_of_large_cells_keep_every_digit(dtype: str) -> None:
    """A megapixel in one cell: 16-bit sums pass 2^32, and naive float32 sums lose the bound."""
    rng = np.random.default_rng(0)
    for low, high in RANGES[dtype]:
        for unit in (rng.random((1024, 1100)), (rng.random((1024, 1100)) > 1e-3).astype(np.float64)):
            check("pixelate", stretch(unit, dtype, low, high), (0, 0, 1100, 1024), 1024)


def test_a_sum_of_bytes_beyond_32_bits() -> None:
    image = np.full((4200, 4200), 255, np.uint8)
    image[::2] = 253
    assert np.unique(fastblur.pixelate(image, None, 1e9)).tolist() == [254]


def test_a_column_beyond_32_bits() -> None:
    image = np.full((70_000, 2), 65535, np.uint16)
    image[::2] = 65533
    assert np.unique(fastblur.pixelate(image, None, 1e9)).tolist() == [65534]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_either_way_at_a_tie(dtype: str) -> None:
    image = np.array([[0, 1], [2, 3], [3, 4]], dtype)
    result = fastblur.pixelate(image, [[0, 0, 2, 1], [0, 1, 2, 2], [0, 2, 2, 3]], 2)
    assert np.all(np.abs(result - image.mean(axis=1, keepdims=True)) == 0.5)
    assert np.all(result == result[:, :1])


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_means_next_to_a_tie(dtype: str) -> None:
    """Cells of 31 x 33 pixels whose means are k + 511/1023, below a tie, and k + 512/1023, above it."""
    rng = np.random.default_rng(0)
    top = np.iinfo(dtype).max - 1
    for base in (0, 1, 100, top // 2, top):
        for ones, expected in ((511, base), (512, base + 1)):
            cell = np.full(31 * 33, base, dtype)
            cell[:ones] += 1
            image = rng.permuted(np.tile(cell, (6, 1)), axis=1).reshape(2, 3, 31, 33).swapaxes(1, 2).reshape(62, 99)
            assert np.unique(fastblur.pixelate(image, None, 31)).tolist() == [expected]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_largest_finite_floats(dtype: str) -> None:
    largest = float(np.finfo(dtype).max)
    image = stretch(np.random.default_rng(0).integers(0, 2, (40, 50)).astype(float), dtype, -largest, largest)
    check("pixelate", image, (0, 0, 50, 40), 7)


def test_cells_are_of_the_working_box() -> None:
    """Counted after clipping and with the feather, not from the box as given."""
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    for box in [(-7, -3, 21, 50), (30, 5, 300, 17)]:
        check("pixelate", image, box, 6)
        check("pixelate", image, box, 6, feather=3.5, margin=1.25)
