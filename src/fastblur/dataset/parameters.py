"""Everything that decides what the output looks like, in one value that travels to workers and into the manifest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from .files import Chroma

METHODS = ("gaussian", "pixelate", "fill", "imagenet2021")
IMAGENET_MEAN = (124, 116, 104)
"""(0.485, 0.456, 0.406) in levels of 255: the colour of the paper's 'overlaid' variant."""


@dataclass(frozen=True)
class Parameters:
    """What `fastblur blur` was asked to do; the command's help says what each field means.

    `strength`, `margin` and `feather` are fractions of each box's longer side; `min_strength` is in pixels. `value` is
    red, green, blue in levels of 255.
    """

    method: str = "gaussian"
    strength: float = 0.15
    min_strength: float = 4.0
    value: tuple[int, int, int] = (0, 0, 0)
    margin: float = 0.1
    shape: str = "rectangle"
    feather: float = 0.1
    jpeg: Literal["pixels", "blocks"] = "pixels"
    metadata: Literal["keep", "safe", "strip"] = "safe"
    unannotated: str = "error"
    boxes_orientation: str | None = None
    copy_other: bool = False
    max_pixels: int = 1 << 28
    hash_sources: bool = False

    @property
    def chroma(self) -> Chroma:
        """How JPEG's chroma is spread over the pixels: as Pillow does where the method is defined by Pillow."""
        return "smooth" if self.method == "imagenet2021" else "stored"

    def as_json(self) -> dict[str, Any]:
        """The fields as the manifest holds them."""
        return {**asdict(self), "value": list(self.value)}


def digest(content: dict[str, Any]) -> str:
    """SHA-256 of a JSON object, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
