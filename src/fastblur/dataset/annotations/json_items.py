"""JSON that is too big to turn into Python objects at once: mapped into memory, one item decoded at a time."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from .entry import AnnotationError

if TYPE_CHECKING:
    from collections.abc import Callable
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


class Key(str):
    """A key of an object. Decoding calls a hook for each of this type, a repeated one too."""

    __slots__ = ()


def members(path: Path, content: mmap.mmap) -> dict[Key, msgspec.Raw]:
    """The members of the object that `content` is. A key that occurs twice is an error: a decoder keeps one of both."""
    seen: set[str] = set()

    def once(_: type, key: str) -> Key:
        if key in seen:
            raise ValueError(f"the key {key!r} occurs twice")
        seen.add(key)
        return Key(key)

    return decode(path, content, dict[Key, msgspec.Raw], once)


def decode(
    path: Path, content: mmap.mmap | msgspec.Raw, kind: type[T], hook: Callable[[type, Any], Any] | None = None
) -> T:
    """`content` as `kind`; items that `kind` declares as Raw stay slices of the mapped file."""
    try:
        return msgspec.json.decode(content, type=kind, dec_hook=hook)
    except msgspec.DecodeError as error:
        raise AnnotationError(f"{path}: {error}") from None
    except UnicodeDecodeError as error:
        raise AnnotationError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise AnnotationError(f"{path}: nested too deeply") from None
