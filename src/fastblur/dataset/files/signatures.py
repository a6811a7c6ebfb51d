"""Beginnings of picture files, to find one hidden inside a value."""

from __future__ import annotations

import re

_IMAGE = re.compile(
    rb"\xff\xd8\xff[\xc0-\xc4\xdb\xdd\xe0-\xef\xfe]|\x89PNG\r\n\x1a\n|RIFF....WEBP|GIF8[79]a"
    rb"|ftyp(?:heic|heix|mif1|avif|mp4|isom)",
    re.DOTALL,
)


def holds_image(data: bytes) -> bool:
    """Whether a picture or film file seems to begin anywhere in these bytes."""
    return _IMAGE.search(data) is not None
