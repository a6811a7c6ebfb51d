"""A page about a run: one HTML file that needs nothing else, made from the manifest."""

from __future__ import annotations

import base64
import heapq
import html
import io
import json
from itertools import islice
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from . import manifest
from .tree import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from .manifest import Row

_SLOWEST = 20
_FAILED = 1000
_THUMBNAIL = 320

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse } td, th { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top }
td, code, figcaption { overflow-wrap: anywhere } tr + tr { border-top: 1px solid #ddd } .bad { color: #a00 }
.n { text-align: right; font-variant-numeric: tabular-nums }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(30rem, 1fr)); gap: 1.5rem }
figure { margin: 0 } figcaption { font-size: .8rem; color: #666 }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .25rem; align-items: start } img { width: 100% }
"""


def write_report(dst: Path, output: Path, src: Path | None, samples: int) -> None:
    """Write the report of the run that made `dst` to `output`.

    With `src`, the folder of the clear images, it shows `samples` of them before and after.
    """
    record = manifest.path_of(dst)
    page = "".join(_page(dst, record, manifest.header(record), src, samples))
    output.write_text(page, encoding="utf-8")


def _page(dst: Path, record: Path, header: Row, src: Path | None, samples: int) -> Iterator[str]:
    title = f"fastblur: {_text(dst.name)}"
    yield "<!doctype html><html lang=en><meta charset=utf-8>"
    yield f"<meta name=viewport content='width=device-width'><title>{title}</title><style>{_STYLE}</style>"
    tally, slow, failed = _collect(record)
    summary = next((row["summary"] for _, row in manifest.read(record) if "summary" in row), None)
    yield f"<h1>{title}</h1>"
    if summary is None:
        yield "<p class=bad>The run did not end; these are the files it had finished. Go on with --resume.</p>"
    elif not tally.complete:
        yield "<p class=bad>Some images are not in the output, or not obfuscated as annotated; see below.</p>"
    else:
        yield "<p>Every image was handled.</p>"
    yield _table(("status", "files"), sorted(tally.status.items()))
    yield f"<p>{tally.boxes} boxes obfuscated, {tally.bytes / 1e6:.1f} MB written.</p>"
    if summary is not None:
        yield f"<p>{summary['seconds']:.1f} s, {summary['images_per_second']} files/s in the last run.</p>"
        if summary["twins"]["groups"]:
            yield "<h2>Identical images with different boxes</h2>"
            yield _table(("images",), ((", ".join(group),) for group in summary["twins"]["examples"]))
    if tally.reasons:
        yield "<h2>Left out, by reason</h2>" + _table(("reason", "files"), sorted(tally.reasons.items()))
        rows = ((row["path"], row.get("reason", ""), row.get("detail", "")) for row in failed)
        yield "<h2>Left out, by file</h2>" + _table(("file", "reason", "detail"), rows)
        if tally.status["left-out"] > len(failed):
            yield f"<p>and {tally.status['left-out'] - len(failed)} more; the manifest names all.</p>"
    if tally.skipped_degenerate:
        yield f"<p class=bad>{tally.skipped_degenerate} boxes without area were skipped (skipped-degenerate).</p>"
    if tally.dropped:
        yield "<h2>Dropped from inside files</h2>" + _table(("kind", "count"), sorted(tally.dropped.items()))
    if tally.notes:
        yield "<h2>Notes</h2>" + _table(("note", "files"), sorted(tally.notes.items()))
    yield "<h2>Slowest files</h2>" + _table(("file", "ms"), ((row["path"], float(row.get("ms", 0))) for row in slow))
    given = ((name, value) for name, value in sorted(header["parameters"].items()) if value is not None)
    parameters = ((name, value if isinstance(value, str) else json.dumps(value)) for name, value in given)
    yield "<h2>Parameters</h2>" + _table(("name", "value"), parameters)
    annotations = header.get("annotations", {})
    yield f"<p>Annotations: {_text(annotations.get('format'))}, "
    yield f"SHA-256 <code>{_text(annotations.get('sha256'))}</code>."
    yield f" fastblur {_text(header.get('fastblur'))}.</p>"
    if src is not None:
        yield "<h2>Before and after</h2><p class=bad>This report shows clear images: keep it as safe as them.</p>"
        yield "<div class=sheet>"
        yield from _contact_sheet(dst, record, src, samples, tally.status["obfuscated"])
        yield "</div>"


def _collect(record: Path) -> tuple[manifest.Tally, list[Row], list[Row]]:
    """Counts, the slowest files, and the first of those left out."""
    tally = manifest.Tally()
    failed: list[Row] = []
    slow: list[tuple[float, int, Row]] = []
    for number, row in enumerate(manifest.rows(record)):
        tally.add(row)
        if row["status"] == "left-out" and len(failed) < _FAILED:
            failed.append(row)
        entry = (float(row.get("ms", 0)), -number, row)
        (heapq.heappush if len(slow) < _SLOWEST else heapq.heappushpop)(slow, entry)
    return tally, [row for _, _, row in sorted(slow, reverse=True)], failed


def _contact_sheet(dst: Path, record: Path, src: Path, samples: int, obfuscated: int) -> Iterator[str]:
    """Samples spread evenly over the obfuscated images."""
    rows = (row for row in manifest.rows(record) if row["status"] == "obfuscated")
    for row in islice(rows, 0, None, max(1, obfuscated // samples)):
        before, after = (_thumbnail(folder / row["path"]) for folder in (src, dst))
        yield f"<figure><div class=pair>{before} {after}</div><figcaption>{_text(row['path'])}</figcaption></figure>"
        samples -= 1
        if samples == 0:
            return


def _thumbnail(path: Path) -> str:
    try:
        with Image.open(path) as image:
            image.draft("RGB", (_THUMBNAIL, _THUMBNAIL))
            small = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        return f"<span class=bad>{_text(error)}</span>"
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=80)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}">'


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table whose columns of numbers are set to the right."""
    body = list(rows)
    classes = [" class=n" if isinstance(value, int | float) else "" for value in (body[0] if body else head)]
    lines = [_line("th", head, classes), *(_line("td", row, classes) for row in body)]
    return f"<table>{''.join(lines)}</table>"


def _line(tag: str, values: Sequence[object], classes: Sequence[str]) -> str:
    cells = (f"<{tag}{kind}>{_text(value)}</{tag}>" for value, kind in zip(values, classes, strict=True))
    return f"<tr>{''.join(cells)}</tr>"


def _text(value: object) -> str:
    return html.escape(printable(f"{value:.2f}" if isinstance(value, float) else str(value)))
