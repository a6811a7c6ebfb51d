"""Promise: ellipses and feathers mix by the stated weights, and a feather never weakens the inside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import DTYPES, KINDS, bits, call, check, working_box
from strategies import Case, cases

import fastblur


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_any_box_of_any_image(dtype: str, kind: str, data: st.DataObject) -> None:
    case: Case = data.draw(cases(dtype, largest=120))
    options = case.options(kind) | {
        "shape": data.draw(st.sampled_from(["rectangle", "ellipse"])),
        "margin": data.draw(st.sampled_from([0, 0.25, 3, 20.5])),
        "feather": data.draw(st.sampled_from([0, 0.1, 1, 2.5, 9, 200])),
    }
    check(kind, case.image, case.box, case.strength(kind), **options)


@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
@pytest.mark.parametrize("box", [(10, 12, 31, 30), (9.5, 11.25, 30.5, 30), (-8, 5, 20, 33), (20, 20, 21, 21)])
def test_the_weights_seen(box: tuple[float, float, float, float], shape: str) -> None:
    """Filling zeros with one shows every weight."""
    for feather in (0, 0.3, 4, 11):
        check("fill", np.zeros((44, 45), np.float32), box, 1, shape=shape, feather=feather)
        check("fill", np.zeros((44, 45), np.uint16), box, 65535, shape=shape, feather=feather)


@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_a_feather_never_weakens_the_inside(dtype: str, shape: str, data: st.DataObject) -> None:
    """Where the hard shape fills, the feathered one does too; elsewhere it fills between nothing and all."""
    case: Case = data.draw(cases(dtype, largest=80))
    image, value = np.zeros_like(case.image), 200
    hard = fastblur.fill(image, [case.box], value, shape=shape)
    soft = fastblur.fill(image, [case.box], value, shape=shape, feather=data.draw(st.floats(0.01, 30)))
    assert np.all(soft[hard == value] == value)
    assert np.all((soft >= hard) & (soft <= value))


def test_the_ellipse_is_of_the_marked_box_before_clipping() -> None:
    """Half of the ellipse is outside the image: the visible half is that of the whole ellipse."""
    large = fastblur.fill(np.zeros((40, 40), np.uint8), [(10, 5, 30, 35)], 1, shape="ellipse")
    for crop_x, crop_y in [(20, 0), (0, 20), (17, 3)]:
        box = (10 - crop_x, 5 - crop_y, 30 - crop_x, 35 - crop_y)
        view = fastblur.fill(np.zeros((40 - crop_y, 40 - crop_x), np.uint8), [box], 1, shape="ellipse")
        np.testing.assert_array_equal(view, large[crop_y:, crop_x:])


def test_the_ellipse_touches_its_box() -> None:
    """Inscribed: it reaches every side, and covers about pi / 4 of the box."""
    ellipse = fastblur.fill(np.zeros((100, 140), np.uint8), [(20, 10, 121, 91)], 1, shape="ellipse")
    inside = ellipse[10:91, 20:121]
    assert ellipse.sum() == inside.sum()
    for side in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
        assert side.any()
    assert inside.mean() == pytest.approx(np.pi / 4, abs=0.01)
    np.testing.assert_array_equal(inside, inside[::-1])
    np.testing.assert_array_equal(inside, inside[:, ::-1])


@pytest.mark.parametrize("kind", ["auto", "direct", "pixelate"])
def test_the_whole_working_box_is_read(kind: str) -> None:
    """Also by an ellipse without a feather: its corners are obfuscated with, not written."""
    image = np.zeros((40, 40), np.uint8)
    image[5, 5] = 255  # a corner of the box, outside the ellipse
    result = call(kind, image, [(5, 5, 35, 35)], 30, shape="ellipse")
    assert result[5, 5] == 255
    check(kind, image, (5, 5, 35, 35), 30, shape="ellipse")
    image[5, 5] = 0
    image[8, 20] = 255
    check(kind, image, (5, 5, 35, 35), 30, shape="ellipse", feather=6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(12, 2100), (12, 700, 3)])
def test_a_feather_at_both_ends_of_a_wide_box(size: tuple[int, ...], kind: str) -> None:
    image = np.random.default_rng(0).random(size).astype(np.float32)
    for shape in ("rectangle", "ellipse"):
        check(kind, image, (20, 3, size[1] - 20, 9), 3, shape=shape, feather=9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_feather_of_zero_is_none(kind: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    box = (5, 6, 30, 31)
    assert bits(call(kind, image, [box], 9, feather=0.0)) == bits(call(kind, image, [box], 9))


@pytest.mark.parametrize("kind", KINDS)
def test_a_feather_from_outside_reaches_in(kind: str) -> None:
    """The marked box misses the image; its feather does not."""
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    box = (-10, 3, -2, 30)
    result = check(kind, image, box, 9, feather=12)
    assert working_box(image, box, 0, 12) == (0, 0, 10, 40)
    assert bits(result) != bits(image)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("scale", [1.0, 255.0, 6e4])
def test_full_and_no_weight_are_exact_for_floats(dtype: str, scale: float) -> None:
    """Under an ellipse a pixel is what it would be without one, or what it was: not a mixture of both and rounding."""
    inside = np.hypot((np.arange(16)[:, None] - 7.5) / 8, (np.arange(16) - 7.5) / 8) <= 1
    for seed in range(20):
        image = (np.random.default_rng(seed).random((16, 16)) * scale).astype(dtype)
        image[0, 0] = scale
        for masked, whole in (
            (fastblur.fill(image, None, 0.1, shape="ellipse"), fastblur.fill(image, None, 0.1)),
            (fastblur.pixelate(image, None, 4, shape="ellipse"), fastblur.pixelate(image, None, 4)),
            (fastblur.gaussian_blur(image, None, 2, shape="ellipse"), fastblur.gaussian_blur(image, None, 2)),
        ):
            np.testing.assert_array_equal(masked, np.where(inside, whole, image))
