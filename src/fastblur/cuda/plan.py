"""What to launch for a call's boxes: their paths, their order, the records that travel, the scratch they need.

A box's path depends on the box and its image alone, never on the rest of the batch, so that one call with many boxes
gives the bits of many calls with one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastblur import _core
from fastblur.cuda import Fill, GaussianBlur, Operation
from fastblur.cuda.kernels import SHARED_LIMIT, THREADS, Key, samples_per_word
from fastblur.cuda.tables import (
    BAND,
    BOX,
    ENTRY_BYTES,
    FILL_ROWS,
    IMAGE,
    JOB,
    LANES,
    LARGEST,
    MARGIN_NODES,
    OUTPUT_ROWS,
    PLANE,
    REFLECT,
    REPLICATE,
    SEGMENT_NODES,
    STRIP,
    SYMMETRIC,
    TAPS,
    TILE_X,
    WEIGHT_PADDING,
    WIDEST,
)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SCRATCH_LIMIT = 64 << 20
"""Scratch bytes of a call, unless one box alone needs more: boxes are taken in chunks that fit."""

# Deviation of the coarse Gaussian in cells. With a spacing of 2 pixels at least, the two axes together stay within
# 0.41 of an 8-bit level, and within 4.6e-4 of the range, for any input.
SPREAD_UINT8, SPREAD = 1.5, 2.2


class Variant(NamedTuple):
    """What specialises the kernels that touch an image."""

    dtype: str
    contiguous: bool


@dataclass
class ImageTable:
    """The images of a call, as records, and how the kernels must be specialised for each."""

    records: npt.NDArray[Any]
    sizes: Ints  # (N, 2): height, width
    variants: list[Variant]
    variant_of: npt.NDArray[np.intp]


class Launch(NamedTuple):
    """One kernel launch. `first` and `prefix` are offsets from the start of the device block."""

    key: Key
    first: int
    prefix: int
    jobs: int
    grid: int
    shared: int


@dataclass
class Plan:
    """Everything to upload, and the launches in order."""

    launches: list[Launch]
    upload_bytes: int
    total_bytes: int
    border: int
    shape: int
    pieces: list[tuple[int, npt.NDArray[Any]]] = field(default_factory=list)
    relocations: list[tuple[npt.NDArray[Any], tuple[str, ...]]] = field(default_factory=list)

    def write(self, target: npt.NDArray[np.uint8], base: int) -> None:
        """Lay the upload out in `target`, for a device block that begins at address `base`."""
        for jobs, names in self.relocations:
            for name in names:
                jobs[name] += base
        for offset, array in self.pieces:
            size = array.nbytes
            target[offset : offset + size] = array.reshape(-1).view(np.uint8)


@dataclass
class _Boxes:
    """The boxes of one launch group, one entry per box in every array."""

    record: Ints  # index of the box record
    width: Ints
    height: Ints
    channels: Ints
    interleaved: Ints
    steps: Ints  # (K, 2): y, x
    segments: Ints
    strength: Floats

    def __getitem__(self, which: Any) -> _Boxes:
        return _Boxes(*(getattr(self, name)[which] for name in self.__dataclass_fields__))

    def words(self, per_word: int) -> Ints:
        """Words in a row."""
        line = np.where(self.interleaved, self.width * self.channels, self.width)
        words: Ints = np.where(self.interleaved, 1, self.channels) * _divide_up(line, per_word)
        return words


def _divide_up(a: Any, b: Any) -> Any:
    return -(-a // b)


def make_plan(operation: Operation, images: ImageTable, boxes: _core.Boxes, shape: int, border: int) -> Plan:
    """Plan a call. `boxes` are resolved; none of them is empty."""
    image, working = boxes.image, boxes.working
    records = np.zeros(len(image), BOX)
    records["image"] = image
    records["working"] = working
    records["feather"] = boxes.feather
    records["strength"] = boxes.strength
    records["marked"] = boxes.marked
    records["radius"] = -1
    builder = _Builder(images, records, _core.overlap_levels(image, working), border)
    if isinstance(operation, GaussianBlur):
        builder.plan_blur(operation, boxes.row)
    elif isinstance(operation, Fill):
        builder.plan_fill(operation)
    else:
        builder.plan_cells()
    return builder.finish(shape)


def make_copy_plan(targets: ImageTable, sources: ImageTable) -> Plan:
    """Plan the copy of whole images."""
    records = np.zeros(len(targets.records), BOX)
    records["image"] = np.arange(len(records))
    records["working"][:, 2] = targets.sizes[:, 1]
    records["working"][:, 3] = targets.sizes[:, 0]
    builder = _Builder(targets, records, np.zeros(len(records), np.int32), REFLECT)
    builder.plan_copy(sources)
    return builder.finish(0)


class _Builder:
    def __init__(
        self, images: ImageTable, records: npt.NDArray[Any], level: npt.NDArray[np.int32], border: int
    ) -> None:
        self.images, self.records, self.level, self.border = images, records, level, border
        self.image, working = records["image"], records["working"]
        self.width = (working[:, 2] - working[:, 0]).astype(np.int64)
        self.height = (working[:, 3] - working[:, 1]).astype(np.int64)
        self.channels = images.records["channels"][self.image].astype(np.int64)
        self.strength = records["strength"]
        self.order = np.arange(len(records))
        self.boxes_at = images.records.nbytes
        self.cursor = self.boxes_at + records.nbytes
        self.launches: list[Launch] = []
        self.pieces: list[tuple[int, npt.NDArray[Any]]] = []
        self.relocations: list[tuple[npt.NDArray[Any], tuple[str, ...]]] = []
        self.scratch: list[tuple[npt.NDArray[Any], tuple[str, ...]]] = []
        self.scratch_bytes = 0

    def groups(self, path: Ints) -> list[tuple[int, Variant, npt.NDArray[np.intp]]]:
        """Boxes that can be launched together, in order: by level, then path, then specialisation.

        The records are sorted so that each group is a run of them.
        """
        variant = self.images.variant_of[self.image]
        key = (self.level.astype(np.int64) * 8 + path) * len(self.images.variants) + variant
        if key.size and (key == key[0]).all():
            starts = [0]
        else:
            self.order = np.argsort(key, kind="stable")
            key = key[self.order]
            starts = [0, *(np.flatnonzero(key[1:] != key[:-1]) + 1).tolist()]
            self.records = self.records[self.order]
        result = []
        for start, stop in zip(starts, [*starts[1:], len(key)], strict=True):
            first = int(key[start])
            variant_index = first % len(self.images.variants)
            kind = first // len(self.images.variants) % 8
            result.append((kind, self.images.variants[variant_index], np.arange(start, stop)))
        return result

    def select(self, records: npt.NDArray[np.intp]) -> _Boxes:
        """The sorted records' boxes."""
        source = self.order[records]
        image = self.image[source]
        return _Boxes(
            records,
            self.width[source],
            self.height[source],
            self.channels[source],
            self.images.records["interleaved"][image],
            self.records["steps"][records].astype(np.int64),
            self.records["segments"][records].astype(np.int64),
            self.strength[source],
        )

    # -- blur ---------------------------------------------------------------------------------------------------------

    def plan_blur(self, operation: GaussianBlur, row: npt.NDArray[np.int32]) -> None:
        width, height = self.width, self.height
        radius = operation.radius
        if radius.size:
            chosen = radius[row] if radius.size > 1 else radius
            self.records["radius"] = np.minimum(chosen, np.iinfo(np.int32).max)
        samples = width * self.channels
        floats = self.channels * (width + 3)  # of a scratch row, at most
        steps = np.zeros((len(width), 2), np.int64) if operation.direct else self.coarse_steps()
        spline = steps[:, 0] > 0
        span_y = np.maximum(height if self.border == SYMMETRIC else height - 1, 1)
        inverse = steps[:, 0] / span_y
        table = height + (2 if self.border == REPLICATE else 0)
        segments = np.maximum(np.minimum(1024 // samples, height // 16), 1)
        nodes = steps + MARGIN_NODES
        rows = np.maximum(
            segments * ((_divide_up(table, segments) * inverse).astype(np.int64) + SEGMENT_NODES), nodes[:, 0]
        )
        spline_bytes = (32 + 8 * TAPS + ENTRY_BYTES * table) + 4 * (
            rows * floats + 2 * nodes[:, 0] * nodes[:, 1] * self.channels
        )
        direct_bytes = 32 + 8 * THREADS + 4 * (height + width + 8) + 4 * height * floats
        small_bytes = np.where(spline, spline_bytes, direct_bytes)
        small = small_bytes <= SHARED_LIMIT
        # Large boxes: segments long enough that the coarse rows they share cost little.
        length = np.clip(np.ceil(8 / np.maximum(inverse, 1e-9)), 64, 512).astype(np.int64)
        self.records["segments"] = np.where(small, segments, _divide_up(table, length))
        self.records["steps"] = steps
        for kind, variant, records in self.groups(np.where(small, 0, 2) + np.where(spline, 0, 1)):
            if kind < 2:
                first = self.boxes_at + int(records[0]) * BOX.itemsize
                shared = int(small_bytes[self.order[records]].max())
                name = "small_direct" if kind else "small_spline"
                self.launches.append(Launch(Key(name, *variant), first, 0, len(records), len(records), shared))
            elif kind == 2:
                self.large_spline(variant, self.select(records))
            else:
                self.large_direct(variant, self.select(records))

    def coarse_steps(self) -> Ints:
        """Intervals of the coarse grid along y and x; 0 where only the direct filter keeps the bounds."""
        dtypes = np.array([variant.dtype == "uint8" for variant in self.images.variants])
        spread = np.where(dtypes, SPREAD_UINT8, SPREAD)[self.images.variant_of[self.image]]
        span = np.stack([self.height, self.width], axis=1) - (0 if self.border == SYMMETRIC else 1)
        spacing = self.strength / np.sqrt(spread * spread + 2 / 3)
        steps = np.maximum(np.ceil(span / spacing[:, None]), 1)
        fits = (2 * steps <= span).all(axis=1)
        chosen: Ints = np.where(fits[:, None], steps, 0).astype(np.int64)
        return chosen

    def large_spline(self, variant: Variant, boxes: _Boxes) -> None:
        words = boxes.words(samples_per_word(*variant))
        pitch = words * samples_per_word(*variant)
        span = boxes.height if self.border == SYMMETRIC else boxes.height - 1
        inverse = boxes.steps[:, 0] / span
        table = boxes.height + (2 if self.border == REPLICATE else 0)
        segment_rows = _divide_up(table, boxes.segments)
        nodes = boxes.steps + MARGIN_NODES
        rows = np.maximum(boxes.segments * ((segment_rows * inverse).astype(np.int64) + SEGMENT_NODES), nodes[:, 0])
        grid = 4 * nodes[:, 0] * nodes[:, 1] * boxes.channels
        coarse = nodes[:, 0] if self.border == REPLICATE else boxes.steps[:, 0] + (0 if self.border == SYMMETRIC else 1)
        blocks = boxes.segments * _divide_up(words, THREADS)
        shared = ENTRY_BYTES * int(segment_rows.max()) + 16
        for chunk, jobs in self.chunks(boxes, (16 + 4 * rows * pitch, grid, grid)):
            self.tiled("spline_decimate", variant, jobs, blocks[chunk], shared)
            self.tiled("spline_rows", variant, jobs, coarse[chunk], 4 * TAPS)
            self.tiled("spline_columns", variant, jobs, nodes[chunk, 0], 4 * TAPS)
            self.tiled("spline_interpolate", variant, jobs, blocks[chunk], shared)

    def large_direct(self, variant: Variant, boxes: _Boxes) -> None:
        words = boxes.words(samples_per_word(*variant))
        pitch = words * samples_per_word(*variant)
        ends = 2 + 2 * WEIGHT_PADDING
        tables = 4 * (2 * boxes.height + 1 + ends), 4 * (2 * boxes.width + 1 + ends)
        sizes = (16 + 4 * boxes.height * pitch, *tables)
        row_tiles = boxes.channels * _divide_up(boxes.width, TILE_X) * _divide_up(boxes.height, THREADS // LANES)
        column_tiles = _divide_up(words, THREADS) * _divide_up(boxes.height, OUTPUT_ROWS)
        for chunk, jobs in self.chunks(boxes, sizes):
            self.tiled("direct_weights", variant, jobs, np.full(jobs[1], 2), 8 * THREADS)
            self.tiled("direct_rows", variant, jobs, row_tiles[chunk], 4 * (THREADS // LANES) * PLANE)
            self.tiled("direct_columns", variant, jobs, column_tiles[chunk], 0)

    # -- cells and fill -----------------------------------------------------------------------------------------------

    def plan_cells(self) -> None:
        block = np.maximum(np.ceil(self.strength), 1)
        columns = np.maximum(self.width // block, 1).astype(np.int64)
        rows = np.maximum(self.height // block, 1).astype(np.int64)
        cell_width, cell_height = _divide_up(self.width, columns), _divide_up(self.height, rows)
        large = (cell_width > WIDEST) | (cell_width * cell_height > LARGEST)
        for kind, variant, records in self.groups(large.astype(np.int64)):
            boxes, source = self.select(records), self.order[records]
            across, down = columns[source], rows[source]
            if kind == 0:
                per_strip = np.maximum(STRIP * across // boxes.width, 1)
                strips = _divide_up(across, per_strip)
                samples = np.minimum(per_strip * cell_width[source], boxes.width) * boxes.channels
                sums = np.maximum(samples, THREADS)
                shared = 8 * int((sums + per_strip * boxes.channels).max())
                for chunk, jobs in self.chunks(boxes, None):
                    self.tiled("mosaic", variant, jobs, (strips * down)[chunk], shared)
            else:
                tiles = across * down * _divide_up(cell_height[source], BAND)
                nothing = np.zeros_like(tiles)
                for chunk, jobs in self.chunks(boxes, (8 * tiles * boxes.channels, nothing, nothing)):
                    self.tiled("cell_sums", variant, jobs, tiles[chunk], 8 * THREADS)
                    self.tiled("cell_fill", variant, jobs, tiles[chunk], 8 * 4)

    def plan_fill(self, operation: Fill) -> None:
        """`operation.value`: four float64 per specialisation of the images, of shape (variants, 4)."""
        colours = np.ascontiguousarray(operation.value, np.float64)
        colours_at = self.piece(colours)
        for _, variant, records in self.groups(np.zeros(len(self.image), np.int64)):
            boxes = self.select(records)
            tiles = _divide_up(boxes.words(samples_per_word(*variant)), THREADS) * _divide_up(boxes.height, FILL_ROWS)
            address = colours_at + 32 * self.images.variants.index(variant)
            for chunk, jobs in self.chunks(boxes, None, rows=address):
                self.tiled("fill", variant, jobs, tiles[chunk], 0)

    def plan_copy(self, sources: ImageTable) -> None:
        """Every image whole, from `sources`."""
        sources_at = self.piece(sources.records)
        for _, variant, records in self.groups(np.zeros(len(self.image), np.int64)):
            boxes = self.select(records)
            tiles = _divide_up(boxes.width * boxes.channels, THREADS) * _divide_up(boxes.height, FILL_ROWS)
            address = sources_at + IMAGE.itemsize * self.order[records]
            for chunk, jobs in self.chunks(boxes, None, rows=address):
                self.tiled("copy", variant, jobs, tiles[chunk], 0)

    # -- layout -------------------------------------------------------------------------------------------------------

    def piece(self, array: npt.NDArray[Any]) -> int:
        """Reserve room for `array` in the upload; its offset."""
        at = self.cursor
        self.pieces.append((at, array))
        self.cursor += _divide_up(array.nbytes, 16) * 16
        return at

    def chunks(
        self, boxes: _Boxes, sizes: tuple[Ints, Ints, Ints] | None, rows: int | Ints = 0
    ) -> list[tuple[slice, tuple[int, int]]]:
        """Job records for `boxes`, in runs whose scratch fits: (slice of the boxes, (offset of the jobs, count)).

        `sizes`: bytes of each job's three buffers; every run begins again at the start of the scratch.
        """
        count = len(boxes.record)
        jobs = np.zeros(count, JOB)
        jobs["box"] = self.boxes_at + boxes.record * BOX.itemsize
        at = self.piece(jobs)
        names: tuple[str, ...] = ("box",)
        if sizes is None:
            jobs["rows"] = rows
            self.relocations.append((jobs, ("box", "rows")))
            return [(slice(0, count), (at, count))]
        padded = [_divide_up(size, 16) * 16 for size in sizes]
        need = padded[0] + padded[1] + padded[2]
        bounds, start = [0], 0
        ends = np.cumsum(need)
        while start < count:
            limit = (ends[start - 1] if start else 0) + SCRATCH_LIMIT
            start = max(int(np.searchsorted(ends, limit, side="right")), start + 1)
            bounds.append(start)
        result = []
        for begin, end in pairwise(bounds):
            offset = np.concatenate(([0], ends[begin : end - 1] - (ends[begin] - need[begin])))
            part = slice(begin, end)
            # A buffer of rows begins after 16 bytes that hold the pivots.
            jobs["rows"][part] = offset + (16 if padded[1].any() else 0)
            jobs["grid"][part] = offset + padded[0][part]
            jobs["filtered"][part] = offset + padded[0][part] + padded[1][part]
            self.scratch_bytes = max(self.scratch_bytes, int(need[part].sum()))
            result.append((part, (at + begin * JOB.itemsize, end - begin)))
        self.relocations.append((jobs, names))
        self.scratch.append((jobs, ("rows", "grid", "filtered")))
        return result

    def tiled(self, name: str, variant: Variant, jobs: tuple[int, int], tiles: Ints, shared: int) -> None:
        """One launch with `tiles` blocks for each of the jobs."""
        at, count = jobs
        prefix = np.zeros(count + 1, np.int32)
        np.cumsum(tiles, out=prefix[1:])
        self.launches.append(Launch(Key(name, *variant), at, self.piece(prefix), count, int(prefix[-1]), shared))

    def finish(self, shape: int) -> Plan:
        upload = _divide_up(self.cursor, 256) * 256
        for jobs, names in self.scratch:
            for name in names:
                jobs[name] += upload
            self.relocations.append((jobs, names))
        pieces = [(0, self.images.records), (self.boxes_at, self.records), *self.pieces]
        return Plan(self.launches, upload, upload + self.scratch_bytes, self.border, shape, pieces, self.relocations)
