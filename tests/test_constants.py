"""Promise: a box of one constant value keeps exactly that value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import BORDER_MODES, DTYPES, bits, call
from strategies import Case, cases

import fastblur

VALUES: dict[str, list[float]] = {
    "uint8": list(range(256)),
    "uint16": [*range(0, 65536, 257), 1, 2, 254, 255, 256, 32767, 32768, 65534],
    "float16": [0.1, 1 / 3, -1000.5, 65504, -65504, 6e-8, 3e-5],
    "float32": [0.1, 1 / 3, -1e6 / 7, 3.4028235e38, -3.4028235e38, 1e-45, 1.2e-38, 16777217, 255],
}
STRENGTHS: dict[str, list[Any]] = {
    "auto": [0.1, 0.5, 1.7, 3.1, 4.0, 4.7, 5.5, 17.0, 120.0, 500.0],
    "direct": [0.1, 0.5, 1.7, 4.0, 17.0, 120.0],
    "kernel_size": [1, 3, 7, 35, 301],
    "pixelate": [1, 3, 16, 1000],
}


@pytest.mark.parametrize("size", [(1, 1), (1, 70), (41, 1), (2, 3), (33, 65), (64, 64)])
@pytest.mark.parametrize("kind", STRENGTHS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_value(dtype: str, kind: str, size: tuple[int, int]) -> None:
    """One image for each value, all in one call."""
    values = np.array(VALUES[dtype], np.float64).astype(dtype)
    images = np.broadcast_to(values[:, None, None], (len(values), *size)).copy()
    for strength in STRENGTHS[kind]:
        for border_mode in BORDER_MODES if kind != "pixelate" else [None]:
            options = {"border_mode": border_mode} if border_mode else {}
            result = call(kind, images, None, strength, layout="NHW", **options)
            np.testing.assert_array_equal(result, images, err_msg=f"{kind} {strength} {border_mode}")


@pytest.mark.parametrize("kind", STRENGTHS)
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_any_geometry(dtype: str, kind: str, data: st.DataObject) -> None:
    """With a margin, an ellipse and a feather too: mixing a constant with itself gives the constant."""
    case: Case = data.draw(cases(dtype, largest=150))
    constant = np.full_like(case.image, data.draw(st.sampled_from(VALUES[dtype])))
    options = case.options(kind) | {
        "margin": data.draw(st.sampled_from([0, 2.5])),
        "feather": data.draw(st.sampled_from([0, 3.5])),
        "shape": data.draw(st.sampled_from(["rectangle", "ellipse"])),
    }
    result = call(kind, constant, [case.box], case.strength(kind), **options)
    np.testing.assert_array_equal(result, constant)


@pytest.mark.parametrize("kind", STRENGTHS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_each_channel_its_own(dtype: str, kind: str) -> None:
    values = np.array(VALUES[dtype], np.float64).astype(dtype)[:4]
    for channels in (2, 3, 4):
        image = np.broadcast_to(values[:channels], (37, 53, channels)).copy()
        for strength in STRENGTHS[kind]:
            result = call(kind, image, None, strength)
            np.testing.assert_array_equal(result, image, err_msg=f"{kind} {strength}")


@pytest.mark.parametrize("border_mode", BORDER_MODES)
@pytest.mark.parametrize("height", [17, 21, 40, 66, 131])
def test_white_in_16_bits(height: int, border_mode: str) -> None:
    """The largest sums of two nodes: at 66 rows and sigma 3.13 they are 2.5 pixels apart, and furthest above 255."""
    white = np.full((height, 90, 3), 255, np.uint8)
    for sigma in [3.12997, 3.08, *np.linspace(2.15, 6.2, 40).tolist()]:
        assert (fastblur.gaussian_blur(white, None, sigma, border_mode=border_mode) == 255).all(), sigma


@pytest.mark.parametrize("kind", STRENGTHS)
def test_only_the_box_need_be_constant(kind: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    image[10:50, 15:45] = (3, 99, 255)
    assert bits(call(kind, image, [(15, 10, 45, 50)], 9)) == bits(image)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.7, 2.0, 2.6, 9.0])
def test_the_sum_of_the_whole_is_kept_on_average(sigma: float) -> None:
    """8-bit weights that do not sum to one darken images: over a large box of noise the mean must not drift."""
    image = np.random.default_rng(0).integers(0, 256, (400, 400), dtype=np.uint8)
    for method in ("auto", "direct"):
        blurred = fastblur.gaussian_blur(image, None, sigma, method=method, border_mode="symmetric")
        assert abs(float(blurred.mean()) - float(image.mean())) < 0.008
