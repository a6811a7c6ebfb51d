"""What travels to the device, and the sizes that the host's plan and the kernels must agree on.

The plan is made in C++ (device_plan.cpp), which has the three records as structs and is given the sizes.

All addresses and strides are in bytes; strides may be negative. One upload carries the records of the images, of the
boxes and of the jobs, then for every tiled launch its jobs' running totals of tiles (int32, jobs + 1 of them).
"""

from __future__ import annotations

import numpy as np

REFLECT, SYMMETRIC, REPLICATE = 0, 1, 2  # as fastblur._api numbers them
RECTANGLE, ELLIPSE = 0, 1

IMAGE = np.dtype(
    [
        ("address", "i8"),
        ("step_x", "i8"),
        ("step_y", "i8"),
        ("step_c", "i8"),
        ("channels", "i4"),
        ("interleaved", "i4"),
    ]
)
BOX = np.dtype(
    [
        ("image", "i4"),
        ("working", "i4", (4,)),
        ("feather", "i4"),
        ("radius", "i4"),
        ("segments", "i4"),
        ("strength", "f8"),
        ("marked", "f8", (4,)),
        ("steps", "i4", (2,)),
    ]
)
"""`steps`: intervals of the coarse grid along y and x, 0 for the direct filter; `segments`: shares of the rows."""
JOB = np.dtype(
    [
        ("box", "i8"),
        ("rows", "i8"),
        ("grid", "i8"),
        ("filtered", "i8"),
    ]
)
"""A box in a tiled launch: the address of its record and of its scratch buffers."""

IMAGE_BYTES, BOX_BYTES, JOB_BYTES = IMAGE.itemsize, BOX.itemsize, JOB.itemsize

THREADS = 256  # of every block
SHARED_LIMIT = 96 * 1024  # shared memory of a block at most: every device from 8.0 on allows 99 KiB
SCRATCH_LIMIT = 64 << 20  # scratch of a call, unless one box alone needs more: boxes are taken in chunks that fit

# Spline path.
ENTRY_BYTES = 20  # of a row table: int32 node, four float32 weights
TAPS = 32  # floats kept for half a coarse kernel
MARGIN_NODES = 5  # nodes -2 .. steps + 2 of the filtered grid
SEGMENT_NODES = 6  # coarse rows that a segment of rows touches beyond its own length

# Direct path.
OUTPUTS = 8  # neighbouring outputs of a thread along x, which share the samples they load
LANES = 32  # threads side by side in a tile; the block's other threads take further rows
TILE_X = LANES * OUTPUTS  # pixels of a tile along x
PIECE = TILE_X + 64  # pixels of the continued row that a tile holds at a time
PLANE = PIECE + PIECE // OUTPUTS + OUTPUTS + 1  # floats of a piece: one skipped per 8 against bank conflicts
OUTPUT_ROWS = 4  # neighbouring output rows of a thread along y
WEIGHT_PADDING = 3 * OUTPUTS  # zeros on either side of a kernel

# Cells, fill and copy.
STRIP = 256  # pixels across a strip of small cells
WIDEST = 512  # pixels across the widest cell that one block handles
LARGEST = 32768  # pixels of the largest cell that one block handles
BAND = 64  # rows of a band of a large cell
FILL_ROWS = 16  # rows that a thread fills or copies

SIZES = {
    "threads": THREADS,
    "shared_limit": SHARED_LIMIT,
    "scratch_limit": SCRATCH_LIMIT,
    "entry_bytes": ENTRY_BYTES,
    "taps": TAPS,
    "margin_nodes": MARGIN_NODES,
    "segment_nodes": SEGMENT_NODES,
    "lanes": LANES,
    "tile_x": TILE_X,
    "plane": PLANE,
    "output_rows": OUTPUT_ROWS,
    "weight_padding": WEIGHT_PADDING,
    "strip": STRIP,
    "widest": WIDEST,
    "largest": LARGEST,
    "band": BAND,
    "fill_rows": FILL_ROWS,
}
"""What the plan has to know of them."""
