"""The algorithm that made ImageNet's face-blurred release in 2021, computed only where it changes anything.

Each box with an area grows by a tenth of its longer side and is painted black on a white mask; image and mask are
blurred by Pillow with a tenth of the longest side of all boxes, and the blurred mask mixes the two. The same sigma for
all boxes makes the mask pale over small ones: they stay recognisable. It is here to reproduce the release, not to be
used for anything new.

Pillow's blur is three box filters in whole numbers, each reaching one pixel past its radius at most. So the mask
differs from white only within one reach of the painted rectangles, and the blurred image there depends only on pixels
within another: a crop with that much around it gives the same bits as the whole image.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .annotations import Box

Region = tuple[int, int, int, int]


def sigma_of(boxes: Sequence[Box]) -> float:
    """The one sigma of an image: a tenth of the longest side of all its boxes."""
    return 0.1 * max(max(x2 - x1, y2 - y1) for x1, y1, x2, y2 in boxes)


def regions(boxes: Sequence[Box], width: int, height: int) -> list[Region]:
    """Rectangles outside which the algorithm changes nothing: disjoint, half-open, clipped to the image."""
    if not boxes:
        return []
    reach = _reach(sigma_of(boxes))
    grown = [_clipped(_grow(_painted(box), reach), width, height) for box in boxes]
    return _merged([region for region in grown if region[0] < region[2] and region[1] < region[3]])


def obfuscate(pixels: npt.NDArray[np.uint8], boxes: Sequence[Box]) -> None:
    """Apply the algorithm in place to `pixels`, (H, W) or (H, W, 3) uint8; each box has an area."""
    if not boxes:
        return
    height, width = pixels.shape[:2]
    sigma = sigma_of(boxes)
    reach = _reach(sigma)
    blur = ImageFilter.GaussianBlur(sigma)
    results = []
    for region in regions(boxes, width, height):
        x1, y1, x2, y2 = _clipped(_grow(region, reach), width, height)
        image = Image.fromarray(pixels[y1:y2, x1:x2])
        mask = Image.new("L", image.size, "white")
        draw = ImageDraw.Draw(mask)
        for box in boxes:
            left, top, right, bottom = _painted(box)
            draw.rectangle((left - x1, top - y1, right - 1 - x1, bottom - 1 - y1), fill="black")
        mixed = Image.composite(image, image.filter(blur), mask.filter(blur))
        inner = (region[0] - x1, region[1] - y1, region[2] - x1, region[3] - y1)
        results.append((region, np.asarray(mixed.crop(inner))))
    for (x1, y1, x2, y2), result in results:
        pixels[y1:y2, x1:x2] = result


def _painted(box: Box) -> Region:
    """The pixels that the grown box paints: Pillow truncates towards zero and paints both ends."""
    x1, y1, x2, y2 = box
    grow = 0.1 * max(x2 - x1, y2 - y1)
    return math.trunc(x1 - grow), math.trunc(y1 - grow), math.trunc(x2 + grow) + 1, math.trunc(y2 + grow) + 1


def _reach(sigma: float) -> int:
    """How far Pillow's three box filters carry a pixel: at most the ceiling of the box radius, each.

    A box of variance L^2 / 12 with L = 2 r + 1, three times, has the variance sigma^2, so r < sigma; in Pillow's
    approximation r never exceeds sigma + 1.
    """
    return 3 * (math.ceil(sigma) + 1)


def _grow(region: Region, by: int) -> Region:
    return region[0] - by, region[1] - by, region[2] + by, region[3] + by


def _clipped(region: Region, width: int, height: int) -> Region:
    return max(region[0], 0), max(region[1], 0), min(region[2], width), min(region[3], height)


def _merged(rectangles: list[Region]) -> list[Region]:
    """Rectangles that cover the same pixels and do not overlap: those that do become one."""
    result: list[Region] = []
    for rectangle in rectangles:
        merged = rectangle
        while touching := [other for other in result if _overlap(merged, other)]:
            result = [other for other in result if other not in touching]
            merged = (
                min(merged[0], *(other[0] for other in touching)),
                min(merged[1], *(other[1] for other in touching)),
                max(merged[2], *(other[2] for other in touching)),
                max(merged[3], *(other[3] for other in touching)),
            )
        result.append(merged)
    return result


def _overlap(a: Region, b: Region) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
