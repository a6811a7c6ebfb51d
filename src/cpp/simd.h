// Each instruction set, reduced to the few primitives that the kernels need. The kernels are written once on top of
// these and compiled once per instruction set (see kernels.cpp).
//
// Vec: floats. Words: unsigned 16-bit numbers, twice as many. Ints: as many 32-bit numbers as floats, or couples of
// signed 16-bit numbers; add_products(a, b, sum) adds the products of both halves to the sum. load_halves loads words
// as they were stored from two vectors of floats: a processor hands a store on to a later load of no more than the same
// bytes.
//
// The integer dtypes promise the same bits at every level: their arithmetic is the same IEEE float32 operations in the
// same order everywhere, and the compiler is told not to fuse them. The float dtypes promise an error bound only, and
// use fused multiply-adds where the level has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "compiler.h"
#include "half.h"

#if defined(__AVX2__) || defined(__SSE2__) || defined(_M_X64)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace {

using fastblur::float_to_half;
using fastblur::Half;
using fastblur::half_to_float;

// Vectors of whole numbers have the type of their numbers where the compiler knows such. To GCC __m512i holds 64-bit
// ones, and a sum that a loop goes on adding to as other ones moves between registers, or to the stack, at each turn.
#if defined(__GNUC__) || defined(__clang__)
#define FASTBLUR_VECTOR(number, bits) number __attribute__((vector_size(bits / 8)))
#else
#define FASTBLUR_VECTOR(number, bits) __m##bits##i
#endif

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

using Vec = __m512;
constexpr std::ptrdiff_t kLanes = 16;
constexpr int kUnroll = 4;  // vectors of a row that a kernel keeps in registers at once

FASTBLUR_INLINE Vec zero() { return _mm512_setzero_ps(); }
FASTBLUR_INLINE Vec splat(float x) { return _mm512_set1_ps(x); }
FASTBLUR_INLINE Vec load(const float* p) { return _mm512_loadu_ps(p); }
FASTBLUR_INLINE void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
FASTBLUR_INLINE Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
FASTBLUR_INLINE Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
FASTBLUR_INLINE Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
FASTBLUR_INLINE Vec fused(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }  // a b + c
FASTBLUR_INLINE Vec where_half(Vec w, Vec a, Vec b) {  // a where w is at least a half, b elsewhere
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(w, splat(0.5f), _CMP_GE_OQ), b, a);
}

FASTBLUR_INLINE Vec load(const std::uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
FASTBLUR_INLINE Vec load(const std::uint16_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
}
FASTBLUR_INLINE Vec load(const Half* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
FASTBLUR_INLINE void store(std::uint8_t* p, Vec v) {
  const __m512i i = _mm512_max_epi32(_mm512_cvtps_epi32(v), _mm512_setzero_si512());
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtusepi32_epi8(i));
}
FASTBLUR_INLINE void store(std::uint16_t* p, Vec v) {
  const __m512i i = _mm512_max_epi32(_mm512_cvtps_epi32(v), _mm512_setzero_si512());
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtusepi32_epi16(i));
}
FASTBLUR_INLINE void store(Half* p, Vec v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

using Words = FASTBLUR_VECTOR(std::uint16_t, 512);
constexpr std::ptrdiff_t kWordLanes = 32;
FASTBLUR_INLINE Words splat_word(std::uint16_t x) { return _mm512_set1_epi16(static_cast<short>(x)); }
FASTBLUR_INLINE Words splat_words(std::int32_t two) { return _mm512_set1_epi32(two); }
FASTBLUR_INLINE Words load_words(const std::uint16_t* p) { return _mm512_loadu_si512(p); }
FASTBLUR_INLINE Words load_halves(const std::uint16_t* p) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))),
                            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 16)), 1);
}
FASTBLUR_INLINE Words load_words(const std::uint8_t* p) {
  return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
FASTBLUR_INLINE void store_words(std::uint16_t* p, Words v) { _mm512_storeu_si512(p, v); }
FASTBLUR_INLINE void store_words(std::uint8_t* p, Words v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtusepi16_epi8(v));
}
FASTBLUR_INLINE Words add_words(Words a, Words b) { return _mm512_add_epi16(a, b); }
FASTBLUR_INLINE Words high_product(Words a, Words b) { return _mm512_mulhi_epu16(a, b); }
template <int bits>
FASTBLUR_INLINE Words shift_left(Words a) {
  return _mm512_slli_epi16(a, bits);
}
template <int bits>
FASTBLUR_INLINE Words shift_right(Words a) {
  return _mm512_srli_epi16(a, bits);
}

using Ints = FASTBLUR_VECTOR(std::int32_t, 512);
FASTBLUR_INLINE Ints zero_ints() { return _mm512_setzero_si512(); }
FASTBLUR_INLINE Ints splat_int(std::int32_t x) { return _mm512_set1_epi32(x); }
FASTBLUR_INLINE Ints load_ints(const std::int32_t* p) { return _mm512_loadu_si512(p); }
FASTBLUR_INLINE void store_ints(std::int32_t* p, Ints v) { _mm512_storeu_si512(p, v); }
FASTBLUR_INLINE Vec to_floats(Ints v) { return _mm512_cvtepi32_ps(v); }
FASTBLUR_INLINE Ints couple(__m128i low, __m128i high) {
  return _mm512_or_si512(_mm512_cvtepu8_epi32(low), _mm512_slli_epi32(_mm512_cvtepu8_epi32(high), 16));
}
FASTBLUR_INLINE Ints load_couple(const std::uint8_t* low, const std::uint8_t* high) {
  return couple(_mm_loadu_si128(reinterpret_cast<const __m128i*>(low)),
                _mm_loadu_si128(reinterpret_cast<const __m128i*>(high)));
}
FASTBLUR_INLINE Ints add_products(Ints a, Ints b, Ints sum) { return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b)); }

// The first `count` lanes only; memory beyond them is neither read nor written.
#define FASTBLUR_MASKED
FASTBLUR_INLINE __mmask16 first_lanes(std::ptrdiff_t count) { return static_cast<__mmask16>((1u << count) - 1); }
FASTBLUR_INLINE Vec load_part(const float* p, std::ptrdiff_t count) {
  return _mm512_maskz_loadu_ps(first_lanes(count), p);
}
FASTBLUR_INLINE Vec load_part(const std::uint8_t* p, std::ptrdiff_t count) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first_lanes(count), p)));
}
FASTBLUR_INLINE Vec load_part(const std::uint16_t* p, std::ptrdiff_t count) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_lanes(count), p)));
}
FASTBLUR_INLINE Vec load_part(const Half* p, std::ptrdiff_t count) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(count), p));
}
FASTBLUR_INLINE Ints load_couple_part(const std::uint8_t* low, const std::uint8_t* high, std::ptrdiff_t count, bool) {
  return couple(_mm_maskz_loadu_epi8(first_lanes(count), low), _mm_maskz_loadu_epi8(first_lanes(count), high));
}
FASTBLUR_INLINE __mmask32 first_words(std::ptrdiff_t count) {
  return static_cast<__mmask32>((std::uint64_t{1} << count) - 1);
}
FASTBLUR_INLINE void store_words_part(std::uint8_t* p, Words v, std::ptrdiff_t count) {
  _mm256_mask_storeu_epi8(p, first_words(count), _mm512_cvtusepi16_epi8(v));
}
FASTBLUR_INLINE void store_part(float* p, Vec v, std::ptrdiff_t count) {
  _mm512_mask_storeu_ps(p, first_lanes(count), v);
}
FASTBLUR_INLINE void store_part(std::uint8_t* p, Vec v, std::ptrdiff_t count) {
  const __m512i i = _mm512_max_epi32(_mm512_cvtps_epi32(v), _mm512_setzero_si512());
  _mm_mask_storeu_epi8(p, first_lanes(count), _mm512_cvtusepi32_epi8(i));
}
FASTBLUR_INLINE void store_part(std::uint16_t* p, Vec v, std::ptrdiff_t count) {
  const __m512i i = _mm512_max_epi32(_mm512_cvtps_epi32(v), _mm512_setzero_si512());
  _mm256_mask_storeu_epi16(p, first_lanes(count), _mm512_cvtusepi32_epi16(i));
}
FASTBLUR_INLINE void store_part(Half* p, Vec v, std::ptrdiff_t count) {
  _mm256_mask_storeu_epi16(p, first_lanes(count), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

// Bytes, of which a mask says which are read or written: bit i is byte i. Nothing stands for these elsewhere: without
// masks, only single items leave the bytes beside them alone.
using Bytes = __m512i;
constexpr std::ptrdiff_t kBytes = 64;
FASTBLUR_INLINE std::uint64_t first_bytes(std::ptrdiff_t count) { return ~std::uint64_t{0} >> (kBytes - count); }
FASTBLUR_INLINE Bytes load_bytes(const void* p, std::uint64_t mask) { return _mm512_maskz_loadu_epi8(mask, p); }
FASTBLUR_INLINE void store_bytes(void* p, Bytes v, std::uint64_t mask) { _mm512_mask_storeu_epi8(p, mask, v); }
// Byte i is byte which[i] of v.
FASTBLUR_INLINE Bytes pick(Bytes v, Bytes which) {
  // The words that hold what even bytes want and what odd bytes want, and of each word the one byte or the other.
  const Bytes even = _mm512_permutexvar_epi16(_mm512_srli_epi16(_mm512_slli_epi16(which, 8), 9), v);
  const Bytes odd = _mm512_permutexvar_epi16(_mm512_srli_epi16(which, 9), v);
  const Bytes words = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14));
  const Bytes at = _mm512_or_si512(words, _mm512_and_si512(which, _mm512_set1_epi8(1)));
  return _mm512_mask_shuffle_epi8(_mm512_shuffle_epi8(even, at), 0xaaaaaaaaaaaaaaaau, odd, at);
}

// In place: v[i] becomes column i of the square whose rows were v.
FASTBLUR_INLINE void transpose(Vec (&v)[kLanes]) {
  Vec a[16], b[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
    a[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
  }
  for (int i = 0; i < 16; i += 4)
    for (int j = 0; j < 2; ++j) {
      const __m512d low = _mm512_castps_pd(a[i + j]), high = _mm512_castps_pd(a[i + j + 2]);
      b[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
      b[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
    }
  for (int j = 0; j < 4; ++j) {
    const Vec low02 = _mm512_shuffle_f32x4(b[j], b[4 + j], 0x88), low13 = _mm512_shuffle_f32x4(b[j], b[4 + j], 0xdd);
    const Vec high02 = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], 0x88);
    const Vec high13 = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], 0xdd);
    v[j] = _mm512_shuffle_f32x4(low02, high02, 0x88);
    v[4 + j] = _mm512_shuffle_f32x4(low13, high13, 0x88);
    v[8 + j] = _mm512_shuffle_f32x4(low02, high02, 0xdd);
    v[12 + j] = _mm512_shuffle_f32x4(low13, high13, 0xdd);
  }
}

#elif defined(__AVX2__)

using Vec = __m256;
constexpr std::ptrdiff_t kLanes = 8;
constexpr int kUnroll = 2;

FASTBLUR_INLINE Vec zero() { return _mm256_setzero_ps(); }
FASTBLUR_INLINE Vec splat(float x) { return _mm256_set1_ps(x); }
FASTBLUR_INLINE Vec load(const float* p) { return _mm256_loadu_ps(p); }
FASTBLUR_INLINE void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
FASTBLUR_INLINE Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
FASTBLUR_INLINE Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
FASTBLUR_INLINE Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
FASTBLUR_INLINE Vec fused(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
FASTBLUR_INLINE Vec where_half(Vec w, Vec a, Vec b) {
  return _mm256_blendv_ps(b, a, _mm256_cmp_ps(w, splat(0.5f), _CMP_GE_OQ));
}

FASTBLUR_INLINE Vec load(const std::uint8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
FASTBLUR_INLINE Vec load(const std::uint16_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
FASTBLUR_INLINE Vec load(const Half* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
FASTBLUR_INLINE void store(std::uint8_t* p, Vec v) {
  const __m256i i = _mm256_cvtps_epi32(v);
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
}
FASTBLUR_INLINE void store(std::uint16_t* p, Vec v) {
  const __m256i i = _mm256_cvtps_epi32(v);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm_packus_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1)));
}
FASTBLUR_INLINE void store(Half* p, Vec v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

using Words = FASTBLUR_VECTOR(std::uint16_t, 256);
constexpr std::ptrdiff_t kWordLanes = 16;
FASTBLUR_INLINE Words splat_word(std::uint16_t x) { return _mm256_set1_epi16(static_cast<short>(x)); }
FASTBLUR_INLINE Words splat_words(std::int32_t two) { return _mm256_set1_epi32(two); }
FASTBLUR_INLINE Words load_words(const std::uint16_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
FASTBLUR_INLINE Words load_halves(const std::uint16_t* p) {
  return _mm256_loadu2_m128i(reinterpret_cast<const __m128i*>(p + 8), reinterpret_cast<const __m128i*>(p));
}
FASTBLUR_INLINE Words load_words(const std::uint8_t* p) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
FASTBLUR_INLINE void store_words(std::uint16_t* p, Words v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
FASTBLUR_INLINE void store_words(std::uint8_t* p, Words v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm_packus_epi16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
}
FASTBLUR_INLINE Words add_words(Words a, Words b) { return _mm256_add_epi16(a, b); }
FASTBLUR_INLINE Words high_product(Words a, Words b) { return _mm256_mulhi_epu16(a, b); }
template <int bits>
FASTBLUR_INLINE Words shift_left(Words a) {
  return _mm256_slli_epi16(a, bits);
}
template <int bits>
FASTBLUR_INLINE Words shift_right(Words a) {
  return _mm256_srli_epi16(a, bits);
}

using Ints = FASTBLUR_VECTOR(std::int32_t, 256);
FASTBLUR_INLINE Ints zero_ints() { return _mm256_setzero_si256(); }
FASTBLUR_INLINE Ints splat_int(std::int32_t x) { return _mm256_set1_epi32(x); }
FASTBLUR_INLINE Ints load_ints(const std::int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
FASTBLUR_INLINE void store_ints(std::int32_t* p, Ints v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
FASTBLUR_INLINE Vec to_floats(Ints v) { return _mm256_cvtepi32_ps(v); }
FASTBLUR_INLINE Ints load_couple(const std::uint8_t* low, const std::uint8_t* high) {
  const __m128i a = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(low));
  const __m128i b = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(high));
  return _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b));
}
FASTBLUR_INLINE Ints add_products(Ints a, Ints b, Ints sum) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }

// The first `count` lanes only; memory beyond them is not read.
alignas(64) constexpr std::int32_t kFirst[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
FASTBLUR_INLINE __m256i first_lanes(std::ptrdiff_t count) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kFirst + kLanes - count));
}
FASTBLUR_INLINE Vec load_part(const float* p, std::ptrdiff_t count) {
  return _mm256_maskload_ps(p, first_lanes(count));
}

FASTBLUR_INLINE void transpose(Vec (&v)[kLanes]) {
  Vec a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
    a[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; ++j) {
      const __m256d low = _mm256_castps_pd(a[i + j]), high = _mm256_castps_pd(a[i + j + 2]);
      b[i + 2 * j] = _mm256_castpd_ps(_mm256_unpacklo_pd(low, high));
      b[i + 2 * j + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low, high));
    }
  for (int j = 0; j < 4; ++j) {
    v[j] = _mm256_permute2f128_ps(b[j], b[4 + j], 0x20);
    v[4 + j] = _mm256_permute2f128_ps(b[j], b[4 + j], 0x31);
  }
}

#elif (defined(__SSE2__) || defined(_M_X64)) && !defined(FASTBLUR_PORTABLE_LANES)

using Vec = __m128;
constexpr std::ptrdiff_t kLanes = 4;
constexpr int kUnroll = 2;

FASTBLUR_INLINE Vec zero() { return _mm_setzero_ps(); }
FASTBLUR_INLINE Vec splat(float x) { return _mm_set1_ps(x); }
FASTBLUR_INLINE Vec load(const float* p) { return _mm_loadu_ps(p); }
FASTBLUR_INLINE void store(float* p, Vec v) { _mm_storeu_ps(p, v); }
FASTBLUR_INLINE Vec add(Vec a, Vec b) { return _mm_add_ps(a, b); }
FASTBLUR_INLINE Vec sub(Vec a, Vec b) { return _mm_sub_ps(a, b); }
FASTBLUR_INLINE Vec mul(Vec a, Vec b) { return _mm_mul_ps(a, b); }
FASTBLUR_INLINE Vec fused(Vec a, Vec b, Vec c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }
FASTBLUR_INLINE Vec where_half(Vec w, Vec a, Vec b) {
  const Vec mask = _mm_cmpge_ps(w, splat(0.5f));
  return _mm_or_ps(_mm_and_ps(mask, a), _mm_andnot_ps(mask, b));
}

FASTBLUR_INLINE Vec load(const std::uint8_t* p) {
  std::int32_t four;
  std::memcpy(&four, p, sizeof four);
  const __m128i none = _mm_setzero_si128();
  return _mm_cvtepi32_ps(_mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(four), none), none));
}
FASTBLUR_INLINE Vec load(const std::uint16_t* p) {
  const __m128i words = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm_cvtepi32_ps(_mm_unpacklo_epi16(words, _mm_setzero_si128()));
}
FASTBLUR_INLINE Vec load(const Half* p) {
  return _mm_setr_ps(half_to_float(p[0]), half_to_float(p[1]), half_to_float(p[2]), half_to_float(p[3]));
}
FASTBLUR_INLINE void store(std::uint8_t* p, Vec v) {
  const __m128i words = _mm_packs_epi32(_mm_cvtps_epi32(v), _mm_setzero_si128());
  const std::int32_t four = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
  std::memcpy(p, &four, sizeof four);
}
FASTBLUR_INLINE void store(std::uint16_t* p, Vec v) {
  // SSE2 packs to signed words only: shift the range down, pack with saturation, shift it back.
  const __m128i shifted = _mm_sub_epi32(_mm_cvtps_epi32(v), _mm_set1_epi32(32768));
  const __m128i words = _mm_packs_epi32(shifted, shifted);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_xor_si128(words, _mm_set1_epi16(-32768)));
}
FASTBLUR_INLINE void store(Half* p, Vec v) {
  float f[4];
  _mm_storeu_ps(f, v);
  for (int i = 0; i < 4; ++i) p[i] = float_to_half(f[i]);
}

using Words = FASTBLUR_VECTOR(std::uint16_t, 128);
constexpr std::ptrdiff_t kWordLanes = 8;
FASTBLUR_INLINE Words splat_word(std::uint16_t x) { return _mm_set1_epi16(static_cast<short>(x)); }
FASTBLUR_INLINE Words splat_words(std::int32_t two) { return _mm_set1_epi32(two); }
FASTBLUR_INLINE Words load_words(const std::uint16_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
FASTBLUR_INLINE Words load_halves(const std::uint16_t* p) {
  return _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)),
                            _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + 4)));
}
FASTBLUR_INLINE Words load_words(const std::uint8_t* p) {
  return _mm_unpacklo_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)), _mm_setzero_si128());
}
FASTBLUR_INLINE void store_words(std::uint16_t* p, Words v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); }
FASTBLUR_INLINE void store_words(std::uint8_t* p, Words v) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(v, v));
}
FASTBLUR_INLINE Words add_words(Words a, Words b) { return _mm_add_epi16(a, b); }
FASTBLUR_INLINE Words high_product(Words a, Words b) { return _mm_mulhi_epu16(a, b); }
template <int bits>
FASTBLUR_INLINE Words shift_left(Words a) {
  return _mm_slli_epi16(a, bits);
}
template <int bits>
FASTBLUR_INLINE Words shift_right(Words a) {
  return _mm_srli_epi16(a, bits);
}

using Ints = FASTBLUR_VECTOR(std::int32_t, 128);
FASTBLUR_INLINE Ints zero_ints() { return _mm_setzero_si128(); }
FASTBLUR_INLINE Ints splat_int(std::int32_t x) { return _mm_set1_epi32(x); }
FASTBLUR_INLINE Ints load_ints(const std::int32_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
FASTBLUR_INLINE void store_ints(std::int32_t* p, Ints v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); }
FASTBLUR_INLINE Vec to_floats(Ints v) { return _mm_cvtepi32_ps(v); }
FASTBLUR_INLINE Ints load_couple(const std::uint8_t* low, const std::uint8_t* high) {
  std::int32_t a, b;
  std::memcpy(&a, low, sizeof a);
  std::memcpy(&b, high, sizeof b);
  return _mm_unpacklo_epi8(_mm_unpacklo_epi8(_mm_cvtsi32_si128(a), _mm_cvtsi32_si128(b)), _mm_setzero_si128());
}
FASTBLUR_INLINE Ints add_products(Ints a, Ints b, Ints sum) { return _mm_add_epi32(sum, _mm_madd_epi16(a, b)); }

FASTBLUR_INLINE void transpose(Vec (&v)[kLanes]) { _MM_TRANSPOSE4_PS(v[0], v[1], v[2], v[3]); }

#elif defined(__ARM_NEON) && defined(__aarch64__) && !defined(FASTBLUR_PORTABLE_LANES)

using Vec = float32x4_t;
constexpr std::ptrdiff_t kLanes = 4;
constexpr int kUnroll = 4;

FASTBLUR_INLINE Vec zero() { return vdupq_n_f32(0); }
FASTBLUR_INLINE Vec splat(float x) { return vdupq_n_f32(x); }
FASTBLUR_INLINE Vec load(const float* p) { return vld1q_f32(p); }
FASTBLUR_INLINE void store(float* p, Vec v) { vst1q_f32(p, v); }
FASTBLUR_INLINE Vec add(Vec a, Vec b) { return vaddq_f32(a, b); }
FASTBLUR_INLINE Vec sub(Vec a, Vec b) { return vsubq_f32(a, b); }
FASTBLUR_INLINE Vec mul(Vec a, Vec b) { return vmulq_f32(a, b); }
FASTBLUR_INLINE Vec fused(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
FASTBLUR_INLINE Vec where_half(Vec w, Vec a, Vec b) { return vbslq_f32(vcgeq_f32(w, splat(0.5f)), a, b); }

FASTBLUR_INLINE Vec load(const std::uint8_t* p) {
  std::uint32_t four;
  std::memcpy(&four, p, sizeof four);
  const uint16x8_t words = vmovl_u8(vcreate_u8(four));
  return vcvtq_f32_u32(vmovl_u16(vget_low_u16(words)));
}
FASTBLUR_INLINE Vec load(const std::uint16_t* p) { return vcvtq_f32_u32(vmovl_u16(vld1_u16(p))); }
FASTBLUR_INLINE Vec load(const Half* p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(p))));
}
FASTBLUR_INLINE void store(std::uint8_t* p, Vec v) {
  const uint16x4_t words = vqmovun_s32(vcvtnq_s32_f32(v));
  const uint8x8_t bytes = vqmovn_u16(vcombine_u16(words, words));
  const std::uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
  std::memcpy(p, &four, sizeof four);
}
FASTBLUR_INLINE void store(std::uint16_t* p, Vec v) { vst1_u16(p, vqmovun_s32(vcvtnq_s32_f32(v))); }
FASTBLUR_INLINE void store(Half* p, Vec v) {
  vst1_u16(reinterpret_cast<std::uint16_t*>(p), vreinterpret_u16_f16(vcvt_f16_f32(v)));
}

using Words = uint16x8_t;
constexpr std::ptrdiff_t kWordLanes = 8;
FASTBLUR_INLINE Words splat_word(std::uint16_t x) { return vdupq_n_u16(x); }
FASTBLUR_INLINE Words splat_words(std::int32_t two) { return vreinterpretq_u16_s32(vdupq_n_s32(two)); }
FASTBLUR_INLINE Words load_words(const std::uint16_t* p) { return vld1q_u16(p); }
FASTBLUR_INLINE Words load_halves(const std::uint16_t* p) { return vcombine_u16(vld1_u16(p), vld1_u16(p + 4)); }
FASTBLUR_INLINE Words load_words(const std::uint8_t* p) { return vmovl_u8(vld1_u8(p)); }
FASTBLUR_INLINE void store_words(std::uint16_t* p, Words v) { vst1q_u16(p, v); }
FASTBLUR_INLINE void store_words(std::uint8_t* p, Words v) { vst1_u8(p, vqmovn_u16(v)); }
FASTBLUR_INLINE Words add_words(Words a, Words b) { return vaddq_u16(a, b); }
FASTBLUR_INLINE Words high_product(Words a, Words b) {
  const uint32x4_t low = vmull_u16(vget_low_u16(a), vget_low_u16(b)), high = vmull_high_u16(a, b);
  return vuzp2q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(high));
}
template <int bits>
FASTBLUR_INLINE Words shift_left(Words a) {
  return vshlq_n_u16(a, bits);
}
template <int bits>
FASTBLUR_INLINE Words shift_right(Words a) {
  return vshrq_n_u16(a, bits);
}

using Ints = int32x4_t;
FASTBLUR_INLINE Ints zero_ints() { return vdupq_n_s32(0); }
FASTBLUR_INLINE Ints splat_int(std::int32_t x) { return vdupq_n_s32(x); }
FASTBLUR_INLINE Ints load_ints(const std::int32_t* p) { return vld1q_s32(p); }
FASTBLUR_INLINE void store_ints(std::int32_t* p, Ints v) { vst1q_s32(p, v); }
FASTBLUR_INLINE Vec to_floats(Ints v) { return vcvtq_f32_s32(v); }
FASTBLUR_INLINE Ints load_couple(const std::uint8_t* low, const std::uint8_t* high) {
  std::uint32_t a, b;
  std::memcpy(&a, low, sizeof a);
  std::memcpy(&b, high, sizeof b);
  return vreinterpretq_s32_u16(vmovl_u8(vzip1_u8(vcreate_u8(a), vcreate_u8(b))));
}
FASTBLUR_INLINE Ints add_products(Ints a, Ints b, Ints sum) {
  const int16x8_t x = vreinterpretq_s16_s32(a), y = vreinterpretq_s16_s32(b);
  const int32x4_t low = vmull_s16(vget_low_s16(x), vget_low_s16(y)), high = vmull_high_s16(x, y);
  return vaddq_s32(sum, vpaddq_s32(low, high));
}

FASTBLUR_INLINE void transpose(Vec (&v)[kLanes]) {
  const float32x4x2_t a = vtrnq_f32(v[0], v[1]), b = vtrnq_f32(v[2], v[3]);
  v[0] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
  v[1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
  v[2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
  v[3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}

#else  // any other processor, and what tests the kernels with more lanes than this one has: loops

#ifndef FASTBLUR_PORTABLE_LANES
#define FASTBLUR_PORTABLE_LANES 4
#endif
constexpr std::ptrdiff_t kLanes = FASTBLUR_PORTABLE_LANES;
constexpr int kUnroll = 2;

template <class Number, std::ptrdiff_t count>
struct Lanes {
  Number lane[count];
};
// The vector whose lane i is f(i).
template <class V, class F>
FASTBLUR_INLINE V lanes(const F& f) {
  V v;
  std::ptrdiff_t i = 0;
  for (auto& lane : v.lane) lane = f(i++);
  return v;
}

using Vec = Lanes<float, kLanes>;
FASTBLUR_INLINE Vec splat(float x) {
  return lanes<Vec>([&](std::ptrdiff_t) { return x; });
}
FASTBLUR_INLINE Vec zero() { return splat(0); }
FASTBLUR_INLINE Vec load(const float* p) {
  return lanes<Vec>([&](std::ptrdiff_t i) { return p[i]; });
}
FASTBLUR_INLINE void store(float* p, Vec v) { std::memcpy(p, v.lane, sizeof v.lane); }
FASTBLUR_INLINE Vec add(Vec a, Vec b) {
  return lanes<Vec>([&](std::ptrdiff_t i) { return a.lane[i] + b.lane[i]; });
}
FASTBLUR_INLINE Vec sub(Vec a, Vec b) {
  return lanes<Vec>([&](std::ptrdiff_t i) { return a.lane[i] - b.lane[i]; });
}
FASTBLUR_INLINE Vec mul(Vec a, Vec b) {
  return lanes<Vec>([&](std::ptrdiff_t i) { return a.lane[i] * b.lane[i]; });
}
FASTBLUR_INLINE Vec fused(Vec a, Vec b, Vec c) { return add(mul(a, b), c); }
FASTBLUR_INLINE Vec where_half(Vec w, Vec a, Vec b) {
  return lanes<Vec>([&](std::ptrdiff_t i) { return w.lane[i] >= 0.5f ? a.lane[i] : b.lane[i]; });
}
FASTBLUR_INLINE Vec load(const std::uint8_t* p) {
  return lanes<Vec>([&](std::ptrdiff_t i) { return static_cast<float>(p[i]); });
}
FASTBLUR_INLINE Vec load(const std::uint16_t* p) {
  return lanes<Vec>([&](std::ptrdiff_t i) { return static_cast<float>(p[i]); });
}
FASTBLUR_INLINE Vec load(const Half* p) {
  return lanes<Vec>([&](std::ptrdiff_t i) { return half_to_float(p[i]); });
}
FASTBLUR_INLINE float nearest_even(float v) { return (v + 12582912.0f) - 12582912.0f; }  // |v| < 2^22
template <class Item>
FASTBLUR_INLINE void store_whole(Item* p, Vec v, float most) {
  for (float x : v.lane) {
    const float r = nearest_even(x);
    *p++ = static_cast<Item>(r > 0 ? r < most ? r : most : 0);
  }
}
FASTBLUR_INLINE void store(std::uint8_t* p, Vec v) { store_whole(p, v, 255); }
FASTBLUR_INLINE void store(std::uint16_t* p, Vec v) { store_whole(p, v, 65535); }
FASTBLUR_INLINE void store(Half* p, Vec v) {
  for (float x : v.lane) *p++ = float_to_half(x);
}

constexpr std::ptrdiff_t kWordLanes = 2 * kLanes;
using Words = Lanes<std::uint16_t, kWordLanes>;
FASTBLUR_INLINE Words splat_word(std::uint16_t x) {
  return lanes<Words>([&](std::ptrdiff_t) { return x; });
}
FASTBLUR_INLINE Words splat_words(std::int32_t two) { return splat_word(static_cast<std::uint16_t>(two)); }
FASTBLUR_INLINE Words load_words(const std::uint16_t* p) {
  return lanes<Words>([&](std::ptrdiff_t i) { return p[i]; });
}
FASTBLUR_INLINE Words load_halves(const std::uint16_t* p) { return load_words(p); }
FASTBLUR_INLINE Words load_words(const std::uint8_t* p) {
  return lanes<Words>([&](std::ptrdiff_t i) { return p[i]; });
}
FASTBLUR_INLINE void store_words(std::uint16_t* p, Words v) { std::memcpy(p, v.lane, sizeof v.lane); }
FASTBLUR_INLINE void store_words(std::uint8_t* p, Words v) {
  for (std::uint16_t x : v.lane) *p++ = static_cast<std::uint8_t>(x > 255 ? 255 : x);
}
FASTBLUR_INLINE Words add_words(Words a, Words b) {
  return lanes<Words>([&](std::ptrdiff_t i) { return static_cast<std::uint16_t>(a.lane[i] + b.lane[i]); });
}
FASTBLUR_INLINE Words high_product(Words a, Words b) {
  return lanes<Words>(
      [&](std::ptrdiff_t i) { return static_cast<std::uint16_t>((std::uint32_t{a.lane[i]} * b.lane[i]) >> 16); });
}
template <int bits>
FASTBLUR_INLINE Words shift_left(Words a) {
  return lanes<Words>([&](std::ptrdiff_t i) { return static_cast<std::uint16_t>(a.lane[i] << bits); });
}
template <int bits>
FASTBLUR_INLINE Words shift_right(Words a) {
  return lanes<Words>([&](std::ptrdiff_t i) { return static_cast<std::uint16_t>(a.lane[i] >> bits); });
}

using Ints = Lanes<std::int32_t, kLanes>;
FASTBLUR_INLINE Ints splat_int(std::int32_t x) {
  return lanes<Ints>([&](std::ptrdiff_t) { return x; });
}
FASTBLUR_INLINE Ints zero_ints() { return splat_int(0); }
FASTBLUR_INLINE Ints load_ints(const std::int32_t* p) {
  return lanes<Ints>([&](std::ptrdiff_t i) { return p[i]; });
}
FASTBLUR_INLINE void store_ints(std::int32_t* p, Ints v) { std::memcpy(p, v.lane, sizeof v.lane); }
FASTBLUR_INLINE Vec to_floats(Ints v) {
  return lanes<Vec>([&](std::ptrdiff_t i) { return static_cast<float>(v.lane[i]); });
}
FASTBLUR_INLINE Ints load_couple(const std::uint8_t* low, const std::uint8_t* high) {
  return lanes<Ints>([&](std::ptrdiff_t i) { return low[i] | high[i] << 16; });
}
FASTBLUR_INLINE Ints add_products(Ints a, Ints b, Ints sum) {
  const auto low = [](std::int32_t x) { return std::int32_t{static_cast<std::int16_t>(x & 0xffff)}; };
  return lanes<Ints>([&](std::ptrdiff_t i) {
    return sum.lane[i] + low(a.lane[i]) * low(b.lane[i]) + (a.lane[i] >> 16) * (b.lane[i] >> 16);
  });
}
FASTBLUR_INLINE void transpose(Vec (&v)[kLanes]) {
  for (std::ptrdiff_t i = 0; i < kLanes; ++i)
    for (std::ptrdiff_t j = 0; j < i; ++j) std::swap(v[i].lane[j], v[j].lane[i]);
}

#endif

#ifndef FASTBLUR_MASKED  // without masked access, the part of a vector goes through a whole one on the stack
FASTBLUR_INLINE void store_words_part(std::uint8_t* p, Words v, std::ptrdiff_t count) {
  std::uint8_t items[kWordLanes];
  store_words(items, v);
  std::memcpy(p, items, static_cast<std::size_t>(count));
}
// With `within`, the rows have begun before: a whole vector that ends where they do is read, and moved down, which a
// little-endian processor does by a shift.
FASTBLUR_INLINE Ints load_couple_part(const std::uint8_t* low, const std::uint8_t* high, std::ptrdiff_t count,
                                      bool within) {
  if (count == kLanes) return load_couple(low, high);
  std::uint8_t items[2][kLanes] = {};
#ifndef FASTBLUR_PORTABLE_LANES
  if (within) {
    using Bits = std::conditional_t<kLanes == 8, std::uint64_t, std::uint32_t>;
    static_assert(sizeof(Bits) == kLanes, "a vector of bytes");
    Bits bits[2];
    std::memcpy(&bits[0], low + count - kLanes, sizeof(Bits));
    std::memcpy(&bits[1], high + count - kLanes, sizeof(Bits));
    for (Bits& b : bits) b >>= 8 * (kLanes - count);
    std::memcpy(items, bits, sizeof items);
    return load_couple(items[0], items[1]);
  }
#else
  (void)within;
#endif
  std::memcpy(items[0], low, static_cast<std::size_t>(count));
  std::memcpy(items[1], high, static_cast<std::size_t>(count));
  return load_couple(items[0], items[1]);
}
template <class Item>
FASTBLUR_INLINE Vec load_part(const Item* p, std::ptrdiff_t count) {
  if (count == kLanes) return load(p);
  Item items[kLanes] = {};
  std::memcpy(items, p, static_cast<std::size_t>(count) * sizeof(Item));
  return load(items);
}
template <class Item>
FASTBLUR_INLINE void store_part(Item* p, Vec v, std::ptrdiff_t count) {
  Item items[kLanes];
  store(items, v);
  std::memcpy(p, items, static_cast<std::size_t>(count) * sizeof(Item));
}
#endif

}  // namespace
