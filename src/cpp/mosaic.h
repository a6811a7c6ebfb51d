// Pixelation: each cell becomes the mean of its own pixels. Sums are exact (integers, or float64 for the float types),
// so the mean is rounded once. Cell i of n along `length` pixels is [i length / n, (i + 1) length / n).
#pragma once

#include "finish.h"

namespace {

using fastblur::MosaicJob;

inline Index cell_edge(Index i, Index cells, Index length) { return i * length / cells; }

// What a column of a cell is summed in: exact for any cell that fits in memory.
template <class S>
struct ColumnSum;
template <>
struct ColumnSum<U8> {
  using Type = std::uint32_t;
};
template <>
struct ColumnSum<U16> {
  using Type = std::uint64_t;
};
template <>
struct ColumnSum<F16> {
  using Type = double;
};
template <int power>
struct ColumnSum<F32<power>> {
  using Type = double;
};

template <class S>
FASTBLUR_INLINE auto summand(typename S::Item item) {
  using Sum = typename ColumnSum<S>::Type;
  if constexpr (std::is_same<S, F16>::value)
    return static_cast<Sum>(half_to_float(item));
  else
    return static_cast<Sum>(item);
}

// The mean in the sample type, rounded to nearest.
template <class S>
FASTBLUR_INLINE typename S::Item rounded(double mean) {
  if constexpr (std::is_same<typename S::Item, float>::value)
    return static_cast<float>(mean);
  else if constexpr (std::is_same<S, F16>::value)
    return float_to_half(static_cast<float>(mean));
  else
    return static_cast<typename S::Item>(mean + 0.5);
}

template <class S>
class Mosaic {
  using Item = typename S::Item;
  using Sum = typename ColumnSum<S>::Type;

 public:
  Mosaic(const MosaicJob& job, Arena& arena)
      : job_(job),
        plane_(job.plane),
        length_(plane_.width * plane_.channels),
        packed_(plane_.packed(sizeof(Item))),
        finish_(plane_, job.mask, 1, plane_.width * plane_.channels, nullptr, arena),
        sums_(arena.take<Sum>(padded(length_))),
        dense_(arena.take<Item>(padded(length_))),
        values_(job.mask.everywhere ? nullptr : arena.take<float>(padded(length_))) {}

  void cell_rows(Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index top = cell_edge(i, job_.rows, plane_.height), bottom = cell_edge(i + 1, job_.rows, plane_.height);
      sum_columns(top, bottom);
      paint_row(bottom - top);
      for (Index y = top; y < bottom; ++y) {
        job_.ahead->some(2);
        if (!job_.mask.everywhere)
          finish_.put(y, 0, plane_.width, values_);
        else
          finish_.copy(y, dense_);
      }
    }
  }

 private:
  void sum_columns(Index top, Index bottom) {
    std::memset(sums_, 0, static_cast<std::size_t>(length_) * sizeof(Sum));
    Sum* FASTBLUR_RESTRICT sums = sums_;
    for (Index y = top; y < bottom; ++y) {
      job_.ahead->some(2);
      const Item* row = reinterpret_cast<const Item*>(plane_.row(y));
      if (!packed_) {
        finish_.gather(y, 0, plane_.width, dense_);
        row = dense_;
      }
      for (Index i = 0; i < length_; ++i) sums[i] += summand<S>(row[i]);
    }
  }

  // One row of the finished mosaic, from the column sums of a row of cells `height` high.
  void paint_row(Index height) {
    const Index channels = plane_.channels;
    for (Index j = 0; j < job_.columns; ++j) {
      const Index left = column_edge(j), right = column_edge(j + 1);
      const double area = static_cast<double>((right - left) * height);
      for (Index c = 0; c < channels; ++c) {
        std::conditional_t<std::is_floating_point<Sum>::value, double, std::uint64_t> sum = 0;
        for (Index x = left; x < right; ++x) sum += sums_[x * channels + c];
        const double mean = static_cast<double>(sum) / area;
        if (values_ != nullptr) {
          const auto value = static_cast<float>(std::ldexp(mean, plane_.power));  // as S::read has it, without a pivot
          for (Index x = left; x < right; ++x) values_[x * channels + c] = value;
        } else {
          const Item value = rounded<S>(mean);
          for (Index x = left; x < right; ++x) dense_[x * channels + c] = value;
        }
      }
    }
  }

  Index column_edge(Index j) const {
    return job_.mirrored ? plane_.width - cell_edge(job_.columns - j, job_.columns, plane_.width)
                         : cell_edge(j, job_.columns, plane_.width);
  }

  const MosaicJob& job_;
  Plane plane_;
  Index length_;
  bool packed_;
  Finish<S> finish_;
  Sum* sums_;
  Item* dense_;    // a row of pixels going in, and the row of the mosaic going out
  float* values_;  // the latter when a mask will mix it
};

}  // namespace
