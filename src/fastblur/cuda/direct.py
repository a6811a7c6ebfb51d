"""The direct separable filter: every tap, in float32, for small sigmas, `method="direct"` and a given kernel size.

A kernel longer than the box is folded onto it first: with reflection or symmetry the continued row is periodic, with
replicate everything further than the box's length away is its edge pixel. So no more than n + 1 distinct weights are
ever needed along n pixels, whatever sigma is.

Sums are kept in two levels (short runs, then a sum of runs), which keeps thousands of float32 taps within 1e-6 of the
range.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np

from fastblur.cuda.tables import (
    JOB_BYTES,
    LANES,
    OUTPUT_ROWS,
    OUTPUTS,
    PIECE,
    PLANE,
    REFLECT,
    REPLICATE,
    TILE_X,
    WEIGHT_PADDING,
)

from .intrinsics import (
    cuda,
    device,
    divide,
    load_f32,
    load_f64,
    load_i32,
    load_i64,
    remainder,
    shared_address,
    store_f32,
    store_f64,
)
from .records import border_index, box_view, element, find_tile, is_plain, pixel_weight

RUN = 16  # taps summed before they join the total

_ZERO = np.float32(0.0)


@device
def folded_limit(n: Any, border: Any) -> Any:
    """The longest useful radius along n pixels."""
    return n - 1 if border == REFLECT or n == 1 else n


@device
def full_radius(box: Any) -> Any:
    """Radius of the kernel before folding, as a float: int(4 sigma + 0.5), or the given one."""
    given = load_i32(box + 24)
    return np.float64(given) if given >= 0 else math.floor(4.0 * load_f64(box + 32) + 0.5)


@device
def folded_radius(n: Any, radius: Any, border: Any) -> Any:
    return int(min(radius, np.float64(folded_limit(n, border))))


@device
def gaussian(x: Any, sigma: Any) -> Any:
    scaled = x / sigma
    return math.exp(-0.5 * scaled * scaled)


@device
def gaussian_sum(first: Any, step: Any, last: Any, sigma: Any) -> Any:
    """Sum of exp(-x^2 / 2 sigma^2) over x = first, first + step, ... up to `last`.

    Long sums of closely spaced terms come from the Euler-Maclaurin formula, whose error is below 1e-8 there.
    """
    last = min(last, 40.0 * sigma)
    if first > last:
        return 0.0
    count = math.floor((last - first) / step)
    if step * 32.0 > sigma:
        total = 0.0
        for k in range(int(count) + 1):
            total += gaussian(first + k * step, sigma)
        return total
    end = first + count * step
    at_first, at_end = gaussian(first, sigma), gaussian(end, sigma)
    root = 0.7071067811865476 / sigma
    integral = 1.2533141373155003 * sigma * (math.erf(end * root) - math.erf(first * root)) / step
    slope = (first / sigma * at_first - end / sigma * at_end) / sigma
    return integral + 0.5 * (at_first + at_end) + slope * step / 12.0


@device
def folded_weight(j: Any, n: Any, radius: Any, sigma: Any, border: Any) -> Any:
    """Weight, before division by the sum, of the two taps `j` pixels away."""
    limit = folded_limit(n, border)
    if radius <= limit or (border == REPLICATE and j < limit):
        return gaussian(np.float64(j), sigma)
    if n == 1:
        return 1.0
    if border == REPLICATE:
        return gaussian_sum(np.float64(j), 1.0, radius, sigma)
    # The row repeats after 2 limit pixels; the tap half a period away is reached from both sides, so each has half.
    period = 2.0 * limit
    weight = gaussian_sum(np.float64(j), period, radius, sigma) + gaussian_sum(period - j, period, radius, sigma)
    return 0.5 * weight if j == limit else weight


@device
def fill_weights(weights: Any, partial: Any, n: Any, box: Any, border: Any) -> None:
    """Write 1 / sum and the weights 0 .. radius at `weights`; all threads of the block take part."""
    full = full_radius(box)
    sigma = load_f64(box + 32)
    radius = folded_radius(n, full, border)
    total = 0.0
    for j in range(cuda.threadIdx.x, radius + 1, cuda.blockDim.x):
        weight = np.float32(folded_weight(j, n, full, sigma, border))
        store_f32(weights + 4 + 4 * j, weight)
        total += np.float64(weight) * (1.0 if j == 0 else 2.0)
    store_f64(partial + 8 * cuda.threadIdx.x, total)
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        for thread in range(1, min(cuda.blockDim.x, radius + 1)):
            total += load_f64(partial + 8 * thread)
        store_f32(weights, np.float32(1.0 / total))
    cuda.syncthreads()


def small_direct_stages(access: SimpleNamespace) -> SimpleNamespace:
    """Both passes of a box that fits in shared memory."""
    width = access.per_word
    word_address, sample_address = access.word_address, access.sample_address
    load_samples, load_pivots = access.load_samples, access.load_pivots
    store_sample, mix_sample = access.store_sample, access.mix_sample

    @device
    def vertical(
        view: Any, weights: Any, radius: Any, border: Any, pivots: Any, buffer: Any, row: Any, item: Any
    ) -> None:
        line, word = divide(item, view.words), remainder(item, view.words)
        count = min(width, view.line - word * width)
        address = word_address(view, line, word)
        pivot = cuda.local.array(width, np.float32)
        before = cuda.local.array(width, np.float32)
        after = cuda.local.array(width, np.float32)
        total = cuda.local.array(width, np.float32)
        run = cuda.local.array(width, np.float32)
        load_pivots(view, pivots, line, word, pivot)
        load_samples(address + row * view.step_y, count, before)
        for i in range(width):
            total[i] = load_f32(weights + 4) * (before[i] - pivot[i])
        for start in range(1, radius + 1, RUN):
            for i in range(width):
                run[i] = _ZERO
            for j in range(start, min(start + RUN, radius + 1)):
                weight = load_f32(weights + 4 + 4 * j)
                load_samples(address + border_index(row - j, view.height, border) * view.step_y, count, before)
                load_samples(address + border_index(row + j, view.height, border) * view.step_y, count, after)
                for i in range(width):
                    run[i] += weight * ((before[i] - pivot[i]) + (after[i] - pivot[i]))
            for i in range(width):
                total[i] += run[i]
        scale = load_f32(weights)
        for i in range(width):
            store_f32(buffer + 4 * (row * view.pitch + item * width + i), total[i] * scale)

    @device
    def horizontal(
        view: Any,
        box: Any,
        shape: Any,
        weights: Any,
        radius: Any,
        border: Any,
        pivots: Any,
        buffer: Any,
        row: Any,
        sample: Any,
    ) -> None:
        if view.interleaved:
            x, c = divide(sample, view.channels), remainder(sample, view.channels)
        else:
            x, c = remainder(sample, view.width), divide(sample, view.width)
        source = buffer + 4 * row * view.pitch
        total = load_f32(weights + 4) * load_f32(source + 4 * element(view, x, c))
        for start in range(1, radius + 1, RUN):
            run = _ZERO
            for j in range(start, min(start + RUN, radius + 1)):
                before = load_f32(source + 4 * element(view, border_index(x - j, view.width, border), c))
                after = load_f32(source + 4 * element(view, border_index(x + j, view.width, border), c))
                run += load_f32(weights + 4 + 4 * j) * (before + after)
            total += run
        value = load_f32(pivots + 4 * c) + total * load_f32(weights)
        address = sample_address(view, x, row, c)
        if is_plain(box, shape):
            store_sample(address, value)
        else:
            mix_sample(address, pixel_weight(box, shape, x, row), np.float64(value))

    return SimpleNamespace(vertical=vertical, horizontal=horizontal)


def direct_weights(images: Any, jobs: Any, prefix: Any, job_count: Any, border: Any, shape: Any) -> None:
    """Two blocks per job: its weights along y (at `grid`) and along x (at `filtered`).

    1 / sum, then the whole symmetric kernel between zeros, so that a window may slide over its ends.
    """
    job = jobs + divide(cuda.blockIdx.x, 2) * JOB_BYTES
    box = load_i64(job)
    along_x = remainder(cuda.blockIdx.x, 2)
    n = load_i32(box + (12 if along_x else 16)) - load_i32(box + (4 if along_x else 8))
    table = load_i64(job + (24 if along_x else 16))
    radius = folded_radius(n, full_radius(box), border)
    centre = table + 4 * (1 + WEIGHT_PADDING + radius)
    fill_weights(centre - 4, shared_address(), n, box, border)
    scale = load_f32(centre - 4)
    cuda.syncthreads()
    for j in range(cuda.threadIdx.x, radius + WEIGHT_PADDING, cuda.blockDim.x):
        store_f32(centre - 4 * (j + 1), load_f32(centre + 4 * (j + 1)) if j < radius else _ZERO)
        if j >= radius:
            store_f32(centre + 4 * (j + 1), _ZERO)
    if cuda.threadIdx.x == 0:
        store_f32(table, scale)


def direct_rows_kernel(access: SimpleNamespace) -> Any:
    """Along x, from the image to scratch: one channel of 256 pixels by a row for each warp, 8 outputs a thread.

    The continued row passes through shared memory in pieces, so any radius fits. Eight samples at a time meet eight
    outputs: 64 multiply-adds for 16 loads, the window of weights moving by renamed registers alone. Weights beyond the
    kernel's ends are zero.
    """
    per_word = access.per_word
    save_pivots = access.save_pivots
    load_sample = access.load_sample
    sample_address = access.sample_address

    def direct_rows(images: Any, jobs: Any, prefix: Any, job_count: Any, border: Any, shape: Any) -> None:
        job, tile = find_tile(jobs, prefix, job_count)
        box, rows, weights = load_i64(job), load_i64(job + 8), load_i64(job + 24)
        view = box_view(images, box, per_word)
        radius = folded_radius(view.width, full_radius(box), border)
        tiles_x = divide(view.width + TILE_X - 1, TILE_X)
        c = remainder(tile, view.channels)
        tile_x = remainder(divide(tile, view.channels), tiles_x) * TILE_X
        tile_y = divide(divide(tile, view.channels), tiles_x) * divide(cuda.blockDim.x, LANES)
        tile_rows = min(divide(cuda.blockDim.x, LANES), view.height - tile_y)
        if tile == 0:
            # The last pass overwrites the box's first pixel, so the pivots are kept for it.
            save_pivots(view, rows - 16, cuda.threadIdx.x)
        pivot = load_sample(sample_address(view, 0, 0, c))
        shared = shared_address()
        total = cuda.local.array(OUTPUTS, np.float32)
        run = cuda.local.array(OUTPUTS, np.float32)
        window = cuda.local.array(OUTPUTS, np.float32)
        for i in range(OUTPUTS):
            total[i] = _ZERO
            window[i] = _ZERO
        x = tile_x + remainder(cuda.threadIdx.x, LANES) * OUTPUTS
        row = divide(cuda.threadIdx.x, LANES)
        end_x = min(tile_x + TILE_X, view.width)
        active = row < tile_rows and x < end_x
        line = shared + 4 * row * PLANE
        for piece in range(tile_x - radius, end_x + radius, PIECE):
            cuda.syncthreads()
            for index in range(cuda.threadIdx.x, tile_rows * PIECE, cuda.blockDim.x):
                column, line_index = remainder(index, PIECE), divide(index, PIECE)
                source = border_index(piece + column, view.width, border)
                value = load_sample(sample_address(view, source, tile_y + line_index, c))
                store_f32(shared + 4 * (line_index * PLANE + column + divide(column, OUTPUTS)), value - pivot)
            cuda.syncthreads()
            if active:
                group = divide(max(x - radius - piece, 0), OUTPUTS)
                stop = divide(max(min(x + 2 * OUTPUTS - 1 + radius - piece, PIECE), 0), OUTPUTS)
                samples = line + 4 * group * (OUTPUTS + 1)
                weight = weights + 4 * (1 + WEIGHT_PADDING + radius + piece + group * OUTPUTS - x)
                while group < stop:
                    for i in range(OUTPUTS):
                        run[i] = _ZERO
                    for j in range(OUTPUTS):
                        for i in range(OUTPUTS - 1, 0, -1):
                            window[i] = window[i - 1]
                        window[0] = load_f32(weight + 4 * j)
                        value = load_f32(samples + 4 * j)
                        for i in range(OUTPUTS):
                            run[i] += window[i] * value
                    for i in range(OUTPUTS):
                        total[i] += run[i]
                    samples += 4 * (OUTPUTS + 1)
                    weight += 4 * OUTPUTS
                    group += 1
        if active:
            scale = load_f32(weights)
            target = rows + 4 * (tile_y + row) * view.pitch
            for i in range(OUTPUTS):
                if x + i < end_x:
                    store_f32(target + 4 * element(view, x + i, c), total[i] * scale)

    return direct_rows


def direct_columns_kernel(access: SimpleNamespace) -> Any:
    """Along y, from scratch to the image: four rows of one word of columns a thread, eight source rows at a time."""
    width = access.per_word
    word_address = access.word_address
    load_pivots = access.load_pivots
    put_samples = access.put_samples
    outputs, later = OUTPUT_ROWS * width, (OUTPUT_ROWS - 1) * width

    def direct_columns(images: Any, jobs: Any, prefix: Any, job_count: Any, border: Any, shape: Any) -> None:
        job, tile = find_tile(jobs, prefix, job_count)
        box, rows, weights = load_i64(job), load_i64(job + 8), load_i64(job + 16)
        view = box_view(images, box, width)
        radius = folded_radius(view.height, full_radius(box), border)
        words = view.lines * view.words
        blocks = divide(words + cuda.blockDim.x - 1, cuda.blockDim.x)
        item = remainder(tile, blocks) * cuda.blockDim.x + cuda.threadIdx.x
        y = divide(tile, blocks) * OUTPUT_ROWS
        if item >= words:
            return
        total = cuda.local.array(outputs, np.float32)
        run = cuda.local.array(outputs, np.float32)
        window = cuda.local.array(OUTPUT_ROWS, np.float32)
        for i in range(outputs):
            total[i] = _ZERO
        for i in range(OUTPUT_ROWS):
            window[i] = _ZERO
        source = rows + 4 * item * width
        weight = weights + 4 * (1 + WEIGHT_PADDING)
        start = y - radius
        while start < y + OUTPUT_ROWS + radius:
            for i in range(outputs):
                run[i] = _ZERO
            for j in range(OUTPUTS):
                for i in range(OUTPUT_ROWS - 1, 0, -1):
                    window[i] = window[i - 1]
                window[0] = load_f32(weight + 4 * j)
                row = source + 4 * border_index(start + j, view.height, border) * view.pitch
                for i in range(width):
                    value = load_f32(row + 4 * i)
                    for output in range(OUTPUT_ROWS):
                        run[output * width + i] += window[output] * value
            for i in range(outputs):
                total[i] += run[i]
            weight += 4 * OUTPUTS
            start += OUTPUTS
        line, word = divide(item, view.words), remainder(item, view.words)
        address = word_address(view, line, word)
        plain = is_plain(box, shape)
        scale = load_f32(weights)
        values = cuda.local.array(width, np.float32)
        pivot = cuda.local.array(width, np.float32)
        load_pivots(view, rows - 16, line, word, pivot)
        for row in range(y, min(y + OUTPUT_ROWS, view.height)):
            for i in range(width):
                values[i] = pivot[i] + total[i] * scale
            put_samples(view, box, shape, plain, address + row * view.step_y, line, word, row, values)
            for i in range(later):
                total[i] = total[i + width]

    return direct_columns
