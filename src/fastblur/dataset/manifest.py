"""The record of a run, as JSON lines beside the output folder: a header, a row per file, and a summary.

A row is written only after the file's data was synced to disk and renamed to its final name, so a row is a promise.
The header's digest covers parameters, annotations and version: another run cannot take the manifest for its own. The
summary's digest covers every line above it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from .parameters import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Row = dict[str, Any]

_encode = json.JSONEncoder(separators=(",", ":")).encode

FINISHED = frozenset({"obfuscated", "copied", "copied-other"})
"""Statuses of files that are in the output."""


class ManifestError(ValueError):
    """The manifest is not one, or not the one expected."""


def path_of(dst: Path) -> Path:
    """Where the manifest of the output folder `dst` stands."""
    return dst.with_name(dst.name + ".manifest.jsonl")


def line(row: Row) -> bytes:
    """A row as it stands in the file: ASCII, so that a file name of any bytes survives."""
    return _encode(row).encode() + b"\n"


def read(path: Path) -> Iterator[tuple[bytes, Row]]:
    """The complete lines of a manifest, raw and parsed; what a crash left of a last one is passed over."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if not raw.endswith(b"\n"):
                return
            try:
                row = json.loads(raw)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise ManifestError(f"{path}: line {number} is no JSON object")
            yield raw, row


def header(path: Path) -> Row:
    """The first line of the manifest at `path`."""
    for _, row in read(path):
        if "digest" in row and isinstance(row.get("parameters"), dict):
            return row
        break
    raise ManifestError(f"{path}: the first line is no header of a manifest")


def rows(path: Path) -> Iterator[Row]:
    """The rows of files, without header and summary."""
    for number, (_, row) in enumerate(read(path)):
        if number and "summary" not in row:
            if not isinstance(row.get("path"), str) or not isinstance(row.get("status"), str):
                raise ManifestError(f"{path}: line {number + 1} is no row of a file")
            yield row


class Tally:
    """Counts over rows, for the summary."""

    def __init__(self) -> None:
        self.status: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.boxes = 0
        self.skipped_degenerate = 0
        self.bytes = 0

    def add(self, row: Row) -> None:
        """Count one row."""
        self.status[row["status"]] += 1
        if row["status"] == "left-out":
            self.reasons[row.get("reason", "")] += 1
        for kind, count in row.get("dropped", {}).items():
            self.dropped[kind] += count
        for note in row.get("notes", ()):
            self.notes[note.partition(":")[0]] += 1
        self.boxes += len(row.get("boxes", ()))
        self.skipped_degenerate += len(row.get("skipped_degenerate", ()))
        self.bytes += row.get("bytes", 0)

    def as_json(self) -> Row:
        """The counts as the summary holds them."""
        return {
            "status": dict(sorted(self.status.items())),
            "reasons": dict(sorted(self.reasons.items())),
            "dropped": dict(sorted(self.dropped.items())),
            "notes": dict(sorted(self.notes.items())),
            "boxes": self.boxes,
            "skipped_degenerate": self.skipped_degenerate,
            "bytes": self.bytes,
        }

    @property
    def complete(self) -> bool:
        """Whether every image was handled as asked."""
        return not self.status["left-out"] and not self.skipped_degenerate


class Writer:
    """Begins a manifest and appends rows, keeping count of them so that none is read again; `sync` makes them last."""

    def __init__(self, path: Path, header: Row) -> None:
        self._file = path.open("wb")
        self._lines = hashlib.sha256()
        self._append([header])
        self.tally = Tally()

    def add(self, rows: Sequence[Row]) -> None:
        """Append rows of files."""
        self._append(rows)
        for row in rows:
            self.tally.add(row)

    def end(self, summary: Row) -> None:
        """Append the summary, whose digest covers every line above it."""
        summary["sha256_of_lines"] = self._lines.hexdigest()
        summary["digest"] = digest(summary)
        self._append([{"summary": summary}])
        self.sync()

    def sync(self) -> None:
        """Return once all that was appended is on disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, content: Sequence[Row]) -> None:
        lines = b"".join(map(line, content))
        self._lines.update(lines)
        self._file.write(lines)


def digest_of_lines(path: Path) -> str:
    """SHA-256 of every line above the summary."""
    total = hashlib.sha256()
    for raw, row in read(path):
        if "summary" not in row:
            total.update(raw)
    return total.hexdigest()
