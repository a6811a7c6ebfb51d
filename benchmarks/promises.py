"""fastblur against itself: is the cost as flat, as parallel and as small as promised?"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt

import fastblur
from benchmarks import processes
from benchmarks.cases import CASES, Source, Work, grid
from benchmarks.timing import Effort, Pairs, Spread, contender, interleave, spread
from benchmarks.trial import BACK_TO_BACK, Trial, back_to_back, fastblur_run

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.peers import Run


class Variant(TypedDict):
    """One variant: its time, and how many times as long as the baseline it took per pixel, pair by pair."""

    ns_per_pixel: Spread
    ratio: Spread


def _variants(baseline: Work, others: dict[str, tuple[Work, Run]], effort: Effort, seed: int) -> dict[str, Variant]:
    """Each of `others` against `baseline`, on one thread, after all their answers have been checked."""
    trial = Trial(baseline, 0.1, seed)
    run = fastblur_run(1)
    trial.judge.hold(trial.once(run))
    trials = {}
    for name, (work, other_run) in others.items():
        trials[name] = Trial(work, 0.1, seed)
        trials[name].judge.hold(trials[name].once(other_run))
    contenders = {name: trials[name].contender(others[name][1]) for name in others}
    pairs = interleave(trial.contender(run), contenders, effort)

    def variant(name: str) -> Variant:
        p, per_pixel = pairs[name], baseline.pixels / others[name][0].pixels
        scaled = Pairs(p.baseline, [s * per_pixel for s in p.other])
        return {"ns_per_pixel": trials[name].ns_per_pixel(p.other), "ratio": scaled.ratio()}

    own = [s for p in pairs.values() for s in p.baseline]
    zero: Variant = {"ns_per_pixel": trial.ns_per_pixel(own), "ratio": spread([1.0])}
    return {"baseline": zero, **{name: variant(name) for name in others}}


def shapes(source: Source, effort: Effort) -> dict[str, Variant]:
    """The same number of pixels in boxes of other sizes and shapes, sigma 4, against one box of 1000x1000; and a narrow
    box by itself, which is a 25th of them and costs a whole call."""
    run = fastblur_run(1)
    kinds = {
        "100 of 100x100": (100, 100, 100),
        "10000 of 10x10": (10_000, 10, 10),
        "25 of 20x2000": (25, 20, 2000),
        "25 of 2000x20": (25, 2000, 20),
        "one of 20x2000": (1, 20, 2000),
        "one of 2000x20": (1, 2000, 20),
    }
    others = {name: (grid(source, "blur", kind, 4.0), run) for name, kind in kinds.items()}
    return _variants(grid(source, "blur", (1, 1000, 1000), 4.0), others, effort, source.seed)


def dtypes(source: Source, effort: Effort) -> dict[str, Variant]:
    """W1 in the other dtypes, against uint8."""
    work, run = CASES["W1"].make(source), fastblur_run(1)
    others = {name: (work.as_dtype(name), run) for name in ("uint16", "float16", "float32")}
    return _variants(work, others, effort, source.seed)


def _ragged(work: Work) -> None:
    """The same call on a list of images, each with its own array of boxes."""
    images: Any = list(work.images)
    edges = np.searchsorted(work.boxes[:, 0], np.arange(len(images) + 1))
    boxes = [work.boxes[a:b, 1:] for a, b in pairwise(edges)]
    fastblur.gaussian_blur(images, boxes, work.strength, layout="HWC", out=images, num_threads=1)


def layouts(source: Source, effort: Effort) -> dict[str, Variant]:
    """W1 in other places of memory, against dense NHWC."""
    work, run = CASES["W1"].make(source), fastblur_run(1)
    n, h, w, c = work.images.shape
    others = {
        "NCHW": (work.as_nchw(), run),
        "ragged list": (work, _ragged),
        "cropped view": (work.behind(np.empty((n, h + 40, w + 40, c), np.uint8)[:, 20:-20, 20:-20]), run),
        "flipped view": (work.behind(np.empty((n, h, w, c), np.uint8)[:, :, ::-1]), run),
        "every second pixel": (work.behind(np.empty((n, h, 2 * w, c), np.uint8)[:, :, ::2]), run),
        "Fortran order": (work.behind(np.empty((n, c, w, h), np.uint8).transpose(0, 3, 2, 1)), run),
        "NCHW, channels_last": (replace(work, layout="NCHW", images=np.moveaxis(work.images, 3, 1)), run),
    }
    return _variants(work, others, effort, source.seed)


class Scaling(Variant):
    """The time on several threads, and one thread's over it, pair by pair; and the same ratio of processes that have a
    share of the images each, and wait for nothing of each other's, where there are enough images for that."""

    processes: Spread | None


def scaling(source: Source, folder: Path, threads: int, effort: Effort) -> dict[str, Scaling]:
    """One thread's time over that of `threads` threads, for each blur of the comparison: on pixels that one thread has
    just restored, as everywhere in this suite, and in calls back to back."""
    result = {}
    for name in ("W1", "W2", "W3", "W4", "W4f", "W6"):
        trial = Trial(CASES[name].make(source), 0.1, source.seed)
        one, many = fastblur_run(1), fastblur_run(threads)
        single = trial.once(one).images.copy()
        if not np.array_equal(single, trial.once(many).images):
            raise AssertionError(f"{name}: {threads} threads gave other bits than one")
        for again in (False, True):
            calls = BACK_TO_BACK if again else 1
            runs = [contender(*back_to_back(trial, r)) if again else trial.contender(r) for r in (many, one)]
            pairs = interleave(runs[0], {"one": runs[1]}, effort)["one"]
            result[f"{name}, back to back" if again else name] = Scaling(
                ns_per_pixel=trial.ns_per_pixel([s / calls for s in pairs.baseline]),
                ratio=pairs.ratio(),
                processes=processes.ceiling(name, source, folder, threads, effort, again),
            )
    return result


class Call(TypedDict):
    """Microseconds of one call, fastblur's and the peer's, and the peer's over fastblur's, pair by pair."""

    fastblur: Spread
    peer: Spread
    ratio: Spread


def call(source: Source, effort: Effort) -> dict[str, Call]:
    """One box in one image, from Python, sigma 4, beside cv2.GaussianBlur on that slice; empty without cv2."""
    try:
        import cv2
    except ImportError:
        return {}
    cv2.setNumThreads(1)
    image: npt.NDArray[np.uint8] = CASES["W1"].make(source).images[0].astype(np.uint8)
    repeats = 200
    result = {}
    for side in (8, 32, 128):
        boxes = np.array([[100, 100, 100 + side, 100 + side]])
        crop = image[100 : 100 + side, 100 : 100 + side]

        def ours(boxes: npt.NDArray[np.int64] = boxes) -> None:
            for _ in range(repeats):
                fastblur.gaussian_blur(image, boxes, 4.0, out=image, num_threads=1)

        def theirs(crop: npt.NDArray[np.uint8] = crop) -> None:
            for _ in range(repeats):
                cv2.GaussianBlur(crop, (25, 25), 4.0, dst=crop, borderType=cv2.BORDER_REFLECT_101)

        ours()
        theirs()
        pairs = interleave(contender(_nothing, ours), {"peer": contender(_nothing, theirs)}, effort)["peer"]
        own, other = (spread([s * 1e6 / repeats for s in seconds]) for seconds in (pairs.baseline, pairs.other))
        result[f"{side}x{side}"] = Call(fastblur=own, peer=other, ratio=pairs.ratio())
    return result


def _nothing(number: int) -> None:
    """Run `number` needs no preparation."""


def parsing(effort: Effort) -> dict[str, Spread]:
    """Milliseconds for 100,000 boxes of which none has pixels: they lie beside the image, so all of them are read,
    checked, rounded and clipped, and none is processed. In float64 and, as users bring them, as a list of lists."""
    rng = np.random.default_rng(0)
    corner = rng.uniform(1000, 5000, (100_000, 2))
    boxes = np.hstack([corner, corner + rng.uniform(10, 100, (100_000, 2))])
    image = np.zeros((100, 100, 3), np.uint8)
    result = {}
    for name, given in (("float64 array", boxes), ("list of lists", boxes.tolist())):

        def run(given: npt.ArrayLike = given) -> None:
            fastblur.fill(image, given, out=image, num_threads=1)

        run()
        timed = contender(_nothing, run)
        result[name] = spread([timed(i) * 1e3 for i in range(effort.rounds)])
    return result
