"""`fastblur blur` end to end on a generated tree, beside the 2021 algorithm written plainly with Pillow.

    python -m benchmarks.dataset                    # 20,000 images
    python -m benchmarks.dataset --images 1000 --quick

The tree holds JPEG files of 500x375 cut from the example photos, each with ImageNet-like faces: 1 to 6 (2.3 on
average), 20 to 200 pixels. Every image has faces, as in the 243,198 that were blurred in 2021; images without faces are
copied, which is faster. One image is a stage's unit; times are medians over a sample, taken in turn with the 2021
algorithm on the same images, files read and written included. Then whole processes are timed in turn, several rounds of
them: the 2021 algorithm on every fourth image, and the command on all with one and with two processes, each into a
folder of its own. What comes out of a small tree is checked by `fastblur verify`. Nothing is deleted before the end:
for minutes after files were deleted, ext4 takes ten times as long to make new ones.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from PIL import Image

import fastblur
from benchmarks import machine, photos, plain_2021, store
from fastblur.dataset import files, methods
from fastblur.dataset.annotations import READERS, Entry, ReaderOptions
from fastblur.dataset.geometry import stored_boxes
from fastblur.dataset.index import Item
from fastblur.dataset.parameters import Parameters
from fastblur.dataset.worker import Job, run_one, start, tag

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

RELEASED = 243_198
"""Images that were blurred in 2021."""
ALL = 1_431_093
"""Images that it went over."""
WIDTH, HEIGHT = 500, 375
FACES = (1, 1, 1, 2, 2, 3, 3, 4, 6)
PLAIN, ONE, TWO = "2021 algorithm, plain Pillow", "1 worker", "2 workers"
EVERY = 4
"""One in so many images is given to the 2021 algorithm as a whole process."""
GOAL_PER_CORE, GOAL_TWO_WORKERS = 5.0, 1.8


def generate(root: Path, images: int, seed: int) -> tuple[Path, Path]:
    """A source folder of `images` files, and its annotation file."""
    rng = np.random.default_rng(seed)
    originals = photos.load(photos.DEFAULT)
    annotations = []
    for number in range(images):
        window = photos.tiled(originals[number % len(originals)], HEIGHT, WIDTH, rng)
        name = f"n{number // 500:08d}/n{number // 500:08d}_{number}.JPEG"
        path = root / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(window).save(path, quality=92)
        boxes = []
        for _ in range(FACES[number % len(FACES)]):
            height = 20 * 10 ** float(rng.random())
            width = height * float(rng.uniform(0.7, 0.9))
            x, y = float(rng.uniform(0, WIDTH - width)), float(rng.uniform(0, HEIGHT - height))
            boxes.append({"x0": x, "y0": y, "x1": x + width, "y1": y + height})
        annotations.append({"url": f"train/{name}", "bboxes": boxes})
    (root / "boxes.json").write_text(json.dumps(annotations))
    return root / "src", root / "boxes.json"


def hash_both(source: bytes, output: bytes) -> tuple[str, str]:
    """The two hashes of a row of the manifest."""
    return tag(source, bytes(32)), hashlib.sha256(output).hexdigest()


def measure_stages(src: Path, boxes: Path, scratch: Path, sample: int) -> dict[str, dict[str, float]]:
    """Median milliseconds per image (clock, processor) of each stage, of a worker's whole image, and of 2021."""
    entries = list(READERS["imagenet"].read(boxes, ReaderOptions()))
    step = max(1, len(entries) // sample)
    job = Job(src, scratch / "one", Parameters(), bytes(32))
    job_2021 = Job(src, scratch / "one", Parameters(method="imagenet2021"), bytes(32))
    start(job)
    taken: dict[str, list[tuple[float, float]]] = {}

    def timed(stage: str, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        processor, begun = time.process_time(), time.perf_counter()
        result = function(*arguments, **options)
        times = (1000 * (time.perf_counter() - begun), 1000 * (time.process_time() - processor))
        taken.setdefault(stage, []).append(times)
        return result

    for number, entry in enumerate(entries[::step]):
        path = entry.key.removeprefix("train/")
        source = timed("read", (src / path).read_bytes)
        info = timed("look at the header", files.probe, source)
        found = stored_boxes([Entry("", entry.boxes)], info, orientation=None).boxes
        picture = files.decode(source, max_pixels=1 << 28)
        for parameters in (job_2021.parameters, job.parameters):
            picture = timed("decode", files.decode, source, max_pixels=1 << 28)
            applied = methods.plan(found, info, parameters)
            stage = f"obfuscate ({parameters.method})"
            timed(stage, methods.obfuscate, picture.frames[0], applied, info, parameters)
        data = timed("encode", files.encode, picture, touched=[], check="structure").data
        timed("hash source and output", hash_both, source, data)
        timed("write", (scratch / f"{number}.written").write_bytes, data)
        for method, one in (("gaussian", job), ("imagenet2021", job_2021)):
            outcome = timed(f"whole image, {method}", run_one, Item(path, None, True, [entry]), one)
            assert outcome.row["status"] == "obfuscated", outcome.row
        timed("whole image without faces", run_one, Item(path, None, True, [Entry(path, [])]), job)
        timed(PLAIN, plain_2021.blur, src / path, scratch / f"{number}.plain", entry.boxes)
    return {
        stage: {"ms": statistics.median(wall), "processor_ms": statistics.median(processor)}
        for stage, (wall, processor) in ((stage, zip(*times, strict=True)) for stage, times in taken.items())
    }


def measure_run(command: list[str], images: int) -> dict[str, float]:
    """Wall and processor time of a Python command over `images` images, its own start and planning included."""
    os.sync()
    before, begun = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-m", *command], check=True)
    wall, after = time.perf_counter() - begun, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"seconds": wall, "images_per_second": images / wall, "processor_ms_per_image": 1000 * cpu / images}


def measure_runs(root: Path, src: Path, boxes: Path, images: int, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Whole runs by name, in turn `rounds` times; `imagenet2021`, which takes long, once."""

    def plain(number: int) -> dict[str, float]:
        command = ["benchmarks.plain_2021", str(src), str(boxes), str(root / f"plain-{number}"), "--every", str(EVERY)]
        return measure_run(command, -(-images // EVERY))

    def blur(method: str, workers: int, number: int) -> dict[str, float]:
        command = ["fastblur.cli", "blur", str(src), str(root / f"{method}-{workers}-{number}"), "--boxes", str(boxes)]
        command += ["--format", "imagenet", "--method", method, "--workers", str(workers), "--quiet"]
        return measure_run(command, images)

    runs: dict[str, list[dict[str, float]]] = {PLAIN: [], ONE: [], TWO: []}
    for number in range(rounds):
        runs[PLAIN].append(plain(number))
        runs[ONE].append(blur("gaussian", 1, number))
        runs[TWO].append(blur("gaussian", 2, number))
    return {**runs, "imagenet2021, 1 worker": [blur("imagenet2021", 1, 0)]}


INDEX = """
import json, resource, sys, time
from pathlib import Path
from fastblur.dataset.annotations import READERS, ReaderOptions
from fastblur.dataset.index import Index
begun = time.perf_counter()
index = Index()
index.add_entries(READERS["imagenet"].read(Path(sys.argv[1]), ReaderOptions()))
seconds = time.perf_counter() - begun
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform != "darwin" else 1 << 30)
print(json.dumps({"entries": index.count_keys()[0], "seconds": seconds, "gibibytes": peak}))
"""


def measure_index(path: Path, entries: int, seed: int) -> dict[str, float]:
    """Seconds and peak memory of loading an annotation file of the release's size, 17 % of it with faces."""
    rng = np.random.default_rng(seed)
    with path.open("w") as file:
        for number in range(entries):
            faces = FACES[number % len(FACES)] if rng.random() < 0.17 else 0
            boxes = [
                dict(zip(("x0", "y0", "x1", "y1"), map(float, 400 * rng.random(4)), strict=True)) for _ in range(faces)
            ]
            item = {"url": f"train/n{number // 1300:08d}/n{number // 1300:08d}_{number}.JPEG", "bboxes": boxes}
            file.write((", " if number else "[") + json.dumps(item))
        file.write("]")
    done = subprocess.run([sys.executable, "-c", INDEX, str(path)], check=True, capture_output=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def measure(root: Path, images: int, seed: int, sample: int, entries: int, rounds: int) -> dict[str, Any]:
    """All figures."""
    src, boxes = generate(root, images, seed)
    (root / "scratch").mkdir()
    results: dict[str, Any] = {"images": images, "seed": seed, "load": machine.load()}
    results["index"] = measure_index(root / "index.json", entries, seed)
    results["stages"] = measure_stages(src, boxes, root / "scratch", sample)
    results["runs"] = measure_runs(root, src, boxes, images, rounds)
    if images <= 2 * sample:
        command = [sys.executable, "-m", "fastblur.cli", "verify", str(src), str(root / "gaussian-2-0"), "--quiet"]
        subprocess.run([*command, "--boxes", str(boxes), "--format", "imagenet"], check=True)
    return results


def table(results: dict[str, Any]) -> str:
    """The figures as Markdown."""
    stages, runs = results["stages"], results["runs"]
    lines = ["| one image, one core | ms | images/s | processor ms |", "|---|---|---|---|"]
    for stage, times in stages.items():
        lines.append(f"| {stage} | {times['ms']:.2f} | {1000 / times['ms']:,.0f} | {times['processor_ms']:.2f} |")
    lines += [
        "",
        "| whole runs | images/s | 2021 algorithm = 1 | processor ms per image | time for 243,198 images |",
        "|---|---|---|---|---|",
    ]
    for name, times in runs.items():
        rate = _median(times, "images_per_second")
        lines.append(
            f"| {name} | {rate:,.0f} | {_spread(_ratios(runs, name, PLAIN))} "
            f"| {_median(times, 'processor_ms_per_image'):.2f} | {RELEASED / rate / 60:.1f} min |"
        )
    for what, ratios, goal in (
        ("one worker against the 2021 algorithm", _ratios(runs, ONE, PLAIN), GOAL_PER_CORE),
        ("two workers against one", _ratios(runs, TWO, ONE), GOAL_TWO_WORKERS),
    ):
        lines += ["", f"{what}: {_spread(ratios)} (goal {goal:g}: {_met(statistics.median(ratios) >= goal)})"]
    plain = stages[PLAIN]["ms"]
    lines.append("")
    mixed = 0.17 * stages["whole image, gaussian"]["ms"] + 0.83 * stages["whole image without faces"]["ms"]
    lines.append(
        f"All 1,431,093 images, of which 17 % have faces, one core, estimated from single images: "
        f"{ALL * mixed / 60_000:.0f} min; the 2021 algorithm {ALL * plain / 60_000:.0f} min ({plain / mixed:.1f} x)."
    )
    index = results["index"]
    lines.append(
        f"{index['entries']:,} annotation entries: {index['seconds']:.1f} s, {index['gibibytes']:.2f} GiB "
        f"(goal 15 s and 1 GiB: {_met(index['seconds'] < 15 and index['gibibytes'] < 1)})."
    )
    return "\n".join(lines)


def _median(times: list[dict[str, float]], what: str) -> float:
    return statistics.median(one[what] for one in times)


def _ratios(runs: dict[str, list[dict[str, float]]], name: str, peer: str) -> list[float]:
    """Images per second against a peer's, round by round."""
    return [a["images_per_second"] / b["images_per_second"] for a, b in zip(runs[name], runs[peer], strict=False)]


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _met(met: bool) -> str:
    return "met" if met else "missed"


def main() -> None:
    """Generate, measure, print, and write the JSON beside the other results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--sample", type=int, default=500, help="images that stages are timed on (default %(default)s)")
    parser.add_argument(
        "--entries", type=int, default=1_431_093, help="annotation entries to load (default %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="whole runs of each kind (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="keep the result out of benchmarks/results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fastblur-") as root:
        results = measure(Path(root), options.images, options.seed, options.sample, options.entries, options.rounds)
    print(table(results))
    store.write(
        store.path(options.quick, f"{machine.slug()}-dataset"),
        {"fastblur": fastblur.__version__, "machine": machine.describe(), **results},
    )


if __name__ == "__main__":
    main()
