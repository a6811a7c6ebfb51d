"""Pixelation and fill.

Pixelation: one block per strip of cells: sums down the columns, sums across each cell, then every pixel of the cell.
Sums are float64, exact for integer samples. Cells do not overlap, so in place is safe. Large cells are summed by
several blocks into scratch first, since a single block per cell would leave the device idle.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastblur.cuda.tables import BAND, FILL_ROWS, STRIP

from .intrinsics import cuda, device, load_f64, load_i64, round_even, shared_address, store_f64
from .records import box_view, find_tile, is_plain, pixel_weight

if TYPE_CHECKING:
    from types import SimpleNamespace


@device
def cell_count(n: Any, block: Any) -> Any:
    """Cells along n pixels, none smaller than the block size unless there is one cell only."""
    return max(1, int(np.float64(n) // max(1.0, math.ceil(block))))


@device
def cells_per_strip(width: Any, columns: Any) -> Any:
    return max(1, STRIP * columns // width)


@device
def cell_bands(height: Any, rows: Any) -> Any:
    """Bands of the tallest cell."""
    return ((height + rows - 1) // rows + BAND - 1) // BAND


def _write_rows(access: SimpleNamespace) -> Any:
    integer = access.integer
    sample_address = access.sample_address
    store_sample = access.store_sample
    mix_sample = access.mix_sample

    @device
    def write_rows(
        view: Any, box: Any, shape: Any, plain: Any, x: Any, c: Any, start: Any, stop: Any, step: Any, mean: Any
    ) -> None:
        """The mean into column x of every `step`-th row."""
        value = np.float32(round_even(mean)) if integer else np.float32(mean)
        for y in range(start, stop, step):
            address = sample_address(view, x, y, c)
            if plain:
                store_sample(address, value)
            else:
                mix_sample(address, pixel_weight(box, shape, x, y), mean)

    return write_rows


def mosaic_kernel(access: SimpleNamespace) -> Any:
    """Small cells: a block for each strip of whole cells of one row of cells."""
    per_word = access.per_word
    load_sample = access.load_sample
    sample_address = access.sample_address
    write_rows = _write_rows(access)

    def mosaic(images: Any, jobs: Any, prefix: Any, job_count: Any, border: Any, shape: Any) -> None:
        job, tile = find_tile(jobs, prefix, job_count)
        box = load_i64(job)
        view = box_view(images, box, per_word)
        plain = is_plain(box, shape)
        block = load_f64(box + 32)
        columns, rows = cell_count(view.width, block), cell_count(view.height, block)
        per_strip = cells_per_strip(view.width, columns)
        strips = (columns + per_strip - 1) // per_strip
        first_cell = tile % strips * per_strip
        last_cell = min(first_cell + per_strip, columns)
        cell_y = tile // strips
        left, right = first_cell * view.width // columns, last_cell * view.width // columns
        top, bottom = cell_y * view.height // rows, (cell_y + 1) * view.height // rows
        across, channels = right - left, view.channels
        samples = across * channels
        groups = max(1, cuda.blockDim.x // samples)
        sums = shared_address()
        means = sums + 8 * samples * groups
        for item in range(cuda.threadIdx.x, samples * groups, cuda.blockDim.x):
            index = item % samples
            x = left + (index // channels if view.interleaved else index % across)
            c = index % channels if view.interleaved else index // across
            total = 0.0
            for y in range(top + item // samples, bottom, groups):
                total += np.float64(load_sample(sample_address(view, x, y, c)))
            store_f64(sums + 8 * item, total)
        cuda.syncthreads()
        for item in range(cuda.threadIdx.x, (last_cell - first_cell) * channels, cuda.blockDim.x):
            cell, c = first_cell + item // channels, item % channels
            start, stop = cell * view.width // columns, (cell + 1) * view.width // columns
            total = 0.0
            for group in range(groups):
                for x in range(start - left, stop - left):
                    index = x * channels + c if view.interleaved else c * across + x
                    total += load_f64(sums + 8 * (group * samples + index))
            store_f64(means + 8 * item, total / np.float64((stop - start) * (bottom - top)))
        cuda.syncthreads()
        for item in range(cuda.threadIdx.x, samples * groups, cuda.blockDim.x):
            index = item % samples
            x = left + (index // channels if view.interleaved else index % across)
            c = index % channels if view.interleaved else index // across
            cell = ((x + 1) * columns - 1) // view.width - first_cell
            mean = load_f64(means + 8 * (cell * channels + c))
            write_rows(view, box, shape, plain, x, c, top + item // samples, bottom, groups, mean)

    return mosaic


def cell_sums_kernel(access: SimpleNamespace) -> Any:
    """Large cells: the sums of one band of one cell, per channel, into scratch."""
    per_word = access.per_word
    load_sample = access.load_sample
    sample_address = access.sample_address

    def cell_sums(images: Any, jobs: Any, prefix: Any, job_count: Any, border: Any, shape: Any) -> None:
        job, tile = find_tile(jobs, prefix, job_count)
        box, sums = load_i64(job), load_i64(job + 8)
        view = box_view(images, box, per_word)
        block = load_f64(box + 32)
        columns, rows = cell_count(view.width, block), cell_count(view.height, block)
        bands = cell_bands(view.height, rows)
        cell_x, cell_y = tile // bands % columns, tile // bands // columns
        left, right = cell_x * view.width // columns, (cell_x + 1) * view.width // columns
        bottom = (cell_y + 1) * view.height // rows
        start = cell_y * view.height // rows + tile % bands * BAND
        count = (right - left) * max(min(BAND, bottom - start), 0)
        shared = shared_address()
        for c in range(view.channels):
            total = 0.0
            for index in range(cuda.threadIdx.x, count, cuda.blockDim.x):
                x, y = left + index % (right - left), start + index // (right - left)
                total += np.float64(load_sample(sample_address(view, x, y, c)))
            store_f64(shared + 8 * cuda.threadIdx.x, total)
            cuda.syncthreads()
            half = cuda.blockDim.x // 2
            while half > 0:
                if cuda.threadIdx.x < half:
                    mine = shared + 8 * cuda.threadIdx.x
                    store_f64(mine, load_f64(mine) + load_f64(mine + 8 * half))
                cuda.syncthreads()
                half //= 2
            if cuda.threadIdx.x == 0:
                store_f64(sums + 8 * (tile * view.channels + c), load_f64(shared))
            cuda.syncthreads()

    return cell_sums


def cell_fill_kernel(access: SimpleNamespace) -> Any:
    """Large cells: the mean, from the sums of all bands of the cell, into one band."""
    per_word = access.per_word
    write_rows = _write_rows(access)

    def cell_fill(images: Any, jobs: Any, prefix: Any, job_count: Any, border: Any, shape: Any) -> None:
        job, tile = find_tile(jobs, prefix, job_count)
        box, sums = load_i64(job), load_i64(job + 8)
        view = box_view(images, box, per_word)
        plain = is_plain(box, shape)
        block = load_f64(box + 32)
        columns, rows = cell_count(view.width, block), cell_count(view.height, block)
        bands = cell_bands(view.height, rows)
        cell, channels = tile // bands, view.channels
        cell_x, cell_y = cell % columns, cell // columns
        left, right = cell_x * view.width // columns, (cell_x + 1) * view.width // columns
        top, bottom = cell_y * view.height // rows, (cell_y + 1) * view.height // rows
        start = top + tile % bands * BAND
        across = right - left
        shared = shared_address()
        for c in range(cuda.threadIdx.x, channels, cuda.blockDim.x):
            total = 0.0
            for band in range(bands):
                total += load_f64(sums + 8 * ((cell * bands + band) * channels + c))
            store_f64(shared + 8 * c, total / (np.float64(across) * np.float64(bottom - top)))
        cuda.syncthreads()
        for index in range(cuda.threadIdx.x, across * channels, cuda.blockDim.x):
            x = left + (index // channels if view.interleaved else index % across)
            c = index % channels if view.interleaved else index // across
            mean = load_f64(shared + 8 * c)
            write_rows(view, box, shape, plain, x, c, start, min(start + BAND, bottom), 1, mean)

    return cell_fill


def fill_kernel(access: SimpleNamespace) -> Any:
    """One value per channel, four float64 at each job's `rows`."""
    per_word = access.per_word
    word_address = access.word_address
    channel_of = access.channel_of
    put_samples = access.put_samples

    def fill(images: Any, jobs: Any, prefix: Any, job_count: Any, border: Any, shape: Any) -> None:
        job, tile = find_tile(jobs, prefix, job_count)
        box, colour = load_i64(job), load_i64(job + 8)
        view = box_view(images, box, per_word)
        plain = is_plain(box, shape)
        words = view.lines * view.words
        blocks = (words + cuda.blockDim.x - 1) // cuda.blockDim.x
        item = (tile % blocks) * cuda.blockDim.x + cuda.threadIdx.x
        if item < words:
            line, word = item // view.words, item % view.words
            address = word_address(view, line, word)
            values = cuda.local.array(per_word, np.float32)
            for i in range(per_word):
                values[i] = np.float32(load_f64(colour + 8 * channel_of(view, line, word, i)))
            start = tile // blocks * FILL_ROWS
            for row in range(start, min(start + FILL_ROWS, view.height)):
                put_samples(view, box, shape, plain, address + row * view.step_y, line, word, row, values)

    return fill
