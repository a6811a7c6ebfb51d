"""Small boxes in one launch: one block per box, every stage in shared memory.

Whatever is written to the image is written after a barrier that follows the last read of it, so in place is safe.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from numba import cuda

from .direct import fill_weights, folded_radius, full_radius, small_direct_stages
from fastblur.cuda.tables import BOX_BYTES, ENTRY_BYTES, MARGIN_NODES, TAPS

from .intrinsics import load_f64, load_i32, shared_address
from .records import box_view
from .spline import (
    coarse_axis,
    decimation_entry,
    expand,
    fill_taps,
    filter_x,
    filter_y,
    interpolation_entry,
    project,
    segment_nodes,
    spline_stages,
    table_rows,
)


def small_spline_kernel(access: SimpleNamespace) -> Any:
    """All stages of the spline path."""
    per_word, save_pivots = access.per_word, access.save_pivots
    stages = spline_stages(access)
    decimate, interpolate = stages.decimate, stages.interpolate

    def small_spline(images: Any, boxes: Any, prefix: Any, count: Any, border: Any, shape: Any) -> None:
        box = boxes + cuda.blockIdx.x * BOX_BYTES
        view = box_view(images, box, per_word)
        pivots = shared_address()
        thread, threads = cuda.threadIdx.x, cuda.blockDim.x
        sigma = load_f64(box + 32)
        y_axis = coarse_axis(view.height, load_i32(box + 72), sigma, border)
        x_axis = coarse_axis(view.width, load_i32(box + 76), sigma, border)
        segments = load_i32(box + 28)
        table_length = table_rows(y_axis)
        segment_rows = (table_length + segments - 1) // segments
        coarse_rows = max(segments * segment_nodes(y_axis, segment_rows), y_axis.steps + MARGIN_NODES)
        nodes_y, nodes_x = y_axis.steps + MARGIN_NODES, x_axis.steps + MARGIN_NODES
        taps_y = pivots + 16
        taps_x = taps_y + 4 * TAPS
        table = taps_x + 4 * TAPS
        rows = table + (ENTRY_BYTES * table_length + 15) // 16 * 16
        grid = rows + 4 * coarse_rows * view.pitch
        filtered = grid + 4 * nodes_y * nodes_x * view.channels

        save_pivots(view, pivots, thread)
        fill_taps(y_axis, border, taps_y, thread)
        fill_taps(x_axis, border, taps_x, thread)
        for index in range(thread, table_length, threads):
            decimation_entry(y_axis, border, index - y_axis.extra, table + ENTRY_BYTES * index)
        cuda.syncthreads()
        words = view.lines * view.words
        for item in range(thread, segments * words, threads):
            if item // words * segment_rows < table_length:
                decimate(view, y_axis, table, 0, segment_rows, rows, pivots, item // words, item % words)
        cuda.syncthreads()
        for item in range(thread, y_axis.nodes * x_axis.nodes, threads):
            q, k = item // x_axis.nodes, item % x_axis.nodes
            project(view, y_axis, x_axis, border, segment_rows, rows, grid, q, k)
        for row in range(thread, view.height, threads):
            interpolation_entry(y_axis, row, table + ENTRY_BYTES * row)
        cuda.syncthreads()
        width = nodes_x * view.channels
        for item in range(thread, y_axis.nodes * width, threads):
            filter_x(view, x_axis, border, taps_x, grid, filtered, item // width, item % width)
        cuda.syncthreads()
        for item in range(thread, nodes_y * width, threads):
            filter_y(view, y_axis, x_axis, border, taps_y, filtered, grid, item // width, item % width)
        cuda.syncthreads()
        samples = view.width * view.channels
        for item in range(thread, nodes_y * samples, threads):
            expand(view, x_axis, grid, rows, item // samples, item % samples)
        cuda.syncthreads()
        segment_rows = (view.height + segments - 1) // segments
        for item in range(thread, segments * words, threads):
            start = item // words * segment_rows
            stop = min(start + segment_rows, view.height)
            if start < stop:
                interpolate(view, box, shape, table, 0, start, stop, rows, pivots, item % words)

    return small_spline


def small_direct_kernel(access: SimpleNamespace) -> Any:
    """Both passes of the direct filter."""
    per_word, save_pivots = access.per_word, access.save_pivots
    stages = small_direct_stages(access)
    vertical, horizontal = stages.vertical, stages.horizontal

    def small_direct(images: Any, boxes: Any, prefix: Any, count: Any, border: Any, shape: Any) -> None:
        box = boxes + cuda.blockIdx.x * BOX_BYTES
        view = box_view(images, box, per_word)
        pivots = shared_address()
        thread, threads = cuda.threadIdx.x, cuda.blockDim.x
        full = full_radius(box)
        radius_y = folded_radius(view.height, full, border)
        radius_x = folded_radius(view.width, full, border)
        partial = pivots + 16
        weights_y = partial + 8 * threads
        weights_x = weights_y + 4 * (radius_y + 2)
        buffer = weights_x + 4 * (radius_x + 2)
        save_pivots(view, pivots, thread)
        fill_weights(weights_y, partial, view.height, box, border)
        fill_weights(weights_x, partial, view.width, box, border)
        words = view.lines * view.words
        for item in range(thread, view.height * words, threads):
            vertical(view, weights_y, radius_y, border, pivots, buffer, item // words, item % words)
        cuda.syncthreads()
        for item in range(thread, view.height * words, threads):
            horizontal(
                view, box, shape, weights_x, radius_x, border, pivots, buffer, item // words, item % words
            )

    return small_direct
