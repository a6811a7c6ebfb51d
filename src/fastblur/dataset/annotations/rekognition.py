"""Amazon Rekognition: responses of DetectFaces, DetectLabels, DetectCustomLabels or IndexFaces.

Either a folder with a JSON file per image (``photo.jpg.json`` or ``photo.json``), or one JSON object
``{"path of the image": response, ...}``. Traps: boxes are ``Left, Top, Width, Height`` in fractions of the image
as displayed, and run below 0 and above 1 at its edge; a response that failed holds no list of faces, which is not
the same as an empty one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .entry import AnnotationError, Box, Entry, ReaderOptions, corners, files_below
from .json_items import count_of, mapped, members, repeated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_count = count_of(("FaceDetails", "FaceRecords", "Labels", "CustomLabels"))


class _Rectangle(msgspec.Struct, rename="pascal"):
    left: float
    top: float
    width: float
    height: float


class _Face(msgspec.Struct, rename="pascal"):
    bounding_box: _Rectangle


class _FaceRecord(msgspec.Struct, rename="pascal"):
    face_detail: _Face


class _Label(msgspec.Struct, rename="pascal"):
    name: str
    instances: list[_Face] = []


class _Geometry(msgspec.Struct, rename="pascal"):
    bounding_box: _Rectangle


class _CustomLabel(msgspec.Struct, rename="pascal"):
    name: str
    geometry: _Geometry


class _Response(msgspec.Struct, rename="pascal"):
    face_details: list[_Face] | None = None
    face_records: list[_FaceRecord] | None = None
    labels: list[_Label] | None = None
    custom_labels: list[_CustomLabel] | None = None


def read(path: Path, options: ReaderOptions) -> Iterator[Entry]:
    """Entries of the folder or file at `path`. `labels` are the names of labels; a face is labelled ``Face``."""
    decoder = msgspec.json.Decoder(_Response)
    if path.is_dir():
        for file in files_below(path, ".json"):
            yield _entry(file.relative_to(path).with_suffix("").as_posix(), file.read_bytes(), decoder, options)
        return
    responses = members(path, mapped(path))
    if {"FaceDetails", "Labels", "FaceRecords", "CustomLabels"} & responses.keys():
        raise AnnotationError(
            f"{path}: one bare response does not say which image it is of; "
            "accepted: a folder with a file per image, or an object {image: response}"
        )
    for key, raw in responses.items():
        yield _entry(key, raw, decoder, options)


def _entry(
    key: str, raw: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[_Response], options: ReaderOptions
) -> Entry:
    try:
        response = decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Entry(key, [], problem=f"not a response: {error}")
    faces = [*(response.face_details or ()), *(record.face_detail for record in response.face_records or ())]
    found = [("Face", face.bounding_box) for face in faces]
    found += [(label.name, item.bounding_box) for label in response.labels or () for item in label.instances]
    found += [(label.name, label.geometry.bounding_box) for label in response.custom_labels or ()]
    if response == _Response():
        return Entry(key, [], problem="the response holds no FaceDetails, FaceRecords, Labels or CustomLabels")
    lists = (response.face_details, response.face_records, response.labels, response.custom_labels)
    if _count(raw) != sum(given is not None for given in lists) and (problem := repeated(raw)):
        return Entry(key, [], problem=problem)
    boxes: list[Box] = [
        corners((box.left, box.top, box.width, box.height), "xywh") for name, box in found if options.labels.keep(name)
    ]
    return Entry(key, boxes, normalised=True)
