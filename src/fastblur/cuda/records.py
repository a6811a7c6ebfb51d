"""Device functions that read the records: a box as the kernels walk it, borders, shapes, the schedule of tiles."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fastblur.cuda.tables import ELLIPSE, IMAGE_BYTES, JOB_BYTES, RECTANGLE, REPLICATE, SYMMETRIC

from .intrinsics import add, cuda, device, divide, load_f64, load_i32, load_i64, multiply, remainder


class View(NamedTuple):
    """A working box as the kernels walk it.

    A row of the box is one line of width x channels samples (interleaved channels) or one line per channel (planar).
    Its float rows in scratch keep the same order, each line padded to whole words.
    """

    address: Any
    step_x: Any
    step_y: Any
    step_c: Any
    width: Any
    height: Any
    channels: Any
    interleaved: Any
    line: Any  # samples in a line
    words: Any  # words in a line
    lines: Any
    pitch: Any  # floats in a scratch row
    pitch_x: Any  # floats from a pixel to the next
    pitch_c: Any  # floats from a channel to the next


@device
def box_view(images: Any, box: Any, samples_per_word: Any) -> Any:
    """The View of the box record at address `box`."""
    image = images + load_i32(box) * IMAGE_BYTES
    x1, y1 = load_i32(box + 4), load_i32(box + 8)
    width, height = load_i32(box + 12) - x1, load_i32(box + 16) - y1
    step_x, step_y, step_c = load_i64(image + 8), load_i64(image + 16), load_i64(image + 24)
    channels, interleaved = load_i32(image + 32), load_i32(image + 36)
    line = width * channels if interleaved else width
    lines = 1 if interleaved else channels
    words = divide(line + samples_per_word - 1, samples_per_word)
    return View(
        load_i64(image) + x1 * step_x + y1 * step_y,
        step_x,
        step_y,
        step_c,
        width,
        height,
        channels,
        interleaved,
        line,
        words,
        lines,
        lines * words * samples_per_word,
        channels if interleaved else 1,
        1 if interleaved else words * samples_per_word,
    )


@device
def element(view: Any, x: Any, c: Any) -> Any:
    """Index of sample (x, c) in a scratch row."""
    return x * view.pitch_x + c * view.pitch_c


@device
def border_index(i: Any, n: Any, border: Any) -> Any:
    """The pixel of 0..n-1 at position `i`, no more than 32 periods away, of the row continued beyond its ends."""
    if 0 <= i < n:
        return i
    if border == REPLICATE:
        return 0 if i < 0 else n - 1
    if n == 1:
        return 0
    last = n if border == SYMMETRIC else n - 1
    i = remainder(i + 64 * last, 2 * last)
    if i < n:
        return i
    return 2 * last - 1 - i if border == SYMMETRIC else 2 * last - i


@device
def is_plain(box: Any, shape: Any) -> Any:
    """Whether every pixel of the working box is wholly replaced."""
    return shape == RECTANGLE and load_i32(box + 20) == 0


@device
def pixel_weight(box: Any, shape: Any, column: Any, row: Any) -> Any:
    """How much of the obfuscated pixel replaces the original at (column, row) of the working box: 0 to 1, float64.

    The operations and their order are the reference's, so that a pixel centre on the rim falls on the same side.
    """
    x = np.float64(load_i32(box + 4) + column)
    y = np.float64(load_i32(box + 8) + row)
    feather = load_i32(box + 20)
    left, top = load_f64(box + 40), load_f64(box + 48)
    right, bottom = load_f64(box + 56), load_f64(box + 64)
    if shape == ELLIPSE:
        rx, ry = (right - left) / 2.0, (bottom - top) / 2.0
        dx = (x + 0.5 - (left + right) / 2.0) / rx
        dy = (y + 0.5 - (top + bottom) / 2.0) / ry
        rho = math.sqrt(add(multiply(dx, dx), multiply(dy, dy)))
        if rho <= 1.0:
            return 1.0
        if feather == 0:
            return 0.0
        return max(0.0, 1.0 - multiply(rho - 1.0, min(rx, ry)) / (feather + 1.0))
    dx = max(left - x, x - (right - 1.0), 0.0)
    dy = max(top - y, y - (bottom - 1.0), 0.0)
    return max(0.0, 1.0 - math.sqrt(add(multiply(dx, dx), multiply(dy, dy))) / (feather + 1.0))


@device
def find_tile(jobs: Any, prefix: Any, job_count: Any) -> Any:
    """This block's part of a tiled launch: the address of its job's record, and which of the job's tiles it has.

    The job is the last one whose first tile is not beyond the block. `prefix` holds job_count + 1 int32 counts.
    """
    tile = cuda.blockIdx.x
    low, high = 0, job_count
    while high - low > 1:
        middle = (low + high) >> 1
        if load_i32(prefix + 4 * middle) <= tile:
            low = middle
        else:
            high = middle
    return jobs + low * JOB_BYTES, tile - load_i32(prefix + 4 * low)
