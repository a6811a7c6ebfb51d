"""Libraries of the `dataset` extra, imported when first needed."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


@cache
def require(module: str, package: str | None = None) -> ModuleType:
    """Import a module of the extra, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = package or module
        raise ImportError(f"{name} is needed for this file: pip install 'fastblur[dataset]' ({error})") from error
