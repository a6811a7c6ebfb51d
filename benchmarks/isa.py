"""The same case at every instruction set that the build and the machine have.

FASTBLUR_ISA is read once per process, so each level runs in a process of its own, which waits for its turn: the levels
are interleaved like everything else. Run as a module, this file is such a process: it reads the number of a run from
each line of its input and answers with the seconds that the run took.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

import fastblur
from benchmarks import photos
from benchmarks.cases import CASES, Source
from benchmarks.timing import Effort, Spread, interleave, spread
from benchmarks.trial import Trial, fastblur_run


class Level(TypedDict):
    """One level on one case: its time, and how many times as long as the best level it took, pair by pair."""

    ns_per_pixel: Spread
    ratio: Spread


class Worker:
    """A process that runs one case at one level."""

    def __init__(self, level: str, case: str, source: Source, folder: Path) -> None:
        command = [sys.executable, "-m", "benchmarks.isa", case, "--photos", str(folder), "--seed", str(source.seed)]
        command += ["--draw", source.draw, *(["--quick"] if source.quick else [])]
        environment = {**os.environ, "FASTBLUR_ISA": level}
        root = Path(__file__).resolve().parent.parent
        self._process = subprocess.Popen(
            command, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.digest, self.pixels = self._answer(level, case), int(self._answer(level, case))

    def _answer(self, *what: str) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process for {' '.join(what)} ended with status {self._process.wait()}")
        return line.strip()

    def run(self, number: int) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        return float(self._answer("run", str(number)))

    def close(self) -> None:
        """Ends the process, which stops at the end of its input."""
        self._process.communicate()


def levels() -> list[str]:
    """The levels that this build has and this machine can run, the best first."""
    return list(reversed(fastblur.build_info()["isa_supported"]))


def compare(name: str, source: Source, folder: Path, effort: Effort) -> dict[str, Level]:
    """One blur at every level on one thread, against the best; levels may differ in bits for float images alone."""
    workers: dict[str, Worker] = {}
    try:
        for level in levels():
            workers[level] = Worker(level, name, source, folder)
        if name in {"W1", "W2", "W3", "W4"} and len({w.digest for w in workers.values()}) > 1:
            raise AssertionError(f"{name}: the levels {', '.join(workers)} gave different bits")
        (best, baseline), *rest = workers.items()
        pairs = interleave(baseline.run, {level: worker.run for level, worker in rest}, effort)
        if not rest:
            return {}
    finally:
        for worker in workers.values():
            worker.close()

    def ns(seconds: list[float]) -> Spread:
        return spread([s * 1e9 / baseline.pixels for s in seconds])

    result = {best: Level(ns_per_pixel=ns([s for p in pairs.values() for s in p.baseline]), ratio=spread([1.0]))}
    for level, p in pairs.items():
        result[level] = Level(ns_per_pixel=ns(p.other), ratio=p.ratio())
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--photos", type=Path, default=photos.DEFAULT)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--draw", choices=("uniform", "loguniform"), required=True)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    source = Source(photos.load(options.photos), options.seed, options.draw, options.quick)
    trial, run = Trial(CASES[options.case].make(source), 0.1, options.seed), fastblur_run(1)
    result = trial.once(run)
    trial.judge.hold(result)
    print(hashlib.sha256(result.images.tobytes()).hexdigest(), flush=True)
    print(trial.original.pixels, flush=True)
    contender = trial.contender(run)
    for line in sys.stdin:
        print(contender(int(line)), flush=True)


if __name__ == "__main__":
    main()
