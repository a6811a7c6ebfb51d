"""Animated PNG: frames as a viewer composites them, and files whose frames are whole pictures."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fastblur.dataset.files import png_chunks
from fastblur.dataset.files.errors import ImageFileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastblur.dataset.files.picture import Frame

# fcTL behind its sequence number: width, height, x, y, delay as a fraction, dispose and blend operation.
_FCTL = ">IIIIHHBB"
_NONE, _BACKGROUND, _PREVIOUS = 0, 1, 2
_SOURCE, _OVER = 0, 1


@dataclass(frozen=True)
class Animation:
    """What stays of an animation when its frames are written as whole pictures.

    `delays` are (numerator, denominator) in seconds; `separate_default` tells whether IDAT is a picture of its own,
    shown only by viewers that know no animation. It is then the last of the frames.
    """

    plays: int
    delays: tuple[tuple[int, int], ...]
    separate_default: bool


@dataclass(frozen=True)
class _Frame:
    width: int
    height: int
    x: int
    y: int
    delay: tuple[int, int]
    dispose: int
    blend: int
    compressed: bytes


def declared_frames(layout: png_chunks.Layout) -> int:
    """The number of pictures in a file by its headers: animation frames, plus the default image if that is extra."""
    control = layout.first(b"acTL")
    if control is None or len(control) != 8:
        return 1
    before_picture = [chunk.type for chunk in layout.chunks]
    before_picture = before_picture[: before_picture.index(b"IDAT")] if b"IDAT" in before_picture else before_picture
    return int(struct.unpack(">II", control)[0]) + (b"fcTL" not in before_picture)


def _read_frames(layout: png_chunks.Layout) -> tuple[int, list[_Frame], bytes | None]:
    """The number of plays, the frames as stored, and the default image's data if it is no frame."""
    control = layout.first(b"acTL")
    if control is None or len(control) != 8:
        raise ImageFileError("damaged", "animated PNG with a wrong acTL chunk")
    count, plays = struct.unpack(">II", control)
    frames: list[_Frame] = []
    pending: tuple[int, ...] | None = None
    parts: list[bytes] = []
    default: list[bytes] = []
    sequence = 0

    def finish() -> None:
        if pending is not None:
            width, height, x, y, numerator, denominator, dispose, blend = pending
            if not parts:
                raise ImageFileError("damaged", "animated PNG with a frame without data")
            frames.append(_Frame(width, height, x, y, (numerator, denominator), dispose, blend, b"".join(parts)))

    for chunk in layout.chunks:
        if chunk.type in (b"fcTL", b"fdAT") and (
            not chunk.intact or len(chunk.data) < 4 or int.from_bytes(chunk.data[:4], "big") != sequence
        ):
            raise ImageFileError("damaged", "animated PNG with a damaged or missing frame chunk")
        if chunk.type == b"fcTL":
            if len(chunk.data) != 4 + struct.calcsize(_FCTL):
                raise ImageFileError("damaged", "animated PNG with a wrong fcTL chunk")
            finish()
            sequence += 1
            pending, parts = struct.unpack(_FCTL, chunk.data[4:]), []
            _require_inside(layout.header, pending)
        elif chunk.type == b"fdAT":
            if pending is None:
                raise ImageFileError("damaged", "animated PNG with frame data before its header")
            sequence += 1
            parts.append(chunk.data[4:])
        elif chunk.type == b"IDAT":
            (default if pending is None else parts).append(chunk.data)
    finish()
    if len(frames) != count or not frames:
        raise ImageFileError("truncated", f"animated PNG with {len(frames)} of its {count} frames")
    return plays, frames, b"".join(default) if default else None


def _require_inside(header: png_chunks.Header, control: tuple[int, ...]) -> None:
    width, height, x, y, _, _, dispose, blend = control
    inside = 0 < width <= header.width - x and 0 < height <= header.height - y
    if not inside or dispose > _PREVIOUS or blend > _OVER:
        raise ImageFileError("damaged", f"animated PNG with a frame {width}x{height} at {x},{y}, outside its canvas")


def decode(layout: png_chunks.Layout, decode_still: Callable[[bytes], Frame]) -> tuple[Animation, list[Frame]]:
    """The animation's frames as composited, then the default image if it is none of them."""
    plays, stored, default = _read_frames(layout)
    palette = [(c.type, c.data) for c in layout.chunks if c.type in (b"PLTE", b"tRNS")]

    def picture(width: int, height: int, compressed: bytes) -> Frame:
        header = replace(layout.header, width=width, height=height)
        return decode_still(png_chunks.file_of(header, [*palette, (b"IDAT", compressed)]))

    width, height = layout.header.width, layout.header.height
    covered = (stored[0].width, stored[0].height) == (width, height)
    needs_alpha = not covered or any(frame.dispose == _BACKGROUND for frame in stored)
    frames: list[Frame] = []
    canvas: Frame | None = None
    for number, frame in enumerate(stored):
        pixels = picture(frame.width, frame.height, frame.compressed)
        if needs_alpha:
            pixels = _with_alpha(pixels)
        if canvas is None:
            canvas = np.zeros((height, width, *pixels.shape[2:]), pixels.dtype)
        # The first frame has nothing to go back to: "previous" clears like "background".
        previous = canvas.copy() if frame.dispose == _PREVIOUS else None
        window = canvas[frame.y : frame.y + frame.height, frame.x : frame.x + frame.width]
        window[...] = _over(pixels, window) if frame.blend == _OVER else pixels
        frames.append(canvas.copy())
        if frame.dispose == _BACKGROUND or (number == 0 and frame.dispose == _PREVIOUS):
            window[...] = 0
        elif previous is not None:
            canvas = previous
    if default is not None:
        pixels = picture(width, height, default)
        frames.append(_with_alpha(pixels) if needs_alpha else pixels)
    return Animation(plays, tuple(frame.delay for frame in stored), default is not None), frames


def _with_alpha(pixels: Frame) -> Frame:
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        return pixels
    planes = pixels[..., None] if pixels.ndim == 2 else pixels
    opaque = np.full((*planes.shape[:2], 1), np.iinfo(pixels.dtype).max, pixels.dtype)
    return np.concatenate([planes, opaque], axis=2)


def _over(source: Frame, under: Frame) -> Frame:
    """Porter and Duff's over, on samples that are not multiplied by alpha."""
    if source.ndim == 2 or source.shape[2] in (1, 3):
        return source
    full = float(np.iinfo(source.dtype).max)
    alpha_s, alpha_u = source[..., -1:] / full, under[..., -1:] / full
    alpha = alpha_s + alpha_u * (1 - alpha_s)
    weighted = source[..., :-1] * alpha_s + under[..., :-1] * (alpha_u * (1 - alpha_s))
    colour = np.divide(weighted, alpha, out=np.zeros_like(weighted), where=alpha > 0)
    blended: Frame = np.rint(np.concatenate([colour, alpha * full], axis=2)).astype(source.dtype)
    return np.where(alpha_s == 1, source, np.where(alpha_s == 0, under, blended))


def encode(
    animation: Animation, frames: list[Frame], encode_still: Callable[[Frame], tuple[png_chunks.Header, bytes]]
) -> tuple[png_chunks.Header, list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
    """Header, chunks before the picture data, and picture data, each frame a whole picture that replaces the last."""
    pictures: list[tuple[bytes, bytes]] = []
    sequence = 0

    def numbered(content: bytes) -> bytes:
        nonlocal sequence
        sequence += 1
        return struct.pack(">I", sequence - 1) + content

    animated = frames[:-1] if animation.separate_default else frames
    if animation.separate_default:
        pictures.append((b"IDAT", encode_still(frames[-1])[1]))
    for frame, delay in zip(animated, animation.delays, strict=True):
        header, compressed = encode_still(frame)
        control = struct.pack(_FCTL, header.width, header.height, 0, 0, *delay, _NONE, _SOURCE)
        pictures.append((b"fcTL", numbered(control)))
        pictures.append((b"IDAT", compressed) if len(pictures) == 1 else (b"fdAT", numbered(compressed)))
    return header, [(b"acTL", struct.pack(">II", len(animated), animation.plays))], pictures
