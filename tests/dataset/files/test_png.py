"""PNG: every colour type and depth is read right and stays lossless; animations keep their frames and their timing."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fastblur.dataset.files import ImageFileError, decode, encode, probe

from . import builders

RANDOM = np.random.default_rng(5)


def _samples(depth: int, channels: int) -> np.ndarray[Any, Any]:
    shape = (9, 13) if channels == 1 else (9, 13, channels)
    return RANDOM.integers(0, 2**depth, shape, np.uint16 if depth == 16 else np.uint8)


def _rewritten(source: bytes) -> tuple[Any, bytes]:
    picture = decode(source, max_pixels=10**6)
    for frame in picture.frames:
        frame[2:5, 3:8] = 7
    return picture, encode(picture, touched=[(3, 2, 8, 5)]).data


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_grey(depth: int) -> None:
    samples = _samples(depth, 1)
    picture, data = _rewritten(builders.png_samples(samples, depth, 0))
    expected = samples if depth == 16 else samples * (255 // (2**depth - 1))
    expected[2:5, 3:8] = 7
    np.testing.assert_array_equal(picture.frames[0], expected)
    assert picture.info.mode == {1: "1", 16: "I;16"}.get(depth, "L")
    np.testing.assert_array_equal(decode(data, max_pixels=10**6).frames[0], expected)
    np.testing.assert_array_equal(builders.opened(data), expected)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(("colour", "channels", "mode"), [(2, 3, "RGB"), (4, 2, "LA"), (6, 4, "RGBA")])
def test_colour_and_alpha(depth: int, colour: int, channels: int, mode: str) -> None:
    samples = _samples(depth, channels)
    picture, data = _rewritten(builders.png_samples(samples, depth, colour))
    samples[2:5, 3:8] = 7
    np.testing.assert_array_equal(picture.frames[0], samples)
    assert picture.frames[0].dtype == samples.dtype
    assert picture.info.mode == (mode if depth == 8 else f"{mode};16")
    assert probe(data) == picture.info
    np.testing.assert_array_equal(decode(data, max_pixels=10**6).frames[0], samples)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("transparent", [False, True])
def test_palettes_are_looked_up(depth: int, transparent: bool) -> None:
    palette = RANDOM.integers(0, 256, (2**depth, 3), np.uint8)
    alpha = RANDOM.integers(0, 256, 2**depth, np.uint8)
    indices = _samples(depth, 1)
    extra = [(b"PLTE", palette.tobytes())] + ([(b"tRNS", alpha.tobytes())] if transparent else [])
    source = builders.png_samples(indices, depth, 3, extra)
    assert probe(source).mode == "P"
    picture, data = _rewritten(source)
    expected = np.dstack([palette[indices], alpha[indices]]) if transparent else palette[indices]
    expected[2:5, 3:8] = 7
    np.testing.assert_array_equal(picture.frames[0], expected)
    np.testing.assert_array_equal(builders.opened(data), expected)


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_becomes_alpha(depth: int) -> None:
    samples = _samples(depth, 3)
    key = samples[0, 0]
    source = builders.png_samples(samples, depth, 2, [(b"tRNS", key.astype(">u2").tobytes())])
    frame = decode(source, max_pixels=10**6).frames[0]
    np.testing.assert_array_equal(frame[..., :3], samples)
    full = 2**depth - 1
    np.testing.assert_array_equal(frame[..., 3], np.where((samples == key).all(-1), 0, full))


def test_interlaced_files_are_read() -> None:
    # Adam7 with one pixel per pass is enough to tell that the passes are put together.
    samples = np.arange(64, dtype=np.uint8).reshape(8, 8)
    starts = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b"".join(b"".join(b"\0" + row[x::dx].tobytes() for row in samples[y::dy]) for x, y, dx, dy in starts)
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    source = b"\x89PNG\r\n\x1a\n" + b"".join(builders.chunk(*c) for c in chunks)
    np.testing.assert_array_equal(decode(source, max_pixels=100).frames[0], samples)


def test_what_says_how_to_show_the_samples_stays() -> None:
    profile = builders.icc_profile()
    source = builders.with_chunks(
        builders.saved(builders.photo(), "PNG"),
        (b"gAMA", struct.pack(">I", 45455)),
        (b"cHRM", struct.pack(">8I", *range(8))),
        (b"pHYs", struct.pack(">IIB", 2835, 2835, 1)),
        (b"sBIT", b"\5\6\5"),
        (b"iCCP", b"some name\0\0" + zlib.compress(profile)),
    )
    for metadata in ("keep", "safe", "strip"):
        encoded = encode(decode(source, max_pixels=10**6), touched=[], metadata=metadata)
        chunks = dict(builders.png_chunks(encoded.data))
        assert encoded.dropped == {}
        assert chunks[b"gAMA"] == struct.pack(">I", 45455)
        assert chunks[b"sBIT"] == b"\5\6\5"
        assert Image.open(io.BytesIO(encoded.data)).info["icc_profile"] == profile


def test_a_wrong_checksum_of_the_picture_is_damage() -> None:
    source = bytearray(builders.saved(builders.photo(), "PNG"))
    source[source.index(b"IDAT") + 30] ^= 1
    with pytest.raises(ImageFileError, match=r"damaged: PNG chunk b'IDAT' .* wrong checksum"):
        decode(bytes(source), max_pixels=10**6)


def _frame(png: bytes) -> bytes:
    return b"".join(content for kind, content in builders.png_chunks(png) if kind == b"IDAT")


def _animation(
    canvas: tuple[int, int],
    frames: list[tuple[np.ndarray[Any, Any], int, int, int, int]],
    *,
    default: np.ndarray[Any, Any] | None = None,
    plays: int = 2,
    colour: int = 6,
) -> bytes:
    """An animated PNG of frames (samples, x, y, dispose operation, blend operation)."""
    height, width = canvas
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)),
        (b"acTL", struct.pack(">II", len(frames), plays)),
    ]
    sequence = 0
    if default is not None:
        parts.append((b"IDAT", _frame(builders.png_samples(default, 8, colour))))
    for number, (samples, x, y, dispose, blend) in enumerate(frames):
        h, w = samples.shape[:2]
        parts.append((b"fcTL", struct.pack(">IIIIIHHBB", sequence, w, h, x, y, number + 1, 30, dispose, blend)))
        sequence += 1
        compressed = _frame(builders.png_samples(samples, 8, colour))
        if number == 0 and default is None:
            parts.append((b"IDAT", compressed))
        else:
            parts.append((b"fdAT", struct.pack(">I", sequence) + compressed))
            sequence += 1
    parts.append((b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(builders.chunk(*part) for part in parts)


def _composited(
    canvas: tuple[int, int], frames: list[tuple[np.ndarray[Any, Any], int, int, int, int]]
) -> list[np.ndarray[Any, Any]]:
    """What the specification makes of frames whose pixels are opaque or invisible, pixel by pixel."""
    screen = np.zeros((*canvas, 4), np.uint8)
    shown = []
    for number, (samples, left, top, dispose, blend) in enumerate(frames):
        before = screen.copy()
        height, width = samples.shape[:2]
        for y in range(height):
            for x in range(width):
                if blend == 0 or samples[y, x, 3] == 255:
                    screen[top + y, left + x] = samples[y, x]
        shown.append(screen.copy())
        if dispose == 1 or (dispose == 2 and number == 0):
            screen[top : top + height, left : left + width] = 0
        elif dispose == 2:
            screen = before
    return shown


SHOWN: dict[str, list[np.ndarray[Any, Any]]] = {}


def _animations() -> dict[str, bytes]:
    def rgba(h: int, w: int, alpha: Any = None) -> np.ndarray[Any, Any]:
        samples = RANDOM.integers(0, 256, (h, w, 4), np.uint8)
        if alpha is not None:
            samples[..., 3] = alpha
        return samples

    def visible(h: int, w: int) -> np.ndarray[Any, Any]:
        return RANDOM.integers(0, 2, (h, w), np.uint8) * np.uint8(255)

    files = {}
    for dispose in (0, 1, 2):
        for blend in (0, 1):
            frames = [(rgba(12, 16, 255), 0, 0, dispose, 0)]
            frames += [(rgba(5, 6, visible(5, 6)), 2 + i, 3 + i, dispose, blend) for i in range(3)]
            files[f"dispose {dispose}, blend {blend}"] = _animation((12, 16), frames)
            SHOWN[f"dispose {dispose}, blend {blend}"] = _composited((12, 16), frames)
    frames = [(rgba(12, 16), 0, 0, 0, 0), (rgba(4, 4, visible(4, 4)), 1, 1, 0, 1)]
    files["separate default image"] = _animation((12, 16), frames, default=rgba(12, 16))
    files["endless"] = _animation((12, 16), frames, plays=0)
    opaque = [(RANDOM.integers(0, 256, (12, 16, 3), np.uint8), 0, 0, 0, 0)]
    opaque += [(RANDOM.integers(0, 256, (6, 5, 3), np.uint8), 3, 2, i, 1) for i in (0, 2, 0)]
    files["without alpha"] = _animation((12, 16), opaque, colour=2)
    return files


ANIMATIONS = _animations()


def _shown(data: bytes) -> list[tuple[Any, Any]]:
    """What Pillow shows: frames with invisible pixels made equal, and their times."""
    image = Image.open(io.BytesIO(data))
    shown = []
    for number in range(image.n_frames):
        image.seek(number)
        pixels = np.array(image.convert("RGBA"))
        pixels[pixels[..., 3] == 0] = 0
        shown.append((pixels, image.info.get("duration")))
    return shown


@pytest.mark.parametrize("name", ANIMATIONS)
def test_animations_show_the_same_for_the_same_time(name: str) -> None:
    source = ANIMATIONS[name]
    picture = decode(source, max_pixels=10**6)
    again = encode(picture, touched=[]).data
    before, after = _shown(source), _shown(again)
    assert [time for _, time in after] == [time for _, time in before]
    assert Image.open(io.BytesIO(again)).info.get("loop") == Image.open(io.BytesIO(source)).info.get("loop")
    assert probe(source).frames == probe(again).frames == len(picture.frames)
    if name == "dispose 2, blend 1":
        return  # Pillow leaves a frame standing that should go
    for (old, _), (new, _) in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", SHOWN)
def test_frames_are_composited_by_the_specification(name: str) -> None:
    for frame, expected in zip(decode(ANIMATIONS[name], max_pixels=10**6).frames, SHOWN[name], strict=True):
        np.testing.assert_array_equal(frame, expected)


@pytest.mark.parametrize("name", ANIMATIONS)
def test_every_frame_is_obfuscated(name: str) -> None:
    picture = decode(ANIMATIONS[name], max_pixels=10**6)
    for frame in picture.frames:
        frame[2:9, 2:12] = 77
    data = encode(picture, touched=[(2, 2, 12, 9)]).data
    for pixels, _ in _shown(data):
        assert (pixels[2:9, 2:12, :3] == 77).all()


def test_partly_transparent_frames_are_composited_by_the_specification() -> None:
    under, over = (RANDOM.integers(0, 256, (6, 7, 4), np.uint8) for _ in range(2))
    source = _animation((6, 7), [(under, 0, 0, 0, 0), (over, 0, 0, 0, 1)])
    shown = decode(source, max_pixels=1000).frames[1]
    for y in range(6):
        for x in range(7):
            a, b = over[y, x, 3] / 255, under[y, x, 3] / 255
            alpha = a + b * (1 - a)
            assert shown[y, x, 3] == round(255 * alpha)
            for c in range(3):
                colour = (over[y, x, c] * a + under[y, x, c] * b * (1 - a)) / alpha if alpha else 0
                assert abs(float(shown[y, x, c]) - colour) <= 0.5 + 1e-9


def test_an_animation_that_lacks_a_frame_is_truncated() -> None:
    source = ANIMATIONS["endless"]
    declared = source.replace(struct.pack(">II", 2, 0), struct.pack(">II", 3, 0))
    position = declared.index(b"acTL")
    fixed = declared[: position - 4] + builders.chunk(b"acTL", struct.pack(">II", 3, 0)) + declared[position + 16 :]
    with pytest.raises(ImageFileError, match="truncated: animated PNG with 2 of its 3 frames"):
        decode(fixed, max_pixels=10**6)
