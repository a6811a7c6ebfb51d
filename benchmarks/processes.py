"""A case in processes of its own: at another instruction set, or a share of its images beside the others' shares.

FASTBLUR_ISA is read once per process, and two processes share nothing but the machine. Each waits for its turn, so that
they are interleaved like everything else. Run as a module, this file is such a process: it prepares the run whose
number it reads, answers, runs at the time that it reads next, and answers with when it began and ended.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np

import fastblur
from benchmarks import photos
from benchmarks.cases import CASES, Source
from benchmarks.timing import Effort, Spread, interleave, spread
from benchmarks.trial import Trial, back_to_back, fastblur_run

if TYPE_CHECKING:
    from benchmarks.cases import Work

LEAD_NS = 1_000_000  # until a run begins: more than a process takes to hear of it
MOST = 8  # processes with a share each: every one makes the whole case first


class Process:
    """A process that runs a case at `level`, or the images `share[0]` .. `share[1] - 1` of it."""

    def __init__(
        self,
        case: str,
        source: Source,
        folder: Path,
        *,
        level: str | None = None,
        share: tuple[int, int] | None = None,
        again: bool = False,
    ) -> None:
        command = [sys.executable, "-m", "benchmarks.processes", case, "--photos", str(folder)]
        command += ["--seed", str(source.seed), "--draw", source.draw, *(["--quick"] if source.quick else [])]
        command += [*(["--share", *map(str, share)] if share else []), *(["--again"] if again else [])]
        environment = {**os.environ, **({"FASTBLUR_ISA": level} if level else {})}
        root = Path(__file__).resolve().parent.parent
        self._name = f"{case}, instruction set {level}, images {share}"
        self._process = subprocess.Popen(
            command, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.digest, self.pixels = self._answer(), int(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process for {self._name} ended with status {self._process.wait()}")
        return line.strip()

    def _say(self, number: int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()

    def prepare(self, number: int) -> None:
        """Begins to make ready for run `number`."""
        self._say(number)

    def wait(self) -> None:
        """Until it is ready."""
        self._answer()

    def begin(self, when_ns: int) -> None:
        """Runs at that time of the performance counter, which processes have in common."""
        self._say(when_ns)

    def finished(self) -> tuple[int, int]:
        """When the run began and ended."""
        begun, ended = self._answer().split()
        return int(begun), int(ended)

    def close(self) -> None:
        """Ends the process, which stops at the end of its input."""
        self._process.communicate()


def together(processes: list[Process], number: int) -> float:
    """Seconds that run `number` took them all at once, each prepared before."""
    for process in processes:
        process.prepare(number)
    for process in processes:
        process.wait()
    when = time.perf_counter_ns() + LEAD_NS
    for process in processes:
        process.begin(when)
    times = [process.finished() for process in processes]
    return (max(ended for _, ended in times) - min(begun for begun, _ in times)) * 1e-9


class Level(TypedDict):
    """One level on one case: its time, and how many times as long as the best level it took, pair by pair."""

    ns_per_pixel: Spread
    ratio: Spread


def levels() -> list[str]:
    """The levels that this build has and this machine can run, the best first."""
    return list(reversed(fastblur.build_info()["isa_supported"]))


def compare_levels(name: str, source: Source, folder: Path, effort: Effort) -> dict[str, Level]:
    """One blur at every level on one thread, against the best; levels may differ in bits for float images alone."""
    with ExitStack() as stack:
        processes = {lv: stack.enter_context(closing(Process(name, source, folder, level=lv))) for lv in levels()}
        if name in {"W1", "W2", "W3", "W4"} and len({p.digest for p in processes.values()}) > 1:
            raise AssertionError(f"{name}: the levels {', '.join(processes)} gave different bits")
        (best, baseline), *rest = processes.items()
        pairs = interleave(
            partial(together, [baseline]), {level: partial(together, [process]) for level, process in rest}, effort
        )
    if not rest:
        return {}

    def ns(seconds: list[float]) -> Spread:
        return spread([s * 1e9 / baseline.pixels for s in seconds])

    result = {best: Level(ns_per_pixel=ns([s for p in pairs.values() for s in p.baseline]), ratio=spread([1.0]))}
    for level, p in pairs.items():
        result[level] = Level(ns_per_pixel=ns(p.other), ratio=p.ratio())
    return result


def shares(work: Work, count: int) -> list[tuple[int, int]] | None:
    """The images in so many parts with about as many pixels in boxes each; None where one of them would be empty."""
    sizes = (work.boxes[:, 3:5] - work.boxes[:, 1:3]).prod(axis=1)
    until = np.cumsum(np.bincount(work.boxes[:, 0], weights=sizes, minlength=len(work.images)))
    wanted = until[-1] * np.arange(1, count) / count
    edges = [0, *(int(np.abs(until - pixels).argmin()) + 1 for pixels in wanted), len(work.images)]
    return None if 0 in np.diff(edges) else list(pairwise(edges))


def ceiling(name: str, source: Source, folder: Path, count: int, effort: Effort, again: bool) -> Spread | None:
    """One process's time over that of `count` processes with a share of the images each: what the machine gives to
    threads that wait for nothing. With `again`, in calls back to back. None where there are too few images."""
    parts = shares(CASES[name].make(source), count)
    if parts is None or count > MOST:
        return None
    with ExitStack() as stack:

        def process(part: tuple[int, int] | None) -> Process:
            return stack.enter_context(closing(Process(name, source, folder, share=part, again=again)))

        one, many = [process(None)], [process(part) for part in parts]
        pairs = interleave(partial(together, many), {"one": partial(together, one)}, effort)
    return pairs["one"].ratio()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--photos", type=Path, default=photos.DEFAULT)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--draw", choices=("uniform", "loguniform"), required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--share", type=int, nargs=2)
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    source = Source(photos.load(options.photos), options.seed, options.draw, options.quick)
    work = CASES[options.case].make(source)
    if options.share:
        work = work.part(*options.share)
    trial, run = Trial(work, 0.1, options.seed), fastblur_run(1)
    result = trial.once(run)
    trial.judge.hold(result)
    print(hashlib.sha256(result.images.tobytes()).hexdigest(), flush=True)
    print(trial.original.pixels, flush=True)
    prepare, calls = back_to_back(trial, run) if options.again else (trial.prepare, lambda: run(trial.work))
    for line in sys.stdin:
        prepare(int(line))
        print("ready", flush=True)
        when = int(sys.stdin.readline())
        while time.perf_counter_ns() < when:
            pass
        begun = time.perf_counter_ns()
        calls()
        print(begun, time.perf_counter_ns(), flush=True)


if __name__ == "__main__":
    main()
