#include "boxes.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <stdexcept>

namespace fastblur {
namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  double parsed = 0;
  char brief[32];
  for (int digits = 6; digits < 17; ++digits) {  // the shortest form that reads back as the same value
    std::snprintf(brief, sizeof brief, "%.*g", digits, value);
    if (std::sscanf(brief, "%lf", &parsed) == 1 && parsed == value) return brief;
  }
  return text;
}

[[noreturn]] void refuse(const Rows& rows, std::int64_t row, const std::string& why) {
  std::string place = "row " + std::to_string(row);
  if (rows.per_image) {  // rows of one image follow one another
    std::int64_t first = row;
    while (first > 0 && rows.image(first - 1) == rows.image(row)) --first;
    place = "image " + number(rows.image(row)) + ", row " + std::to_string(row - first);
  }
  const double* c = rows.at(row);
  throw std::invalid_argument("boxes: " + place + " [" + number(c[0]) + ", " + number(c[1]) + ", " + number(c[2]) +
                              ", " + number(c[3]) + "] " + why);
}

}  // namespace

Boxes resolve_boxes(const Rows& rows, BoxFormat format, const std::int64_t* sizes, std::int64_t images,
                    const Column& margin, const Column& feather, const Column& strength) {
  Boxes boxes;
  boxes.reserve(static_cast<std::size_t>(rows.count));
  for (std::int64_t row = 0; row < rows.count; ++row) {
    const double* c = rows.at(row);
    double x1 = c[0], y1 = c[1], x2 = c[2], y2 = c[3];
    if (!(std::isfinite(x1) && std::isfinite(y1) && std::isfinite(x2) && std::isfinite(y2)))
      refuse(rows, row, "holds NaN or infinity; coordinates must be finite");
    if (format != BoxFormat::xyxy) {
      const double width = x2, height = y2;
      if (format == BoxFormat::cxcywh) {
        x1 -= 0.5 * width;
        y1 -= 0.5 * height;
      }
      x2 = x1 + width;
      y2 = y1 + height;
      if (!(std::isfinite(x1) && std::isfinite(y1) && std::isfinite(x2) && std::isfinite(y2)))
        refuse(rows, row, "has corners beyond the range of float64; coordinates must be finite");
    }
    const double width = x2 - x1, height = y2 - y1;
    if (x2 < x1 || y2 < y1)
      refuse(rows, row, format == BoxFormat::xyxy ? "has x2 < x1 or y2 < y1" : "has a negative width or height");

    std::int64_t image = 0;
    if (rows.image_index != nullptr) {
      const double index = rows.image(row);
      if (!(std::floor(index) == index))
        refuse(rows, row, "names image " + number(index) + "; an image index must be a whole number");
      if (!(index >= 0 && index < static_cast<double>(images)))
        refuse(rows, row, "names image " + number(index) + "; the batch has images 0 to " + std::to_string(images - 1));
      image = static_cast<std::int64_t>(index);
    }
    if (!(width > 0 && height > 0)) continue;

    // The contract: side is taken before the margin; grow, round outward, add the feather, clip.
    const double side = std::max(width, height);
    const double grow = margin.at(row, side);
    const double f = std::ceil(feather.at(row, side));
    const double amount = strength.count != 0 ? strength.at(row, side) : 0.0;
    const double mx1 = std::floor(x1 - grow), my1 = std::floor(y1 - grow);
    const double mx2 = std::ceil(x2 + grow), my2 = std::ceil(y2 + grow);
    const double image_height = static_cast<double>(sizes[2 * image]);
    const double image_width = static_cast<double>(sizes[2 * image + 1]);
    const double wx1 = std::max(mx1 - f, 0.0), wy1 = std::max(my1 - f, 0.0);
    const double wx2 = std::min(mx2 + f, image_width), wy2 = std::min(my2 + f, image_height);
    if (!(wx1 < wx2 && wy1 < wy2)) continue;

    const auto whole = [](auto v) { return static_cast<std::int32_t>(v); };
    boxes.push_back({whole(image),
                     whole(row),
                     whole(std::min(f, 2147483647.0)),
                     {whole(wx1), whole(wy1), whole(wx2), whole(wy2)},
                     {mx1, my1, mx2, my2},
                     amount});
  }
  return boxes;
}

std::int64_t cells_along(std::int64_t length, double block) {
  const double least = std::max(1.0, std::ceil(block));
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(length) / least));
}

std::vector<std::int32_t> overlap_levels(const Boxes& boxes) {
  constexpr std::size_t kFew = 256;
  constexpr std::int32_t kCells = 64;  // of the grid, along each axis
  std::vector<std::int32_t> level(boxes.size(), 0);
  if (boxes.empty()) return level;
  // The boxes image by image: those of image i are order[begin[i]] .. order[begin[i + 1] - 1].
  std::size_t images = 0;
  for (const Box& box : boxes) images = std::max(images, static_cast<std::size_t>(box.image) + 1);
  std::vector<std::size_t> begin(images + 1, 0);
  for (const Box& box : boxes) ++begin[static_cast<std::size_t>(box.image) + 1];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<std::size_t> order(boxes.size());
  std::vector<std::size_t> next_box(begin.begin(), begin.end() - 1);
  for (std::size_t i = 0; i < boxes.size(); ++i) order[next_box[static_cast<std::size_t>(boxes[i].image)]++] = i;

  for (std::size_t of_image = 0; of_image + 1 < begin.size(); ++of_image) {
    const std::size_t* const first = &order[0] + begin[of_image];
    const std::size_t* const last = &order[0] + begin[of_image + 1];
    const auto members = static_cast<std::size_t>(last - first);
    if (members <= kFew) {
      // All pairs, without a branch, over arrays that the compiler can take several of at once.
      std::int32_t x1[kFew], y1[kFew], x2[kFew], y2[kFew], above[kFew];
      for (std::size_t i = 0; i < members; ++i) {
        const std::int32_t* w = boxes[first[i]].working;
        x1[i] = w[0], y1[i] = w[1], x2[i] = w[2], y2[i] = w[3];
        std::int32_t own = 0;
        for (std::size_t j = 0; j < i; ++j) {
          const bool meet = (w[0] < x2[j]) & (x1[j] < w[2]) & (w[1] < y2[j]) & (y1[j] < w[3]);
          own = std::max(own, meet ? above[j] : 0);
        }
        above[i] = own + 1;
        level[first[i]] = own;
      }
      continue;
    }
    std::int32_t right = 1, bottom = 1;
    for (const std::size_t* i = first; i != last; ++i) {
      right = std::max(right, boxes[*i].working[2]);
      bottom = std::max(bottom, boxes[*i].working[3]);
    }
    const std::int32_t width = (right - 1) / kCells + 1, height = (bottom - 1) / kCells + 1;
    std::vector<std::int32_t> next(kCells * kCells, 0);  // the level that the next box in a cell gets
    for (const std::size_t* i = first; i != last; ++i) {
      const std::int32_t* w = boxes[*i].working;
      const std::int32_t left = w[0] / width, end_x = (w[2] - 1) / width;
      const std::int32_t top = w[1] / height, end_y = (w[3] - 1) / height;
      std::int32_t own = 0;
      for (std::int32_t y = top; y <= end_y; ++y)
        for (std::int32_t x = left; x <= end_x; ++x)
          own = std::max(own, next[static_cast<std::size_t>(y * kCells + x)]);
      for (std::int32_t y = top; y <= end_y; ++y)
        for (std::int32_t x = left; x <= end_x; ++x) next[static_cast<std::size_t>(y * kCells + x)] = own + 1;
      level[*i] = own;
    }
  }
  return level;
}

}  // namespace fastblur
