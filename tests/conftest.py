"""What every test shares: the hypothesis profiles, the markers and the photos."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, settings

_SHARED: dict[str, Any] = {
    "deadline": None,  # tests never depend on time
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
settings.register_profile("quick", max_examples=60, derandomize=True, database=None, **_SHARED)
settings.register_profile("thorough", max_examples=1500, **_SHARED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

PHOTOS = Path(__file__).parents[1] / "examples" / "photos"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "wheel: builds a wheel and uses it in an environment without a compiler (slow)")


@pytest.fixture(scope="session")
def photos() -> dict[str, npt.NDArray[np.uint8]]:
    """Every photo of the examples, (H, W, 3), by file name."""
    from PIL import Image

    return {path.name: np.asarray(Image.open(path).convert("RGB")) for path in sorted(PHOTOS.glob("*.jpg"))}


@pytest.fixture(scope="session")
def faces() -> dict[str, npt.NDArray[np.float64]]:
    """The faces of every photo, rows [x1, y1, x2, y2], by file name."""
    entries = json.loads((PHOTOS.parent / "faces.json").read_text())
    return {
        entry["url"]: np.array([[box[key] for key in ("x0", "y0", "x1", "y1")] for box in entry["bboxes"]]).reshape(
            -1, 4
        )
        for entry in entries
    }
