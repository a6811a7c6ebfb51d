"""The CUDA backend."""
from typing import Any


def is_cuda_array(x: Any) -> bool:
    return False


def to_host(x: Any) -> Any:
    if hasattr(x, "detach") and hasattr(x, "cpu"):
        return x.detach().cpu().double().numpy() if x.dtype.is_floating_point else x.detach().cpu().numpy()
    return x


def build_info() -> dict[str, Any]:
    return {}


class Operation: ...
def GaussianBlur(*a: Any) -> Any: ...
def Pixelate(*a: Any) -> Any: ...
def Fill(*a: Any) -> Any: ...
def run(*a: Any) -> Any: ...
