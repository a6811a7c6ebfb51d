"""TIFF: every page, 8 and 16 bits, the compression it had; what cannot be rebuilt safely is refused by name."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from fastblur.dataset.files import ImageFileError, decode, encode, probe

from . import builders

PHOTO = builders.photo(48, 64)


def _tiff(samples: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, metadata=None, software=False, **options)
    return stream.getvalue()


def _rewritten(source: bytes) -> tuple[Any, Any]:
    picture = decode(source, max_pixels=10**6)
    for frame in picture.frames:
        frame[4:20, 6:30] = 9
    encoded = encode(picture, touched=[(6, 4, 30, 20)])
    with tifffile.TiffFile(io.BytesIO(encoded.data)) as file:
        for page, frame in zip(file.pages, picture.frames, strict=True):
            array = page.asarray()
            planar = page.planarconfig == 2 and array.ndim == 3
            np.testing.assert_array_equal(np.moveaxis(array, 0, -1) if planar else array, frame)
        return picture, file.pages[0]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("channels", "photometric", "mode"),
    [(1, "minisblack", "L"), (1, "miniswhite", "L"), (3, "rgb", "RGB"), (4, "rgb", "RGBA"), (4, "separated", "CMYK")],
)
def test_samples(dtype: Any, order: str, channels: int, photometric: str, mode: str) -> None:
    samples = builders.noise((48, 64) if channels == 1 else (48, 64, channels), dtype)
    extra = {"extrasamples": ("unassalpha",)} if mode == "RGBA" else {}
    source = _tiff(samples, photometric=photometric, byteorder=order, **extra)
    picture, page = _rewritten(source)
    samples[4:20, 6:30] = 9
    np.testing.assert_array_equal(picture.frames[0], samples)
    assert picture.frames[0].dtype == np.dtype(dtype)
    assert picture.info.mode == (mode if dtype == np.uint8 else "I;16" if mode == "L" else f"{mode};16")
    assert page.photometric.name.lower() == photometric
    assert probe(source) == picture.info


def test_files_made_by_hand_are_read() -> None:
    for order in "<>":
        for page in (PHOTO, PHOTO[..., 0], builders.noise((20, 31, 3), np.uint16), builders.noise((20, 31, 2))):
            np.testing.assert_array_equal(decode(builders.tiff([page], order), max_pixels=10**6).frames[0], page)


@pytest.mark.parametrize("predictor", [False, True])
@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd", "lzma"])
def test_the_compression_stays(compression: str | None, predictor: bool) -> None:
    if predictor and compression in (None, "packbits"):
        pytest.skip("no predictor with this compression")
    source = _tiff(PHOTO, photometric="rgb", compression=compression, predictor=predictor)
    _, page = _rewritten(source)
    with tifffile.TiffFile(io.BytesIO(source)) as file:
        assert page.compression == file.pages[0].compression
        assert page.predictor == file.pages[0].predictor


def test_tiles_and_planes_stay() -> None:
    _, page = _rewritten(_tiff(PHOTO, photometric="rgb", tile=(16, 32)))
    assert (page.tilelength, page.tilewidth) == (16, 32)
    _, page = _rewritten(_tiff(np.moveaxis(PHOTO, -1, 0).copy(), photometric="rgb", planarconfig="separate"))
    assert page.planarconfig == 2


def test_jpeg_inside_becomes_lossless() -> None:
    source = _tiff(PHOTO, photometric="rgb", compression="jpeg")
    picture = decode(source, max_pixels=10**6)
    encoded = encode(picture, touched=[])
    assert encoded.notes == ["tiff-compression-became-deflate"]
    np.testing.assert_array_equal(builders.opened(encoded.data), picture.frames[0])


@pytest.mark.parametrize("whites", [0, 1])
def test_black_and_white_becomes_grey(whites: int) -> None:
    bits = PHOTO[..., 0] > 128
    source = _tiff(bits ^ (whites == 0), photometric="miniswhite" if whites == 0 else "minisblack")
    assert probe(source).mode == "1"
    np.testing.assert_array_equal(decode(source, max_pixels=10**6).frames[0], bits * np.uint8(255))
    _, page = _rewritten(source)
    assert page.photometric.name == "MINISBLACK"


def test_palettes_are_looked_up() -> None:
    image = Image.fromarray(PHOTO).quantize(40)
    picture = decode(builders.saved(image, "TIFF"), max_pixels=10**6)
    assert picture.info.mode == "P"
    np.testing.assert_array_equal(picture.frames[0], np.array(image.convert("RGB")))
    data = encode(picture, touched=[]).data
    np.testing.assert_array_equal(builders.opened(data), picture.frames[0])


def test_every_page_is_obfuscated() -> None:
    pages = [builders.photo(48, 64, seed=i) for i in range(3)]
    picture, _ = _rewritten(builders.tiff(pages))
    assert picture.info.frames == 3
    for frame in picture.frames:
        assert (frame[4:20, 6:30] == 9).all()


def test_resolution_and_profile_stay() -> None:
    profile = builders.icc_profile()
    source = _tiff(PHOTO, photometric="rgb", resolution=((300, 1), (200, 1)), resolutionunit=3, iccprofile=profile)
    for metadata in ("keep", "safe", "strip"):
        encoded = encode(decode(source, max_pixels=10**6), touched=[], metadata=metadata)
        with tifffile.TiffFile(io.BytesIO(encoded.data)) as file:
            page = file.pages[0]
            assert page.tags[282].value == (300, 1)
            assert page.tags[296].value == 3
            assert page.iccprofile == profile


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (builders.tiff([PHOTO, PHOTO[:40]]), "multi-frame: page 1 is 64x40, the first 64x48"),
        (
            builders.tiff([PHOTO, PHOTO[..., 0]], page_tags={1: [(254, *builders.long("<", 4))]}),
            "multi-frame: page 1 is a transparency mask",
        ),
        (
            builders.tiff([PHOTO], tags=[(270, *builders.text("ImageJ=1.54\nimages=7\nslices=7\n"))]),
            "multi-frame: ImageJ stack of 7 images",
        ),
        (_tiff(PHOTO.astype(np.float32), photometric="rgb"), "unsupported: .* not unsigned integers"),
        (_tiff(PHOTO.astype(np.uint32), photometric="rgb"), r"unsupported: .* samples of \[32\] bits"),
        (builders.tiff([PHOTO], photometric=8), "unsupported: .* CIELab samples"),
        (_tiff(builders.noise((9, 8, 6)), photometric="rgb"), "unsupported: .* 6 samples per pixel"),
        (_tiff(PHOTO, photometric="rgb", bigtiff=True), "unsupported: BigTIFF"),
        (
            builders.saved(Image.fromarray(PHOTO).convert("1"), "TIFF", compression="group4"),
            "unsupported: .* fax compression",
        ),
    ],
)
def test_what_cannot_be_rebuilt_is_refused_by_name(source: bytes, message: str) -> None:
    with pytest.raises(ImageFileError, match=message):
        decode(source, max_pixels=10**6)


def test_directories_in_a_loop_are_damage() -> None:
    source = bytearray(builders.tiff([PHOTO]))
    first = int.from_bytes(source[4:8], "little")
    count = int.from_bytes(source[first : first + 2], "little")
    link = first + 2 + 12 * count
    source[link : link + 4] = source[4:8]
    with pytest.raises(ImageFileError, match="damaged: TIFF whose directories form a loop"):
        probe(bytes(source))
