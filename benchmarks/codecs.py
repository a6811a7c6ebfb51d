"""Libraries that decode and encode image files, measured side by side: what the data-set command's choice rests on.

    python benchmarks/codecs.py [--photo FILE] [--repeat N]

One 500x375 picture, in memory. The candidates of a group run in turn, N times over, so that a change of the machine's
speed meets all of them; the table shows the median and the quartiles. What a decoder returns, and what an encoder's
file decodes to, is compared with the reference of its group. A library that is not installed is named and left out.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import io
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Result = Any
Job = Callable[[], Result]


@dataclass(frozen=True)
class Candidate:
    """One way to do a group's work; `check` turns its result into pixels or coefficients to compare."""

    name: str
    job: Job
    check: Callable[[Result], Any]


def _module(name: str) -> Any:
    return importlib.import_module(name)


def _picture(path: str | None) -> Any:
    image = _module("PIL.Image")

    if path:
        return np.asarray(image.open(path).convert("RGB").resize((500, 375)))
    y, x = np.mgrid[:375, :500] / 40
    planes = [128 + 70 * np.sin(x + c) * np.cos(y * (1 + c / 3)) + 25 * (np.sin(x * y / 3 + c) > 0) for c in range(3)]
    noise = np.random.default_rng(0).normal(0, 4, (375, 500, 3))
    return np.clip(np.stack(planes, -1) + noise, 0, 255).astype(np.uint8)


def _saved(pixels: Any, kind: str, **options: Any) -> bytes:
    image = _module("PIL.Image")

    stream = io.BytesIO()
    image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def _opened(data: bytes) -> Any:
    image = _module("PIL.Image")

    return np.array(image.open(io.BytesIO(data)))


def _jpeg_decoders(data: bytes) -> dict[str, Callable[[], Candidate]]:
    def same(pixels: Any) -> Any:
        return pixels

    def simplejpeg() -> Candidate:
        simplejpeg = _module("simplejpeg")

        return Candidate("simplejpeg", lambda: simplejpeg.decode_jpeg(data), same)

    def simplejpeg_fast() -> Candidate:
        simplejpeg = _module("simplejpeg")

        return Candidate(
            "simplejpeg, fast upsampling",
            lambda: simplejpeg.decode_jpeg(data, fastupsample=True, fastdct=True),
            same,
        )

    def pillow() -> Candidate:
        return Candidate("Pillow", lambda: _opened(data), same)

    def imagecodecs() -> Candidate:
        imagecodecs = _module("imagecodecs")

        return Candidate("imagecodecs", lambda: imagecodecs.jpeg8_decode(data), same)

    def opencv() -> Candidate:
        cv2 = _module("cv2")

        cv2.setNumThreads(1)
        encoded = np.frombuffer(data, np.uint8)
        return Candidate("OpenCV (BGR)", lambda: cv2.imdecode(encoded, cv2.IMREAD_COLOR), lambda bgr: bgr[..., ::-1])

    return {
        "simplejpeg": simplejpeg,
        "simplejpeg fast": simplejpeg_fast,
        "Pillow": pillow,
        "imagecodecs": imagecodecs,
        "opencv-python-headless": opencv,
    }


def _jpeg_encoders(pixels: Any, quality: int) -> dict[str, Callable[[], Candidate]]:
    tables = None

    def simplejpeg() -> Candidate:
        simplejpeg = _module("simplejpeg")

        return Candidate("simplejpeg", lambda: simplejpeg.encode_jpeg(pixels, quality, "RGB", "420"), _opened)

    def pillow() -> Candidate:
        return Candidate("Pillow", lambda: _saved(pixels, "JPEG", quality=quality, subsampling=2), _opened)

    def pillow_tables() -> Candidate:
        image = _module("PIL.Image")

        nonlocal tables
        reference = image.open(io.BytesIO(_saved(pixels, "JPEG", quality=quality, subsampling=2)))
        tables = reference.quantization
        return Candidate("Pillow, given tables", lambda: _saved(pixels, "JPEG", qtables=tables, subsampling=2), _opened)

    def pillow_progressive() -> Candidate:
        return Candidate(
            "Pillow, progressive",
            lambda: _saved(pixels, "JPEG", quality=quality, subsampling=2, progressive=True),
            _opened,
        )

    def imagecodecs() -> Candidate:
        imagecodecs = _module("imagecodecs")

        return Candidate("imagecodecs", lambda: imagecodecs.jpeg8_encode(pixels, quality, subsampling="420"), _opened)

    def opencv() -> Candidate:
        cv2 = _module("cv2")

        bgr = np.ascontiguousarray(pixels[..., ::-1])
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]

        def encode() -> bytes:
            data: bytes = cv2.imencode(".jpg", bgr, options)[1].tobytes()
            return data

        return Candidate("OpenCV (BGR)", encode, _opened)

    return {
        "simplejpeg": simplejpeg,
        "Pillow": pillow,
        "Pillow tables": pillow_tables,
        "Pillow progressive": pillow_progressive,
        "imagecodecs": imagecodecs,
        "opencv-python-headless": opencv,
    }


def _coefficients(data: bytes) -> dict[str, Callable[[], Candidate]]:
    descriptor = os.memfd_create("codecs")
    os.write(descriptor, data)
    path, target = f"/proc/self/fd/{descriptor}", f"/proc/self/fd/{os.memfd_create('codecs')}"

    def reading() -> Candidate:
        jpegio = _module("jpegio")

        return Candidate("pyjpegio, read", lambda: jpegio.read(path), lambda jpeg: jpeg.coef_arrays[0])

    def writing() -> Candidate:
        jpegio = _module("jpegio")

        jpeg = jpegio.read(path)
        jpeg.optimize_coding = True
        return Candidate(
            "pyjpegio, write (optimised)",
            lambda: jpeg.write(target),
            lambda _: jpegio.read(target).coef_arrays[0],
        )

    def other() -> Candidate:
        jpeglib = _module("jpeglib")

        def read() -> Any:
            return jpeglib.to_jpegio(jpeglib.read_dct(path))

        return Candidate("jpeglib, read", read, lambda jpeg: jpeg.coef_arrays[0])

    return {"pyjpegio": reading, "pyjpegio write": writing, "jpeglib": other}


def _lossless(pixels: Any) -> dict[str, Callable[[], Candidate]]:
    def pillow_png(level: int) -> Callable[[], Candidate]:
        return lambda: Candidate(
            f"PNG, Pillow, level {level}", lambda: _saved(pixels, "PNG", compress_level=level), _opened
        )

    def imagecodecs_png(level: int) -> Callable[[], Candidate]:
        def make() -> Candidate:
            imagecodecs = _module("imagecodecs")

            return Candidate(
                f"PNG, imagecodecs, level {level}", lambda: imagecodecs.png_encode(pixels, level=level), _opened
            )

        return make

    def pillow_webp(effort: int) -> Callable[[], Candidate]:
        return lambda: Candidate(
            f"WebP, Pillow, effort {effort}",
            lambda: _saved(pixels, "WEBP", lossless=True, quality=effort, exact=True),
            _opened,
        )

    return {
        "Pillow 6": pillow_png(6),
        "imagecodecs 6": imagecodecs_png(6),
        "imagecodecs 4": imagecodecs_png(4),
        "imagecodecs 1": imagecodecs_png(1),
        "WebP 75": pillow_webp(75),
        "WebP 0": pillow_webp(0),
    }


def _png_decoders(data: bytes) -> dict[str, Callable[[], Candidate]]:
    def pillow() -> Candidate:
        return Candidate("Pillow", lambda: _opened(data), lambda pixels: pixels)

    def imagecodecs() -> Candidate:
        imagecodecs = _module("imagecodecs")

        return Candidate("imagecodecs", lambda: imagecodecs.png_decode(data), lambda pixels: pixels)

    return {"Pillow": pillow, "imagecodecs": imagecodecs}


def _measure(title: str, makers: dict[str, Callable[[], Candidate]], reference: Any, repeat: int) -> None:
    candidates, missing = [], []
    for package, make in makers.items():
        try:
            candidates.append(make())
        except ImportError:
            missing.append(package)
    times: dict[str, list[float]] = {candidate.name: [] for candidate in candidates}
    results = {candidate.name: candidate.job() for candidate in candidates}
    for _ in range(repeat):
        for candidate in candidates:
            start = time.perf_counter()
            candidate.job()
            times[candidate.name].append(time.perf_counter() - start)
    print(f"\n### {title}\n\n| library | median ms | quartiles | bytes | largest difference |")
    print("|---|--:|--:|--:|--:|")
    for candidate in candidates:
        low, median, high = (1e3 * float(q) for q in np.quantile(times[candidate.name], (0.25, 0.5, 0.75)))
        result = results[candidate.name]
        size = len(result) if isinstance(result, bytes) else "-"
        difference = np.abs(candidate.check(result).astype(int) - reference).max()
        print(f"| {candidate.name} | {median:.3f} | {low:.3f} - {high:.3f} | {size} | {difference} |")
    if missing:
        print(f"\nNot installed: {', '.join(missing)}.")


def main() -> None:
    """Measure all groups and print them as Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photo", help="an image file to use, scaled to 500x375, instead of a generated picture")
    parser.add_argument("--repeat", type=int, default=100, metavar="N")
    arguments = parser.parse_args()

    packages = ("simplejpeg", "Pillow", "imagecodecs", "pyjpegio", "jpeglib", "opencv-python-headless", "numpy")
    installed = {name.metadata["Name"]: name.version for name in importlib.metadata.distributions()}
    print(platform.platform(), platform.processor(), f"Python {platform.python_version()}")
    print(", ".join(f"{name} {installed[name]}" for name in packages if name in installed))

    pixels = _picture(arguments.photo)
    for quality in (95, 75):
        data = _saved(pixels, "JPEG", quality=quality, subsampling=2)
        decoded = _opened(data)
        title = f"JPEG, quality {quality}, 4:2:0, {len(data)} bytes"
        _measure(f"Decode {title}", _jpeg_decoders(data), decoded, arguments.repeat)
        _measure(f"Encode {title}", _jpeg_encoders(pixels, quality), decoded, arguments.repeat)
    data = _saved(pixels, "JPEG", quality=95, subsampling=2)
    makers = _coefficients(data)
    reference = np.asarray(makers["pyjpegio"]().job().coef_arrays[0])
    _measure("JPEG coefficients, quality 95", makers, reference, arguments.repeat)
    data = _saved(pixels, "PNG")
    _measure("Decode PNG", _png_decoders(data), pixels, max(1, arguments.repeat // 4))
    _measure("Encode without loss", _lossless(pixels), pixels, max(1, arguments.repeat // 10))


if __name__ == "__main__":
    main()
