"""The definition of correct: every operation in float64 NumPy, one box at a time, as plainly as it can be said.

Nothing here is fast. The tests hold each kernel to these functions, and so can you::

    from fastblur import reference
    exact = reference.gaussian_blur(image, (x1, y1, x2, y2), sigma=12.0)

`image` is an array of shape (H, W) or (H, W, C) with any real dtype. A box is ``(x1, y1, x2, y2)`` in pixels,
half-open. The result is float64 and is not rounded; `to_dtype` rounds it as the library does. To apply several
boxes, apply them in order, rounding after each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Box = Sequence[float]


def gaussian_kernel(sigma: float, kernel_size: int | None = None) -> Array:
    """Weights exp(-i^2 / 2 sigma^2) for |i| <= R over their sum; R = int(4 sigma + 0.5) or (kernel_size - 1) / 2."""
    radius = int(4 * sigma + 0.5) if kernel_size is None else (kernel_size - 1) // 2
    i = np.arange(-radius, radius + 1, dtype=np.float64)
    with np.errstate(divide="ignore", over="ignore"):
        weights = np.exp(-0.5 * np.square(i / sigma))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def border_index(i: npt.NDArray[np.int64], n: int, border_mode: str) -> npt.NDArray[np.int64]:
    """The pixel of 0..n-1 that stands at position `i` of the row continued beyond its ends."""
    if border_mode == "replicate":
        return np.clip(i, 0, n - 1)
    if border_mode == "symmetric":
        i = np.mod(i, 2 * n)
        return np.where(i < n, i, 2 * n - 1 - i)
    if border_mode == "reflect":
        period = max(2 * (n - 1), 1)
        i = np.mod(i, period)
        return np.where(i < n, i, period - i)
    raise ValueError(f"border_mode is {border_mode!r}; accepted: 'reflect', 'symmetric', 'replicate'")


def gaussian_matrix(n: int, sigma: float, kernel_size: int | None = None, border_mode: str = "reflect") -> Array:
    """The (n, n) matrix that filters a row of n pixels: the kernel, folded onto the row at its ends."""
    kernel = gaussian_kernel(sigma, kernel_size)
    radius = len(kernel) // 2
    matrix = np.zeros((n, n))
    rows = np.arange(n)
    for offset, weight in zip(range(-radius, radius + 1), kernel, strict=True):
        np.add.at(matrix, (rows, border_index(rows + offset, n, border_mode)), weight)
    return matrix


def _marked_and_working(
    box: Box, height: int, width: int, margin: float, feather: float
) -> tuple[tuple[float, float, float, float], tuple[int, int, int, int], int]:
    """The marked box (grown by `margin`, rounded outward), the working box (with the feather, clipped), and f."""
    x1, y1, x2, y2 = (float(v) for v in box)
    marked = (
        float(np.floor(x1 - margin)),
        float(np.floor(y1 - margin)),
        float(np.ceil(x2 + margin)),
        float(np.ceil(y2 + margin)),
    )
    f = math.ceil(feather)
    working = (
        int(max(marked[0] - f, 0)),
        int(max(marked[1] - f, 0)),
        int(min(marked[2] + f, width)),
        int(min(marked[3] + f, height)),
    )
    return marked, working, f


def box_weights(
    marked: tuple[float, float, float, float], working: tuple[int, int, int, int], f: int, shape: str
) -> Array:
    """How much of the obfuscated pixel replaces the original, for each pixel of the working box."""
    mx1, my1, mx2, my2 = marked
    x = np.arange(working[0], working[2], dtype=np.float64)
    y = np.arange(working[1], working[3], dtype=np.float64)[:, None]
    if shape == "ellipse":
        rx, ry = (mx2 - mx1) / 2, (my2 - my1) / 2
        dx, dy = x + 0.5 - (mx1 + mx2) / 2, y + 0.5 - (my1 + my2) / 2
        rho = np.sqrt(np.square(dx / rx) + np.square(dy / ry))
        outside = np.maximum(0.0, 1 - (rho - 1) * min(rx, ry) / (f + 1)) if f else np.zeros_like(rho)
        return np.where(rho <= 1, 1.0, outside)
    if shape == "rectangle":
        dx = np.maximum(np.maximum(mx1 - x, x - (mx2 - 1)), 0)
        dy = np.maximum(np.maximum(my1 - y, y - (my2 - 1)), 0)
        distance = np.sqrt(np.square(dx) + np.square(dy))
        return np.asarray(np.maximum(0.0, 1 - distance / (f + 1)), dtype=np.float64)
    raise ValueError(f"shape is {shape!r}; accepted: 'rectangle', 'ellipse'")


def _apply(
    image: npt.ArrayLike,
    box: Box,
    obfuscate: Callable[[Array], Array],
    margin: float,
    feather: float,
    shape: str,
) -> Array:
    result = np.array(image, dtype=np.float64)
    height, width = result.shape[:2]
    if box[2] <= box[0] or box[3] <= box[1]:
        return result
    marked, working, f = _marked_and_working(box, height, width, margin, feather)
    x1, y1, x2, y2 = working
    if x1 >= x2 or y1 >= y2:
        return result
    pixels = result[y1:y2, x1:x2].reshape(y2 - y1, x2 - x1, -1)
    weights = box_weights(marked, working, f, shape)[:, :, None]
    mixed = pixels + weights * (obfuscate(pixels) - pixels)
    result[y1:y2, x1:x2] = mixed.reshape(result[y1:y2, x1:x2].shape)
    return result


def gaussian_blur(
    image: npt.ArrayLike,
    box: Box,
    sigma: float,
    *,
    kernel_size: int | None = None,
    border_mode: str = "reflect",
    margin: float = 0,
    feather: float = 0,
    shape: str = "rectangle",
) -> Array:
    """A Gaussian of `sigma` pixels over the box's own pixels, which `border_mode` continues beyond its edges."""

    def blur(pixels: Array) -> Array:
        vertical = gaussian_matrix(pixels.shape[0], sigma, kernel_size, border_mode)
        horizontal = gaussian_matrix(pixels.shape[1], sigma, kernel_size, border_mode)
        return np.stack([vertical @ pixels[:, :, c] @ horizontal.T for c in range(pixels.shape[2])], axis=2)

    return _apply(image, box, blur, margin, feather, shape)


def cell_edges(n: int, block_size: float) -> npt.NDArray[np.int64]:
    """Edges floor(i n / cells) of max(1, n // b) cells along n pixels, b = max(1, ceil(block_size))."""
    cells = max(1, int(n // max(1.0, np.ceil(block_size))))
    return np.arange(cells + 1, dtype=np.int64) * n // cells


def pixelate(
    image: npt.ArrayLike,
    box: Box,
    block_size: float,
    *,
    margin: float = 0,
    feather: float = 0,
    shape: str = "rectangle",
) -> Array:
    """Each cell of at least `block_size` pixels becomes the mean of its own pixels."""

    def mosaic(pixels: Array) -> Array:
        result = np.empty_like(pixels)
        rows, columns = cell_edges(pixels.shape[0], block_size), cell_edges(pixels.shape[1], block_size)
        for top, bottom in pairwise(rows):
            for left, right in pairwise(columns):
                result[top:bottom, left:right] = pixels[top:bottom, left:right].mean(axis=(0, 1))
        return result

    return _apply(image, box, mosaic, margin, feather, shape)


def fill(
    image: npt.ArrayLike,
    box: Box,
    value: float | Sequence[float] = 0,
    *,
    margin: float = 0,
    feather: float = 0,
    shape: str = "rectangle",
) -> Array:
    """Every pixel of the box becomes `value`: one number, or one per channel."""

    def paint(pixels: Array) -> Array:
        return np.broadcast_to(np.asarray(value, dtype=np.float64), pixels.shape)

    return _apply(image, box, paint, margin, feather, shape)


def to_dtype(result: Array, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Round to `dtype`: integers to the nearest, ties to even, clipped to the dtype's range; floats to the nearest."""
    dtype = np.dtype(dtype)
    if dtype.kind == "u":
        return np.clip(np.rint(result), 0, np.iinfo(dtype).max).astype(dtype)
    return result.astype(dtype)
