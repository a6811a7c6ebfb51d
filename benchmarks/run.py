"""Measures the suite: python -m benchmarks.run [--cases W1,W2] [--threads 1,all] [--seed N] [--quick]."""

from __future__ import annotations

import argparse
import datetime
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import comparison, machine, memory, photos, processes, promises, store
from benchmarks.cases import CASES, Source
from benchmarks.timing import Effort

FULL = Effort(rounds=41, least=3, seconds=2.5)
SWEEP = Effort(rounds=15, least=2, seconds=0.7)  # of each point of a curve
QUICK = Effort(rounds=5, least=1, seconds=0.2)
ISA_CASES = ("W1", "W2", "W3", "W4", "W4f")

Section = Callable[[], Any]


def sections(source: Source, folder: Path, threads: list[int], effort: Effort) -> dict[str, Section]:
    """Everything that can be measured, by the name that --cases takes, in the order in which it runs."""

    def case(name: str) -> Section:
        return lambda: comparison.case(name, source, threads, effort)

    # Two threads always, where there are two cores: they have a target of their own.
    several = sorted({n for n in (*threads, min(2, machine.cores())) if n > 1})
    sweep = QUICK if source.quick else SWEEP
    result = {name: case(name) for name in CASES}
    result["sigma"] = lambda: comparison.over_sigma(source, sweep)
    result["side"] = lambda: comparison.over_side(source, sweep)
    result["shapes"] = lambda: promises.shapes(source, effort)
    result["layouts"] = lambda: promises.layouts(source, effort)
    result["dtypes"] = lambda: promises.dtypes(source, effort)
    if several:
        result["scaling"] = lambda: {str(n): promises.scaling(source, folder, n, effort) for n in several}
    result["call"] = lambda: promises.call(source, effort)
    result["parsing"] = lambda: promises.parsing(effort)
    result["isa"] = lambda: {name: processes.compare_levels(name, source, folder, effort) for name in ISA_CASES}
    result["memory"] = lambda: memory.table(threads)
    return result


def chosen(names: str, known: list[str]) -> list[str]:
    """The sections named in a comma-separated list; W5 means all mosaics, an empty list means everything."""
    if not names:
        return known
    result = []
    for name in names.split(","):
        found = [k for k in known if k == name or (name == "W5" and k.startswith("W5-"))]
        if not found:
            raise SystemExit(f"--cases: unknown {name!r}; known: W5, {', '.join(known)}")
        result += found
    return result


def thread_counts(text: str) -> list[int]:
    """ "1,all" as numbers, each once."""
    try:
        counts = [machine.cores() if part == "all" else int(part) for part in text.split(",")]
    except ValueError:
        raise SystemExit(f"--threads is {text!r}; accepted: numbers and 'all', as in 1,all") from None
    if min(counts) < 1:
        raise SystemExit(f"--threads is {text!r}; every number must be at least 1")
    return sorted(set(counts))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--cases", default="", help="comma-separated sections; default: all")
    parser.add_argument("--threads", default="1,all", help="comma-separated thread counts; default: 1,all")
    parser.add_argument("--seed", type=int, default=2026, help="of images, boxes and samples; default: 2026")
    parser.add_argument(
        "--draw", choices=("uniform", "loguniform"), default="uniform", help="how box sides are drawn; default: uniform"
    )
    parser.add_argument("--photos", type=Path, default=photos.DEFAULT, help="folder of JPEG or PNG photos")
    parser.add_argument("--output", type=Path, help="JSON file; default: benchmarks/results/<version>/<machine>.json")
    parser.add_argument("--quick", action="store_true", help="an eighth of the images and few runs; kept under build/")
    options = parser.parse_args()
    threads = thread_counts(options.threads)
    try:
        source = Source(photos.load(options.photos), options.seed, options.draw, options.quick)
    except FileNotFoundError as error:
        raise SystemExit(str(error)) from None
    effort = QUICK if options.quick else FULL
    file = options.output or store.path(options.quick)
    available = sections(source, options.photos, threads, effort)
    names = chosen(options.cases, list(available))
    results = store.begin(file, keep=bool(options.cases))
    wrong = []
    for name in names:
        started, load_before = time.perf_counter(), machine.load()
        print(f"{name:10}", end="", flush=True)
        try:
            result = available[name]()
        except AssertionError as error:
            wrong.append(name)
            print(f"  WRONG, not stored: {error}", flush=True)
            continue
        seconds = time.perf_counter() - started
        results["sections"][name] = {
            "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "seed": options.seed,
            "draw": options.draw,
            "quick": options.quick,
            "load": [load_before, machine.load()],
            "seconds": seconds,
            "result": result,
        }
        store.write(file, results)
        print(f"{seconds:6.1f} s  {summary(result)}", flush=True)
    print(f"written: {file}")
    if wrong:
        raise SystemExit(f"wrong answers in {', '.join(wrong)}")


def summary(result: Any) -> str:
    """A line on a case's own figures; other sections are read from the file."""
    if "threads" not in result:
        return ""
    parts = []
    for count, c in result["threads"].items():
        skipped = f", skipped {', '.join(c['skipped'])}" if c["skipped"] else ""
        parts.append(f"{count} thread(s): {c['fastblur']['median']:.2f} ns/pixel{skipped}")
    return "; ".join(parts)


if __name__ == "__main__":
    main()
