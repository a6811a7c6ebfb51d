"""Every kernel by name: its specialisations, their compilation to PTX, and the cache on disk.

A specialisation is (name, dtype, contiguous). PTX is made for compute capability 8.0 and assembled by the driver for
the device at hand, so one text serves every device, and what the tests assemble ahead of time is what runs.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import sys
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from fastblur.cuda.tables import THREADS

COMPUTE_CAPABILITY = (8, 0)

BY_IMAGE = (
    "small_spline",
    "small_direct",
    "spline_decimate",
    "spline_interpolate",
    "direct_rows",
    "direct_columns",
    "mosaic",
    "cell_sums",
    "cell_fill",
    "fill",
    "copy",
)
"""Kernels that touch images, specialised by dtype and kind of rows."""

BY_WORD = ("spline_rows", "spline_columns")
"""Kernels that touch scratch only, specialised by samples per word."""

SINGLE = ("direct_weights",)


class Key(NamedTuple):
    """A specialisation. `dtype` and `contiguous` are those of the images, for every kernel."""

    name: str
    dtype: str
    contiguous: bool


def samples_per_word(dtype: str, contiguous: bool) -> int:
    """Samples that a thread handles at once."""
    return {"uint8": 4, "uint16": 2, "float16": 2, "float32": 1}[dtype] if contiguous else 1


def canonical(key: Key) -> Key:
    """The specialisation whose code serves `key`: kernels that never touch an image depend on less."""
    if key.name in SINGLE:
        return Key(key.name, "float32", True)
    if key.name in BY_WORD:
        dtype = {4: "uint8", 2: "uint16", 1: "float32"}[samples_per_word(key.dtype, key.contiguous)]
        return Key(key.name, dtype, True)
    return key


def specialise(key: Key) -> Any:
    """The Python function of a specialisation, ready for Numba."""
    from fastblur.cuda import cells, copies, direct, small, spline
    from fastblur.cuda.samples import sample_access

    if key.name in SINGLE:
        return direct.direct_weights
    if key.name in BY_WORD:
        make = {"spline_rows": spline.rows_kernel, "spline_columns": spline.columns_kernel}[key.name]
        return make(samples_per_word(key.dtype, key.contiguous))
    factories = {
        "small_spline": small.small_spline_kernel,
        "small_direct": small.small_direct_kernel,
        "spline_decimate": spline.decimate_kernel,
        "spline_interpolate": spline.interpolate_kernel,
        "direct_rows": direct.direct_rows_kernel,
        "direct_columns": direct.direct_columns_kernel,
        "mosaic": cells.mosaic_kernel,
        "cell_sums": cells.cell_sums_kernel,
        "cell_fill": cells.cell_fill_kernel,
        "fill": cells.fill_kernel,
        "copy": copies.copy_kernel,
    }
    return factories[key.name](sample_access(key.dtype, key.contiguous))


def compile_ptx(key: Key) -> str:
    """The PTX of a specialisation."""
    cuda, types = import_module("numba.cuda"), import_module("numba.types")
    i64, i32 = types.int64, types.int32
    signature = types.void(i64, i64, i64, i32, i32, i32)
    ptx, _ = cuda.compile_ptx(specialise(key), signature, cc=COMPUTE_CAPABILITY, launch_bounds=(THREADS, 2))
    return str(ptx)


def entry_point(ptx: str) -> str:
    """The kernel's name in PTX."""
    found = re.search(r"\.visible \.entry (\w+)\(", ptx)
    if found is None:
        raise ValueError("the PTX has no entry point")
    return found.group(1)


def cached_ptx(key: Key) -> str:
    """The PTX of a specialisation, from disk if this version of the code was compiled before."""
    path = _cache_directory() / f"{key.name}-{key.dtype}-{'word' if key.contiguous else 'sample'}-{_fingerprint()}.ptx"
    try:
        return path.read_text()
    except OSError:
        ptx = compile_ptx(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False) as file:
            file.write(ptx)
        Path(file.name).replace(path)
    except OSError:
        pass  # a cache that cannot be written costs time, never the result
    return ptx


def _cache_directory() -> Path:
    """FASTBLUR_CACHE_DIR, else the platform's place for caches."""
    given = os.environ.get("FASTBLUR_CACHE_DIR")
    if given:
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "fastblur" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fastblur"


@cache
def _fingerprint() -> str:
    """Changes with every source of the kernels and with the compiler."""
    digest = hashlib.sha256(importlib.metadata.version("numba-cuda").encode())
    for name in ("llvmlite", "numba"):
        digest.update(importlib.metadata.version(name).encode())
    digest.update(sys.version.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
