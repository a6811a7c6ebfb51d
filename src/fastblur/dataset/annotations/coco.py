"""COCO: ``images`` name the files, ``annotations`` hold ``bbox = [x, y, width, height]`` in float pixels.

Traps: boxes refer to images by id, not by name; an image without annotations is an image without boxes; an
annotation may have a segmentation and no box.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .entry import AnnotationError, Entry, ReaderOptions
from .json_items import count_of, decode, mapped, members, repeated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_count_in_image = count_of(("id", "file_name", "width", "height"))
_count_in_annotation = count_of(("image_id", "bbox", "category_id"))


class _Image(msgspec.Struct):
    id: int | str
    file_name: str
    width: int | None = None
    height: int | None = None


class _ImageOf(msgspec.Struct):
    image_id: int | str


class _Annotation(_ImageOf):
    bbox: tuple[float, float, float, float]
    category_id: int | str | None = None


class _Category(msgspec.Struct):
    id: int | str
    name: str


class _File(msgspec.Struct):
    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    categories: list[_Category] = []


def read(path: Path, options: ReaderOptions) -> Iterator[Entry]:
    """Entries of the JSON file at `path`: one per image, and one per box."""
    image, annotation = msgspec.json.Decoder(_Image), msgspec.json.Decoder(_Annotation)
    content = mapped(path)
    members(path, content)  # a second list of images or annotations would replace the first
    file = decode(path, content, _File)
    labels = {category.id: category.name for category in file.categories}
    names: dict[int | str, str] = {}
    for index, raw in enumerate(file.images):
        try:
            item = image.decode(raw)
        except msgspec.ValidationError as error:
            raise AnnotationError(f"{path}: images[{index}]: {error}") from None
        if _count_in_image(raw) != 4 and (problem := repeated(raw)):
            raise AnnotationError(f"{path}: images[{index}]: {problem}")
        if item.id in names:
            raise AnnotationError(f"{path}: images[{index}]: the id {item.id!r} was used before")
        names[item.id] = item.file_name
        size = (item.width, item.height) if item.width is not None and item.height is not None else None
        yield Entry(item.file_name, [], size=size)
    for index, raw in enumerate(file.annotations):
        problem, boxes = None, []
        try:
            row = annotation.decode(raw)
            image_id = row.image_id
            x, y, width, height = row.bbox
            if _count_in_annotation(raw) != 3 and (twice := repeated(raw)):
                problem = f"annotations[{index}]: {twice}"
            if options.labels.keep(str(row.category_id), labels.get(row.category_id or 0, "")):
                boxes = [(x, y, x + width, y + height)]
        except msgspec.ValidationError as error:
            problem = f"annotations[{index}]: {error}"
            image_id = decode(path, raw, _ImageOf).image_id
        if image_id not in names:
            raise AnnotationError(f"{path}: annotations[{index}]: no image has the id {image_id!r}")
        if boxes or problem:
            yield Entry(names[image_id], boxes, problem=problem)
