"""Rewrite the DCT blocks that boxes touch, and leave every other coefficient of a JPEG file as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastblur.dataset.files import jpeg_markers as jm
from fastblur.dataset.files.optional import require
from fastblur.dataset.files.scratch import scratch_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastblur.dataset.files.picture import Box, Frame

Coefficients = NDArray[np.int32]
Plane = NDArray[np.float32]

# The orthonormal DCT-II of 8 samples; JPEG's transform is this along both axes.
_K, _N = np.mgrid[:8, :8]
_DCT = (np.where(_K == 0, np.sqrt(0.125), 0.5) * np.cos((2 * _N + 1) * _K * np.pi / 16)).astype(np.float32)

# JFIF's RGB to YCbCr, as exact as libjpeg's 16-bit fixed point of it.
_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]], np.float32
)


class BlocksError(Exception):
    """Coefficients that cannot be rewritten; the message says why."""


@dataclass(frozen=True)
class _Grid:
    """How one component samples the image: the image pixels per sample, and its size in blocks."""

    step_x: int
    step_y: int
    blocks_x: int
    blocks_y: int


def _grids(layout: jm.Layout) -> list[_Grid]:
    h_max = max(component.h for component in layout.components)
    v_max = max(component.v for component in layout.components)
    grids = []
    for component in layout.components:
        if h_max % component.h or v_max % component.v:
            raise BlocksError(f"sampling {component.h}x{component.v} of {h_max}x{v_max} is fractional")
        step_x, step_y = h_max // component.h, v_max // component.v
        grids.append(_Grid(step_x, step_y, -(-layout.width // (8 * step_x)), -(-layout.height // (8 * step_y))))
    return grids


def read(data: bytes, layout: jm.Layout) -> Any:
    """The coefficients of a file that is known to decode without a warning."""
    if layout.arithmetic:
        raise BlocksError("arithmetic coding")
    if layout.redefines_tables:
        raise BlocksError("quantisation tables change between scans")
    jpegio = require("jpegio", "pyjpegio")
    with scratch_path(jm.normalised(data, layout)) as path:
        try:
            jpeg = jpegio.read(path)
        except (RuntimeError, ValueError, OSError) as error:
            raise BlocksError(f"coefficients cannot be read: {error}") from error
    shapes = [(grid.blocks_y * 8, grid.blocks_x * 8) for grid in _grids(layout)]
    if [array.shape for array in jpeg.coef_arrays] != shapes:
        raise BlocksError(f"coefficients of shapes {[a.shape for a in jpeg.coef_arrays]}, expected {shapes}")
    return jpeg


def _write(jpeg: Any) -> bytes:
    # The source's own Huffman tables may lack codes that the new coefficients need.
    jpeg.optimize_coding = True
    with scratch_path() as path:
        try:
            jpeg.write(path)
        except (RuntimeError, ValueError, OSError) as error:
            raise BlocksError(f"coefficients cannot be written: {error}") from error
        with open(path, "rb") as file:
            return file.read()


def _planes(pixels: Frame, colour: str) -> Plane:
    """Pixels (H, W) or (H, W, C) as components (C, H, W) in the colour space of the file."""
    samples = pixels.astype(np.float32)
    if colour == "L":
        return samples[None]
    if colour == "YCCK":
        # Adobe's YCCK: the transform of 255 - CMY, black as it is.
        samples[..., :3] = 255 - samples[..., :3]
    planes = np.ascontiguousarray(np.moveaxis(samples, -1, 0))
    if colour in ("YCbCr", "YCCK"):
        planes[:3] = np.tensordot(_YCC, planes[:3], axes=1)
        planes[1:3] += 128
    return np.asarray(planes, np.float32)


def _clipped(box: Box, layout: jm.Layout) -> Box | None:
    x1, y1, x2, y2 = max(box[0], 0), max(box[1], 0), min(box[2], layout.width), min(box[3], layout.height)
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def _touched(box: Box, grid: _Grid, layout: jm.Layout) -> tuple[slice, slice]:
    """The samples of a component that a box covers, as rows and columns.

    At the right and bottom edge of the image they go on to the end of the block: what is behind the edge repeats it.
    """
    x1, y1, x2, y2 = box
    right = grid.blocks_x * 8 if x2 == layout.width else -(-x2 // grid.step_x)
    bottom = grid.blocks_y * 8 if y2 == layout.height else -(-y2 // grid.step_y)
    return slice(y1 // grid.step_y, bottom), slice(x1 // grid.step_x, right)


def _blocks(samples: slice) -> slice:
    return slice(samples.start // 8, -(-samples.stop // 8))


def _as_blocks(plane: NDArray[Any]) -> NDArray[Any]:
    rows, columns = plane.shape
    blocks: NDArray[Any] = plane.reshape(rows // 8, 8, columns // 8, 8).swapaxes(1, 2)
    return blocks


def _rewrite_box(jpeg: Any, layout: jm.Layout, pixels: Frame, box: Box) -> None:
    grids, tables = _grids(layout), layout.component_tables
    # One crop of pixels that covers the touched samples of all components, edges repeated.
    unit_x, unit_y = max(g.step_x for g in grids), max(g.step_y for g in grids)
    left, top = box[0] // unit_x * unit_x, box[1] // unit_y * unit_y
    reach = [_touched(box, grid, layout) for grid in grids]
    right = max(columns.stop * g.step_x for (_, columns), g in zip(reach, grids, strict=True))
    bottom = max(rows.stop * g.step_y for (rows, _), g in zip(reach, grids, strict=True))
    right, bottom = -(-right // unit_x) * unit_x, -(-bottom // unit_y) * unit_y
    crop = pixels[top : min(bottom, layout.height), left : min(right, layout.width)]
    padding = [(0, bottom - top - crop.shape[0]), (0, right - left - crop.shape[1])] + [(0, 0)] * (pixels.ndim - 2)
    planes = _planes(np.pad(crop, padding, mode="edge"), layout.colour)

    for plane, grid, table, coefficients, (rows, columns) in zip(
        planes, grids, tables, jpeg.coef_arrays, reach, strict=True
    ):
        height, width = plane.shape
        sampled = plane.reshape(height // grid.step_y, grid.step_y, width // grid.step_x, grid.step_x).mean(axis=(1, 3))
        new = sampled[
            rows.start - top // grid.step_y : rows.stop - top // grid.step_y,
            columns.start - left // grid.step_x : columns.stop - left // grid.step_x,
        ]
        block_rows, block_columns = _blocks(rows), _blocks(columns)
        region = coefficients[
            block_rows.start * 8 : block_rows.stop * 8, block_columns.start * 8 : block_columns.stop * 8
        ]
        steps = np.array(table, np.float32).reshape(8, 8)
        # Samples of a touched block outside the box come from the coefficients they had, not from the pixels they
        # decode to: that loses neither what clipping nor what chroma upsampling would. Inside, nothing old remains.
        samples = _DCT.T @ (_as_blocks(region) * steps) @ _DCT
        merged = samples.swapaxes(1, 2).reshape(region.shape)
        merged[
            rows.start - block_rows.start * 8 : rows.stop - block_rows.start * 8,
            columns.start - block_columns.start * 8 : columns.stop - block_columns.start * 8,
        ] = new - 128
        quantised = np.rint(_DCT @ _as_blocks(merged) @ _DCT.T / steps)
        # What 8-bit JPEG can code: 10 bits for AC, and a DC within reach of the level shift.
        limited = np.clip(quantised, -1023, 1023)
        region[...] = limited.astype(np.int32).swapaxes(1, 2).reshape(region.shape)


def rewrite(data: bytes, layout: jm.Layout, pixels: Frame, touched: list[Box]) -> bytes:
    """A JPEG stream with the blocks under the boxes made from `pixels`, all other coefficients those of `data`.

    Every DCT block, of every component, that holds a sample of a box (x1, y1, x2, y2) is rewritten; with subsampled
    chroma these reach further than the box. The stream has been read again and holds exactly these coefficients.
    Raises `BlocksError` where that cannot be done.
    """
    jpeg = read(data, layout)
    for box in touched:
        clipped = _clipped(box, layout)
        if clipped is not None:
            _rewrite_box(jpeg, layout, pixels, clipped)
    stream = _write(jpeg)
    again = read(stream, jm.parse(stream))
    if not all(np.array_equal(a, b) for a, b in zip(jpeg.coef_arrays, again.coef_arrays, strict=True)):
        raise BlocksError("the coefficients written do not read back")
    return stream


def _masks(layout: jm.Layout, touched: list[Box]) -> Iterator[NDArray[np.bool_]]:
    """For each component, which of its blocks the boxes touch."""
    for grid in _grids(layout):
        mask = np.zeros((grid.blocks_y, grid.blocks_x), bool)
        for box in touched:
            clipped = _clipped(box, layout)
            if clipped is not None:
                rows, columns = _touched(clipped, grid, layout)
                mask[_blocks(rows), _blocks(columns)] = True
        yield mask


def differences(source: bytes, output: bytes, touched: list[Box]) -> list[str]:
    """What differs between two files besides the coefficients of touched blocks; empty if nothing does."""
    before, after = jm.parse(source), jm.parse(output)
    if (before.width, before.height) != (after.width, after.height):
        return [f"size: {before.width}x{before.height} became {after.width}x{after.height}"]
    sampling = [[(c.h, c.v) for c in layout.components] for layout in (before, after)]
    if sampling[0] != sampling[1]:
        return [f"sampling factors: {sampling[0]} became {sampling[1]}"]
    found = []
    if before.component_tables != after.component_tables:
        found.append("quantisation tables")
    if before.colour != after.colour:
        found.append(f"colour space: {before.colour} became {after.colour}")
    old, new = read(source, before), read(output, after)
    masks = _masks(before, touched)
    for number, (mask, a, b) in enumerate(zip(masks, old.coef_arrays, new.coef_arrays, strict=True)):
        changed = (_as_blocks(a) != _as_blocks(b)).any(axis=(2, 3)) & ~mask
        if changed.any():
            y, x = np.argwhere(changed)[0].tolist()
            count = int(changed.sum())
            found.append(f"component {number}: {count} untouched blocks changed, the first at column {x}, row {y}")
    return found
