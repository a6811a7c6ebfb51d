"""Obfuscating the boxes of one image by one of the command's methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import numpy.typing as npt

import fastblur

from . import imagenet2021
from .geometry import LeftOut, working_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .annotations import Box
    from .files import ImageInfo
    from .parameters import Parameters

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


class _Common(TypedDict):
    relative: tuple[str, str]
    margin: float
    shape: str
    feather: float
    layout: str
    out: Pixels
    num_threads: int


@dataclass(frozen=True)
class Applied:
    """What was done: boxes with the strength in pixels of each, in the order applied, and the pixels concerned."""

    boxes: list[tuple[Box, float]]
    touched: list[tuple[int, int, int, int]]


def plan(boxes: Sequence[Box], info: ImageInfo, parameters: Parameters) -> Applied:
    """The boxes, strongest first: a later, stronger one would not reach what an earlier, weaker one carried out."""
    if parameters.method == "imagenet2021":
        if info.mode not in ("L", "RGB", "P", "1"):
            raise LeftOut("unsupported-mode", f"imagenet2021 is defined for 8-bit grey and RGB; this is {info.mode}")
        sigma = imagenet2021.sigma_of(boxes) if boxes else 0.0
        return Applied([(box, sigma) for box in boxes], imagenet2021.regions(boxes, info.width, info.height))
    sides = [max(x2 - x1, y2 - y1) for x1, y1, x2, y2 in boxes]
    strengths = [max(parameters.strength * side, parameters.min_strength) for side in sides]
    order = sorted(range(len(boxes)), key=lambda i: -strengths[i])
    touched = [
        working_box(boxes[i], parameters.margin * sides[i], parameters.feather * sides[i], info.width, info.height)
        for i in order
    ]
    return Applied([(boxes[i], strengths[i]) for i in order], touched)


def obfuscate(pixels: Pixels, applied: Applied, info: ImageInfo, parameters: Parameters) -> None:
    """Do in place to one frame, (H, W) or (H, W, C), what `plan` says."""
    if not applied.boxes:
        return
    boxes = np.array([box for box, _ in applied.boxes])
    if parameters.method == "imagenet2021":
        if pixels.dtype != np.uint8:
            raise LeftOut("unsupported-mode", "imagenet2021 is defined for 8-bit grey and RGB")
        if pixels.ndim == 3 and pixels.shape[2] != 3:
            raise LeftOut("unsupported-mode", "imagenet2021 is defined for images without transparency")
        imagenet2021.obfuscate(pixels.view(np.uint8), [box for box, _ in applied.boxes])
        return
    strengths = np.array([strength for _, strength in applied.boxes])
    common = _Common(
        relative=("margin", "feather"),
        margin=parameters.margin,
        shape=parameters.shape,
        feather=parameters.feather,
        layout="HW" if pixels.ndim == 2 else "HWC",
        out=pixels,
        num_threads=1,
    )
    if parameters.method == "gaussian":
        fastblur.gaussian_blur(pixels, boxes, strengths, **common)
    elif parameters.method == "pixelate":
        fastblur.pixelate(pixels, boxes, strengths, **common)
    else:
        fastblur.fill(pixels, boxes, fill_value(pixels, parameters.value, info), **common)


def fill_value(pixels: Pixels, rgb: tuple[int, int, int], info: ImageInfo) -> list[int]:
    """The colour `rgb`, in levels of 255, in the channels and the depth of `pixels`: opaque, grey by its luma.

    CMYK is ink, the less the lighter; JPEG files store it the other way round, as Adobe's programs began to.
    """
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if info.mode.startswith("CMYK"):
        value = [*rgb, 255] if info.format == "jpeg" else [*(255 - level for level in rgb), 0]
    elif channels <= 2:
        value = [round(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]), 255][:channels]
    else:
        value = [*rgb, 255][:channels]
    return [level * 257 for level in value] if pixels.dtype == np.uint16 else value
