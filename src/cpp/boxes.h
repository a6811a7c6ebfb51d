// From the rows a caller gives to the boxes the kernels see: the one place where a box gets its meaning.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fastblur {

enum class BoxFormat : int { xyxy, xywh, cxcywh };

// A column of per-box values: one for all rows (count == 1) or one per row.
struct Column {
  const double* values = nullptr;
  std::int64_t count = 0;
  bool relative = false;  // a fraction of the box's longer side
  double at(std::int64_t row, double side) const { return values[count == 1 ? 0 : row] * (relative ? side : 1.0); }
};

struct Rows {
  const double* coordinates;      // four of each row
  const double* image_index;      // one of each row, or null: all belong to image 0
  std::int64_t step, index_step;  // from one row to the next
  std::int64_t count;
  bool per_image;  // the caller gave the rows image by image, and knows them so
  const double* at(std::int64_t row) const { return coordinates + row * step; }
  double image(std::int64_t row) const { return image_index[row * index_step]; }
};

struct Box {
  std::int32_t image, row;
  std::int32_t feather;     // f = ceil(feather)
  std::int32_t working[4];  // x1, y1, x2, y2, clipped to the image
  double marked[4];         // x1, y1, x2, y2 after margin and outward rounding; may leave the image
  double strength;          // sigma or block size, in pixels
};

// What is left to do, in row order: rows that do nothing are not in it.
using Boxes = std::vector<Box>;

// Cells of a mosaic along a side of so many pixels: as many of at least ceil(block) pixels as fit, and at least one.
std::int64_t cells_along(std::int64_t length, double block);

// A box's level is above that of every earlier box of its image that it overlaps: boxes of one level may be done in
// any order. Where an image has many boxes they are compared through a grid, and those that share a cell count as
// overlapping.
std::vector<std::int32_t> overlap_levels(const Boxes& boxes);

// Raises std::invalid_argument that names the row. `sizes` is (images, 2): height, width.
Boxes resolve_boxes(const Rows& rows, BoxFormat format, const std::int64_t* sizes, std::int64_t images,
                    const Column& margin, const Column& feather, const Column& strength);

}  // namespace fastblur
