"""Small trees of images with annotations, and the command run on them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from fastblur import cli

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

WIDTH, HEIGHT = 96, 64
FACE = (20.0, 10.0, 60.0, 50.0)


def photo(seed: int = 0, width: int = WIDTH, height: int = HEIGHT, mode: str = "RGB") -> Image.Image:
    """Noise that is smooth enough to survive JPEG, different for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    """Save `image`, making folders as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def annotate(path: Path, boxes: Mapping[str, Sequence[Sequence[float]]]) -> Path:
    """An annotation file in ImageNet's form."""
    names = ("x0", "y0", "x1", "y1")
    items = [{"url": url, "bboxes": [dict(zip(names, b, strict=True)) for b in bs]} for url, bs in boxes.items()]
    path.write_text(json.dumps(items))
    return path


def tree(root: Path, *, images: int = 6, ending: str = ".png") -> tuple[Path, Path]:
    """A source folder in which every third image has no box, and its annotation file."""
    boxes = {}
    for i in range(images):
        name = f"n{i % 2}/image{i}{ending}"
        save(root / "src" / name, photo(i))
        boxes[name] = [] if i % 3 == 2 else [FACE]
    return root / "src", annotate(root / "boxes.json", boxes)


def blur(src: Path, dst: Path, boxes: Path, *options: str, form: str = "imagenet", workers: int = 1) -> int:
    """Run ``fastblur blur``; its exit code."""
    given = ["--boxes", str(boxes), "--format", form, "--workers", str(workers), *options]
    return cli.main(["blur", str(src), str(dst), *given])


def verify(src: Path, dst: Path, boxes: Path | None, form: str = "imagenet") -> int:
    """Run ``fastblur verify``; its exit code."""
    given = [] if boxes is None else ["--boxes", str(boxes), "--format", form]
    return cli.main(["verify", str(src), str(dst), "--workers", "1", *given])


def lines(dst: Path) -> list[dict[str, Any]]:
    """Every line of the manifest."""
    return [json.loads(line) for line in dst.with_name(dst.name + ".manifest.jsonl").read_text().splitlines()]


def rows(dst: Path) -> dict[str, dict[str, Any]]:
    """The manifest's rows by path."""
    return {line["path"]: line for line in lines(dst) if "path" in line}


def content(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def pixels(path: Path) -> np.ndarray[Any, Any]:
    """The file's pixels as Pillow reads them."""
    with Image.open(path) as image:
        return np.array(image)
