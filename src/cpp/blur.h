// The separable Gaussian of one box, streamed: pixel rows go in at the top, and the finished rows follow a few sigmas
// behind, so that a box of any size is blurred in place within scratch that fits the cache.
//
//   pixels --reduce--> node rows --x--> a ring of node rows --filter--> --x--> --expand--> pixels
//
// Along y each step is rows times scalars. Along x the same kernels run on panels: up to 16 rows transposed, so that
// the values of one column are a vector. Where an axis has no spline its nodes are its pixels, and reduce and expand
// drop out: that is the direct filter.
#pragma once

#include "expansion.h"
#include "reduction.h"
#include "ring.h"

namespace {

constexpr Index kColumns = 32;  // columns of a panel per call

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
  using Nodes = typename Arithmetic<S>::Nodes;
  using Node = typename Nodes::Node;
  using AlongX = FloatNodes<S>;

 public:
  Blur(const BlurJob& job, Arena& arena)
      : plane_(job.plane),
        v_(*job.vertical),
        h_(*job.horizontal),
        channels_(job.plane.channels),
        width_(job.plane.width),
        node_width_(padded(h_.nodes * channels_)),
        node_stride_(row_stride<float>(node_width_)),
        tile_(larger(kPanel, kTileSamples / channels_ / kPanel * kPanel)),
        read_tile_(v_.spline && !h_.spline ? width_ : tile_),
        pivot_(make_pivot<S>(plane_, arena)),
        finish_(plane_, job.mask, kRows, smaller(tile_, width_) * channels_, pivot_, arena),
        pixels_(plane_, finish_, kPanel, smaller(read_tile_, width_) * channels_, arena),
        reduction_(plane_, v_, read_tile_, pixels_, pivot_, *job.ahead, arena),
        expansion_(plane_, v_, tile_, kPanel, finish_, pivot_, *job.ahead, arena),
        whole_(v_.nodes <= v_.kernel.taps + 2 * kPanel),
        ring_(job, whole_ ? v_.nodes : v_.kernel.taps + kPanel, node_stride_, arena) {
    const Index length = padded(width_ * channels_), tile_length = padded(smaller(tile_, width_) * channels_);
    if (h_.spline && !v_.spline) finished_ = arena.take<float>(kPanel * row_stride<float>(tile_length));
    panel_ = arena.take<float>(h_.spline ? tile_length * kPanel : length * kPanel);
    if (h_.spline) node_panel_ = arena.take<float>((h_.nodes * channels_ + kPanel) * kPanel);
    filtered_panel_ = arena.take<float>(h_.spline ? (padded(h_.nodes * channels_) + kGroup * channels_) * kPanel
                                                  : (tile_length + kGroup * channels_) * kPanel);
    node_rows_ = arena.take<float>(kPanel * node_stride_);
    window_ = arena.take<const float*>(larger(h_.nodes, kPanel) + larger(h_.kernel.taps, v_.kernel.taps) + 2 * kGroup);
  }

  // Node rows [begin, end), filtered along x, into `rows`.
  void nodes(Index begin, Index end, float* rows, Index stride) {
    if (v_.spline) reduction_.seek(begin);
    for (Index k = begin; k < end; k += kPanel) {
      const Index stop = smaller(k + kPanel, end);
      float* out[kPanel];
      for (Index i = k; i < stop; ++i) out[i - k] = rows + (i - begin) * stride;
      produce(k, stop, out);
    }
  }

  // Pixel rows [begin, end), written to the image.
  void band(Index begin, Index end) {
    Index first, last;
    v_.touched(begin, end, first, last);
    if (v_.kernel.whole) first = 0, last = v_.nodes - 1;
    expansion_.seek(begin);
    ring_.clear();
    // Groups of outputs start at multiples of kGroup, so that a band gives the bits that the whole box gives.
    for (Index k = first / kGroup * kGroup; k <= last; k += kPanel)
      batch(larger(k, first), k, smaller(k + kPanel, last + 1), begin, end);
  }

 private:
  // Node rows [begin, end), at most kPanel, in turn, filtered along x.
  void produce(Index begin, Index end, float* const* out) {
    const Index depth = panel_depth(end - begin);
    if (v_.spline) {
      reduction_.produce(begin, end, [&](Index x1, Index x2, const auto* rows) {
        to_panel<typename Reduction<S>::Totals>(rows, depth, (x2 - x1) * channels_, panel_, reduction_.unit(), 0);
        if (h_.spline) reduce_panel(x1, x2, depth);
      });
    } else {
      for (Index x = 0; x < width_; x += tile_) {
        const Index count = smaller(tile_, width_ - x);
        const Item* rows[kPanel];
        for (Index i = 0; i < depth; ++i) rows[i] = pixels_.at(smaller(begin + i, end - 1), x, count, i);
        to_panel<S>(rows, depth, count * channels_, h_.spline ? panel_ : panel_ + x * channels_ * depth,
                    pivot_at<S>(pivot_, x * channels_), pixels_.ahead());
        if (h_.spline) reduce_panel(x, x + count, depth);
      }
    }
    filter_panel(out, end - begin);
  }

  // --- along x, pixels to filtered nodes ------------------------------------------------------------------------

  // The panel's columns [x1, x2) become nodes.
  void reduce_panel(Index x1, Index x2, Index depth) {
    const Index column = channels_ * depth;
    const std::int32_t* start = h_.weights.start.data();
    if (x1 == 0) std::memset(node_panel_, 0, static_cast<std::size_t>(3 * column) * sizeof(float));
    for (Index x = x1, stop; x < x2; x = stop) {
      stop = smaller(x + kColumns, x2);
      reduction_.ask(stop - x);
      const float* rows[kColumns];
      for (Index i = x; i < stop; ++i) rows[i - x] = panel_ + (i - x1) * column;
      reduce<FloatSums<Scratch<S>>>(rows, stop - x, start + x, &h_.weights.reduce[static_cast<std::size_t>(4 * x)],
                                    node_panel_ + start[x] * column, column, x == 0 || start[x] != start[x - 1], column,
                                    nullptr, 0);
    }
  }

  void filter_panel(float* const* out, Index count) {
    const Index column = channels_ * panel_depth(count), nodes = h_.nodes;
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
      reduction_.ask(last - first);
      for (Index i = first; i < last; ++i) outputs[i - first] = output(i);
      filter_whole<S>(window_, kernel.weights.data(), last - first, outputs, begin, end);
      return;
    }
    for (Index group = first; group < last; group += kGroup) {
      reduction_.ask(kGroup);
      for (Index i = 0; i < kGroup; ++i) outputs[i] = output(group + i);
      filter_pairs<S>(window_ + (group - first + kernel.radius), kernel.weights.data(), kernel.radius, outputs, begin,
                      end);
    }
  }

  // --- along y, nodes to filtered nodes -------------------------------------------------------------------------

  // Filters the nodes [k, stop), of which those before `first` are not wanted, and writes what they complete.
  void batch(Index first, Index k, Index stop, Index begin, Index end) {
    Index low, high;
    v_.needed(first, stop, low, high);
    ring_.ensure(low, high, kPanel, whole_ ? v_.nodes : high + 1, [&](Index from, Index to, bool fresh) {
      if (fresh && v_.spline) reduction_.seek(from);
      float* out[kPanel];
      for (Index i = from; i < to; ++i) out[i - from] = ring_.slot(i);
      produce(from, to, out);
    });
    window_of(v_, k, stop, [&](Index i) { return ring_.row(smaller(larger(i, low), high)); });
    // So many samples of all the rows of the window stay in the first cache while each group reads them.
    const Index tile = larger(padded(8192 / (high - low + 1)), 2 * kPanel);
    for (Index x = 0; x < node_width_; x += tile)
      filter(
          v_.kernel, k, stop, [&](Index i) { return node_rows_ + (i - k) * node_stride_; }, x,
          smaller(x + tile, node_width_));
    if (h_.spline) {
      const float* rows[kPanel];
      for (Index i = 0; i < kPanel; ++i) rows[i] = node_rows_ + smaller(i, stop - k - 1) * node_stride_;
      const Index depth = panel_depth(stop - k);
      if (v_.spline)
        to_panel<typename Nodes::Scaled>(rows, depth, h_.nodes * channels_, node_panel_, nullptr, 0);
      else
        to_panel<Scratch<S>>(rows, depth, h_.nodes * channels_, node_panel_, nullptr, 0);
    }
    for (Index x = 0; x < width_; x += tile_) write_tile(x, smaller(x + tile_, width_), k, stop, begin, end);
  }

  // --- nodes to pixels ------------------------------------------------------------------------------------------

  // The columns [x1, x2) of the pixel rows that the nodes [k, stop) complete.
  void write_tile(Index x1, Index x2, Index k, Index stop, Index begin, Index end) {
    const Index count = x2 - x1, samples = count * channels_;
    if (h_.spline) expand_panel(x1, x2, panel_depth(stop - k));
    if (v_.spline) {
      Node* rows[kPanel];
      for (Index i = 0; i < kPanel; ++i) rows[i] = expansion_.node(i, samples);
      if (h_.spline)
        from_panel<Nodes>(panel_, samples, rows, stop - k);
      else
        for (Index i = 0; i < stop - k; ++i)
          for (Index at = 0; at < samples; at += kLanes)
            Nodes::put(rows[i] + at, Nodes::Scaled::read(node_rows_ + i * node_stride_ + x1 * channels_ + at, nullptr));
      return expansion_.write(x1, x2, k, stop, end);
    }
    const Index stride = row_stride<float>(padded(samples));
    float* rows[kPanel];
    for (Index i = 0; i < kPanel; ++i)
      rows[i] = h_.spline ? finished_ + i * stride : node_rows_ + i * node_stride_ + x1 * channels_;
    if (h_.spline) from_panel<AlongX>(panel_, samples, rows, stop - k);
    for (Index y = larger(k, begin); y < smaller(stop, end); ++y) finish_.put(y, x1, count, rows[y - k]);
  }

  // The panel's columns [x1, x2) from the nodes of node_panel_.
  void expand_panel(Index x1, Index x2, Index depth) {
    const Index column = channels_ * depth, last = h_.nodes - 1;
    const std::int32_t* start = h_.weights.start.data();
    const auto node = [&](Index k) { return node_panel_ + smaller(k, last) * column; };
    for (Index x = x1, stop; x < x2; x = stop) {
      stop = smaller(x + kColumns, x2);
      reduction_.ask(stop - x);
      float* out = panel_ + (x - x1) * column;
      const auto put = [&](Index r, Index at, Vec v) FASTBLUR_INLINE_LAMBDA { store(out + r * column + at, v); };
      expand<AlongX>(node, start + x, &h_.weights.expand[static_cast<std::size_t>(4 * x)], stop - x, column, put,
                     [&](Index r, Index at, Vec v, Index) FASTBLUR_INLINE_LAMBDA { put(r, at, v); });
    }
  }

  Plane plane_;
  const Axis& v_;
  const Axis& h_;
  Index channels_, width_;
  Index node_width_, node_stride_;  // samples of a node row, and from one to the next
  Index tile_, read_tile_;          // pixels of a row handled at a time, and on their way in
  const float* pivot_;
  Finish<S> finish_;
  PixelRows<S> pixels_;
  Reduction<S> reduction_;
  Expansion<S> expansion_;
  bool whole_;        // the ring holds all node rows: they are produced in whole panels, else as they are needed
  Ring<float> ring_;  // node rows, filtered along x

  float* panel_ = nullptr;           // up to 16 rows, transposed
  float* node_panel_ = nullptr;      // their nodes along x
  float* filtered_panel_ = nullptr;  // those, filtered
  float* node_rows_ = nullptr;       // node rows, filtered both ways
  float* finished_ = nullptr;        // pixel rows that were not reduced along y, on their way to the image
  const float** window_ = nullptr;   // rows of a filter's window
};

}  // namespace
