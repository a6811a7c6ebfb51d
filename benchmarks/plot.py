"""Draws the results: python -m benchmarks.plot [results.json]. Pictures go to docs/images/."""

from __future__ import annotations

import argparse
import io
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator
from PIL import Image

from benchmarks import store
from benchmarks.targets import copy_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IMAGES = store.ROOT / "docs" / "images"

# What each case is, in the words of someone who has not read the method.
TITLES = {
    "W1": "Faces in ImageNet photos\nsigma follows the face",
    "W2": "Crowd, 100 small faces per HD frame\nsigma 4",
    "W3": "Portraits in 4K, 800x1000 each\nsigma 80",
    "W4": "Whole HD frame\nsigma 3",
    "W4f": "Whole HD frame, float32\nsigma 3",
    "W6": "Faces in ImageNet photos\nfloat32, channels first",
}
OURS, GAUSSIAN, BOX, FLOOR = "#d1495b", "#33658a", "#9aa5b1", "#5b8c5a"
COLOURS = {"gaussian": GAUSSIAN, "approximation": BOX, "floor": FLOOR}
LABELS = {
    "cv2.GaussianBlur": "OpenCV GaussianBlur",
    "cv2.sepFilter2D": "OpenCV sepFilter2D",
    "SciPy gaussian_filter": "SciPy gaussian_filter",
    "Pillow (3 box passes)": "Pillow GaussianBlur (3 boxes)",
    "cv2.blur (box filter)": "OpenCV blur (1 box)",
    "copy (C)": "copying the boxes (memcpy)",
    "copy (NumPy)": "copying the boxes (NumPy)",
}
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "svg.hashsalt": "fastblur",
}


def number(value: float) -> str:
    """Two significant digits, never as a power of ten."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def machine_line(results: store.Results) -> str:
    """The machine and the versions, for the foot of a picture."""
    machine, versions = results["machine"], results["machine"]["versions"]
    names = {"cv2": "OpenCV", "PIL": "Pillow", "scipy": "SciPy", "torch": "PyTorch", "ipp": "Intel IPP"}
    listed = ", ".join(f"{label} {versions[key].split(' ')[0]}" for key, label in names.items() if key in versions)
    return f"{machine['cpu']} ({machine['fastblur']['isa']}), one thread. fastblur {results['fastblur']}, {listed}."


@contextmanager
def picture(name: str, width: float, height: float) -> Iterator[Figure]:
    """A figure that is written to docs/images as a PNG of few colours, which is a quarter of the size."""
    with mpl.rc_context(STYLE):
        figure = plt.figure(figsize=(width, height), layout="constrained")
        yield figure
        raw = io.BytesIO()
        figure.savefig(raw, dpi=150)
        plt.close(figure)
    IMAGES.mkdir(parents=True, exist_ok=True)
    file = IMAGES / f"{name}.png"
    Image.open(raw).convert("RGB").quantize(128).save(file, optimize=True)
    print(f"written: {file}")


def log_axis(axis: Any, values: list[float]) -> None:
    """A logarithmic axis labelled at the given values, as plain numbers."""
    axis.set_major_locator(FixedLocator(values))
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def dots(axes: Axes, title: str, result: dict[str, Any]) -> None:
    """One case: nanoseconds per pixel, the slowest at the top, and how many times as long as fastblur each takes."""
    one = result["threads"]["1"]
    floor = copy_of(one["peers"])
    shown = {n: p for n, p in one["peers"].items() if p["kind"] != "floor" or n == floor}
    rows = [(n, p["ns_per_pixel"], COLOURS[p["kind"]], p) for n, p in shown.items()]
    rows.append(("fastblur", one["fastblur"], OURS, None))
    rows.sort(key=lambda row: row[1]["median"])
    for y, (_, time, colour, peer) in enumerate(rows):
        size = 11 if peer is None else 8
        axes.plot([axes.get_xlim()[0], time["median"]], [y, y], color=colour, linewidth=1.2, alpha=0.45)
        axes.plot([time["q1"], time["q3"]], [y, y], color=colour, linewidth=4, solid_capstyle="butt")
        axes.plot(time["median"], y, "o", color=colour, markersize=size)
        text = number(time["median"])
        if peer is not None and peer["kind"] != "floor":
            factor = peer["ratio"]["median"]
            text += f"  ({number(factor)} times as long)" if factor >= 1 else f"  ({number(1 / factor)} times as fast)"
        end = max(time["q3"], time["median"])
        bold = "bold" if peer is None else "normal"
        axes.annotate(
            text,
            (end, y),
            (9, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            fontweight=bold,
            color="#222222",
        )
    axes.set_yticks(range(len(rows)), [LABELS.get(row[0], row[0]) for row in rows])
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(row[2])
        label.set_fontweight("bold" if row[0] == "fastblur" else "normal")
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.tick_params(axis="y", length=0)
    axes.set_title(title)


def comparison(results: store.Results) -> None:
    """The peers, case by case, all on one scale."""
    sections = results["sections"]
    cases = [n for n in TITLES if n in sections and "1" in sections[n]["result"]["threads"]]
    ones = [sections[n]["result"]["threads"]["1"] for n in cases]
    peers = [p for one in ones for p in one["peers"].values()]
    times = [p["ns_per_pixel"]["median"] for p in peers if p["kind"] != "floor"]
    times += [one["peers"][copy_of(one["peers"])]["ns_per_pixel"]["median"] for one in ones]
    wrong = [p["error"]["largest"] for p in peers if p["kind"] == "approximation"]
    rows = -(-len(cases) // 2)
    with picture("comparison", 12.5, 1.1 + 3.2 * rows) as figure:
        grid = figure.subplots(rows, 2, squeeze=False).ravel()
        for axes, name in zip(grid, cases, strict=False):
            axes.set_xscale("log")
            axes.set_xlim(min(times) / 1.5, max(times) * 80)
            log_axis(
                axes.xaxis, [v for v in (0.1, 1, 10, 100, 1000, 10_000) if min(times) / 1.5 <= v <= max(times) * 2]
            )
            axes.grid(axis="x", color="#e4e4e4", linewidth=0.8)
            axes.set_axisbelow(True)
            dots(axes, TITLES[name], sections[name]["result"])
        for axes in grid[len(cases) :]:
            axes.set_visible(False)
        figure.suptitle(
            "What it costs to blur boxes in images: nanoseconds per pixel, further left is faster", fontweight="bold"
        )
        handles = [Patch(color=colour) for colour in (OURS, GAUSSIAN, BOX, FLOOR)]
        texts = [
            "fastblur, a true Gaussian",
            "other true Gaussians",
            f"box filters that stand in for one, up to {max(wrong, default=0):.0f} of 255 levels off",
            "moving the pixels, no blur at all",
        ]
        figure.legend(
            handles,
            texts,
            loc="outside lower center",
            ncols=4,
            frameon=False,
            title=machine_line(results),
            title_fontsize=8,
        )


def scaled(ns: float, value: str) -> float:
    """Nanoseconds per 8-bit RGB pixel as they are, or as GB/s: three bytes in and three out."""
    return ns if value == "ns" else 6 / ns


def curves(axes: Axes, section: dict[str, Any], names: dict[str, str], value: str) -> tuple[list[float], list[float]]:
    """Lines over the section's key, labelled at their ends; `value`: 'ns' per pixel or 'GB/s'. Returns x and all y."""
    x = [float(key) for key in section]
    floor = copy_of(next(iter(section.values()))["peers"])
    ends, every = [], []
    for name, colour in {"fastblur": OURS, floor: FLOOR, **names}.items():
        if name != "fastblur" and any(name not in c["peers"] for c in section.values()):
            continue
        spreads = [c["fastblur"] if name == "fastblur" else c["peers"][name]["ns_per_pixel"] for c in section.values()]
        y, q1, q3 = ([scaled(s[key], value) for s in spreads] for key in ("median", "q1", "q3"))
        every += y
        wide = name == "fastblur"
        axes.plot(x, y, color=colour, linewidth=2.6 if wide else 1.6, marker="o", markersize=4 if wide else 2.5)
        axes.fill_between(x, q1, q3, color=colour, alpha=0.2)
        ends.append((y[-1], LABELS.get(name, name), colour, wide))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(min(every) / 1.4, max(every) * 1.4)
    label_ends(axes, x[-1], ends)
    ticks = x[:1]
    for tick in x:
        if tick >= 1.25 * ticks[-1]:
            ticks.append(tick)
    log_axis(axes.xaxis, ticks)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    return x, every


def label_ends(axes: Axes, x: float, ends: list[tuple[float, str, str, bool]]) -> None:
    """A name at the right end of each line, pushed up where it would cover the one below."""
    low, high = axes.get_ylim()
    axes.figure.canvas.draw()
    taken = -1e9
    for y, name, colour, bold in sorted(ends):
        points = axes.transData.transform((x, y))[1] * 72 / axes.figure.dpi
        place = max(points, taken + 11)
        taken = place
        axes.annotate(
            name,
            (x, y),
            (8, place - points),
            textcoords="offset points",
            color=colour,
            va="center",
            fontsize=9,
            fontweight="bold" if bold else "normal",
            annotation_clip=False,
        )
    axes.set_ylim(low, high)


PEER_LINES = {
    "cv2.GaussianBlur": "#33658a",
    "cv2.sepFilter2D": "#6a8fb5",
    "Intel IPP": "#8e6c8a",
    "torch, matrix product": "#b5838d",
    "Pillow (3 box passes)": "#7a8490",
    "cv2.blur (box filter)": "#9aa5b1",
}
NANOSECONDS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000]
GIGABYTES = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]


def over_sigma(results: store.Results) -> None:
    """Time against sigma."""
    section = results["sections"]["sigma"]["result"]
    with picture("sigma", 10, 5.6) as figure:
        axes = figure.subplots()
        _, y = curves(axes, section, PEER_LINES, "ns")
        log_axis(axes.yaxis, [v for v in NANOSECONDS if min(y) / 1.4 <= v <= max(y) * 1.4])
        axes.set_xlabel("sigma in pixels")
        axes.set_ylabel("nanoseconds per pixel")
        axes.set_title("Time against sigma: one box of 1000x1000, 8-bit RGB")
        figure.supxlabel(machine_line(results), fontsize=8, color="#555555")


def roofline(results: store.Results) -> None:
    """Bytes moved per second against the size of the boxes, under the roof of the plain copy."""
    section = results["sections"]["side"]["result"]
    with picture("roofline", 10, 5.6) as figure:
        axes = figure.subplots()
        x, y = curves(axes, section, PEER_LINES, "GB/s")
        floor = copy_of(next(iter(section.values()))["peers"])
        roof = [6 / c["peers"][floor]["ns_per_pixel"]["median"] for c in section.values()]
        axes.fill_between(x, roof, axes.get_ylim()[1], color=FLOOR, alpha=0.08, linewidth=0)
        log_axis(axes.yaxis, [v for v in GIGABYTES if min(y) / 1.4 <= v <= max(y) * 1.4])
        axes.set_xlabel("side of the boxes in pixels (about a megapixel of them; sigma 0.1 of the diagonal)")
        axes.set_ylabel("GB/s of pixels read and written")
        axes.set_title("Under the roof of a plain copy: pixels in and out per second, 8-bit RGB")
        figure.supxlabel(machine_line(results), fontsize=8, color="#555555")


PICTURES = {"W1": comparison, "sigma": over_sigma, "side": roofline}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plot", description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", help="JSON file; default: this machine's")
    options = parser.parse_args()
    mpl.use("agg")
    results = store.read_or_exit(options.results)
    for section, draw in PICTURES.items():
        if section in results["sections"]:
            draw(results)
        else:
            print(f"skipped: no section {section} in the results for {draw.__name__}")


if __name__ == "__main__":
    main()
