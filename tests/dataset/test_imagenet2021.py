"""The 2021 algorithm, bit for bit against a plain transcription that blurs whole images; and its leak."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from fastblur.dataset import imagenet2021

from .trees import annotate, blur, photo, pixels, rows, save, verify

if TYPE_CHECKING:
    from pathlib import Path

    from fastblur.dataset.annotations import Box


def transcription(image: Image.Image, boxes: list[Box]) -> Image.Image:
    """The published algorithm, on the whole image."""
    mask = Image.new("L", image.size, "white")
    longest = 0.0
    for x0, y0, x1, y1 in boxes:
        if x0 >= x1 or y0 >= y1:
            continue
        side = max(x1 - x0, y1 - y0)
        longest = max(longest, side)
        grown = (x0 - 0.1 * side, y0 - 0.1 * side, x1 + 0.1 * side, y1 + 0.1 * side)
        ImageDraw.Draw(mask).rectangle(grown, fill="black")
    blur = ImageFilter.GaussianBlur(0.1 * longest)
    return Image.composite(image, image.filter(blur), mask.filter(blur))


def ours(image: Image.Image, boxes: list[Box]) -> npt.NDArray[Any]:
    result = np.array(image)
    imagenet2021.obfuscate(result, boxes)
    return result


@st.composite
def cases(draw: st.DrawFn) -> tuple[Image.Image, list[Box]]:
    width, height = draw(st.integers(1, 150)), draw(st.integers(1, 150))
    boxes = []
    for _ in range(draw(st.integers(1, 4))):
        x0, y0 = draw(st.floats(-20, width - 0.5)), draw(st.floats(-20, height - 0.5))
        boxes.append((x0, y0, x0 + draw(st.floats(0.3, 120)), y0 + draw(st.floats(0.3, 120))))
    mode = draw(st.sampled_from(["RGB", "L"]))
    noise = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode), boxes


@settings(max_examples=300, deadline=None)
@given(cases())
def test_the_bits_are_those_of_the_whole_image(case: tuple[Image.Image, list[Box]]) -> None:
    image, boxes = case
    np.testing.assert_array_equal(ours(image, boxes), np.asarray(transcription(image, boxes)))


@settings(max_examples=60, deadline=None)
@given(cases())
def test_nothing_changes_outside_the_regions(case: tuple[Image.Image, list[Box]]) -> None:
    image, boxes = case
    outside = np.ones((image.height, image.width), dtype=bool)
    for x1, y1, x2, y2 in imagenet2021.regions(boxes, *image.size):
        assert outside[y1:y2, x1:x2].all(), "regions overlap"
        outside[y1:y2, x1:x2] = False
    np.testing.assert_array_equal(ours(image, boxes)[outside], np.asarray(image)[outside])


def test_small_faces_in_a_large_image_are_computed_in_small_regions() -> None:
    image = photo(3, 640, 480)
    boxes: list[Box] = [(40, 40, 60, 62), (500, 400, 530, 425), (505.5, 390.2, 540.7, 421.9)]
    regions = imagenet2021.regions(boxes, 640, 480)
    assert len(regions) == 2
    assert sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in regions) < 640 * 480 / 10
    np.testing.assert_array_equal(ours(image, boxes), np.asarray(transcription(image, boxes)))


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_the_pixels_of_png_files_are_those_of_the_release(tmp_path: Path, mode: str) -> None:
    boxes: list[Box] = [(20.4, 10.2, 60.9, 50.1), (70, 5, 78, 15), (80, 40, 80, 50)]
    source = save(tmp_path / "src" / "a.png", photo(4, mode=mode))
    annotations = annotate(tmp_path / "boxes.json", {"a.png": boxes})
    assert blur(tmp_path / "src", tmp_path / "dst", annotations, "--method", "imagenet2021") == 1
    with Image.open(source) as image:
        expected = transcription(image.convert("L" if mode in ("L", "1") else "RGB"), boxes)
    np.testing.assert_array_equal(pixels(tmp_path / "dst" / "a.png"), np.asarray(expected))
    assert rows(tmp_path / "dst")["a.png"]["skipped_degenerate"] == [[80, 40, 80, 50]]
    assert verify(tmp_path / "src", tmp_path / "dst", annotations) == 0


def test_jpeg_files_are_blurred_on_the_pixels_that_pillow_decodes(tmp_path: Path) -> None:
    boxes: list[Box] = [(20.4, 10.2, 60.9, 50.1), (70, 5, 78, 15)]
    options: dict[str, Any] = {"quality": 92, "subsampling": "4:2:0"}
    source = save(tmp_path / "src" / "a.jpg", photo(4), **options)
    annotations = annotate(tmp_path / "boxes.json", {"a.jpg": boxes})
    assert blur(tmp_path / "src", tmp_path / "dst", annotations, "--method", "imagenet2021") == 0
    with Image.open(source) as image:
        expected = save(tmp_path / "expected.jpg", transcription(image, boxes), **options)
    np.testing.assert_array_equal(pixels(tmp_path / "dst" / "a.jpg"), pixels(expected))
    assert verify(tmp_path / "src", tmp_path / "dst", annotations) == 0


def test_an_image_of_degenerate_boxes_alone_is_copied_and_makes_the_exit_code_non_zero(tmp_path: Path) -> None:
    source = save(tmp_path / "src" / "a.png", photo(4))
    annotations = annotate(tmp_path / "boxes.json", {"a.png": [(80, 40, 80, 50)]})
    assert blur(tmp_path / "src", tmp_path / "dst", annotations, "--method", "imagenet2021") == 1
    assert (tmp_path / "dst" / "a.png").read_bytes() == source.read_bytes()
    assert rows(tmp_path / "dst")["a.png"]["status"] == "copied"


def test_it_leaks_small_faces_beside_large_ones_and_the_safe_successor_does_not(tmp_path: Path) -> None:
    """A 20-pixel face in an image with a 200-pixel one: how much of its centre's own contrast is left."""
    stripes = np.zeros((300, 400, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    large, small = (60.0, 50.0, 260.0, 250.0), (300.0, 100.0, 320.0, 120.0)
    save(tmp_path / "src" / "a.png", Image.fromarray(stripes))
    annotations = annotate(tmp_path / "boxes.json", {"a.png": [large, small]})

    def contrast(dst: str, y: int, x: int) -> float:
        row = pixels(tmp_path / dst / "a.png")[y, x : x + 8, 0].astype(float)
        return float(np.ptp(row)) / 255

    assert blur(tmp_path / "src", tmp_path / "old", annotations, "--method", "imagenet2021") == 0
    assert blur(tmp_path / "src", tmp_path / "new", annotations, "--method", "gaussian") == 0
    assert contrast("old", 110, 306) > 0.7
    assert contrast("old", 150, 60) > 0.1
    for y, x in ((110, 306), (100, 300), (150, 60), (50, 60)):
        assert contrast("new", y, x) < 0.03
