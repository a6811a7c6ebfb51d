"""Strided copies, for containers that bring none of their own: `out=None` begins with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastblur.cuda.tables import FILL_ROWS

from .intrinsics import cuda, load_i64
from .records import box_view, find_tile

if TYPE_CHECKING:
    from types import SimpleNamespace


def copy_kernel(access: SimpleNamespace) -> Any:
    """Every sample of a job's box, from the image record at the job's `rows` to the box's own image."""
    load_sample, store_sample, sample_address = access.load_sample, access.store_sample, access.sample_address
    per_word = access.per_word

    def copy(images: Any, jobs: Any, prefix: Any, job_count: Any, border: Any, shape: Any) -> None:
        job, tile = find_tile(jobs, prefix, job_count)
        box, source = load_i64(job), load_i64(job + 8)
        view = box_view(images, box, per_word)
        samples = view.width * view.channels
        blocks = (samples + cuda.blockDim.x - 1) // cuda.blockDim.x
        item = (tile % blocks) * cuda.blockDim.x + cuda.threadIdx.x
        if item < samples:
            x = item // view.channels if view.interleaved else item % view.width
            c = item % view.channels if view.interleaved else item // view.width
            step_y = load_i64(source + 16)
            address = load_i64(source) + x * load_i64(source + 8) + c * load_i64(source + 24)
            start = tile // blocks * FILL_ROWS
            for y in range(start, min(start + FILL_ROWS, view.height)):
                store_sample(sample_address(view, x, y, c), load_sample(address + y * step_y))

    return copy
