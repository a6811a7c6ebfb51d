// What the driver hands to a kernel: one box of one plane, and how the thread that runs it gets its memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gaussian.h"
#include "image.h"
#include "prefetch.h"

namespace fastblur {

// Hands out parts of one block. Beyond its end it only counts, so that the same layout code sizes the block.
class Arena {
 public:
  Arena(std::byte* base, std::size_t size) : base_(base), size_(size) {}
  // Null where the block has no room for it.
  template <class T>
  T* take(Index count) {
    const std::size_t at = used_;
    used_ += (static_cast<std::size_t>(count) * sizeof(T) + 63) / 64 * 64;
    return fits() ? reinterpret_cast<T*>(base_ + at) : nullptr;
  }
  std::size_t used() const { return used_; }
  bool fits() const { return used_ <= size_; }

 private:
  std::byte* base_;
  std::size_t size_, used_ = 0;
};

// How much of the obfuscated pixel replaces the original, where that is not all of it everywhere.
struct Mask {
  enum class Shape : int { rectangle, ellipse } shape = Shape::rectangle;
  bool everywhere = true;                 // weight one in the whole working box: no mask
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;  // the marked box, in the plane's own coordinates
  double feather = 0;                     // f
};

// Node rows that were computed before any pixel is written: where two bands of one box read each other's pixels, or
// for the whole of a box whose few nodes are shared out among the threads.
struct StoredNodes {
  Index begin = 0, end = 0;
  float* rows = nullptr;
  Index stride = 0;
};

struct BlurJob {
  Plane plane;
  Mask mask;
  const Axis* vertical;
  const Axis* horizontal;
  const StoredNodes* stored;
  Index stored_count;
  bool bytes;  // in 16-bit fixed point: see byte_blur.h
  Ahead* ahead;

  // Node row k where it was computed before any pixel was written, else null.
  const float* stored_row(Index k) const {
    for (const StoredNodes* s = stored; s != stored + stored_count; ++s)
      if (k >= s->begin && k < s->end) return s->rows + (k - s->begin) * s->stride;
    return nullptr;
  }
};

struct MosaicJob {
  Plane plane;
  Mask mask;
  Index rows, columns;  // of cells
  bool mirrored;        // columns count from the right
  Ahead* ahead;
};

struct FillJob {
  Plane plane;
  Mask mask;
  const std::byte* value;  // one item per channel, in the image's dtype
  Ahead* ahead;
};

// The entry points of one instruction set. Each takes its scratch memory from the arena, and does nothing if it does
// not fit: then the arena tells how much was wanted.
struct Kernels {
  const char* name;
  void (*blur)(Dtype, const BlurJob&, Index begin, Index end, Arena&);  // pixel rows [begin, end)
  void (*blur_nodes)(Dtype, const BlurJob&, Index begin, Index end, float* rows, Index stride, Arena&);
  void (*mosaic)(Dtype, const MosaicJob&, Index begin, Index end, Arena&);  // cell rows [begin, end)
  void (*fill)(Dtype, const FillJob&, Index begin, Index end, Arena&);      // pixel rows [begin, end)
};

}  // namespace fastblur
