"""Promise: the public names, their signatures and `build_info` are those of the documentation."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import inspect
import pickle
from typing import Any

import pytest

import fastblur

COMMON: dict[str, Any] = {
    "relative": False,
    "margin": 0,
    "shape": "rectangle",
    "feather": 0,
    "box_format": "xyxy",
    "layout": None,
    "out": None,
    "num_threads": None,
}
EMPTY: Any = inspect.Parameter.empty
SIGNATURES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "gaussian_blur": (
        {"images": EMPTY, "boxes": EMPTY, "sigma": None},
        {"kernel_size": None, "method": "auto", "border_mode": "reflect", **COMMON},
    ),
    "pixelate": ({"images": EMPTY, "boxes": EMPTY, "block_size": EMPTY}, COMMON),
    "fill": ({"images": EMPTY, "boxes": EMPTY, "value": 0}, COMMON),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature(name: str) -> None:
    positional, keyword_only = SIGNATURES[name]
    parameters = inspect.signature(getattr(fastblur, name)).parameters
    assert list(parameters)[: len(positional)] == list(positional)
    assert {key for key in parameters if key not in positional} == set(keyword_only)
    for key, default in (positional | keyword_only).items():
        assert parameters[key].default == default, key
        assert parameters[key].annotation is not EMPTY, key
        kind = parameters[key].kind
        assert (kind is inspect.Parameter.KEYWORD_ONLY) == (key in keyword_only), key


@pytest.mark.parametrize("name", [*SIGNATURES, "set_num_threads", "get_num_threads", "build_info"])
def test_names(name: str) -> None:
    function = getattr(fastblur, name)
    assert name in fastblur.__all__
    assert function.__doc__
    assert pickle.loads(pickle.dumps(function)) is function


def test_build_info() -> None:
    info = fastblur.build_info()
    assert info["version"] == fastblur.__version__ == importlib.metadata.version("fastblur")
    assert info["compiler"]
    assert info["isa"] in info["isa_supported"]
    assert set(info["isa_supported"]) <= set(info["isa_built"])
    assert info is not fastblur.build_info(), "a caller who changes it changes only his own"


def test_typed() -> None:
    package = importlib.resources.files("fastblur")
    assert (package / "py.typed").is_file()
    assert (package / "_core.pyi").is_file()
