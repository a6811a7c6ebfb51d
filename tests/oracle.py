"""What the contract allows: the exact answer from `fastblur.reference`, and how far a result may be from it.

`KINDS` are the five ways to obfuscate a box; `call` runs one of them on any images and boxes, `exact` asks the
reference for one box of one (H, W[, C]) image, and `check` holds the first to the second.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import fastblur
from fastblur import reference

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = npt.NDArray[Any]
Float64 = npt.NDArray[np.float64]

DTYPES = ("uint8", "uint16", "float16", "float32")
BORDER_MODES = ("reflect", "symmetric", "replicate")
KINDS = ("auto", "direct", "kernel_size", "pixelate", "fill")
GAUSSIANS = ("auto", "direct", "kernel_size")

# The tests ask for the same matrices again and again, and one of sigma 500 takes a tenth of a second.
reference.gaussian_matrix = functools.lru_cache(maxsize=128)(reference.gaussian_matrix)


def call(kind: str, images: Any, boxes: Any, strength: Any, **options: Any) -> Any:
    """Obfuscate through the public API. `strength` is sigma, kernel_size, block_size or the value to fill with."""
    if kind == "kernel_size":
        return fastblur.gaussian_blur(images, boxes, kernel_size=strength, **options)
    if kind in GAUSSIANS:
        return fastblur.gaussian_blur(images, boxes, strength, method=kind, **options)
    if kind == "pixelate":
        return fastblur.pixelate(images, boxes, strength, **options)
    return fastblur.fill(images, boxes, strength, **options)


def exact(kind: str, image: Array, box: Sequence[float], strength: Any, **options: Any) -> Float64:
    """The unrounded answer for one box, whose margin and feather are in pixels."""
    if kind == "kernel_size":
        sigma = 0.3 * ((strength - 1) / 2 - 1) + 0.8
        return reference.gaussian_blur(image, box, sigma, kernel_size=strength, **options)
    if kind in GAUSSIANS:
        return reference.gaussian_blur(image, box, strength, **options)
    if kind == "pixelate":
        return reference.pixelate(image, box, strength, **options)
    return reference.fill(image, box, strength, **options)


def working_box(
    image: Array, box: Sequence[float], margin: float = 0, feather: float = 0
) -> tuple[int, int, int, int] | None:
    """The pixels that a box of one (H, W[, C]) image reads and writes; None when there is nothing to do."""
    if box[2] == box[0] or box[3] == box[1]:
        return None
    grow = [-math.ceil(feather), -math.ceil(feather), math.ceil(feather), math.ceil(feather)]
    marked = [math.floor(box[0] - margin), math.floor(box[1] - margin), math.ceil(box[2] + margin)]
    marked.append(math.ceil(box[3] + margin))
    x1, y1, x2, y2 = (edge + f for edge, f in zip(marked, grow, strict=True))
    x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, image.shape[1]), min(y2, image.shape[0])
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def ulp(magnitude: float, dtype: npt.DTypeLike) -> float:
    """The distance from `magnitude` to the next larger number of a floating `dtype` of unbounded exponent."""
    info = np.finfo(dtype)
    exponent = math.frexp(max(magnitude, float(info.tiny)))[1] - 1
    return math.ldexp(1.0, exponent - info.nmant)


def tolerance(kind: str, pixels: Array, *, mixed: bool = False) -> float:
    """The largest distance from the unrounded reference that the contract allows, given the working box's pixels.

    "Correctly rounded unless within t of a tie" says that the distance is at most 0.5 + t; "at most 1 level from the
    correctly rounded reference" that it is at most 1.5. A mean that is `mixed` with the original by a weight is held
    to the bound of the direct filter.
    """
    float64_noise = 1e-6
    low, high = float(pixels.min()), float(pixels.max())
    if kind == "auto":
        if pixels.dtype == np.uint8:
            return 1.5 + float64_noise
        step = 1.0 if pixels.dtype.kind == "u" else ulp(max(-low, high), pixels.dtype)
        return 5e-4 * (high - low) + step
    if pixels.dtype.kind == "u":
        near_tie = float64_noise if kind == "pixelate" and not mixed else 0.01 if pixels.dtype == np.uint8 else 0.05
        return 0.5 + near_tie
    return 4e-6 * (high - low) + ulp(max(-low, high), pixels.dtype)


def assert_close(
    kind: str,
    result: Array,
    image: Array,
    answer: Float64,
    working: tuple[int, int, int, int] | None,
    *,
    fill: Any = None,
    mixed: bool = False,
) -> None:
    """Hold the result of one box of one (H, W[, C]) image to the contract, inside the working box and outside it."""
    assert result.dtype == image.dtype
    assert result.shape == image.shape
    outside = np.ones(image.shape[:2], bool)
    if working is not None:
        x1, y1, x2, y2 = working
        outside[y1:y2, x1:x2] = False
        pixels = image[y1:y2, x1:x2]
        if fill is not None:  # the range of what is mixed
            pixels = np.append(pixels, np.asarray(fill, image.dtype))
        error = np.abs(result[y1:y2, x1:x2].astype(np.float64) - answer[y1:y2, x1:x2])
        worst = np.unravel_index(np.argmax(np.nan_to_num(error, nan=np.inf)), error.shape)
        allowed = tolerance(kind, pixels, mixed=mixed)
        assert error[worst] <= allowed, (
            f"{kind} {image.dtype} {image.shape}: error {error[worst]:.6g} at {worst} of working box {working}, "
            f"allowed {allowed:.6g}; got {result[y1:y2, x1:x2][worst]}, exact {answer[y1:y2, x1:x2][worst]:.9g}"
        )
    assert bits(result[outside]) == bits(image[outside]), "a pixel outside the working box changed"


def check(kind: str, image: Array, box: Sequence[float], strength: Any, **options: Any) -> Array:
    """Obfuscate one box of one (H, W[, C]) image, hold the result to the contract and return it."""
    before = image.copy()
    method_options = {key: value for key, value in options.items() if key != "num_threads"}
    result = call(kind, image, [box], strength, **options)
    assert bits(image) == bits(before), "the input changed"
    working = working_box(image, box, options.get("margin", 0), options.get("feather", 0))
    if working is None:
        assert bits(result) == bits(before)
        return np.asarray(result)
    answer = exact(kind, image, box, strength, **method_options)
    fill = strength if kind == "fill" else None
    mixed = options.get("feather", 0) > 0 or options.get("shape") == "ellipse"
    assert_close(kind, result, image, answer, working, fill=fill, mixed=mixed)
    return np.asarray(result)


def bits(array: Array) -> bytes:
    """The array's bytes in C order: equal only when every bit is."""
    return np.ascontiguousarray(array).tobytes()
