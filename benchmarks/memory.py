"""How much memory fastblur takes beside the image, in place. Linux only: the kernel keeps the high-water mark.

Run as a module, this file is one measurement: a process of its own, so that no earlier call has left it any memory.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import fastblur

# Width, height and sigma of one box in a 4K frame of its own size, uint8 and float32 RGB.
BOXES = (
    (32, 32, 4.0),
    (1000, 800, 80.0),
    (3840, 2160, 0.5),
    (3840, 2160, 3.0),
    (3840, 2160, 20.0),
    (3840, 2160, 500.0),
    (2160, 3840, 20.0),
    (3840, 20, 20.0),
)
DTYPES = ("uint8", "float32")


def _kib(field: str) -> int:
    found = re.search(rf"^{field}:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def measure(width: int, height: int, sigma: float, dtype: str, threads: int) -> int:
    """KiB by which this process grew at most during one blur in place."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (height, width, 3), dtype=np.uint8).astype(dtype)
    small = np.zeros((8, 8, 3), dtype)
    # Loads the library, starts the threads and touches their stacks.
    fastblur.gaussian_blur(small, None, 1.0, out=small, num_threads=threads)
    Path("/proc/self/clear_refs").write_text("5")
    before = _kib("VmRSS")
    fastblur.gaussian_blur(image, None, sigma, out=image, num_threads=threads)
    return _kib("VmHWM") - before


def table(threads: list[int]) -> dict[str, float]:
    """KiB per thread for each box, dtype and number of threads; empty where the system does not tell."""
    if not Path("/proc/self/clear_refs").exists():
        return {}
    result = {}
    for count in threads:
        for width, height, sigma in BOXES:
            for dtype in DTYPES:
                command = [sys.executable, "-m", "benchmarks.memory", *map(str, (width, height, sigma, dtype, count))]
                root = Path(__file__).resolve().parent.parent
                done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
                name = f"{width}x{height}, sigma {sigma:g}, {dtype}, {count} thread{'s' if count > 1 else ''}"
                result[name] = int(done.stdout) / count
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, kind in (("width", int), ("height", int), ("sigma", float), ("dtype", str), ("threads", int)):
        parser.add_argument(name, type=kind)
    o = parser.parse_args()
    print(measure(o.width, o.height, o.sigma, o.dtype, o.threads))


if __name__ == "__main__":
    main()
