"""The quality setting of libwebp that comes closest to how finely a VP8 key frame is quantised (RFC 6386)."""

from __future__ import annotations


class _BoolDecoder:
    """The arithmetic decoder of VP8, for literals (all probabilities one half)."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 2
        self._value = int.from_bytes(data[:2].ljust(2, b"\0"), "big")
        self._range = 255
        self._shift = 0

    def bit(self) -> int:
        split = 1 + ((self._range - 1) >> 1)
        if self._value >= split << 8:
            bit = 1
            self._range -= split
            self._value -= split << 8
        else:
            bit = 0
            self._range = split
        while self._range < 128:
            self._value <<= 1
            self._range <<= 1
            self._shift += 1
            if self._shift == 8:
                self._shift = 0
                if self._position < len(self._data):
                    self._value |= self._data[self._position]
                self._position += 1
        return bit

    def literal(self, bits: int) -> int:
        value = 0
        for _ in range(bits):
            value = value << 1 | self.bit()
        return value

    def signed(self, bits: int) -> int:
        magnitude = self.literal(bits)
        return -magnitude if self.bit() else magnitude

    def skip_optional(self, times: int, bits: int) -> None:
        for _ in range(times):
            if self.bit():
                self.signed(bits)


def quantiser_index(frame: bytes) -> float:
    """The quantiser index, 0 (finest) to 127, half-way between the finest and the coarsest segment of a key frame."""
    bits = _BoolDecoder(frame[10:])
    bits.literal(2)  # colour space, clamping
    segments = [0]
    absolute = False
    if bits.bit():
        update_map = bits.bit()
        if bits.bit():
            absolute = bool(bits.bit())
            segments = [bits.signed(7) if bits.bit() else 0 for _ in range(4)]
            bits.skip_optional(4, 6)
        if update_map:
            for _ in range(3):
                if bits.bit():
                    bits.literal(8)
    bits.literal(10)  # loop filter: type, level, sharpness
    if bits.bit() and bits.bit():
        bits.skip_optional(8, 6)
    bits.literal(2)  # number of partitions
    base = 0 if absolute else bits.literal(7)
    return min(127.0, max(0.0, base + (min(segments) + max(segments)) / 2))


def quality_of(frame: bytes) -> int:
    """The libwebp quality, 1 to 100, that quantises about as finely as this key frame is."""
    # libwebp centres its segments on index 127 (1 - c), c the cube root of 2/3 q below a quality q of 0.75, of 2 q - 1
    # above.
    linear = (1 - quantiser_index(frame) / 127) ** 3
    quality = linear * 1.5 if linear < 0.5 else (linear + 1) / 2
    return min(100, max(1, round(100 * quality)))
