"""One call on CUDA arrays: check, plan, upload, launch. Everything is queued on the caller's stream; nothing waits."""

from __future__ import annotations

import importlib.util
from functools import cache
from operator import is_
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastblur import _core
from fastblur._images import fill_value, is_sequence, is_torch
from fastblur._layout import resolve_layout
from fastblur.cuda.arrays import DeviceArray, check_apart, check_out, container_of, kind_of, same_memory
from fastblur.cuda.driver import CudaError, Driver, get_driver
from fastblur.cuda.tables import SIZES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_INSTALL = 'the CUDA backend needs numba-cuda: pip install "fastblur[cuda13]" (or "fastblur[cuda12]" for CUDA 12)'

_sizes = _core.DeviceSizes(**SIZES)


class DeviceBatch:
    """The images of one call on one device, checked; each operation on them is queued and gives what to return.

    Args:
        images: a CUDA array, or a list or tuple of them, of one container and on one device.
        layout: of each array, or None for the container's default.
        out: None for new arrays; else where to write, `images` itself or arrays like them.

    Raises:
        TypeError, ValueError: for arrays that are not accepted.
        ImportError: if numba-cuda is not installed.
        CudaError: if there is no device.
    """

    def __init__(self, images: Any, layout: str | None, out: Any) -> None:
        _check_installed()
        self._driver = _driver_for_arrays()
        self._listed = is_sequence(images)
        self._images = list(images) if self._listed else [images]
        self._out = out if self._listed or out is None else [out]
        if self._listed and out is not None and (not is_sequence(out) or len(out) != len(images)):
            received = f"{len(out)} arrays" if is_sequence(out) else f"a {type(out).__name__}"
            raise ValueError(
                f"out is {received}; accepted for a list of {len(images)} images: a list of as many arrays"
            )
        self._container = container_of(self._images[0], self._driver)
        self._sources = self._describe(self._images, "images")
        self._layouts = [
            resolve_layout(source.shape, layout, channels_first=is_torch(image), element=i if self._listed else None)
            for i, (image, source) in enumerate(zip(self._images, self._sources, strict=True))
        ]
        self._targets = self._sources
        if self._out is not None:
            if not all(map(is_, self._out, self._images)):
                self._targets = self._describe(self._out, "out")
            self._check_targets()
        self._stream = self._container.stream(self._images[0], self._sources[0])
        self._table = self._table_of(self._sources)
        self.sizes = self._table.sizes
        self.batched = self._listed or "N" in self._layouts[0]

    def gaussian_blur(
        self, boxes: _core.Boxes, shape: int, radius: npt.NDArray[np.int64], border: int, direct: bool
    ) -> Any:
        """As `_core.gaussian_blur`."""
        return self._run(
            boxes, lambda table: _core.plan_device_blur(_sizes, table, boxes, shape, radius, border, direct)
        )

    def pixelate(self, boxes: _core.Boxes, shape: int) -> Any:
        """As `_core.pixelate`."""
        return self._run(boxes, lambda table: _core.plan_device_pixelate(_sizes, table, boxes, shape))

    def fill(self, boxes: _core.Boxes, shape: int, value: npt.NDArray[Any]) -> Any:
        """As `_core.fill`; `value`: a scalar, or one per channel."""
        values = {}
        for source, layout in zip(self._sources, self._layouts, strict=True):
            channels = source.shape[layout.index("C")] if "C" in layout else 1
            item = fill_value(value, np.dtype(source.dtype), channels).tolist()
            values[source.dtype] = (4 * item)[:4]
        return self._run(boxes, lambda table: _core.plan_device_fill(_sizes, table, boxes, shape, values))

    def _describe(self, arrays: list[Any], name: str) -> list[DeviceArray]:
        described: list[DeviceArray] = []
        kind = type(self._images[0])
        for i, array in enumerate(arrays):
            label = f"{name}[{i}]" if self._listed else name
            if type(array) is not kind and type(container_of(array, self._driver)) is not type(self._container):
                raise TypeError(f"{label} is a {kind_of(array)}; accepted: the kind of images")
            described.append(self._container.describe(array, label))
            if described[i].device != described[0].device:
                raise ValueError(
                    f"{label} is on device {described[i].device}, {name}[0] on {described[0].device}; "
                    "accepted: one device"
                )
        return described

    def _check_targets(self) -> None:
        for i, (source, target) in enumerate(zip(self._sources, self._targets, strict=True)):
            index = f"[{i}]" if self._listed else ""
            check_out(source, target, f"images{index}", f"out{index}")
        if len(self._targets) > 1:
            check_apart(self._sources, self._targets)

    def _table_of(self, arrays: Iterable[DeviceArray]) -> _core.DeviceImages:
        table = _core.DeviceImages()
        for layout, array in zip(self._layouts, arrays, strict=True):
            table.add(array.dtype, layout, array.address, array.shape, array.strides)
        return table

    def _run(self, boxes: _core.Boxes, plan: Callable[[_core.DeviceImages], _core.DevicePlan]) -> Any:
        with self._driver.device(self._sources[0].device):
            results = self._results()
            table = self._table if self._targets is self._sources else self._table_of(self._targets)
            if len(boxes):
                self._queue(plan(table))
            if self._out is None:
                finish = self._container.finish
                results = [
                    finish(result, target, self._stream) for result, target in zip(results, self._targets, strict=True)
                ]
        if not self._listed:
            return results[0]
        return results if self._out is None else self._out

    def _results(self) -> list[Any]:
        """The arrays to write, holding the images' pixels once what is queued has run."""
        if self._targets is self._sources and self._out is not None:
            return self._images
        container = self._container
        fresh = self._out is None
        if fresh:
            results = [
                container.copy(image, source, self._stream)
                for image, source in zip(self._images, self._sources, strict=True)
            ]
            self._targets = [container.describe(result, "the copy of images") for result in results]
        else:
            results = list(self._out)
        apart = [
            i
            for i, (source, target) in enumerate(zip(self._sources, self._targets, strict=True))
            if not same_memory(source, target) and 0 not in source.shape
        ]
        if fresh:
            uncopied = apart if container.leaves_copy_empty else []
        else:
            uncopied = [i for i in apart if not container.copy_into(results[i], self._images[i])]
        if uncopied:
            targets, sources = _core.DeviceImages(), _core.DeviceImages()
            for i in uncopied:
                for table, array in ((targets, self._targets[i]), (sources, self._sources[i])):
                    table.add(array.dtype, self._layouts[i], array.address, array.shape, array.strides)
            self._queue(_core.plan_device_copy(_sizes, targets, sources))
        return results

    def _queue(self, plan: _core.DevicePlan) -> None:
        """Queue the upload of a plan and its launches."""
        base, release = self._container.scratch(self._sources[0], self._stream, plan.total_bytes)
        try:
            self._driver.queue(plan, self._sources[0].device, self._stream, base)
        finally:
            release()


def copy_to_host(array: Any) -> npt.NDArray[Any]:
    """A CUDA array as a NumPy array, by way of its owner."""
    if hasattr(array, "copy_to_host"):  # Numba
        return np.asarray(array.copy_to_host())
    if hasattr(array, "get"):  # CuPy
        return np.asarray(array.get())
    if hasattr(array, "__array__"):  # JAX
        return np.asarray(array)
    driver = _driver_for_arrays()
    interface = array.__cuda_array_interface__
    host = np.empty(interface["shape"], np.dtype(interface["typestr"]))
    strides = interface.get("strides")
    if strides is not None and tuple(strides) != host.strides:
        raise TypeError(f"boxes is a strided {type(array).__name__}; accepted: one that is contiguous")
    if host.size:
        address = int(interface["data"][0])
        with driver.device(driver.device_of(address)):
            driver.download(int(interface.get("stream") or 0), address, host.reshape(-1).view(np.uint8))
    return host


@cache
def _check_installed() -> None:
    if importlib.util.find_spec("numba_cuda") is None:
        raise ImportError(f"images is a CUDA array, but {_INSTALL}")


def _driver_for_arrays() -> Driver:
    try:
        return get_driver()
    except CudaError as error:
        raise CudaError(f"images is a CUDA array, but there is no usable CUDA device here: {error}") from error
