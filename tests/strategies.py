"""Images, boxes and strengths for the property tests, and the patterns that provoke the largest errors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from oracle import BORDER_MODES, DTYPES

if TYPE_CHECKING:
    from collections.abc import Callable

Array = npt.NDArray[Any]
Unit = npt.NDArray[np.float64]


def noise(shape: tuple[int, ...], rng: np.random.Generator) -> Unit:
    return rng.random(shape)


def binary_noise(shape: tuple[int, ...], rng: np.random.Generator) -> Unit:
    return rng.integers(0, 2, shape).astype(np.float64)


def grating(shape: tuple[int, ...], rng: np.random.Generator) -> Unit:
    """A square wave along x, y or both, of a period from 2 to 64."""
    period, phase, direction = rng.integers(2, 65), rng.integers(64), rng.integers(4)
    y, x = np.indices(shape[:2])
    position = (x, y, x + y, x * (y // period % 2 * 2 - 1))[direction] + phase
    wave = (position % period * 2 >= period).astype(np.float64)
    return np.broadcast_to(wave.reshape(shape[:2] + (1,) * (len(shape) - 2)), shape).copy()


def impulses(shape: tuple[int, ...], rng: np.random.Generator) -> Unit:
    """One to three bright pixels on black, or dark ones on white; half of them on an edge."""
    image = np.zeros(shape)
    for _ in range(rng.integers(1, 4)):
        y, x = rng.integers(shape[0]), rng.integers(shape[1])
        if rng.random() < 0.5:
            x = rng.choice([0, shape[1] - 1])
        image[y, x] = 1
    return image if rng.random() < 0.5 else 1 - image


def edge_step(shape: tuple[int, ...], rng: np.random.Generator) -> Unit:
    """A step one to three pixels from an edge of the image, or anywhere."""
    image = np.zeros(shape)
    axis = int(rng.integers(2))
    at = int(rng.integers(1, 4)) if rng.random() < 0.5 else int(rng.integers(shape[axis]))
    index = slice(at) if rng.random() < 0.5 else slice(shape[axis] - at, None)
    image[(slice(None),) * axis + (index,)] = 1
    return image if rng.random() < 0.5 else 1 - image


PATTERNS: tuple[Callable[[tuple[int, ...], np.random.Generator], Unit], ...] = (
    noise,
    binary_noise,
    grating,
    impulses,
    edge_step,
)


def stretch(unit: Unit, dtype: str, low: float, high: float) -> Array:
    """A pattern of 0..1 as an image of `dtype` between `low` and `high`."""
    values = low + unit * (high - low)
    return (np.rint(values) if np.dtype(dtype).kind == "u" else values).astype(dtype)


# Full range first; then a narrow range far from zero, where a sloppy sum loses the digits that matter.
RANGES: dict[str, tuple[tuple[float, float], ...]] = {
    "uint8": ((0, 255), (250, 255), (0, 1)),
    "uint16": ((0, 65535), (65000, 65010), (0, 255), (32767, 32769)),
    "float16": ((0, 1), (-65504, 65504), (1000, 1001), (0, 1e-6)),
    "float32": ((0, 1), (-1e30, 1e30), (1e6, 1e6 + 1), (0, 255), (0, 1e-30)),
}


@dataclass(frozen=True)
class Case:
    """One box of one (H, W) or (H, W, C) image, with a strength for each kind of obfuscation."""

    image: Array = field(repr=False)
    box: tuple[float, float, float, float]
    sigma: float
    kernel_size: int
    block_size: float
    value: float
    border_mode: str
    description: str

    def strength(self, kind: str) -> Any:
        return {
            "kernel_size": self.kernel_size,
            "pixelate": self.block_size,
            "fill": self.value,
        }.get(kind, self.sigma)

    def options(self, kind: str) -> dict[str, Any]:
        return {} if kind in ("pixelate", "fill") else {"border_mode": self.border_mode}


def sizes(largest: int = 300) -> st.SearchStrategy[int]:
    """Mostly small, where the borders are; sometimes up to `largest`."""
    return st.one_of(st.integers(1, min(12, largest)), st.integers(1, min(80, largest)), st.integers(1, largest))


def sigmas(smallest: float = 0.1, largest: float = 500) -> st.SearchStrategy[float]:
    return st.floats(math.log(smallest), math.log(largest)).map(math.exp)


@st.composite
def boxes_in(draw: st.DrawFn, height: int, width: int) -> tuple[float, float, float, float]:
    """A box of whole, quarter or half pixels; most overlap the image, some leave it."""

    def pair(n: int) -> tuple[float, float]:
        first, second = sorted(draw(st.lists(st.integers(-4 * 3, 4 * (n + 3)), min_size=2, max_size=2)))
        step = draw(st.sampled_from([1, 4]))  # whole pixels as often as quarters
        return (first // step * step / 4, second // step * step / 4)

    x1, x2 = (0, width) if draw(st.booleans()) else pair(width)
    y1, y2 = (0, height) if draw(st.booleans()) else pair(height)
    return (float(x1), float(y1), float(x2), float(y2))


@st.composite
def images(draw: st.DrawFn, dtype: str | None = None, largest: int = 300) -> Array:
    """An (H, W) or (H, W, C) image of some pattern, between the ends of some range."""
    dtype = dtype or draw(st.sampled_from(DTYPES))
    height, width = draw(sizes(largest)), draw(sizes(largest))
    channels = draw(st.sampled_from([(), (1,), (2,), (3,), (4,)]))
    pattern = draw(st.sampled_from(PATTERNS))
    low, high = draw(st.sampled_from(RANGES[dtype]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return stretch(pattern((height, width, *channels), rng), dtype, low, high)


@st.composite
def cases(draw: st.DrawFn, dtype: str | None = None, largest: int = 300) -> Case:
    image = draw(images(dtype, largest))
    height, width = image.shape[:2]
    return Case(
        image=image,
        box=draw(boxes_in(height, width)),
        sigma=draw(sigmas()),
        kernel_size=draw(st.integers(0, 60)) * 2 + 1,
        block_size=draw(st.one_of(st.integers(1, 40), st.floats(0.01, 100))),
        value=float(draw(st.integers(0, 255))),
        border_mode=draw(st.sampled_from(BORDER_MODES)),
        description=f"{image.dtype} {image.shape} from {image.min()} to {image.max()}",
    )
