"""Blurs the faces of the example photos: one before/after picture, what it cost beside OpenCV, and a blurred copy.

Run by scripts/demo.sh; needs `pip install 'fastblur[dataset]' opencv-python-headless`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

import fastblur
from fastblur import cli

if TYPE_CHECKING:
    from collections.abc import Callable

Photo = npt.NDArray[np.uint8]

EXAMPLES = Path(__file__).parent
SIGMA = 0.15  # of a box's longer side
RUNS = 15
PICTURE = Path("blurred.before_after.jpg")


def load(folder: Path, annotations: Path) -> tuple[list[str], list[Photo], list[npt.NDArray[np.float64]]]:
    """Names, photos of shape (H, W, 3) and face boxes of shape (K, 4), x1 y1 x2 y2."""
    faces = {
        entry["url"]: [[box[key] for key in ("x0", "y0", "x1", "y1")] for box in entry["bboxes"]]
        for entry in json.loads(annotations.read_text())
    }
    paths = sorted(folder.glob("*.jpg"))
    photos = [np.array(Image.open(path).convert("RGB")) for path in paths]
    return [path.name for path in paths], photos, [np.reshape(faces.get(p.name, []), (-1, 4)) for p in paths]


def blur(photos: list[Photo], faces: list[npt.NDArray[np.float64]]) -> None:
    """In place, all photos and boxes in one call."""
    fastblur.gaussian_blur(photos, faces, sigma=SIGMA, relative=True, out=photos)


def blur_with_opencv(photos: list[Photo], faces: list[npt.NDArray[np.float64]]) -> None:
    """The same with OpenCV: in place, box by box, in a loop."""
    for photo, boxes in zip(photos, faces, strict=True):
        for x1, y1, x2, y2 in boxes:
            box = photo[max(0, int(y1)) : int(np.ceil(y2)), max(0, int(x1)) : int(np.ceil(x2))]
            sigma = SIGMA * max(x2 - x1, y2 - y1)
            cv2.GaussianBlur(box, (0, 0), sigma, dst=box, borderType=cv2.BORDER_REFLECT_101 | cv2.BORDER_ISOLATED)


def seconds(functions: list[Callable[..., None]], photos: list[Photo], *args: Any) -> list[float]:
    """The median time of each function, run in turn on fresh copies of the photos."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(RUNS):
        for function, taken in zip(functions, times, strict=True):
            copies = [photo.copy() for photo in photos]
            started = time.perf_counter()
            function(copies, *args)
            taken.append(time.perf_counter() - started)
    return [median(taken) for taken in times]


def before_and_after(before: Photo, boxes: npt.NDArray[np.float64], target: Path) -> None:
    """The part of a photo with the faces, before above after, with the margin and the soft edge of the command."""
    after = fastblur.gaussian_blur(before, boxes, sigma=SIGMA, relative=True, margin=0.1, feather=0.1)
    height, width = before.shape[:2]
    top = max(0, int(boxes[:, 1].min() - 0.04 * height))
    bottom = min(height, int(boxes[:, 3].max() + 0.04 * height))
    gap = np.full((8, width, 3), 255, np.uint8)
    pair = Image.fromarray(np.concatenate([before[top:bottom], gap, after[top:bottom]]))
    pair.resize((1200, round(1200 * pair.height / pair.width)), Image.Resampling.LANCZOS).save(target, quality=85)


def main() -> int:
    names, photos, faces = load(EXAMPLES / "photos", EXAMPLES / "faces.json")
    crowd = max(range(len(photos)), key=lambda i: len(faces[i]))
    before_and_after(photos[crowd], faces[crowd], PICTURE)

    pixels = sum(photo.shape[0] * photo.shape[1] for photo in photos)
    inside = sum(int(np.prod(np.ceil(box[2:]) - np.floor(box[:2]))) for boxes in faces for box in boxes)
    threads = fastblur.get_num_threads()
    fastblur.set_num_threads(1)
    cv2.setNumThreads(1)
    ours, theirs = seconds([blur, blur_with_opencv], photos, faces)
    print(
        f"{len(photos)} images, {pixels / 1e6:.1f} megapixels; "
        f"{sum(map(len, faces))} boxes, {inside / 1e6:.2f} megapixels"
    )
    print(f"fastblur                {inside / ours / 1e6:8.1f} megapixels of boxes per second, {ours * 1e3:7.2f} ms")
    print(
        f"cv2.GaussianBlur loop   {inside / theirs / 1e6:8.1f} megapixels of boxes per second, {theirs * 1e3:7.2f} ms"
    )
    print(f"{theirs / ours:.0f} times as fast, one thread each, median of {RUNS} interleaved runs")
    print(f"wrote {PICTURE}, from {names[crowd]}")
    fastblur.set_num_threads(threads)

    # The command, on the files: reads, blurs and writes them, and keeps a record. A second run checks and goes on.
    command = [
        "blur",
        str(EXAMPLES / "photos"),
        "blurred",
        "--boxes",
        str(EXAMPLES / "faces.json"),
        "--format",
        "imagenet",
    ]
    return cli.main([*command, "--resume"] if Path("blurred.manifest.jsonl").exists() else command)


if __name__ == "__main__":
    sys.exit(main())
