"""Promise: on photos, the mean absolute error of a uint8 blur is that of rounding, within 0.02 level."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from oracle import BORDER_MODES, check, working_box

import fastblur
from fastblur import reference

Photos = dict[str, npt.NDArray[np.uint8]]
Faces = dict[str, npt.NDArray[np.float64]]


@pytest.mark.parametrize("border_mode", BORDER_MODES)
@pytest.mark.parametrize("sigma", [1.0, 3.0, 4.5, 8.0, 20.0, 80.0])
def test_mean_error_of_a_large_box(photos: Photos, sigma: float, border_mode: str) -> None:
    for image in photos.values():
        height, width = image.shape[:2]
        x1, y1, x2, y2 = box = (width // 8, height // 8, min(width, 8 + width // 8 * 7), height // 2)
        result = check("auto", image, box, sigma, border_mode=border_mode)
        exact = reference.gaussian_blur(image, box, sigma, border_mode=border_mode)
        assert np.abs(result - exact)[y1:y2, x1:x2].mean() <= 0.27


@pytest.mark.parametrize("relative_sigma", [0.03, 0.1, 0.3])
def test_mean_error_of_faces(photos: Photos, faces: Faces, relative_sigma: float) -> None:
    """Every face on its own; the bound on the mean is for the pixels of all of them."""
    errors = []
    for name, boxes in faces.items():
        image = photos[name]
        for box in boxes:
            sigma = relative_sigma * max(box[2] - box[0], box[3] - box[1])
            result = check("auto", image, tuple(box), sigma)
            working = working_box(image, box)
            assert working is not None
            x1, y1, x2, y2 = working
            crop = image[y1:y2, x1:x2]
            exact = reference.gaussian_blur(crop, (0, 0, x2 - x1, y2 - y1), sigma)
            errors.append(np.abs(result[y1:y2, x1:x2] - exact).ravel())
    assert len(errors) > 25
    assert np.concatenate(errors).mean() <= 0.27


def test_faces_in_one_call(photos: Photos, faces: Faces) -> None:
    """The call of the README: every photo, every face, strength by the face's size; equal to the loop."""
    names = sorted(photos)
    images = [photos[name] for name in names]
    boxes = [faces.get(name, np.empty((0, 4))) for name in names]
    options = {"relative": True, "margin": 0.1, "shape": "ellipse", "feather": 0.05}
    results = fastblur.gaussian_blur(images, boxes, 0.1, **options)
    for image, rows, result in zip(images, boxes, results, strict=True):
        looped = image
        for row in rows:
            looped = fastblur.gaussian_blur(looped, [row], 0.1, **options)
        np.testing.assert_array_equal(result, looped)
        assert (result != image).any() == bool(len(rows))


@pytest.mark.parametrize("kind", ["direct", "pixelate"])
def test_exact_kinds_on_faces(photos: Photos, faces: Faces, kind: str) -> None:
    for name, boxes in faces.items():
        for box in boxes[:6]:
            check(kind, photos[name], tuple(box), 5)
