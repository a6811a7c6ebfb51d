"""JPEG files encoded from pixels: tables, sampling, colour model and kind of scans stay, and the result is checked."""

from __future__ import annotations

import io
import re
from typing import Any
from unittest import mock

import imagecodecs
import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fastblur.dataset.files import ImageFileError, allowed_difference, decode, encode, jpeg, jpeg_blocks, probe
from fastblur.dataset.files import jpeg_markers as jm

from . import builders

PHOTO = builders.photo(61, 83)
TABLES = [list(range(1, 65)), list(range(3, 67))]


def _adobe_rgb() -> bytes:
    return builders.saved(PHOTO, "JPEG", keep_rgb=True, quality=90)


def _ycck() -> bytes:
    return bytes(simplejpeg.encode_jpeg(builders.photo(61, 83, 4), 90, "CMYK", "420"))


def _plain_cmyk() -> bytes:
    """CMYK without an Adobe marker: not inverted."""
    data = builders.saved(Image.fromarray(builders.photo(61, 83, 4), "CMYK"), "JPEG", quality=90)
    marker = data.index(b"\xff\xee")
    return data[:marker] + data[marker + 16 :]


def _jpeg(**options: Any) -> bytes:
    return builders.saved(PHOTO, "JPEG", **options)


FILES = {
    "4:2:0": _jpeg(quality=90, subsampling=2),
    "4:2:2": _jpeg(quality=75, subsampling=1),
    "4:4:4": _jpeg(quality=60, subsampling=0),
    "4:4:0": bytes(simplejpeg.encode_jpeg(PHOTO, 80, "RGB", "440")),
    "4:1:1": bytes(simplejpeg.encode_jpeg(PHOTO, 80, "RGB", "411")),
    "own tables": _jpeg(qtables=TABLES, subsampling=2),
    "own tables, 4:4:4": _jpeg(qtables=TABLES, subsampling=0),
    "three tables": _jpeg(qtables=[*TABLES, list(range(5, 69))], subsampling=0),
    "one table": _jpeg(qtables=TABLES[:1], subsampling=2),
    "16-bit tables": _jpeg(quality=1, subsampling=2, qtables=[[300] * 64, [400] * 64]),
    "progressive": _jpeg(quality=90, progressive=True),
    "restart markers": _jpeg(quality=90, restart_marker_blocks=3),
    "optimised": _jpeg(quality=90, optimize=True),
    "grey": builders.saved(PHOTO[..., 0], "JPEG", quality=90),
    "grey progressive": builders.saved(PHOTO[..., 0], "JPEG", quality=90, progressive=True),
    "grey, own table": builders.saved(PHOTO[..., 0], "JPEG", qtables=TABLES[:1]),
    "RGB": _adobe_rgb(),
    "CMYK": builders.saved(Image.fromarray(builders.photo(61, 83, 4), "CMYK"), "JPEG", quality=90),
    "CMYK without Adobe marker": _plain_cmyk(),
    "YCCK": _ycck(),
    "without JFIF header": builders.without_jfif(_jpeg(quality=90)),
    "one pixel": builders.saved(PHOTO[:1, :1], "JPEG", quality=90),
    "narrow": builders.saved(PHOTO[:, :3], "JPEG", quality=90),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_decoded_is_what_other_libraries_decode(name: str) -> None:
    picture = decode(FILES[name], max_pixels=10**6, chroma="smooth")
    expected = builders.opened(FILES[name])
    if picture.info.mode == "CMYK":  # Pillow takes all of them for inverted
        expected = 255 - expected
    np.testing.assert_array_equal(picture.frames[0], expected)
    assert picture.frames[0].flags.writeable
    assert picture.frames[0].flags.c_contiguous
    assert probe(FILES[name]) == picture.info


@pytest.mark.parametrize("mode", ["pixels", "blocks"])
@pytest.mark.parametrize("name", FILES)
def test_everything_but_the_pixels_stays(name: str, mode: Any) -> None:
    source = FILES[name]
    picture = decode(source, max_pixels=10**6)
    picture.frames[0][10:30, 20:50] = 90
    encoded = encode(picture, touched=[(20, 10, 50, 30)], jpeg=mode)
    before, after = jm.parse(source), jm.parse(encoded.data)
    assert encoded.notes == []
    assert after.component_tables == before.component_tables
    assert after.colour == before.colour
    assert after.progressive == before.progressive
    assert [(c.h, c.v) for c in after.components] == [(c.h, c.v) for c in before.components] or before.colour == "L"
    assert (after.adobe is None) == (before.adobe is None)
    assert (after.jfif is None) == (before.jfif is None)
    assert Image.open(io.BytesIO(encoded.data)).mode == Image.open(io.BytesIO(source)).mode


@pytest.mark.parametrize("name", FILES)
def test_pixels_survive_within_the_measured_bound(name: str) -> None:
    picture = decode(FILES[name], max_pixels=10**6)
    bound = allowed_difference(picture)
    again = decode(encode(picture, touched=[]).data, max_pixels=10**6).frames[0]
    difference = np.abs(again.astype(int) - picture.frames[0])
    assert difference.max() <= bound
    assert difference.mean() < 4


@pytest.mark.parametrize("chroma", ["stored", "smooth"])
def test_the_bound_is_measured_on_pixels_decoded_the_same_way(chroma: Any) -> None:
    picture = decode(FILES["4:2:0"], max_pixels=10**6, chroma=chroma)
    again = decode(encode(picture, touched=[]).data, max_pixels=10**6, chroma=chroma).frames[0]
    assert allowed_difference(picture) == 1.25 * np.abs(again.astype(int) - picture.frames[0]).max() + 2


@pytest.mark.parametrize("subsampling", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(64, 80), (61, 83), (32, 81), (1, 7)])
def test_chroma_spread_as_it_is_stored_is_found_again(subsampling: int, height: int, width: int) -> None:
    source = builders.saved(builders.photo(height, width), "JPEG", quality=92, subsampling=subsampling)

    def lost(chroma: Any) -> float:
        """The largest mean difference of a chroma plane's quantised coefficients after encoding again."""
        data = encode(decode(source, max_pixels=10**6, chroma=chroma), touched=[]).data
        before, after = (jpeg_blocks.read(d, jm.parse(d)).coef_arrays[1:] for d in (source, data))
        return max(float(np.abs(a - b).mean()) for a, b in zip(before, after, strict=True))

    assert lost("stored") <= lost("smooth")
    if height % 16 == width % 16 == 0:  # otherwise nobody can tell what the source's encoder thought behind the edge
        assert lost("stored") == 0 < lost("smooth")


@pytest.mark.parametrize("quality", range(1, 101))
def test_every_quality_of_libjpeg_is_known_by_its_tables(quality: int) -> None:
    from fastblur.dataset.files.jpeg_tables import standard_quality

    for pixels in (PHOTO, PHOTO[..., 0]):
        source = builders.saved(pixels, "JPEG", quality=quality)
        found = standard_quality(jm.parse(source).component_tables)
        assert found is not None
        made = builders.saved(pixels, "JPEG", quality=found)
        assert jm.parse(made).component_tables == jm.parse(source).component_tables


@pytest.mark.parametrize("quality", [30, 75, 90, 95, 98])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_the_transform_is_the_accurate_one(quality: int, subsampling: int) -> None:
    """The scan is the one Pillow writes for the same pixels: libjpeg's accurate DCT, not its fast one."""
    picture = decode(builders.saved(PHOTO, "JPEG", quality=quality, subsampling=subsampling), max_pixels=10**6)
    expected = builders.saved(picture.frames[0], "JPEG", quality=quality, subsampling=subsampling)
    assert encode(picture, touched=[]).data == expected


def test_an_encoder_that_writes_other_pixels_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = decode(FILES["4:2:0"], max_pixels=10**6)
    encoder = imagecodecs.jpeg8_encode

    def wrong(pixels: Any, *arguments: Any, **options: Any) -> Any:
        changed = pixels.copy()
        changed[16:24, 16:24] = 255 - changed[16:24, 16:24]
        return encoder(changed, *arguments, **options)

    monkeypatch.setattr(imagecodecs, "jpeg8_encode", wrong)
    with pytest.raises(ImageFileError, match="further from its pixels") as caught:
        encode(picture, touched=[])
    assert caught.value.reason == "check-failed"


@pytest.mark.parametrize("cut", [1, 40, 400])
def test_an_encoder_that_stops_early_is_caught(monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    picture = decode(FILES["4:2:0"], max_pixels=10**6)
    encoder = imagecodecs.jpeg8_encode
    monkeypatch.setattr(imagecodecs, "jpeg8_encode", lambda *a, **k: encoder(*a, **k)[:-cut])
    with pytest.raises(ImageFileError, match="check-failed"):
        encode(picture, touched=[], check="structure")


def test_an_encoder_that_takes_other_tables_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = decode(FILES["4:2:0"], max_pixels=10**6)
    monkeypatch.setattr(jpeg, "standard_quality", lambda tables: 50)
    with pytest.raises(ImageFileError, match="quantisation tables"):
        encode(picture, touched=[], check="structure")


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("quality", [1, 10, 50, 75, 95, 100])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_the_check_of_blocks_never_refuses_a_right_file(quality: int, subsampling: int, noise: bool) -> None:
    source = builders.noise((61, 83, 3)) if noise else builders.photo(61, 83)
    data = builders.saved(source, "JPEG", quality=quality, subsampling=subsampling)
    picture = decode(data, max_pixels=10**6)
    picture.frames[0][...] = builders.noise((61, 83, 3), seed=1) // 128 * 255
    encode(picture, touched=[], check="full")


def test_bytes_left_over_before_the_end_do_no_harm() -> None:
    source = FILES["4:2:0"]
    picture = decode(source[:-2] + b"\0\0\0\0" + source[-2:], max_pixels=10**6)
    np.testing.assert_array_equal(picture.frames[0], decode(source, max_pixels=10**6).frames[0])


def test_irregular_headers_are_read_and_noted() -> None:
    source = bytearray(FILES["4:2:0"])
    version = source.index(b"JFIF\0") + 5
    source[version] = 0
    picture = decode(bytes(source), max_pixels=10**6)
    encoded = encode(picture, touched=[])
    assert encoded.notes == ["jpeg-irregular-segments"]
    np.testing.assert_array_equal(picture.frames[0], decode(FILES["4:2:0"], max_pixels=10**6).frames[0])


def test_density_and_profile_stay() -> None:
    profile = builders.icc_profile(70_000)
    source = builders.saved(PHOTO, "JPEG", quality=90, dpi=(300, 200), icc_profile=profile)
    for metadata in ("keep", "safe", "strip"):
        image = Image.open(io.BytesIO(encode(decode(source, max_pixels=10**6), touched=[], metadata=metadata).data))
        assert image.info["dpi"] == (300, 200)
        assert image.info["icc_profile"] == profile


def test_a_progressive_file_without_its_last_scans_is_truncated() -> None:
    source = FILES["progressive"]
    scans = [i for i in range(len(source) - 1) if source[i : i + 2] == b"\xff\xda"]
    for scan in scans[1:]:
        with pytest.raises(ImageFileError, match="truncated: JPEG without all scans"):
            decode(source[:scan] + b"\xff\xd9", max_pixels=10**6)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (4, 12, "unsupported: JPEG with 12 bits"),
        (1, 0xC3, "unsupported: lossless JPEG"),
        (1, 0xC5, "unsupported: hierarchical JPEG"),
        (9, 2, "damaged: JPEG frame header of a wrong length"),
        (11, 0x51, "damaged: JPEG sampling factors"),
    ],
)
def test_other_kinds_of_jpeg_are_named(offset: int, value: int, message: str) -> None:
    source = bytearray(FILES["4:2:0"])
    source[source.index(b"\xff\xc0") + offset] = value
    with pytest.raises(ImageFileError, match=message):
        probe(bytes(source))


def test_a_height_that_comes_later_is_named() -> None:
    source = bytearray(FILES["4:2:0"])
    frame = source.index(b"\xff\xc0")
    source[frame + 5 : frame + 7] = b"\0\0"
    with pytest.raises(ImageFileError, match="unsupported: JPEG frame header gives 83x0"):
        decode(bytes(source), max_pixels=10**6)


def test_a_segment_is_an_applications_by_marker_beginning_and_length() -> None:
    plain = builders.without_jfif(FILES["4:2:0"])
    names = {b"JFIF\0": (jm.APP0, 14), b"Adobe": (jm.APP14, 12), b"Exif\0": (jm.APP1, 5)}
    comments = b"".join(jm.segment(jm.COM, name + bytes(12)) for name in names)
    short = b"".join(jm.segment(marker, (name + bytes(9))[: least - 1]) for name, (marker, least) in names.items())
    layout = jm.parse(plain[:2] + comments + short + plain[2:])
    assert (layout.jfif, layout.adobe, layout.exif) == (None, None, None)
    source = decode(plain[:2] + short + plain[2:], max_pixels=1 << 20)
    assert encode(source, touched=[]).dropped == {"app0": 1, "app14": 1, "app1": 1}


@pytest.mark.parametrize("window", [2, 3, 1 << 16])
@given(stream=st.lists(st.sampled_from([0xFF, 0xFF, 0x00, 0xD0, 0xD7, 0xD8, 0xCF, 0x01]), max_size=40))
def test_a_scan_ends_at_its_first_marker(window: int, stream: list[int]) -> None:
    data = bytes(stream)
    expected = re.search(rb"\xff[^\x00\xd0-\xd7\xff]", data[3:])
    with mock.patch.object(jm, "_WINDOW", window):
        if expected:
            assert jm._scan_end(data, 3) == 3 + expected.start()
        else:
            with pytest.raises(ImageFileError, match="end-of-image"):
                jm._scan_end(data, 3)
