"""JSON that is too big to turn into Python objects at once: mapped into memory, one item decoded at a time."""

from __future__ import annotations

import json
import mmap
import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from .entry import AnnotationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
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


def repeated(raw: bytes | msgspec.Raw) -> str | None:
    """What is wrong with an item in which an object has a member twice: a decoder keeps the last of them.

    It takes several times as long as decoding, so readers first see whether an item holds more than they took from it.
    """
    try:
        json.loads(bytes(raw), object_pairs_hook=_once, parse_int=str)
    except _RepeatedError as error:
        return f"the member {error.args[0]!r} occurs twice"
    except (ValueError, RecursionError) as error:  # in what the reader has no use for
        return f"it cannot be read in whole: {error}"
    return None


def count_of(names: Sequence[str]) -> Callable[[bytes | msgspec.Raw], int]:
    """A function that counts the members of these names in an item; -1 where one may be written with an escape."""
    members = re.compile(rb'"(?:%s)"\s*:' % "|".join(names).encode())
    return lambda raw: -1 if b"\\u" in bytes(raw) else len(members.findall(raw))


class _RepeatedError(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for name, _ in pairs:
        if name in seen:
            raise _RepeatedError(name)
        seen.add(name)


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
