from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

# Boxes resolved to pixels, in row order, without the rows that do nothing.
class Boxes:
    def __len__(self) -> int: ...

# The (height, width) of every image of views with axes (N,) H, W, C, a batch counting as its N images.
def image_sizes(views: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.int64]: ...

# The first value that is not finite, or not positive or at least not negative; None where all are good.
def first_bad(column: npt.NDArray[Any], positive: bool) -> int | None: ...

# A list or tuple of Python's own floats and ints, or of equally long lists or tuples of them, as float64. None for
# anything else, for empty ones and ints beyond int64, and for all on a Python without the GIL.
def array_of_numbers(given: Any) -> npt.NDArray[np.float64] | None: ...

# `coordinates` are (K, 4) with `image_index`, or None: all belong to image 0; or (K, 5) with the image index first.
def resolve_boxes(
    coordinates: npt.NDArray[Any],
    image_index: npt.NDArray[Any] | None,
    per_image: bool,
    box_format: int,
    sizes: npt.NDArray[np.int64],
    margin: npt.NDArray[Any],
    margin_relative: bool,
    feather: npt.NDArray[Any],
    feather_relative: bool,
    strength: npt.NDArray[Any],
    strength_relative: bool,
) -> Boxes: ...
def gaussian_blur(
    views: Sequence[npt.NDArray[Any]],
    boxes: Boxes,
    shape: int,
    radius: npt.NDArray[np.int64],
    border: int,
    direct: bool,
    threads: int,
) -> None: ...
def pixelate(views: Sequence[npt.NDArray[Any]], boxes: Boxes, shape: int, threads: int) -> None: ...
def fill(
    views: Sequence[npt.NDArray[Any]], boxes: Boxes, shape: int, values: Sequence[npt.NDArray[Any]], threads: int
) -> None: ...

# What is launched on a CUDA device. Sizes by the names of fastblur.cuda.tables, in lower case.
class DeviceSizes:
    def __init__(self, **kwargs: int) -> None: ...

class DeviceImages:
    def __init__(self) -> None: ...
    def add(self, dtype: str, layout: str, address: int, shape: Sequence[int], strides: Sequence[int]) -> None: ...
    @property
    def sizes(self) -> npt.NDArray[np.int64]: ...

# Addresses of the driver's cuMemcpyHtoDAsync_v2, cuEventRecord and cuLaunchKernel.
class DeviceDriver:
    def __init__(self, copy: int, record: int, launch: int) -> None: ...

class DevicePlan:
    # (kernel, dtype, contiguous) of each launch, in order.
    @property
    def kernels(self) -> list[tuple[str, str, bool]]: ...
    @property
    def upload_bytes(self) -> int: ...
    @property
    def total_bytes(self) -> int: ...
    # Queues the upload, by way of `staging`, which must stay until `event`, and the launches. Returns the name of the
    # driver's function that failed and its code, or (None, 0).
    def queue(
        self,
        driver: DeviceDriver,
        functions: Sequence[int],
        stream: int,
        base: int,
        staging: int,
        event: int,
        threads: int,
    ) -> tuple[str | None, int]: ...

def plan_device_blur(
    sizes: DeviceSizes,
    images: DeviceImages,
    boxes: Boxes,
    shape: int,
    radius: npt.NDArray[np.int64],
    border: int,
    direct: bool,
) -> DevicePlan: ...
def plan_device_pixelate(sizes: DeviceSizes, images: DeviceImages, boxes: Boxes, shape: int) -> DevicePlan: ...
def plan_device_fill(
    sizes: DeviceSizes, images: DeviceImages, boxes: Boxes, shape: int, values: dict[str, Sequence[float]]
) -> DevicePlan: ...
def plan_device_copy(sizes: DeviceSizes, images: DeviceImages, sources: DeviceImages) -> DevicePlan: ...
def available_processors() -> int: ...
def build_info() -> dict[str, Any]: ...
