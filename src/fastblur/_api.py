"""The public functions: check everything, open the images, hand the work to the core or to the CUDA backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fastblur import _core, cuda
from fastblur._boxes import BOX_FORMATS, Reals, parse_column, parse_kernel_size, parse_relative, parse_rows
from fastblur._images import Batch, fill_value, open_images
from fastblur._threads import checked_threads, get_num_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastblur.cuda.backend import DeviceBatch

Images = TypeVar("Images")

SHAPES = {"rectangle": 0, "ellipse": 1}
BORDER_MODES = {"reflect": 0, "symmetric": 1, "replicate": 2}
METHODS = {"auto": 0, "direct": 1}
_NO_RADIUS = np.zeros(0, np.int64)
_NO_STRENGTH = (np.zeros(0), False)


def gaussian_blur(
    images: Images,
    boxes: Any,
    sigma: Any = None,
    *,
    kernel_size: Any = None,
    method: str = "auto",
    border_mode: str = "reflect",
    relative: bool | Sequence[str] = False,
    margin: Any = 0,
    shape: str = "rectangle",
    feather: Any = 0,
    box_format: str = "xyxy",
    layout: str | None = None,
    out: Any = None,
    num_threads: int | None = None,
) -> Images:
    """Blur boxes with a true Gaussian.

    Each box is blurred by itself: only its own pixels are read, and `border_mode` continues them beyond its edges.
    Boxes are applied in order, and a pixel in several of them passes through each.

    Args:
        images: one image, a batch, or a list or tuple of images of different sizes; uint8, uint16, float16 or float32.
            NumPy, torch, or any array with DLPack.
        boxes: boxes in pixels, half-open: (K, 4) for one image; (K, 5) with the image index first; (N, K, 4); a list
            of one (K, 4) array per image; or None for each whole image.
        sigma: standard deviation in pixels; a scalar or one value per box.
        kernel_size: odd width of the kernel in pixels; a scalar or one per box. Selects the direct filter. Without
            `sigma`, sigma = 0.3 ((k - 1) / 2 - 1) + 0.8. Default: 2 int(4 sigma + 0.5) + 1.
        method: "auto", the fastest path within the error bounds, or "direct", the filter tap by tap.
        border_mode: "reflect" (d c b | a b c d | c b a), "symmetric" (b a | a b c d | d c) or "replicate".
        relative: True takes sigma, margin and feather as fractions of each box's longer side; a tuple of their names
            only those.
        margin: pixels by which each box grows on every side before it is rounded outward.
        shape: "rectangle", or "ellipse" inscribed in the box.
        feather: pixels over which the obfuscation fades out, beyond the box; the box itself stays fully obfuscated.
        box_format: "xyxy", "xywh" or "cxcywh".
        layout: "HW", "HWC", "CHW", "NHW", "NHWC" or "NCHW". Default: channels first for torch, last otherwise.
        out: where to write: `images` itself (in place, the fast path) or arrays like them. Default: new images.
        num_threads: the most threads to use. Default: `get_num_threads`.

    Returns:
        Images of the container, dtype, shape and memory format of `images`; or `out`.

    Raises:
        TypeError: for a kind or dtype that is not accepted, or if neither `sigma` nor `kernel_size` is given.
        ValueError: for a shape or value that is not accepted; the message names the box's row.

    Nothing is written before everything has been checked.

    >>> import numpy as np, fastblur
    >>> image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    >>> blurred = fastblur.gaussian_blur(image, [[100, 80, 220, 240]], sigma=20)
    >>> bool((blurred[:80] == image[:80]).all())
    True
    """
    names = ("sigma", "margin", "feather")
    border = _one_of("border_mode", border_mode, BORDER_MODES)
    direct = bool(_one_of("method", method, METHODS))
    if sigma is None and kernel_size is None:
        raise TypeError("gaussian_blur needs sigma, kernel_size or both; received neither")
    call = _Call(images, boxes, margin, shape, feather, box_format, relative, names, layout, out, num_threads)
    radius = _NO_RADIUS if kernel_size is None else parse_kernel_size(kernel_size, call.count, cuda.to_host)
    if sigma is None:
        resolved = call.resolve((np.asarray(0.3 * (radius - 1.0) + 0.8, np.float64), False))
    else:
        resolved = call.resolve(call.strength("sigma", sigma))
    direct = direct or kernel_size is not None
    if not isinstance(call.batch, Batch):
        return call.batch.gaussian_blur(resolved, call.shape, radius, border, direct)  # type: ignore[no-any-return]
    call.batch.begin()
    _core.gaussian_blur(call.batch.views, resolved, call.shape, radius, border, direct, call.threads)
    return call.batch.finish()  # type: ignore[no-any-return]


def pixelate(
    images: Images,
    boxes: Any,
    block_size: Any,
    *,
    relative: bool | Sequence[str] = False,
    margin: Any = 0,
    shape: str = "rectangle",
    feather: Any = 0,
    box_format: str = "xyxy",
    layout: str | None = None,
    out: Any = None,
    num_threads: int | None = None,
) -> Images:
    """Replace the cells of a grid over each box by their means.

    A box of w x h pixels gets max(1, w // b) columns and max(1, h // b) rows of cells, b = max(1, ceil(block_size)), so
    that no cell is smaller than b unless the box is.

    Args:
        block_size: least side of a cell in pixels; a scalar or one value per box; with `relative`, a fraction of the
            box's longer side.
        images, boxes, relative, margin, shape, feather, box_format, layout, out, num_threads: see `gaussian_blur`.

    Returns:
        Images of the container, dtype, shape and memory format of `images`; or `out`.

    Raises:
        TypeError, ValueError: see `gaussian_blur`.

    >>> import numpy as np, fastblur
    >>> image = np.arange(16, dtype=np.uint8).reshape(4, 4)
    >>> fastblur.pixelate(image, [[0, 0, 4, 2]], block_size=2).tolist()
    [[3, 3, 5, 5], [3, 3, 5, 5], [8, 9, 10, 11], [12, 13, 14, 15]]
    """
    names = ("block_size", "margin", "feather")
    call = _Call(images, boxes, margin, shape, feather, box_format, relative, names, layout, out, num_threads)
    resolved = call.resolve(call.strength("block_size", block_size))
    if not isinstance(call.batch, Batch):
        return call.batch.pixelate(resolved, call.shape)  # type: ignore[no-any-return]
    call.batch.begin()
    _core.pixelate(call.batch.views, resolved, call.shape, call.threads)
    return call.batch.finish()  # type: ignore[no-any-return]


def fill(
    images: Images,
    boxes: Any,
    value: Any = 0,
    *,
    relative: bool | Sequence[str] = False,
    margin: Any = 0,
    shape: str = "rectangle",
    feather: Any = 0,
    box_format: str = "xyxy",
    layout: str | None = None,
    out: Any = None,
    num_threads: int | None = None,
) -> Images:
    """Paint each box: the one obfuscation that nothing can undo.

    Args:
        value: one number, or one per channel, of shape (C,). Must be representable in an integer dtype; for the float
            dtypes it is rounded to the nearest.
        images, boxes, relative, margin, shape, feather, box_format, layout, out, num_threads: see `gaussian_blur`.

    Returns:
        Images of the container, dtype, shape and memory format of `images`; or `out`.

    Raises:
        TypeError, ValueError: see `gaussian_blur`.

    >>> import numpy as np, fastblur
    >>> fastblur.fill(np.zeros((2, 3), np.uint8), [[1, 0, 2, 2]], value=7).tolist()
    [[0, 7, 0], [0, 7, 0]]
    """
    call = _Call(
        images, boxes, margin, shape, feather, box_format, relative, ("margin", "feather"), layout, out, num_threads
    )
    resolved = call.resolve()
    values = np.asarray(cuda.to_host(value))
    if not isinstance(call.batch, Batch):
        return call.batch.fill(resolved, call.shape, values)  # type: ignore[no-any-return]
    per_view = [fill_value(values, view.dtype, view.shape[-1]) for view in call.batch.views]
    call.batch.begin()
    _core.fill(call.batch.views, resolved, call.shape, per_view, call.threads)
    return call.batch.finish()  # type: ignore[no-any-return]


class _Call:
    """What the three operations have in common: one call's images and boxes, checked."""

    def __init__(
        self,
        images: Any,
        boxes: Any,
        margin: Any,
        shape: str,
        feather: Any,
        box_format: str,
        relative: bool | Sequence[str],
        names: Sequence[str],
        layout: str | None,
        out: Any,
        num_threads: int | None,
    ) -> None:
        self.shape = _one_of("shape", shape, SHAPES)
        self.box_format = _one_of("box_format", box_format, BOX_FORMATS)
        self.relative = parse_relative(relative, names)
        self.threads = 0 if num_threads is None else checked_threads("num_threads", num_threads)
        self.batch: Batch | DeviceBatch
        if cuda.holds_cuda_arrays(images):
            self.batch = cuda.open_images(images, layout, out)
        else:
            self.batch = open_images(images, layout, out)
            self.threads = self.threads or get_num_threads()
        self.sizes = self.batch.sizes
        self.rows = parse_rows(boxes, self.sizes, self.batch.batched, box_format, cuda.to_host)
        self.count = len(self.rows)
        self.margin = self._column("margin", margin, positive=False)
        self.feather = self._column("feather", feather, positive=False)

    def _column(self, name: str, value: Any, *, positive: bool) -> tuple[Reals, bool]:
        return parse_column(name, value, self.count, cuda.to_host, positive=positive), name in self.relative

    def strength(self, name: str, value: Any) -> tuple[Reals, bool]:
        """Sigma or block size: its values, and whether they are fractions of the box."""
        return self._column(name, value, positive=True)

    def resolve(self, strength: tuple[Reals, bool] = _NO_STRENGTH) -> _core.Boxes:
        """The boxes in pixels, by the contract; ValueError names the row that cannot be."""
        rows, per_box = self.rows, (*self.margin, *self.feather, *strength)
        return _core.resolve_boxes(
            rows.coordinates, rows.image_index, rows.per_image, self.box_format, self.sizes, *per_box
        )


def _one_of(name: str, value: Any, accepted: dict[str, int]) -> int:
    if isinstance(value, str) and value in accepted:
        return accepted[value]
    error = ValueError if isinstance(value, str) else TypeError
    raise error(f"{name} is {value!r}; accepted: {', '.join(repr(a) for a in accepted)}")
