"""The algorithm that blurred ImageNet's faces in 2021, as one writes it with Pillow: one image after another.

    python -m benchmarks.plain_2021 SRC BOXES DST --every 4

BOXES is in ImageNet's format. Of the entries, every so many-th is blurred, into DST under its number.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Sequence


def blur(source: Path, output: Path, boxes: Sequence[tuple[float, float, float, float]]) -> None:
    """One image."""
    with Image.open(source) as opened:
        image = opened.convert("RGB")
    mask = Image.new("L", image.size, "white")
    longest = max(max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes)
    for x0, y0, x1, y1 in boxes:
        grow = 0.1 * max(x1 - x0, y1 - y0)
        ImageDraw.Draw(mask).rectangle((x0 - grow, y0 - grow, x1 + grow, y1 + grow), fill="black")
    gaussian = ImageFilter.GaussianBlur(0.1 * longest)
    Image.composite(image, image.filter(gaussian), mask.filter(gaussian)).save(output, "JPEG")


def main() -> None:
    """A folder of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("src", "boxes", "dst"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    options.dst.mkdir()
    for number, item in enumerate(json.loads(options.boxes.read_text())[:: options.every]):
        boxes = [(box["x0"], box["y0"], box["x1"], box["y1"]) for box in item["bboxes"]]
        blur(options.src / item["url"].removeprefix("train/"), options.dst / f"{number}.jpg", boxes)


if __name__ == "__main__":
    main()
