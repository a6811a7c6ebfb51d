// The last step of every operation: finished float values meet the image, weighted by the mask where there is one.
#pragma once

#include <algorithm>
#include <cmath>

#include "job.h"
#include "rows.h"

namespace {

using fastblur::Ahead;
using fastblur::Arena;
using fastblur::Mask;
using fastblur::Plane;

inline Index smaller(Index a, Index b) { return a < b ? a : b; }
inline Index larger(Index a, Index b) { return a > b ? a : b; }

// Copies `pixels` pixels of a row whose samples do not lie together to or from a dense row.
template <std::size_t bytes>
inline void copy_strided(const std::byte* from, Index from_stride, std::byte* to, Index to_stride, Index count) {
  for (Index i = 0; i < count; ++i) std::memcpy(to + i * to_stride, from + i * from_stride, bytes);
}
template <class Item, class Copy>
inline void for_whole_pixels(const Plane& plane, const Copy& copy) {
  constexpr std::size_t item = sizeof(Item);
  const bool together = plane.channel_stride == static_cast<Index>(item);
  const Index runs = together ? 1 : plane.channels;
  switch (together ? plane.channels : 1) {
    case 1:
      for (Index c = 0; c < runs; ++c) copy(std::integral_constant<std::size_t, item>{}, c);
      break;
    case 2:
      copy(std::integral_constant<std::size_t, 2 * item>{}, 0);
      break;
    case 3:
      copy(std::integral_constant<std::size_t, 3 * item>{}, 0);
      break;
    default:
      copy(std::integral_constant<std::size_t, 4 * item>{}, 0);
  }
}
template <class Item>
inline void gather(const Plane& plane, Index y, Index x, Index pixels, Item* dense) {
  const std::byte* p = plane.row(y) + x * plane.column_stride;
  constexpr Index item = static_cast<Index>(sizeof(Item));
  const Index step = plane.channels * item;
  if (plane.channels == 3 && plane.channel_stride == item && plane.column_stride >= 4 * item && pixels > 1) {
    // Four samples are one move where three are two. The fourth is none of ours, and the next pixel covers it.
    copy_strided<4 * sizeof(Item)>(p, plane.column_stride, reinterpret_cast<std::byte*>(dense), step, pixels - 1);
    p += (pixels - 1) * plane.column_stride;
    dense += (pixels - 1) * 3;
    pixels = 1;
  }
  for_whole_pixels<Item>(plane, [&](auto bytes, Index c) {
    copy_strided<decltype(bytes)::value>(p + c * plane.channel_stride, plane.column_stride,
                                         reinterpret_cast<std::byte*>(dense + c), step, pixels);
  });
}
template <class Item>
inline void scatter(const Plane& plane, Index y, Index x, Index pixels, const Item* dense) {
  std::byte* p = plane.row(y) + x * plane.column_stride;
  const Index step = plane.channels * static_cast<Index>(sizeof(Item));
  for_whole_pixels<Item>(plane, [&](auto bytes, Index c) {
    copy_strided<decltype(bytes)::value>(reinterpret_cast<const std::byte*>(dense + c), step,
                                         p + c * plane.channel_stride, plane.column_stride, pixels);
  });
}

// Writes finished values into rows of the plane.
template <class S>
class Finish {
 public:
  using Item = typename S::Item;

  // At most `rows` rows of `samples` samples are begun before the first of them is put or written.
  Finish(const Plane& plane, const Mask& mask, Index rows, Index samples, const float* pivot, Arena& arena)
      : plane_(plane),
        mask_(mask),
        packed_(plane.packed(sizeof(Item))),
        pivot_(pivot),
        samples_(row_stride<Item>(samples)) {
    if (!mask.everywhere) weights_ = arena.take<float>(padded(samples));
    if (!packed_) dense_ = arena.take<Item>(rows * samples_);
  }

  // Without a mask a kernel need not put its values: it writes the samples from (x, y) on to row(), and says so after.
  bool direct() const { return mask_.everywhere; }
  Item* row(Index y, Index x, Index slot) const {
    return packed_ ? reinterpret_cast<Item*>(plane_.row(y)) + x * plane_.channels : dense_ + slot * samples_;
  }
  void written(Index y, Index x, Index pixels, Index slot) {
    if (!packed_) scatter(plane_, y, x, pixels, dense_ + slot * samples_);
  }
  // A whole row that many rows are alike.
  void copy(Index y, const Item* values) {
    if (packed_)
      std::memcpy(plane_.row(y), values, static_cast<std::size_t>(plane_.width * plane_.channels) * sizeof(Item));
    else
      scatter(plane_, y, 0, plane_.width, values);
  }

  // `values` are the float results of `pixels` pixels from (x, y), with the pivot, where there is one, taken away.
  void put(Index y, Index x, Index pixels, const float* values) {
    const Index length = pixels * plane_.channels;
    const float* pivot = pivot_at<S>(pivot_, x * plane_.channels);
    Item* out = row(y, x, 0);
    if (mask_.everywhere) {
      for (Index at = 0; at < length; at += kLanes) {
        const float* p = pivot_at<S>(pivot, at);
        if (at + kLanes <= length)
          S::write(out + at, load(values + at), p);
        else
          S::write_part(out + at, load(values + at), p, length - at);
      }
    } else {
      mask_row(y, x, pixels);
      if (!packed_) gather(plane_, y, x, pixels, dense_);
      // The pivot comes back before the mixing, so that a weight of zero keeps the pixel and a weight of one the value.
      for (Index at = 0; at < length; at += kLanes) {
        const Index left = smaller(kLanes, length - at);
        const Vec old = left == kLanes ? S::read(out + at, kNoPivot) : S::read_part(out + at, kNoPivot, left);
        const Vec value = pivot != nullptr ? add(load(values + at), load(pivot + at)) : load(values + at);
        const Vec weight = load(weights_ + at), change = sub(value, old);
        const Vec mixed =
            where_half(weight, sub(value, mul(sub(splat(1), weight), change)), add(old, mul(weight, change)));
        if (left == kLanes)
          S::write(out + at, mixed, kNoPivot);
        else
          S::write_part(out + at, mixed, kNoPivot, left);
      }
    }
    written(y, x, pixels, 0);
  }

 private:
  // weights_[i] for each sample. In float64 and in the words of reference.py: an ellipse without a feather is a step.
  void mask_row(Index y, Index x, Index pixels) {
    const Index channels = plane_.channels;
    const double yy = static_cast<double>(y);
    if (mask_.shape == Mask::Shape::rectangle) {
      const double dy = std::fmax(std::fmax(mask_.y1 - yy, yy - (mask_.y2 - 1)), 0.0);
      // All rows between the marked box's top and bottom have the weights of the row before.
      if (dy == masked_dy_ && x == masked_x_ && pixels == masked_pixels_) return;
      masked_dy_ = dy;
      masked_x_ = x;
      masked_pixels_ = pixels;
      // Between the marked box's sides the distance is dy alone: one weight, so only the feathered ends need a root
      // each.
      const auto inside = [&](double edge) {
        return static_cast<Index>(
            std::fmin(std::fmax(edge - static_cast<double>(x), 0.0), static_cast<double>(pixels)));
      };
      const Index left = inside(mask_.x1), right = inside(mask_.x2) < left ? left : inside(mask_.x2);
      const auto slope = [&](Index from, Index to) {
        for (Index i = from; i < to; ++i) {
          const double xx = static_cast<double>(x + i);
          const double dx = std::fmax(std::fmax(mask_.x1 - xx, xx - (mask_.x2 - 1)), 0.0);
          set(i, channels, std::fmax(0.0, 1 - std::sqrt(dx * dx + dy * dy) / (mask_.feather + 1)));
        }
      };
      slope(0, left);
      const float flat = static_cast<float>(std::fmax(0.0, 1 - dy / (mask_.feather + 1)));
      for (Index i = left * channels; i < right * channels; ++i) weights_[i] = flat;
      slope(right, pixels);
    } else {
      const double rx = (mask_.x2 - mask_.x1) / 2, ry = (mask_.y2 - mask_.y1) / 2;
      const double least = rx < ry ? rx : ry;
      const double dy = (yy + 0.5 - (mask_.y1 + mask_.y2) / 2) / ry;
      for (Index i = 0; i < pixels; ++i) {
        const double dx = (static_cast<double>(x + i) + 0.5 - (mask_.x1 + mask_.x2) / 2) / rx;
        const double rho = std::sqrt(dx * dx + dy * dy);
        const double outside = mask_.feather > 0 ? std::fmax(0.0, 1 - (rho - 1) * least / (mask_.feather + 1)) : 0.0;
        set(i, channels, rho <= 1 ? 1.0 : outside);
      }
    }
  }
  void set(Index i, Index channels, double weight) {
    for (Index c = 0; c < channels; ++c) weights_[i * channels + c] = static_cast<float>(weight);
  }

  Plane plane_;
  Mask mask_;
  bool packed_;
  const float* pivot_;
  Index samples_;  // of a row of dense_ and of weights_
  float* weights_ = nullptr;
  double masked_dy_ = 0;  // what weights_ was made for
  Index masked_x_ = 0, masked_pixels_ = 0;
  Item* dense_ = nullptr;  // rows of a plane whose samples do not lie together
};

}  // namespace
