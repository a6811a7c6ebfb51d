"""Is the answer right? fastblur is held to its bounds; every peer's error is measured the same way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt

from fastblur import reference

if TYPE_CHECKING:
    from benchmarks.cases import Work

Pixels = npt.NDArray[Any]


class Error(TypedDict):
    """Largest and mean distance from the unrounded reference over `boxes` boxes, in levels of 1/255 of full range."""

    largest: float
    mean: float
    boxes: int


@dataclass(frozen=True)
class Sample:
    """One box: what it held, where it lies, and how strongly it is to be obfuscated."""

    before: Pixels
    where: tuple[int, int, int, int, int]
    strength: float


def level(dtype: np.dtype[Any]) -> float:
    """One level of 255 in the units of `dtype`, whose images run from 0 to its maximum, or to 1 for floats."""
    return 1 / 255 if dtype.kind == "f" else float(np.iinfo(dtype).max / 255)


def crop(work: Work, where: tuple[int, int, int, int, int]) -> Pixels:
    """The pixels of a box of `work`, a view of shape (h, w, C)."""
    i, x1, y1, x2, y2 = where
    if work.layout == "NHWC":
        return work.images[i, y1:y2, x1:x2]
    return np.moveaxis(work.images[i, :, y1:y2, x1:x2], 0, 2)


def sample(work: Work, megapixels: float, rng: np.random.Generator) -> list[Sample]:
    """Boxes that touch no other, so that what they held is known, in random order up to `megapixels`; at least one."""
    boxes = work.boxes
    chosen: list[Sample] = []
    budget = megapixels * 1e6
    for k in rng.permutation(len(boxes)).tolist():
        i, x1, y1, x2, y2 = (int(v) for v in boxes[k])
        same = boxes[boxes[:, 0] == i]
        touching = (same[:, 1] < x2) & (same[:, 3] > x1) & (same[:, 2] < y2) & (same[:, 4] > y1)
        if np.count_nonzero(touching) > 1:
            continue
        budget -= (x2 - x1) * (y2 - y1)
        if chosen and budget < 0:
            break
        where = (i, x1, y1, x2, y2)
        chosen.append(Sample(crop(work, where).copy(), where, float(work.strength[k])))
    return chosen


class Judge:
    """Compares what was made of the sampled boxes of one work with the reference, computed once per border mode."""

    def __init__(self, original: Work, megapixels: float, rng: np.random.Generator) -> None:
        self._original = original
        self._samples = sample(original, megapixels, rng)
        self._exact: dict[str, list[Pixels]] = {}

    def _reference(self, border_mode: str) -> list[Pixels]:
        if border_mode not in self._exact:
            exact = []
            for s in self._samples:
                box = (0, 0, s.before.shape[1], s.before.shape[0])
                if self._original.operation == "blur":
                    exact.append(reference.gaussian_blur(s.before, box, s.strength, border_mode=border_mode))
                else:
                    exact.append(reference.pixelate(s.before, box, s.strength))
            self._exact[border_mode] = exact
        return self._exact[border_mode]

    def error(self, result: Work, border_mode: str) -> Error:
        """The distance of `result` from the reference."""
        unit = level(result.images.dtype)
        distances = [
            np.abs(crop(result, s.where).astype(np.float64) - exact).ravel() / unit
            for s, exact in zip(self._samples, self._reference(border_mode), strict=True)
        ]
        every = np.concatenate(distances)
        return {"largest": float(every.max()), "mean": float(every.mean()), "boxes": len(distances)}

    def hold(self, result: Work) -> Error:
        """`error` of fastblur; AssertionError where a bound is broken or a pixel outside the boxes has changed."""
        dtype, operation = result.images.dtype, self._original.operation
        for s, exact in zip(self._samples, self._reference("reflect"), strict=True):
            got = crop(result, s.where).astype(np.float64)
            beyond = float((np.abs(got - exact) - tolerance(s.before, exact, operation)).max())
            if beyond > 0:
                raise AssertionError(
                    f"{operation} of {dtype}: box {s.where} of strength {s.strength} is {beyond:.3g} beyond its bound"
                )
        error = self.error(result, "reflect")
        if operation == "blur" and dtype == np.uint8 and error["mean"] > 0.27:
            raise AssertionError(f"mean error {error['mean']:.3f} of a level; at most 0.27 is allowed on photos")
        inside = np.zeros((len(result.images), result.height, result.width), dtype=bool)
        for i, x1, y1, x2, y2 in result.boxes.tolist():
            inside[i, y1:y2, x1:x2] = True
        changed = result.images != self._original.images
        if np.any(changed & ~(inside[..., None] if result.layout == "NHWC" else inside[:, None])):
            raise AssertionError(f"{operation} of {dtype}: pixels outside every box have changed")
        return error


def tolerance(before: Pixels, exact: Pixels, operation: str) -> Pixels | float:
    """How far from the unrounded reference a pixel of one box may be."""
    dtype = before.dtype
    if dtype.kind == "u":
        to_rounded: Pixels = np.abs(np.rint(exact) - exact)
        if operation == "mosaic":
            return to_rounded + 1e-9
        if dtype == np.uint8:
            # One level from the rounded reference, on the farther side.
            return 1 + 1e-9 + to_rounded
    values = before.astype(np.float64)
    extent = float(values.max() - values.min())
    if dtype.kind == "u":
        return 5e-4 * extent + 1
    ulp = float(np.spacing(np.abs(before).max()))
    return (5e-4 if operation == "blur" else 4e-6) * extent + ulp
