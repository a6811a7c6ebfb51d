// The weights of a Gaussian along one axis of a box, for both ways of applying it.
//
// Direct: the sampled kernel itself. Spline: project the row onto a coarse grid of cubic splines (reduce), filter the
// coarse nodes with a small sampled Gaussian, evaluate the spline back at every pixel (expand). The variances add,
//     sigma^2 = d^2 (s^2 + v + v),
// with d the grid's spacing in pixels, s the coarse kernel's sigma in cells and v the variance of the spline, so the
// cost does not depend on sigma; the coarse kernel also makes up for the splines' fourth cumulant. docs/numerics.md has
// the derivation and the error bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fastblur {

using Index = std::ptrdiff_t;

enum class Border : int { reflect, symmetric, replicate };

// The pixel of 0..n-1 that stands at position i of a row continued beyond its ends.
Index border_index(Index i, Index n, Border border);

// Outputs are filtered in groups of this many neighbours, which share each input that they load.
constexpr Index kGroup = 4;

// A row this short may be filtered as a whole: all of its outputs are one batch of blur.h.
constexpr Index kLongestWhole = 16;  // see the static_assert there

// A filter whose output i is the sum over |t| <= radius of weights[|t|] * input[border_index(i + t)]. A kernel longer
// than the row is folded onto one period of it, so the radius is at most n whatever the sigma. A row that is about as
// short as the kernel is filtered as a whole, by the square of what each input adds to each output, in its even and odd
// halves: see filter_whole.
struct Kernel {
  bool whole = false;
  Index radius = 0;
  Index taps = 1;              // inputs of one output
  std::vector<float> weights;  // (radius + 1,) of the centre and of each pair around it; whole: (half, half, 2)
};

// The same kernel for bytes: weights of the centre and of each pair of neighbours around it, in 1/65536 and in both
// halves of 32 bits, summing to one exactly.
struct ByteKernel {
  Index radius = 0;
  std::vector<std::int32_t> weights;  // (radius + 1,)
};

// How pixels and coarse nodes meet: pixel i touches the nodes start[i] .. start[i] + 3 with these weights.
struct Spline {
  std::vector<std::int32_t> start;  // (n,), growing by 0 or 1
  std::vector<float> reduce;        // (n, 4): what the pixel adds to each node; a node's weights sum to about one
  std::vector<float> expand;        // (n, 4): what each node adds to the pixel; a pixel's weights sum to one
};

// The same for bytes, in whole numbers: the same bits on every instruction set, and half the instructions. Rows come in
// couples that start at one node, since a processor multiplies and adds two 16-bit numbers at once.
struct ByteSpline {
  std::vector<std::int32_t> row;     // (couples, 2): the rows of a couple; one row twice where there is no second
  std::vector<std::int32_t> start;   // (couples,)
  std::vector<std::int32_t> reduce;  // (couples, 4): the first row's weight in the lower 16 bits, the second's above
  std::vector<std::int32_t> expand;  // (n, 4), in 1/65536, in both halves of 32 bits
  float unit = 0;                    // of the weights in `reduce`
};

// Memory in which an axis is made: a kernel in float64, and what becomes a ByteSpline.
struct PlanRoom {
  std::vector<double> kernel;
  Spline spline;
  std::vector<std::int32_t> rounded;
};

struct AxisKey {
  Index n;
  double sigma;
  std::int64_t radius;  // of the kernel, when the caller fixed it; else -1
  Border border;
  int accuracy;  // an Accuracy
  bool operator==(const AxisKey& o) const {
    return n == o.n && sigma == o.sigma && radius == o.radius && border == o.border && accuracy == o.accuracy;
  }
};

// How near to the reference the result must be; see spec of the error bounds in docs/numerics.md.
enum class Accuracy : int {
  level,      // one level of uint8
  rows,       // the same along y, where bytes are added up
  bytes,      // the same, by the direct filter in 16-bit fixed point
  byte_rows,  // the same along y, by a spline where that pays
  fine,       // 5e-4 of the range
  exact,      // the full kernel, for method="direct" and for a given kernel size
};

// Everything that one axis needs. Without a spline, the "nodes" are the pixels themselves.
struct Axis {
  Index n = 0;
  Index nodes = 0;
  bool spline = false;
  Spline weights;
  ByteSpline byte_weights;  // Accuracy::rows and byte_rows: then only `start` of `weights` holds
  Kernel kernel;
  ByteKernel bytes;
  Border border = Border::reflect;

  // First and last node that the pixels [begin, end) touch.
  void touched(Index begin, Index end, Index& first, Index& last) const;
  // First and last node that the outputs of nodes [begin, end) read.
  void needed(Index begin, Index end, Index& low, Index& high) const;
};

// How a uint8 box is best blurred to within a level: by what it costs.
struct LevelPath {
  Accuracy along_y, along_x;
};
LevelPath level_path(double sigma, Index height, Index width, Index channels);

// `room` is memory that is of use again for the next one.
void plan_axis(const AxisKey& key, Axis& axis, PlanRoom& room);

}  // namespace fastblur
