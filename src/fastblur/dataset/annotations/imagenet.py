"""ImageNet's face annotations: ``[{"url": "train/n0.../x.JPEG", "bboxes": [{"x0", "y0", "x1", "y1"}]}, ...]``.

Trap: the urls of validation images, ``val/x.JPEG``, lack the class folder that the images on disk are sorted into.
Their names are unique, so the name alone is the key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .entry import Entry, ReaderOptions
from .json_items import decode, mapped, repeated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class _Url(msgspec.Struct):
    url: str


class _Box(msgspec.Struct):
    x0: float
    y0: float
    x1: float
    y1: float


class _Image(_Url):
    bboxes: list[_Box]


def read(path: Path, options: ReaderOptions) -> Iterator[Entry]:
    """Entries of the JSON file at `path`; `options` are not used, its boxes carry no labels."""
    image = msgspec.json.Decoder(_Image)
    for raw in decode(path, mapped(path), list[msgspec.Raw]):
        problem = None
        try:
            item = image.decode(raw)
            url, boxes = item.url, [(b.x0, b.y0, b.x1, b.y1) for b in item.bboxes]
            if bytes(raw).count(b'"') != 6 + 8 * len(boxes):  # more than the names that were found and a url
                problem = repeated(raw)
        except msgspec.ValidationError as error:
            problem, boxes = str(error), []
            url = decode(path, raw, _Url).url
        yield Entry(url.rsplit("/", 1)[-1] if url.startswith("val/") else url, boxes, problem=problem)
