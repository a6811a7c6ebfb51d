"""Everything the kernels say to the machine that plain Python cannot: memory by address, conversions, exact float64.

The kernels receive integer addresses, never arrays: a launch then costs no array unpacking, a signed stride is one
addition, and the same stage runs on shared and on global memory. Each function here exists twice, as an LLVM
intrinsic for the device and as a plain twin for Numba's simulator, which executes kernels in the host's memory.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

import numpy as np

cuda: Any = import_module("numba.cuda")
types: Any = import_module("numba.types")

SIMULATED = bool(import_module("numba").config.ENABLE_CUDASIM)

_Function = TypeVar("_Function", bound=Callable[..., Any])


def device(function: _Function) -> _Function:
    """Decorator of every device function: inlined by the compiler's back end, so that arrays stay in registers."""
    options = {} if SIMULATED else {"forceinline": True}
    compiled: _Function = cuda.jit(device=True, **options)(function)
    return compiled


if SIMULATED:

    def _load(stored: Any, loaded: Any) -> Any:
        return lambda address: loaded(stored.from_address(int(address)).value)

    def _store(stored: Any, taken: Any) -> Any:
        def store(address: int, value: Any) -> None:
            stored.from_address(int(address)).value = taken(value)

        return store

    load_u8 = _load(ctypes.c_uint8, int)
    load_u16 = _load(ctypes.c_uint16, int)
    load_u32 = _load(ctypes.c_uint32, int)
    load_i32 = _load(ctypes.c_int32, int)
    load_i64 = _load(ctypes.c_int64, int)
    load_f32 = _load(ctypes.c_float, np.float32)
    load_f64 = _load(ctypes.c_double, np.float64)
    store_u8 = _store(ctypes.c_uint8, int)
    store_u16 = _store(ctypes.c_uint16, int)
    store_u32 = _store(ctypes.c_uint32, int)
    store_i32 = _store(ctypes.c_int32, int)
    store_i64 = _store(ctypes.c_int64, int)
    store_f32 = _store(ctypes.c_float, float)
    store_f64 = _store(ctypes.c_double, float)

    @device
    def shared_address() -> Any:
        return int(cuda.shared.array(0, types.uint8).ctypes.data)

    def divide(a: Any, b: Any) -> Any:
        return (int(a) & 0xFFFFFFFF) // int(b)

    def remainder(a: Any, b: Any) -> Any:
        return (int(a) & 0xFFFFFFFF) % int(b)

    def half_to_float(bits: Any) -> Any:
        return np.float32(np.uint16(bits).view(np.float16))

    def float_to_half(value: Any) -> Any:
        with np.errstate(over="ignore"):
            return int(np.float16(value).view(np.uint16))

    def bits_to_float(bits: Any) -> Any:
        return np.uint32(bits).view(np.float32)

    def float_to_bits(value: Any) -> Any:
        return int(np.float32(value).view(np.uint32))

    def round_to_u8(value: Any) -> Any:
        return int(min(max(np.rint(value), 0), 255))

    def round_to_u16(value: Any) -> Any:
        return int(min(max(np.rint(value), 0), 65535))

    def round_even(value: Any) -> Any:
        return np.float64(np.rint(value))

    def multiply(a: Any, b: Any) -> Any:
        return np.float64(a) * np.float64(b)

    def add(a: Any, b: Any) -> Any:
        return np.float64(a) + np.float64(b)

else:
    ir: Any = import_module("llvmlite.ir")

    def intrinsic(function: Callable[..., Any]) -> Any:
        return import_module("numba.cuda.extending").intrinsic(function)

    _I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
    _F16, _F32, _F64 = ir.HalfType(), ir.FloatType(), ir.DoubleType()

    def _load(stored: Any, loaded: Any) -> Any:
        """load(address): a value of LLVM type `stored`, zero-extended to the Numba type `loaded`."""

        def load(typing_context: Any, address: Any) -> Any:
            def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
                value = builder.load(builder.inttoptr(arguments[0], ir.PointerType(stored)))
                target = context.get_value_type(signature.return_type)
                return value if target == stored else builder.zext(value, target)

            return loaded(types.int64), emit

        return intrinsic(load)

    def _store(stored: Any, taken: Any) -> Any:
        """store(address, value): the low bits of `value` that fit LLVM type `stored`."""

        def store(typing_context: Any, address: Any, value: Any) -> Any:
            def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
                value = arguments[1]
                if value.type != stored:
                    value = builder.trunc(value, stored)
                builder.store(value, builder.inttoptr(arguments[0], ir.PointerType(stored)))
                return context.get_dummy_value()

            return types.void(types.int64, taken), emit

        return intrinsic(store)

    def _assembly(text: str, constraints: str, result: Any, *taken: Any) -> Any:
        """One PTX instruction without side effects."""

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            function = ir.FunctionType(
                context.get_value_type(signature.return_type), [context.get_value_type(t) for t in signature.args]
            )
            return builder.call(ir.InlineAsm(function, text, constraints), arguments)

        if len(taken) == 1:
            return intrinsic(lambda typing_context, a: (result(*taken), emit))
        return intrinsic(lambda typing_context, a, b: (result(*taken), emit))

    load_u8 = _load(_I8, types.uint32)
    load_u16 = _load(_I16, types.uint32)
    load_u32 = _load(_I32, types.uint32)
    load_i32 = _load(_I32, types.int32)
    load_i64 = _load(_I64, types.int64)
    load_f32 = _load(_F32, types.float32)
    load_f64 = _load(_F64, types.float64)
    store_u8 = _store(_I8, types.uint32)
    store_u16 = _store(_I16, types.uint32)
    store_u32 = _store(_I32, types.uint32)
    store_i32 = _store(_I32, types.int32)
    store_i64 = _store(_I64, types.int64)
    store_f32 = _store(_F32, types.float32)
    store_f64 = _store(_F64, types.float64)

    @intrinsic
    def _array_address(typing_context: Any, array: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            return builder.ptrtoint(data, _I64)

        return types.int64(array), emit

    @device
    def shared_address() -> Any:
        """Address of the block's dynamic shared memory."""
        return _array_address(cuda.shared.array(0, types.float64))

    def _unsigned(operation: str) -> Any:
        """Division of integers from 0 to 2^32 - 1: Numba's own is 64 bits wide, at several times the instructions."""

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, b = (builder.trunc(argument, _I32) for argument in arguments)
            return builder.zext(getattr(builder, operation)(a, b), _I64)

        return intrinsic(lambda typing_context, a, b: (types.int64(types.int64, types.int64), emit))

    divide = _unsigned("udiv")
    remainder = _unsigned("urem")

    @intrinsic
    def half_to_float(typing_context: Any, bits: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.fpext(builder.bitcast(builder.trunc(arguments[0], _I16), _F16), _F32)

        return types.float32(types.uint32), emit

    @intrinsic
    def float_to_half(typing_context: Any, value: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.zext(builder.bitcast(builder.fptrunc(arguments[0], _F16), _I16), _I32)

        return types.uint32(types.float32), emit

    @intrinsic
    def bits_to_float(typing_context: Any, bits: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], _F32)

        return types.float32(types.uint32), emit

    @intrinsic
    def float_to_bits(typing_context: Any, value: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], _I32)

        return types.uint32(types.float32), emit

    # Round to nearest even and saturate in one instruction.
    round_to_u8 = _assembly("cvt.rni.sat.u8.f32 $0, $1;", "=r,f", types.uint32, types.float32)
    _round_to_u16 = _assembly("cvt.rni.sat.u16.f32 $0, $1;", "=h,f", types.uint16, types.float32)

    @device
    def round_to_u16(value: Any) -> Any:
        return types.uint32(_round_to_u16(value))

    round_even = _assembly("cvt.rni.f64.f64 $0, $1;", "=d,d", types.float64, types.float64)

    # The compiler may not contract these two into a fused multiply-add: whether a pixel centre that lies exactly on
    # an ellipse counts as inside must come out as in the reference.
    multiply = _assembly("mul.rn.f64 $0, $1, $2;", "=d,d,d", types.float64, types.float64, types.float64)
    add = _assembly("add.rn.f64 $0, $1, $2;", "=d,d,d", types.float64, types.float64, types.float64)


if SIMULATED:

    def load_word(address: Any) -> Any:
        return int(load_u32(address))

else:

    @device
    def load_word(address: Any) -> Any:
        """Four bytes at any address: one aligned load, or two and a funnel shift."""
        offset = address & 3
        if offset == 0:
            return load_u32(address)
        low = load_u32(address - offset)
        high = load_u32(address - offset + 4)
        return types.uint32((low >> types.uint32(8 * offset)) | (high << types.uint32(32 - 8 * offset)))
