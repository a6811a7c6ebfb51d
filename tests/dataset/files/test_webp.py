"""WebP: lossless stays lossless, lossy keeps its quality, animations keep their frames and their timing."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fastblur.dataset.files import allowed_difference, decode, encode, probe, vp8_quality, webp_layout

from . import builders


def _rgba() -> np.ndarray[Any, Any]:
    pixels = builders.photo(60, 84, 4)
    pixels[..., 3] = np.where(pixels[..., 3] > 100, 255, pixels[..., 3])
    return pixels


@pytest.mark.parametrize("channels", [3, 4])
def test_lossless(channels: int) -> None:
    pixels = _rgba()[..., :channels]
    picture = decode(builders.saved(pixels, "WEBP", lossless=True, exact=True), max_pixels=10**6)
    np.testing.assert_array_equal(picture.frames[0], pixels)
    picture.frames[0][10:20, 10:30] = 5
    data = encode(picture, touched=[]).data
    np.testing.assert_array_equal(builders.opened(data), picture.frames[0])
    assert allowed_difference(picture) == 0


@pytest.mark.parametrize("channels", [3, 4])
def test_lossy(channels: int) -> None:
    source = builders.saved(_rgba()[..., :channels], "WEBP", quality=80)
    picture = decode(source, max_pixels=10**6)
    data = encode(picture, touched=[]).data
    again = decode(data, max_pixels=10**6)
    assert again.info.mode == picture.info.mode == ("RGB", "RGBA")[channels - 3]
    difference = np.abs(again.frames[0].astype(int) - picture.frames[0])
    assert difference[..., :3].mean() < 4
    assert difference.max() <= allowed_difference(picture)
    if channels == 4:
        np.testing.assert_array_equal(again.frames[0][..., 3], picture.frames[0][..., 3])


@pytest.mark.parametrize("quality", [1, 5, 20, 40, 50, 60, 75, 80, 90, 95, 100])
def test_the_quality_of_a_file_is_told_from_its_quantisers(quality: int) -> None:
    data = builders.saved(builders.photo(200, 300), "WEBP", quality=quality)
    picture = webp_layout.parse(data).still
    assert picture is not None
    assert abs(vp8_quality.quality_of(picture.chunks[-1].data) - quality) <= 3


def test_an_opaque_alpha_channel_may_go() -> None:
    pixels = _rgba()
    pixels[..., 3] = 255
    source = builders.saved(pixels, "WEBP", lossless=True)
    picture = decode(source, max_pixels=10**6)
    again = decode(encode(picture, touched=[]).data, max_pixels=10**6)
    np.testing.assert_array_equal(again.frames[0][..., :3], picture.frames[0][..., :3])


def _animation(**options: Any) -> bytes:
    frames = [Image.fromarray(builders.photo(30, 42, 4, seed=i), "RGBA") for i in range(4)]
    return builders.saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], loop=3, **options)


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"allow_mixed": True}])
@pytest.mark.parametrize("duration", [40, [10, 20, 30, 1000]])
def test_animations(options: Any, duration: Any) -> None:
    source = _animation(duration=duration, **options)
    picture = decode(source, max_pixels=10**6)
    picture.frames[0][...] = picture.frames[1]  # equal frames must not be joined into one
    for frame in picture.frames:
        frame[5:15, 5:25] = 200
    data = encode(picture, touched=[(5, 5, 25, 15)]).data
    before, after = Image.open(io.BytesIO(source)), Image.open(io.BytesIO(data))
    assert after.n_frames == before.n_frames == probe(data).frames == 4
    assert after.info["loop"] == before.info["loop"] == 3
    for number in range(4):
        before.seek(number)
        after.seek(number)
        before.load()
        after.load()
        assert after.info["timestamp"] == before.info["timestamp"]
        shown = np.array(after.convert("RGBA"))
        assert np.abs(shown[7:13, 8:22].astype(int) - 200).max() <= (0 if "lossless" in options else 20)


def test_profile_and_orientation_stay() -> None:
    profile = builders.icc_profile()
    source = builders.saved(builders.photo(), "WEBP", icc_profile=profile, exif=b"Exif\0\0" + builders.exif())
    picture = decode(source, max_pixels=10**6)
    assert picture.info.orientation == 6
    for metadata in ("keep", "safe", "strip"):
        encoded = encode(picture, touched=[], metadata=metadata)
        image = Image.open(io.BytesIO(encoded.data))
        assert encoded.dropped == {}
        assert image.info["icc_profile"] == profile
        assert image.getexif()[0x0112] == 6
