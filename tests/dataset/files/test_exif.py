"""EXIF: what each level keeps, in both byte orders, read by Pillow; and no byte beyond it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fastblur.dataset.files import decode, encode, previews, probe
from fastblur.dataset.files import exif as subject

from . import builders

CARRIERS = ("JPEG", "PNG", "WEBP", "TIFF")

MAKE, MODEL, DESCRIPTION, ARTIST, COPYRIGHT, ORIENTATION = 0x010F, 0x0110, 0x010E, 0x013B, 0x8298, 0x0112
EXPOSURE, DATE, COMMENT, OWNER, SERIAL, LENS, NOTE = 0x829A, 0x9003, 0x9286, 0xA430, 0xA431, 0xA434, 0x927C


def _carrying(kind: str, order: str, orientation: int = 6) -> bytes:
    """A file of each format with the EXIF data of a camera."""
    block = builders.camera_exif(order, orientation=orientation)
    pixels = builders.photo()
    if kind == "JPEG":
        return builders.with_segments(builders.saved(pixels, "JPEG"), builders.app1_exif(block))
    if kind == "PNG":
        return builders.with_chunks(builders.saved(pixels, "PNG"), (b"eXIf", block))
    if kind == "WEBP":
        picture = builders.webp_chunks(builders.saved(pixels, "WEBP"))[0]
        return builders.extended_webp(84, 60, picture, (b"EXIF", block), flags=8)
    text, rational = builders.text, builders.rational
    return builders.tiff(
        [pixels],
        order,
        tags=[
            (ORIENTATION, *builders.short(order, orientation)),
            (MAKE, *text("Maker")),
            (MODEL, *text("Model 5")),
            (DESCRIPTION, *text("Ann and Bob at home")),
            (ARTIST, *text("A. Photographer")),
            (COPYRIGHT, *text("(c) A. Photographer")),
        ],
        sub=[
            (EXPOSURE, *rational(order, (1, 250))),
            (DATE, *text("2020:02:03 04:05:06")),
            (COMMENT, 7, 20, b"ASCII\0\0\0at the lake."),
            (NOTE, 7, 600, b"NOTE" * 150),
            (OWNER, *text("The Owner")),
            (SERIAL, *text("SN 12345")),
            (LENS, *text("35 mm")),
        ],
        gps=[(2, *rational(order, (48, 1), (8, 1), (1, 1)))],
    )


def _read(data: bytes) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
    """The main, EXIF and GPS tags as Pillow reads them."""
    tags = Image.open(io.BytesIO(data)).getexif()
    return dict(tags), dict(tags.get_ifd(0x8769)), dict(tags.get_ifd(0x8825))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", CARRIERS)
class TestLevels:
    def _tags(self, kind: str, order: str, metadata: Any) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
        source = _carrying(kind, order)
        encoded = encode(decode(source, max_pixels=10**6), touched=[], metadata=metadata)
        assert probe(source).orientation == probe(encoded.data).orientation == 6
        assert encoded.dropped["makernote"] == 1
        return _read(encoded.data)

    def test_safe_keeps_the_camera_and_not_the_person(self, kind: str, order: str) -> None:
        main, sub, gps = self._tags(kind, order, "safe")
        assert main[ORIENTATION] == 6
        assert (main[MAKE], main[MODEL], main[COPYRIGHT]) == ("Maker", "Model 5", "(c) A. Photographer")
        assert (float(sub[EXPOSURE]), sub[DATE], sub[LENS]) == (1 / 250, "2020:02:03 04:05:06", "35 mm")
        assert not {DESCRIPTION, ARTIST} & set(main)
        assert not {COMMENT, OWNER, SERIAL, NOTE} & set(sub)
        assert gps == {}

    def test_keep_keeps_all_tags_but_no_blobs(self, kind: str, order: str) -> None:
        main, sub, gps = self._tags(kind, order, "keep")
        assert (main[DESCRIPTION], main[ARTIST]) == ("Ann and Bob at home", "A. Photographer")
        assert (sub[OWNER], sub[SERIAL]) == ("The Owner", "SN 12345")
        assert sub[COMMENT] == b"ASCII\0\0\0at the lake."
        assert tuple(map(float, gps[2])) == (48, 8, 1)
        assert NOTE not in sub

    def test_strip_keeps_the_orientation(self, kind: str, order: str) -> None:
        main, sub, gps = self._tags(kind, order, "strip")
        assert main[ORIENTATION] == 6
        assert not {MAKE, MODEL, COPYRIGHT} & set(main)
        assert (sub, gps) == ({}, {})


def test_what_was_dropped_is_counted_by_kind() -> None:
    encoded = encode(decode(_carrying("JPEG", "<"), max_pixels=10**6), touched=[], metadata="safe")
    assert encoded.dropped == {
        "exif-other": 3,  # description, PrintIM, user comment
        "exif-thumbnail": 1,
        "gps": 1,
        "makernote": 1,
        "owner": 2,
        "serial-number": 1,
    }


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", CARRIERS)
def test_orientation_is_read_and_kept(kind: str, orientation: int) -> None:
    source = _carrying(kind, ">", orientation)
    assert probe(source).orientation == orientation
    for metadata in ("keep", "safe", "strip"):
        rebuilt = encode(decode(source, max_pixels=10**6), touched=[], metadata=metadata).data
        assert probe(rebuilt).orientation == orientation


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_out_of_range_is_none(value: int) -> None:
    assert subject.orientation(builders.exif(orientation=value)) == 1


def test_a_file_without_tags_gets_none() -> None:
    source = builders.saved(builders.photo(), "JPEG")
    assert b"Exif" not in encode(decode(source, max_pixels=10**6), touched=[]).data


def test_the_level_decides_what_is_a_finding() -> None:
    kept = encode(decode(_carrying("JPEG", "<"), max_pixels=10**6), touched=[], metadata="keep").data
    assert previews(kept) == []
    assert previews(kept, metadata="safe") == ["exif-other", "gps", "owner", "serial-number"]
    assert "exif-other" in previews(kept, metadata="strip")


_TAG = st.tuples(
    st.sampled_from([0x010E, 0x010F, 0x0112, 0x0131, 0x014A, 0x0201, 0x8298, 0x829A, 0x9003, 0x927C, 0xA005, 0xC4A5]),
    st.just(7),
    st.binary(max_size=40),
).map(lambda tag: (tag[0], tag[1], len(tag[2]), tag[2]))


_BLOCK = st.builds(
    builders.exif,
    st.sampled_from(["<", ">"]),
    main=st.lists(_TAG, max_size=6),
    sub=st.none() | st.lists(_TAG, max_size=6),
    gps=st.none() | st.lists(_TAG, max_size=3),
    hidden=st.binary(max_size=20),
    thumbnail=st.sampled_from([b"", b"\xff\xd8\xff\xd9"]),
)


@given(block=_BLOCK, metadata=st.sampled_from(["keep", "safe", "strip"]))
def test_any_block_is_rebuilt_clean(block: bytes, metadata: Any) -> None:
    rebuilt = subject.rebuild(block, metadata)
    assert subject.orientation(rebuilt or builders.exif(orientation=1)) == subject.orientation(block)
    if rebuilt:
        assert not subject.findings(rebuilt, metadata)
        assert subject.rebuild(rebuilt, metadata) == rebuilt


@given(st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    for block in (data, b"II*\0\x08\0\0\0" + data, b"MM\0*\0\0\0\x08" + data):
        assert 1 <= subject.orientation(block) <= 8
        for metadata in ("keep", "safe", "strip"):
            subject.findings(block, metadata)
            rebuilt = subject.rebuild(block, metadata)
            assert not rebuilt or not subject.findings(rebuilt, metadata)
