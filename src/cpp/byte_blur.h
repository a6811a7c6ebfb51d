// The direct Gaussian of small sigmas for bytes, in 16-bit fixed point: twice the lanes of float32, and half the
// multiplications, since neighbours at the same distance are added first.
//
// A value is in 1/128 level. A product keeps its upper 16 bits: (a + b) 2^7 w 2^16 / 2^16, cut off below, which loses
// half a unit on average for each of the radius + 1 products; half of radius + 1 is added back. So each pass errs by at
// most (radius + 1) / 256 level, 0.04 at the largest radius in use, and a constant stays itself.
#pragma once

#include "finish.h"

namespace {

using fastblur::Axis;
using fastblur::BlurJob;
using fastblur::StoredNodes;

// Where in a row each of n vectors starts.
template <int n>
struct Places {
  static constexpr int size = n;
  Index start[n];
  Index operator[](int u) const { return start[u]; }
};

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
        narrow_(length_ < kWordLanes),
        readable_(packed_ && !narrow_),
        stride_((length_ + kWidest + 63) / 64 * 64),
        finish_(plane_, job.mask, 1, stride_, nullptr, arena) {
    slots_ = readable_ ? radius_ + kRows : 2 * radius_ + 2 * kRows;
    saved_ = arena.take<std::uint8_t>(slots_ * stride_);
    rows_ = arena.take<std::uint16_t>(kRows * (stride_ + 2 * border_));
    window_ = arena.take<const std::uint8_t*>(2 * radius_ + kRows);
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
    if (!finish_.direct()) values_ = arena.take<float>(padded(stride_));
  }

  // The pixel rows [begin, end) as they are, for bands that others overwrite. `stride` is in floats, as of other nodes.
  void nodes(Index begin, Index end, float* rows, Index stride) const {
    for (Index y = begin; y < end; ++y) copy_row(y, reinterpret_cast<std::uint8_t*>(rows + (y - begin) * stride));
  }

  void band(Index begin, Index end) {
    held_ = begin;
    for (Index y = begin; y < end; y += kRows) {
      const Index stop = smaller(y + kRows, end);
      vertical(y, stop);
      // Their originals are needed until the window has left them behind.
      for (Index r = y; r < stop; ++r) {
        save(r);
        ahead_.some(2);
      }
      for (Index r = y; r < stop; ++r) {
        horizontal(r, row(r - y));
        ahead_.some(2);
      }
    }
  }

 private:
  static constexpr Index kRows = 8;     // filtered at a time, so that what they share of the window is in L1
  static constexpr Index kWidest = 64;  // words of padding, so that rows of scratch are read in whole vectors

  std::uint16_t* row(Index i) const { return rows_ + i * (stride_ + 2 * border_) + border_; }

  void copy_row(Index y, std::uint8_t* out) const {
    const auto* row = reinterpret_cast<const std::uint8_t*>(plane_.row(y));
    if (packed_ && narrow_)
      store_words(out, load_words_part(row, length_));
    else if (packed_)
      std::memcpy(out, row, static_cast<std::size_t>(length_));
    else
      finish_.gather(y, 0, plane_.width, out);
  }
  void save(Index y) {
    if (y < held_) return;
    copy_row(y, saved_ + y % slots_ * stride_);
    held_ = y + 1;
  }

  // Row y as it was before this call, of which whole vectors can be read; `first` is the first not yet overwritten.
  const std::uint8_t* original(Index y, Index first) {
    for (Index i = 0; i < job_.stored_count; ++i) {
      const StoredNodes& s = job_.stored[i];
      if (y >= s.begin && y < s.end) return reinterpret_cast<const std::uint8_t*>(s.rows + (y - s.begin) * s.stride);
    }
    if (readable_ && y >= first) return reinterpret_cast<const std::uint8_t*>(plane_.row(y));
    while (held_ <= y) save(held_);
    return saved_ + y % slots_ * stride_;
  }

  // Rows [begin, end), filtered along y, into rows_.
  void vertical(Index begin, Index end) {
    const Index count = end - begin + 2 * radius_;
    for (Index j = 0; j < count; ++j)
      window_[j] = original(fastblur::border_index(begin - radius_ + j, plane_.height, axis_.border), begin);
    sweep_words([&](const auto& at) FASTBLUR_INLINE_LAMBDA {
      constexpr int n = std::decay_t<decltype(at)>::size;
      for (Index r = 0; r < end - begin; ++r) {
        const std::uint8_t* const* centre = window_ + r + radius_;
        Words sum[n];
        filtered<n, true>(sum, [&](Index t, int u) FASTBLUR_INLINE_LAMBDA { return load_words(centre[t] + at[u]); });
        each<n>([&](auto u) FASTBLUR_INLINE_LAMBDA { store_words(row(r) + at[u], sum[u]); });
      }
    });
  }

  // One row along x, and out.
  void horizontal(Index y, std::uint16_t* values) {
    const Index channels = plane_.channels;
    for (Index i = 0; i < border_; ++i) {
      values[i - border_] = values[fold_[i]];
      values[length_ + i] = values[fold_[border_ + i]];
    }
    const auto sums = [&](const auto& at, Words* sum) FASTBLUR_INLINE_LAMBDA {
      constexpr int n = std::decay_t<decltype(at)>::size;
      filtered<n, false>(
          sum, [&](Index t, int u) FASTBLUR_INLINE_LAMBDA { return load_words(values + at[u] + t * channels); });
    };
    const auto level = [](Words v) FASTBLUR_INLINE_LAMBDA { return shift_right<7>(add_words(v, splat_word(64))); };
    if (!finish_.direct()) {
      sweep_words([&](const auto& at) FASTBLUR_INLINE_LAMBDA {
        constexpr int n = std::decay_t<decltype(at)>::size;
        Words sum[n];
        sums(at, sum);
        each<n>([&](auto u) FASTBLUR_INLINE_LAMBDA { store_levels(values_ + at[u], sum[u], 0); });
      });
      finish_.put(y, 0, plane_.width, values_);
    } else if (narrow_) {
      Words sum[1];
      sums(Places<1>{{0}}, sum);
      store_words_part(finish_.row(y, 0, 0), level(sum[0]), length_);
      finish_.written(y, 0, plane_.width, 0);
    } else {
      std::uint8_t* out = finish_.row(y, 0, 0);
      sweep_words([&](const auto& at) FASTBLUR_INLINE_LAMBDA {
        constexpr int n = std::decay_t<decltype(at)>::size;
        Words sum[n];
        sums(at, sum);
        each<n>([&](auto u) FASTBLUR_INLINE_LAMBDA { store_words(out + at[u], level(sum[u])); });
      });
      finish_.written(y, 0, plane_.width, 0);
    }
  }

  // body(places) for vectors that cover the row, four at a time. Where only the row itself can be read, the last one
  // ends with it and overlaps the one before; else it goes on beyond.
  template <class Body>
  FASTBLUR_INLINE void sweep_words(const Body& body) const {
    const Index last = readable_ ? length_ - kWordLanes : length_;
    const auto place = [&](Index at) { return at < last ? at : last; };
    Index at = 0;
    for (; at + 3 * kWordLanes < length_; at += 4 * kWordLanes)
      body(Places<4>{{at, at + kWordLanes, at + 2 * kWordLanes, place(at + 3 * kWordLanes)}});
    if (at + 2 * kWordLanes < length_)
      body(Places<3>{{at, at + kWordLanes, place(at + 2 * kWordLanes)}});
    else if (at + kWordLanes < length_)
      body(Places<2>{{at, place(at + kWordLanes)}});
    else if (at < length_)
      body(Places<1>{{place(at)}});
  }

  // Sums over the kernel of what `input(t, u)` gives vector u at distance t, in 1/128 level. Pixels are in levels.
  template <int n, bool pixels, class Input>
  FASTBLUR_INLINE void filtered(Words* sum, const Input& input) const {
    const auto scaled = [](Words v) FASTBLUR_INLINE_LAMBDA {
      if constexpr (pixels)
        return shift_left<7>(v);
      else
        return v;
    };
    const Words lost = splat_word(static_cast<std::uint16_t>((radius_ + 1) / 2));
    each<n>([&](auto u) FASTBLUR_INLINE_LAMBDA {
      sum[u] = add_words(high_product(scaled(input(0, u)), load_words(splats_)), lost);
    });
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
  bool narrow_;    // a row is less than a vector
  bool readable_;  // rows can be read where they lie in the image, as whole vectors
  Index stride_;   // of a row of scratch
  Finish<U8> finish_;

  Index slots_ = 0;
  std::uint8_t* saved_ = nullptr;          // a ring of original rows
  std::uint16_t* rows_ = nullptr;          // kRows rows, filtered along y, with room for the border on both sides
  const std::uint8_t** window_ = nullptr;  // the original rows that they come from
  std::uint16_t* splats_ = nullptr;        // each weight, as a vector
  Index* fold_ = nullptr;                  // the samples that continue a row before its start and after its end
  float* values_ = nullptr;                // a finished row on its way to a mask
  Index held_ = 0;                         // rows before held_ have been saved
};

}  // namespace
