"""Layouts: which axis of an array is the batch, the height, the width and the channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGE_LAYOUTS = ("HW", "HWC", "CHW")
BATCH_LAYOUTS = ("NHW", "NHWC", "NCHW")
LAYOUTS = IMAGE_LAYOUTS + BATCH_LAYOUTS
MOST_CHANNELS = 4

# The permutations that bring an array's axes into the order (N,) H, W, C, leaving out those it lacks.
IMAGE_AXES = {layout: tuple(layout.index(axis) for axis in "NHWC" if axis in layout) for layout in LAYOUTS}


def resolve_layout(
    shape: Sequence[int], layout: str | None, *, channels_first: bool, element: int | None = None
) -> str:
    """The layout of an array of `shape`: the one given, once checked, or the container's default.

    `channels_first` is the container's habit (torch). `element` is the array's place in a ragged list, whose entries
    are single images; None for a lone array. Raises ValueError naming `layout` and what would fit.
    """
    name = "images" if element is None else f"images[{element}]"
    accepted = LAYOUTS if element is None else IMAGE_LAYOUTS
    if layout is not None:
        if not isinstance(layout, str):
            raise TypeError(f"layout is {layout!r}; accepted: {', '.join(repr(name) for name in accepted)}")
        if layout not in accepted:
            of_list = "" if element is None else " for a list of images"
            raise ValueError(f"layout is {layout!r}; accepted{of_list}: {', '.join(accepted)}")
        if len(layout) != len(shape):
            raise ValueError(f"layout is {layout!r}, but {name} has shape {tuple(shape)}: {_fitting(shape, accepted)}")
        if "C" in layout and not 1 <= shape[layout.index("C")] <= MOST_CHANNELS:
            raise ValueError(
                f"layout {layout!r} gives {name} of shape {tuple(shape)} {shape[layout.index('C')]} channels; "
                f"accepted: 1 to {MOST_CHANNELS}. {_fitting(shape, accepted)}"
            )
        return layout
    defaults = {2: "HW", 3: "CHW" if channels_first else "HWC", 4: "NCHW" if channels_first else "NHWC"}
    default = defaults.get(len(shape))
    if default is None or default not in accepted:
        axes = "2, 3 or 4 axes" if element is None else "2 or 3 axes, each entry being one image"
        raise ValueError(f"{name} has shape {tuple(shape)}; accepted: {axes}")
    if "C" in default and not 1 <= shape[default.index("C")] <= MOST_CHANNELS:
        raise ValueError(
            f"{name} has shape {tuple(shape)}, which the default layout {default!r} gives "
            f"{shape[default.index('C')]} channels; accepted: 1 to {MOST_CHANNELS}. {_fitting(shape, accepted)}"
        )
    return default


def _fitting(shape: Sequence[int], accepted: Sequence[str]) -> str:
    fitting = [
        name
        for name in accepted
        if len(name) == len(shape) and ("C" not in name or 1 <= shape[name.index("C")] <= MOST_CHANNELS)
    ]
    return f"Layouts that fit this shape: {', '.join(repr(name) for name in fitting)}" if fitting else "None fits"
