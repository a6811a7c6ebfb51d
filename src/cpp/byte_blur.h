// The Gaussian of small sigmas for bytes, in 16-bit fixed point: direct along x, twice the lanes of float32 and half
// the multiplications, since neighbours at the same distance are added first; direct along y too, or by a spline where
// that is the faster.
//
//   pixels ( --reduce--> node rows ) --x--> a ring of rows --y--> ( --expand--> ) pixels
//
// A value is in 1/128 level. A product keeps its upper 16 bits: (a + b) 2^7 w 2^16 / 2^16, cut off below, which loses
// half a unit on average for each of the radius + 1 products; half of radius + 1 is added back. So each pass errs by at
// most (radius + 1) / 256 level, and a constant stays itself. The sum of two nodes must fit too: where all pixels are
// 255 it is up to 0.34 % more (at a spacing of 2.5), and what is added back along x up to 0.03 %; 0.39 % have room.
#pragma once

#include "expansion.h"
#include "reduction.h"
#include "ring.h"

namespace {

class ByteBlur {
  using Word = std::uint16_t;

 public:
  ByteBlur(const BlurJob& job, Arena& arena)
      : plane_(job.plane),
        ahead_(*job.ahead),
        x_(*job.horizontal),
        y_(*job.vertical),
        border_(x_.bytes.radius * plane_.channels),
        length_(plane_.width * plane_.channels),
        line_stride_(row_stride<Word>(2 * border_ + padded(length_, kWordLanes))),
        tile_(larger(kPanel, kTileSamples / plane_.channels / kPanel * kPanel)),
        finish_(plane_, job.mask, larger(kBatch, y_.spline ? kRows : 0), padded(length_, kWordLanes), nullptr, arena),
        pixels_(plane_, finish_, y_.spline ? kRows : 0, smaller(tile_, plane_.width) * plane_.channels, arena),
        reduction_(plane_, y_, tile_, pixels_, nullptr, ahead_, arena),
        expansion_(plane_, y_, tile_, kBatch, finish_, nullptr, ahead_, arena),
        // Tiles are read in whole vectors, and so beyond the end of a row by one at most.
        ring_(job, 2 * y_.bytes.radius + kBatch, row_stride<Word>(padded(length_, kWordLanes) + kWordLanes), arena) {
    if (y_.spline)
      nodes_ = arena.take<Word>(kBatch * line_stride_);
    else
      bytes_ = arena.take<std::uint8_t>(kBatch * line_stride_);
    window_ = arena.take<const Word*>(2 * y_.bytes.radius + kBatch);
    if (!y_.spline && !finish_.direct()) values_ = arena.take<float>(kBatch * padded(length_, kWordLanes));
    before_ = arena.take<Index>(x_.bytes.radius);
    if (before_ != nullptr)
      for (Index t = 0; t < x_.bytes.radius; ++t)
        before_[t] = fastblur::border_index(-1 - t, plane_.width, x_.border) * plane_.channels;
  }

  // The rows [begin, end), filtered along x, for bands that others overwrite. `stride` is in floats, as of other nodes.
  void nodes(Index begin, Index end, float* rows, Index stride) {
    if (y_.spline) reduction_.seek(begin);
    for (Index k = begin; k < end; k += kBatch)
      produce(k, smaller(k + kBatch, end),
              [&](Index i) { return reinterpret_cast<Word*>(rows + (i - begin) * stride); });
  }

  // Pixel rows [begin, end), written to the image.
  void band(Index begin, Index end) {
    Index first, last;
    y_.touched(begin, end, first, last);
    expansion_.seek(begin);
    ring_.clear();
    const Index radius = y_.bytes.radius;
    for (Index k = first; k <= last; k += kBatch) {
      const Index stop = smaller(k + kBatch, last + 1);
      Index low, high;
      y_.needed(k, stop, low, high);
      ring_.ensure(low, high, kBatch, high + 1, [&](Index from, Index to, bool fresh) {
        if (fresh && y_.spline) reduction_.seek(from);
        produce(from, to, [&](Index i) { return ring_.slot(i); });
      });
      for (Index j = 0; j < stop - k + 2 * radius; ++j)
        window_[j] = ring_.row(fastblur::border_index(k - radius + j, y_.nodes, y_.border));
      if (y_.spline)
        write_nodes(k, stop, end);
      else
        write_pixels(k, stop);
    }
  }

 private:
  static constexpr Index kBatch = 16;  // rows filtered along x, and then along y, at a time
  static constexpr int kVectors = 4;

  // A kernel, in a local variable: as a store of words might be to any other.
  struct Taps {
    explicit Taps(const fastblur::ByteKernel& kernel) : radius(kernel.radius), weights(kernel.weights.data()) {}
    Index radius;
    const std::int32_t* FASTBLUR_RESTRICT weights;
  };

  // Rows [begin, end), at most kBatch, filtered along x: row i to out(i).
  template <class Out>
  void produce(Index begin, Index end, const Out& out) {
    if (y_.spline) {
      reduction_.produce(begin, end, [&](Index x1, Index x2, const auto* rows) {
        for (Index i = 0; i < end - begin; ++i) {
          Word* line = nodes_ + i * line_stride_ + border_ + x1 * plane_.channels;
          sweep_whole((x2 - x1) * plane_.channels, [&](Index at, auto vectors) FASTBLUR_INLINE_LAMBDA {
            each<decltype(vectors)::value>([&](auto u) FASTBLUR_INLINE_LAMBDA {
              const Index x = at + u * kLanes;
              store(line + x, mul(Reduction<U8>::Totals::read(rows[i] + x, reduction_.unit()), splat(128)));
            });
          });
        }
      });
      along_x(nodes_ + border_, begin, end, out);
    } else {
      for (Index y = begin; y < end; ++y)
        pixels_.copy(y, 0, plane_.width, bytes_ + (y - begin) * line_stride_ + border_);
      along_x(bytes_ + border_, begin, end, out);
    }
  }

  // Rows of pixels or nodes, which have room for `border_` samples on either side, filtered along x.
  template <class Item, class Out>
  void along_x(Item* rows, Index begin, Index end, const Out& out) {
    // All before the first is read: a processor that reads vectors waits for what was just written in pieces.
    for (Index i = 0; i < end - begin; ++i) continue_beyond_ends(rows + i * line_stride_);
    for (Index i = 0; i < end - begin; ++i) along_x(rows + i * line_stride_, out(begin + i));
    reduction_.ask(2 * (end - begin));
  }

  template <class Item>
  void continue_beyond_ends(Item* row) const {
    with_constant<4>(plane_.channels, [&](auto channels) FASTBLUR_INLINE_LAMBDA {
      constexpr Index c = decltype(channels)::value;
      Item *left = row - c, *right = row + length_, *last = right - c;
      for (Index t = 0; t < x_.bytes.radius; ++t, left -= c, right += c) {
        std::memcpy(left, row + before_[t], c * sizeof(Item));
        std::memcpy(right, last - before_[t], c * sizeof(Item));
      }
    });
  }

  template <class Item>
  void along_x(const Item* row, Word* out) const {
    const Index channels = plane_.channels;
    const Taps taps(x_.bytes);
    sweep_whole<kVectors, kWordLanes>(length_, [&](Index at, auto vectors) FASTBLUR_INLINE_LAMBDA {
      constexpr int n = decltype(vectors)::value;
      Words sum[n];
      filter<std::is_same_v<Item, std::uint8_t>>(taps, 0, sum, [&](Index t, int u) FASTBLUR_INLINE_LAMBDA {
        return load_words(row + at + u * kWordLanes + t * channels);
      });
      each<n>([&](auto u) FASTBLUR_INLINE_LAMBDA { store_words(out + at + u * kWordLanes, sum[u]); });
    });
  }

  // For sweeps: `count` rows along y, from the window and its sample x on, with `more` added.
  auto along_y(Index count, Index x, std::uint16_t more) const {
    const Word* const* window = window_ + y_.bytes.radius;
    return [=, taps = Taps(y_.bytes)](auto vectors, const auto& place, const auto& write) FASTBLUR_INLINE_LAMBDA {
      constexpr int n = decltype(vectors)::value;
      for (Index r = 0; r < count; ++r) {
        const Word* const* centre = window + r;
        Words sum[n];
        filter<false>(taps, more, sum,
                      [&](Index t, int u) FASTBLUR_INLINE_LAMBDA { return load_words(centre[t] + x + place(u)); });
        each<n>([&](auto u) FASTBLUR_INLINE_LAMBDA { write(r, place(u), sum[u]); });
      }
    };
  }

  // Filters the nodes [k, stop) along y, and writes the pixel rows before `end` that they complete.
  void write_nodes(Index k, Index stop, Index end) {
    for (Index x1 = 0; x1 < plane_.width; x1 += tile_) {
      const Index x2 = smaller(x1 + tile_, plane_.width), samples = (x2 - x1) * plane_.channels;
      const auto sums = along_y(stop - k, x1 * plane_.channels, ByteNodes::kAbove);
      sweep_whole<kVectors, kWordLanes>(samples, [&](Index at, auto vectors) FASTBLUR_INLINE_LAMBDA {
        sums(
            vectors, [&](int u) FASTBLUR_INLINE_LAMBDA { return at + u * kWordLanes; },
            [&](Index r, Index x, Words v) FASTBLUR_INLINE_LAMBDA { store_words(expansion_.node(r, samples) + x, v); });
      });
      ahead_.some(stop - k);
      expansion_.write(x1, x2, k, stop, end);
    }
  }

  // Filters the pixel rows [y, stop) along y, and writes them.
  void write_pixels(Index y, Index stop) {
    const Index rows = stop - y;
    if (!finish_.direct()) {
      const Index stride = padded(length_, kWordLanes);
      const auto put = [&](Index r, Index x, Words v)
                           FASTBLUR_INLINE_LAMBDA { store_levels(values_ + r * stride + x, v, 0); };
      sweep_within<kVectors, kWordLanes>(length_, along_y(rows, 0, 0), put,
                                         [&](Index r, Index x, Words v, Index)
                                             FASTBLUR_INLINE_LAMBDA { put(r, x, v); });
      for (Index r = 0; r < rows; ++r) finish_.put(y + r, 0, plane_.width, values_ + r * stride);
    } else {
      std::uint8_t* out[kBatch];
      for (Index r = 0; r < rows; ++r) out[r] = finish_.row(y + r, 0, r);
      sweep_within<kVectors, kWordLanes>(
          length_, along_y(rows, 0, 64),
          [&](Index r, Index x, Words v) FASTBLUR_INLINE_LAMBDA { store_words(out[r] + x, shift_right<7>(v)); },
          [&](Index r, Index x, Words v, Index samples)
              FASTBLUR_INLINE_LAMBDA { store_words_part(out[r] + x, shift_right<7>(v), samples); });
      for (Index r = 0; r < rows; ++r) finish_.written(y + r, 0, plane_.width, r);
    }
    ahead_.some(2 * rows);
  }

  // Sums over a kernel of what `input(t, u)` gives vector u at distance t, and `more`, in 1/128 level. Pixels are in
  // levels.
  template <bool pixels, int n, class Input>
  static FASTBLUR_INLINE void filter(Taps taps, std::uint16_t more, Words (&sum)[n], const Input& input) {
    const auto scaled = [](Words v) FASTBLUR_INLINE_LAMBDA {
      if constexpr (pixels)
        return shift_left<7>(v);
      else
        return v;
    };
    const Words start = splat_word(static_cast<std::uint16_t>((taps.radius + 1) / 2 + more));
    const Words middle = splat_words(taps.weights[0]);
    each<n>([&](auto u)
                FASTBLUR_INLINE_LAMBDA { sum[u] = add_words(high_product(scaled(input(0, u)), middle), start); });
    for (Index t = 1; t <= taps.radius; ++t) {
      const Words w = splat_words(taps.weights[t]);
      each<n>([&](auto u) FASTBLUR_INLINE_LAMBDA {
        sum[u] = add_words(sum[u], high_product(scaled(add_words(input(-t, u), input(t, u))), w));
      });
    }
  }

  Plane plane_;
  Ahead& ahead_;
  const Axis& x_;
  const Axis& y_;
  Index border_, length_;  // samples beyond each end of a row, and of it
  Index line_stride_;      // from one row on its way along x to the next
  Index tile_;             // pixels of a row handled at a time
  Finish<U8> finish_;
  PixelRows<U8> pixels_;
  Reduction<U8> reduction_;
  Expansion<U8> expansion_;
  Ring<Word> ring_;  // rows filtered along x

  Word* nodes_ = nullptr;          // rows of nodes on their way along x, continued beyond their ends,
  std::uint8_t* bytes_ = nullptr;  // or of pixels
  const Word** window_ = nullptr;  // the rows that outputs read
  float* values_ = nullptr;        // finished rows on their way to a mask
  Index* before_ = nullptr;  // where the pixel is that stands so far before the first, or, from the end, after the last
};

}  // namespace
