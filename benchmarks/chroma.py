"""What encoding a JPEG again changes where no box is, by how its subsampled chroma was spread over the pixels.

    python -m benchmarks.chroma

Windows of 500x375 of the example photos are saved with 4:2:0, decoded both ways of `fastblur.dataset.files.decode`, and
encoded again as the command does. A viewer's pixels before and after are compared: the share that differs, and the
error in dB below the peak. No time is measured, and another machine with the same codecs finds the same.
"""

from __future__ import annotations

import importlib.metadata
import io
import statistics
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

import fastblur
from benchmarks import photos, store
from fastblur.dataset import files

if TYPE_CHECKING:
    from fastblur.dataset.files import Chroma

QUALITIES = (75, 85, 92, 95)
PER_PHOTO = 16


def changed(source: bytes, chroma: Chroma) -> tuple[float, float]:
    """The share of pixels that a viewer shows otherwise after encoding again, and 10 log10(255^2 / mean square)."""
    picture = files.decode(source, max_pixels=1 << 28, chroma=chroma)
    encoded = files.encode(picture, touched=[], check="structure").data
    before, after = (np.asarray(Image.open(io.BytesIO(data)), np.float64) for data in (source, encoded))
    difference = after - before
    return float(difference.any(axis=-1).mean()), float(10 * np.log10(255**2 / np.square(difference).mean()))


def measure(seed: int) -> dict[str, Any]:
    """Medians over all windows, by quality and way."""
    rng = np.random.default_rng(seed)
    windows = [photos.tiled(photo, 375, 500, rng) for photo in photos.load(photos.DEFAULT) for _ in range(PER_PHOTO)]
    results: dict[str, Any] = {"windows": len(windows), "seed": seed}
    for quality in QUALITIES:
        sources = []
        for window in windows:
            stream = io.BytesIO()
            Image.fromarray(window).save(stream, "JPEG", quality=quality, subsampling="4:2:0")
            sources.append(stream.getvalue())
        ways: tuple[Chroma, ...] = ("stored", "smooth")
        for way in ways:
            shares, decibels = zip(*(changed(source, way) for source in sources), strict=True)
            results.setdefault(f"quality {quality}", {})[way] = {
                "changed": statistics.median(shares),
                "decibels": statistics.median(decibels),
            }
    return results


def main() -> None:
    """Measure, print, and write the JSON beside the other results."""
    results = measure(seed=1)
    print("| quality | chroma | pixels changed | error below the peak |\n|---|---|---|---|")
    for quality in QUALITIES:
        for way, found in results[f"quality {quality}"].items():
            print(f"| {quality} | {way} | {100 * found['changed']:.1f} % | {found['decibels']:.1f} dB |")
    codecs = {name: importlib.metadata.version(name) for name in ("simplejpeg", "imagecodecs", "pillow")}
    store.write(store.path(quick=False, name="jpeg-chroma"), {"fastblur": fastblur.__version__, **codecs, **results})


if __name__ == "__main__":
    main()
