// Asking for memory before it is needed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "compiler.h"

#if defined(_M_X64)
#include <immintrin.h>
#endif

namespace fastblur {

constexpr std::ptrdiff_t kLine = 64;       // bytes of a cache line
constexpr std::ptrdiff_t kRowsAhead = 16;  // pixel rows between what is read and what is asked for

// Asks for the line at `p`, which may lie anywhere, so that it is near when it is read.
FASTBLUR_INLINE void prefetch(std::uintptr_t p) {
#if defined(__GNUC__) || defined(__clang__)
  __builtin_prefetch(reinterpret_cast<const void*>(p));
#elif defined(_M_X64)
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0);
#else
  (void)p;
#endif
}

// Asks for the lines of so many bytes from `p` on.
FASTBLUR_INLINE void prefetch(std::uintptr_t p, std::ptrdiff_t bytes) {
  for (std::ptrdiff_t at = 0; at < bytes; at += kLine) prefetch(p + static_cast<std::uintptr_t>(at));
  prefetch(p + static_cast<std::uintptr_t>(bytes - 1));
}

// What is worked on next, asked for a little at a time, so that it arrives while what comes before it is worked on. All
// at once would only make that one wait: a processor keeps track of a few dozen requests.
class Ahead {
 public:
  Ahead() = default;
  // `rows` rows of `extent` bytes from `first`, its lowest address, `stride` bytes apart.
  Ahead(const std::byte* first, std::ptrdiff_t rows, std::ptrdiff_t stride, std::ptrdiff_t extent)
      : row_(reinterpret_cast<std::uintptr_t>(first)),
        stride_(static_cast<std::uintptr_t>(stride)),
        extent_(static_cast<std::uintptr_t>(extent)),
        rows_(rows),
        line_(row_) {}

  // A line for each of so many rows that are being worked on.
  FASTBLUR_INLINE void some(std::ptrdiff_t rows) {
    for (; rows > 0 && rows_ > 0; --rows) {
      prefetch(line_);
      line_ = (line_ & ~static_cast<std::uintptr_t>(kLine - 1)) + kLine;
      if (line_ < row_ + extent_) continue;
      line_ = row_ += stride_;
      --rows_;
    }
  }

 private:
  std::uintptr_t row_ = 0, stride_ = 0, extent_ = 0;
  std::ptrdiff_t rows_ = 0;  // still to be asked for
  std::uintptr_t line_ = 0;
};

}  // namespace fastblur
