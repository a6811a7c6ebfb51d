"""A Gaussian at constant cost: decimate onto a coarse grid with cubic B-splines, filter there, interpolate back.

A cubic B-spline of spacing d has variance d^2 / 3 and spectral zeros at the aliases of its grid, so

    sigma^2 = d^2 (s^2 + 1/3 + 1/3)

with s the deviation, in cells, of the small Gaussian applied to the coarse grid. The stages, each a device function
that one thread runs for one item, are shared by the one-launch kernel for small boxes (block-wide barriers between the
stages, everything in shared memory) and by the tiled kernels for large ones (one launch per stage):

    decimate      rows of the image         -> coarse rows      (one word of columns, one segment of rows)
    project       coarse rows               -> coarse grid      (one node)
    filter_along  coarse grid               -> filtered grid    (one node), along x, then along y
    expand        a coarse row of the grid  -> coarse row       (one sample)
    interpolate   coarse rows               -> the image        (one word of columns, one segment of rows)

Coarse nodes sit at origin + k d. Reflection and symmetry of the row are reflection and symmetry of the grid; replicate
keeps two nodes beyond each end. Weights are not normalised one by one: the pivot subtracted from every sample keeps
constants exact, and the sums differ from one by less than the method's own error.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from fastblur.cuda.tables import (
    ENTRY_BYTES,
    MARGIN_NODES,
    REFLECT,
    REPLICATE,
    SEGMENT_NODES,
    SYMMETRIC,
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
    store_i32,
)
from .records import (
    border_index,
    box_view,
    element,
    find_tile,
    is_plain,
)

MAX_DEVIATION = 6.0  # a periodic grid is uniform beyond; 5 deviations then fit TAPS
ROWS_AHEAD = 4  # rows requested before the first is used

_ZERO, _HALF, _ONE, _TWO = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(2.0)
_TWO_THIRDS, _SIXTH = np.float32(2.0 / 3.0), np.float32(1.0 / 6.0)


class Axis(NamedTuple):
    n: Any  # pixels
    steps: Any  # intervals of the coarse grid
    first: Any  # first node kept of the decimated row
    nodes: Any  # nodes kept of the decimated row
    extra: Any  # pseudo-rows before and after the real ones, that stand for all that lies beyond the edge
    spacing: Any
    inverse: Any
    origin: Any
    deviation: Any


@device
def coarse_axis(n: Any, steps: Any, sigma: Any, border: Any) -> Any:
    span = n if border == SYMMETRIC else n - 1
    spacing = np.float64(span) / np.float64(steps)
    inverse = np.float64(steps) / np.float64(span)
    deviation = math.sqrt(max((sigma * inverse) * (sigma * inverse) - 2.0 / 3.0, 0.01))
    first, nodes, extra, origin = 0, steps + 1, 0, 0.0
    if border == SYMMETRIC:
        nodes, origin = steps, 0.5 * (spacing - 1.0)
    if border == REPLICATE:
        first, nodes, extra = -2, steps + 5, 1
    else:
        deviation = min(deviation, MAX_DEVIATION)
    return Axis(n, steps, first, nodes, extra, spacing, inverse, origin, deviation)


@device
def bspline(t: Any) -> Any:
    """The cubic B-spline at |t|."""
    t = abs(t)
    inner = _TWO_THIRDS + t * t * (_HALF * t - _ONE)
    outer = max(_TWO - t, _ZERO)
    return inner if t < _ONE else outer * outer * outer * _SIXTH


@device
def base_node(axis: Any, row: Any) -> Any:
    """The node at or before a row; the pseudo-rows lie one node beyond the edges."""
    if row < 0:
        return -1
    if row >= axis.n:
        return axis.steps
    return int(math.floor((row - axis.origin) * axis.inverse))  # noqa: RUF046 - a float in Numba


@device
def beyond_edge(axis: Any) -> Any:
    """Share of the B-spline one node inside an edge that lies beyond it: ((d - x) / d)^3 / 6 over 0 < x < d, summed."""
    count = math.ceil(axis.spacing) - 1.0
    rest = axis.spacing - count
    first = count * (count - 1.0) / 2.0
    second = first * (2.0 * count - 1.0) / 3.0
    cubes = count * rest * rest * rest + 3.0 * rest * rest * first + 3.0 * rest * second + first * first
    square = axis.inverse * axis.inverse
    return np.float32(cubes * square * square / 6.0)


@device
def reflected_weight(axis: Any, border: Any, row: Any, node: Any) -> Any:
    """What the mirror images of `row` add to `node`."""
    period = 2 * axis.n if border == SYMMETRIC else 2 * (axis.n - 1)
    mirror = -1 - row if border == SYMMETRIC else -row
    position = axis.origin + node * axis.spacing
    total = _ZERO
    for k in range(-1, 2):
        shift = np.float64(k * period) - position
        total += bspline(np.float32((mirror + shift) * axis.inverse))
        if k != 0:
            total += bspline(np.float32((row + shift) * axis.inverse))
    return total


@device
def decimation_entry(axis: Any, border: Any, row: Any, entry: Any) -> None:
    """Write what `row` adds to the four nodes around it to the row table at address `entry`."""
    node = base_node(axis, row)
    store_i32(entry, node)
    inverse = np.float32(axis.inverse)
    if row < 0 or row >= axis.n:
        far = beyond_edge(axis)
        edge = _HALF * (_ONE - _TWO_THIRDS * inverse)
        near = _ONE - far - _SIXTH * inverse
        before = row < 0
        store_f32(entry + 4, _ONE if before else far)
        store_f32(entry + 8, near if before else edge)
        store_f32(entry + 12, edge if before else near)
        store_f32(entry + 16, far if before else _ONE)
        return
    fraction = np.float32((row - axis.origin) * axis.inverse - node)
    folded = border != REPLICATE and (row <= 2.0 * axis.spacing or axis.n - 1 - row <= 2.0 * axis.spacing)
    # The end rows of whole-sample reflection are their own mirror images, and count once.
    share = _HALF * inverse if border == REFLECT and (row == 0 or row == axis.n - 1) else inverse
    for j in range(4):
        weight = bspline(fraction + np.float32(1 - j))
        if folded:
            weight += reflected_weight(axis, border, row, node - 1 + j)
        store_f32(entry + 4 + 4 * j, weight * share)


@device
def interpolation_entry(axis: Any, row: Any, entry: Any) -> None:
    """Write the four nodes' weights in `row` to the row table at address `entry`."""
    node = base_node(axis, row)
    store_i32(entry, node)
    fraction = np.float32((row - axis.origin) * axis.inverse - node)
    for j in range(4):
        store_f32(entry + 4 + 4 * j, bspline(fraction + np.float32(1 - j)))


@device
def table_rows(axis: Any) -> Any:
    return axis.n + 2 * axis.extra


@device
def segment_nodes(axis: Any, rows: Any) -> Any:
    """Coarse rows reserved for a segment of so many rows."""
    return int(rows * axis.inverse) + SEGMENT_NODES


@device
def segment_first(axis: Any, index: Any) -> Any:
    """First node of the segment that starts at table row `index`."""
    return max(base_node(axis, index - axis.extra) - 1, axis.first)


@device
def coarse_index(axis: Any, border: Any, node: Any) -> Any:
    """Index, among the nodes kept, of any node of the endless grid."""
    if border == REPLICATE:
        return min(max(node + 2, 0), axis.nodes - 1)
    return border_index(node, axis.nodes, border)


@device
def coarse_tap(axis: Any, j: Any) -> Any:
    inverse = np.float32(1.0 / axis.deviation)
    scaled = np.float32(j) * inverse
    return np.float32(math.exp(-_HALF * scaled * scaled)) * inverse * np.float32(0.3989422804014327)


@device
def coarse_radius(axis: Any, border: Any) -> Any:
    radius = max(int(min(math.ceil(5.0 * axis.deviation), 2.0e9)), 1)
    return min(radius, axis.nodes) if border == REPLICATE else radius


@device
def fill_taps(axis: Any, border: Any, taps: Any, thread: Any) -> None:
    """Half of the coarse kernel; its last weight stands for everything further out (the sum is one)."""
    radius = coarse_radius(axis, border)
    if thread < radius:
        store_f32(taps + 4 * thread, coarse_tap(axis, thread))
    if thread == radius:
        rest = _ONE - coarse_tap(axis, 0)
        for j in range(1, radius):
            rest -= _TWO * coarse_tap(axis, j)
        store_f32(taps + 4 * thread, _HALF * rest)


@device
def project(
    view: Any, y_axis: Any, x_axis: Any, border: Any, segment_rows: Any, rows: Any, grid: Any, q: Any, k: Any
) -> None:
    """One node of the coarse grid: coarse row `q`, summed over the segments that hold a part of it, along x."""
    sums = cuda.local.array(4, np.float32)
    for c in range(4):
        sums[c] = _ZERO
    row_position = y_axis.origin + (q + y_axis.first) * y_axis.spacing
    low = divide(max(int(row_position - 2.0 * y_axis.spacing), 0), segment_rows) - 1
    high = divide(max(int(row_position + 2.0 * y_axis.spacing) + 2 * y_axis.extra, 0), segment_rows) + 1
    total = table_rows(y_axis)
    high = min(high, divide(total - 1, segment_rows))
    reserved = segment_nodes(y_axis, segment_rows)
    position = x_axis.origin + (k + x_axis.first) * x_axis.spacing
    left = int(math.ceil(position - 2.0 * x_axis.spacing))  # noqa: RUF046
    right = int(math.floor(position + 2.0 * x_axis.spacing))  # noqa: RUF046
    scale = np.float32(x_axis.inverse)
    start_t = np.float32((left - position) * x_axis.inverse)
    for segment in range(max(low, 0), high + 1):
        start = segment * segment_rows
        stop = min(start + segment_rows, total)
        offset = q + y_axis.first - segment_first(y_axis, start)
        if offset >= 0 and q + y_axis.first <= base_node(y_axis, stop - 1 - y_axis.extra) + 2:
            row = rows + 4 * (segment * reserved + offset) * view.pitch
            for x in range(left, right + 1):
                weight = bspline(start_t + np.float32(x - left) * scale) * scale
                source = row + 4 * element(view, border_index(x, x_axis.n, border), 0)
                for c in range(4):
                    if c < view.channels:
                        sums[c] += weight * load_f32(source + 4 * c * view.pitch_c)
    for c in range(4):
        if c < view.channels:
            store_f32(grid + 4 * ((q * x_axis.nodes + k) * view.channels + c), sums[c])


@device
def filter_along(axis: Any, border: Any, taps: Any, line: Any, stride: Any, node: Any) -> Any:
    """The coarse kernel at `node` (-2 .. steps + 2) of the nodes at `line`, `stride` bytes apart."""
    total = load_f32(taps) * load_f32(line + coarse_index(axis, border, node) * stride)
    for j in range(1, coarse_radius(axis, border) + 1):
        before = load_f32(line + coarse_index(axis, border, node - j) * stride)
        after = load_f32(line + coarse_index(axis, border, node + j) * stride)
        total += load_f32(taps + 4 * j) * (before + after)
    return total


@device
def filter_x(view: Any, x_axis: Any, border: Any, taps: Any, grid: Any, filtered: Any, q: Any, item: Any) -> None:
    """One sample of coarse row `q`, along x."""
    width = (x_axis.steps + MARGIN_NODES) * view.channels
    line = grid + 4 * (q * x_axis.nodes * view.channels + remainder(item, view.channels))
    value = filter_along(x_axis, border, taps, line, 4 * view.channels, divide(item, view.channels) - 2)
    store_f32(filtered + 4 * (q * width + item), value)


@device
def filter_y(
    view: Any, y_axis: Any, x_axis: Any, border: Any, taps: Any, filtered: Any, grid: Any, q: Any, item: Any
) -> None:
    """One sample of extended coarse row `q`, along y."""
    width = (x_axis.steps + MARGIN_NODES) * view.channels
    value = filter_along(y_axis, border, taps, filtered + 4 * item, 4 * width, q - 2)
    store_f32(grid + 4 * (q * width + item), value)


@device
def expand(view: Any, x_axis: Any, grid: Any, rows: Any, q: Any, item: Any) -> None:
    """One sample, at full resolution along x, of extended coarse row `q`."""
    x, c = divide(item, view.channels), remainder(item, view.channels)
    node = base_node(x_axis, x)
    fraction = np.float32((x - x_axis.origin) * x_axis.inverse - node)
    width = (x_axis.steps + MARGIN_NODES) * view.channels
    source = grid + 4 * (q * width + (node + 1) * view.channels + c)
    value = _ZERO
    for j in range(4):
        value += bspline(fraction + np.float32(1 - j)) * load_f32(source + 4 * j * view.channels)
    store_f32(rows + 4 * (q * view.pitch + element(view, x, c)), value)


def spline_stages(access: SimpleNamespace) -> SimpleNamespace:
    """The two stages that touch the image, for one dtype and kind of rows."""
    width = access.per_word
    word_address = access.word_address
    load_pivots = access.load_pivots
    load_samples = access.load_samples
    put_samples = access.put_samples
    ahead_size, four_words = ROWS_AHEAD * width, 4 * width

    @device
    def decimate(
        view: Any,
        axis: Any,
        table: Any,
        table_start: Any,
        segment_rows: Any,
        rows: Any,
        pivots: Any,
        segment: Any,
        item: Any,
    ) -> None:
        """Scatter one segment of one word of columns onto the coarse rows.

        The four nodes that a row touches live in registers and move on when the row passes a node.
        """
        line, word = divide(item, view.words), remainder(item, view.words)
        count = min(width, view.line - word * width)
        address = word_address(view, line, word)
        pivot = cuda.local.array(width, np.float32)
        values = cuda.local.array(width, np.float32)
        ahead = cuda.local.array(ahead_size, np.float32)
        sums = cuda.local.array(four_words, np.float32)
        load_pivots(view, pivots, line, word, pivot)
        for i in range(4 * width):
            sums[i] = _ZERO
        start = segment * segment_rows
        stop = min(start + segment_rows, table_rows(axis))
        node = base_node(axis, start - axis.extra) - 1
        first = segment_first(axis, start)
        end = axis.first + axis.nodes
        target = rows + 4 * (segment * segment_nodes(axis, segment_rows) * view.pitch + item * width)
        for batch in range(start, stop, ROWS_AHEAD):
            for b in range(ROWS_AHEAD):
                row = min(max(min(batch + b, stop - 1) - axis.extra, 0), axis.n - 1)
                load_samples(address + row * view.step_y, count, values)
                for i in range(width):
                    ahead[b * width + i] = values[i] - pivot[i]
            for b in range(ROWS_AHEAD):
                if batch + b < stop:
                    entry = table + ENTRY_BYTES * (batch + b - table_start)
                    base = load_i32(entry) - 1
                    while node < base:
                        if first <= node < end:
                            for i in range(width):
                                store_f32(target + 4 * ((node - first) * view.pitch + i), sums[i])
                        for i in range(3 * width):
                            sums[i] = sums[i + width]
                        for i in range(width):
                            sums[3 * width + i] = _ZERO
                        node += 1
                    for j in range(4):
                        weight = load_f32(entry + 4 + 4 * j)
                        for i in range(width):
                            sums[j * width + i] += weight * ahead[b * width + i]
        for j in range(4):
            if first <= node + j < end:
                for i in range(width):
                    store_f32(target + 4 * ((node + j - first) * view.pitch + i), sums[j * width + i])

    @device
    def interpolate(
        view: Any,
        box: Any,
        shape: Any,
        table: Any,
        table_start: Any,
        start: Any,
        stop: Any,
        rows: Any,
        pivots: Any,
        item: Any,
    ) -> None:
        """Rows start .. stop of one word of columns: each the weighted sum of four coarse rows held in registers."""
        line, word = divide(item, view.words), remainder(item, view.words)
        address = word_address(view, line, word)
        plain = is_plain(box, shape)
        pivot = cuda.local.array(width, np.float32)
        values = cuda.local.array(width, np.float32)
        nodes = cuda.local.array(four_words, np.float32)
        load_pivots(view, pivots, line, word, pivot)
        node = load_i32(table + ENTRY_BYTES * (start - table_start)) - 1
        source = rows + 4 * item * width
        for j in range(4):
            for i in range(width):
                nodes[j * width + i] = load_f32(source + 4 * ((node + 2 + j) * view.pitch + i))
        for row in range(start, stop):
            entry = table + ENTRY_BYTES * (row - table_start)
            base = load_i32(entry) - 1
            while node < base:
                node += 1
                for i in range(3 * width):
                    nodes[i] = nodes[i + width]
                for i in range(width):
                    nodes[3 * width + i] = load_f32(source + 4 * ((node + 5) * view.pitch + i))
            for i in range(width):
                values[i] = _ZERO
            for j in range(4):
                weight = load_f32(entry + 4 + 4 * j)
                for i in range(width):
                    values[i] += weight * nodes[j * width + i]
            for i in range(width):
                values[i] += pivot[i]
            put_samples(view, box, shape, plain, address + row * view.step_y, line, word, row, values)

    return SimpleNamespace(decimate=decimate, interpolate=interpolate)


def decimate_kernel(access: SimpleNamespace) -> Any:
    per_word = access.per_word
    save_pivots = access.save_pivots
    decimate = spline_stages(access).decimate

    def spline_decimate(images: Any, jobs: Any, prefix: Any, job_count: Any, border: Any, shape: Any) -> None:
        job, tile = find_tile(jobs, prefix, job_count)
        box, rows = load_i64(job), load_i64(job + 8)
        view = box_view(images, box, per_word)
        axis = coarse_axis(view.height, load_i32(box + 72), load_f64(box + 32), border)
        segments = load_i32(box + 28)
        segment_rows = divide(table_rows(axis) + segments - 1, segments)
        words = view.lines * view.words
        blocks = divide(words + cuda.blockDim.x - 1, cuda.blockDim.x)
        segment = divide(tile, blocks)
        start = segment * segment_rows
        stop = min(start + segment_rows, table_rows(axis))
        table = shared_address()
        pivots = table + ENTRY_BYTES * segment_rows
        for index in range(start + cuda.threadIdx.x, stop, cuda.blockDim.x):
            decimation_entry(axis, border, index - axis.extra, table + ENTRY_BYTES * (index - start))
        save_pivots(view, pivots, cuda.threadIdx.x)
        if tile == 0:
            # The last stage overwrites the box's first pixel, so the pivots are kept for it.
            save_pivots(view, rows - 16, cuda.threadIdx.x)
        cuda.syncthreads()
        item = remainder(tile, blocks) * cuda.blockDim.x + cuda.threadIdx.x
        if item < words and start < stop:
            decimate(view, axis, table, start, segment_rows, rows, pivots, segment, item)

    return spline_decimate


def interpolate_kernel(access: SimpleNamespace) -> Any:
    per_word = access.per_word
    interpolate = spline_stages(access).interpolate

    def spline_interpolate(images: Any, jobs: Any, prefix: Any, job_count: Any, border: Any, shape: Any) -> None:
        job, tile = find_tile(jobs, prefix, job_count)
        box, rows = load_i64(job), load_i64(job + 8)
        view = box_view(images, box, per_word)
        axis = coarse_axis(view.height, load_i32(box + 72), load_f64(box + 32), border)
        segments = load_i32(box + 28)
        segment_rows = divide(view.height + segments - 1, segments)
        words = view.lines * view.words
        blocks = divide(words + cuda.blockDim.x - 1, cuda.blockDim.x)
        start = divide(tile, blocks) * segment_rows
        stop = min(start + segment_rows, view.height)
        table = shared_address()
        for row in range(start + cuda.threadIdx.x, stop, cuda.blockDim.x):
            interpolation_entry(axis, row, table + ENTRY_BYTES * (row - start))
        cuda.syncthreads()
        item = remainder(tile, blocks) * cuda.blockDim.x + cuda.threadIdx.x
        if item < words and start < stop:
            interpolate(view, box, shape, table, start, start, stop, rows, rows - 16, item)

    return spline_interpolate


def rows_kernel(samples_per_word: int) -> Any:
    """One block per coarse row: onto the coarse grid along x, and the coarse kernel along x."""

    @device
    def project_row(images: Any, job: Any, q: Any, border: Any) -> None:
        box = load_i64(job)
        view = box_view(images, box, samples_per_word)
        sigma = load_f64(box + 32)
        y_axis = coarse_axis(view.height, load_i32(box + 72), sigma, border)
        x_axis = coarse_axis(view.width, load_i32(box + 76), sigma, border)
        segments = load_i32(box + 28)
        segment_rows = divide(table_rows(y_axis) + segments - 1, segments)
        fill_taps(x_axis, border, shared_address(), cuda.threadIdx.x)
        for k in range(cuda.threadIdx.x, x_axis.nodes, cuda.blockDim.x):
            project(view, y_axis, x_axis, border, segment_rows, load_i64(job + 8), load_i64(job + 16), q, k)

    @device
    def filter_row(images: Any, job: Any, q: Any, border: Any) -> None:
        box = load_i64(job)
        view = box_view(images, box, samples_per_word)
        x_axis = coarse_axis(view.width, load_i32(box + 76), load_f64(box + 32), border)
        grid, filtered = load_i64(job + 16), load_i64(job + 24)
        for item in range(cuda.threadIdx.x, (x_axis.steps + MARGIN_NODES) * view.channels, cuda.blockDim.x):
            filter_x(view, x_axis, border, shared_address(), grid, filtered, q, item)

    def spline_rows(images: Any, jobs: Any, prefix: Any, job_count: Any, border: Any, shape: Any) -> None:
        job, q = find_tile(jobs, prefix, job_count)
        project_row(images, job, q, border)
        cuda.syncthreads()
        filter_row(images, job, q, border)

    return spline_rows


def columns_kernel(samples_per_word: int) -> Any:
    """One block per row of the filtered grid: the coarse kernel along y, and out to full resolution along x."""

    def spline_columns(images: Any, jobs: Any, prefix: Any, job_count: Any, border: Any, shape: Any) -> None:
        job, q = find_tile(jobs, prefix, job_count)
        box, rows, grid, filtered = load_i64(job), load_i64(job + 8), load_i64(job + 16), load_i64(job + 24)
        view = box_view(images, box, samples_per_word)
        sigma = load_f64(box + 32)
        y_axis = coarse_axis(view.height, load_i32(box + 72), sigma, border)
        x_axis = coarse_axis(view.width, load_i32(box + 76), sigma, border)
        taps = shared_address()
        fill_taps(y_axis, border, taps, cuda.threadIdx.x)
        cuda.syncthreads()
        for item in range(cuda.threadIdx.x, (x_axis.steps + MARGIN_NODES) * view.channels, cuda.blockDim.x):
            filter_y(view, y_axis, x_axis, border, taps, filtered, grid, q, item)
        cuda.syncthreads()
        for item in range(cuda.threadIdx.x, view.width * view.channels, cuda.blockDim.x):
            expand(view, x_axis, grid, rows, q, item)

    return spline_columns
