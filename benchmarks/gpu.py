"""The CUDA backend against the device's own copy bandwidth and against its peers: ``python -m benchmarks.gpu``.

Method. Every load is timed twice: on the device, by events around a batch of calls queued without waiting, and on the
host, by the clock around the same calls, which only queue. Buffers rotate through more memory than the L2 cache holds,
so that it is memory that is timed. Rounds of all contenders are interleaved; the median and the quartiles over the
rounds are kept. The floor is the device's own copy, measured in the same run: every sample of a box read once and
written once at that bandwidth. Each load's result is first held to the float64 reference on a sample of its boxes; a
wrong answer ends the run. Peers that are not installed are named in the results, not replaced.

Writes ``benchmarks/results/<version>/gpu-<device>.json`` and, with matplotlib, ``docs/images/gpu-*.png``.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import fastblur
from fastblur import reference

ROOT = Path(__file__).resolve().parent.parent

Run = Callable[[Any, int], object]


@dataclass
class Load:
    """One workload: `buffers` of images (in place), boxes, and what each contender does to a buffer."""

    name: str
    buffers: list[Any]
    boxes: list[Any]  # per image of a buffer, (K, 4)
    samples: int  # samples inside boxes
    item_bytes: int
    contenders: dict[str, Run]
    verify: Callable[[], None]
    target_share: float | None = None
    target_host_us: float | None = None
    notes: dict[str, str] = field(default_factory=dict)


def quartiles(values: list[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(values, n=4)
    return {"median": middle, "q1": low, "q3": high}


def tensor(torch: Any, shape: tuple[int, ...], dtype: str, seed: int) -> Any:
    generator = torch.Generator(device="cuda").manual_seed(seed)
    return (torch.rand(shape, generator=generator, device="cuda") * 255).to(getattr(torch, dtype))


def rotated(torch: Any, make: Callable[[int], Any], size: int) -> list[Any]:
    """As many buffers as it takes to exceed the L2 cache three times, two at least."""
    cache = torch.cuda.get_device_properties(0).L2_cache_size
    return [make(seed) for seed in range(max(2, -(-3 * cache // max(size, 1))))]


def check(image: Any, result: Any, box: Any, exact: Callable[..., Any], bound: float) -> None:
    """Hold one box of a load to the reference."""
    x1, y1, x2, y2 = (int(v) for v in box)
    want = exact(image.cpu().numpy()[y1:y2, x1:x2], (0, 0, x2 - x1, y2 - y1))
    error = float(np.abs(result.cpu().numpy()[y1:y2, x1:x2].astype(np.float64) - want).max())
    if not error <= bound:
        raise SystemExit(f"wrong answer: error {error} in box {box}, bound {bound}")


# -- peers ---------------------------------------------------------------------------------------------------------


def torch_separable(torch: Any, sigma: float) -> Callable[[Any], Any]:
    """Two grouped convolutions over the reflected box, in float32: what people write by hand."""
    radius = int(4 * sigma + 0.5)
    kernel = torch.from_numpy(reference.gaussian_kernel(sigma)).float().cuda()

    def blur(box: Any) -> Any:  # (H, W, C)
        planes = box.permute(2, 0, 1)[None].float()
        channels = planes.shape[1]
        planes = torch.nn.functional.pad(planes, (radius,) * 4, mode="reflect")
        weights = kernel.expand(channels, 1, -1)
        planes = torch.nn.functional.conv2d(planes, weights[:, :, None, :], groups=channels)
        planes = torch.nn.functional.conv2d(planes, weights[:, :, :, None], groups=channels)
        planes = planes[0].permute(1, 2, 0)
        return planes.round().to(box.dtype) if not box.dtype.is_floating_point else planes.to(box.dtype)

    return blur


def kornia_blur(torch: Any, sigma: float) -> Callable[[Any], Any]:
    from kornia.filters import gaussian_blur2d

    size = 2 * int(4 * sigma + 0.5) + 1

    def blur(box: Any) -> Any:
        planes = box.permute(2, 0, 1)[None].float()
        planes = gaussian_blur2d(planes, (size, size), (sigma, sigma), border_type="reflect")[0].permute(1, 2, 0)
        return planes.round().to(box.dtype) if not box.dtype.is_floating_point else planes.to(box.dtype)

    return blur


def cupy_blur(torch: Any, sigma: float) -> Callable[[Any], Any]:
    import cupy
    from cupyx.scipy.ndimage import gaussian_filter

    def blur(box: Any) -> Any:
        with cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream):
            array = cupy.from_dlpack(box.float().contiguous())
            out = torch.from_dlpack(gaussian_filter(array, (sigma, sigma, 0), mode="mirror"))
        return out.round().to(box.dtype) if not box.dtype.is_floating_point else out.to(box.dtype)

    return blur


def cvcuda_blur(torch: Any, sigma: float) -> Callable[[Any], Any]:
    import cvcuda

    size = min(2 * int(4 * sigma + 0.5) + 1, 255)

    def blur(box: Any) -> Any:
        source = cvcuda.as_tensor(box.contiguous(), "HWC")
        with cvcuda.as_stream(torch.cuda.current_stream()):
            out = cvcuda.gaussian(source, (size, size), (sigma, sigma), cvcuda.Border.REFLECT101)
        return torch.as_tensor(out.cuda(), device="cuda")

    return blur


PEERS = {
    "torch separable": torch_separable,
    "Kornia": kornia_blur,
    "CuPy gaussian_filter": cupy_blur,
    "CV-CUDA gaussian": cvcuda_blur,
}


def box_by_box(torch: Any, peer: Any, boxes: list[Any], sigmas: list[Any]) -> tuple[Run | None, str]:
    """A peer as a loop over the boxes of a buffer (a list of (H, W, C) tensors), or why it is left out."""
    try:
        blurs = {float(s): peer(torch, float(s)) for rows in sigmas for s in rows}
        x1, y1, x2, y2 = (int(v) for v in boxes[0][0])
        blurs[float(sigmas[0][0])](torch.zeros((y2 - y1, x2 - x1, 3), dtype=torch.uint8, device="cuda"))
    except Exception as error:
        return None, f"{type(error).__name__}: {error}".splitlines()[0]

    def run(images: Any, _: int) -> None:
        for image, rows, values in zip(images, boxes, sigmas, strict=True):
            for row, sigma in zip(rows, values, strict=True):
                a, b, c, d = (int(v) for v in row)
                part = image[b:d, a:c]
                part.copy_(blurs[float(sigma)](part))

    return run, ""


# -- loads ---------------------------------------------------------------------------------------------------------


def blur_load(
    torch: Any, name: str, make: Callable[[int], list[Any]], boxes: list[Any], sigmas: list[Any], **targets: Any
) -> Load:
    """Gaussian blurs of boxes in lists of (H, W, C) images."""
    first = make(0)
    item = first[0].element_size()
    samples = sum(int(np.prod(r[2:] - r[:2])) * first[i].shape[-1] for i, rows in enumerate(boxes) for r in rows)
    buffers = rotated(torch, make, samples * item)

    def ours(images: Any, _: int) -> object:
        return fastblur.gaussian_blur(images, boxes, np.concatenate(sigmas), layout="HWC", out=images)

    def verify() -> None:
        images = make(99)
        before = [image.clone() for image in images]
        ours(images, 0)
        for i in range(0, len(images), max(1, len(images) // 5)):
            if len(boxes[i]) == 1:  # the later of two boxes may have changed what the reference does not know of
                sigma = float(sigmas[i][0])
                spread = float(before[i].max() - before[i].min())
                bound = 1.5 if item == 1 else 5e-4 * spread + 1e-4
                check(before[i], images[i], boxes[i][0], lambda p, b, s=sigma: reference.gaussian_blur(p, b, s), bound)

    contenders: dict[str, Run] = {"fastblur": ours}
    notes = {}
    for peer_name, peer in PEERS.items():
        run, why = box_by_box(torch, peer, boxes, sigmas)
        if run is None:
            notes[peer_name] = f"left out: {why}"
        else:
            contenders[peer_name] = run
    return Load(name, buffers, boxes, samples, item, contenders, verify, notes=notes, **targets)


def faces(seed: int) -> tuple[list[tuple[int, int]], list[Any], list[Any]]:
    """256 image sizes as in ImageNet, about 590 face boxes in them, sigma a tenth of each box's side."""
    rng = np.random.default_rng(seed)
    sizes = [((375, 500), (333, 500), (500, 375), (500, 334), (400, 300))[rng.integers(5)] for _ in range(256)]
    boxes, sigmas = [], []
    for height, width in sizes:
        count = 1 + rng.poisson(1.3)
        side = np.clip(np.exp(rng.normal(4.3, 0.6, count)), 12, min(height, width) - 1)
        corner = rng.random((count, 2)) * (np.array([width, height]) - side[:, None])
        low = np.floor(corner)
        boxes.append(
            np.concatenate([low, np.minimum(low + np.ceil(side)[:, None], [width, height])], axis=1).astype(int)
        )
        sigmas.append(np.maximum(np.round(0.1 * side, 1), 0.5))
    return sizes, boxes, sigmas


def pixelate_load(torch: Any) -> Load:
    def make(seed: int) -> list[Any]:
        return [tensor(torch, (480, 640, 3), "uint8", 64 * seed + i) for i in range(64)]

    boxes = [np.array([[80, 40, 560, 440]]) for _ in range(64)]

    def ours(images: Any, _: int) -> object:
        return fastblur.pixelate(images, boxes, 16, layout="HWC", out=images)

    def verify() -> None:
        images = make(99)
        before = images[0].clone()
        ours(images, 0)
        check(before, images[0], boxes[0][0], lambda p, b: reference.pixelate(p, b, 16), 0.51)

    samples = 64 * 480 * 400 * 3
    return Load(
        "pixelate 64 x 480x400", rotated(torch, make, samples), boxes, samples, 1, {"fastblur": ours}, verify, 0.70
    )


def all_loads(torch: Any, seed: int, quick: bool) -> list[Load]:
    sizes, boxes, sigmas = faces(seed)
    rng = np.random.default_rng(seed)

    def ragged(s: int) -> list[Any]:
        return [tensor(torch, (*size, 3), "uint8", 1000 * s + i) for i, size in enumerate(sizes)]

    def batch(count: int, height: int, width: int, dtype: str) -> Callable[[int], list[Any]]:
        return lambda s: list(tensor(torch, (count, height, width, 3), dtype, s))

    small = np.concatenate([c := rng.integers(0, (1850, 1000), (100, 2)), c + rng.integers(16, 60, (100, 2))], axis=1)
    loads = [
        blur_load(torch, "256 ImageNet-like images, faces, sigma 0.1 side", ragged, boxes, sigmas, target_share=0.45),
        blur_load(
            torch,
            "100 small boxes in a 1080p frame",
            batch(1, 1080, 1920, "uint8"),
            [small],
            [np.full(100, 4.0)],
            target_host_us=25.0,
        ),
        pixelate_load(torch),
    ]
    for sigma in (8.0, 80.0) if quick else (5.0, 8.0, 16.0, 40.0, 80.0, 200.0):
        one = [np.array([[10, 10, 490, 490]])] * 64
        share = 0.55 if sigma == 80.0 else None
        loads.append(
            blur_load(
                torch,
                f"64 boxes of 480x480, sigma {sigma:g}",
                batch(64, 500, 500, "uint8"),
                one,
                [np.array([sigma])] * 64,
                target_share=share,
            )
        )
    for dtype, share in (("uint8", 0.20), ("float32", 0.60)):
        whole = [np.array([[0, 0, 1920, 1080]])] * 32
        loads.append(
            blur_load(
                torch,
                f"32 frames of 1080p, sigma 3, {dtype}",
                batch(32, 1080, 1920, dtype),
                whole,
                [np.array([3.0])] * 32,
                target_share=share,
            )
        )
    return loads


# -- measuring -----------------------------------------------------------------------------------------------------


def copy_bandwidth(torch: Any) -> float:
    """Bytes read and written per second by the device's own copy of 2 GiB: the median of 15."""
    source = torch.empty(2 << 30, dtype=torch.uint8, device="cuda").fill_(1)
    target = torch.empty_like(source)
    times = []
    for _ in range(18):
        times.append(device_seconds(torch, lambda: target.copy_(source), 1))
    return float(2 * source.numel() / statistics.median(times[3:]))


def device_seconds(torch: Any, call: Callable[[], object], calls: int) -> float:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(calls):
        call()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1e3 / calls


def measure(torch: Any, load: Load, rounds: int, bandwidth: float) -> dict[str, Any]:
    load.verify()
    slow: set[str] = set()
    device: dict[str, list[float]] = {name: [] for name in load.contenders}
    host: dict[str, list[float]] = {name: [] for name in load.contenders}
    for name, run in load.contenders.items():  # warm up: compile, fill allocators, fault in
        begin = time.perf_counter()
        for buffer in load.buffers[:2]:
            run(buffer, 0)
        torch.cuda.synchronize()
        if time.perf_counter() - begin > 2:
            slow.add(name)
    for turn in range(rounds):
        for name, run in load.contenders.items():
            if name in slow and turn >= 5:
                continue
            buffers = load.buffers if name not in slow else load.buffers[:1]
            torch.cuda.synchronize()
            # The device is kept busy while the calls are queued, so that it is not the host that is timed.
            torch.cuda._sleep(20_000_000)
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            clock = time.perf_counter()
            for buffer in buffers:
                run(buffer, turn)
            clock = time.perf_counter() - clock
            end.record()
            end.synchronize()
            device[name].append(start.elapsed_time(end) / 1e3 / len(buffers))
            host[name].append(clock / len(buffers))
    floor = 2 * load.samples * load.item_bytes / bandwidth
    results = {}
    for name in load.contenders:
        seconds = quartiles(device[name])
        results[name] = {
            "device_us": {k: 1e6 * v for k, v in seconds.items()},
            "host_us": {k: 1e6 * v for k, v in quartiles(host[name]).items()},
            "share_of_copy": floor / seconds["median"],
            "rounds": len(device[name]),
        }
    return {
        "load": load.name,
        "samples": load.samples,
        "bytes_per_sample": load.item_bytes,
        "buffers": len(load.buffers),
        "floor_us": 1e6 * floor,
        "target_share": load.target_share,
        "target_host_us": load.target_host_us,
        "results": results,
        "left_out": load.notes,
    }


def first_call_seconds() -> dict[str, float]:
    """The first blur of a process: with an empty cache of kernels, then with a filled one."""
    import os
    import tempfile

    script = (
        "import time, torch, fastblur\n"
        "x = torch.zeros((3, 99, 99), dtype=torch.uint8, device='cuda')\n"
        "torch.cuda.synchronize(); t = time.perf_counter()\n"
        "fastblur.gaussian_blur(x, [(5, 5, 90, 90)], 8.0, out=x); torch.cuda.synchronize()\n"
        "print(time.perf_counter() - t)\n"
    )
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "FASTBLUR_CACHE_DIR": folder, "CUDA_CACHE_PATH": str(Path(folder) / "driver")}
        for name in ("compiled", "from disk"):
            done = subprocess.run(
                [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
            )
            seconds[name] = float(done.stdout)
    return seconds


def machine(torch: Any) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(0)
    versions = {}
    for package in (
        "fastblur",
        "torch",
        "numba-cuda",
        "kornia",
        "cupy-cuda12x",
        "cupy-cuda13x",
        "cvcuda-cu12",
        "cvcuda-cu13",
    ):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "device": properties.name,
        "multiprocessors": properties.multi_processor_count,
        "l2_bytes": properties.L2_cache_size,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": versions,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def plot(report: dict[str, Any], folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    loads = report["loads"]
    figure, axes = plt.subplots(figsize=(9, 0.55 * len(loads) + 1.5), layout="constrained")
    shares = [100 * load["results"]["fastblur"]["share_of_copy"] for load in loads]
    axes.barh([load["load"] for load in loads], shares, color="#2b6cb0")
    for i, load in enumerate(loads):
        if load["target_share"]:
            axes.plot([100 * load["target_share"]] * 2, [i - 0.4, i + 0.4], color="black")
        axes.text(shares[i], i, f" {shares[i]:.0f} %", va="center")
    axes.invert_yaxis()
    axes.set_xlabel("share of the device's copy bandwidth, % (line: target)")
    axes.set_title(report["machine"]["device"])
    figure.savefig(folder / "gpu-share.png", dpi=150)

    sweep = [load for load in loads if load["load"].startswith("64 boxes")]
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for name in dict.fromkeys(name for load in sweep for name in load["results"]):
        points = [
            (float(load["load"].split()[-1]), load["results"][name]["device_us"]["median"])
            for load in sweep
            if name in load["results"]
        ]
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="sigma, pixels", ylabel="microseconds for 64 boxes of 480x480 RGB")
    axes.set_title(report["machine"]["device"])
    axes.legend()
    figure.savefig(folder / "gpu-sigma.png", dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=25, help="interleaved rounds of each load")
    parser.add_argument("--seed", type=int, default=1, help="seed of sizes and boxes")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and sigmas")
    options = parser.parse_args()
    try:
        import torch
    except ImportError:
        raise SystemExit("benchmarks.gpu needs torch with CUDA") from None
    if not torch.cuda.is_available():
        raise SystemExit("benchmarks.gpu needs a CUDA device; torch finds none")
    report: dict[str, Any] = {"machine": machine(torch), "seed": options.seed, "first_call_s": first_call_seconds()}
    bandwidth = copy_bandwidth(torch)
    report["copy_bytes_per_s"] = bandwidth
    report["loads"] = []
    for load in all_loads(torch, options.seed, options.quick):
        result = measure(torch, load, 6 if options.quick else options.rounds, bandwidth)
        report["loads"].append(result)
        for name, row in result["results"].items():
            print(
                f"{result['load']:50} {name:22} {row['device_us']['median']:10.1f} us"
                f"  host {row['host_us']['median']:8.1f} us  {100 * row['share_of_copy']:5.1f} % of copy",
                flush=True,
            )
        load.buffers.clear()
        torch.cuda.empty_cache()
    device = report["machine"]["device"].lower().replace(" ", "-")
    path = ROOT / "benchmarks" / "results" / fastblur.__version__ / f"gpu-{device}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(f"copy {bandwidth / 1e12:.2f} TB/s; first call {report['first_call_s']}; wrote {path.relative_to(ROOT)}")
    try:
        folder = ROOT / "docs" / "images"
        folder.mkdir(parents=True, exist_ok=True)
        plot(report, folder)
    except ImportError:
        print("matplotlib is not installed: no plots")


if __name__ == "__main__":
    main()
