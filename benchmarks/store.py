"""Results as JSON: one file per version of fastblur and machine, one entry per section of the suite."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import fastblur
from benchmarks import machine

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
QUICK = ROOT / "build" / "benchmarks"

Results = dict[str, Any]


def path(quick: bool, name: str | None = None) -> Path:
    """Where results of the installed version lie, by default this machine's; quick ones are kept apart."""
    return (QUICK if quick else RESULTS) / fastblur.__version__ / f"{name or machine.slug()}.json"


def read(file: Path) -> Results:
    """The results in `file`."""
    loaded: Results = json.loads(file.read_text())
    return loaded


def read_or_exit(file: Path | None) -> Results:
    """The results in `file`, by default this machine's of the installed version; ends the program if there are none."""
    file = file or path(quick=False)
    if not file.exists():
        raise SystemExit(f"no results in {file}; measure them with: python -m benchmarks.run")
    return read(file)


def begin(file: Path, keep: bool) -> Results:
    """What new sections are added to: with `keep` those in `file`, if the machine and the builds are the same."""
    description = machine.describe()
    if keep and file.exists():
        results = read(file)
        if results["machine"] == json.loads(json.dumps(description)):
            return results
    return {"fastblur": fastblur.__version__, "machine": description, "sections": {}}


def write(file: Path, results: Results) -> None:
    """All of `results`, or the old file if this is interrupted."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".tmp")
    text = json.dumps(_rounded(results), indent=1)
    # An object that holds no other, such as a median with its quartiles, on one line.
    new.write_text(re.sub(r"\{[^{}]*\}", lambda found: " ".join(found[0].split()), text) + "\n")
    new.replace(file)


def _rounded(value: Any) -> Any:
    """Floats to four significant digits: the machine gives no more, and the file stays readable."""
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
