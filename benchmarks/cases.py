"""The work: which images, which boxes, how strong. Every case is drawn from a seed and the photos."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from numpy.lib.array_utils import byte_bounds

from benchmarks import photos

if TYPE_CHECKING:
    from collections.abc import Callable

Operation = Literal["blur", "mosaic"]
Layout = Literal["NHWC", "NCHW"]
Draw = Literal["uniform", "loguniform"]


@dataclass(frozen=True)
class Work:
    """A batch of images and the boxes to obfuscate in it, in place.

    `images` is an array of shape (N, H, W, C) or (N, C, H, W); `boxes` an int64 array of shape (K, 5), rows
    ``[image, x1, y1, x2, y2]`` ordered by image and inside their image; `strength` an array of shape (K,), in pixels:
    sigma for a blur, the block size for a mosaic.
    """

    operation: Operation
    layout: Layout
    images: npt.NDArray[np.generic]
    boxes: npt.NDArray[np.int64]
    strength: npt.NDArray[np.float64]

    @property
    def pixels(self) -> int:
        """Pixels of all boxes; one that lies in two boxes counts twice. All channels are one pixel."""
        sizes = self.boxes[:, 3:5] - self.boxes[:, 1:3]
        return int(np.sum(sizes[:, 0] * sizes[:, 1]))

    @property
    def height(self) -> int:
        return int(self.images.shape[1 if self.layout == "NHWC" else 2])

    @property
    def width(self) -> int:
        return int(self.images.shape[2 if self.layout == "NHWC" else 3])

    def part(self, first: int, last: int) -> Work:
        """The images first..last - 1 with their boxes: a view of the same pixels."""
        begin, end = np.searchsorted(self.boxes[:, 0], (first, last))
        boxes = self.boxes[begin:end] - np.array([first, 0, 0, 0, 0])
        return replace(self, images=self.images[first:last], boxes=boxes, strength=self.strength[begin:end])

    def copy(self) -> Work:
        """The same work on its own pixels, which lie in memory as these do, gaps and all."""
        low, high = byte_bounds(self.images)
        memory = np.empty(high - low, np.uint8)
        offset = self.images.ctypes.data - low
        images = np.ndarray(self.images.shape, self.images.dtype, memory, offset, self.images.strides)
        np.copyto(images, self.images)
        return replace(self, images=images, strength=self.strength.copy())

    def behind(self, view: npt.NDArray[np.generic]) -> Work:
        """The same pixels, written into `view`, an array of their shape and dtype with strides of its own."""
        np.copyto(view, self.images)
        return replace(self, images=view)

    def as_dtype(self, dtype: npt.DTypeLike) -> Work:
        """The same uint8 pixels over the range of another dtype: 0..65535 for uint16, 0..1 for floats."""
        dtype = np.dtype(dtype)
        if dtype == np.uint16:
            return replace(self, images=self.images.astype(np.uint16) * np.uint16(257))
        if dtype.kind == "f":
            return replace(self, images=(self.images.astype(np.float32) / np.float32(255)).astype(dtype))
        return self

    def as_nchw(self) -> Work:
        """The same pixels, channels first."""
        return replace(self, layout="NCHW", images=np.ascontiguousarray(np.moveaxis(self.images, 3, 1)))


@dataclass(frozen=True)
class Source:
    """What a case is drawn from: the photos, the seed, how the box sides are drawn, and how much of the work to do."""

    photos: list[photos.Pixels]
    seed: int
    draw: Draw
    quick: bool

    def count(self, images: int) -> int:
        """The number of images of a case: an eighth of it, at least one, in a quick run."""
        return max(1, images // 8) if self.quick else images


def _batch(source: Source, rng: np.random.Generator, count: int, height: int, width: int) -> photos.Pixels:
    first = int(rng.integers(len(source.photos)))
    chosen = [source.photos[(first + i) % len(source.photos)] for i in range(count)]
    return np.stack([photos.tiled(photo, height, width, rng) for photo in chosen])


def _sides(source: Source, rng: np.random.Generator, low: int, high: int) -> tuple[int, int]:
    """Width and height of a box: the width drawn from low..high, the height 0.8 to 1.5 times it, within low..high."""
    if source.draw == "uniform":
        side = rng.uniform(low, high + 1)
    else:
        side = np.exp(rng.uniform(np.log(low), np.log(high + 1)))
    width, height = int(side), int(side * rng.uniform(0.8, 1.5))
    return min(width, high), min(max(height, low), high)


def _scattered(
    source: Source, rng: np.random.Generator, images: photos.Pixels, counts: list[int], sides: tuple[int, int]
) -> npt.NDArray[np.int64]:
    """`counts[i]` boxes anywhere in image i, their sides drawn from the range `sides`."""
    height, width = images.shape[1:3]
    rows = []
    for image, count in enumerate(counts):
        for _ in range(count):
            w, h = _sides(source, rng, *sides)
            x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            rows.append((image, x, y, x + w, y + h))
    return np.array(rows, dtype=np.int64)


def _imagenet(source: Source) -> Work:
    rng = np.random.default_rng((source.seed, 1))
    images = _batch(source, rng, source.count(64), 375, 500)
    counts = [1 + int(n) for n in rng.poisson(1.3, len(images))]
    boxes = _scattered(source, rng, images, counts, (20, 200))
    diagonal = np.hypot(boxes[:, 3] - boxes[:, 1], boxes[:, 4] - boxes[:, 2])
    return Work("blur", "NHWC", images, boxes, 0.1 * diagonal)


def _crowd(source: Source) -> Work:
    rng = np.random.default_rng((source.seed, 2))
    images = _batch(source, rng, source.count(16), 1080, 1920)
    boxes = _scattered(source, rng, images, [100] * len(images), (16, 64))
    return Work("blur", "NHWC", images, boxes, np.full(len(boxes), 4.0))


def _portrait(source: Source) -> Work:
    rng = np.random.default_rng((source.seed, 3))
    images = _batch(source, rng, source.count(4), 2160, 3840)
    rows = []
    for image in range(len(images)):
        # One box in each quarter of the width: they never overlap, as portraits do not.
        for quarter in range(4):
            x, y = 960 * quarter + int(rng.integers(960 - 800 + 1)), int(rng.integers(2160 - 1000 + 1))
            rows.append((image, x, y, x + 800, y + 1000))
    return Work("blur", "NHWC", images, np.array(rows, dtype=np.int64), np.full(len(rows), 80.0))


def _frame(source: Source) -> Work:
    rng = np.random.default_rng((source.seed, 4))
    images = _batch(source, rng, source.count(8), 1080, 1920)
    boxes = np.array([(i, 0, 0, 1920, 1080) for i in range(len(images))], dtype=np.int64)
    return Work("blur", "NHWC", images, boxes, np.full(len(boxes), 3.0))


def _mosaic(work: Work, block: float) -> Work:
    return replace(work, operation="mosaic", strength=np.full(len(work.boxes), block))


@dataclass(frozen=True)
class Case:
    """A row of the comparison."""

    name: str
    title: str
    make: Callable[[Source], Work]


CASES = {
    case.name: case
    for case in (
        Case("W1", "ImageNet faces: 500x375, about 2.3 boxes of 20-200 px, sigma 0.1 of the diagonal", _imagenet),
        Case("W2", "crowd: 1080p, 100 boxes of 16-64 px, sigma 4", _crowd),
        Case("W3", "portrait: 4K, 4 boxes of 800x1000, sigma 80", _portrait),
        Case("W4", "whole frame: 1080p, sigma 3", _frame),
        Case("W4f", "whole frame, float32", lambda source: _frame(source).as_dtype(np.float32)),
        Case("W6", "ImageNet faces, float32, channels first", lambda s: _imagenet(s).as_dtype(np.float32).as_nchw()),
        Case("W5-W1", "mosaic of the ImageNet faces, blocks of 16", lambda source: _mosaic(_imagenet(source), 16)),
        Case("W5-W2", "mosaic of the crowd, blocks of 8", lambda source: _mosaic(_crowd(source), 8)),
        Case("W5-W3", "mosaic of the portraits, blocks of 64", lambda source: _mosaic(_portrait(source), 64)),
    )
}


def grid(source: Source, operation: Operation, boxes: tuple[int, int, int], strength: float) -> Work:
    """`boxes` is (count, width, height): equal boxes, side by side, in one image just large enough to hold them."""
    count, width, height = boxes
    rng = np.random.default_rng((source.seed, 7))
    columns = max(1, min(count, 1000 // width))
    images = _batch(source, rng, 1, -(-count // columns) * height, columns * width)
    i = np.arange(count)
    x, y = i % columns * width, i // columns * height
    rows = np.stack([np.zeros_like(i), x, y, x + width, y + height], axis=1).astype(np.int64)
    return Work(operation, "NHWC", images, rows, np.full(count, strength))
