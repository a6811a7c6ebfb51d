"""The comparison: fastblur and every peer on the same work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from benchmarks.cases import CASES, Source, Work, grid
from benchmarks.peers import Peer, Run, load, threaded
from benchmarks.timing import Effort, Spread, interleave
from benchmarks.trial import Trial, fastblur_run

if TYPE_CHECKING:
    from benchmarks.accuracy import Error


class Row(TypedDict):
    """One peer: its time, how many times as long as fastblur it took (pair by pair), and its error."""

    kind: str
    border_mode: str
    ns_per_pixel: Spread
    ratio: Spread
    error: Error | None


class Comparison(TypedDict):
    """One work on one number of threads."""

    fastblur: Spread
    error: Error
    peers: dict[str, Row]
    skipped: dict[str, str]


def compare(work: Work, threads: int, effort: Effort, seed: int, megapixels: float = 0.3) -> Comparison:
    """fastblur's answer is checked against its bounds before anything is timed."""
    trial = Trial(work, megapixels, seed)
    ours = fastblur_run(threads)
    error = trial.judge.hold(trial.once(ours))
    loaded, skipped = load(work.operation, work.images.dtype)
    runs: dict[Peer, Run] = {peer: threaded(run, threads) for peer, run in loaded.items()}
    errors = {}
    for peer, run in runs.items():
        result = trial.once(run)
        errors[peer] = None if peer.kind == "floor" else trial.judge.error(result, peer.border_mode)
    others = {peer.name: trial.contender(run) for peer, run in runs.items()}
    pairs = interleave(trial.contender(ours), others, effort)
    return {
        "fastblur": trial.ns_per_pixel([s for p in pairs.values() for s in p.baseline]),
        "error": error,
        "peers": {
            peer.name: {
                "kind": peer.kind,
                "border_mode": peer.border_mode,
                "ns_per_pixel": trial.ns_per_pixel(pairs[peer.name].other),
                "ratio": pairs[peer.name].ratio(),
                "error": errors[peer],
            }
            for peer in runs
        },
        "skipped": skipped,
    }


def case(name: str, source: Source, threads: list[int], effort: Effort) -> dict[str, Any]:
    """One of `CASES`, on each number of threads."""
    work = CASES[name].make(source)
    return {
        "title": CASES[name].title,
        "operation": work.operation,
        "dtype": work.images.dtype.name,
        "layout": work.layout,
        "images": len(work.images),
        "boxes": len(work.boxes),
        "pixels": work.pixels,
        "bytes": work.pixels
        * (work.images.size // (len(work.images) * work.height * work.width))
        * work.images.itemsize,
        "threads": {str(n): compare(work, n, effort, source.seed) for n in threads},
    }


SIGMAS = (0.5, 1.0, 1.5, 2.0, 2.15, 2.6, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0, 16.0, 25.0, 50.0, 100.0, 200.0)
SIDES = (8, 16, 32, 64, 128, 256, 512, 1024)


def over_sigma(source: Source, effort: Effort) -> dict[str, Comparison]:
    """One box of 1000x1000, uint8, one thread, for each sigma."""
    sigmas = (0.5, 2.0, 4.0, 16.0, 200.0) if source.quick else SIGMAS
    return {
        f"{sigma:g}": compare(grid(source, "blur", (1, 1000, 1000), sigma), 1, effort, source.seed) for sigma in sigmas
    }


def over_side(source: Source, effort: Effort) -> dict[str, Comparison]:
    """About a megapixel of square boxes of each side, sigma 0.1 of the diagonal, uint8, one thread."""
    result = {}
    for side in (16, 128, 1024) if source.quick else SIDES:
        count = max(1, min(1000 // side, 100) ** 2)
        work = grid(source, "blur", (count, side, side), 0.1 * float(np.hypot(side, side)))
        result[str(side)] = compare(work, 1, effort, source.seed)
    return result
