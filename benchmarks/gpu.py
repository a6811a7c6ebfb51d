"""The CUDA backend against the device's own copy bandwidth and against its peers: ``python -m benchmarks.gpu``.

Method. Every load is timed twice: on the device, by events around a batch of calls queued without waiting, and on the
host, by the clock around the same calls, which only queue. Before each batch the device is put to sleep for longer than
the host needs to queue it, so that it is not the host that the events time; a peer that queues more than the driver
takes in advance is timed as it runs, host included. Buffers rotate through more memory than the L2 cache holds, so that
it is memory that is timed; a slow peer stays on its first few, which can only help it. Rounds of all contenders are
interleaved; the median and the quartiles over the rounds are kept. The floor is the device's own copy, measured in the
same run: every sample of a box read once and written once at that bandwidth. Each load's result is first held to the
float64 reference on a sample of its boxes; a wrong answer ends the run. Peers that are not installed, or fail, are
named in the results with the reason, not replaced.

Writes ``benchmarks/results/<version>/gpu-<device>.json`` and, with matplotlib, ``docs/images/gpu-*.png``; with
``--quick`` under ``build/benchmarks`` instead, and no pictures.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import fastblur
from benchmarks import store
from fastblur import reference

Run = Callable[[Any], object]  # on one buffer of a load

OURS = "fastblur"
PENDING = 128  # calls in a timed batch at most: the driver takes some 1000 launches in advance, then it blocks
PEER_SECONDS = 0.25  # of a peer's batch, and of a tenth of all its rounds
LEAST_ROUNDS = 5

FACES = "256 ImageNet-like images, faces, sigma 0.1 side"
SMALL = "100 small boxes in a 1080p frame"
SWEEP = "64 boxes of 480x480, sigma "


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
    left_out: dict[str, str] = field(default_factory=dict)  # peers, and why


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


def check(image: Any, result: Any, box: Any, exact: Callable[..., Any], item_bytes: int) -> None:
    """Hold one box of a load to the reference."""
    x1, y1, x2, y2 = (int(v) for v in box)
    pixels = image[y1:y2, x1:x2].cpu().numpy()
    want = exact(pixels, (0, 0, x2 - x1, y2 - y1))
    error = float(np.abs(result[y1:y2, x1:x2].cpu().numpy().astype(np.float64) - want).max())
    bound = 1.5 if item_bytes == 1 else 5e-4 * float(np.ptp(pixels)) + float(np.spacing(pixels.max()))
    if not error <= bound:
        raise SystemExit(f"wrong answer: error {error} in box {box}, bound {bound}")


def apart(rows: Any) -> list[int]:
    """The rows that meet no other: what the reference expects of them does not depend on the order."""
    x1, y1, x2, y2 = rows.T
    meet = (x1[:, None] < x2) & (x1 < x2[:, None]) & (y1[:, None] < y2) & (y1 < y2[:, None])
    return [int(i) for i in np.flatnonzero(meet.sum(axis=1) == 1)]


# -- peers ---------------------------------------------------------------------------------------------------------


def rounded(planes: Any, like: Any) -> Any:
    """Float planes (1, C, H, W) as an (H, W, C) array of another's dtype."""
    pixels = planes[0].permute(1, 2, 0)
    return pixels.to(like.dtype) if like.dtype.is_floating_point else pixels.round().to(like.dtype)


def torch_separable(torch: Any, sigma: float) -> Callable[[Any], Any]:
    """Two grouped convolutions over the reflected box, in float32: what people write by hand."""
    kernel = torch.from_numpy(reference.gaussian_kernel(sigma)).float()
    radius = len(kernel) // 2
    places: dict[tuple[int, Any], Any] = {}  # of the reflected pixels, per length; torch's own pad needs radius < n

    def reflected(n: int, device: Any) -> Any:
        if (n, device) not in places:
            index = reference.border_index(np.arange(-radius, n + radius), n, "reflect")
            places[n, device] = torch.from_numpy(index).to(device)
        return places[n, device]

    def blur(box: Any) -> Any:  # (H, W, C)
        planes = box.permute(2, 0, 1)[None].float()
        planes = planes[:, :, reflected(box.shape[0], box.device)][:, :, :, reflected(box.shape[1], box.device)]
        channels = planes.shape[1]
        weights = kernel.to(box.device).expand(channels, 1, -1)
        planes = torch.nn.functional.conv2d(planes, weights[:, :, None, :], groups=channels)
        planes = torch.nn.functional.conv2d(planes, weights[:, :, :, None], groups=channels)
        return rounded(planes, box)

    return blur


def kornia_blur(torch: Any, sigma: float) -> Callable[[Any], Any]:
    from kornia.filters import gaussian_blur2d

    size = 2 * int(4 * sigma + 0.5) + 1

    def blur(box: Any) -> Any:
        planes = box.permute(2, 0, 1)[None].float()
        return rounded(gaussian_blur2d(planes, (size, size), (sigma, sigma), border_type="reflect"), box)

    return blur


def cupy_blur(torch: Any, sigma: float) -> Callable[[Any], Any]:
    import cupy
    from cupyx.scipy.ndimage import gaussian_filter

    def blur(box: Any) -> Any:
        with cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream):
            array = cupy.from_dlpack(box.float().contiguous())
            out = torch.from_dlpack(gaussian_filter(array, (sigma, sigma, 0), mode="mirror"))
        return out.to(box.dtype) if box.dtype.is_floating_point else out.round().to(box.dtype)

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


def box_by_box(torch: Any, peer: Any, boxes: list[Any], sigmas: list[Any]) -> Run:
    """A peer as a loop over the boxes of a buffer, a list of (H, W, C) tensors. What depends on sigma is kept."""
    blurs = {float(s): peer(torch, float(s)) for rows in sigmas for s in rows}
    parts = [
        (i, *(int(v) for v in row), blurs[float(sigma)])
        for i, (rows, values) in enumerate(zip(boxes, sigmas, strict=True))
        for row, sigma in zip(rows, values, strict=True)
    ]

    def run(images: Any) -> None:
        for i, x1, y1, x2, y2, blur in parts:
            part = images[i][y1:y2, x1:x2]
            part.copy_(blur(part))

    return run


# -- loads ---------------------------------------------------------------------------------------------------------


def blur_load(
    torch: Any, name: str, make: Callable[[int], list[Any]], boxes: list[Any], sigmas: list[Any], **targets: Any
) -> Load:
    """Gaussian blurs of boxes in lists of (H, W, C) images."""
    first = make(0)
    item = first[0].element_size()
    samples = sum(int(np.prod(r[2:] - r[:2])) * first[i].shape[-1] for i, rows in enumerate(boxes) for r in rows)
    buffers = rotated(torch, make, samples * item)

    sigma = np.concatenate(sigmas)

    def ours(images: Any) -> object:
        return fastblur.gaussian_blur(images, boxes, sigma, layout="HWC", out=images)

    def verify() -> None:
        images = make(99)
        before = [image.clone() for image in images]
        ours(images)
        for i in range(0, len(images), max(1, len(images) // 5)):
            for row in apart(boxes[i])[:3]:
                s = float(sigmas[i][row])
                check(before[i], images[i], boxes[i][row], lambda p, b, s=s: reference.gaussian_blur(p, b, s), item)

    contenders: dict[str, Run] = {OURS: ours}
    left_out = {}
    for peer_name, peer in PEERS.items():
        try:
            contenders[peer_name] = box_by_box(torch, peer, boxes, sigmas)
        except ImportError as error:
            left_out[peer_name] = f"{type(error).__name__}: {error}"
    return Load(name, buffers, boxes, samples, item, contenders, verify, left_out=left_out, **targets)


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

    def ours(images: Any) -> object:
        return fastblur.pixelate(images, boxes, 16, layout="HWC", out=images)

    def verify() -> None:
        images = make(99)
        before = images[0].clone()
        ours(images)
        check(before, images[0], boxes[0][0], lambda p, b: reference.pixelate(p, b, 16), 1)

    samples = 64 * 480 * 400 * 3
    return Load("pixelate 64 x 480x400", rotated(torch, make, samples), boxes, samples, 1, {OURS: ours}, verify, 0.70)


def all_loads(torch: Any, seed: int, quick: bool) -> Iterator[Load]:
    """One after the other, since their buffers take gigabytes."""
    sizes, boxes, sigmas = faces(seed)
    rng = np.random.default_rng(seed)

    def ragged(s: int) -> list[Any]:
        return [tensor(torch, (*size, 3), "uint8", 1000 * s + i) for i, size in enumerate(sizes)]

    def batch(count: int, height: int, width: int, dtype: str) -> Callable[[int], list[Any]]:
        return lambda s: list(tensor(torch, (count, height, width, 3), dtype, s))

    corner = rng.integers(0, (1850, 1000), (100, 2))
    # Kornia's reflection needs sides above the radius, 16 at sigma 4.
    small = np.concatenate([corner, corner + rng.integers(17, 65, (100, 2))], axis=1)
    yield blur_load(torch, FACES, ragged, boxes, sigmas, target_share=0.45)
    frame = batch(1, 1080, 1920, "uint8")
    yield blur_load(torch, SMALL, frame, [small], [np.full(100, 4.0)], target_host_us=25.0)
    yield pixelate_load(torch)
    for sigma in (8.0, 80.0) if quick else (5.0, 8.0, 16.0, 40.0, 80.0, 200.0):
        one = [np.array([[10, 10, 490, 490]])] * 64
        share = 0.55 if sigma == 80.0 else None
        portraits = batch(64, 500, 500, "uint8")
        yield blur_load(torch, f"{SWEEP}{sigma:g}", portraits, one, [np.array([sigma])] * 64, target_share=share)
    for dtype, share in (("uint8", 0.20), ("float32", 0.60)):
        whole, sigmas = [np.array([[0, 0, 1920, 1080]])] * 32, [np.array([3.0])] * 32
        name = f"32 frames of 1080p, sigma 3, {dtype}"
        yield blur_load(torch, name, batch(32, 1080, 1920, dtype), whole, sigmas, target_share=share)


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


def batch_of(load: Load, seconds: float, ours: bool, turn: int) -> list[Any]:
    """The buffers of one timed batch, for a contender that takes so long for one."""
    if not ours:
        return load.buffers[: max(1, min(int(PEER_SECONDS / seconds), len(load.buffers), PENDING))]
    start = turn * PENDING % len(load.buffers)
    return [*load.buffers[start:], *load.buffers[:start]][:PENDING]


def warm_up(torch: Any, load: Load) -> dict[str, float]:
    """Run everything twice, to compile and to fill allocators; seconds that the host or the device needs per buffer.

    A peer that fails is left out of the load.
    """
    seconds = {}
    for name, run in list(load.contenders.items()):
        try:
            for buffer in load.buffers[:2]:
                torch.cuda.synchronize()
                begin = time.perf_counter()
                run(buffer)
                torch.cuda.synchronize()
                seconds[name] = time.perf_counter() - begin
        except Exception as error:
            if name == OURS:
                raise
            load.left_out[name] = f"{type(error).__name__}: {error}".splitlines()[0]
            del load.contenders[name]
            seconds.pop(name, None)
    return seconds


def timed(torch: Any, run: Run, buffers: list[Any], host_seconds: float) -> tuple[float, float]:
    """Seconds per buffer on the device and on the host."""
    torch.cuda.synchronize()
    # At 2 GHz, twice as long as the host will take; at least 5 ms, at most 0.5 s.
    torch.cuda._sleep(int(2e9 * min(max(2 * host_seconds * len(buffers), 0.005), 0.5)))
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    clock = time.perf_counter()
    for buffer in buffers:
        run(buffer)
    clock = time.perf_counter() - clock
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3 / len(buffers), clock / len(buffers)


def measure(torch: Any, load: Load, rounds: int, bandwidth: float) -> dict[str, Any]:
    """Time every contender of a load."""
    load.verify()
    seconds = warm_up(torch, load)
    device: dict[str, list[float]] = {name: [] for name in load.contenders}
    host: dict[str, list[float]] = {name: [] for name in load.contenders}
    spent = dict.fromkeys(load.contenders, 0.0)
    for turn in range(rounds):
        for name, run in load.contenders.items():
            if name != OURS and turn >= LEAST_ROUNDS and spent[name] > 10 * PEER_SECONDS:
                continue
            buffers = batch_of(load, seconds[name], name == OURS, turn)
            clock = time.perf_counter()
            on_device, on_host = timed(torch, run, buffers, seconds[name])
            spent[name] += time.perf_counter() - clock
            device[name].append(on_device)
            host[name].append(on_host)
    floor = 2 * load.samples * load.item_bytes / bandwidth
    results = {}
    for name in load.contenders:
        per_call = quartiles(device[name])
        results[name] = {
            "device_us": {k: 1e6 * v for k, v in per_call.items()},
            "host_us": {k: 1e6 * v for k, v in quartiles(host[name]).items()},
            "share_of_copy": floor / per_call["median"],
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
        "left_out": load.left_out,
    }


def targets(report: dict[str, Any]) -> list[tuple[str, float, float, bool]]:
    """What was aimed at: (what, measured, target, met)."""
    rows = []
    for load in report["loads"]:
        own = load["results"][OURS]
        share, host = own["share_of_copy"], own["host_us"]["median"]
        if (least := load["target_share"]) is not None:
            rows.append((f"share of copy: {load['load']}", share, least, share >= least))
        if (most := load["target_host_us"]) is not None:
            rows.append((f"host us per call: {load['load']}", host, most, host <= most))
        if load["load"] == FACES:
            for peer in ("Kornia", "torch separable"):
                if peer in load["results"]:
                    ratio = load["results"][peer]["device_us"]["median"] / own["device_us"]["median"]
                    rows.append((f"times as fast as {peer}: {load['load']}", ratio, 20.0, ratio >= 20))
    sweep = {
        float(load["load"].removeprefix(SWEEP)): load["results"][OURS]["device_us"]["median"]
        for load in report["loads"]
        if load["load"].startswith(SWEEP)
    }
    flat = [time for sigma, time in sweep.items() if 8 <= sigma <= 80]
    if len(flat) > 1:
        rows.append(("slowest over fastest, sigma 8 to 80", max(flat) / min(flat), 1.5, max(flat) <= 1.5 * min(flat)))
    first = report["first_call_s"]["compiled"]
    rows.append(("seconds of the first call, compilation included", first, 5.0, first <= 5))
    return rows


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
                [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise SystemExit(f"the first call of a process failed:\n{done.stderr}")
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
    shares = [100 * load["results"][OURS]["share_of_copy"] for load in loads]
    axes.barh([load["load"] for load in loads], shares, color="#2b6cb0")
    for i, load in enumerate(loads):
        if load["target_share"]:
            axes.plot([100 * load["target_share"]] * 2, [i - 0.4, i + 0.4], color="black")
        axes.text(shares[i], i, f" {shares[i]:.0f} %", va="center")
    axes.invert_yaxis()
    axes.set_xlabel("share of the device's copy bandwidth, % (line: target)")
    axes.set_title(report["machine"]["device"])
    figure.savefig(folder / "gpu-share.png", dpi=150)

    sweep = [load for load in loads if load["load"].startswith(SWEEP)]
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
        for name, why in result["left_out"].items():
            print(f"{result['load']:50} {name:22} left out: {why}", flush=True)
        load.buffers.clear()
        torch.cuda.empty_cache()
    for what, measured, target, met in targets(report):
        print(f"{'met   ' if met else 'MISSED'} {what}: {measured:.3g}, target {target:g}")
    device = re.sub(r"[^a-z0-9]+", "-", report["machine"]["device"].lower()).strip("-")
    path = store.path(options.quick, f"gpu-{device}")
    store.write(path, report)
    print(
        f"copy {bandwidth / 1e12:.2f} TB/s; first call {report['first_call_s']}; wrote {path.relative_to(store.ROOT)}"
    )
    if options.quick:
        return
    try:
        folder = store.ROOT / "docs" / "images"
        folder.mkdir(parents=True, exist_ok=True)
        plot(report, folder)
    except ImportError:
        print("matplotlib is not installed: no plots")


if __name__ == "__main__":
    main()
