"""CSV with named columns, and OpenImages, which is one with fixed names.

A row is a box; a row whose four box fields are empty says that its image has none. Traps: OpenImages orders its
columns XMin, XMax, YMin, YMax, so columns are found by name, never by position; its ImageID has no file ending.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from .entry import AnnotationError, Entry, ReaderOptions, corners, number

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIELDS = {
    "xyxy": ("x1", "y1", "x2", "y2"),
    "xywh": ("x", "y", "width", "height"),
    "cxcywh": ("cx", "cy", "width", "height"),
}
OPTIONAL = ("label", "image_width", "image_height")


def read_csv(path: Path, options: ReaderOptions) -> Iterator[Entry]:
    """Entries of the CSV file at `path`, a row in memory at a time.

    Columns are called ``path`` and as `FIELDS` says for `options.box_format`, unless `options.columns` maps them;
    ``label``, ``image_width`` and ``image_height`` are read where they exist.
    """
    fields = FIELDS[options.box_format]
    names = {name: name for name in ("path", *fields, *OPTIONAL)}
    if unknown := [name for name, _ in options.columns if name not in names]:
        raise AnnotationError(f"--columns: {unknown[0]!r} is not one of {', '.join(names)}")
    names.update(options.columns)
    mapped = {name for name, _ in options.columns}
    yield from _rows(path, names, mapped, fields, options, box_format=options.box_format, normalised=options.normalised)


def read_openimages(path: Path, options: ReaderOptions) -> Iterator[Entry]:
    """Entries of an OpenImages box file. `labels` are values of LabelName, such as /m/0dzct (a human face)."""
    fields = FIELDS["xyxy"]
    names = dict(zip(("path", *fields, "label"), ("ImageID", "XMin", "YMin", "XMax", "YMax", "LabelName"), strict=True))
    yield from _rows(path, names, set(names), fields, options, box_format="xyxy", normalised=True)


def _rows(
    path: Path,
    names: dict[str, str],
    required: set[str],
    fields: tuple[str, ...],
    options: ReaderOptions,
    *,
    box_format: str,
    normalised: bool,
) -> Iterator[Entry]:
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, [])
            if repeated := {name for name in header if header.count(name) > 1} & set(names.values()):
                raise AnnotationError(f"{path}: the column {min(repeated)!r} occurs twice")
            column = {field: header.index(name) for field, name in names.items() if name in header}
            if missing := [names[f] for f in ("path", *fields, *sorted(required)) if f not in column]:
                raise AnnotationError(f"{path}: no column {missing[0]!r} among {', '.join(header)}; see --columns")
            at, label, size_at = (
                [column[field] for field in fields],
                column.get("label"),
                [column[field] for field in ("image_width", "image_height") if field in column],
            )
            if label is None and options.labels.wanted is not None:
                raise AnnotationError(f"{path}: --labels needs a column {names.get('label', 'label')!r}")
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    raise AnnotationError(
                        f"{path}: line {reader.line_num} has {len(row)} fields, the header {len(header)}"
                    )
                key, values = row[column["path"]], [row[i] for i in at]
                size, problem, boxes = None, None, []
                try:
                    if len(size_at) == 2 and row[size_at[0]]:
                        size = (int(number(row[size_at[0]])), int(number(row[size_at[1]])))
                    if any(values):
                        a, b, c, d = (number(text) for text in values)
                        if options.labels.keep(row[label] if label is not None else ""):
                            boxes = [corners((a, b, c, d), box_format)]
                except ValueError as error:
                    problem = f"line {reader.line_num}: {error}"
                yield Entry(key, boxes, normalised, size, problem)
        except csv.Error as error:
            raise AnnotationError(f"{path}: line {reader.line_num}: {error}") from None
