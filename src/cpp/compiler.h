// What compilers spell differently.
#pragma once

// Inlined wherever it is called, so that no copy of it that was compiled for one instruction set is ever linked into
// the code of another.
// FASTBLUR_INLINE_LAMBDA, after a lambda's parameters, does the same: one that the compiler leaves a function of its
// own reads every captured variable through a pointer, in the innermost loop.
// FASTBLUR_NOT_UNROLLED, before a loop of few turns, has it stay one.
#if defined(__GNUC__) || defined(__clang__)
#define FASTBLUR_INLINE inline __attribute__((always_inline))
#define FASTBLUR_INLINE_LAMBDA __attribute__((always_inline))
#define FASTBLUR_RESTRICT __restrict__
#if defined(__clang__)
#define FASTBLUR_NOT_UNROLLED _Pragma("nounroll")
#else
#define FASTBLUR_NOT_UNROLLED _Pragma("GCC unroll 1")
#endif
#else
#define FASTBLUR_INLINE __forceinline
#define FASTBLUR_INLINE_LAMBDA
#define FASTBLUR_RESTRICT __restrict
#define FASTBLUR_NOT_UNROLLED
#endif
