"""From the boxes that annotations give to boxes in the pixels of the file as stored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .annotations import Box, Entry
    from .files import ImageInfo

MOST_LOST = 0.5
"""A box that loses more than this share of its area at the image's edge belongs to another image."""


class LeftOut(Exception):  # noqa: N818 - an outcome, not a failure
    """The image cannot be obfuscated safely; `reason` is a slug for the manifest, the text says what was wrong."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class PixelBoxes:
    """The boxes of one image in stored pixels, and those that have no area, as the annotation gives them."""

    boxes: list[Box]
    degenerate: list[Box]


def stored_boxes(
    entries: Sequence[Entry], info: ImageInfo, *, orientation: str | None, keep_degenerate: bool = False
) -> PixelBoxes:
    """The boxes of `entries` in stored pixels, each once, in the order given; LeftOut if one of them is wrong.

    `orientation` says what the boxes refer to where EXIF turns the image: "stored", "displayed", or None for unknown.
    With `keep_degenerate`, boxes without area are returned apart instead of being an error.
    """
    turned = info.orientation != 1
    if turned and orientation is None and any(entry.boxes for entry in entries):
        raise LeftOut(
            "orientation", f"EXIF orientation is {info.orientation}; say --boxes-orientation stored or displayed"
        )
    displayed = turned and orientation == "displayed"
    width, height = (info.height, info.width) if displayed and info.orientation >= 5 else (info.width, info.height)
    boxes: dict[Box, None] = {}
    degenerate: dict[Box, None] = {}
    for entry in entries:
        if entry.problem is not None:
            raise LeftOut("malformed-box", entry.problem)
        if entry.size is not None and entry.size != (width, height):
            raise LeftOut("size-differs", f"annotated {entry.size[0]}x{entry.size[1]}, the image is {width}x{height}")
        for given in entry.boxes:
            if not all(map(math.isfinite, given)):
                raise LeftOut("malformed-box", f"{_text(given)} is not finite")
            x1, y1, x2, y2 = given
            if keep_degenerate and (x1 >= x2 or y1 >= y2):
                degenerate[given] = None
                continue
            box = (x1 * width, y1 * height, x2 * width, y2 * height) if entry.normalised else given
            _check(given, box, width, height, pixels=not entry.normalised)
            boxes[_unturned(box, info.orientation, width, height) if displayed else box] = None
    return PixelBoxes(list(boxes), list(degenerate))


def _check(given: Box, box: Box, width: int, height: int, *, pixels: bool) -> None:
    x1, y1, x2, y2 = box
    if x2 < x1 or y2 < y1:
        raise LeftOut("malformed-box", f"{_text(given)}: x2 < x1 or y2 < y1")
    if x1 == x2 or y1 == y2:
        raise LeftOut("box-empty", f"{_text(given)} has no area")
    if pixels and max(map(abs, box)) <= 1 and (width > 1 or height > 1):
        raise LeftOut("malformed-box", f"{_text(given)} lies within one pixel: these look like fractions")
    inside_x, inside_y = min(x2, width) - max(x1, 0), min(y2, height) - max(y1, 0)
    if inside_x <= 0 or inside_y <= 0:
        raise LeftOut("box-outside", f"{_text(given)} lies outside the image of {width}x{height}")
    if inside_x * inside_y < MOST_LOST * (x2 - x1) * (y2 - y1):
        raise LeftOut("box-mostly-outside", f"{_text(given)} lies mostly outside the image of {width}x{height}")


def _unturned(box: Box, orientation: int, width: int, height: int) -> Box:
    """A box of the displayed image, of `width` x `height`, in the pixels that EXIF `orientation` turns into it."""
    x1, y1, x2, y2 = box
    if orientation in (2, 3, 6, 7):
        x1, x2 = width - x2, width - x1
    if orientation in (3, 4, 7, 8):
        y1, y2 = height - y2, height - y1
    return (y1, x1, y2, x2) if orientation >= 5 else (x1, y1, x2, y2)


def working_box(box: Box, grow: float, feather: float, width: int, height: int) -> tuple[int, int, int, int]:
    """The pixels that obfuscating `box` reads and may change: grown, rounded outward, feathered, clipped."""
    f = math.ceil(feather)
    return (
        max(math.floor(box[0] - grow) - f, 0),
        max(math.floor(box[1] - grow) - f, 0),
        min(math.ceil(box[2] + grow) + f, width),
        min(math.ceil(box[3] + grow) + f, height),
    )


def _text(box: Box) -> str:
    return "(" + ", ".join(f"{value:.6g}" for value in box) + ")"
