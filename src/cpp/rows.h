// Rows times scalars: the four kernels that every blur is made of. Each takes rows of samples that lie one after the
// other, whatever pixel, channel or (in a transposed panel) image row the samples belong to.
//
//   reduce     pixels  -> nodes    four nodes gain a weighted pixel row
//   filter     nodes   -> nodes    four neighbouring outputs share their inputs
//   expand     nodes   -> pixels   a pixel row is a weighted sum of four nodes
//   transpose  16 rows <-> a panel, in which the 16 values of one column lie together
//
// Scratch rows are padded to whole vectors of 16 floats; image rows are not, and are read and written only within.
#pragma once

#include <type_traits>

#include "gaussian.h"
#include "image.h"
#include "prefetch.h"
#include "simd.h"

namespace {

using fastblur::Index;
using fastblur::kGroup;
using fastblur::kLine;
using fastblur::prefetch;

constexpr Index kPanel = 16;  // rows in a panel: one vector of the widest instruction set, and the same for all

constexpr Index padded(Index n) { return (n + kPanel - 1) / kPanel * kPanel; }

// A sample type: how its rows become float vectors and back. `pivot` is a value near the pixels' own that is taken
// away on the way in and given back on the way out: a constant box then is zero throughout, and stays exact.
// The `_part` forms touch only the first `count` items.
struct U8 {
  using Item = std::uint8_t;
  static constexpr bool floating = false, pivoted = false;
  static FASTBLUR_INLINE Vec read(const Item* p, const float*) { return load(p); }
  static FASTBLUR_INLINE Vec read_part(const Item* p, const float*, Index count) { return load_part(p, count); }
  static FASTBLUR_INLINE void write(Item* p, Vec v, const float*) { store(p, v); }
  static FASTBLUR_INLINE void write_part(Item* p, Vec v, const float*, Index count) { store_part(p, v, count); }
};
template <class T, bool fuses>
struct Pivoted {
  using Item = T;
  static constexpr bool floating = fuses, pivoted = true;
  static FASTBLUR_INLINE Vec read(const Item* p, const float* pivot) { return sub(load(p), load(pivot)); }
  static FASTBLUR_INLINE Vec read_part(const Item* p, const float* pivot, Index count) {
    return sub(load_part(p, count), load(pivot));
  }
  static FASTBLUR_INLINE void write(Item* p, Vec v, const float* pivot) { store(p, add(v, load(pivot))); }
  static FASTBLUR_INLINE void write_part(Item* p, Vec v, const float* pivot, Index count) {
    store_part(p, add(v, load(pivot)), count);
  }
};
struct U16 : Pivoted<std::uint16_t, false> {};
struct F16 : Pivoted<Half, true> {};
// float32 as 2^power times itself: an eighth, so that neither the difference of two values nor the sum of two such
// differences overflows, or 2^60, so that sums of the smallest keep their bits. The pivot is scaled already.
template <int power>
struct F32 {
  using Item = float;
  static constexpr bool floating = true, pivoted = true;
  static constexpr float scale = power < 0 ? 1.0f / (1ll << -power) : 1.0f * (1ll << power);
  static FASTBLUR_INLINE Vec read(const Item* p, const float* pivot) {
    return sub(mul(load(p), splat(scale)), load(pivot));
  }
  static FASTBLUR_INLINE Vec read_part(const Item* p, const float* pivot, Index count) {
    return sub(mul(load_part(p, count), splat(scale)), load(pivot));
  }
  static FASTBLUR_INLINE void write(Item* p, Vec v, const float* pivot) {
    store(p, mul(add(v, load(pivot)), splat(1 / scale)));
  }
  static FASTBLUR_INLINE void write_part(Item* p, Vec v, const float* pivot, Index count) {
    store_part(p, mul(add(v, load(pivot)), splat(1 / scale)), count);
  }
};
// No pivot: for values that are taken as they are.
alignas(64) constexpr float kNoPivot[kPanel] = {};

// Scratch: floats without a pivot, on behalf of the sample type `Of`.
template <class Of>
struct Scratch {
  using Item = float;
  static constexpr bool floating = Of::floating, pivoted = false;
  static FASTBLUR_INLINE Vec read(const Item* p, const float*) { return load(p); }
  static FASTBLUR_INLINE Vec read_part(const Item* p, const float*, Index count) { return load_part(p, count); }
};

// The pivot of a sample type that has one, at a place in the row.
template <class S>
FASTBLUR_INLINE const float* pivot_at(const float* pivot, Index at) {
  return S::pivoted && pivot != nullptr ? pivot + at : nullptr;
}

// sum + w x. Only the float types fuse it: see simd.h.
template <class S>
FASTBLUR_INLINE Vec multiply_add(Vec w, Vec x, Vec sum) {
  if constexpr (S::floating)
    return fused(w, x, sum);
  else
    return add(sum, mul(w, x));
}

// Calls body(at, vectors) over [0, length), `unroll` vectors at a time while they last; then tail(at, samples left).
template <int unroll = kUnroll, class Body, class Tail>
FASTBLUR_INLINE void sweep(Index length, const Body& body, const Tail& tail) {
  constexpr Index chunk = unroll * kLanes;
  Index at = 0;
  for (; at + chunk <= length; at += chunk) body(at, std::integral_constant<int, unroll>{});
  if constexpr (unroll == 4) {
    const Index vectors = (length - at) / kLanes;
    if (vectors == 3) body(at, std::integral_constant<int, 3>{});
    if (vectors == 2) body(at, std::integral_constant<int, 2>{});
    if (vectors == 1) body(at, std::integral_constant<int, 1>{});
    at += vectors * kLanes;
  } else if constexpr (unroll > 1) {
    for (; at + kLanes <= length; at += kLanes) body(at, std::integral_constant<int, 1>{});
  }
  if (at < length) tail(at, length - at);
}
// node[start[r] + k][.] += weights[4 r + k] * rows[r][.] for k < 4 and the rows in turn. Node start[0] lies at `nodes`,
// the others follow `stride` apart; the first three have been begun before, the fourth too unless it is `fresh`, and
// later ones have not. The four that a row adds to stay in registers until the rows have passed them. `ahead` bytes
// beyond each sample lies one that is read soon: rows far apart are more streams than the processor follows by itself.
template <class S>
FASTBLUR_NOINLINE void reduce(const typename S::Item* const* rows, Index count, const std::int32_t* FASTBLUR_RESTRICT start,
            const float* FASTBLUR_RESTRICT weights, float* nodes, Index stride, bool fresh, Index length,
            const float* pivot, Index ahead) {
  const auto sums = [&](Index at, auto vectors, const auto& ask, const auto& read) FASTBLUR_INLINE_LAMBDA {
    constexpr int n = decltype(vectors)::value;
    Vec sum[4][n];
    float* node = nodes + at;
    for (int k = 0; k < 4; ++k)
      for (int u = 0; u < n; ++u) sum[k][u] = k == 3 && fresh ? zero() : load(node + k * stride + u * kLanes);
    for (Index r = 0;; node += stride) {
      const std::int32_t first = start[r];
      do {
        const Vec w[4] = {splat(weights[4 * r]), splat(weights[4 * r + 1]), splat(weights[4 * r + 2]),
                          splat(weights[4 * r + 3])};
        ask(r);
        for (int u = 0; u < n; ++u) {
          const Vec x = read(r, at + u * kLanes);
          for (int k = 0; k < 4; ++k) sum[k][u] = multiply_add<S>(w[k], x, sum[k][u]);
        }
      } while (++r < count && start[r] == first);
      if (r == count) break;
      for (int u = 0; u < n; ++u) {
        store(node + u * kLanes, sum[0][u]);
        for (int k = 0; k < 3; ++k) sum[k][u] = sum[k + 1][u];
        sum[3][u] = zero();
      }
    }
    for (int k = 0; k < 4; ++k)
      for (int u = 0; u < n; ++u) store(node + k * stride + u * kLanes, sum[k][u]);
  };
  const auto body = [&](Index at, auto vectors) FASTBLUR_INLINE_LAMBDA {
    constexpr Index bytes = decltype(vectors)::value * kLanes * static_cast<Index>(sizeof(typename S::Item));
    sums(
        at, vectors,
        [&](Index r) {
          if (ahead == 0) return;
          const auto p = reinterpret_cast<std::uintptr_t>(rows[r] + at) + static_cast<std::uintptr_t>(ahead);
          for (Index b = 0; b < bytes; b += kLine) prefetch(p + static_cast<std::uintptr_t>(b));
        },
        [&](Index r, Index i) { return S::read(rows[r] + i, pivot_at<S>(pivot, i)); });
  };
  const auto tail = [&](Index at, Index left) FASTBLUR_INLINE_LAMBDA {
    sums(
        at, std::integral_constant<int, 1>{}, [](Index) {},
        [&](Index r, Index i) { return S::read_part(rows[r] + i, pivot_at<S>(pivot, i), left); });
  };
  sweep(length, body, tail);
}

// rows[r] = the weighted sum of the nodes start[r] .. start[r] + 3, for r < count. `node(k)` is where node k lies;
// `put(r, at, v)` and `put_part(r, at, v, left)` take the results, which overwrite what was there: some come twice.
template <class S, class Node, class Put, class PutPart>
FASTBLUR_INLINE void expand(const Node& node, const std::int32_t* FASTBLUR_RESTRICT start,
                            const float* FASTBLUR_RESTRICT weights, Index count, Index length, const Put& put,
                            const PutPart& put_part) {
  const auto values = [&](Index at, auto vectors, const auto& write) FASTBLUR_INLINE_LAMBDA {
    constexpr int n = decltype(vectors)::value;
    Vec v[n][4];
    for (int k = 0; k < 4; ++k)
      for (int u = 0; u < n; ++u) v[u][k] = load(node(start[0] + k) + at + u * kLanes);
    for (Index r = 0;;) {
      const std::int32_t first = start[r];
      do {
        const Vec w[4] = {splat(weights[4 * r]), splat(weights[4 * r + 1]), splat(weights[4 * r + 2]),
                          splat(weights[4 * r + 3])};
        for (int u = 0; u < n; ++u) {
          const Vec low = multiply_add<S>(w[1], v[u][1], mul(w[0], v[u][0]));
          const Vec high = multiply_add<S>(w[3], v[u][3], mul(w[2], v[u][2]));
          write(r, at + u * kLanes, add(low, high));
        }
      } while (++r < count && start[r] == first);
      if (r == count) break;
      for (int u = 0; u < n; ++u) {
        for (int k = 0; k < 3; ++k) v[u][k] = v[u][k + 1];
        v[u][3] = load(node(first + 4) + at + u * kLanes);
      }
    }
  };
  sweep(
      length, [&](Index at, auto vectors) { values(at, vectors, put); },
      [&](Index at, Index left) {
        constexpr std::integral_constant<int, 1> one;
        if (at > 0)  // a whole vector that ends with the row: stores of a part are slow
          values(length - kLanes, one, put);
        else
          values(at, one, [&](Index r, Index i, Vec v) { put_part(r, i, v, left); });
      });
}

// All of a short row at once, every output from every input: outputs[i] = the sum over j < count of A[i, j] inputs[j].
// Kernel and border are symmetric, so a row reversed gives the result reversed, and A falls into two of half its side:
// with e_j = x_j + x_{count - 1 - j} and o_j = x_j - x_{count - 1 - j}, opposite outputs are E + O and E - O,
//   E_i = the sum over j < half of weights[i, j, 0] e_j,   O_i = that of weights[i, j, 1] o_j.
// A vector's e and o stay in registers while all of its outputs are made.
template <class S, int half>
FASTBLUR_NOINLINE void filter_halves(const float* const* inputs, const float* FASTBLUR_RESTRICT weights, Index count,
                   float* const* outputs, Index begin, Index end) {
  for (Index at = begin; at < end; at += kLanes) {
    Vec e[half], o[half];
    for (int j = 0; j < half; ++j) {
      const Vec low = load(inputs[j] + at), high = load(inputs[count - 1 - j] + at);
      e[j] = add(low, high);
      o[j] = sub(low, high);
    }
    const float* w = weights;
    for (int i = 0; i < half; ++i, w += 2 * half) {
      Vec even = mul(splat(w[0]), e[0]), odd = mul(splat(w[1]), o[0]);
      for (int j = 1; j < half; ++j) {
        even = multiply_add<S>(splat(w[2 * j]), e[j], even);
        odd = multiply_add<S>(splat(w[2 * j + 1]), o[j], odd);
      }
      store(outputs[i] + at, add(even, odd));
      store(outputs[count - 1 - i] + at, sub(even, odd));
    }
  }
}
template <class S, int half = 1>
FASTBLUR_INLINE void filter_whole(const float* const* inputs, const float* weights, Index count, float* const* outputs,
                                  Index begin, Index end) {
  if constexpr (2 * half < fastblur::kLongestWhole)
    if (count > 2 * half) return filter_whole<S, half + 1>(inputs, weights, count, outputs, begin, end);
  filter_halves<S, half>(inputs, weights, count, outputs, begin, end);
}

// outputs[i] = weights[0] * centre[i] + the sum over 1 <= t <= radius of weights[t] * (centre[i - t] + centre[i + t]),
// i < kGroup: half the multiplications, and from one t to the next the inputs on either side move by one, so that two
// are read for four sums. Outside in, and a long sum in about sqrt(radius) parts, so that its rounding error grows with
// the square root of the radius only.
template <class S>
FASTBLUR_NOINLINE void filter_pairs(const float* const* centre, const float* FASTBLUR_RESTRICT weights, Index radius,
                  float* const* outputs, Index begin, Index end) {
  static_assert(kGroup == 4, "the steps are unrolled by hand");
  Index part = radius;
  if (radius > 32)
    for (part = 8; part * part < radius; part += 8) {
    }
  const auto body = [&](Index offset, auto vectors) FASTBLUR_INLINE_LAMBDA {
    const Index at = begin + offset;
    constexpr int n = decltype(vectors)::value;
    const auto input = [&](Index j, int u) FASTBLUR_INLINE_LAMBDA { return load(centre[j] + at + u * kLanes); };
    for (Index outer = radius;; outer -= part) {
      const Index inner = outer > part ? outer - part : 0;
      Vec sum[4][n], low[4][n], high[4][n];  // of output i at distance t: low[i + d], high[i - d], d = outer - t, mod 4
      for (int i = 0; i < 4; ++i)
        for (int u = 0; u < n; ++u) {
          sum[i][u] = zero();
          low[i][u] = input(i - outer, u);
          high[i][u] = input(i + outer, u);
        }
      const auto step = [&](Index t, auto moved) FASTBLUR_INLINE_LAMBDA {
        constexpr int d = decltype(moved)::value;
        const Vec w = splat(weights[t]);
        for (int u = 0; u < n; ++u) {
          for (int i = 0; i < 4; ++i)
            sum[i][u] = multiply_add<S>(w, add(low[(i + d) % 4][u], high[(i + 4 - d) % 4][u]), sum[i][u]);
          low[d][u] = input(4 - t, u);
          high[(7 - d) % 4][u] = input(t - 1, u);
        }
      };
      Index t = outer;
      for (; t - 4 >= inner; t -= 4) {
        step(t, std::integral_constant<int, 0>{});
        step(t - 1, std::integral_constant<int, 1>{});
        step(t - 2, std::integral_constant<int, 2>{});
        step(t - 3, std::integral_constant<int, 3>{});
      }
      if (t > inner) step(t, std::integral_constant<int, 0>{});
      if (t > inner + 1) step(t - 1, std::integral_constant<int, 1>{});
      if (t > inner + 2) step(t - 2, std::integral_constant<int, 2>{});
      for (int i = 0; i < 4; ++i)
        for (int u = 0; u < n; ++u) {
          float* out = outputs[i] + at + u * kLanes;
          if (inner == 0) sum[i][u] = multiply_add<S>(splat(weights[0]), input(i, u), sum[i][u]);
          store(out, outer == radius ? sum[i][u] : add(load(out), sum[i][u]));
        }
      if (inner == 0) break;
    }
  };
  sweep<(kUnroll > 1 ? kUnroll / 2 : 1)>(end - begin, body, [](Index, Index) {});
}

// panel[c][0..15] = rows[0..15][c] for c < columns. `ahead` as for reduce.
template <class S>
FASTBLUR_NOINLINE void to_panel(const typename S::Item* const* rows, Index columns, float* FASTBLUR_RESTRICT panel, const float* pivot,
              Index ahead) {
  constexpr Index per_line = kLine / static_cast<Index>(sizeof(typename S::Item));
  for (Index c = 0; c < columns; c += kLanes) {
    if (ahead != 0 && c % per_line == 0)
      for (Index i = 0; i < kPanel; ++i)
        prefetch(reinterpret_cast<std::uintptr_t>(rows[i] + c) + static_cast<std::uintptr_t>(ahead));
    const Index left = columns - c < kLanes ? columns - c : kLanes;
    const float* p = pivot_at<S>(pivot, c);
    for (Index group = 0; group < kPanel; group += kLanes) {
      Vec v[kLanes];
      if (left == kLanes)
        for (Index i = 0; i < kLanes; ++i) v[i] = S::read(rows[group + i] + c, p);
      else
        for (Index i = 0; i < kLanes; ++i) v[i] = S::read_part(rows[group + i] + c, p, left);
      transpose(v);
      float* out = panel + c * kPanel + group;
      if (left == kLanes)
        for (Index i = 0; i < kLanes; ++i) store(out + i * kPanel, v[i]);
      else
        for (Index i = 0; i < left; ++i) store(out + i * kPanel, v[i]);
    }
  }
}

// rows[r][c] = panel[c][r] for r < count, c < columns, rounded up to whole vectors. The panel is as long.
FASTBLUR_NOINLINE inline void from_panel(const float* FASTBLUR_RESTRICT panel, Index columns, float* const* rows, Index count) {
  for (Index c = 0; c < columns; c += kLanes)
    for (Index group = 0; group < count; group += kLanes) {
      Vec v[kLanes];
      for (Index i = 0; i < kLanes; ++i) v[i] = load(panel + (c + i) * kPanel + group);
      transpose(v);
      for (Index i = 0; i < kLanes && group + i < count; ++i) store(rows[group + i] + c, v[i]);
    }
}

}  // namespace
