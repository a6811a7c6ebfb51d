"""Real photos, tiled to the size that a case asks for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

DEFAULT = Path(__file__).resolve().parent.parent / "examples" / "photos"


def load(folder: Path) -> list[Pixels]:
    """Every JPEG and PNG of `folder` as uint8 RGB of shape (H, W, 3), in the order of their names."""
    files = (
        sorted(f for f in folder.iterdir() if f.suffix.lower() in {".jpg", ".jpeg", ".png"}) if folder.is_dir() else []
    )
    if not files:
        raise FileNotFoundError(f"no .jpg, .jpeg or .png in {folder}; give a folder of photos with --photos")
    result = []
    for file in files:
        with Image.open(file) as image:
            result.append(np.asarray(image.convert("RGB")))
    return result


def tiled(photo: Pixels, height: int, width: int, rng: np.random.Generator) -> Pixels:
    """A (height, width, 3) window at a random place of the plane covered with mirrored copies of `photo`.

    Mirrored, so that no tile's edge is a step which the photo does not have.
    """

    def positions(length: int, count: int) -> npt.NDArray[np.int64]:
        i = (int(rng.integers(2 * length)) + np.arange(count)) % (2 * length)
        return np.where(i < length, i, 2 * length - 1 - i)

    rows, columns = positions(photo.shape[0], height), positions(photo.shape[1], width)
    return np.ascontiguousarray(photo[rows[:, None], columns[None, :]])
