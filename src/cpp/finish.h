// The last step of every operation: finished float values meet the image, weighted by the mask where there is one.
#pragma once

#include <algorithm>
#include <cmath>

#include "job.h"
#include "strided.h"

namespace {

using fastblur::Ahead;
using fastblur::Arena;
using fastblur::Mask;
using fastblur::Plane;

// Writes finished values into rows of the plane.
template <class S>
class Finish {
 public:
  using Item = typename S::Item;

  // At most `rows` rows of `samples` samples are begun before the first of them is put or written.
  Finish(const Plane& plane, const Mask& mask, Index rows, Index samples, const float* pivot, Arena& arena)
      : plane_(plane),
        strided_(plane),
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
    if (!packed_) strided_.scatter(y, x, pixels, dense_ + slot * samples_);
  }
  // `pixels` pixels from (x, y) of a plane whose samples do not lie together, as they are now.
  void gather(Index y, Index x, Index pixels, Item* dense) const { strided_.gather(y, x, pixels, dense); }
  // A whole row that many rows are alike.
  void copy(Index y, const Item* values) {
    if (packed_)
      std::memcpy(plane_.row(y), values, static_cast<std::size_t>(plane_.width * plane_.channels) * sizeof(Item));
    else
      strided_.scatter(y, 0, plane_.width, values);
  }

  // `values` are the float results of `pixels` pixels from (x, y), with the pivot, where there is one, taken away.
  void put(Index y, Index x, Index pixels, const float* values) {
    const Index length = pixels * plane_.channels;
    const float* pivot = pivot_at<S>(pivot_, x * plane_.channels);
    Item* out = row(y, x, 0);
    if (mask_.everywhere) {
      sweep_within<1, kLanes>(
          length,
          [&](auto, const auto& place, const auto& write)
              FASTBLUR_INLINE_LAMBDA { write(0, place(0), load(values + place(0))); },
          [&](Index, Index at, Vec v) FASTBLUR_INLINE_LAMBDA { S::write(out + at, v, pivot_at<S>(pivot, at)); },
          [&](Index, Index at, Vec v, Index samples)
              FASTBLUR_INLINE_LAMBDA { S::write_part(out + at, v, pivot_at<S>(pivot, at), samples); });
    } else {
      mask_row(y, x, pixels);
      if (!packed_) gather(y, x, pixels, dense_);
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
  Strided<Item> strided_;
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
