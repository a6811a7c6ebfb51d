"""Samples in and out of registers, for one dtype and one kind of rows.

A thread works on one 32-bit word of neighbouring samples (4 of uint8, 2 of uint16 or float16, 1 of float32) where rows
are contiguous, and on single samples where they are strided. All arithmetic is float32.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from .intrinsics import (
    bits_to_float,
    device,
    divide,
    float_to_bits,
    float_to_half,
    half_to_float,
    load_f32,
    load_u8,
    load_u16,
    load_word,
    remainder,
    round_even,
    round_to_u8,
    round_to_u16,
    store_f32,
    store_u8,
    store_u16,
    store_u32,
)
from .records import pixel_weight

DTYPES = ("uint8", "uint16", "float16", "float32")


@device
def _decode_u8(word: Any, i: Any) -> Any:
    return np.float32((word >> np.uint32(8 * i)) & np.uint32(255))


@device
def _decode_u16(word: Any, i: Any) -> Any:
    return np.float32((word >> np.uint32(16 * i)) & np.uint32(65535))


@device
def _decode_f16(word: Any, i: Any) -> Any:
    return half_to_float((word >> np.uint32(16 * i)) & np.uint32(65535))


@device
def _decode_f32(word: Any, i: Any) -> Any:
    return bits_to_float(word)


@device
def _load_u8(address: Any) -> Any:
    return np.float32(load_u8(address))


@device
def _load_u16(address: Any) -> Any:
    return np.float32(load_u16(address))


@device
def _load_f16(address: Any) -> Any:
    return half_to_float(load_u16(address))


_PRIMITIVES: dict[str, tuple[int, Any, Any, Any, Any]] = {
    # bytes, word to sample, sample to bits, load one, store bits of one
    "uint8": (1, _decode_u8, round_to_u8, _load_u8, store_u8),
    "uint16": (2, _decode_u16, round_to_u16, _load_u16, store_u16),
    "float16": (2, _decode_f16, float_to_half, _load_f16, store_u16),
    "float32": (4, _decode_f32, float_to_bits, load_f32, store_u32),
}


def sample_access(dtype: str, contiguous: bool) -> SimpleNamespace:
    """The device functions through which a kernel for `dtype` touches images.

    `per_word`: samples that a thread handles at once; `item_bytes`: bytes of a sample.
    """
    item_bytes, decode, encode, load_sample, store_bits = _PRIMITIVES[dtype]
    per_word = 4 // item_bytes if contiguous else 1
    bits = 8 * item_bytes
    integer = dtype.startswith("uint")

    @device
    def word_address(view: Any, line: Any, word: Any) -> Any:
        """Address of the first sample of a word in the box's first row."""
        if contiguous:
            return view.address + line * view.step_c + word * (per_word * item_bytes)
        if view.interleaved:
            return (
                view.address + divide(word, view.channels) * view.step_x + remainder(word, view.channels) * view.step_c
            )
        return view.address + line * view.step_c + word * view.step_x

    @device
    def sample_address(view: Any, x: Any, y: Any, c: Any) -> Any:
        return view.address + x * view.step_x + y * view.step_y + c * view.step_c

    @device
    def column_of(view: Any, line: Any, word: Any, i: Any) -> Any:
        """x of sample `i` of a word."""
        if view.interleaved:
            return divide(word * per_word + i, view.channels)
        return word * per_word + i

    @device
    def channel_of(view: Any, line: Any, word: Any, i: Any) -> Any:
        """Channel of sample `i` of a word."""
        if view.interleaved:
            return remainder(word * per_word + i, view.channels)
        return line

    @device
    def load_samples(address: Any, count: Any, values: Any) -> None:
        """`count` samples (all of a word, fewer at a line's end) as float32; no byte beyond them is read."""
        if per_word > 1 and count == per_word:
            packed = load_word(address)
            for i in range(per_word):
                values[i] = decode(packed, i)
        else:
            for i in range(per_word):
                values[i] = load_sample(address + i * item_bytes) if i < count else np.float32(0.0)

    @device
    def store_samples(address: Any, count: Any, values: Any) -> None:
        """Round `count` values once and store them."""
        if per_word > 1 and count == per_word and (address & 3) == 0:
            packed = np.uint32(0)
            for i in range(per_word):
                packed = packed | np.uint32(np.uint32(encode(values[i])) << np.uint32(bits * i))
            store_u32(address, packed)
        else:
            for i in range(per_word):
                if i < count:
                    store_bits(address + i * item_bytes, encode(values[i]))

    @device
    def store_sample(address: Any, value: Any) -> None:
        store_bits(address, encode(value))

    @device
    def mix_sample(address: Any, weight: Any, value: Any) -> None:
        """Store original + weight (value - original), rounded once; nothing at weight 0."""
        if weight >= 1.0:
            store_bits(address, encode(np.float32(round_even(value) if integer else value)))
        elif weight > 0.0:
            original = np.float64(load_sample(address))
            mixed = original + weight * (value - original)
            store_bits(address, encode(np.float32(round_even(mixed) if integer else mixed)))

    @device
    def put_samples(
        view: Any, box: Any, shape: Any, plain: Any, address: Any, line: Any, word: Any, row: Any, values: Any
    ) -> None:
        """Store a word of obfuscated values at `row`, through the box's shape and feather unless it is plain."""
        count = min(per_word, view.line - word * per_word)
        if plain:
            store_samples(address, count, values)
        else:
            for i in range(per_word):
                if i < count:
                    weight = pixel_weight(box, shape, column_of(view, line, word, i), row)
                    mix_sample(address + i * item_bytes, weight, np.float64(values[i]))

    @device
    def save_pivots(view: Any, pivots: Any, thread: Any) -> None:
        """Keep the box's first pixel: subtracting it makes constant boxes exact, whatever the weights sum to."""
        if thread < view.channels:
            store_f32(pivots + 4 * thread, load_sample(sample_address(view, 0, 0, thread)))

    @device
    def load_pivots(view: Any, pivots: Any, line: Any, word: Any, values: Any) -> None:
        for i in range(per_word):
            values[i] = load_f32(pivots + 4 * channel_of(view, line, word, i))

    return SimpleNamespace(
        dtype=dtype,
        contiguous=contiguous,
        integer=integer,
        per_word=per_word,
        item_bytes=item_bytes,
        word_address=word_address,
        sample_address=sample_address,
        column_of=column_of,
        channel_of=channel_of,
        load_samples=load_samples,
        load_sample=load_sample,
        store_samples=store_samples,
        store_sample=store_sample,
        mix_sample=mix_sample,
        put_samples=put_samples,
        save_pivots=save_pivots,
        load_pivots=load_pivots,
    )
