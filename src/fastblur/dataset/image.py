"""One image: from the bytes of the source and its entries to the bytes of the output. Reads and writes no files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import files, methods
from .files import ImageFileError
from .geometry import LeftOut, stored_boxes
from .methods import Applied

if TYPE_CHECKING:
    from .annotations import Box
    from .index import Item
    from .parameters import Parameters

HEAD = 4096
"""How many bytes of a file tell its format."""


@dataclass(frozen=True)
class Made:
    """What became of an image. `data` is None if the source's own bytes are the output."""

    status: str
    data: bytes | None = None
    applied: Applied = field(default_factory=lambda: Applied([], []))
    degenerate: list[Box] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def decide(item: Item, head: bytes, parameters: Parameters) -> str | None:
    """The status of a file that its first bytes settle, None if it is an image to `make`; LeftOut if it has no place.

    Unsettled are annotated images; "copied" and "copied-other" files are to be copied as they are.
    """
    hidden = any(entry.boxes or entry.problem for entry in item.entries)
    if files.sniff(head) is None:
        if hidden:
            raise LeftOut("not-an-image", "it is annotated, but is no JPEG, PNG, WebP, TIFF or BMP")
        if not parameters.copy_other:
            raise LeftOut("not-an-image", "no JPEG, PNG, WebP, TIFF or BMP; see --copy-other")
        return "copied-other"
    if item.annotated:
        return None
    if parameters.unannotated == "error":
        raise LeftOut("unannotated", "no annotation names it; see --unannotated")
    return "copied" if parameters.unannotated == "copy" else "skipped"


def make(item: Item, source: bytes, parameters: Parameters) -> Made:
    """Obfuscate an annotated image; LeftOut if it cannot be done safely."""
    try:
        hidden = any(entry.boxes for entry in item.entries)
        picture = files.decode(source, max_pixels=parameters.max_pixels, chroma=parameters.chroma) if hidden else None
        info = files.probe(source) if picture is None else picture.info
        found = stored_boxes(
            item.entries,
            info,
            orientation=parameters.boxes_orientation,
            keep_degenerate=parameters.method == "imagenet2021",
        )
        if picture is None or not found.boxes:
            return Made("copied", degenerate=found.degenerate)
        applied = methods.plan(found.boxes, info, parameters)
        for frame in picture.frames:
            if frame.shape[:2] != (info.height, info.width):
                raise LeftOut(
                    "multi-frame", f"frames of {frame.shape[1]}x{frame.shape[0]} and {info.width}x{info.height}"
                )
            methods.obfuscate(frame, applied, info, parameters)
        # What was encoded from pixels is read back in structure here; `fastblur verify` compares the pixels.
        encoded = files.encode(
            picture,
            touched=applied.touched,
            metadata=parameters.metadata,
            jpeg=parameters.jpeg,
            check="structure",
        )
    except ImageFileError as error:
        raise LeftOut(error.reason, str(error).removeprefix(f"{error.reason}: ")) from None
    return Made("obfuscated", encoded.data, applied, found.degenerate, encoded.dropped, encoded.notes)
