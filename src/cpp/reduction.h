// Along y, pixels to nodes: pixel rows are read once, in turn, and leave what they add up to as node rows.
#pragma once

#include <algorithm>
#include <cstring>

#include "finish.h"

namespace {

using fastblur::Axis;
using fastblur::kRowsAhead;

constexpr Index kUncached = Index{16} << 20;  // bytes of a box that lies in memory, or in a cache that others share
constexpr Index kRows = 16;                   // pixel rows per call of a kernel: as many memory streams at a time
constexpr Index kTileSamples = 1024;          // of a row handled at a time, so that 16 to 22 rows stay in L1 and L2

// The pixel rows of a plane, as samples that lie together.
template <class S>
class PixelRows {
 public:
  using Item = typename S::Item;

  // `slots` rows of at most `samples` samples are held at a time, where they do not lie together in the plane.
  PixelRows(const Plane& plane, const Finish<S>& finish, Index slots, Index samples, Arena& arena)
      : plane_(plane), finish_(finish), packed_(plane.packed(sizeof(Item))), stride_(padded(samples)) {
    if (!packed_) dense_ = arena.take<Item>(slots * stride_);
  }
  bool packed() const { return packed_; }
  // Bytes from a sample to one that is read soon, where rows are read in place.
  Index ahead() const { return packed_ ? kRowsAhead * plane_.row_stride : 0; }

  // `count` pixels from (x, y) on, valid until the slot is used again.
  const Item* at(Index y, Index x, Index count, Index slot) const {
    if (packed_) return in_place(y, x);
    Item* dense = dense_ + slot * stride_;
    gather(y, x, count, dense);
    return dense;
  }
  // The same, as a copy.
  void copy(Index y, Index x, Index count, Item* to) const {
    if (packed_)
      std::memcpy(to, in_place(y, x), static_cast<std::size_t>(count * plane_.channels) * sizeof(Item));
    else
      gather(y, x, count, to);
  }

 private:
  const Item* in_place(Index y, Index x) const {
    return reinterpret_cast<const Item*>(plane_.row(y)) + x * plane_.channels;
  }
  void gather(Index y, Index x, Index count, Item* dense) const {
    if (y + kRowsAhead < plane_.height && plane_.column_stride <= kLine)
      prefetch(reinterpret_cast<std::uintptr_t>(plane_.row(y + kRowsAhead) + x * plane_.column_stride),
               plane_.extent(count, sizeof(Item)));
    finish_.gather(y, x, count, dense);
  }

  const Plane& plane_;
  const Finish<S>& finish_;
  bool packed_;
  Index stride_;
  Item* dense_ = nullptr;
};

template <class S>
class Reduction {
  using Item = typename S::Item;
  using Sums = typename Arithmetic<S>::Sums;
  using Weights = typename Arithmetic<S>::Weights;
  static constexpr bool in_bytes = std::is_same_v<Weights, fastblur::ByteSpline>;

 public:
  Reduction(const Reduction&) = delete;  // its parts know where the others lie
  using Total = typename Sums::Total;
  using Totals = typename Arithmetic<S>::Totals;  // how they are read

  // For an axis with a spline; of others nothing is kept. Tiles have at most `tile` pixels.
  Reduction(const Plane& plane, const Axis& axis, Index tile, const PixelRows<S>& pixels, const float* pivot,
            Ahead& ahead, Arena& arena)
      : plane_(plane),
        axis_(axis),
        weights_(Arithmetic<S>::weights(axis)),
        pixels_(pixels),
        pivot_(pivot),
        ahead_(ahead),
        tile_(tile),
        row_(padded(plane.width * plane.channels)) {
    if (!axis.spline) return;
    partial_ = arena.take<Total>(3 * row_);
    accumulators_ = arena.take<Total>((kPanel + 6) * row_stride<Total>(smaller(tile, plane.width) * plane.channels));
    if constexpr (in_bytes) {
      unit_ = arena.take<float>(kPanel);
      if (unit_ != nullptr) std::fill(unit_, unit_ + kPanel, weights_.unit);
    }
  }

  // What Totals are read with.
  const float* unit() const { return unit_; }

  // The next node to be produced is `node`.
  void seek(Index node) {
    const auto& start = weights_.start;
    next_term_ = std::lower_bound(start.begin(), start.end(), static_cast<std::int32_t>(node - 3)) - start.begin();
    if (next_term_ == static_cast<Index>(start.size())) return;
    partial_node_ = start[static_cast<std::size_t>(next_term_)];
    std::memset(partial_, 0, static_cast<std::size_t>(3 * row_) * sizeof(Total));
  }

  // The node rows [begin, end), at most kPanel, in turn and a tile at a time: take(x1, x2, rows) is given the totals of
  // the pixels [x1, x2) in kPanel rows, of which those beyond `end` repeat the last.
  template <class Take>
  void produce(Index begin, Index end, const Take& take) {
    const auto& start = weights_.start;
    Index stop = next_term_;
    while (stop < static_cast<Index>(start.size()) && start[static_cast<std::size_t>(stop)] < end) ++stop;
    for (Index x1 = 0; x1 < plane_.width; x1 += tile_) {
      const Index x2 = smaller(x1 + tile_, plane_.width), stride = row_stride<Total>((x2 - x1) * plane_.channels);
      add_up(x1, x2, end, stop);
      const Total* rows[kPanel];
      for (Index i = 0; i < kPanel; ++i)
        rows[i] = accumulators_ + (smaller(begin + i, end - 1) - partial_node_) * stride;
      take(x1, x2, rows);
    }
    next_term_ = stop;
    partial_node_ = end;
    ask_for_next(end);
  }

  // So many rows or columns of nodes are being worked on: asks for a little of what comes after them, of this box's own
  // rows for so much that all have been asked for when they are wanted.
  void ask(Index count) {
    ahead_.some(count);
    rows_ahead_.some(8 * count);
  }

 private:
  // The pixel row that is row i of the terms, which are couples of rows for bytes.
  Index term_row(Index i) const {
    if constexpr (in_bytes)
      return weights_.row[static_cast<std::size_t>(i)];
    else
      return i;
  }

  // The terms [next_term_, stop) of the columns [x1, x2) are added to the nodes up to `end` and the three after it.
  void add_up(Index x1, Index x2, Index end, Index stop) {
    const Index count = x2 - x1, length = count * plane_.channels, stride = row_stride<Total>(length);
    const auto bytes = static_cast<std::size_t>(length) * sizeof(Total);
    const std::int32_t* start = weights_.start.data();
    const auto node = [&](Index k) { return accumulators_ + (k - partial_node_) * stride; };
    Total* partial = partial_ + x1 * plane_.channels;
    for (Index i = 0; i < 3; ++i) std::memcpy(node(partial_node_ + i), partial + i * row_, bytes);
    Index reached = partial_node_ + 2;
    for (Index term = next_term_, stop_run; term < stop; term = stop_run) {
      stop_run = smaller(term + kRows / Sums::rows, stop);
      const Index terms = stop_run - term;
      ahead_.some(terms * Sums::rows);
      const Item* rows[kRows];
      for (Index i = 0, last = -1; i < terms * Sums::rows; ++i) {
        const Index y = term_row(term * Sums::rows + i);
        rows[i] = y == last ? rows[i - 1] : pixels_.at(y, x1, count, i);
        last = y;
      }
      reduce<Sums>(rows, terms, start + term, &weights_.reduce[static_cast<std::size_t>(4 * term)], node(start[term]),
                   stride, start[term] + 3 > reached, length, pivot_at<S>(pivot_, x1 * plane_.channels),
                   pixels_.ahead());
      reached = start[stop_run - 1] + 3;
    }
    if (end < axis_.nodes)
      for (Index i = 0; i < 3; ++i) std::memcpy(partial + i * row_, node(end + i), bytes);
  }

  // The horizontal stages leave the memory idle, and the vertical ones wait for it: where a box is too large for a
  // cache, the pixel rows of the node rows from `node` on are asked for while the horizontal stages compute.
  void ask_for_next(Index node) {
    const Index row = plane_.width * plane_.channels * static_cast<Index>(sizeof(Item));
    const auto& start = weights_.start;
    if (!pixels_.packed() || plane_.height * row < kUncached || next_term_ == static_cast<Index>(start.size())) return;
    const auto stop =
        std::lower_bound(start.begin() + next_term_, start.end(), static_cast<std::int32_t>(node + kPanel));
    const Index first = term_row(next_term_ * Sums::rows);
    const Index rows = (stop - start.begin() - next_term_) * Sums::rows;
    rows_ahead_ = Ahead(plane_.row(first), smaller(rows, plane_.height - first), plane_.row_stride, row);
  }

  const Plane& plane_;
  const Axis& axis_;
  const Weights& weights_;  // of axis_
  const PixelRows<S>& pixels_;
  const float* pivot_;
  Ahead& ahead_;
  Index tile_;
  Index row_;                      // samples of a whole row, padded
  Total* partial_ = nullptr;       // the three nodes that the next batch goes on with
  Total* accumulators_ = nullptr;  // nodes of a tile while pixel rows are added
  float* unit_ = nullptr;          // what bytes' totals are multiplied by, as a vector
  Ahead rows_ahead_;               // the next pixel rows of this box, where it is large
  Index next_term_ = 0;            // to be read
  Index partial_node_ = 0;         // the first of the three
};

}  // namespace
