"""One call on CUDA arrays: check, plan, upload, launch. Everything is queued on the caller's stream; nothing waits."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastblur.cuda import Fill, GaussianBlur, Operation
from fastblur.cuda.arrays import Container, DeviceArray, check_out, container_of, same_memory, spans_meet
from fastblur.cuda.driver import CudaError, Driver, get_driver
from fastblur.cuda.kernels import THREADS
from fastblur.cuda.plan import ImageTable, Plan, Variant, make_copy_plan, make_plan
from fastblur.cuda.tables import BORDER_MODES, IMAGE, SHAPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastblur import _core

_INSTALL = 'the CUDA backend needs numba-cuda: pip install "fastblur[cuda13]" (or "fastblur[cuda12]" for CUDA 12)'


@dataclass
class _Entry:
    layout: str
    source: DeviceArray
    target: DeviceArray
    result: Any
    fresh: bool  # the result was made by this call


def run_on_device(
    operation: Operation, images: list[Any], out: Sequence[Any] | None, layouts: Sequence[str], boxes: _core.Boxes
) -> list[Any]:
    """Apply `operation` to `boxes` of `images`.

    Args:
        operation: what to do.
        images: CUDA arrays of one container, on one device.
        out: None for new arrays, or as many arrays as `images`; the same ones for in place.
        layouts: one per entry: "HW", "HWC", "CHW", "NHW", "NHWC" or "NCHW".
        boxes: resolved for the images in order, an entry with N counting as N images.

    Returns:
        The results, as many as `images`; `out` itself if it was given.

    Raises:
        TypeError, ValueError: for arrays that are not accepted.
        ImportError: if numba-cuda is not installed.
        CudaError: if there is no device, or the driver fails.
    """
    _check_installed()
    driver = _driver_for_arrays()
    if out is not None and (not isinstance(out, (list, tuple)) or len(out) != len(images)):
        received = f"{len(out)} arrays" if isinstance(out, (list, tuple)) else f"a {type(out).__name__}"
        raise ValueError(f"out is {received}; accepted for a list of {len(images)} images: a list of as many arrays")
    container = container_of(images[0], driver)
    sources = _describe_all(container, driver, images, "images")
    in_place = out is not None and all(o is i for o, i in zip(out, images, strict=True))
    targets = sources if out is None or in_place else _describe_all(container, driver, out, "out")
    _check_all(sources, targets, out is not None)
    ordinal = sources[0].device
    stream = container.stream(images[0], sources[0])
    if isinstance(operation, Fill):
        colours = _fill_values(operation, sources, layouts)
    with driver.device(ordinal):
        entries = [
            _open(container, image, layout, source, target, None if out is None else out[i], stream)
            for i, (image, layout, source, target) in enumerate(zip(images, layouts, sources, targets, strict=True))
        ]
        uncopied = [entry for entry, image in zip(entries, images, strict=True) if not _copied(container, entry, image)]
        if uncopied:
            plan = make_copy_plan(
                image_table([(e.layout, e.target) for e in uncopied]),
                image_table([(e.layout, e.source) for e in uncopied]),
            )
            _execute(driver, container, ordinal, stream, sources[0], plan)
        if len(boxes):
            table = image_table([(entry.layout, entry.target) for entry in entries])
            if isinstance(operation, Fill):
                operation = replace(operation, value=np.stack([colours[v.dtype] for v in table.variants]))
            border = BORDER_MODES[operation.border_mode] if isinstance(operation, GaussianBlur) else 0
            plan = make_plan(operation, table, boxes, SHAPES[operation.shape], border)
            _execute(driver, container, ordinal, stream, sources[0], plan)
        if out is not None:
            return list(out)
        return [container.finish(entry.result, entry.target, stream) for entry in entries]


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


def _describe_all(container: Container, driver: Driver, arrays: Sequence[Any], name: str) -> list[DeviceArray]:
    described = []
    for i, array in enumerate(arrays):
        label = f"{name}[{i}]" if len(arrays) > 1 else name
        if type(container_of(array, driver)) is not type(container):
            raise TypeError(
                f"{label} is a {type(array).__module__}.{type(array).__qualname__}; accepted: the kind of images"
            )
        described.append(container.describe(array, label))
    return described


def _check_all(sources: list[DeviceArray], targets: list[DeviceArray], given: bool) -> None:
    """Everything that can be wrong with the arrays, before anything is written."""
    several = len(sources) > 1
    for i, source in enumerate(sources):
        if source.device != sources[0].device:
            raise ValueError(
                f"images[{i}] is on device {source.device}, images[0] on {sources[0].device}; accepted: one device"
            )
        if given:
            check_out(source, targets[i], f"images[{i}]" if several else "images", f"out[{i}]" if several else "out")
    if given:
        for i, target in enumerate(targets):
            for j in range(len(targets)):
                if i < j and spans_meet(target, targets[j]):
                    raise ValueError(f"out[{i}] shares memory with out[{j}]; accepted: arrays apart from each other")
                if i != j and not same_memory(sources[j], targets[j]) and spans_meet(target, sources[j]):
                    raise ValueError(f"out[{i}] shares memory with images[{j}]; accepted: arrays apart from each other")


def _open(
    container: Container, image: Any, layout: str, source: DeviceArray, target: DeviceArray, out: Any, stream: int
) -> _Entry:
    if out is not None:
        return _Entry(layout, source, target, out, fresh=False)
    result = container.copy(image, source, stream)
    return _Entry(layout, source, container.describe(result, "the copy of images"), result, fresh=True)


def _copied(container: Container, entry: _Entry, image: Any) -> bool:
    """Whether the target holds the source's pixels, or will once what is queued has run."""
    if same_memory(entry.source, entry.target) or 0 in entry.source.shape:
        return True
    if entry.fresh:
        return not container.leaves_copy_empty
    return container.copy_into(entry.result, image)


def _fill_values(
    operation: Fill, sources: list[DeviceArray], layouts: Sequence[str]
) -> dict[str, npt.NDArray[np.float64]]:
    """Per dtype, one value for each of four channels."""
    from fastblur._api import _fill_value

    values = {}
    for source, layout in zip(sources, layouts, strict=True):
        channels = source.shape[layout.index("C")] if "C" in layout else 1
        checked = _fill_value(operation.value, np.dtype(source.dtype), channels).astype(np.float64)
        values[source.dtype] = np.resize(checked, 4)
    return values


def image_table(arrays: Sequence[tuple[str, DeviceArray]]) -> ImageTable:
    """The records of all images of arrays of (layout, array), and their specialisations."""
    rows: list[tuple[int, ...]] = []
    sizes: list[tuple[int, int]] = []
    kinds: list[Variant] = []
    for layout, array in arrays:
        step = dict(zip(layout, array.strides, strict=True))
        size = dict(zip(layout, array.shape, strict=True))
        item = np.dtype(array.dtype).itemsize
        channels, step_c = size.get("C", 1), step.get("C", item)
        if channels == 1:
            step_c = item
        interleaved = channels > 1 and abs(step_c) <= abs(step["W"])
        contiguous = step["W"] == channels * item and step_c == item if interleaved else step["W"] == item
        kind = Variant(array.dtype, bool(contiguous))
        for n in range(size.get("N", 1)):
            address = array.address + n * step.get("N", 0)
            rows.append((address, step["W"], step["H"], step_c, channels, int(interleaved)))
            kinds.append(kind)
            sizes.append((size["H"], size["W"]))
    variants = sorted(set(kinds))
    index = {variant: i for i, variant in enumerate(variants)}
    return ImageTable(
        np.array(rows, IMAGE),
        np.array(sizes, np.int64).reshape(-1, 2),
        variants,
        np.array([index[kind] for kind in kinds], np.intp),
    )


def _execute(
    driver: Driver, container: Container, ordinal: int, stream: int, described: DeviceArray, plan: Plan
) -> None:
    """Upload a plan and queue its launches."""
    functions = [driver.kernel(ordinal, launch.key) for launch in plan.launches]
    base, release = container.scratch(described, stream, plan.total_bytes)
    try:
        slot = driver.take_slot(ordinal, plan.upload_bytes)
        plan.write(slot.bytes, base)
        driver.upload(ordinal, stream, base, slot, plan.upload_bytes)
        for launch, function in zip(plan.launches, functions, strict=True):
            arguments = (base, base + launch.first, base + launch.prefix, launch.jobs, plan.border, plan.shape)
            driver.launch(function, stream, launch.grid, THREADS, launch.shared, arguments)
    finally:
        release()
