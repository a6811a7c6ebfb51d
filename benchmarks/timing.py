"""Interleaved timing: the machine's mood falls on both sides of a ratio."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np


class Spread(TypedDict):
    """Median, quartiles and number of the values."""

    median: float
    q1: float
    q3: float
    runs: int


def spread(values: list[float]) -> Spread:
    q1, median, q3 = np.quantile(np.asarray(values), (0.25, 0.5, 0.75)).tolist()
    return {"median": median, "q1": q1, "q3": q3, "runs": len(values)}


@dataclass(frozen=True)
class Effort:
    """How long to measure: at most `rounds` pairs, and after `least` of them none beyond `seconds` for one peer."""

    rounds: int
    least: int
    seconds: float


# Prepares run number n, runs it, and returns the seconds of the run alone.
Contender = Callable[[int], float]


def contender(prepare: Callable[[int], None], run: Callable[[], object]) -> Contender:
    """`run`, timed; `prepare` is called with the number of the run before the clock starts."""

    def seconds(number: int) -> float:
        prepare(number)
        start = time.perf_counter_ns()
        run()
        return (time.perf_counter_ns() - start) * 1e-9

    return seconds


@dataclass
class Pairs:
    """Seconds of the baseline and, right after each, of the other."""

    baseline: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)

    def ratio(self) -> Spread:
        """Of the pairs' quotients, other / baseline."""
        return spread([b / a for a, b in zip(self.baseline, self.other, strict=True)])


def interleave(baseline: Contender, others: dict[str, Contender], effort: Effort) -> dict[str, Pairs]:
    """Round after round, each of `others` in turn right after the baseline, the garbage collector off.

    Nothing is thrown away here: the caller has run everything once, to check the answers. Nor is garbage collected
    between rounds: whoever came first after it would find the caches full of every object of the process.
    """
    pairs = {name: Pairs() for name in others}
    number = 0
    gc.collect()
    gc.disable()
    try:
        for _ in range(effort.rounds):
            for name, other in others.items():
                done = pairs[name]
                if len(done.other) >= effort.least and sum(done.other) >= effort.seconds:
                    continue
                number += 1
                done.baseline.append(baseline(number))
                done.other.append(other(number))
    finally:
        gc.enable()
    return pairs
