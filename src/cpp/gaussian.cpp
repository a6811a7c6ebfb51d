#include "gaussian.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fastblur {
namespace {

// Numbers chosen by docs/numerics.md's worst-case sweep over box sizes, sigmas and borders. `tail` is the kernel
// radius in sigmas of the direct path: the mass beyond it on both axes, times the range, is an error of its own.
struct Quality {
  double coarse_sigma;    // s, at least, in cells
  double coarse_tail;     // radius of the coarse kernel in units of s
  double least_spacing;   // d, at least, in pixels; below it the sampled spline aliases
  double tail;            // radius of the direct kernel in units of sigma
};
constexpr Quality kLevel{1.2, 3.5, 1.36, 3.2};
constexpr Quality kFine{2.2, 4.0, 2.0, 3.75};

// The reference truncates its kernel at 4 sigma, which makes it narrower than a full Gaussian by 0.054 %. Matching a
// little more than half of that halves the spline's largest error.
constexpr double kTruncatedSigma = 1 - 0.0003;

// Length of one period of the row as the border continues it; replicate has none.
Index border_period(Index n, Border border) { return border == Border::reflect ? std::max<Index>(2 * (n - 1), 1) : 2 * n; }

void group(const std::vector<double>& weights, Index first, Kernel& kernel) {
  kernel.first = first;
  kernel.taps = static_cast<Index>(weights.size());
  kernel.group_weights.assign(static_cast<std::size_t>((kernel.taps + kGroup - 1) * kGroup), 0.0f);
  for (Index i = 0; i < kGroup; ++i)
    for (Index t = 0; t < kernel.taps; ++t)
      kernel.group_weights[static_cast<std::size_t>((t + i) * kGroup + i)] =
          static_cast<float>(weights[static_cast<std::size_t>(t)]);
}

double gaussian(double i, double sigma) { return i == 0 ? 1.0 : std::exp(-0.5 * (i / sigma) * (i / sigma)); }

// exp(-i^2 / 2 sigma^2) for |i| <= radius over its sum, folded onto a row of n.
void make_kernel(Index n, double sigma, double radius, Border border, Kernel& kernel) {
  radius = std::min(radius, std::ceil(39 * sigma));  // beyond 39 sigma a weight is zero even in float64
  const double length = static_cast<double>(n);
  std::vector<double> weights;
  if (n == 1) {
    group({1.0}, 0, kernel);
    return;
  }
  if (border == Border::replicate) {
    // Everything beyond the row is one of its two end pixels: the tail's whole mass goes to the taps at -n and n.
    const double reach = std::min(radius, length);
    const auto r = static_cast<Index>(reach);
    double inside = 1;
    weights.assign(static_cast<std::size_t>(2 * r + 1), 0.0);
    for (Index i = 0; i <= r; ++i) {
      const double w = gaussian(static_cast<double>(i), sigma);
      weights[static_cast<std::size_t>(r + i)] = weights[static_cast<std::size_t>(r - i)] = w;
      if (i > 0) inside += 2 * w;
    }
    if (radius > reach) {
      // The sum over |i| <= radius, by the midpoint rule once the kernel is smooth enough for it to be exact.
      double total = inside;
      if (radius - reach < 4096) {
        for (double i = reach + 1; i <= radius; ++i) total += 2 * gaussian(i, sigma);
      } else {
        total = sigma * std::sqrt(2 * std::acos(-1.0)) * std::erf((radius + 0.5) / (sigma * std::sqrt(2.0)));
        if (!(total < std::numeric_limits<double>::max())) total = 2 * radius + 1;
      }
      weights.front() += 0.5 * (total - inside);
      weights.back() += 0.5 * (total - inside);
      inside = total;
    }
    for (double& w : weights) w /= inside;
    group(weights, -r, kernel);
    return;
  }

  const Index period = border_period(n, border);
  const double p = static_cast<double>(period);
  if (2 * radius + 1 <= p) {
    const auto r = static_cast<Index>(radius);
    weights.resize(static_cast<std::size_t>(2 * r + 1));
    double sum = 0;
    for (Index i = -r; i <= r; ++i)
      sum += weights[static_cast<std::size_t>(i + r)] = gaussian(static_cast<double>(i), sigma);
    for (double& w : weights) w /= sum;
    group(weights, -r, kernel);
    return;
  }
  // Folded: one period, centred on the output. A Gaussian much wider than the period folds to a constant, to within
  // 2 exp(-2 pi^2 sigma^2 / p^2), plus what the cut of the kernel leaves over (7e-5 p / sigma when cut at 4 sigma,
  // 4.4e-4 p / sigma at 3.5 sigma, where a coarse kernel is cut).
  const bool uniform = sigma >= 64 * p ? radius >= 3.4 * sigma : sigma >= p && radius >= 6 * sigma;
  weights.assign(static_cast<std::size_t>(period), uniform ? 1.0 / p : 0.0);
  const Index first = -(period / 2);
  if (!uniform) {
    double sum = 0;
    const auto r = static_cast<Index>(radius);
    Index slot = ((-r - first) % period + period) % period;
    for (Index i = -r; i <= r; ++i) {
      const double w = gaussian(static_cast<double>(i), sigma);
      weights[static_cast<std::size_t>(slot)] += w;
      sum += w;
      if (++slot == period) slot = 0;
    }
    for (double& w : weights) w /= sum;
  }
  group(weights, first, kernel);
}

// The four cubic B-splines that are not zero at a position u = k + f, 0 <= f < 1: those of nodes k - 1 .. k + 2.
inline void cubic(double f, double* b) {
  const double g = 1 - f;
  const double f2 = f * f, g2 = g * g;
  b[0] = g2 * g * (1.0 / 6);
  b[1] = 2.0 / 3 - f2 + 0.5 * f2 * f;
  b[2] = 2.0 / 3 - g2 + 0.5 * g2 * g;
  b[3] = f2 * f * (1.0 / 6);
}

// Nodes stand at the pixels 0, d, 2d, .. n - 1 (reflect; replicate has two more beyond each end, after which every
// node equals the end pixel) or at the centres of n / d cells (symmetric), so that the border of the pixels is the
// same border of the nodes.
void make_spline(Index n, double spacing, Index nodes, Border border, Spline& spline) {
  const bool centred = border == Border::symmetric;
  const double offset = centred ? 0.5 / spacing - 0.5 : border == Border::replicate ? 2.0 : 0.0;
  const Index last_start = std::max<Index>(nodes - 4, 0);
  spline.start.resize(static_cast<std::size_t>(n));
  spline.reduce.assign(static_cast<std::size_t>(4 * n), 0.0f);
  spline.expand.assign(static_cast<std::size_t>(4 * n), 0.0f);
  std::vector<double> reduce(static_cast<std::size_t>(4 * n), 0.0);
  std::vector<double> node_sum(static_cast<std::size_t>(nodes + 4), 0.0);

  const auto fold = [&](Index v) -> Index {
    if (v >= 0 && v < nodes) return v;
    return border_index(v, nodes, border);
  };
  for (Index i = 0; i < n; ++i) {
    const double u = static_cast<double>(i) / spacing + offset;
    Index k = static_cast<Index>(std::floor(u));
    double f = u - static_cast<double>(k);
    if (border != Border::symmetric && i == n - 1) {  // the last pixel is the last node, whatever the division said
      k = nodes - 1 - (border == Border::replicate ? 2 : 0);
      f = 0;
    }
    double b[4];
    cubic(f, b);
    Index start = std::min(std::max<Index>(k - 1, 0), last_start);
    if (border == Border::replicate && i == 0) start = 0;
    spline.start[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(start);
    float* expand = &spline.expand[static_cast<std::size_t>(4 * i)];
    double* down = &reduce[static_cast<std::size_t>(4 * i)];
    double up[4] = {0, 0, 0, 0};
    for (int t = 0; t < 4; ++t) {
      if (b[t] == 0) continue;
      const Index v = k - 1 + t;
      const Index node = fold(v);
      up[node - start] += b[t];
      // Mirrored about a pixel, an end node meets each pixel and its image alike, and an end pixel has no image.
      double times = 1;
      if (border == Border::reflect) {
        if (node == 0 || node == nodes - 1) times *= 2;
        if (i == 0 || i == n - 1) times *= 0.5;
      }
      if (border != Border::replicate || (i > 0 && i < n - 1)) down[node - start] += times * b[t];
    }
    if (border == Border::replicate && (i == 0 || i == n - 1)) {
      // An end pixel also stands for all of its copies beyond the edge, as far as the outermost node reaches.
      const double outward = i == 0 ? -1.0 : 1.0;
      const auto copies = static_cast<Index>(std::ceil(4 * spacing)) + 1;
      for (Index c = 0; c <= copies; ++c) {
        const double position = (i == 0 ? 2.0 : static_cast<double>(nodes - 3)) +
                                outward * static_cast<double>(c) / spacing;
        for (int t = 0; t < 4; ++t) {
          const Index node = start + t;
          if (node >= nodes) continue;
          const double x = std::fabs(position - static_cast<double>(node));
          if (x < 2) down[t] += x < 1 ? 2.0 / 3 - x * x + 0.5 * x * x * x : (2 - x) * (2 - x) * (2 - x) / 6;
        }
      }
    }
    for (int t = 0; t < 4; ++t) {
      expand[t] = static_cast<float>(up[t]);
      node_sum[static_cast<std::size_t>(start + t)] += down[t];
    }
  }
  for (Index i = 0; i < n; ++i)
    for (Index t = 0; t < 4; ++t) {
      const double sum = node_sum[static_cast<std::size_t>(spline.start[static_cast<std::size_t>(i)] + t)];
      const auto at = static_cast<std::size_t>(4 * i + t);
      spline.reduce[at] = sum > 0 ? static_cast<float>(reduce[at] / sum) : 0.0f;
    }
}

}  // namespace

Index border_index(Index i, Index n, Border border) {
  if (i >= 0 && i < n) return i;
  if (border == Border::replicate) return i < 0 ? 0 : n - 1;
  const Index period = border_period(n, border);
  i %= period;
  if (i < 0) i += period;
  if (i < n) return i;
  return (border == Border::reflect ? period : period - 1) - i;
}

void Axis::needed(Index begin, Index end, Index& low, Index& high) const {
  const Index from = begin + kernel.first;
  const Index to = end - 1 + kernel.first + kernel.taps - 1;
  low = std::max<Index>(from, 0);
  high = std::min<Index>(to, nodes - 1);
  if (border == Border::replicate) {  // beyond an end stands that end's own pixel
    if (from < 0) low = 0;
    if (to >= nodes) high = nodes - 1;
    low = std::min(low, nodes - 1);
    high = std::max<Index>(high, 0);
    return;
  }
  if (to - from + 1 >= border_period(nodes, border) || from <= -nodes || to >= 2 * nodes - 1) {
    low = 0;
    high = nodes - 1;
    return;
  }
  if (from < 0) {
    high = std::max(high, border_index(from, nodes, border));
    low = 0;
  }
  if (to >= nodes) {
    low = std::min(low, border_index(to, nodes, border));
    high = nodes - 1;
  }
}

void plan_axis(const AxisKey& key, Axis& axis) {
  const Index n = key.n;
  const double sigma = std::min(key.sigma, 1e15);  // any wider is uniform over any row that fits in memory
  axis.n = n;
  axis.border = key.border;
  axis.nodes = n;
  axis.spline = false;

  const double full_radius = key.radius >= 0 ? static_cast<double>(key.radius) : std::floor(4 * sigma + 0.5);
  if (key.accuracy == static_cast<int>(Accuracy::exact)) {
    make_kernel(n, sigma, full_radius, key.border, axis.kernel);
    return;
  }
  const Quality& quality = key.accuracy == static_cast<int>(Accuracy::level) ? kLevel : kFine;
  const double widest = sigma / std::sqrt(quality.coarse_sigma * quality.coarse_sigma + 2.0 / 3);
  const bool centred = key.border == Border::symmetric;
  const double extent = static_cast<double>(centred ? n : n - 1);
  const double cells = std::max(1.0, std::ceil(extent / widest));
  const double spacing = extent / cells;
  const double radius = std::min(full_radius, std::floor(quality.tail * sigma + 0.5));
  const Index nodes = static_cast<Index>(cells) + (centred ? 0 : 1) + (key.border == Border::replicate ? 4 : 0);
  // The direct filter where the spline would alias, and where it is the cheaper: rows of a few pixels.
  if (!(spacing >= quality.least_spacing) || n <= nodes + 2) {
    make_kernel(n, sigma, radius, key.border, axis.kernel);
    return;
  }
  axis.spline = true;
  axis.nodes = nodes;
  make_spline(n, spacing, nodes, key.border, axis.weights);
  const double in_cells = kTruncatedSigma * sigma / spacing;
  const double coarse = std::sqrt(in_cells * in_cells - 2.0 / 3);
  make_kernel(nodes, coarse, std::ceil(quality.coarse_tail * coarse), key.border, axis.kernel);
}

}  // namespace fastblur
