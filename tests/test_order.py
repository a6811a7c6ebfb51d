"""Promise: the result is bit-identical to the loop over the rows, one call each."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import BORDER_MODES, DTYPES, KINDS, bits, call
from strategies import PATTERNS, RANGES, boxes_in, sigmas, sizes, stretch

import fastblur

Array = npt.NDArray[Any]


def strengths(kind: str, count: int) -> st.SearchStrategy[list[Any]]:
    one: st.SearchStrategy[Any] = {
        "kernel_size": st.integers(0, 20).map(lambda radius: 2 * radius + 1),
        "pixelate": st.floats(0.5, 40),
    }.get(kind, sigmas(0.1, 60))
    return st.lists(one, min_size=count, max_size=count)


def loop(kind: str, image: Array, rows: Any, values: list[Any], **options: Any) -> Array:
    for row, value in zip(rows, values, strict=True):
        image = call(kind, image, [row], value, **options)
    return image


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "fill"])
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_any_boxes_of_one_image(dtype: str, kind: str, data: st.DataObject) -> None:
    height, width = data.draw(sizes(150)), data.draw(sizes(150))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    image = stretch(data.draw(st.sampled_from(PATTERNS))((height, width, 3), rng), dtype, *RANGES[dtype][0])
    rows = data.draw(st.lists(boxes_in(height, width), max_size=8))
    rows += rows[: data.draw(st.integers(0, 2))]  # the same box again
    values = data.draw(strengths(kind, len(rows)))
    options: dict[str, Any] = {
        "margin": data.draw(st.sampled_from([0, 1.5])),
        "feather": data.draw(st.sampled_from([0, 2, 7.5])),
        "shape": data.draw(st.sampled_from(["rectangle", "ellipse"])),
    }
    if kind != "pixelate":
        options["border_mode"] = data.draw(st.sampled_from(BORDER_MODES))
    expected = loop(kind, image, rows, values, **options)
    threads = data.draw(st.sampled_from([None, 1, 2, 5]))
    assert bits(call(kind, image, rows, values, num_threads=threads, **options)) == bits(expected)
    in_place = image.copy()
    assert call(kind, in_place, rows, values, num_threads=threads, out=in_place, **options) is in_place
    assert bits(in_place) == bits(expected)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "fill"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("num_threads", "step"), [(2, 40), (7, 18)])
def test_large_overlapping_boxes(num_threads: int, step: int, dtype: str, kind: str) -> None:
    """Large enough to be split over threads, with small boxes on every seam, five times over."""
    rng = np.random.default_rng(11)
    image = stretch(rng.random((500, 400, 3)), dtype, *RANGES[dtype][0])
    rows = [(0, 0, 400, 500), *((x, y, x + 45, y + 45) for y in range(0, 480, step) for x in range(0, 380, step))]
    rows += [(10, 10, 390, 490), (200, 0, 400, 250), (0, 0, 400, 500), (390, 490, 391, 491)]
    values = [(3, 11, 5, 17)[i % 4] for i in range(len(rows))]
    expected = bits(loop(kind, image, rows, values, num_threads=1))
    for _ in range(5):
        assert bits(call(kind, image, rows, values, num_threads=num_threads)) == expected


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "fill"])
@pytest.mark.parametrize("num_threads", [2, 3, 8])
def test_images_with_much_and_with_little_in_boxes(num_threads: int, kind: str) -> None:
    """One image's boxes all wait for each other; those of the others are few, overlap, and come in between, five times.

    While the first image's boxes are done one after another, next to nothing else is left, of which even a small box
    is much.
    """
    rng = np.random.default_rng(12)
    images = rng.integers(0, 256, (5, 300, 400, 3), np.uint8)
    rows = [(0, 0, 0, 400, 300)] * 12
    rows += [(i, x, x, x + 170, x + 150) for x in (20, 90) for i in (3, 1, 4, 2)]
    order = rng.permutation(len(rows))
    rows = [rows[i] for i in order]
    values = [(3, 11, 5, 17)[i % 4] for i in range(len(rows))]
    expected = [
        loop(
            kind,
            image,
            [row[1:] for row in rows if row[0] == i],
            [v for row, v in zip(rows, values, strict=True) if row[0] == i],
        )
        for i, image in enumerate(images)
    ]
    for _ in range(5):
        assert bits(call(kind, images, rows, values, num_threads=num_threads)) == bits(np.stack(expected))


@pytest.mark.parametrize("kind", KINDS)
def test_a_chain_of_boxes(kind: str) -> None:
    """Each overlaps the next by one column: what the first lets go reaches the last only in order."""
    image = np.random.default_rng(0).integers(0, 256, (30, 400), dtype=np.uint8)
    rows = [(x, 0, x + 9, 30) for x in range(0, 392, 8)]
    values = [5] * len(rows) if kind != "fill" else [9] * len(rows)
    expected = loop(kind, image, rows, values)
    for threads in (1, 2, 7):
        strength = values if kind != "fill" else 9
        assert bits(call(kind, image, rows, strength, num_threads=threads)) == bits(expected)
    if kind != "fill":
        backwards = call(kind, image, rows[::-1], values)
        assert bits(backwards) != bits(expected), "this image does not show the order"


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "fill"])
def test_a_chain_of_boxes_that_threads_could_share(kind: str, order: Literal["C", "F"]) -> None:
    """Large enough for that, to every side, twenty times over: one column or row in common is an order to be kept."""
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)

    def in_place(rows: Any, num_threads: int) -> bytes:
        result = image.copy(order)
        call(kind, result, rows, 5, out=result, num_threads=num_threads)
        return bits(result)

    across = [(x, 0, x + 9, 300) for x in range(0, 392, 8)]
    down = [(0, y, 400, y + 9) for y in range(0, 292, 8)]
    for rows in (across, across[::-1], down, down[::-1]):
        expected = in_place(rows, 1)
        for _ in range(20):
            assert in_place(rows, 4) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_feathers_overlap_too(kind: str) -> None:
    """The marked boxes are apart; the working boxes are not."""
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    rows = [(10, 10, 30, 50), (36, 10, 50, 50), (56, 10, 80, 50)]
    options = {"feather": 8, "shape": "ellipse"}
    expected = loop(kind, image, rows, [7, 7, 7], **options)
    assert bits(call(kind, image, rows, 7, **options)) == bits(expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_rows_of_a_batch_in_any_order(dtype: str, kind: str, data: st.DataObject) -> None:
    """(K, 5) rows that jump between images, of a dense batch and of a ragged one."""
    count = data.draw(st.integers(1, 4))
    ragged = data.draw(st.booleans())
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    shapes = [(data.draw(sizes(60)), data.draw(sizes(60)), 3) for _ in range(count if ragged else 1)]
    shapes = shapes if ragged else shapes * count
    images = [stretch(rng.random(shape), dtype, *RANGES[dtype][0]) for shape in shapes]
    indices = data.draw(st.lists(st.integers(0, count - 1), max_size=8))
    rows = [(i, *data.draw(boxes_in(*shapes[i][:2]))) for i in indices]
    values = [9.0] * len(rows) if kind == "fill" else data.draw(strengths(kind, len(rows)))
    expected = list(images)
    for row, value in zip(rows, values, strict=True):
        expected[row[0]] = call(kind, expected[row[0]], [row[1:]], value)
    batch: Any = images if ragged else np.stack(images)
    table = np.array(rows, np.float64).reshape(-1, 5)
    results = call(kind, batch, table, 9.0 if kind == "fill" else values)
    assert isinstance(results, list) == ragged
    for result, image in zip(results, expected, strict=True):
        assert bits(result) == bits(image)


def test_a_stronger_box_does_not_reach_what_a_weaker_one_carried_out() -> None:
    """Why the strongest comes first, as the contract warns."""
    image = np.zeros((20, 60), np.uint8)
    image[:, 28:32] = 255
    strong, weak = (20, 0, 40, 20), (30, 0, 60, 20)
    strong_first = fastblur.gaussian_blur(image, [strong, weak], [20.0, 1.0])
    weak_first = fastblur.gaussian_blur(image, [weak, strong], [1.0, 20.0])
    assert bits(strong_first) != bits(weak_first)
