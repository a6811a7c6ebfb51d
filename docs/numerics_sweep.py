"""The worst-case errors of docs/numerics.md: python docs/numerics_sweep.py [--quick]

Builds the matrix of one axis as src/cpp/gaussian.cpp builds it, in float64, and takes the largest error that any row of
pixels can provoke: half the L1 norm of a row of (matrix - reference matrix), as a fraction of the pixels' range. First
it holds these matrices to the installed fastblur, by blurring impulses; last it gives the installed fastblur the images
that they say are the worst.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import fastblur
from fastblur import reference

Matrix = npt.NDArray[np.float64]
BORDERS = ("reflect", "symmetric", "replicate")


@dataclass(frozen=True)
class Quality:
    """The constants of the same names in gaussian.cpp."""

    name: str
    coarse_sigma: float
    coarse_tail: float
    tail: float
    second: float

    @property
    def variance(self) -> float:
        """Of the spline, in cells."""
        return 1 / 3 + 2 * self.second


REACH_OF_BYTES, REACH_OF_SHORT = 20, 9  # kReachOfBytes, kReachOfShort
LEAST_SPACING, LEAST_REPLICATED, LEAST_OF_BYTES = 1.55, 1.8, 1.8  # kLeastSpacing, kLeastReplicated, kLeastOfBytes
SHORTEST = 16  # kShortest: rows up to this long are filtered by the full kernel

LEVEL = Quality("level (uint8)", 0.85, 3.5, 3.2, 1 / 42)
FINE = Quality("fine (uint16, floats)", 1.5, 3.5, 3.75, 1 / 42)
FINE_REPLICATED = Quality("fine (uint16, floats)", 1.8, 3.5, 3.75, 0)


def of_border(quality: Quality, border: str) -> Quality:
    return FINE_REPLICATED if quality is FINE and border == "replicate" else quality


def fold(weights: Matrix, first: npt.NDArray[np.int64], n: int, border: str) -> Matrix:
    """Row i of the (len(first), n) result: weights[i, t] added where pixel first[i] + t of the continued row stands."""
    rows = np.arange(len(first))[:, None]
    columns = reference.border_index(first[:, None] + np.arange(weights.shape[1]), n, border)
    flat = np.bincount((rows * n + columns).ravel(), weights.ravel(), len(first) * n)
    return np.asarray(flat, np.float64).reshape(len(first), n)


def kernel_matrix(n: int, sigma: float, radius: int, border: str, fourth: float = 0) -> Matrix:
    """The (n, n) matrix of the sampled Gaussian, cut at `radius`, with `fourth` times the fourth Hermite polynomial."""
    x = np.arange(-radius, radius + 1) / sigma
    kernel = np.exp(-0.5 * x**2) * (1 + fourth * (x**4 - 6 * x**2 + 3))
    return fold(np.tile(kernel / kernel.sum(), (n, 1)), np.arange(n) - radius, n, border)


def cubic(x: Matrix, second: float) -> Matrix:
    """The cubic B-spline (support -2..2, sum over the integers one) plus `second` times its second derivative."""
    x = np.abs(x)
    inner = 2 / 3 - x * x + x**3 / 2 + second * (3 * x - 2)
    outer = np.maximum(2 - x, 0) ** 3 / 6 + second * np.maximum(2 - x, 0)
    return np.where(x < 1, inner, outer)


def spacing(sigma: float, quality: Quality) -> float:
    """The widest grid that the quality allows, in pixels."""
    return sigma / math.sqrt(quality.coarse_sigma**2 + 2 * quality.variance)


def in_bytes(sigma: float, height: int, width: int) -> bool:
    """Whether the rows of a box of bytes with one channel are filtered in 16 bits, as level_path() chooses."""
    reach, widest = LEVEL.tail * sigma + 0.5, spacing(sigma, LEVEL)
    if reach < 1 or reach >= REACH_OF_BYTES or widest < LEAST_OF_BYTES:
        return 1 <= reach < REACH_OF_BYTES
    if min(height, width) <= SHORTEST:
        return width > SHORTEST and reach < REACH_OF_SHORT
    rows, vectors = math.ceil(height / widest), math.ceil(width / 32)
    directly = rows * (vectors * (12 + 2 * int(reach)) + 6 * int(reach))
    return directly < vectors * (345 * math.ceil(rows / 16) + 15.5 * rows)


def paths_of(sigma: float, quality: Quality) -> tuple[str, ...]:
    """The paths of axis_matrix() that some box may take."""
    if quality is FINE or not 1 <= LEVEL.tail * sigma + 0.5 < REACH_OF_BYTES:
        return ("",)
    return ("x", "y") if spacing(sigma, LEVEL) < LEAST_OF_BYTES else ("", "x", "y")


def axis_matrix(n: int, sigma: float, border: str, quality: Quality, path: str = "") -> tuple[Matrix, bool]:
    """The (n, n) matrix that the automatic path applies, and whether it is the spline's. `path` is "x" or "y" for an
    axis of a box in 16 bits."""
    quality = of_border(quality, border)
    extent = n if border == "symmetric" else n - 1
    cells = max(1, math.ceil(extent / spacing(sigma, quality)))
    d = extent / cells
    nodes = cells + (0 if border == "symmetric" else 1) + (4 if border == "replicate" else 0)
    full, reach = int(4 * sigma + 0.5), int(quality.tail * sigma + 0.5)
    least = LEAST_OF_BYTES if path else LEAST_REPLICATED if border == "replicate" else LEAST_SPACING
    if path == "x" or n <= SHORTEST or d < least or n <= nodes + 2:
        return kernel_matrix(n, sigma, full if n <= SHORTEST and not path else min(full, reach), border), False

    offset = {"reflect": 0.0, "symmetric": 0.5 / d - 0.5, "replicate": 2.0}[border]
    # Reduce: each node is a weighted sum of the pixels around it, in the row as the border continues it.
    position = (np.arange(nodes) - offset) * d
    first = np.floor(position - 2 * d).astype(np.int64)
    x = first[:, None] + np.arange(math.ceil(4 * d) + 2)
    reduce = fold(cubic((x - position[:, None]) / d, quality.second) / d, first, n, border)
    # Filter: sigma^2 = d^2 (s^2 + twice the spline's variance), and the fourth cumulant that the splines lack.
    s2 = (sigma / d) ** 2 - 2 * quality.variance
    fourth = 1 / 360 + quality.second**2
    smooth = kernel_matrix(nodes, s2**0.5, math.ceil(quality.coarse_tail * s2**0.5), border, fourth / s2**2)
    # Expand: the spline through these coefficients, at each pixel.
    u = np.arange(n) / d + offset
    first = np.floor(u).astype(np.int64) - 1
    expand = fold(cubic(u[:, None] - first[:, None] - np.arange(4), quality.second), first, nodes, border)
    return expand @ smooth @ reduce, True


def installed_matrix(n: int, sigma: float, border: str) -> Matrix:
    """The (n, n) matrix that fastblur applies to float32 rows: its answers to all impulses."""
    rows = np.eye(n, dtype=np.float32)[:, None, :]
    return np.asarray(
        fastblur.gaussian_blur(rows, None, sigma, layout="NHW", border_mode=border)[:, 0, :].T, dtype=np.float64
    )


def error(matrix: Matrix, n: int, sigma: float, border: str) -> float:
    exact = kernel_matrix(n, sigma, int(4 * sigma + 0.5), border)
    difference = matrix - exact
    # The rows of both sum to one, the spline's but for a few parts in 10^4.
    return float(np.maximum(np.maximum(difference, 0).sum(axis=1), np.maximum(-difference, 0).sum(axis=1)).max())


def attack(n: int, sigma: float, border: str) -> tuple[float, float]:
    """The image of n x n bytes on which the pixel with the largest error errs most: what theory says of that pixel, and
    the largest error of the installed fastblur on the image, in levels, rounding included."""
    exact = kernel_matrix(n, sigma, int(4 * sigma + 0.5), border)
    paths = ("y", "x") if in_bytes(sigma, n, n) else ("", "")
    along_y, along_x = (axis_matrix(n, sigma, border, LEVEL, path)[0] for path in paths)
    i, j = (int(np.abs(matrix - exact).sum(axis=1).argmax()) for matrix in (along_y, along_x))
    difference = np.outer(along_y[i], along_x[j]) - np.outer(exact[i], exact[j])
    image = np.where(difference > 0, 255, 0).astype(np.uint8)
    result = fastblur.gaussian_blur(image, None, sigma, border_mode=border)
    theory = 255 * float(np.maximum(difference, 0).sum())
    return theory, float(np.abs(result - exact @ image @ exact.T).max())


def sigmas(per_octave: int) -> list[float]:
    count = round(per_octave * math.log2(500 / 0.1))
    return [0.1 * 5000 ** (i / count) for i in range(count + 1)]


def tightest(n: int, border: str, quality: Quality) -> list[float]:
    """Sigmas at which the grid is as coarse as the quality allows."""
    quality = of_border(quality, border)
    extent = n if border == "symmetric" else n - 1
    cells = {max(1, round(extent / d)) for d in (1.6, 1.8, 2.2, 2.5, 3, 4, 6)}
    return [extent / m * math.sqrt(quality.coarse_sigma**2 + 2 * quality.variance) * (1 + 1e-9) for m in sorted(cells)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes and sigmas")
    quick = parser.parse_args().quick
    lengths = [*range(1, 65, 5 if quick else 1), *range(67, 400, 90 if quick else 17)]
    strengths = sigmas(1 if quick else 6)

    off = 0.0
    for n in lengths[:: 4 if quick else 9]:
        for sigma in strengths[:: 4 if quick else 9]:
            for border in BORDERS:
                derived = axis_matrix(n, sigma, border, FINE)[0] if n > 1 else np.ones((1, 1))
                off = max(off, float(np.abs(derived - installed_matrix(n, sigma, border)).sum(axis=1).max()))
    print(f"derived matrices against the installed fastblur {fastblur.__version__}, float32: {off:.1e} of range\n")

    print("| accuracy | path | border | one axis, of range | at n, sigma | both axes, of range | in levels of 255 |")
    print("|---|---|---|---|---|---|---|")
    for quality in (LEVEL, FINE):
        for border in BORDERS:
            worst = {True: (0.0, 0, 0.0), False: (0.0, 0, 0.0)}
            for n in lengths[1:]:
                for sigma in [*strengths, *tightest(n, border, quality)]:
                    for path in paths_of(sigma, quality):
                        matrix, spline = axis_matrix(n, sigma, border, quality, path)
                        worst[spline] = max(worst[spline], (error(matrix, n, sigma, border), n, sigma))
            for spline, (largest, n, sigma) in worst.items():
                path = "spline" if spline else f"direct, {quality.tail} sigma"
                print(
                    f"| {quality.name} | {path} | {border} | {largest:.2e} | {n}, {sigma:.3g} "
                    f"| {2 * largest:.2e} | {2 * largest * 255:.2f} |"
                )

    print("\n| uint8, worst image of 61 x 61 | " + " | ".join(BORDERS) + " |\n|---|---|---|---|")
    for sigma in (0.5, 1, 2, 2.3, 2.6, 3, 3.2, 3.4, 4, 5, 8, 16, 40, 160):
        cells = ["{:.2f}: {:.2f}".format(*attack(61, sigma, border)) for border in BORDERS]
        print(f"| sigma {sigma:g} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
