"""The source tree: what it holds, without ever leaving it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_BEFORE, _AFTER = ".fastblur-", ".tmp"


def temporary_name(unique: str) -> str:
    """The name of an output file until it is complete; `unique` is anything that no other file under way has."""
    return _BEFORE + unique + _AFTER


def is_temporary(name: str) -> bool:
    """Whether a file of this name is one that is not complete, or was left by a run that was ended."""
    return name.startswith(_BEFORE) and name.endswith(_AFTER)


class Found(NamedTuple):
    """A file below the source folder, by its path relative to it; `problem` if it must not be read."""

    path: str
    problem: str | None = None


def scan(root: Path) -> Iterator[Found]:
    """Every file below `root`, one folder in memory at a time.

    A link to a file inside the tree is that file. A link that leads out of the tree or nowhere, or to a folder (which
    would be met twice, or for ever), what is neither file nor folder, and what has a name like the temporary files of
    the output, is found with a problem.
    """
    inside = os.path.realpath(root) + os.sep
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            children = sorted(os.scandir(os.path.join(root, folder)), key=lambda child: child.name)
        except OSError as error:
            yield Found(folder or ".", f"unreadable-folder: {error.strerror}")
            continue
        for child in children:
            path = os.path.join(folder, child.name)
            if is_temporary(child.name):
                yield Found(path, "reserved-name: files with such names are removed from the output")
            elif child.is_symlink():
                yield Found(path, _problem_of_link(child.path, inside))
            elif child.is_dir():
                folders.append(path)
            elif child.is_file():
                yield Found(path)
            else:
                yield Found(path, "special-file: neither a file nor a folder")


def _problem_of_link(link: str, inside: str) -> str | None:
    target = os.path.realpath(link)
    if not target.startswith(inside):
        return "link-leaves-tree: the symbolic link leads out of the source folder"
    if os.path.isdir(target):
        return "link-to-folder: the symbolic link leads to a folder"
    if not os.path.isfile(target):
        return "link-broken: the symbolic link leads to no file"
    return None


def printable(path: str) -> str:
    """`path` for a terminal or a page: control characters and undecodable bytes escaped, on one line."""
    return path if path.isprintable() else path.encode("unicode_escape", "backslashreplace").decode("ascii")
