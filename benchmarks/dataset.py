"""`fastblur blur` end to end on a generated tree, beside the 2021 algorithm written plainly with Pillow.

    python -m benchmarks.dataset                    # 20,000 images
    python -m benchmarks.dataset --images 1000 --quick

The tree holds JPEG files of 500x375 cut from the example photos, each with ImageNet-like faces: 1 to 6 (2.3 on
average), 20 to 200 pixels. Every image has faces, as in the 243,198 that were blurred in 2021; images without faces are
copied, which is faster. One image is a stage's unit; times are medians over a sample, taken in turn with the 2021
algorithm on the same images, files read and written included. The whole run is then timed with one and with two
processes, each into a folder of its own, and what comes out of a small tree is checked by `fastblur verify`. Nothing is
deleted before the end: for minutes after files were deleted, ext4 takes ten times as long to make new ones.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
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
from PIL import Image, ImageDraw, ImageFilter

import fastblur
from benchmarks import machine, photos, store
from fastblur.dataset import files, methods
from fastblur.dataset.annotations import READERS, Box, Entry, ReaderOptions
from fastblur.dataset.geometry import stored_boxes
from fastblur.dataset.index import Item
from fastblur.dataset.parameters import Parameters
from fastblur.dataset.worker import Job, run_one, start

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

RELEASED = 243_198
"""Images that were blurred in 2021."""
ALL = 1_431_093
"""Images that it went over."""
WIDTH, HEIGHT = 500, 375
FACES = (1, 1, 1, 2, 2, 3, 3, 4, 6)
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


def plain_2021(source: Path, output: Path, boxes: list[Box]) -> None:
    """The published algorithm, as one writes it."""
    with Image.open(source) as opened:
        image = opened.convert("RGB")
    mask = Image.new("L", image.size, "white")
    longest = max(max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes)
    for x0, y0, x1, y1 in boxes:
        grow = 0.1 * max(x1 - x0, y1 - y0)
        ImageDraw.Draw(mask).rectangle((x0 - grow, y0 - grow, x1 + grow, y1 + grow), fill="black")
    blur = ImageFilter.GaussianBlur(0.1 * longest)
    Image.composite(image, image.filter(blur), mask.filter(blur)).save(output, "JPEG")


def hash_both(source: bytes, output: bytes) -> tuple[bytes, bytes]:
    """The two hashes of a row of the manifest."""
    return hmac.digest(bytes(32), source, "sha256"), hashlib.sha256(output).digest()


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
        timed("2021 algorithm, plain Pillow", plain_2021, src / path, scratch / f"{number}.plain", entry.boxes)
    return {
        stage: {"ms": statistics.median(wall), "processor_ms": statistics.median(processor)}
        for stage, (wall, processor) in ((stage, zip(*times, strict=True)) for stage, times in taken.items())
    }


def measure_run(src: Path, boxes: Path, dst: Path, workers: int, method: str) -> dict[str, float]:
    """Wall and processor seconds of one `fastblur blur`, its own start and its planning included."""
    command = [sys.executable, "-m", "fastblur.cli", "blur", str(src), str(dst), "--boxes", str(boxes)]
    options = ["--format", "imagenet", "--method", method, "--workers", str(workers), "--quiet"]
    before, begun = os.times(), time.perf_counter()
    subprocess.run([*command, *options], check=True)
    wall, after = time.perf_counter() - begun, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"seconds": wall, "processor_seconds": cpu}


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


def measure(root: Path, images: int, seed: int, sample: int, entries: int) -> dict[str, Any]:
    """All figures."""
    src, boxes = generate(root, images, seed)
    (root / "scratch").mkdir()
    results: dict[str, Any] = {"images": images, "seed": seed, "load": machine.load()}
    results["index"] = measure_index(root / "index.json", entries, seed)
    results["stages"] = measure_stages(src, boxes, root / "scratch", sample)
    runs: dict[str, dict[str, float]] = {}
    for name, workers, method in (
        ("1 worker", 1, "gaussian"),
        ("2 workers", 2, "gaussian"),
        ("imagenet2021, 1 worker", 1, "imagenet2021"),
    ):
        dst = root / f"dst{len(runs)}"
        os.sync()
        runs[name] = measure_run(src, boxes, dst, workers, method)
        runs[name]["images_per_second"] = images / runs[name]["seconds"]
    results["runs"] = runs
    if images <= 2 * sample:
        command = [sys.executable, "-m", "fastblur.cli", "verify", str(src), str(root / "dst1"), "--quiet"]
        subprocess.run([*command, "--boxes", str(boxes), "--format", "imagenet"], check=True)
    return results


def table(results: dict[str, Any]) -> str:
    """The figures as Markdown."""
    stages, runs = results["stages"], results["runs"]
    plain, plain_processor = stages["2021 algorithm, plain Pillow"].values()
    lines = ["| one image, one core | ms | images/s | processor ms |", "|---|---|---|---|"]
    for stage, times in stages.items():
        lines.append(f"| {stage} | {times['ms']:.2f} | {1000 / times['ms']:,.0f} | {times['processor_ms']:.2f} |")
    lines += [
        "",
        "| the whole tree | images/s | 2021 algorithm = 1 | processor ms per image | time for 243,198 images |",
        "|---|---|---|---|---|",
    ]
    lines.append(
        f"| 2021 algorithm, plain Pillow | {1000 / plain:,.0f} | 1 | {plain_processor:.2f} "
        f"| {RELEASED * plain / 60_000:.1f} min |"
    )
    for name, run in runs.items():
        rate, processor = run["images_per_second"], 1000 * run["processor_seconds"] / results["images"]
        lines.append(
            f"| {name} | {rate:,.0f} | {rate * plain / 1000:.1f} | {processor:.2f} | {RELEASED / rate / 60:.1f} min |"
        )
    per_core = runs["1 worker"]["images_per_second"] * plain / 1000
    two = runs["1 worker"]["seconds"] / runs["2 workers"]["seconds"]
    lines += [
        "",
        f"Per core {per_core:.1f} x the 2021 algorithm (goal {GOAL_PER_CORE:g}: {_met(per_core >= GOAL_PER_CORE)}); "
        f"two workers {two:.2f} x one (goal {GOAL_TWO_WORKERS:g}: {_met(two >= GOAL_TWO_WORKERS)}).",
    ]
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
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="keep the result out of benchmarks/results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fastblur-") as root:
        results = measure(Path(root), options.images, options.seed, options.sample, options.entries)
    print(table(results))
    store.write(
        store.path(options.quick, f"{machine.slug()}-dataset"),
        {"fastblur": fastblur.__version__, "machine": machine.describe(), **results},
    )


if __name__ == "__main__":
    main()
