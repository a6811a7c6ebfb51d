"""Intel IPP's FilterGaussianBorder, from the PyPI package `ipp`, called by native.c."""

from __future__ import annotations

import ctypes
import importlib.metadata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.native import UnavailableError, images_of, library

if TYPE_CHECKING:
    from benchmarks.cases import Work

# IPP's names of its code for one instruction set, strongest first, with the bits of ippGetCpuFeatures that it needs:
# AVX-512 F, CD, BW, DQ and VL; AVX2; SSE4.2.
VARIANTS = (("k0", 0x0730_0000), ("l9", 0x8000), ("y8", 0x80))
TYPES = {np.dtype(np.uint8): (1, "8u"), np.dtype(np.float32): (13, "32f")}


class Ipp(NamedTuple):
    """The library with the filters, and the name of the variant it was compiled for."""

    cv: ctypes.CDLL
    variant: str


@cache
def load() -> Ipp:
    """ippcv for this CPU.

    The wheel's dispatcher looks for files under names (libippcvk0.so.12.1) which the wheel does not have, so this
    loads the variant itself that the dispatcher would have chosen; it exports the same functions.
    """
    try:
        files = importlib.metadata.distribution("ipp").files or []
    except importlib.metadata.PackageNotFoundError:
        raise UnavailableError("the package ipp is not installed (Linux x86-64: pip install ipp)") from None
    paths = {file.name.split(".")[0]: Path(str(file.locate())) for file in files if ".so" in file.name}
    if "libippcore" not in paths:
        raise UnavailableError("the package ipp holds no libippcore.so")
    try:
        core = ctypes.CDLL(str(paths["libippcore"]), mode=ctypes.RTLD_GLOBAL)
        core.ippInit()
        mask = ctypes.c_uint64()
        core.ippGetCpuFeatures(ctypes.byref(mask), None)
        for variant, needed in VARIANTS:
            if mask.value & needed == needed and f"libippcv{variant}" in paths:
                return Ipp(ctypes.CDLL(str(paths[f"libippcv{variant}"])), variant)
    except OSError as error:
        raise UnavailableError(f"Intel IPP cannot be loaded: {error}") from None
    raise UnavailableError(f"the package ipp has no code for this CPU (features {mask.value:#x})")


def gaussian(work: Work) -> None:
    """IPP's Gaussian of every box, in place, borders replicated."""
    cv = load().cv
    kind, suffix = TYPES[work.images.dtype]
    images = images_of(work)
    channels = 1 if images.planes > 1 else work.images.shape[3]
    status = library().ipp_gaussian_boxes(
        ctypes.byref(images),
        work.boxes.ctypes.data_as(ctypes.c_void_p),
        work.strength.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_int64(len(work.boxes)),
        kind,
        channels,
        cv.ippiFilterGaussianGetBufferSize,
        cv.ippiFilterGaussianInit,
        getattr(cv, f"ippiFilterGaussianBorder_{suffix}_C{channels}R"),
    )
    if status:
        raise RuntimeError(f"Intel IPP returned status {status}")
