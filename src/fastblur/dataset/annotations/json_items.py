"""JSON that is too big to turn into Python objects at once: mapped into memory, one item decoded at a time."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, TypeVar

import msgspec

from .entry import AnnotationError

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


def mapped(path: Path) -> mmap.mmap:
    """The bytes of a file, paged in as they are read and dropped by the system when memory is short.

    It is closed with the last slice of it that is in use.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise AnnotationError(f"{path}: the file is empty")
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def decode(path: Path, content: mmap.mmap | msgspec.Raw, kind: type[T]) -> T:
    """`content` as `kind`; items that `kind` declares as Raw stay slices of the mapped file."""
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise AnnotationError(f"{path}: {error}") from None
    except UnicodeDecodeError as error:
        raise AnnotationError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise AnnotationError(f"{path}: nested too deeply") from None
