"""Obfuscate many boxes in many images in one call: a true Gaussian blur, pixelation, fill."""

from typing import Any

from fastblur import _core
from fastblur._api import fill, gaussian_blur, pixelate
from fastblur._threads import get_num_threads, set_num_threads

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "build_info",
    "fill",
    "gaussian_blur",
    "get_num_threads",
    "pixelate",
    "set_num_threads",
]


def build_info() -> dict[str, Any]:
    """What this installation is: version, compiler, instruction sets built, supported and in use, CUDA backend.

    >>> import fastblur
    >>> sorted(fastblur.build_info())
    ['compiler', 'cuda', 'isa', 'isa_built', 'isa_supported', 'version']
    """
    from fastblur import cuda

    return {"version": __version__, **_core.build_info(), "cuda": cuda.build_info()}
