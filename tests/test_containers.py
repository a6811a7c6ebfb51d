"""Promise: NumPy, torch and JAX arrays, and anything with DLPack, go in without a copy and come out as they came."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from oracle import DTYPES, KINDS, bits, call
from strategies import RANGES, stretch

import fastblur

if TYPE_CHECKING:
    from pathlib import Path

BOXES = [(2, 3, 25, 18), (10, 0, 30, 20)]


def picture(dtype: str = "uint8", shape: tuple[int, ...] = (20, 30, 3)) -> npt.NDArray[Any]:
    return stretch(np.random.default_rng(0).random(shape), dtype, *RANGES[dtype][0])


def test_importing_loads_no_framework() -> None:
    """NumPy is the only run-time dependency: torch, JAX and Numba are recognised, not imported."""
    code = (
        "import sys, numpy as np, fastblur; fastblur.gaussian_blur(np.zeros((9, 9), np.uint8), None, 2);"
        "print([n for n in ('torch', 'jax', 'cupy', 'numba', 'scipy', 'PIL', 'cv2') if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# NumPy


class Tagged(np.ndarray[Any, Any]):
    """A subclass that would notice being built behind its back."""


def test_subclasses_give_their_base_class() -> None:
    image = picture()
    expected = bits(fastblur.gaussian_blur(image, BOXES, 3))
    for subclass in (image.view(Tagged), np.ma.masked_array(image, mask=image > 9), image.view(np.recarray)):
        result = fastblur.gaussian_blur(subclass, BOXES, 3)
        assert type(result) is np.ndarray
        assert bits(result) == expected
    matrix = fastblur.gaussian_blur(np.asmatrix(image[..., 0]), BOXES, 3)
    assert type(matrix) is np.ndarray
    tagged = image.view(Tagged)
    assert fastblur.gaussian_blur(tagged, BOXES, 3, out=tagged) is tagged
    assert bits(tagged) == expected


def test_memory_mapped_files(tmp_path: Path) -> None:
    image = picture()
    expected = fastblur.gaussian_blur(image, BOXES, 3)
    np.save(tmp_path / "image.npy", image)
    mapped = np.load(tmp_path / "image.npy", mmap_mode="r")
    assert type(fastblur.gaussian_blur(mapped, BOXES, 3)) is np.ndarray
    assert bits(fastblur.gaussian_blur(mapped, BOXES, 3)) == bits(expected)
    with pytest.raises(ValueError, match=r"read-only|writ"):
        fastblur.gaussian_blur(mapped, BOXES, 3, out=mapped)
    writable = np.load(tmp_path / "image.npy", mmap_mode="r+")
    fastblur.gaussian_blur(writable, BOXES, 3, out=writable)
    writable.flush()
    assert bits(np.load(tmp_path / "image.npy")) == bits(expected)


def test_memory_order_comes_out_as_it_came() -> None:
    image = np.asfortranarray(picture())
    result = fastblur.gaussian_blur(image, BOXES, 3)
    assert result.flags.f_contiguous
    planes = np.moveaxis(np.ascontiguousarray(np.moveaxis(picture(), 2, 0)), 0, 2)
    assert fastblur.gaussian_blur(planes, BOXES, 3).strides == planes.strides


# DLPack


class Exporter:
    """Nothing but the two methods of the protocol."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[Any, int]:
        return self.array.__dlpack_device__()


class OldExporter(Exporter):
    """From before the protocol had versions, copies and devices to ask for."""

    def __dlpack__(self, *, stream: Any = None) -> Any:  # type: ignore[override]
        return self.array.__dlpack__(stream=stream)


@pytest.mark.parametrize("exporter", [Exporter, OldExporter])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dlpack(dtype: str, exporter: type[Exporter]) -> None:
    image = picture(dtype)
    expected = bits(fastblur.gaussian_blur(image, BOXES, 3))
    out = Exporter(np.zeros_like(image))
    assert fastblur.gaussian_blur(exporter(image), BOXES, 3, out=out) is out
    assert bits(out.array) == expected
    assert bits(image) == bits(picture(dtype))


def test_dlpack_in_place() -> None:
    image = picture()
    expected = bits(fastblur.gaussian_blur(image, BOXES, 3))
    exporter = Exporter(image)
    assert fastblur.gaussian_blur(exporter, BOXES, 3, out=exporter) is exporter
    assert bits(image) == expected


def test_dlpack_of_a_kind_that_cannot_be_made_anew() -> None:
    """The protocol says how to read an array, not how to make one of the same kind: the message asks for `out`."""
    with pytest.raises(TypeError, match="out"):
        fastblur.gaussian_blur(Exporter(picture()), BOXES, 3)


def test_dlpack_read_only() -> None:
    image = picture()
    image.flags.writeable = False
    out = Exporter(np.zeros_like(image))
    fastblur.gaussian_blur(Exporter(image), BOXES, 3, out=out)
    assert bits(out.array) == bits(fastblur.gaussian_blur(image, BOXES, 3))
    exporter = Exporter(image)
    with pytest.raises(ValueError, match=r"read-only|writ"):
        fastblur.gaussian_blur(exporter, BOXES, 3, out=exporter)
    assert bits(image) == bits(picture())


def test_dlpack_dtype() -> None:
    with pytest.raises(TypeError, match="float64"):
        fastblur.gaussian_blur(Exporter(np.zeros((9, 9))), None, 3)


class OnAnotherDevice(Exporter):
    def __dlpack__(self, **options: Any) -> Any:
        raise AssertionError("asked for the pixels of a device that is not the CPU's")

    def __dlpack_device__(self) -> tuple[Any, int]:
        return (8, 0)  # Metal


def test_dlpack_of_another_device() -> None:
    with pytest.raises((TypeError, ValueError), match=r"device|CPU|CUDA"):
        fastblur.gaussian_blur(OnAnotherDevice(picture()), BOXES, 3)


# torch


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_torch(torch: Any, dtype: str, kind: str) -> None:
    """Default layouts are CHW and NCHW."""
    image = picture(dtype)
    strength = 7
    expected = np.moveaxis(call(kind, image, BOXES, strength), 2, 0)
    tensor = torch.from_numpy(np.moveaxis(image, 2, 0).copy())
    result = call(kind, tensor, BOXES, strength)
    assert type(result) is torch.Tensor
    assert (result.dtype, result.device, result.shape) == (tensor.dtype, tensor.device, tensor.shape)
    assert bits(result.numpy()) == bits(expected)
    assert result.data_ptr() != tensor.data_ptr()
    batch = torch.stack([tensor, tensor])
    results = call(kind, batch, [(1, *box) for box in BOXES], strength)
    assert bits(results[0].numpy()) == bits(tensor.numpy())
    assert bits(results[1].numpy()) == bits(expected)
    gray = call(kind, tensor[0], BOXES, strength)
    assert bits(gray.numpy()) == bits(expected[0])
    address = tensor.data_ptr()
    assert call(kind, tensor, BOXES, strength, out=tensor) is tensor
    assert tensor.data_ptr() == address
    assert bits(tensor.numpy()) == bits(expected)


def test_torch_lists(torch: Any) -> None:
    tensors = [torch.from_numpy(picture(shape=shape)) for shape in [(3, 20, 30), (1, 9, 8), (20, 30)]]
    results = fastblur.gaussian_blur(tensors, None, 3)
    assert [type(one) for one in results] == [torch.Tensor] * 3
    for tensor, result in zip(tensors, results, strict=True):
        assert bits(result.numpy()) == bits(fastblur.gaussian_blur(tensor, None, 3).numpy())
    mixed = fastblur.gaussian_blur([tensors[0], picture()], None, 3)
    assert [type(one) for one in mixed] == [torch.Tensor, np.ndarray]


def test_torch_memory_format(torch: Any) -> None:
    batch = torch.from_numpy(picture(shape=(2, 3, 20, 30)))
    expected = fastblur.gaussian_blur(batch, None, 3)
    last = batch.contiguous(memory_format=torch.channels_last)
    result = fastblur.gaussian_blur(last, None, 3)
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert not result.is_contiguous()
    assert torch.equal(result, expected)
    assert fastblur.gaussian_blur(last, None, 3, out=last) is last
    assert torch.equal(last, expected)
    image = batch[0].permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert fastblur.gaussian_blur(image, None, 3).stride() == image.stride()


def test_torch_views(torch: Any) -> None:
    base = torch.from_numpy(picture(shape=(4, 40, 60)))
    for view in (base[:3, 5:25, 7:50], base[::2, ::2, ::3], base.transpose(1, 2), base[1], base[1:2].expand(3, 40, 60)):
        copy = view.contiguous()
        assert torch.equal(fastblur.pixelate(view, [(3, 3, 18, 19)], 3), fastblur.pixelate(copy, [(3, 3, 18, 19)], 3))
    part = base[:3, 5:25, 7:50]
    expected = fastblur.pixelate(part, None, 3)
    outside = base[3].clone()
    fastblur.pixelate(part, None, 3, out=part)
    assert torch.equal(base[:3, 5:25, 7:50], expected)
    assert torch.equal(base[3], outside)
    expanded = base[1:2].expand(3, 40, 60)
    with pytest.raises(ValueError, match=r"overlap|share"):
        fastblur.pixelate(expanded, None, 3, out=expanded)


def test_torch_out(torch: Any) -> None:
    tensor = torch.from_numpy(picture(shape=(3, 20, 30)))
    expected = fastblur.gaussian_blur(tensor, BOXES, 3)
    out = torch.zeros_like(tensor)
    assert fastblur.gaussian_blur(tensor, BOXES, 3, out=out) is out
    assert torch.equal(out, expected)
    with pytest.raises(TypeError, match="out"):
        fastblur.gaussian_blur(tensor, BOXES, 3, out=out.float())
    with pytest.raises(ValueError, match="out"):
        fastblur.gaussian_blur(tensor, BOXES, 3, out=out[:2])
    base = torch.zeros(4, 20, 30, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"overlap|share"):
        fastblur.gaussian_blur(base[:3], BOXES, 3, out=base[1:])


def test_torch_requires_grad(torch: Any) -> None:
    leaf = torch.rand(3, 20, 30, requires_grad=True)
    for tensor in (leaf, leaf * 2, torch.nn.Parameter(torch.rand(3, 20, 30))):
        for kind in KINDS:
            with pytest.raises(TypeError, match=r"detach\(\)"):
                call(kind, tensor, BOXES, 7)
        with pytest.raises(TypeError, match=r"detach\(\)"):
            fastblur.gaussian_blur([torch.rand(3, 20, 30), tensor], None, 3)
    plain = torch.rand(3, 20, 30)
    with pytest.raises(TypeError, match=r"detach\(\)"):
        fastblur.gaussian_blur(plain, torch.tensor([[2.0, 3.0, 9.0, 9.0]], requires_grad=True), 3)
    with pytest.raises(TypeError, match=r"detach\(\)"):
        fastblur.gaussian_blur(plain, BOXES, 3, out=leaf)
    detached = fastblur.gaussian_blur(leaf.detach(), BOXES, 3)
    assert not detached.requires_grad
    with torch.no_grad(), pytest.raises(TypeError, match=r"detach\(\)"):
        fastblur.gaussian_blur(leaf, BOXES, 3)


def test_torch_subclasses_and_modes(torch: Any) -> None:
    tensor = torch.rand(3, 20, 30)
    expected = fastblur.gaussian_blur(tensor, BOXES, 3)

    class Picture(torch.Tensor):  # type: ignore[misc,name-defined,unused-ignore]
        pass

    for subclass in (tensor.as_subclass(Picture), torch.nn.Parameter(tensor, requires_grad=False)):
        result = fastblur.gaussian_blur(subclass, BOXES, 3)
        assert type(result) is torch.Tensor
        assert torch.equal(result, expected)
    with torch.inference_mode():
        inferred = torch.rand(3, 20, 30)
        assert fastblur.gaussian_blur(inferred, BOXES, 3).shape == inferred.shape
        assert fastblur.gaussian_blur(inferred, BOXES, 3, out=inferred) is inferred


def test_torch_lazy_negation(torch: Any) -> None:
    """A tensor whose minus sign is only noted: the pixels are not what the memory says."""
    lazy = torch.complex(torch.rand(20, 30), torch.rand(20, 30)).conj().imag
    assert lazy.is_neg()
    expected = fastblur.gaussian_blur(lazy.resolve_neg(), BOXES, 3)
    with contextlib.suppress(TypeError):
        assert torch.equal(fastblur.gaussian_blur(lazy, BOXES, 3), expected)


@pytest.mark.parametrize("dtype", ["bfloat16", "float64", "int32", "int64", "bool", "complex64", "float8_e4m3fn"])
def test_torch_dtypes(torch: Any, dtype: str) -> None:
    tensor = torch.zeros(3, 9, 9, dtype=getattr(torch, dtype))
    with pytest.raises(TypeError, match=dtype) as caught:
        fastblur.gaussian_blur(tensor, None, 3)
    for accepted in DTYPES:
        assert accepted in str(caught.value)


def test_torch_tensors_without_memory(torch: Any) -> None:
    for tensor in (torch.zeros(3, 9, 9).to_sparse(), torch.zeros(3, 9, 9, device="meta")):
        with pytest.raises((TypeError, ValueError)):
            fastblur.gaussian_blur(tensor, None, 3)


def test_torch_channel_axis(torch: Any) -> None:
    with pytest.raises(ValueError, match="layout") as caught:
        fastblur.gaussian_blur(torch.zeros(20, 30, 3), None, 3)
    assert "HWC" in str(caught.value)
    hwc = torch.rand(20, 30, 3)
    result = fastblur.gaussian_blur(hwc, None, 3, layout="HWC")
    assert torch.equal(result.permute(2, 0, 1), fastblur.gaussian_blur(hwc.permute(2, 0, 1), None, 3))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8"])
def test_torch_boxes_and_values(torch: Any, dtype: str) -> None:
    image = picture()
    expected = bits(fastblur.gaussian_blur(image, BOXES, [3.0, 5.0], margin=1))
    boxes = torch.tensor(BOXES, dtype=getattr(torch, dtype))
    assert bits(fastblur.gaussian_blur(image, boxes, torch.tensor([3.0, 5.0]), margin=torch.tensor(1))) == expected
    assert bits(fastblur.gaussian_blur(image, list(boxes), [3.0, 5.0], margin=1)) == expected
    batch = torch.from_numpy(np.stack([image, image]))
    results = fastblur.gaussian_blur(batch, [boxes, boxes[:0]], [3.0, 5.0], margin=1, layout="NHWC")
    assert bits(results[0].numpy()) == expected
    assert bits(results[1].numpy()) == bits(image)


def test_torch_zero_sized(torch: Any) -> None:
    for shape in [(0, 3, 5, 5), (3, 0, 5), (2, 1, 4, 0)]:
        tensor = torch.zeros(shape)
        assert fastblur.gaussian_blur(tensor, None, 3).shape == tensor.shape


# JAX


@pytest.fixture
def jax() -> Any:
    return pytest.importorskip("jax")


@pytest.mark.parametrize("dtype", DTYPES)
def test_jax(jax: Any, dtype: str) -> None:
    """Default layouts are HWC and NHWC; JAX arrays are immutable."""
    image = picture(dtype)
    array = jax.numpy.asarray(image)
    result = fastblur.gaussian_blur(array, BOXES, 3)
    assert isinstance(result, jax.Array)
    assert result.dtype == array.dtype
    assert result.devices() == array.devices()
    assert bits(np.asarray(result)) == bits(fastblur.gaussian_blur(image, BOXES, 3))
    assert bits(np.asarray(array)) == bits(image)
    batch = fastblur.pixelate(jax.numpy.stack([array, array]), [(1, *box) for box in BOXES], 5)
    assert bits(np.asarray(batch[1])) == bits(fastblur.pixelate(image, BOXES, 5))
    with pytest.raises(ValueError, match=r"read-only|writ|immutable"):
        fastblur.gaussian_blur(array, BOXES, 3, out=array)
    assert bits(np.asarray(array)) == bits(image)


def test_jax_lists_boxes_and_tracers(jax: Any) -> None:
    image = picture()
    arrays = [jax.numpy.asarray(image), jax.numpy.asarray(image[:9])]
    results = fastblur.gaussian_blur(arrays, [jax.numpy.asarray(BOXES), []], 3)
    assert all(isinstance(one, jax.Array) for one in results)
    assert bits(np.asarray(results[0])) == bits(fastblur.gaussian_blur(image, BOXES, 3))
    with pytest.raises(TypeError):
        jax.jit(lambda a: fastblur.gaussian_blur(a, BOXES, 3))(arrays[0])
    with pytest.raises(TypeError, match="bfloat16"):
        fastblur.gaussian_blur(arrays[0].astype("bfloat16"), BOXES, 3)
