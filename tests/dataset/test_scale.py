"""Memory does not grow with the number of images, and annotations are held compactly."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from .trees import annotate, photo

if TYPE_CHECKING:
    from pathlib import Path

PEAK = """
import resource
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1))
"""


def peak_kib(program: str, *arguments: str) -> int:
    """Peak memory of a Python program in a process of its own."""
    command = [sys.executable, "-c", "import sys\n" + program + PEAK, *arguments]
    return int(subprocess.run(command, check=True, capture_output=True).stdout.split()[-1])


def test_a_run_over_ten_times_the_images_needs_no_more_memory(tmp_path: Path) -> None:
    photo(0, 8, 8).save(tmp_path / "a.bmp")
    content = (tmp_path / "a.bmp").read_bytes()
    peaks = []
    for images in (400, 4000):
        names = [f"n{i % 7}/{i}.bmp" for i in range(images)]
        for name in names:
            path = tmp_path / f"src{images}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        boxes = annotate(tmp_path / f"{images}.json", {name: [(1.0, 1.0, 7.0, 7.0)] for name in names})
        program = "from fastblur import cli\nassert cli.main(sys.argv[1:]) == 0"
        folders = [str(tmp_path / f"{kind}{images}") for kind in ("src", "dst")]
        peaks.append(
            peak_kib(program, "blur", *folders, "--boxes", str(boxes), "--format", "imagenet", "--workers", "1")
        )
    assert peaks[1] - peaks[0] < 16 * 1024


def test_annotations_take_less_than_a_kilobyte_each(tmp_path: Path) -> None:
    entries = 100_000
    path = tmp_path / "boxes.json"
    box = {"x0": 10.123456, "y0": 20.123456, "x1": 110.123456, "y1": 120.123456}
    with path.open("w") as file:
        for i in range(entries):
            file.write((", " if i else "[") + json.dumps({"url": f"train/n{i // 1300:08d}/{i}.JPEG", "bboxes": [box]}))
        file.write("]")
    program = """
from pathlib import Path
from fastblur.dataset.annotations import READERS, ReaderOptions
from fastblur.dataset.index import Index
index = Index()
if len(sys.argv) > 1:
    index.add_entries(READERS["imagenet"].read(Path(sys.argv[1]), ReaderOptions()))
"""
    # 1 GiB for the 1.4 million entries of ImageNet's file is 766 bytes each.
    assert (peak_kib(program, str(path)) - peak_kib(program)) * 1024 / entries < 766
