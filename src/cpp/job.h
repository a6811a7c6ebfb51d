// What the driver hands to a kernel: one box of one plane, and how the thread that runs it gets its memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gaussian.h"
#include "image.h"
#include "prefetch.h"

namespace fastblur {

// Hands out parts of one block. With a null base it only counts, so that the same layout code sizes the block.
class Arena {
 public:
  explicit Arena(std::byte* base = nullptr) : base_(base) {}
  template <class T>
  T* take(Index count) {
    const std::size_t at = used_;
    used_ += (static_cast<std::size_t>(count) * sizeof(T) + 63) / 64 * 64;
    return base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + at);
  }
  std::size_t used() const { return used_; }

 private:
  std::byte* base_;
  std::size_t used_ = 0;
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

// The entry points of one instruction set. Each job runs in memory that `*_scratch` has sized.
struct Kernels {
  const char* name;
  std::size_t (*blur_scratch)(Dtype, const BlurJob&);
  void (*blur)(Dtype, const BlurJob&, Index begin, Index end, std::byte* scratch);  // pixel rows [begin, end)
  void (*blur_nodes)(Dtype, const BlurJob&, Index begin, Index end, float* rows, Index stride, std::byte* scratch);
  std::size_t (*mosaic_scratch)(Dtype, const MosaicJob&);
  void (*mosaic)(Dtype, const MosaicJob&, Index begin, Index end, std::byte* scratch);  // cell rows [begin, end)
  std::size_t (*fill_scratch)(Dtype, const FillJob&);
  void (*fill)(Dtype, const FillJob&, Index begin, Index end, std::byte* scratch);  // pixel rows [begin, end)
};

}  // namespace fastblur
