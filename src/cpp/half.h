// Binary16 in integer arithmetic, for single values and for the instruction sets without an instruction for it.
#pragma once

#include <cstdint>
#include <cstring>

#include "compiler.h"

namespace fastblur {

enum class Half : std::uint16_t {};  // the bits of an IEEE binary16

// Round to nearest even; NaN stays NaN.
FASTBLUR_INLINE float half_to_float(Half half) {
  const auto h = static_cast<std::uint32_t>(half);
  const std::uint32_t sign = (h & 0x8000u) << 16;
  const std::uint32_t body = h & 0x7fffu;
  std::uint32_t bits;
  if (body >= 0x7c00u) {
    bits = sign | 0x7f800000u | ((body & 0x3ffu) << 13);
    if (body > 0x7c00u) bits |= 0x400000u;
  } else if (body >= 0x0400u) {
    bits = sign | ((body << 13) + 0x38000000u);
  } else {
    const float value = static_cast<float>(body) * 5.9604644775390625e-8f;  // subnormal: body * 2^-24, exactly
    std::memcpy(&bits, &value, sizeof bits);
    bits |= sign;
  }
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

FASTBLUR_INLINE Half float_to_half(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  bits &= 0x7fffffffu;
  if (bits > 0x7f800000u) return static_cast<Half>(sign | 0x7e00u);
  if (bits >= 0x47800000u) return static_cast<Half>(sign | 0x7c00u);  // 65536 and beyond; 65520.. rounds up below
  if (bits < 0x38800000u) {  // subnormal: adding 2^-1 leaves round(value * 2^24) in the low bits
    float magnitude;
    std::memcpy(&magnitude, &bits, sizeof magnitude);
    magnitude += 0.5f;
    std::memcpy(&bits, &magnitude, sizeof bits);
    return static_cast<Half>(sign | (bits - 0x3f000000u));
  }
  const std::uint32_t rounded = bits - 0x38000000u + 0xfffu + ((bits >> 13) & 1u);
  return static_cast<Half>(sign | (rounded >> 13));
}

}  // namespace fastblur
