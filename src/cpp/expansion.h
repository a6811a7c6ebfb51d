// Along y, nodes to pixels: node rows come in turn, and each pixel row is written once its four nodes are there.
#pragma once

#include "reduction.h"

namespace {

template <class S>
class Expansion {
  using Item = typename S::Item;
  using Nodes = typename Arithmetic<S>::Nodes;
  using Weights = typename Arithmetic<S>::Weights;

 public:
  Expansion(const Expansion&) = delete;  // its parts know where the others lie
  using Node = typename Nodes::Node;

  // For an axis with a spline; of others nothing is kept. Tiles have at most `tile` pixels, of `batch` node rows, which
  // are kPanel at most.
  Expansion(const Plane& plane, const Axis& axis, Index tile, Index batch, Finish<S>& finish, const float* pivot,
            Ahead& ahead, Arena& arena)
      : plane_(plane),
        axis_(axis),
        weights_(Arithmetic<S>::weights(axis)),
        finish_(finish),
        pivot_(pivot),
        ahead_(ahead),
        packed_(plane.packed(sizeof(Item))),
        // Tiles are read in whole vectors, and so beyond the end of a row by one at most.
        previous_stride_(row_stride<Node>(padded(plane.width * plane.channels, Nodes::lanes) + Nodes::lanes)) {
    if (!axis.spline) return;
    const Index samples = smaller(tile, plane.width) * plane.channels;
    nodes_ = arena.take<Node>(batch * row_stride<Node>(samples));
    previous_ = arena.take<Node>(3 * previous_stride_);
    if (!finish.direct()) values_ = arena.take<float>(kRows * row_stride<float>(padded(samples, Nodes::lanes)));
  }

  // The pixel row to be written next is `row`.
  void seek(Index row) { next_row_ = row; }

  // Room for node row i of a batch, of tiles of so many samples: to be filled before write().
  Node* node(Index i, Index samples) const { return nodes_ + i * row_stride<Node>(samples); }

  // Writes the columns [x1, x2) of the pixel rows before `end` that the nodes [k, stop) complete; tiles come in turn.
  void write(Index x1, Index x2, Index k, Index stop, Index end) {
    const Index count = x2 - x1, samples = count * plane_.channels;
    const Node* rows[kPanel + 3];  // nodes k - 3 .. stop - 1 of these columns
    Node* previous = previous_ + x1 * plane_.channels;
    for (Index i = 0; i < 3; ++i) rows[i] = previous + i * previous_stride_;
    for (Index i = 0; i < stop - k; ++i) rows[i + 3] = node(i, samples);
    const Index row = pixel_rows(rows, x1, count, k, stop, end);
    // The next batch goes on with the last three; a batch of fewer is the last.
    if (stop - k >= 3)
      for (Index i = 0; i < 3; ++i)
        std::memcpy(previous + i * previous_stride_, rows[stop - k + i],
                    static_cast<std::size_t>(samples) * sizeof(Node));
    if (x2 == plane_.width) next_row_ = row;
  }

 private:
  // Pixel rows from next_row_ whose nodes are all before `stop`. Returns the row after them.
  Index pixel_rows(const Node* const* rows, Index x, Index count, Index k, Index stop, Index end) {
    const std::int32_t* start = axis_.weights.start.data();
    const Index last = axis_.nodes - 1, length = count * plane_.channels;
    // A node beyond the last has weight zero.
    const auto node = [&](Index i) FASTBLUR_INLINE_LAMBDA { return rows[smaller(i, last) - k + 3]; };
    Index y = next_row_;
    for (Index stop_run; y < end && smaller(start[y] + 3, last) < stop; y = stop_run) {
      stop_run = y + 1;
      while (stop_run < smaller(y + kRows, end) && smaller(start[stop_run] + 3, last) < stop) ++stop_run;
      ahead_.some(stop_run - y);
      const auto* weights = &weights_.expand[static_cast<std::size_t>(4 * y)];
      if (finish_.direct()) {
        Item* out[kRows];
        for (Index r = y; r < stop_run; ++r) out[r - y] = finish_.row(r, x, r - y);
        const float* pivot = pivot_at<S>(pivot_, x * plane_.channels);
        using Value = typename Nodes::Value;
        expand<Nodes>(
            node, start + y, weights, stop_run - y, length,
            [&](Index r, Index at, Value v)
                FASTBLUR_INLINE_LAMBDA { Nodes::write(out[r] + at, v, pivot_at<S>(pivot, at)); },
            [&](Index r, Index at, Value v, Index left) FASTBLUR_INLINE_LAMBDA {
              // A row that is still to be scattered has room for whole vectors, and those are read back sooner.
              if (packed_)
                Nodes::write_part(out[r] + at, v, pivot_at<S>(pivot, at), left);
              else
                Nodes::write(out[r] + at, v, pivot_at<S>(pivot, at));
            });
        for (Index r = y; r < stop_run; ++r) finish_.written(r, x, count, r - y);
      } else {
        const Index samples = padded(length, Nodes::lanes), stride = row_stride<float>(samples);
        const auto put = [&](Index r, Index at, auto v)
                             FASTBLUR_INLINE_LAMBDA { Nodes::values(values_ + r * stride + at, v); };
        expand<Nodes>(node, start + y, weights, stop_run - y, samples, put,
                      [&](Index r, Index at, auto v, Index) FASTBLUR_INLINE_LAMBDA { put(r, at, v); });
        for (Index r = y; r < stop_run; ++r) finish_.put(r, x, count, values_ + (r - y) * stride);
      }
    }
    return y;
  }

  const Plane& plane_;
  const Axis& axis_;
  const Weights& weights_;  // of axis_
  Finish<S>& finish_;
  const float* pivot_;
  Ahead& ahead_;
  bool packed_;
  Index previous_stride_;
  Node* nodes_ = nullptr;     // of a batch, a tile at a time
  Node* previous_ = nullptr;  // the last three of the batch before
  float* values_ = nullptr;   // finished pixel rows on their way to a mask
  Index next_row_ = 0;        // to be written
};

}  // namespace
