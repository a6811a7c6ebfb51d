#include "gaussian.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "compiler.h"

namespace fastblur {
namespace {

// Numbers chosen by docs/numerics.md's worst-case sweep over box sizes, sigmas and borders. `tail` is the kernel
// radius in sigmas of the direct path: the mass beyond it on both axes, times the range, is an error of its own.
struct Quality {
  double coarse_sigma;  // s, at least, in cells
  double coarse_tail;   // radius of the coarse kernel in units of s
  double tail;          // radius of the direct kernel in units of sigma
  double second;        // how much of its second derivative the B-spline is given
};
// The B-spline plus 1/42 of its second derivative is the cubic O-MOMS of Blu, Thevenaz and Unser (2001).
constexpr double kOMoms = 1.0 / 42;
constexpr Quality kLevel{0.85, 3.5, 3.2, kOMoms};
constexpr Quality kFine{1.5, 3.5, 3.75, kOMoms};
// Beyond an end of replicated pixels two nodes stand for all further ones, as if those were the sum of the same
// samples: the B-spline's sums differ less, at spacings from 1.8 on.
constexpr Quality kFineReplicated{1.8, 3.5, 3.75, 0};

// A node of bytes is a sum of hardly more than a spacing of 255, beside the 14 bits of the weights: 400 leave a quarter
// of an int's room.
constexpr std::int32_t kByteUnit = 1 << 14;
constexpr double kWidestOfBytes = 400;

// With fewer nodes, pixels of the first half may meet nodes beyond the other end.
constexpr Index kFewNodes = 7;

// The spline's grid is this wide at least, in pixels: where it is finer, the direct filter is the faster.
constexpr double kLeastSpacing = 1.55, kLeastReplicated = 1.8, kLeastOfBytes = 1.8;

// The kernels of bytes that are filtered in 16 bits have smaller radii than these: beyond the first, what is cut off in
// their products would count; along both axes, as in boxes that are not high enough for a spline, few taps must do.
constexpr double kReachOfBytes = 20, kReachOfShort = 9;

// Rows up to this long are filtered as they are, and by the kernel's full length: fewer steps cost less than fewer
// multiplications.
constexpr Index kShortest = 16;

// Length of one period of the row as the border continues it; replicate has none.
Index border_period(Index n, Border border) {
  return border == Border::reflect ? std::max<Index>(2 * (n - 1), 1) : 2 * n;
}

// Stores weights[radius + t] of the inputs at distance t.
void store(const std::vector<double>& weights, Index n, Border border, Kernel& kernel) {
  const auto taps = static_cast<Index>(weights.size()), radius = taps / 2;
  kernel.radius = radius;
  kernel.taps = taps;
  kernel.whole = taps > 1 && n <= taps + kGroup && n <= kLongestWhole;
  if (!kernel.whole) {
    kernel.weights.resize(static_cast<std::size_t>(radius + 1));
    for (Index t = 0; t <= radius; ++t)
      kernel.weights[static_cast<std::size_t>(t)] = static_cast<float>(weights[static_cast<std::size_t>(radius + t)]);
    return;
  }
  kernel.taps = n;
  const Index half = (n + 1) / 2;
  kernel.weights.resize(static_cast<std::size_t>(half * half * 2));
  std::array<double, kLongestWhole> row;
  for (Index i = 0; i < half; ++i) {
    row.fill(0.0);
    for (Index t = 0; t < taps; ++t)
      row[static_cast<std::size_t>(border_index(i + t - radius, n, border))] += weights[static_cast<std::size_t>(t)];
    float* out = &kernel.weights[static_cast<std::size_t>(i * half * 2)];
    for (Index j = 0; j < half; ++j) {
      const Index other = n - 1 - j;  // the middle of an odd row is its own other, and added to itself
      const double near = row[static_cast<std::size_t>(j)], far = other > j ? row[static_cast<std::size_t>(other)] : 0;
      out[2 * j] = static_cast<float>(0.5 * (near + far));
      out[2 * j + 1] = static_cast<float>(0.5 * (near - far));
    }
  }
}

// exp(-i^2 / 2 sigma^2) (1 + fourth He4(i / sigma)), with He4(x) = x^4 - 6 x^2 + 3: a Gaussian, and the first term of
// the Edgeworth series that gives it a fourth cumulant of 24 `fourth` sigma^4.
class Gaussian {
 public:
  explicit Gaussian(double sigma, double fourth = 0) : sigma_(sigma), fourth_(fourth) {}
  double sigma() const { return sigma_; }
  double operator()(double i) const {
    const double x2 = i == 0 ? 0.0 : i / sigma_ * (i / sigma_), gaussian = std::exp(-0.5 * x2);
    return gaussian == 0 ? 0.0 : gaussian * (1 + fourth_ * (x2 * (x2 - 6) + 3));
  }

 private:
  double sigma_, fourth_;
};

// The Gaussian for |i| <= radius over its sum, folded onto a row of n. `weights` is memory to make it in.
void make_kernel(Index n, const Gaussian& gaussian, double radius, Border border, std::vector<double>& weights,
                 Kernel& kernel) {
  const double sigma = gaussian.sigma();
  radius = std::min(radius, std::ceil(39 * sigma));  // beyond 39 sigma a weight is zero even in float64
  const double length = static_cast<double>(n);
  if (n == 1) {
    weights.assign(1, 1.0);
    store(weights, n, border, kernel);
    return;
  }
  if (border == Border::replicate) {
    // Everything beyond the row is one of its two end pixels: the tail's whole mass goes to the taps at -n and n.
    const double reach = std::min(radius, length);
    const auto r = static_cast<Index>(reach);
    double inside = -gaussian(0);  // counted twice below
    weights.assign(static_cast<std::size_t>(2 * r + 1), 0.0);
    for (Index i = 0; i <= r; ++i) {
      const double w = gaussian(static_cast<double>(i));
      weights[static_cast<std::size_t>(r + i)] = weights[static_cast<std::size_t>(r - i)] = w;
      inside += 2 * w;
    }
    if (radius > reach) {
      // The sum over |i| <= radius, by the midpoint rule once the kernel is smooth enough for it to be exact.
      double total = inside;
      if (radius - reach < 4096) {
        for (double i = reach + 1; i <= radius; ++i) total += 2 * gaussian(i);
      } else {
        total = sigma * std::sqrt(2 * std::acos(-1.0)) * std::erf((radius + 0.5) / (sigma * std::sqrt(2.0)));
        if (!(total < std::numeric_limits<double>::max())) total = 2 * radius + 1;
      }
      weights.front() += 0.5 * (total - inside);
      weights.back() += 0.5 * (total - inside);
      inside = total;
    }
    for (double& w : weights) w /= inside;
    store(weights, n, border, kernel);
    return;
  }

  const Index period = border_period(n, border);
  const double p = static_cast<double>(period);
  if (2 * radius + 1 <= p) {
    const auto r = static_cast<Index>(radius);
    weights.resize(static_cast<std::size_t>(2 * r + 1));
    double sum = 0;
    for (Index i = -r; i <= r; ++i) sum += weights[static_cast<std::size_t>(i + r)] = gaussian(static_cast<double>(i));
    for (double& w : weights) w /= sum;
    store(weights, n, border, kernel);
    return;
  }
  // Folded: one period, centred on the output.
  weights.assign(static_cast<std::size_t>(period), 0.0);
  const Index first = -(period / 2);
  double sum = 0;
  if (sigma >= 32 * p) {
    // A kernel so wide changes little within a period: the terms of one slot, a period apart, are an integral by the
    // midpoint rule, from half a period before the first to half a period after the last. The rule's error is that of
    // the slope at the cut, (p / sigma)^2 / 24 (radius / sigma) k(radius) of the whole: below 1e-6.
    const double scale = 1 / (sigma * std::sqrt(2.0));
    for (Index i = 0; i < period; ++i) {
      const double t = static_cast<double>(first + i);
      const double last = t + std::floor((radius - t) / p) * p, begin = t - std::floor((radius + t) / p) * p;
      const double w = std::max(0.0, std::erf((last + 0.5 * p) * scale) - std::erf((begin - 0.5 * p) * scale));
      weights[static_cast<std::size_t>(i)] = w;
      sum += w;
    }
  } else {
    const auto r = static_cast<Index>(radius);
    Index slot = ((-r - first) % period + period) % period;
    for (Index i = -r; i <= r; ++i) {
      const double w = gaussian(static_cast<double>(i));
      weights[static_cast<std::size_t>(slot)] += w;
      sum += w;
      if (++slot == period) slot = 0;
    }
  }
  for (double& w : weights) w /= sum;
  // The input half a period before is that half a period after: each gets half of the weight.
  weights.front() *= 0.5;
  weights.push_back(weights.front());
  store(weights, n, border, kernel);
}

// Rounding each weight to 1/65536 leaves a sum a little off, which would shift constant areas: what is left over goes
// from each weight to the next, outside in, and the centre takes the rest.
void make_byte_kernel(const Gaussian& gaussian, Index radius, ByteKernel& kernel) {
  kernel.radius = radius;
  kernel.weights.resize(static_cast<std::size_t>(radius + 1));
  const auto put = [&](Index i, Index w) {
    kernel.weights[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(w | w << 16);
  };
  double sum = gaussian(0);
  for (Index i = 1; i <= radius; ++i) sum += 2 * gaussian(static_cast<double>(i));
  double carried = 0;
  Index total = 0;
  for (Index i = radius; i >= 1; --i) {
    const double exact = 65536 * gaussian(static_cast<double>(i)) / sum + carried;
    const double rounded = std::floor(exact + 0.5);
    carried = exact - rounded;
    put(i, static_cast<Index>(rounded));
    total += 2 * static_cast<Index>(rounded);
  }
  put(0, std::min<Index>(65536 - total, 65535));
}

// The cubic B-spline plus `second` times its second derivative. Spectrum sinc^4(w / 2) (1 - second w^2).
class CubicSpline {
 public:
  explicit CubicSpline(double second) : second_(second) {}
  double variance() const { return 1.0 / 3 + 2 * second_; }
  // The coefficient of w^4 in the logarithm of the spectrum.
  double fourth() const { return -1.0 / 720 - 0.5 * second_ * second_; }

  // At a distance of 0 <= x < 2 cells.
  double operator()(double x) const { return x < 1 ? inner(x, second_) : outer(2 - x, second_); }
  // Those that are not zero at a position u = k + f, 0 <= f < 1, are the ones of nodes k - 1 .. k + 2: t of 0 .. 3.
  template <int t>
  float node(float f) const {
    const auto second = static_cast<float>(second_);
    if constexpr (t == 0) return outer(1 - f, second);
    if constexpr (t == 1) return inner(f, second);
    if constexpr (t == 2) return inner(1 - f, second);
    if constexpr (t == 3) return outer(f, second);
  }

 private:
  template <class Float>
  static Float inner(Float x, Float second) {
    return Float(2.0 / 3) - 2 * second + x * (3 * second + x * (Float(0.5) * x - 1));
  }
  template <class Float>
  static Float outer(Float left, Float second) {
    return left * (left * left * Float(1.0 / 6) + second);
  }
  double second_;
};

// Nodes stand at the pixels 0, d, 2d, .. n - 1 (reflect; replicate has two more beyond each end, after which every
// node equals the end pixel) or at the centres of n / d cells (symmetric), so that the border of the pixels is the
// same border of the nodes.
class SplinePlan {
 public:
  SplinePlan(Index n, const CubicSpline& cubic, double spacing, Index nodes, Border border, Spline& spline)
      : n_(n),
        cubic_(cubic),
        nodes_(nodes),
        border_(border),
        spacing_(spacing),
        inverse_(1 / spacing),
        spline_(spline) {
    offset_ = border == Border::symmetric ? 0.5 * inverse_ - 0.5 : border == Border::replicate ? 2.0 : 0.0;
    last_start_ = std::max<Index>(nodes - 4, 0);
    spline.start.resize(static_cast<std::size_t>(n));
    spline.reduce.resize(static_cast<std::size_t>(4 * n));
    spline.expand.resize(static_cast<std::size_t>(4 * n));
  }

  // The first half of the pixels, to which the other one is the mirror image. Only pixels within a cell of an end meet
  // nodes that lie beyond it.
  void make_half() {
    const Index half = (n_ + 1) / 2;
    const double end = std::ceil((1 - offset_) * spacing_);
    const Index reach = nodes_ < kFewNodes ? half : std::min(half, static_cast<Index>(std::max(end, 0.0)) + 1);
    for (Index i = 0; i < reach; ++i) near_end(i);
    inner(reach, half);
    if (border_ == Border::reflect)  // the end node meets each pixel and its image
      for (Index i = reach; i < half && start(i) == 0; ++i) reduce(i)[0] *= 2;
    for (Index i = half; i < n_; ++i) start(i) = static_cast<std::int32_t>(last_start_) - start(n_ - 1 - i);
  }

 private:
  std::int32_t& start(Index i) { return spline_.start[static_cast<std::size_t>(i)]; }
  float* reduce(Index i) { return &spline_.reduce[static_cast<std::size_t>(4 * i)]; }
  float* expand(Index i) { return &spline_.expand[static_cast<std::size_t>(4 * i)]; }

  // Without branches, arrays or 64-bit numbers to convert, so that the compiler makes vectors of it.
  void inner(Index begin, Index end) {
    const auto scale = static_cast<float>(inverse_);
    const CubicSpline cubic = cubic_;
    const double inverse = inverse_, offset = offset_;
    std::int32_t* FASTBLUR_RESTRICT first = spline_.start.data();
    float *FASTBLUR_RESTRICT up = spline_.expand.data(), *FASTBLUR_RESTRICT down = spline_.reduce.data();
    for (Index i = begin; i < end; ++i) {
      const double u = static_cast<std::int32_t>(i) * inverse + offset;
      const auto k = static_cast<std::int32_t>(u);
      const auto f = static_cast<float>(u - k);
      const float b0 = cubic.node<0>(f), b1 = cubic.node<1>(f), b2 = cubic.node<2>(f), b3 = cubic.node<3>(f);
      first[i] = k - 1;
      up[4 * i] = b0;
      up[4 * i + 1] = b1;
      up[4 * i + 2] = b2;
      up[4 * i + 3] = b3;
      down[4 * i] = b0 * scale;
      down[4 * i + 1] = b1 * scale;
      down[4 * i + 2] = b2 * scale;
      down[4 * i + 3] = b3 * scale;
    }
  }

  void near_end(Index i) {
    const double u = static_cast<double>(i) * inverse_ + offset_;
    const auto k = static_cast<Index>(std::floor(u));
    const auto f = static_cast<float>(u - static_cast<double>(k));
    const float b[4] = {cubic_.node<0>(f), cubic_.node<1>(f), cubic_.node<2>(f), cubic_.node<3>(f)};
    float up[4] = {0, 0, 0, 0}, down[4] = {0, 0, 0, 0};
    const bool at_end = i == 0, mirrored = border_ == Border::reflect;
    const Index first = border_ == Border::replicate && at_end ? 0 : std::min(std::max<Index>(k - 1, 0), last_start_);
    for (Index t = 0; t < 4; ++t) {
      if (b[t] == 0) continue;
      const Index node = border_index(k - 1 + t, nodes_, border_);
      up[node - first] += b[t];
      // Mirrored about a pixel, an end node meets each pixel and its image alike, and an end pixel has no image.
      const bool twice = mirrored && (node == 0 || node == nodes_ - 1), half = mirrored && at_end;
      down[node - first] += (twice == half ? 1.0f : twice ? 2.0f : 0.5f) * b[t];
    }
    if (border_ == Border::replicate && at_end) copies_beyond(down);
    start(i) = static_cast<std::int32_t>(first);
    const auto scale = static_cast<float>(inverse_);
    for (Index t = 0; t < 4; ++t) {
      expand(i)[t] = up[t];
      reduce(i)[t] = down[t] * scale;
    }
  }

  // The first pixel, on the third node, also stands for all of its copies beyond the edge that a node reaches.
  void copies_beyond(float* down) const {
    for (Index c = 1; c <= static_cast<Index>(std::ceil(4 * spacing_)) + 1; ++c)
      for (Index t = 0; t < 4 && t < nodes_; ++t) {
        const double x = std::fabs(2.0 - inverse_ * static_cast<double>(c) - static_cast<double>(t));
        if (x < 2) down[t] += static_cast<float>(cubic_(x));
      }
  }

  Index n_;
  CubicSpline cubic_;
  Index nodes_;
  Border border_;
  double spacing_, inverse_, offset_ = 0;
  Index last_start_ = 0;
  Spline& spline_;
};

// The second half of an axis's weights is its first one's mirror image.
template <class Weight>
void mirror(Index n, Index nodes, std::vector<Weight>& weights) {
  const Index half = n / 2;
  const Weight* from = weights.data();
  Weight* to = weights.data() + 4 * (n - half);
  for (Index i = 0; i < half; ++i)
    for (Index t = 0; t < 4; ++t) to[4 * i + t] = from[4 * (half - 1 - i) + 3 - t];
  if (nodes < 4)
    for (Index i = 0; i < half; ++i) std::rotate(to + 4 * i, to + 4 * i + 4 - nodes, to + 4 * i + 4);
}

// The weights in `room`, whose nodes are `spacing` pixels apart, in whole numbers. Rounded so, up to 4 spacings of them
// change a node by 2 * 255 / kByteUnit = 0.03 level at most, and the four of a pixel this by 2 * 255 / 65536.
void make_byte_spline(PlanRoom& room, double spacing, Index nodes, ByteSpline& to) {
  const Spline& from = room.spline;
  std::vector<std::int32_t>& rounded = room.rounded;
  const std::size_t n = from.start.size();
  const std::size_t half = (n + 1) / 2;
  to.expand.resize(4 * n);
  for (std::size_t i = 0; i < 4 * half; ++i) {
    const auto w = static_cast<std::int32_t>(std::min(from.expand[i] * 65536 + 0.5f, 65535.0f));
    to.expand[i] = w | w << 16;
  }
  mirror(static_cast<Index>(n), nodes, to.expand);
  const auto scale = static_cast<float>(spacing * kByteUnit);
  to.unit = 1 / scale;
  std::int32_t bits = 0;  // of all weights, none of which is negative
  rounded.resize(4 * n);
  for (std::size_t i = 0; i < 4 * half; ++i)
    bits |= rounded[i] = static_cast<std::int32_t>(from.reduce[i] * scale + 0.5f);
  mirror(static_cast<Index>(n), nodes, rounded);
  // A row that weighs more, such as one that stands for its copies beyond the edge, comes as often as it takes.
  constexpr std::int32_t kMost = 0x7fff;
  const bool all_fit = bits <= kMost;
  std::size_t most_couples = n;
  if (!all_fit)
    for (std::size_t i = 0; i < n; ++i)
      most_couples += static_cast<std::size_t>(*std::max_element(&rounded[4 * i], &rounded[4 * i] + 4) / (2 * kMost));
  to.start.resize(most_couples);
  to.row.resize(2 * most_couples);
  to.reduce.resize(4 * most_couples);
  std::size_t couples = 0;
  const auto couple = [&](std::size_t first, std::size_t second, const std::int32_t* low, const std::int32_t* high) {
    to.start[couples] = from.start[first];
    to.row[2 * couples] = static_cast<std::int32_t>(first);
    to.row[2 * couples + 1] = static_cast<std::int32_t>(second);
    std::int32_t* out = &to.reduce[4 * couples];
    for (int t = 0; t < 4; ++t) out[t] = low[t] | high[t] << 16;
    ++couples;
  };
  constexpr std::int32_t none[4] = {};
  const auto fits = [&](std::size_t i) {
    return all_fit || *std::max_element(&rounded[4 * i], &rounded[4 * i] + 4) <= kMost;
  };
  for (std::size_t i = 0; i < n; ++i) {
    const std::int32_t* w = &rounded[4 * i];
    if (!fits(i)) {
      const std::int64_t parts = 2 * (*std::max_element(w, w + 4) / (2 * kMost) + 1);
      std::int32_t part[8];
      for (std::int64_t k = 0; k < parts; k += 2) {
        for (int t = 0; t < 8; ++t) {
          const std::int64_t whole = w[t % 4], p = k + t / 4;
          part[t] = static_cast<std::int32_t>(whole * (p + 1) / parts - whole * p / parts);
        }
        couple(i, i, part, part + 4);
      }
    } else if (i + 1 < n && from.start[i + 1] == from.start[i] && fits(i + 1)) {
      couple(i, i + 1, w, w + 4);
      ++i;
    } else {
      couple(i, i, w, none);
    }
  }
  to.start.resize(couples);
  to.row.resize(2 * couples);
  to.reduce.resize(4 * couples);
}

}  // namespace

Index border_index(Index i, Index n, Border border) {
  if (i >= 0 && i < n) return i;
  if (border == Border::replicate) return i < 0 ? 0 : n - 1;
  const Index mirror = border == Border::reflect ? 0 : 1;
  if (i < 0 && i > -n) return -i - mirror;
  if (i >= n && i < 2 * n - 1) return 2 * (n - 1) - i + mirror;
  const Index period = border_period(n, border);
  i %= period;
  if (i < 0) i += period;
  return i < n ? i : period - mirror - i;
}

void Axis::touched(Index begin, Index end, Index& first, Index& last) const {
  first = spline ? weights.start[static_cast<std::size_t>(begin)] : begin;
  last = spline ? std::min<Index>(weights.start[static_cast<std::size_t>(end - 1)] + 3, nodes - 1) : end - 1;
}

void Axis::needed(Index begin, Index end, Index& low, Index& high) const {
  if (kernel.whole) {
    low = 0;
    high = nodes - 1;
    return;
  }
  const Index from = begin - kernel.radius, to = end - 1 + kernel.radius;
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

LevelPath level_path(double sigma, Index height, Index width, Index channels) {
  const LevelPath direct{Accuracy::byte_rows, Accuracy::bytes}, panels{Accuracy::rows, Accuracy::level};
  const double reach = kLevel.tail * sigma + 0.5;  // the kernel's radius before it is cut to whole pixels
  if (reach < 1 || reach >= kReachOfBytes) return panels;
  const double grid = kLevel.coarse_sigma * kLevel.coarse_sigma + 2 * CubicSpline(kLevel.second).variance();
  if (sigma * sigma < kLeastOfBytes * kLeastOfBytes * grid) return direct;
  if (width <= kShortest) return panels;
  if (height <= kShortest) return reach < kReachOfShort ? direct : panels;
  // Cycles along x, as measured with AVX-512: a row of nodes is a few loads a tap, most of them across cache lines, and
  // the pixels that continue it; a panel costs the more the more rows it has, and much of it anyway.
  const double radius = std::floor(reach), rows = std::ceil(static_cast<double>(height) * std::sqrt(grid) / sigma);
  const double vectors = std::ceil(static_cast<double>(width * channels) / 32);
  const double directly = rows * (vectors * (12 + 2 * radius) + 6 * radius);
  const double in_panels = vectors * (345 * std::ceil(rows / 16) + 15.5 * rows);
  return directly < in_panels ? direct : panels;
}

void plan_axis(const AxisKey& key, Axis& axis, PlanRoom& room) {
  const Index n = key.n;
  const double sigma = std::min(key.sigma, 1e15);  // any wider is uniform over any row that fits in memory
  axis.n = n;
  axis.border = key.border;
  axis.nodes = n;
  axis.spline = false;

  const double full_radius = key.radius >= 0 ? static_cast<double>(key.radius) : std::floor(4 * sigma + 0.5);
  const auto accuracy = static_cast<Accuracy>(key.accuracy);
  const bool bytes = accuracy == Accuracy::bytes || accuracy == Accuracy::byte_rows;
  // The filter of the pixels, or of the nodes.
  const auto filter = [&](Index count, const Gaussian& gaussian, double radius) {
    if (!bytes) return make_kernel(count, gaussian, radius, key.border, room.kernel, axis.kernel);
    axis.kernel.whole = false;
    axis.kernel.radius = static_cast<Index>(radius);
    axis.kernel.taps = 2 * axis.kernel.radius + 1;
    make_byte_kernel(gaussian, axis.kernel.radius, axis.bytes);
  };
  if (accuracy == Accuracy::exact || (n <= kShortest && !bytes)) return filter(n, Gaussian(sigma), full_radius);
  const bool replicated = key.border == Border::replicate;
  const bool rows = accuracy == Accuracy::rows || accuracy == Accuracy::byte_rows;
  const bool level = rows || bytes || accuracy == Accuracy::level;
  const Quality& quality = level ? kLevel : replicated ? kFineReplicated : kFine;
  const CubicSpline cubic(quality.second);
  double widest = sigma / std::sqrt(quality.coarse_sigma * quality.coarse_sigma + 2 * cubic.variance());
  if (level) widest = std::min(widest, kWidestOfBytes);
  const bool centred = key.border == Border::symmetric;
  const double extent = static_cast<double>(centred ? n : n - 1);
  const double cells = std::max(1.0, std::ceil(extent / widest));
  const double spacing = extent / cells;
  const double radius = std::min(full_radius, std::floor(quality.tail * sigma + 0.5));
  const Index nodes = static_cast<Index>(cells) + (centred ? 0 : 1) + (replicated ? 4 : 0);
  // The direct filter where the spline would alias, and where it would save nothing.
  const double least = bytes ? kLeastOfBytes : replicated ? kLeastReplicated : kLeastSpacing;
  if (accuracy == Accuracy::bytes || n <= kShortest || n <= nodes + 2 || !(spacing >= least))
    return filter(n, Gaussian(sigma), radius);
  axis.spline = true;
  axis.nodes = nodes;
  SplinePlan(n, cubic, spacing, nodes, key.border, rows ? room.spline : axis.weights).make_half();
  if (rows) {
    make_byte_spline(room, spacing, nodes, axis.byte_weights);
    std::swap(room.spline.start, axis.weights.start);
  } else {
    mirror(n, nodes, axis.weights.reduce);
    mirror(n, nodes, axis.weights.expand);
  }
  // The spectra of the two splines, exp(-variance w^2 + 2 fourth w^4 - ..), times this are the Gaussian's.
  const double variance = sigma / spacing * (sigma / spacing) - 2 * cubic.variance(), coarse = std::sqrt(variance);
  filter(nodes, Gaussian(coarse, -2 * cubic.fourth() / (variance * variance)), std::ceil(quality.coarse_tail * coarse));
}

}  // namespace fastblur
