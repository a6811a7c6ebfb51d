"""Truncated, damaged and hostile files: a clear error or the whole picture, never a crash, never a part."""

from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fastblur.dataset.files import ImageFileError, decode, encode, previews, probe, sniff

from . import builders

PHOTO = builders.photo(40, 52)
LIMIT = 10**5


def _tiff(**options: object) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, PHOTO, photometric="rgb", metadata=None, software=False, **options)
    return stream.getvalue()


def _animation(kind: str) -> bytes:
    frames = [Image.fromarray(builders.photo(20, 26, seed=i)) for i in range(3)]
    return builders.saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, lossless=True)


FILES = {
    "jpeg": builders.with_segments(
        builders.saved(PHOTO, "JPEG", quality=85), builders.app1_exif(builders.camera_exif())
    ),
    "jpeg progressive": builders.saved(PHOTO, "JPEG", quality=85, progressive=True),
    "jpeg restarts": builders.saved(PHOTO, "JPEG", quality=85, restart_marker_rows=1),
    "jpeg cmyk": builders.saved(Image.fromarray(PHOTO).convert("CMYK"), "JPEG"),
    "jpeg grey": builders.saved(PHOTO[..., 0], "JPEG"),
    "png": builders.with_chunks(builders.saved(PHOTO, "PNG"), (b"eXIf", builders.camera_exif())),
    "png 16": builders.png_samples(builders.noise((20, 26, 3), np.uint16), 16, 2),
    "png palette": builders.saved(Image.fromarray(PHOTO).quantize(16), "PNG"),
    "apng": _animation("PNG"),
    "webp": builders.saved(PHOTO, "WEBP", exif=b"Exif\0\0" + builders.camera_exif()),
    "webp lossless": builders.saved(PHOTO, "WEBP", lossless=True),
    "webp animation": _animation("WEBP"),
    "tiff": builders.tiff([PHOTO, PHOTO], sub=[(0x9003, *builders.text("2020:02:03 04:05:06"))]),
    "tiff deflate": _tiff(compression="zlib", predictor=True),
    "tiff lzw": _tiff(compression="lzw"),
    "tiff jpeg": _tiff(compression="jpeg"),
    "tiff tiles": _tiff(tile=(16, 16)),
    "bmp": builders.saved(PHOTO, "BMP"),
    "bmp palette": builders.saved(Image.fromarray(PHOTO).quantize(16), "BMP"),
}
PICTURES = {name: decode(data, max_pixels=LIMIT).frames for name, data in FILES.items()}


def _whole(name: str, data: bytes) -> bool:
    """Whether a file decodes to all the frames the undamaged one has, pixel by pixel."""
    frames = decode(data, max_pixels=LIMIT).frames
    return len(frames) == len(PICTURES[name]) and all(map(np.array_equal, frames, PICTURES[name]))


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_an_error(name: str) -> None:
    data = FILES[name]
    for length in sorted({*range(0, len(data), max(1, len(data) // 150)), *range(len(data) - 20, len(data))}):
        cut = data[:length]
        try:
            whole = _whole(name, cut)
        except ImageFileError as error:
            if error.reason not in ("truncated", "damaged", "not-an-image"):
                raise
            continue
        assert whole, f"{length} of {len(data)} bytes decode to another picture"


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_file_is_an_error_or_a_picture(name: str, edits: list[tuple[float, int]]) -> None:
    data = bytearray(FILES[name])
    for place, value in edits:
        data[int(place * len(data))] = value
    _survives(bytes(data))


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    start=st.integers(0, 400),
    content=st.one_of(
        st.binary(min_size=1, max_size=8), st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"])
    ),
)
def test_a_damaged_header_is_an_error_or_a_picture(name: str, start: int, content: bytes) -> None:
    data = bytearray(FILES[name])
    data[start : start + len(content)] = content
    _survives(bytes(data))


@given(head=st.sampled_from([data[:16] for data in FILES.values()]), rest=st.binary(max_size=400))
@settings(deadline=None)
def test_anything_behind_a_right_beginning(head: bytes, rest: bytes) -> None:
    _survives(head + rest)


def _survives(data: bytes) -> None:
    """Every function answers or raises an `ImageFileError`; what decodes can be written and then is clean."""
    try:
        probe(data)
        previews(data)
        picture = decode(data, max_pixels=LIMIT)
    except ImageFileError:
        return
    for mode in ("pixels", "blocks"):
        try:
            encoded = encode(picture, touched=[(3, 3, 20, 20)], jpeg=mode)
        except ImageFileError as error:
            if error.reason not in ("unsupported", "check-failed"):
                raise
            continue
        assert previews(encoded.data, metadata="safe") == []
        assert len(decode(encoded.data, max_pixels=LIMIT).frames) == len(picture.frames)


@given(st.binary(max_size=64))
def test_other_content_is_not_an_image(data: bytes) -> None:
    if sniff(data) is None:
        with pytest.raises(ImageFileError) as caught:
            decode(data, max_pixels=LIMIT)
        assert caught.value.reason == "not-an-image"


def test_bombs_are_refused_before_anything_is_decompressed() -> None:
    jpeg = bytearray(builders.saved(PHOTO, "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 65000, 65000)
    png = builders.png_samples(np.zeros((9000, 9000), np.uint8), 1, 0)
    lossless = builders.saved(Image.new("RGB", (4000, 4000)), "WEBP", lossless=True)
    tiff = builders.tiff([np.zeros((2000, 2000), np.uint8)])
    for data in (bytes(jpeg), png, lossless, tiff):
        with pytest.raises(ImageFileError, match=r"too-large: .* 100000 pixels allowed"):
            decode(data, max_pixels=LIMIT)


def test_all_frames_count_towards_the_limit() -> None:
    animation = FILES["apng"]
    assert len(decode(animation, max_pixels=3 * 20 * 26).frames) == 3
    with pytest.raises(ImageFileError, match="too-large"):
        decode(animation, max_pixels=3 * 20 * 26 - 1)


@pytest.mark.parametrize("compression", ["zlib", "zstd", "lzma", "lzw", "packbits"])
def test_a_strip_gets_no_more_memory_than_its_pixels(compression: str) -> None:
    """A strip that would inflate to 64 MiB behind the header of a 16x16 page."""
    large, small = (_compressed(np.zeros(side, np.uint8), compression) for side in ((8192, 8192), (16, 16)))
    with tifffile.TiffFile(io.BytesIO(large)) as file:
        page = file.pages[0]
        strip = large[page.dataoffsets[0] : page.dataoffsets[0] + sum(page.databytecounts)]
    with tifffile.TiffFile(io.BytesIO(small)) as file:
        count = file.pages[0].tags["StripByteCounts"]
        offset = file.pages[0].tags["StripOffsets"]
    bomb = bytearray(small + b"\0" * (len(small) % 2) + strip)
    assert (count.dtype, offset.dtype) == (4, 4)
    struct.pack_into("<I", bomb, count.valueoffset, len(strip))
    struct.pack_into("<I", bomb, offset.valueoffset, len(bomb) - len(strip))
    tracemalloc.start()
    try:
        with contextlib.suppress(ImageFileError):
            assert decode(bytes(bomb), max_pixels=LIMIT).frames[0].shape == (16, 16)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


def _compressed(samples: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], compression: str) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(
        stream, samples, compression=compression, rowsperstrip=samples.shape[0], metadata=None, software=False
    )
    return stream.getvalue()
