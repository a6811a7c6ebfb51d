"""Checking one file of the output: made again from the source, and compared with what is there."""

from __future__ import annotations

import filecmp
import hashlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import files, methods, worker
from .annotations import Entry
from .files import ImageFileError
from .geometry import LeftOut
from .image import Made, make
from .manifest import FINISHED, Row
from .worker import Job, describe, hash_file, read_source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .index import Item
    from .parameters import Parameters

INSIDE = 4.0
"""Largest difference, in levels of 255, between the boxes of the output and of the file made again. With the same
versions of the codecs there is none; another version may round and quantise a little differently."""

Pixels = npt.NDArray[Any]


class Finding(NamedTuple):
    """Something that is not as it should be, and the file that shows it."""

    path: str
    what: str


class Claim(NamedTuple):
    """What the manifest says of a source file. With `from_manifest`, its boxes are the row's own."""

    item: Item
    row: Row | None
    excluded: bool
    from_manifest: bool


_job: Job


def start(job: Job) -> None:
    """Set up a worker process."""
    global _job  # noqa: PLW0603 - a worker process has one job
    worker.start(job)
    _job = job


def check_batch(claims: Sequence[Claim]) -> list[list[Finding]]:
    """The findings about each of `claims`."""
    return [[Finding(claim.item.path, what) for what in check(claim, _job)] for claim in claims]


def crashed(claim: Claim) -> list[Finding]:
    """The finding about a file that ends the process that checks it."""
    if claim.row is not None and claim.row.get("reason") == "crashed":
        return []
    return [Finding(claim.item.path, "checking it ended the worker process")]


def check(claim: Claim, job: Job) -> list[str]:
    """What is wrong with one file."""
    row = claim.row
    if row is None:
        return ["the manifest does not tell of it"]
    try:
        if row["status"] not in FINISHED and claim.from_manifest:
            return []
        return _check(claim, row, job)
    except (OSError, MemoryError, ImageFileError, KeyError, TypeError, ValueError) as error:
        return [f"it could not be checked: {type(error).__name__}: {error}"]


def _check(claim: Claim, row: Row, job: Job) -> list[str]:
    if claim.excluded or row["status"] == "excluded":
        return _differ("status", "excluded" if claim.excluded else "not excluded", row["status"])
    item, parameters = _as_rows_say(claim, row, job.parameters)
    path = job.src / item.path
    try:
        status, source, stat = read_source(path, item, parameters)
        status = _claimed(row) if claim.from_manifest else status
        if status == "skipped":
            return _differ("status", status, row["status"])
        if status == "copied-other":
            return _differ("status", status, row["status"]) or _check_copy(path, job.dst / item.path, row)
        made = make(item, source, parameters) if status is None else Made(status)
    except LeftOut as error:
        return _differ("status", f"left-out: {error.reason}", f"{row['status']}: {row.get('reason')}")
    expected: Row = {"source": {}}
    describe(expected, made, source, job)
    findings = []
    for key in ("status", "method", "boxes", "skipped_degenerate", "dropped", "notes"):
        findings += _differ(key, expected.get(key), row.get(key))
    if row["source"]["bytes"] != stat.st_size:
        findings.append("the source changed since")
    if row["source"].get("sha256") not in (None, hashlib.sha256(source).hexdigest()):
        findings.append("the source does not have the SHA-256 in the manifest")
    if findings:
        return findings
    return _check_output(job.dst / item.path, made, source, row, parameters)


def _claimed(row: Row) -> str | None:
    return None if row["status"] == "obfuscated" else str(row["status"])


def _as_rows_say(claim: Claim, row: Row, parameters: Parameters) -> tuple[Item, Parameters]:
    if not claim.from_manifest:
        return claim.item, parameters
    boxes = [(float(b[0]), float(b[1]), float(b[2]), float(b[3])) for b in row.get("boxes", ())]
    boxes += [(float(b[0]), float(b[1]), float(b[2]), float(b[3])) for b in row.get("skipped_degenerate", ())]
    item = claim.item._replace(annotated=True, entries=[Entry("", boxes)])
    return item, replace(parameters, boxes_orientation="stored")


def _differ(what: str, expected: object, claimed: object) -> list[str]:
    return [] if expected == claimed else [f"{what} should be {expected}; the manifest says {claimed}"]


def _check_copy(source: Path, output: Path, row: Row) -> list[str]:
    if output.is_symlink() or not filecmp.cmp(source, output, shallow=False):
        return ["the output is not the source, byte for byte"]
    return _differ("bytes and SHA-256", hash_file(output), (row["bytes"], row["sha256"]))


def _check_output(path: Path, made: Made, source: bytes, row: Row, parameters: Parameters) -> list[str]:
    if path.is_symlink():
        return ["the output is a symbolic link"]
    output = path.read_bytes()
    findings = []
    if len(output) != row["bytes"] or hashlib.sha256(output).hexdigest() != row["sha256"]:
        findings.append("the output does not have the SHA-256 in the manifest")
    if made.data is None:
        return findings if output == source else [*findings, "the output is not the source, byte for byte"]
    findings += [f"the output still holds: {kind}" for kind in files.previews(output, metadata=parameters.metadata)]
    decode = partial(files.decode, max_pixels=parameters.max_pixels, chroma=parameters.chroma)
    before, after = decode(source), decode(output)
    again = after if output == made.data else decode(made.data)
    if [f.shape for f in after.frames] != [f.shape for f in again.frames]:
        return [*findings, "the output has other frames, sizes or channels than it should"]
    by_blocks = parameters.jpeg == "blocks" and before.info.format == "jpeg"
    by_blocks = by_blocks and not any(note.startswith("jpeg-blocks-fallback") for note in made.notes)
    clear = again.frames
    outside_bound = INSIDE
    if by_blocks:  # the source is compared by coefficients: pixels beside a rewritten block may change with its chroma
        findings += files.coefficients_equal_outside(source, output, made.applied.touched)
    else:
        clear = [frame.copy() for frame in before.frames]
        for frame in before.frames:
            methods.obfuscate(frame, made.applied, before.info, parameters)
        outside_bound = files.allowed_difference(before)  # in blocks that a box touches, it depends on the box
    for number, (old, new, same) in enumerate(zip(clear, after.frames, again.frames, strict=True)):
        inside_bound = INSIDE * (257 if new.dtype == np.uint16 else 1)
        # An opaque alpha channel may have been left out.
        outside = _difference(new, old[..., : new.shape[2]] if new.ndim == 3 else old)
        for x1, y1, x2, y2 in made.applied.touched:
            outside[y1:y2, x1:x2] = 0
            worst = int(_difference(new[y1:y2, x1:x2], same[y1:y2, x1:x2]).max(initial=0))
            if worst > inside_bound:
                findings.append(f"frame {number}, box ({x1}, {y1}, {x2}, {y2}) is {worst} levels from obfuscated")
        if (worst := int(outside.max(initial=0))) > outside_bound:
            findings.append(f"frame {number} differs outside the boxes by {worst} levels; {outside_bound:.0f} may be")
    return findings


def _difference(a: Pixels, b: Pixels) -> Pixels:
    return np.asarray(np.maximum(a, b) - np.minimum(a, b))
