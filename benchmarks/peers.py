"""What fastblur is compared with. Every peer does the same work, in place, as well as its own API lets a user do it.

A peer is a factory: called, it imports its library and returns a function of a `Work`. What a peer can keep from box to
box it keeps (kernels, matrices, buffers); its library's own threads are off, and on several threads a pool of threads
shares out the images, which is the best that a user of any of them can do. True Gaussians are cut off at 3 sigma, as
OpenCV cuts 8-bit ones: less work than fastblur's 4, and the price is in the error that is shown beside the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from benchmarks import ipp, native
from benchmarks.cases import Operation, Work

Run = Callable[[Work], None]
Kind = Literal["floor", "gaussian", "approximation", "mosaic"]
Pixels = npt.NDArray[Any]
Tensor = Any  # torch.Tensor, where torch is installed
ALL = ("uint8", "float32")


@dataclass(frozen=True)
class Peer:
    """One peer of one operation.

    `border_mode` is the continuation of the box that it computes: its error is measured against that
    one.
    """

    name: str
    kind: Kind
    make: Callable[[], Run]
    border_mode: str = "reflect"
    dtypes: tuple[str, ...] = ALL


def radius(sigma: float) -> int:
    return int(3 * sigma + 0.5)


def crops(work: Work) -> Iterator[tuple[Pixels, float]]:
    """The pixels of each box, a view of shape (h, w, C) or (C, h, w), and its strength."""
    images, channels_last = work.images, work.layout == "NHWC"
    for (i, x1, y1, x2, y2), strength in zip(work.boxes.tolist(), work.strength.tolist(), strict=True):
        yield (images[i, y1:y2, x1:x2] if channels_last else images[i, :, y1:y2, x1:x2]), strength


def planes(work: Work) -> Iterator[tuple[Pixels, float]]:
    """As `crops`, but one channel at a time where channels come first: what cv2 can take."""
    if work.layout == "NHWC":
        yield from crops(work)
    else:
        for crop, strength in crops(work):
            for plane in crop:
                yield plane, strength


def _empty_loop() -> Run:
    def run(work: Work) -> None:
        for _ in crops(work):
            pass

    return run


def _copy_c() -> Run:
    native.library()
    return native.copy_boxes


def _copy_numpy() -> Run:
    def run(work: Work) -> None:
        for crop, _ in crops(work):
            crop[...] = crop.copy()

    return run


def _cv2() -> Any:
    import cv2

    cv2.setNumThreads(1)
    return cv2


def _cv2_gaussian() -> Run:
    cv2 = _cv2()

    def run(work: Work) -> None:
        for crop, sigma in planes(work):
            k = 2 * radius(sigma) + 1
            cv2.GaussianBlur(crop, (k, k), sigma, dst=crop, borderType=cv2.BORDER_REFLECT_101)

    return run


def _cv2_separable() -> Run:
    cv2 = _cv2()

    @lru_cache(maxsize=256)
    def kernel(sigma: float) -> Pixels:
        return np.asarray(cv2.getGaussianKernel(2 * radius(sigma) + 1, sigma, cv2.CV_32F))

    def run(work: Work) -> None:
        for crop, sigma in planes(work):
            k = kernel(sigma)
            cv2.sepFilter2D(crop, -1, k, k, dst=crop, borderType=cv2.BORDER_REFLECT_101)

    return run


def _cv2_box() -> Run:
    cv2 = _cv2()

    def run(work: Work) -> None:
        for crop, sigma in planes(work):
            # The odd box with the Gaussian's variance; the cost of a box does not depend on its size.
            k = int(np.sqrt(12 * sigma * sigma + 1)) // 2 * 2 + 1
            cv2.blur(crop, (k, k), dst=crop, borderType=cv2.BORDER_REFLECT_101)

    return run


def _ipp() -> Run:
    native.library()
    ipp.load()
    return ipp.gaussian


def _pillow() -> Run:
    from PIL import Image, ImageFilter

    def run(work: Work) -> None:
        for crop, sigma in crops(work):
            crop[...] = np.asarray(Image.fromarray(crop).filter(ImageFilter.GaussianBlur(sigma)))

    return run


def _scipy() -> Run:
    from scipy import ndimage

    def run(work: Work) -> None:
        axes = (0, 1) if work.layout == "NHWC" else (1, 2)
        for crop, sigma in crops(work):
            # Asked for uint8, it would truncate after each axis: a mean error of a whole level.
            out = ndimage.gaussian_filter(
                crop, sigma, axes=axes, mode="mirror", radius=radius(sigma), output=np.float32
            )
            crop[...] = np.rint(out, out=out) if crop.dtype == np.uint8 else out

    return run


def _to_planes(crop: Pixels, layout: str) -> Tensor:
    """The crop as a float32 tensor (C, h, w)."""
    import torch

    tensor = torch.from_numpy(crop)
    return (tensor.permute(2, 0, 1) if layout == "NHWC" else tensor).to(torch.float32)


def _from_planes(result: Tensor, crop: Pixels, layout: str) -> None:
    import torch

    target = torch.from_numpy(crop)
    target = target.permute(2, 0, 1) if layout == "NHWC" else target
    target.copy_(result.round_().clamp_(0, 255) if crop.dtype == np.uint8 else result)


def _reflected(positions: Pixels, n: int) -> Pixels:
    """`positions` of a row of n pixels continued by reflection without repeating the edge."""
    period = max(2 * (n - 1), 1)
    i = np.mod(positions, period)
    return np.where(i < n, i, period - i)


def _gaussian_taps(sigma: float) -> Pixels:
    i = np.arange(-radius(sigma), radius(sigma) + 1)
    taps = np.exp(-0.5 * np.square(i / sigma))
    return np.asarray(taps / taps.sum())


def _torch() -> Any:
    import torch

    torch.set_num_threads(1)
    return torch


def _torch_separable() -> Run:
    torch = _torch()

    @lru_cache(maxsize=256)
    def kernel(sigma: float) -> Tensor:
        return torch.from_numpy(_gaussian_taps(sigma)).to(torch.float32)

    @lru_cache(maxsize=512)
    def padded(n: int, r: int) -> Tensor:
        return torch.from_numpy(_reflected(np.arange(-r, n + r), n))

    def run(work: Work) -> None:
        with torch.inference_mode():
            for crop, sigma in crops(work):
                x, k, r = _to_planes(crop, work.layout), kernel(sigma), radius(sigma)
                c, h, w = x.shape
                # A gather, since torch's own reflection stops at radius >= size.
                x = x.index_select(1, padded(h, r)).index_select(2, padded(w, r))[None]
                x = torch.conv2d(x, k.view(1, 1, -1, 1).expand(c, 1, -1, 1), groups=c)
                x = torch.conv2d(x, k.view(1, 1, 1, -1).expand(c, 1, 1, -1), groups=c)
                _from_planes(x[0], crop, work.layout)

    return run


def _torch_matrix() -> Run:
    torch = _torch()

    @lru_cache(maxsize=256)
    def matrix(n: int, sigma: float) -> Tensor:
        # The kernel folded onto one period of the reflected row; pixel j stands at positions j and -j of the period,
        # which are one position for the first and the last pixel.
        period, r = max(2 * (n - 1), 1), radius(sigma)
        folded = np.bincount(np.arange(-r, r + 1) % period, weights=_gaussian_taps(sigma), minlength=period)
        i, j = np.arange(n)[:, None], np.arange(n)[None, :]
        banded = folded[(i - j) % period]
        banded[:, 1:-1] += folded[(i + j) % period][:, 1:-1]
        return torch.from_numpy(banded).to(torch.float32)

    def run(work: Work) -> None:
        with torch.inference_mode():
            for crop, sigma in crops(work):
                x = _to_planes(crop, work.layout)
                _, h, w = x.shape
                _from_planes(matrix(h, sigma) @ x @ matrix(w, sigma).T, crop, work.layout)

    return run


def _cells(length: int, block: float) -> int:
    return max(1, length // int(np.ceil(block)))


def _cv2_mosaic(down: str) -> Callable[[], Run]:
    def make() -> Run:
        cv2 = _cv2()
        shrink = getattr(cv2, down)

        def run(work: Work) -> None:
            for crop, block in planes(work):
                h, w = crop.shape[:2]
                small = cv2.resize(crop, (_cells(w, block), _cells(h, block)), interpolation=shrink)
                cv2.resize(small, (w, h), dst=crop, interpolation=cv2.INTER_NEAREST)

        return run

    return make


def _pillow_mosaic() -> Run:
    from PIL import Image

    def run(work: Work) -> None:
        for crop, block in crops(work):
            h, w = crop.shape[:2]
            small = Image.fromarray(crop).resize((_cells(w, block), _cells(h, block)), Image.Resampling.BOX)
            crop[...] = np.asarray(small.resize((w, h), Image.Resampling.NEAREST))

    return run


LOOP = Peer("empty Python loop", "floor", _empty_loop)
COPY_C = Peer("copy (C)", "floor", _copy_c)
COPY_NUMPY = Peer("copy (NumPy)", "floor", _copy_numpy)
GAUSSIAN_BLUR = Peer("cv2.GaussianBlur", "gaussian", _cv2_gaussian)
BOX_FILTER = Peer("cv2.blur (box filter)", "approximation", _cv2_box)
MOSAIC_AREA = Peer("cv2.resize AREA + NEAREST", "mosaic", _cv2_mosaic("INTER_AREA"))

PEERS: dict[Operation, tuple[Peer, ...]] = {
    "blur": (
        LOOP,
        COPY_C,
        COPY_NUMPY,
        GAUSSIAN_BLUR,
        Peer("cv2.sepFilter2D", "gaussian", _cv2_separable),
        Peer("Intel IPP", "gaussian", _ipp, border_mode="replicate"),
        Peer("torch, matrix product", "gaussian", _torch_matrix),
        Peer("torch, separable convolution", "gaussian", _torch_separable),
        Peer("SciPy gaussian_filter", "gaussian", _scipy),
        Peer("Pillow (3 box passes)", "approximation", _pillow, "replicate", dtypes=("uint8",)),
        BOX_FILTER,
    ),
    "mosaic": (
        LOOP,
        COPY_C,
        COPY_NUMPY,
        MOSAIC_AREA,
        Peer("cv2.resize LINEAR + NEAREST", "mosaic", _cv2_mosaic("INTER_LINEAR")),
        Peer("Pillow BOX + NEAREST", "mosaic", _pillow_mosaic, dtypes=("uint8",)),
    ),
}


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


def threaded(run: Run, threads: int) -> Run:
    """`run`, its images shared out among `threads` threads in four parts for each, as evenly as images allow."""
    if threads == 1:
        return run

    def shared(work: Work) -> None:
        count = len(work.images)
        edges = np.linspace(0, count, min(count, 4 * threads) + 1).astype(int).tolist()
        parts = [work.part(first, last) for first, last in pairwise(edges)]
        for _ in _pool(threads).map(run, parts):
            pass

    return shared


def load(operation: Operation, dtype: npt.DTypeLike) -> tuple[dict[Peer, Run], dict[str, str]]:
    """The peers that are here and take `dtype`, and for each of the others the reason why not."""
    loaded: dict[Peer, Run] = {}
    skipped: dict[str, str] = {}
    name = np.dtype(dtype).name
    for peer in PEERS[operation]:
        if name not in peer.dtypes:
            skipped[peer.name] = f"does not take {name}"
            continue
        try:
            loaded[peer] = peer.make()
        except ImportError as error:
            skipped[peer.name] = f"not installed ({error})"
        except native.UnavailableError as error:
            skipped[peer.name] = str(error)
    return loaded, skipped
