"""What every annotation reader yields, and what it may be told."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Box = tuple[float, float, float, float]


class AnnotationError(ValueError):
    """The annotation file as a whole cannot be used; the message names the file and the place in it."""


class Entry(NamedTuple):
    """Boxes of one image, or some of them: entries with the same key are put together.

    `boxes` are corners (x1, y1, x2, y2), half-open, in pixels or, with `normalised`, in fractions of the image's
    width and height. An entry without boxes says that the image was looked at and holds nothing to hide. `size` is
    the (width, height) the annotation claims. A `problem` makes the image be left out: its boxes cannot be trusted.
    """

    key: str
    boxes: list[Box]
    normalised: bool = False
    size: tuple[int, int] | None = None
    problem: str | None = None


@dataclass
class Labels:
    """Which labels to obfuscate: those of `wanted`, or all of them if it is None."""

    wanted: frozenset[str] | None = None
    seen: set[str] = field(default_factory=set)

    def keep(self, *names: str) -> bool:
        """Whether a box that goes by any of `names` is to be obfuscated."""
        if self.wanted is None:
            return True
        found = self.wanted.intersection(names)
        self.seen |= found
        return bool(found)

    def check(self) -> None:
        """A label that no box carries is a misspelt one, and a misspelt one leaves faces clear."""
        if self.wanted is not None and (missing := self.wanted - self.seen):
            raise AnnotationError(f"--labels: no box is labelled {', '.join(map(repr, sorted(missing)))}")


@dataclass(frozen=True)
class ReaderOptions:
    """What the command line says about the annotation file; `box_format`, `normalised` and `columns` are for csv."""

    labels: Labels = field(default_factory=Labels)
    box_format: str = "xyxy"
    normalised: bool = False
    columns: tuple[tuple[str, str], ...] = ()


def corners(values: tuple[float, float, float, float], box_format: str) -> Box:
    """A box in `box_format` (xyxy, xywh, cxcywh) as (x1, y1, x2, y2)."""
    a, b, c, d = values
    if box_format == "xywh":
        return a, b, a + c, b + d
    if box_format == "cxcywh":
        return a - c / 2, b - d / 2, a + c / 2, b + d / 2
    return a, b, c, d


def number(text: str) -> float:
    """The finite number in `text`; ValueError that shows the text otherwise."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not finite")
    return value


def files_below(root: Path, suffix: str) -> Iterable[Path]:
    """Files of a folder tree with `suffix` in any case, in a fixed order, one folder in memory at a time."""
    folders = [root]
    while folders:
        folder = folders.pop()
        children = sorted(folder.iterdir())
        folders.extend(child for child in reversed(children) if child.is_dir() and not child.is_symlink())
        yield from (child for child in children if child.suffix.lower() == suffix and child.is_file())
