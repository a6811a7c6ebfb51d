// The separable Gaussian of one box, streamed: pixel rows go in at the top, and the finished rows follow a few sigmas
// behind, so that a box of any size is blurred in place within scratch that fits the cache.
//
//   pixels --reduce--> node rows --x--> a ring of node rows --filter--> --x--> --expand--> pixels
//
// Along y each step is rows times scalars. Along x the same kernels run on panels: 16 rows transposed, so that the 16
// values of one column are one vector. Where an axis has no spline its nodes are its pixels, and reduce and expand
// drop out: that is the direct filter.
#pragma once

#include "finish.h"

namespace {

using fastblur::Axis;
using fastblur::BlurJob;
using fastblur::kRowsAhead;

constexpr Index kTileSamples = 1024;  // of a row handled at a time, so that 16 to 22 rows of them stay in L1 and L2
constexpr Index kUncached = Index{16} << 20;  // bytes of a box that lies in memory, or in a cache that others share
constexpr Index kRows = 16;                   // pixel rows per call of a kernel: as many memory streams at a time
constexpr Index kColumns = 32;                // columns of a panel per call

static_assert(fastblur::kGroup <= fastblur::kLongestWhole && fastblur::kLongestWhole <= kPanel, "one batch, one tile");

// The pivot of the plane, repeated along a row: what is taken away from every sample.
template <class S>
inline const float* make_pivot(const Plane& plane, Arena& arena) {
  if constexpr (S::pivoted) {
    const Index length = plane.width * plane.channels;
    float* pivot = arena.take<float>(padded(length));
    if (pivot == nullptr) return nullptr;
    for (Index i = 0; i < length; i += plane.channels)
      for (Index c = 0; c < plane.channels; ++c) pivot[i + c] = plane.pivot[c];
    for (Index i = length; i < padded(length); ++i) pivot[i] = 0;
    return pivot;
  } else {
    (void)plane, (void)arena;
    return nullptr;
  }
}

template <class S>
class Blur {
  using Item = typename S::Item;
  using Sums = typename Arithmetic<S>::Sums;
  using Total = typename Sums::Total;
  using Nodes = typename Arithmetic<S>::Nodes;
  using Node = typename Nodes::Node;
  using AlongX = FloatNodes<S>;
  using YWeights = typename Arithmetic<S>::Weights;
  static constexpr bool in_bytes = std::is_same_v<YWeights, fastblur::ByteSpline>;

 public:
  Blur(const BlurJob& job, Arena& arena)
      : job_(job),
        plane_(job.plane),
        ahead_(*job.ahead),
        v_(*job.vertical),
        y_(Arithmetic<S>::weights(v_)),
        h_(*job.horizontal),
        channels_(job.plane.channels),
        width_(job.plane.width),
        node_width_(padded(h_.nodes * channels_)),
        node_stride_(row_stride<float>(node_width_)),
        tile_(larger(kPanel, kTileSamples / channels_ / kPanel * kPanel)),
        packed_(plane_.packed(sizeof(Item))),
        pivot_(make_pivot<S>(plane_, arena)),
        finish_(plane_, job.mask, kRows, smaller(tile_, width_) * channels_, pivot_, arena) {
    const Index length = padded(width_ * channels_);
    const Index tile_samples = smaller(tile_, width_) * channels_, tile_length = padded(tile_samples);
    if (v_.spline) {
      partial_ = arena.take<Total>(3 * length);
      accumulators_ = arena.take<Total>(kAccumulators * row_stride<Total>(h_.spline ? tile_samples : length));
      expanded_ = arena.take<Node>(kPanel * row_stride<Node>(tile_samples));
      previous_ = arena.take<Node>(3 * row_stride<Node>(length));
      if constexpr (in_bytes) {
        unit_ = arena.take<float>(kPanel);
        if (unit_ != nullptr) std::fill(unit_, unit_ + kPanel, y_.unit);
      }
    }
    if (v_.spline || h_.spline)
      finished_ =
          arena.take<float>((v_.spline ? kRows : kPanel) * row_stride<float>(padded(tile_samples, Nodes::lanes)));
    if (!packed_) dense_ = arena.take<Item>(kPanel * (v_.spline && !h_.spline ? length : tile_length));
    panel_ = arena.take<float>(h_.spline ? tile_length * kPanel : length * kPanel);
    if (h_.spline) node_panel_ = arena.take<float>((h_.nodes * channels_ + kPanel) * kPanel);
    filtered_panel_ = arena.take<float>(h_.spline ? (padded(h_.nodes * channels_) + kGroup * channels_) * kPanel
                                                  : (tile_length + kGroup * channels_) * kPanel);
    whole_ = v_.nodes <= v_.kernel.taps + 2 * kPanel;
    ring_slots_ = whole_ ? v_.nodes : v_.kernel.taps + kPanel;
    ring_ = arena.take<float>(ring_slots_ * node_stride_);
    node_rows_ = arena.take<float>(kPanel * node_stride_);
    window_ = arena.take<const float*>(larger(h_.nodes, kPanel) + larger(h_.kernel.taps, v_.kernel.taps) + 2 * kGroup);
  }

  // Node rows [begin, end), filtered along x, into `rows`.
  void nodes(Index begin, Index end, float* rows, Index stride) {
    seek(begin);
    for (Index k = begin; k < end; k += kPanel) {
      const Index stop = smaller(k + kPanel, end);
      float* out[kPanel];
      for (Index i = k; i < stop; ++i) out[i - k] = rows + (i - begin) * stride;
      produce(k, stop, out);
    }
  }

  // Pixel rows [begin, end), written to the image.
  void band(Index begin, Index end) {
    Index first = v_.spline ? v_.weights.start[static_cast<std::size_t>(begin)] : begin;
    Index last = v_.spline ? smaller(v_.weights.start[static_cast<std::size_t>(end - 1)] + 3, v_.nodes - 1) : end - 1;
    if (v_.kernel.whole) first = 0, last = v_.nodes - 1;
    next_row_ = begin;
    next_node_ = -1;
    // Groups of outputs start at multiples of kGroup, so that a band gives the bits that the whole box gives.
    for (Index k = first / kGroup * kGroup; k <= last; k += kPanel)
      batch(larger(k, first), k, smaller(k + kPanel, last + 1), begin, end);
  }

 private:
  static constexpr Index kAccumulators = kPanel + 6;

  // --- along y, pixels to nodes ---------------------------------------------------------------------------------

  const Item* pixels(Index y, Index x, Index count, Index slot) {
    if (packed_) return reinterpret_cast<const Item*>(plane_.row(y)) + x * channels_;
    Item* dense = dense_ + slot * padded(count * channels_);
    if (y + kRowsAhead < plane_.height)
      prefetch(reinterpret_cast<std::uintptr_t>(plane_.row(y + kRowsAhead) + x * plane_.column_stride),
               plane_.extent(count, sizeof(Item)));
    finish_.gather(y, x, count, dense);
    return dense;
  }

  // The pixel row that is row i of the vertical reduction's terms, which are couples of rows for bytes.
  Index term_row(Index i) const {
    if constexpr (in_bytes)
      return y_.row[static_cast<std::size_t>(i)];
    else
      return i;
  }

  // The next node to be produced is `node`.
  void seek(Index node) {
    next_node_ = node;
    if (!v_.spline) return;
    const auto& start = y_.start;
    next_term_ = std::lower_bound(start.begin(), start.end(), static_cast<std::int32_t>(node - 3)) - start.begin();
    if (next_term_ == static_cast<Index>(start.size())) return;
    partial_node_ = start[static_cast<std::size_t>(next_term_)];
    std::memset(partial_, 0, static_cast<std::size_t>(3 * padded(width_ * channels_)) * sizeof(Total));
  }

  // Node rows [begin, end), at most kPanel, in turn, filtered along x.
  void produce(Index begin, Index end, float* const* out) {
    const Index tile = h_.spline ? tile_ : width_;
    if (v_.spline) {
      const auto& start = y_.start;
      Index stop = next_term_;
      while (stop < static_cast<Index>(start.size()) && start[static_cast<std::size_t>(stop)] < end) ++stop;
      for (Index x = 0; x < width_; x += tile) reduce_tile(x, smaller(x + tile, width_), begin, end, stop);
      next_term_ = stop;
      ask_for_next(end);
      partial_node_ = end;
    } else {
      for (Index x = 0; x < width_; x += tile_) {
        const Index count = smaller(tile_, width_ - x);
        const Item* rows[kPanel];
        for (Index i = 0; i < kPanel; ++i) rows[i] = pixels(smaller(begin + i, end - 1), x, count, i);
        to_panel<S>(rows, count * channels_, h_.spline ? panel_ : panel_ + x * channels_ * kPanel,
                    pivot_at<S>(pivot_, x * channels_), packed_ ? kPanel * plane_.row_stride : 0);
        if (h_.spline) reduce_panel(x, x + count);
      }
    }
    filter_panel(out, end - begin);
    next_node_ = end;
  }

  // The horizontal stages leave the memory idle, and the vertical ones wait for it: where a box is too large for a
  // cache, the pixel rows of the node rows from `node` on are asked for while the horizontal stages compute.
  void ask_for_next(Index node) {
    const Index row = width_ * channels_ * static_cast<Index>(sizeof(Item));
    const auto& start = y_.start;
    if (!packed_ || plane_.height * row < kUncached || next_term_ == static_cast<Index>(start.size())) return;
    const auto stop =
        std::lower_bound(start.begin() + next_term_, start.end(), static_cast<std::int32_t>(node + kPanel));
    const Index first = term_row(next_term_ * Sums::rows);
    const Index rows = (stop - start.begin() - next_term_) * Sums::rows;
    rows_ahead_ = Ahead(plane_.row(first), smaller(rows, plane_.height - first), plane_.row_stride, row);
  }
  // So many rows or columns of nodes are being worked on: asks for a little of what comes after them, of this box's own
  // rows for so much that all have been asked for when they are wanted.
  void ask(Index count) {
    ahead_.some(count);
    rows_ahead_.some(8 * count);
  }

  // The terms [next_term_, stop) of the columns [x1, x2) become nodes, and those a panel.
  void reduce_tile(Index x1, Index x2, Index begin, Index end, Index stop) {
    const Index count = x2 - x1, length = row_stride<Total>(count * channels_), row = padded(width_ * channels_);
    const std::int32_t* start = y_.start.data();
    const auto node = [&](Index k) { return accumulators_ + (k - partial_node_) * length; };
    for (Index i = 0; i < 3; ++i)
      std::memcpy(node(partial_node_ + i), partial_ + i * row + x1 * channels_,
                  static_cast<std::size_t>(count * channels_) * sizeof(Total));
    Index reached = partial_node_ + 2;
    for (Index term = next_term_, stop_run; term < stop; term = stop_run) {
      stop_run = smaller(term + kRows / Sums::rows, stop);
      const Index terms = stop_run - term;
      ahead_.some(terms * Sums::rows);
      const Item* rows[kRows];
      for (Index i = 0, last = -1; i < terms * Sums::rows; ++i) {
        const Index y = term_row(term * Sums::rows + i);
        rows[i] = y == last ? rows[i - 1] : pixels(y, x1, count, i);
        last = y;
      }
      reduce<Sums>(rows, terms, start + term, &y_.reduce[static_cast<std::size_t>(4 * term)], node(start[term]), length,
                   start[term] + 3 > reached, count * channels_, pivot_at<S>(pivot_, x1 * channels_),
                   packed_ ? kRowsAhead * plane_.row_stride : 0);
      reached = start[stop_run - 1] + 3;
    }
    if (end < v_.nodes)
      for (Index i = 0; i < 3; ++i)
        std::memcpy(partial_ + i * row + x1 * channels_, node(end + i),
                    static_cast<std::size_t>(count * channels_) * sizeof(Total));
    const Total* rows[kPanel];
    for (Index i = 0; i < kPanel; ++i) rows[i] = node(smaller(begin + i, end - 1));
    to_panel<typename Arithmetic<S>::Totals>(rows, count * channels_, panel_, unit_, 0);
    if (h_.spline) reduce_panel(x1, x2);
  }

  // --- along x, pixels to filtered nodes ------------------------------------------------------------------------

  // The panel's columns [x1, x2) become nodes.
  void reduce_panel(Index x1, Index x2) {
    const Index column = channels_ * kPanel;
    const std::int32_t* start = h_.weights.start.data();
    if (x1 == 0) std::memset(node_panel_, 0, static_cast<std::size_t>(3 * column) * sizeof(float));
    for (Index x = x1, stop; x < x2; x = stop) {
      stop = smaller(x + kColumns, x2);
      ask(stop - x);
      const float* rows[kColumns];
      for (Index i = x; i < stop; ++i) rows[i - x] = panel_ + (i - x1) * column;
      reduce<FloatSums<Scratch<S>>>(rows, stop - x, start + x, &h_.weights.reduce[static_cast<std::size_t>(4 * x)],
                                    node_panel_ + start[x] * column, column, x == 0 || start[x] != start[x - 1], column,
                                    nullptr, 0);
    }
  }

  void filter_panel(float* const* out, Index count) {
    const Index column = channels_ * kPanel, nodes = h_.nodes;
    const float* source = h_.spline ? node_panel_ : panel_;
    const Index tile = h_.spline ? nodes : tile_;
    for (Index x1 = 0; x1 < nodes; x1 += tile) {
      const Index x2 = smaller(x1 + tile, nodes);
      window_of(h_, x1, x2, [&](Index i) { return source + column * i; });
      filter(h_.kernel, x1, x2, [&](Index i) { return filtered_panel_ + (i - x1) * column; }, 0, column);
      float* rows[kPanel];
      for (Index i = 0; i < count; ++i) rows[i] = out[i] + x1 * channels_;
      from_panel<AlongX>(filtered_panel_, (x2 - x1) * channels_, rows, count);
    }
  }

  // The inputs that the outputs [begin, end) of an axis read, in window_; `input(i)` is where input i lies.
  template <class Input>
  void window_of(const Axis& axis, Index begin, Index end, const Input& input) {
    const fastblur::Kernel& kernel = axis.kernel;
    const Index first = kernel.whole ? 0 : begin - kernel.radius;
    const Index count = kernel.whole ? axis.nodes : padded_group(end - begin) + 2 * kernel.radius;
    for (Index j = 0; j < count; ++j) {
      const Index i = first + j;
      window_[j] = input(i >= 0 && i < axis.nodes ? i : fastblur::border_index(i, axis.nodes, axis.border));
    }
  }
  static Index padded_group(Index n) { return (n + kGroup - 1) / kGroup * kGroup; }

  // Outputs [first, last), where window_ was made for them; samples [begin, end) of each. `output(i)` is where output i
  // goes, and needs room up to a multiple of kGroup.
  template <class Output>
  void filter(const fastblur::Kernel& kernel, Index first, Index last, const Output& output, Index begin, Index end) {
    float* outputs[fastblur::kLongestWhole];
    if (kernel.whole) {
      ask(last - first);
      for (Index i = first; i < last; ++i) outputs[i - first] = output(i);
      filter_whole<S>(window_, kernel.weights.data(), last - first, outputs, begin, end);
      return;
    }
    for (Index group = first; group < last; group += kGroup) {
      ask(kGroup);
      for (Index i = 0; i < kGroup; ++i) outputs[i] = output(group + i);
      filter_pairs<S>(window_ + (group - first + kernel.radius), kernel.weights.data(), kernel.radius, outputs, begin,
                      end);
    }
  }

  // --- along y, nodes to filtered nodes -------------------------------------------------------------------------

  // Node row k, where `first` is the lowest that is asked for and stands in slot `slot`.
  const float* node_row(Index k, Index first, Index slot) const {
    const float* stored = job_.stored_row(k);
    if (stored != nullptr) return stored;
    slot += k - first;
    return ring_ + (slot < ring_slots_ ? slot : slot - ring_slots_) * node_stride_;
  }

  // Node rows up to `high` stand in the ring or in storage.
  void ensure(Index low, Index high) {
    const auto stored_end = [&](Index k) {
      for (bool moved = true; moved;) {
        moved = false;
        for (Index i = 0; i < job_.stored_count; ++i)
          if (k >= job_.stored[i].begin && k < job_.stored[i].end) k = job_.stored[i].end, moved = true;
      }
      return k;
    };
    if (next_node_ < 0) next_ = low;
    for (;;) {
      next_ = stored_end(next_);
      if (next_ > high) return;
      if (next_node_ != next_) seek(next_);
      Index stop = smaller(next_ + kPanel, whole_ ? v_.nodes : high + 1);
      for (Index i = 0; i < job_.stored_count; ++i)
        if (job_.stored[i].begin > next_) stop = smaller(stop, job_.stored[i].begin);
      float* out[kPanel];
      for (Index k = next_; k < stop; ++k) out[k - next_] = ring_ + k % ring_slots_ * node_stride_;
      produce(next_, stop, out);
      next_ = stop;
    }
  }

  // Filters the nodes [k, stop), of which those before `first` are not wanted, and writes what they complete.
  void batch(Index first, Index k, Index stop, Index begin, Index end) {
    Index low, high;
    v_.needed(first, stop, low, high);
    ensure(low, high);
    const Index slot = low % ring_slots_;
    window_of(v_, k, stop, [&](Index i) { return node_row(smaller(larger(i, low), high), low, slot); });
    // So many samples of all the rows of the window stay in the first cache while each group reads them.
    const Index tile = larger(padded(8192 / (high - low + 1)), 2 * kPanel);
    for (Index x = 0; x < node_width_; x += tile)
      filter(
          v_.kernel, k, stop, [&](Index i) { return node_rows_ + (i - k) * node_stride_; }, x,
          smaller(x + tile, node_width_));
    if (h_.spline) {
      const float* rows[kPanel];
      for (Index i = 0; i < kPanel; ++i) rows[i] = node_rows_ + smaller(i, stop - k - 1) * node_stride_;
      if (v_.spline)
        to_panel<typename Nodes::Scaled>(rows, h_.nodes * channels_, node_panel_, nullptr, 0);
      else
        to_panel<Scratch<S>>(rows, h_.nodes * channels_, node_panel_, nullptr, 0);
    }
    Index row = next_row_;
    for (Index x = 0; x < width_; x += tile_) row = write_tile(x, smaller(x + tile_, width_), k, stop, begin, end);
    next_row_ = row;
  }

  // --- nodes to pixels ------------------------------------------------------------------------------------------

  // The columns [x1, x2) of the pixel rows that the nodes [k, stop) complete. Returns the row after them.
  Index write_tile(Index x1, Index x2, Index k, Index stop, Index begin, Index end) {
    const Index count = x2 - x1;
    if (h_.spline) expand_panel(x1, x2);
    if (!v_.spline) {
      const Index length = row_stride<float>(padded(count * channels_, Nodes::lanes));
      const float* rows[kPanel];
      for (Index i = 0; i < kPanel; ++i)
        rows[i] = h_.spline ? finished_ + i * length : node_rows_ + i * node_stride_ + x1 * channels_;
      if (h_.spline) {
        float* out[kPanel];
        for (Index i = 0; i < kPanel; ++i) out[i] = finished_ + i * length;
        from_panel<AlongX>(panel_, count * channels_, out, stop - k);
      }
      for (Index y = larger(k, begin); y < smaller(stop, end); ++y) finish_.put(y, x1, count, rows[y - k]);
      return stop;
    }
    const Index length = row_stride<Node>(count * channels_);
    Node* rows[kPanel + 3];  // nodes k - 3 .. stop - 1 of these columns
    for (Index i = 0; i < kPanel; ++i) rows[i + 3] = expanded_ + i * length;
    if (h_.spline)
      from_panel<Nodes>(panel_, count * channels_, rows + 3, stop - k);
    else
      for (Index i = 0; i < stop - k; ++i)
        for (Index at = 0; at < count * channels_; at += kLanes)
          Nodes::put(rows[i + 3] + at,
                     Nodes::Scaled::read(node_rows_ + i * node_stride_ + x1 * channels_ + at, nullptr));
    const Index stride = row_stride<Node>(padded(width_ * channels_));
    Node* previous = previous_ + x1 * channels_;
    for (Index i = 0; i < 3; ++i) rows[i] = previous + i * stride;
    const Index row = expand_rows(rows, x1, count, k, stop, end);
    // A box of fewer nodes than a batch never comes back for them, and a batch of fewer than three is the last.
    if (stop - k == kPanel)
      for (Index i = 0; i < 3; ++i)
        std::memcpy(previous + i * stride, rows[kPanel + i],
                    static_cast<std::size_t>(count * channels_) * sizeof(Node));
    return row;
  }

  // Pixel rows from next_row_ whose nodes are all before `stop`.
  Index expand_rows(const Node* const* rows, Index x, Index count, Index k, Index stop, Index end) {
    const std::int32_t* start = v_.weights.start.data();
    const Index last = v_.nodes - 1, length = count * channels_;
    // A node beyond the last has weight zero.
    const auto node = [&](Index i) FASTBLUR_INLINE_LAMBDA { return rows[smaller(i, last) - k + 3]; };
    Index y = next_row_;
    for (Index stop_run; y < end && smaller(start[y] + 3, last) < stop; y = stop_run) {
      stop_run = y + 1;
      while (stop_run < smaller(y + kRows, end) && smaller(start[stop_run] + 3, last) < stop) ++stop_run;
      ahead_.some(stop_run - y);
      const auto* weights = &y_.expand[static_cast<std::size_t>(4 * y)];
      if (finish_.direct()) {
        Item* out[kRows];
        for (Index r = y; r < stop_run; ++r) out[r - y] = finish_.row(r, x, r - y);
        const float* pivot = pivot_at<S>(pivot_, x * channels_);
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
                             FASTBLUR_INLINE_LAMBDA { Nodes::values(finished_ + r * stride + at, v); };
        expand<Nodes>(node, start + y, weights, stop_run - y, samples, put,
                      [&](Index r, Index at, auto v, Index) FASTBLUR_INLINE_LAMBDA { put(r, at, v); });
        for (Index r = y; r < stop_run; ++r) finish_.put(r, x, count, finished_ + (r - y) * stride);
      }
    }
    return y;
  }

  // The panel's columns [x1, x2) from the nodes of node_panel_.
  void expand_panel(Index x1, Index x2) {
    const Index column = channels_ * kPanel, last = h_.nodes - 1;
    const std::int32_t* start = h_.weights.start.data();
    const auto node = [&](Index k) { return node_panel_ + smaller(k, last) * column; };
    for (Index x = x1, stop; x < x2; x = stop) {
      stop = smaller(x + kColumns, x2);
      ask(stop - x);
      float* out = panel_ + (x - x1) * column;
      const auto put = [&](Index r, Index at, Vec v) FASTBLUR_INLINE_LAMBDA { store(out + r * column + at, v); };
      expand<AlongX>(node, start + x, &h_.weights.expand[static_cast<std::size_t>(4 * x)], stop - x, column, put,
                     [&](Index r, Index at, Vec v, Index) FASTBLUR_INLINE_LAMBDA { put(r, at, v); });
    }
  }

  const BlurJob& job_;
  Plane plane_;
  Ahead& ahead_;
  const Axis& v_;
  const YWeights& y_;  // of v_
  const Axis& h_;
  Index channels_, width_;
  Index node_width_, node_stride_;  // samples of a node row, and from one to the next
  Index tile_;
  bool packed_;
  const float* pivot_;
  Finish<S> finish_;

  Total* partial_ = nullptr;         // the three nodes that the next batch goes on with
  Total* accumulators_ = nullptr;    // nodes of a tile while pixel rows are added
  float* unit_ = nullptr;            // what bytes' totals are multiplied by, as a vector
  float* panel_ = nullptr;           // 16 rows, transposed
  float* node_panel_ = nullptr;      // their nodes along x
  float* filtered_panel_ = nullptr;  // those, filtered
  float* ring_ = nullptr;            // node rows that the vertical filter still needs
  float* node_rows_ = nullptr;       // node rows, filtered both ways
  Node* expanded_ = nullptr;         // those, expanded along x
  Node* previous_ = nullptr;         // the last three of the batch before
  float* finished_ = nullptr;        // pixel rows on their way to the image
  Item* dense_ = nullptr;            // pixel rows whose samples did not lie together
  const float** window_ = nullptr;   // rows of a filter's window
  Ahead rows_ahead_;                 // the next pixel rows of this box, where it is large
  bool whole_ = false;  // the ring holds all node rows: they are produced in whole panels, else as they are needed
  Index ring_slots_ = 0;

  Index next_term_ = 0;     // to be read
  Index partial_node_ = 0;  // the first of the three
  Index next_node_ = -1;    // that produce() goes on with
  Index next_ = 0;          // node to be ensured
  Index next_row_ = 0;      // to be written
};

}  // namespace
