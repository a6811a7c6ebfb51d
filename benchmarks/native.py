"""The loops in C (native.c), compiled once per process with the system's C compiler and called through ctypes."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.cases import Work

FLAGS = ("-O3", "-shared", "-fPIC")


class UnavailableError(Exception):
    """A peer, or what it needs, is not on this machine; the message says what is missing."""


class Images(ctypes.Structure):
    """`Images` of native.c."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("image_stride", ctypes.c_int64),
        ("plane_stride", ctypes.c_int64),
        ("row_stride", ctypes.c_int64),
        ("planes", ctypes.c_int64),
        ("pixel_size", ctypes.c_int64),
    )


def images_of(work: Work) -> Images:
    """How native.c addresses the images of `work`."""
    a = work.images
    if work.layout == "NHWC":
        return Images(a.ctypes.data, a.strides[0], 0, a.strides[1], 1, a.shape[3] * a.itemsize)
    return Images(a.ctypes.data, a.strides[0], a.strides[1], a.strides[2], a.shape[1], a.itemsize)


def compiler() -> str | None:
    """The system's C compiler, or None."""
    return next((path for path in map(shutil.which, ("cc", "gcc", "clang")) if path), None)


@cache
def library() -> ctypes.CDLL:
    """native.c, compiled."""
    cc = compiler()
    if cc is None:
        raise UnavailableError("no C compiler (cc, gcc or clang) to build benchmarks/native.c with")
    # On Linux and macOS a loaded library outlives its file, so the folder can go at once.
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "native.so"
        source = Path(__file__).with_name("native.c")
        done = subprocess.run([cc, *FLAGS, "-o", str(target), str(source)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise UnavailableError(f"{cc} cannot build benchmarks/native.c: {done.stderr.strip()}")
        return ctypes.CDLL(str(target))


def copy_boxes(work: Work) -> None:
    """Every box out into a dense block and back."""
    pointer = work.boxes.ctypes.data_as(ctypes.c_void_p)
    if library().copy_boxes(ctypes.byref(images_of(work)), pointer, ctypes.c_int64(len(work.boxes))):
        raise MemoryError("no memory for the block of copy_boxes")
