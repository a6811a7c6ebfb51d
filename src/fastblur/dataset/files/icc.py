"""ICC profiles: the one block of metadata that changes what the pixels mean."""

from __future__ import annotations

from fastblur.dataset.files.signatures import holds_image

_HEADER = 132
_LARGEST = 16 * 2**20


def clean(profile: bytes) -> bytes:
    """The profile cut to the length its header states; empty if it is no ICC profile or is one that hides a picture."""
    size = int.from_bytes(profile[:4], "big")
    if profile[36:40] != b"acsp" or not _HEADER <= size <= min(len(profile), _LARGEST):
        return b""
    kept = profile[:size]
    return b"" if holds_image(kept[_HEADER:]) else kept
