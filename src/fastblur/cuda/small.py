"""Small boxes in one launch: one block per box, every stage in shared memory.

Whatever is written to the image is written after a barrier that follows the last read of it, so in place is safe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fastblur.cuda.tables import BOX_BYTES, ENTRY_BYTES, MARGIN_NODES, TAPS

from .direct import fill_weights, folded_radius, full_radius, small_direct_stages
from .intrinsics import cuda, device, divide, load_f64, load_i32, remainder, shared_address
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

if TYPE_CHECKING:
    from types import SimpleNamespace


class _Buffers(NamedTuple):
    """Where the stages of one box keep their intermediate results in shared memory."""

    pivots: Any
    taps_y: Any
    taps_x: Any
    table: Any
    rows: Any
    grid: Any
    filtered: Any


class _Geometry(NamedTuple):
    view: Any
    y_axis: Any
    x_axis: Any
    segments: Any
    segment_rows: Any  # table rows of a segment
    buffers: Any


def small_spline_kernel(access: SimpleNamespace) -> Any:
    """All stages of the spline path.

    Every stage reads the box's geometry anew: nothing but addresses then lives from barrier to barrier, and the
    registers go to the stage at hand.
    """
    per_word, save_pivots = access.per_word, access.save_pivots
    stages = spline_stages(access)
    decimate, interpolate = stages.decimate, stages.interpolate

    @device
    def geometry(images: Any, box: Any, border: Any) -> Any:
        view = box_view(images, box, per_word)
        sigma = load_f64(box + 32)
        y_axis = coarse_axis(view.height, load_i32(box + 72), sigma, border)
        x_axis = coarse_axis(view.width, load_i32(box + 76), sigma, border)
        segments = load_i32(box + 28)
        length = table_rows(y_axis)
        segment_rows = divide(length + segments - 1, segments)
        coarse_rows = max(segments * segment_nodes(y_axis, segment_rows), y_axis.steps + MARGIN_NODES)
        pivots = shared_address()
        table = pivots + 16 + 8 * TAPS
        rows = table + divide(ENTRY_BYTES * length + 15, 16) * 16
        grid = rows + 4 * coarse_rows * view.pitch
        filtered = grid + 4 * (y_axis.steps + MARGIN_NODES) * (x_axis.steps + MARGIN_NODES) * view.channels
        buffers = _Buffers(pivots, pivots + 16, pivots + 16 + 4 * TAPS, table, rows, grid, filtered)
        return _Geometry(view, y_axis, x_axis, segments, segment_rows, buffers)

    @device
    def prepare(images: Any, box: Any, border: Any) -> None:
        g = geometry(images, box, border)
        save_pivots(g.view, g.buffers.pivots, cuda.threadIdx.x)
        fill_taps(g.y_axis, border, g.buffers.taps_y, cuda.threadIdx.x)
        fill_taps(g.x_axis, border, g.buffers.taps_x, cuda.threadIdx.x)
        for index in range(cuda.threadIdx.x, table_rows(g.y_axis), cuda.blockDim.x):
            decimation_entry(g.y_axis, border, index - g.y_axis.extra, g.buffers.table + ENTRY_BYTES * index)

    @device
    def decimate_box(images: Any, box: Any, border: Any) -> None:
        g = geometry(images, box, border)
        words = g.view.lines * g.view.words
        for item in range(cuda.threadIdx.x, g.segments * words, cuda.blockDim.x):
            g = geometry(images, box, border)  # as in project_box
            segment, column = divide(item, words), remainder(item, words)
            if segment * g.segment_rows < table_rows(g.y_axis):
                at = g.buffers
                decimate(g.view, g.y_axis, at.table, 0, g.segment_rows, at.rows, at.pivots, segment, column)

    @device
    def project_box(images: Any, box: Any, border: Any) -> None:
        g = geometry(images, box, border)
        for item in range(cuda.threadIdx.x, g.y_axis.nodes * g.x_axis.nodes, cuda.blockDim.x):
            # A thread has a node or two: reading the geometry for each costs less than the registers to keep it.
            g = geometry(images, box, border)
            q, k = divide(item, g.x_axis.nodes), remainder(item, g.x_axis.nodes)
            project(g.view, g.y_axis, g.x_axis, border, g.segment_rows, g.buffers.rows, g.buffers.grid, q, k)
        # The table of the decimation has been read; the interpolation's takes its place.
        for row in range(cuda.threadIdx.x, g.view.height, cuda.blockDim.x):
            interpolation_entry(g.y_axis, row, g.buffers.table + ENTRY_BYTES * row)

    @device
    def filter_box_x(images: Any, box: Any, border: Any) -> None:
        g = geometry(images, box, border)
        at, width = g.buffers, (g.x_axis.steps + MARGIN_NODES) * g.view.channels
        for item in range(cuda.threadIdx.x, g.y_axis.nodes * width, cuda.blockDim.x):
            q, sample = divide(item, width), remainder(item, width)
            filter_x(g.view, g.x_axis, border, at.taps_x, at.grid, at.filtered, q, sample)

    @device
    def filter_box_y(images: Any, box: Any, border: Any) -> None:
        g = geometry(images, box, border)
        at, width = g.buffers, (g.x_axis.steps + MARGIN_NODES) * g.view.channels
        for item in range(cuda.threadIdx.x, (g.y_axis.steps + MARGIN_NODES) * width, cuda.blockDim.x):
            q, sample = divide(item, width), remainder(item, width)
            filter_y(g.view, g.y_axis, g.x_axis, border, at.taps_y, at.filtered, at.grid, q, sample)

    @device
    def expand_box(images: Any, box: Any, border: Any) -> None:
        g = geometry(images, box, border)
        samples = g.view.width * g.view.channels
        for item in range(cuda.threadIdx.x, (g.y_axis.steps + MARGIN_NODES) * samples, cuda.blockDim.x):
            q, sample = divide(item, samples), remainder(item, samples)
            expand(g.view, g.x_axis, g.buffers.grid, g.buffers.rows, q, sample)

    @device
    def interpolate_box(images: Any, box: Any, border: Any, shape: Any) -> None:
        g = geometry(images, box, border)
        words = g.view.lines * g.view.words
        rows = divide(g.view.height + g.segments - 1, g.segments)
        for item in range(cuda.threadIdx.x, g.segments * words, cuda.blockDim.x):
            g = geometry(images, box, border)  # as in project_box
            at = g.buffers
            start = divide(item, words) * rows
            stop = min(start + rows, g.view.height)
            if start < stop:
                column = remainder(item, words)
                interpolate(g.view, box, shape, at.table, 0, start, stop, at.rows, at.pivots, column)

    def small_spline(images: Any, boxes: Any, prefix: Any, count: Any, border: Any, shape: Any) -> None:
        box = boxes + cuda.blockIdx.x * BOX_BYTES
        prepare(images, box, border)
        cuda.syncthreads()
        decimate_box(images, box, border)
        cuda.syncthreads()
        project_box(images, box, border)
        cuda.syncthreads()
        filter_box_x(images, box, border)
        cuda.syncthreads()
        filter_box_y(images, box, border)
        cuda.syncthreads()
        expand_box(images, box, border)
        cuda.syncthreads()
        interpolate_box(images, box, border, shape)

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
        words, samples = view.lines * view.words, view.width * view.channels
        for item in range(thread, view.height * words, threads):
            vertical(view, weights_y, radius_y, border, pivots, buffer, divide(item, words), remainder(item, words))
        cuda.syncthreads()
        for item in range(thread, view.height * samples, threads):
            row, sample = divide(item, samples), remainder(item, samples)
            horizontal(view, box, shape, weights_x, radius_x, border, pivots, buffer, row, sample)

    return small_direct
