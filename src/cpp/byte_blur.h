// The direct Gaussian of small sigmas for bytes, in 16-bit fixed point: twice the lanes of float32, and half the
// multiplications, since neighbours at the same distance are added first. Rows are filtered along x as they are read,
// into a ring of rows, and along y on their way out.
//
// A value is in 1/128 level. A product keeps its upper 16 bits: (a + b) 2^7 w 2^16 / 2^16, cut off below, which loses
// half a unit on average for each of the radius + 1 products; half of radius + 1 is added back. So each pass errs by at
// most (radius + 1) / 256 level, 0.04 at the largest radius in use, and a constant stays itself.
#pragma once

#include "finish.h"

namespace {

using fastblur::Axis;
using fastblur::BlurJob;

class ByteBlur {
 public:
  ByteBlur(const BlurJob& job, Arena& arena)
      : job_(job),
        plane_(job.plane),
        ahead_(*job.ahead),
        axis_(*job.vertical),
        radius_(axis_.bytes.radius),
        border_(radius_ * plane_.channels),
        length_(plane_.width * plane_.channels),
        packed_(plane_.packed(1)),
        slots_(2 * radius_ + kRows),
        stride_(row_stride<std::uint16_t>(padded(length_, kWordLanes))),
        finish_(plane_, job.mask, kRows, padded(length_, kWordLanes), nullptr, arena) {
    ring_ = arena.take<std::uint16_t>(slots_ * stride_);
    pixels_ = arena.take<std::uint8_t>(2 * border_ + padded(length_, kWordLanes));
    window_ = arena.take<const std::uint16_t*>(2 * radius_ + kRows);
    splats_ = arena.take<std::uint16_t>((radius_ + 1) * kWordLanes);
    if (splats_ != nullptr)
      for (Index t = 0; t <= radius_; ++t)
        store_words(splats_ + t * kWordLanes, splat_word(axis_.bytes.weights[static_cast<std::size_t>(t)]));
    fold_ = arena.take<Index>(2 * border_);
    if (fold_ != nullptr)
      for (Index i = 0; i < radius_; ++i) {
        const Index channels = plane_.channels;
        const Index before = fastblur::border_index(i - radius_, plane_.width, axis_.border) * channels;
        const Index after = fastblur::border_index(plane_.width + i, plane_.width, axis_.border) * channels;
        for (Index c = 0; c < channels; ++c) {
          fold_[i * channels + c] = before + c;
          fold_[border_ + i * channels + c] = after + c;
        }
      }
    if (!finish_.direct()) values_ = arena.take<float>(kRows * padded(length_, kWordLanes));
  }

  // The rows [begin, end), filtered along x, for bands that others overwrite. `stride` is in floats, as of other nodes.
  void nodes(Index begin, Index end, float* rows, Index stride) {
    for (Index y = begin; y < end; ++y) along_x(y, reinterpret_cast<std::uint16_t*>(rows + (y - begin) * stride));
  }

  void band(Index begin, Index end) {
    next_ = larger(begin - radius_, 0);
    for (Index y = begin; y < end; y += kRows) {
      const Index rows = smaller(kRows, end - y);
      for (Index j = 0; j < rows + 2 * radius_; ++j)
        window_[j] = filtered_row(fastblur::border_index(y - radius_ + j, plane_.height, axis_.border));
      along_y(y, rows);
      ahead_.some(2 * rows);
    }
  }

 private:
  static constexpr Index kRows = 8;  // filtered at a time along y, so that what they share of the window is in L1
  static constexpr int kVectors = 4;

  // Row y, filtered along x. Those of a band are met in turn, but for the ones beyond the box's edges, which the ring
  // still holds.
  const std::uint16_t* filtered_row(Index y) {
    const std::uint16_t* stored = stored_row(y);
    if (stored != nullptr) return stored;
    for (; next_ <= y; ++next_)
      if (stored_row(next_) == nullptr) along_x(next_, ring_ + next_ % slots_ * stride_);
    return ring_ + y % slots_ * stride_;
  }
  const std::uint16_t* stored_row(Index y) const { return reinterpret_cast<const std::uint16_t*>(job_.stored_row(y)); }

  void along_x(Index y, std::uint16_t* out) {
    std::uint8_t* pixels = pixels_ + border_;
    if (packed_)
      std::memcpy(pixels, plane_.row(y), static_cast<std::size_t>(length_));
    else
      finish_.gather(y, 0, plane_.width, pixels);
    for (Index i = 0; i < border_; ++i) {
      pixels[i - border_] = pixels[fold_[i]];
      pixels[length_ + i] = pixels[fold_[border_ + i]];
    }
    const Index channels = plane_.channels;
    sweep_whole<kVectors, kWordLanes>(length_, [&](Index at, auto vectors) FASTBLUR_INLINE_LAMBDA {
      constexpr int n = decltype(vectors)::value;
      Words sum[n];
      filter<true>(sum, [&](Index t, int u)
                            FASTBLUR_INLINE_LAMBDA { return load_words(pixels + at + u * kWordLanes + t * channels); });
      each<n>([&](auto u) FASTBLUR_INLINE_LAMBDA { store_words(out + at + u * kWordLanes, sum[u]); });
    });
    ahead_.some(2);
  }

  // The rows [y, y + rows) along y, from the window, and out.
  void along_y(Index y, Index rows) {
    const auto sums = [&](auto vectors, const auto& place, const auto& write) FASTBLUR_INLINE_LAMBDA {
      constexpr int n = decltype(vectors)::value;
      for (Index r = 0; r < rows; ++r) {
        const std::uint16_t* const* centre = window_ + r + radius_;
        Words sum[n];
        filter<false>(sum, [&](Index t, int u) FASTBLUR_INLINE_LAMBDA { return load_words(centre[t] + place(u)); });
        each<n>([&](auto u) FASTBLUR_INLINE_LAMBDA { write(r, place(u), sum[u]); });
      }
    };
    if (!finish_.direct()) {
      const Index stride = padded(length_, kWordLanes);
      const auto put = [&](Index r, Index x, Words v)
                           FASTBLUR_INLINE_LAMBDA { store_levels(values_ + r * stride + x, v, 0); };
      sweep_within<kVectors, kWordLanes>(
          length_, sums, put, [&](Index r, Index x, Words v, Index) FASTBLUR_INLINE_LAMBDA { put(r, x, v); });
      for (Index r = 0; r < rows; ++r) finish_.put(y + r, 0, plane_.width, values_ + r * stride);
      return;
    }
    std::uint8_t* out[kRows];
    for (Index r = 0; r < rows; ++r) out[r] = finish_.row(y + r, 0, r);
    const auto level = [](Words v) FASTBLUR_INLINE_LAMBDA { return shift_right<7>(add_words(v, splat_word(64))); };
    sweep_within<kVectors, kWordLanes>(
        length_, sums, [&](Index r, Index x, Words v) FASTBLUR_INLINE_LAMBDA { store_words(out[r] + x, level(v)); },
        [&](Index r, Index x, Words v, Index samples)
            FASTBLUR_INLINE_LAMBDA { store_words_part(out[r] + x, level(v), samples); });
    for (Index r = 0; r < rows; ++r) finish_.written(y + r, 0, plane_.width, r);
  }

  // Sums over the kernel of what `input(t, u)` gives vector u at distance t, in 1/128 level. Pixels are in levels.
  template <bool pixels, int n, class Input>
  FASTBLUR_INLINE void filter(Words (&sum)[n], const Input& input) const {
    const auto scaled = [](Words v) FASTBLUR_INLINE_LAMBDA {
      if constexpr (pixels)
        return shift_left<7>(v);
      else
        return v;
    };
    const Words lost = splat_word(static_cast<std::uint16_t>((radius_ + 1) / 2)), middle = load_words(splats_);
    each<n>([&](auto u)
                FASTBLUR_INLINE_LAMBDA { sum[u] = add_words(high_product(scaled(input(0, u)), middle), lost); });
    for (Index t = 1; t <= radius_; ++t) {
      const Words w = load_words(splats_ + t * kWordLanes);
      each<n>([&](auto u) FASTBLUR_INLINE_LAMBDA {
        sum[u] = add_words(sum[u], high_product(scaled(add_words(input(-t, u), input(t, u))), w));
      });
    }
  }

  const BlurJob& job_;
  Plane plane_;
  Ahead& ahead_;
  const Axis& axis_;
  Index radius_, border_, length_;
  bool packed_;
  Index slots_, stride_;  // rows of the ring, and from one to the next
  Finish<U8> finish_;

  std::uint16_t* ring_ = nullptr;           // rows filtered along x, while a window needs them
  std::uint8_t* pixels_ = nullptr;          // a row of the image, continued beyond its ends
  const std::uint16_t** window_ = nullptr;  // the rows of the ring, or stored, that outputs read
  std::uint16_t* splats_ = nullptr;         // each weight, as a vector
  Index* fold_ = nullptr;                   // the samples that continue a row before its start and after its end
  float* values_ = nullptr;                 // finished rows on their way to a mask
  Index next_ = 0;                          // row to be filtered along x
};

}  // namespace
