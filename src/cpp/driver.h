// From boxes to work for threads: which boxes may run together, how large ones are split, and in what memory.
#pragma once

#include <vector>

#include "boxes.h"
#include "job.h"

namespace fastblur {

// Boxes are applied to `images` in their order, in place; a pixel in several of them passes through each. The result
// does not depend on `threads`. std::bad_alloc is the only exception.
void blur(const std::vector<Image>& images, const Boxes& boxes, Mask::Shape shape,
          const std::vector<std::int64_t>& radii,  // one per box, or one for all; -1: as sigma says
          Border border, bool direct, int threads);
void pixelate(const std::vector<Image>& images, const Boxes& boxes, Mask::Shape shape, int threads);
// `values[i]` points at one item per channel of image i, in its dtype.
void fill(const std::vector<Image>& images, const Boxes& boxes, Mask::Shape shape,
          const std::vector<const std::byte*>& values, int threads);

}  // namespace fastblur
