"""No clear copy inside a file: each kind, in a file that has it, is found, and is gone from the rebuilt file."""

from __future__ import annotations

import numpy as np
import pytest

from fastblur.dataset.files import decode, encode, previews, probe

from . import builders

COPIES = builders.copies()
LEVELS = ("keep", "safe", "strip")


@pytest.mark.parametrize("metadata", LEVELS)
@pytest.mark.parametrize("name", COPIES)
def test_each_kind_is_found_dropped_and_counted(name: str, metadata: str) -> None:
    data, kind = COPIES[name]
    assert kind in previews(data)
    picture = decode(data, max_pixels=10**6)
    encoded = encode(picture, touched=[], metadata=metadata)
    assert encoded.dropped["exif-other" if (kind, metadata) == ("exif-oversized", "strip") else kind] >= 1
    assert previews(encoded.data, metadata=metadata) == []
    assert builders.clear_copy()[20:200] not in encoded.data
    again = decode(encoded.data, max_pixels=10**6)
    assert probe(encoded.data).width == picture.info.width
    assert np.abs(again.frames[0].astype(int) - picture.frames[0]).mean() < 2


@pytest.mark.parametrize("name", [name for name in COPIES if name.startswith("jpeg")])
def test_also_when_only_blocks_are_rewritten(name: str) -> None:
    data, kind = COPIES[name]
    encoded = encode(decode(data, max_pixels=10**6), touched=[(8, 8, 30, 30)], jpeg="blocks")
    assert not any("fallback" in note for note in encoded.notes)
    assert encoded.dropped[kind] >= 1
    assert previews(encoded.data, metadata="safe") == []
    assert builders.clear_copy()[20:200] not in encoded.data


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
def test_a_plain_file_is_clean(kind: str) -> None:
    data = builders.saved(builders.photo(), kind)
    assert previews(data) == []
    assert encode(decode(data, max_pixels=10**6), touched=[], metadata="strip").dropped == {}
