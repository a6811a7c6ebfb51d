"""What holds for every format: content decides, arguments are checked, the source is not changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastblur.dataset.files import ImageFileError, allowed_difference, decode, encode, probe, sniff

from . import builders

KINDS = {"JPEG": "jpeg", "PNG": "png", "WEBP": "webp", "TIFF": "tiff", "BMP": "bmp"}
FILES = {kind: builders.saved(builders.photo(), kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_the_format_is_told_by_content(kind: str) -> None:
    data = FILES[kind]
    assert sniff(data[:32]) == KINDS[kind]
    info = probe(data)
    assert (info.format, info.width, info.height, info.mode, info.frames) == (KINDS[kind], 84, 60, "RGB", 1)
    assert decode(data, max_pixels=84 * 60).info == info
    with pytest.raises(ImageFileError, match="too-large: 84x60 is more than the 5039 pixels allowed"):
        decode(data, max_pixels=84 * 60 - 1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"BM is how this text begins, and no bitmap",
        b"GIF89a" + b"\0" * 20,
        b"\0\0\0\x18ftypheic" + b"\0" * 20,
        b"RIFF\0\0\0\0WAVEfmt ",
        b"<svg xmlns=",
        b"%PDF-1.7",
        b"\xff\xd8",
    ],
)
def test_what_is_no_image(data: bytes) -> None:
    assert sniff(data) is None
    for function in (probe, lambda d: decode(d, max_pixels=1)):
        with pytest.raises(ImageFileError) as caught:
            function(data)
        assert caught.value.reason == "not-an-image"
        assert str(len(data)) in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_encoding_is_deterministic(kind: str) -> None:
    first = encode(decode(FILES[kind], max_pixels=10**6), touched=[]).data
    assert first == encode(decode(FILES[kind], max_pixels=10**6), touched=[]).data


@pytest.mark.parametrize("kind", KINDS)
def test_replaced_frames_are_written(kind: str) -> None:
    picture = decode(FILES[kind], max_pixels=10**6)
    picture.frames[0] = np.full_like(picture.frames[0], 40)
    again = decode(encode(picture, touched=[]).data, max_pixels=10**6).frames[0]
    assert np.abs(again.astype(int) - 40).max() <= 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("replacement", "message"),
    [
        (lambda f: f[:-1], r"frame 0 is \(59, 84, 3\) of uint8; the file has \(60, 84\[, C\]\) of uint8"),
        (lambda f: f.astype(np.uint16), "of uint16; the file has"),
        (lambda f: f[None], "frame 0 is"),
    ],
)
def test_frames_of_another_kind_are_refused(kind: str, replacement: Any, message: str) -> None:
    picture = decode(FILES[kind], max_pixels=10**6)
    picture.frames[0] = replacement(picture.frames[0])
    with pytest.raises(ValueError, match=message):
        encode(picture, touched=[])
    picture.frames.clear()
    with pytest.raises(ValueError, match="0 frames; the file has 1"):
        encode(picture, touched=[])


@pytest.mark.parametrize("name", ["metadata", "jpeg", "check"])
def test_arguments_are_checked(name: str) -> None:
    arguments: Any = {name: "none"}
    with pytest.raises(ValueError, match=f"{name} is 'none'; accepted are"):
        encode(decode(FILES["PNG"], max_pixels=10**6), touched=[], **arguments)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_lossless_files_allow_no_difference(kind: str) -> None:
    assert allowed_difference(decode(FILES[kind], max_pixels=10**6)) == 0


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@pytest.mark.parametrize("quality", [40, 75, 90, 96])
def test_the_measured_bound_holds_outside_the_boxes(kind: str, quality: int) -> None:
    for seed in range(3):
        picture = decode(builders.saved(builders.photo(120, 160, seed=seed), kind, quality=quality), max_pixels=10**6)
        before = picture.frames[0].copy()
        source_bound = allowed_difference(picture)
        picture.frames[0][30:70, 40:90] = 255 * (seed % 2)
        bound = allowed_difference(picture)
        after = decode(encode(picture, touched=[(40, 30, 90, 70)]).data, max_pixels=10**6).frames[0]
        difference = np.abs(after.astype(int) - before).max(axis=2)
        difference[30:70, 40:90] = 0
        assert difference.max() <= bound
        difference[14:82, 30:98] = 0
        assert difference.max() <= source_bound
