from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

# Boxes resolved to pixels, in row order, without the rows that do nothing: a struct of arrays, K long.
class Boxes:
    @property
    def image(self) -> npt.NDArray[np.int32]: ...
    @property
    def row(self) -> npt.NDArray[np.int32]: ...
    @property
    def working(self) -> npt.NDArray[np.int32]: ...
    @property
    def marked(self) -> npt.NDArray[np.float64]: ...
    @property
    def feather(self) -> npt.NDArray[np.int32]: ...
    @property
    def strength(self) -> npt.NDArray[np.float64]: ...
    def __len__(self) -> int: ...

def resolve_boxes(
    coordinates: npt.NDArray[np.float64],
    image_index: npt.NDArray[np.float64] | None,
    per_image: bool,
    box_format: int,
    sizes: npt.NDArray[np.int64],
    margin: npt.NDArray[np.float64],
    margin_relative: bool,
    feather: npt.NDArray[np.float64],
    feather_relative: bool,
    strength: npt.NDArray[np.float64],
    strength_relative: bool,
) -> Boxes: ...
def overlap_levels(image: npt.NDArray[np.int32], working: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]: ...
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
def available_processors() -> int: ...
def build_info() -> dict[str, Any]: ...
