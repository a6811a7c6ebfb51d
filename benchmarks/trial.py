"""fastblur and its peers as contenders over one work: the same pixels at the same addresses for everyone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import fastblur
from benchmarks.accuracy import Judge
from benchmarks.timing import Contender, Spread, contender, spread

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.cases import Work
    from benchmarks.peers import Run

BACK_TO_BACK = 5  # calls


def fastblur_run(threads: int) -> Run:
    """fastblur on all boxes of a work in one call, in place."""

    def run(work: Work) -> None:
        images: Any = work.images
        if work.operation == "blur":
            fastblur.gaussian_blur(
                images, work.boxes, work.strength, layout=work.layout, out=images, num_threads=threads
            )
        else:
            fastblur.pixelate(images, work.boxes, work.strength, layout=work.layout, out=images, num_threads=threads)

    return run


class Trial:
    """One work, restored before each run.

    Where every box has its own sigma, as faces do, each run gets slightly other sigmas (one part in a million): in a
    data set no plan, kernel or matrix of such a box is met again, so none may be found in a cache here either.
    """

    def __init__(self, work: Work, megapixels: float, seed: int) -> None:
        self.original = work
        self.work = work.copy()
        self.judge = Judge(work, megapixels, np.random.default_rng((seed, 99)))
        self._varied = work.operation == "blur" and len(np.unique(work.strength)) > 1

    def prepare(self, number: int) -> None:
        np.copyto(self.work.images, self.original.images)
        np.copyto(self.work.strength, self.original.strength * (1 + (1e-6 * number if self._varied else 0)))

    def once(self, run: Run) -> Work:
        """The work after one run, as run number 0: the warm-up, and the answer to be checked."""
        self.prepare(0)
        run(self.work)
        return self.work

    def contender(self, run: Run) -> Contender:
        return contender(self.prepare, lambda: run(self.work))

    def ns_per_pixel(self, seconds: list[float]) -> Spread:
        """Nanoseconds for each pixel of the boxes, all channels together."""
        return spread([s * 1e9 / self.original.pixels for s in seconds])


def back_to_back(trial: Trial, run: Run) -> tuple[Callable[[int], None], Callable[[], None]]:
    """How to prepare and to do BACK_TO_BACK calls on the same pixels one after another, the first of them before."""

    def calls() -> None:
        for _ in range(BACK_TO_BACK):
            run(trial.work)

    return lambda _: run(trial.work), calls
