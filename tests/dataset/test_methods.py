"""What is done to boxes: how strongly, in which order, in which colour."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastblur
from fastblur.dataset import methods
from fastblur.dataset.files import ImageInfo
from fastblur.dataset.geometry import LeftOut
from fastblur.dataset.parameters import IMAGENET_MEAN, Parameters

from .trees import photo

SMALL, LARGE = (70.0, 10.0, 80.0, 20.0), (10.0, 5.0, 50.0, 45.0)


def info(mode: str = "RGB", form: str = "png") -> ImageInfo:
    return ImageInfo(form, 96, 64, mode, 1, 1)


def test_the_strongest_comes_first_and_small_boxes_have_a_floor() -> None:
    applied = methods.plan([SMALL, LARGE], info(), Parameters())
    assert applied.boxes == [(LARGE, 0.15 * 40), (SMALL, 4.0)]
    assert applied.touched == [(2, 0, 58, 53), (68, 8, 82, 22)]


def test_equally_strong_boxes_keep_their_order() -> None:
    boxes = [(0.0, 0.0, 20.0, 20.0), (5.0, 5.0, 25.0, 25.0), (30.0, 30.0, 50.0, 50.0)]
    assert [box for box, _ in methods.plan(boxes, info(), Parameters()).boxes] == boxes


@pytest.mark.parametrize("method", ["gaussian", "pixelate", "fill"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_the_method_is_the_librarys_with_each_boxs_own_strength(method: str, mode: str) -> None:
    parameters = Parameters(method=method, value=(10, 20, 30))
    pixels = np.array(photo(1, mode=mode))
    expected = pixels.copy()
    for box, strength in ((LARGE, 6.0), (SMALL, 4.0)):
        side = max(box[2] - box[0], box[3] - box[1])
        common: dict[str, Any] = {"margin": 0.1 * side, "feather": 0.1 * side, "out": expected}
        common["layout"] = "HW" if mode == "L" else "HWC"
        boxes = np.array([box])
        if method == "gaussian":
            fastblur.gaussian_blur(expected, boxes, strength, **common)
        elif method == "pixelate":
            fastblur.pixelate(expected, boxes, strength, **common)
        else:
            value = {"L": [18], "RGB": [10, 20, 30], "RGBA": [10, 20, 30, 255]}[mode]
            fastblur.fill(expected, boxes, value, **common)
    methods.obfuscate(pixels, methods.plan([SMALL, LARGE], info(mode), parameters), info(mode), parameters)
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize(
    ("shape", "dtype", "mode", "form", "value"),
    [
        ((4, 4), np.uint8, "L", "png", [117]),
        ((4, 4, 2), np.uint8, "LA", "png", [117, 255]),
        ((4, 4, 3), np.uint8, "RGB", "png", [124, 116, 104]),
        ((4, 4, 4), np.uint8, "RGBA", "png", [124, 116, 104, 255]),
        ((4, 4, 4), np.uint8, "CMYK", "jpeg", [124, 116, 104, 255]),
        ((4, 4, 4), np.uint8, "CMYK", "tiff", [131, 139, 151, 0]),
        ((4, 4), np.uint16, "I;16", "png", [117 * 257]),
        ((4, 4, 3), np.uint16, "RGB;16", "png", [124 * 257, 116 * 257, 104 * 257]),
    ],
)
def test_a_fill_is_opaque_and_in_the_images_own_channels(
    shape: tuple[int, ...], dtype: type, mode: str, form: str, value: list[int]
) -> None:
    assert methods.fill_value(np.zeros(shape, dtype), IMAGENET_MEAN, info(mode, form)) == value


@pytest.mark.parametrize("mode", ["RGBA", "LA", "CMYK", "I;16", "RGB;16"])
def test_imagenet2021_refuses_what_it_is_not_defined_for(mode: str) -> None:
    with pytest.raises(LeftOut, match=mode.replace(";", ".")):
        methods.plan([LARGE], info(mode), Parameters(method="imagenet2021"))
