// Rows times scalars: the four kernels that every blur is made of. Each takes rows of samples that lie one after the
// other, whatever pixel, channel or (in a transposed panel) image row the samples belong to.
//
//   reduce     pixels  -> nodes    four nodes gain a weighted pixel row
//   filter     nodes   -> nodes    four neighbouring outputs share their inputs
//   expand     nodes   -> pixels   a pixel row is a weighted sum of four nodes
//   transpose  up to 16 rows <-> a panel, in which the values of one column lie together
//
// Scratch rows are padded to whole vectors of 16 floats or more; image rows are not, and are read and written only
// within.
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

constexpr Index kPanel = 16;  // rows of a panel at most: one vector of the widest instruction set, the same for all

static_assert(kPanel % kLanes == 0, "whole vectors");

constexpr Index smaller(Index a, Index b) { return a < b ? a : b; }
constexpr Index larger(Index a, Index b) { return a > b ? a : b; }
constexpr Index padded(Index n, Index unit = kPanel) { return (n + unit - 1) / unit * unit; }
// Items from one row of scratch to the next, of n items and what whole vectors read and write beyond them: an odd
// number of cache lines, so that rows below each other do not compete for the same places of the cache.
template <class Item>
constexpr Index row_stride(Index n) {
  constexpr Index line = kLine / static_cast<Index>(sizeof(Item));
  return ((n + line - 1) / line | 1) * line;
}

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

// Scratch: floats without a pivot, on behalf of the sample type `Of`. Its rows hold whole vectors.
template <class Of>
struct Scratch {
  using Item = float;
  static constexpr bool floating = Of::floating, pivoted = false;
  static FASTBLUR_INLINE Vec read(const Item* p, const float*) { return load(p); }
  static FASTBLUR_INLINE Vec read_part(const Item* p, const float*, Index) { return load(p); }
};

// The pivot of a sample type that has one, at a place in the row; what other types are given is the same everywhere.
template <class S>
FASTBLUR_INLINE const float* pivot_at(const float* pivot, Index at) {
  return S::pivoted && pivot != nullptr ? pivot + at : pivot;
}

// sum + w x. Only the float types fuse it: see simd.h.
template <class S>
FASTBLUR_INLINE Vec multiply_add(Vec w, Vec x, Vec sum) {
  if constexpr (S::floating)
    return fused(w, x, sum);
  else
    return add(sum, mul(w, x));
}

// How reduce adds up rows, and expand nodes. Most types do both in float32, a row at a time.
template <class S>
struct FloatSums {
  using Item = typename S::Item;
  using Weight = float;
  using Total = float;
  using Sum = Vec;
  static constexpr Index rows = 1;  // added at a time
  static FASTBLUR_INLINE Sum none() { return zero(); }
  static FASTBLUR_INLINE Sum begun(const Total* p) { return load(p); }
  static FASTBLUR_INLINE void keep(Total* p, Sum v) { store(p, v); }
  static FASTBLUR_INLINE Vec weight(Weight w) { return splat(w); }
  static FASTBLUR_INLINE Vec read(const Item* const* row, Index at, const float* pivot) {
    return S::read(row[0] + at, pivot_at<S>(pivot, at));
  }
  static FASTBLUR_INLINE Vec read_part(const Item* const* row, Index at, const float* pivot, Index count) {
    return S::read_part(row[0] + at, pivot_at<S>(pivot, at), count);
  }
  static FASTBLUR_INLINE Sum add_product(Vec w, Vec x, Sum sum) { return multiply_add<S>(w, x, sum); }
};
// Pixels of bytes: two rows at a time, in whole numbers.
struct ByteSums {
  using Item = std::uint8_t;
  using Weight = std::int32_t;  // two of 16 bits
  using Total = std::int32_t;
  using Sum = Ints;
  static constexpr Index rows = 2;
  static FASTBLUR_INLINE Sum none() { return zero_ints(); }
  static FASTBLUR_INLINE Sum begun(const Total* p) { return load_ints(p); }
  static FASTBLUR_INLINE void keep(Total* p, Sum v) { store_ints(p, v); }
  static FASTBLUR_INLINE Ints weight(Weight w) { return splat_int(w); }
  static FASTBLUR_INLINE Ints read(const Item* const* row, Index at, const float*) {
    return load_couple(row[0] + at, row[1] + at);
  }
  static FASTBLUR_INLINE Ints read_part(const Item* const* row, Index at, const float*, Index count) {
    return load_couple_part(row[0] + at, row[1] + at, count, at > 0);
  }
  static FASTBLUR_INLINE Sum add_product(Ints w, Ints x, Sum sum) { return add_products(w, x, sum); }
};
// What ByteSums leaves, as floats; the "pivot" is what the sums are multiplied by.
struct ByteTotals {
  using Item = std::int32_t;
  static constexpr bool pivoted = false;
  static FASTBLUR_INLINE Vec read(const Item* p, const float* unit) { return mul(to_floats(load_ints(p)), load(unit)); }
  static FASTBLUR_INLINE Vec read_part(const Item* p, const float* unit, Index) { return read(p, unit); }
};

// Words in 1/128 level, of which `above` units are for rounding, as floats before it. An eighth of a unit more rounds
// halves up, as a shift does, where a float is rounded to even.
FASTBLUR_INLINE void store_levels(float* p, Words v, float above) {
  std::uint16_t words[kWordLanes];
  store_words(words, v);
  for (Index i = 0; i < kWordLanes; i += kLanes)
    store(p + i, mul(sub(load(words + i), splat(above - 0.125f)), splat(1.0f / 128)));
}

template <class S>
struct FloatNodes {
  using Scaled = Scratch<S>;  // how nodes are read that are to be expanded to pixels
  using Node = float;
  using Weight = float;
  using Value = Vec;
  static constexpr Index lanes = kLanes;
  static FASTBLUR_INLINE void put(Node* p, Vec v) { store(p, v); }
  static FASTBLUR_INLINE Value get(const Node* p) { return load(p); }
  static FASTBLUR_INLINE Value weight(Weight w) { return splat(w); }
  static FASTBLUR_INLINE Value sum(const Value (&w)[4], const Value (&v)[4]) {
    const Vec low = multiply_add<S>(w[1], v[1], mul(w[0], v[0])), high = multiply_add<S>(w[3], v[3], mul(w[2], v[2]));
    return add(low, high);
  }
  static FASTBLUR_INLINE void write(typename S::Item* p, Value v, const float* pivot) { S::write(p, v, pivot); }
  static FASTBLUR_INLINE void write_part(typename S::Item* p, Value v, const float* pivot, Index count) {
    S::write_part(p, v, pivot, count);
  }
  static FASTBLUR_INLINE void values(float* p, Value v) { store(p, v); }
};
// Nodes on their way to bytes are 16-bit numbers in 1/128 level: no weight is negative, so neither is a node. A product
// loses half a unit on average, four lose two, which each node has in advance; and half a level, to round by.
struct ByteNodes {
  static constexpr std::uint16_t kAbove = 64 + 2;
  struct Scaled {
    using Item = float;
    static constexpr bool pivoted = false;
    static FASTBLUR_INLINE Vec read(const Item* p, const float*) {
      return add(mul(load(p), splat(128)), splat(kAbove));
    }
    static FASTBLUR_INLINE Vec read_part(const Item* p, const float*, Index) { return read(p, nullptr); }
  };
  using Node = std::uint16_t;
  using Weight = std::int32_t;  // in 1/65536, twice: processors spread 32 bits for less than 16
  using Value = Words;
  static constexpr Index lanes = kWordLanes;
  static FASTBLUR_INLINE void put(Node* p, Vec v) { store(p, v); }
  static FASTBLUR_INLINE Value get(const Node* p) { return load_halves(p); }
  static FASTBLUR_INLINE Value weight(Weight w) { return splat_words(w); }
  static FASTBLUR_INLINE Value sum(const Value (&w)[4], const Value (&v)[4]) {
    return add_words(add_words(high_product(v[0], w[0]), high_product(v[1], w[1])),
                     add_words(high_product(v[2], w[2]), high_product(v[3], w[3])));
  }
  static FASTBLUR_INLINE Value levels(Value v) { return shift_right<7>(v); }
  static FASTBLUR_INLINE void write(std::uint8_t* p, Value v, const float*) { store_words(p, levels(v)); }
  static FASTBLUR_INLINE void write_part(std::uint8_t* p, Value v, const float*, Index count) {
    store_words_part(p, levels(v), count);
  }
  static FASTBLUR_INLINE void values(float* p, Value v) { store_levels(p, v, 64); }
};

// The arithmetic of a sample type along y.
template <class S>
struct Arithmetic {
  using Weights = fastblur::Spline;
  static const Weights& weights(const fastblur::Axis& y) { return y.weights; }
  using Sums = FloatSums<S>;
  using Totals = Scratch<S>;  // how what Sums leaves is read
  using Nodes = FloatNodes<S>;
};
template <>
struct Arithmetic<U8> {
  using Weights = fastblur::ByteSpline;
  static const Weights& weights(const fastblur::Axis& y) { return y.byte_weights; }
  using Sums = ByteSums;
  using Totals = ByteTotals;
  using Nodes = ByteNodes;
};

// Calls f with `count`, which is 1 .. most, as a constant.
template <int most, class F>
FASTBLUR_INLINE void with_constant(Index count, const F& f) {
  if constexpr (most > 1)
    if (count < most) return with_constant<most - 1>(count, f);
  f(std::integral_constant<int, most>{});
}

// Calls f with 0 .. n - 1, each as a constant. For arrays of vectors: a compiler keeps them in registers where every
// index is a constant from the beginning, which the loops that it unrolls do not give it.
template <int n, class F>
FASTBLUR_INLINE void each(const F& f) {
  if constexpr (n > 1) each<n - 1>(f);
  if constexpr (n > 0) f(std::integral_constant<int, n - 1>{});
}

// Covers [0, length) with vectors: body(at, vectors) for `most` of them at a time, then rest(at, vectors, samples), in
// which the last vector has as many samples, or all.
template <int most = kUnroll, Index lanes = kLanes, class Body, class Rest>
FASTBLUR_INLINE void sweep(Index length, const Body& body, const Rest& rest) {
  Index at = 0;
  for (; at + most * lanes < length; at += most * lanes) body(at, std::integral_constant<int, most>{});
  const Index vectors = (length - at + lanes - 1) / lanes;
  with_constant<most>(
      vectors, [&](auto n) FASTBLUR_INLINE_LAMBDA { rest(at, n, length - at - (decltype(n)::value - 1) * lanes); });
}
// The same where every vector is whole.
template <int most = kUnroll, Index lanes = kLanes, class Body>
FASTBLUR_INLINE void sweep_whole(Index length, const Body& body) {
  sweep<most, lanes>(length, body, [&](Index at, auto vectors, Index) FASTBLUR_INLINE_LAMBDA { body(at, vectors); });
}

// For results that must not be written beyond `length`: body(vectors, place, write), where vector u of so many lies at
// place(u). `write` is `put(r, at, v)`; the last vector ends with the row and may repeat some of the one before, since
// stores of a part are slow. A row shorter than a vector is one, for `put_part(r, at, v, samples)`.
template <int most, Index lanes, class Body, class Put, class PutPart>
FASTBLUR_INLINE void sweep_within(Index length, const Body& body, const Put& put, const PutPart& put_part) {
  if (length < lanes)
    return body(
        std::integral_constant<int, 1>{}, [](int) FASTBLUR_INLINE_LAMBDA { return Index{0}; },
        [&](Index r, Index at, auto v) FASTBLUR_INLINE_LAMBDA { put_part(r, at, v, length); });
  const auto vectors_to = [&](Index at, auto vectors, Index last) FASTBLUR_INLINE_LAMBDA {
    constexpr int n = decltype(vectors)::value;
    body(vectors, [&](int u) FASTBLUR_INLINE_LAMBDA { return u + 1 < n ? at + u * lanes : last; }, put);
  };
  sweep<most, lanes>(
      length,
      [&](Index at, auto vectors)
          FASTBLUR_INLINE_LAMBDA { vectors_to(at, vectors, at + (decltype(vectors)::value - 1) * lanes); },
      [&](Index at, auto vectors, Index) FASTBLUR_INLINE_LAMBDA { vectors_to(at, vectors, length - lanes); });
}

// node[start[i] + k][.] += weights[4 i + k] * rows[i][.] for k < 4 and the terms i in turn: rows, or couples of them.
// Node start[0] lies at `nodes`, the others follow `stride` apart; the first three have been begun before, the fourth
// too unless it is `fresh`, and later ones have not. The four that a term adds to stay in registers until the rows have
// passed them. `ahead` bytes beyond each sample lies one that is read soon: rows far apart are more streams than the
// processor follows by itself.
template <class R>
void reduce(const typename R::Item* const* rows, Index terms, const std::int32_t* FASTBLUR_RESTRICT start,
            const typename R::Weight* FASTBLUR_RESTRICT weights, typename R::Total* nodes, Index stride, bool fresh,
            Index length, const float* pivot, Index ahead) {
  constexpr Index item = static_cast<Index>(sizeof(typename R::Item));
  const auto sums = [&](Index at, auto vectors, const auto& read) FASTBLUR_INLINE_LAMBDA {
    constexpr int n = decltype(vectors)::value;
    constexpr Index bytes = n * kLanes * item;
    // Of a row, the line in which each 64 bytes begin, and the one in which it ends.
    const Index end = at + n * kLanes < length ? -1 : (length - at) * item - 1;
    const bool begins = ahead != 0 && (bytes >= kLine || at * item % kLine == 0), ends = ahead != 0 && end >= 0;
    typename R::Sum sum[4][n];
    typename R::Total* node = nodes + at;
    const auto vector = [](auto u) FASTBLUR_INLINE_LAMBDA { return decltype(u)::value * kLanes; };
    each<n>([&](auto u) FASTBLUR_INLINE_LAMBDA {
      each<3>([&](auto k) FASTBLUR_INLINE_LAMBDA { sum[k][u] = R::begun(node + k * stride + vector(u)); });
      sum[3][u] = fresh ? R::none() : R::begun(node + 3 * stride + vector(u));
    });
    for (Index i = 0;; node += stride) {
      const std::int32_t first = start[i];
      do {
        const typename R::Sum w[4] = {R::weight(weights[4 * i]), R::weight(weights[4 * i + 1]),
                                      R::weight(weights[4 * i + 2]), R::weight(weights[4 * i + 3])};
        if (begins || ends)
          each<R::rows>([&](auto r) FASTBLUR_INLINE_LAMBDA {
            const auto p =
                reinterpret_cast<std::uintptr_t>(rows[R::rows * i + r] + at) + static_cast<std::uintptr_t>(ahead);
            if (begins)
              for (Index b = 0; b < bytes; b += kLine) prefetch(p + static_cast<std::uintptr_t>(b));
            if (ends) prefetch(p + static_cast<std::uintptr_t>(end));
          });
        each<n>([&](auto u) FASTBLUR_INLINE_LAMBDA {
          const auto x = read(i, u);
          each<4>([&](auto k) FASTBLUR_INLINE_LAMBDA { sum[k][u] = R::add_product(w[k], x, sum[k][u]); });
        });
      } while (++i < terms && start[i] == first);
      if (i == terms) break;
      each<n>([&](auto u) FASTBLUR_INLINE_LAMBDA {
        R::keep(node + vector(u), sum[0][u]);
        each<3>([&](auto k) FASTBLUR_INLINE_LAMBDA { sum[k][u] = sum[k + 1][u]; });
        sum[3][u] = R::none();
      });
    }
    each<n>([&](auto u) FASTBLUR_INLINE_LAMBDA {
      each<4>([&](auto k) FASTBLUR_INLINE_LAMBDA { R::keep(node + k * stride + vector(u), sum[k][u]); });
    });
  };
  sweep(
      length,
      [&](Index at, auto vectors) FASTBLUR_INLINE_LAMBDA {
        sums(at, vectors, [&](Index i, int u) FASTBLUR_INLINE_LAMBDA {
          return R::read(rows + R::rows * i, at + u * kLanes, pivot);
        });
      },
      [&](Index at, auto vectors, Index samples) FASTBLUR_INLINE_LAMBDA {
        sums(at, vectors, [&](Index i, int u) FASTBLUR_INLINE_LAMBDA {
          const auto* row = rows + R::rows * i;
          const Index x = at + u * kLanes;
          return u + 1 < decltype(vectors)::value ? R::read(row, x, pivot) : R::read_part(row, x, pivot, samples);
        });
      });
}

// rows[r] = the weighted sum of the nodes start[r] .. start[r] + 3, for r < count. `node(k)` is where node k lies;
// `put(r, at, v)` and `put_part(r, at, v, left)` take the results, which overwrite what was there: some come twice.
template <class E, class Node, class Put, class PutPart>
FASTBLUR_INLINE void expand(const Node& node, const std::int32_t* FASTBLUR_RESTRICT start,
                            const typename E::Weight* FASTBLUR_RESTRICT weights, Index count, Index length,
                            const Put& put, const PutPart& put_part) {
  using Value = typename E::Value;
  const auto values = [&](auto vectors, const auto& place, const auto& write) FASTBLUR_INLINE_LAMBDA {
    constexpr int n = decltype(vectors)::value;
    Value v[n][4];
    each<4>([&](auto k) FASTBLUR_INLINE_LAMBDA {
      const auto* p = node(start[0] + k);
      each<n>([&](auto u) FASTBLUR_INLINE_LAMBDA { v[u][k] = E::get(p + place(u)); });
    });
    for (Index r = 0;;) {
      const std::int32_t first = start[r];
      do {
        const Value w[4] = {E::weight(weights[4 * r]), E::weight(weights[4 * r + 1]), E::weight(weights[4 * r + 2]),
                            E::weight(weights[4 * r + 3])};
        each<n>([&](auto u) FASTBLUR_INLINE_LAMBDA { write(r, place(u), E::sum(w, v[u])); });
      } while (++r < count && start[r] == first);
      if (r == count) break;
      const auto* p = node(first + 4);
      each<n>([&](auto u) FASTBLUR_INLINE_LAMBDA {
        each<3>([&](auto k) FASTBLUR_INLINE_LAMBDA { v[u][k] = v[u][k + 1]; });
        v[u][3] = E::get(p + place(u));
      });
    }
  };
  sweep_within<kUnroll, E::lanes>(length, values, put, put_part);
}

// All of a short row at once, every output from every input: outputs[i] = the sum over j < count of A[i, j] inputs[j].
// Kernel and border are symmetric, so a row reversed gives the result reversed, and A falls into two of half its side:
// with e_j = x_j + x_{count - 1 - j} and o_j = x_j - x_{count - 1 - j}, opposite outputs are E + O and E - O,
//   E_i = the sum over j < half of weights[i, j, 0] e_j,   O_i = that of weights[i, j, 1] o_j.
// A vector's e and o stay in registers while all of its outputs are made.
template <class S, int half>
void filter_halves(const float* const* inputs, const float* FASTBLUR_RESTRICT weights, Index count,
                   float* const* outputs, Index begin, Index end) {
  for (Index at = begin; at < end; at += kLanes) {
    Vec e[half], o[half];
    each<half>([&](auto j) FASTBLUR_INLINE_LAMBDA {
      const Vec low = load(inputs[j] + at), high = load(inputs[count - 1 - j] + at);
      e[j] = add(low, high);
      o[j] = sub(low, high);
    });
    const float* w = weights;
    // Unrolled, it would have all weights spread before the first vector, which is more than a narrow row has use for.
    FASTBLUR_NOT_UNROLLED
    for (int i = 0; i < half; ++i, w += 2 * half) {
      Vec even = mul(splat(w[0]), e[0]), odd = mul(splat(w[1]), o[0]);
      each<half - 1>([&](auto before) FASTBLUR_INLINE_LAMBDA {
        constexpr int j = decltype(before)::value + 1;
        even = multiply_add<S>(splat(w[2 * j]), e[j], even);
        odd = multiply_add<S>(splat(w[2 * j + 1]), o[j], odd);
      });
      store(outputs[i] + at, add(even, odd));
      store(outputs[count - 1 - i] + at, sub(even, odd));
    }
  }
}
template <class S>
FASTBLUR_INLINE void filter_whole(const float* const* inputs, const float* weights, Index count, float* const* outputs,
                                  Index begin, Index end) {
  with_constant<static_cast<int>(fastblur::kLongestWhole / 2)>((count + 1) / 2, [&](auto half) FASTBLUR_INLINE_LAMBDA {
    filter_halves<S, decltype(half)::value>(inputs, weights, count, outputs, begin, end);
  });
}

// outputs[i] = weights[0] * centre[i] + the sum over 1 <= t <= radius of weights[t] * (centre[i - t] + centre[i + t]),
// i < kGroup: half the multiplications, and from one t to the next the inputs on either side move by one, so that two
// are read for four sums. Outside in, and a long sum in about sqrt(radius) parts, so that its rounding error grows with
// the square root of the radius only.
template <class S>
void filter_pairs(const float* const* centre, const float* FASTBLUR_RESTRICT weights, Index radius,
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
  sweep_whole<(kUnroll > 1 ? kUnroll / 2 : 1)>(end - begin, body);
}

// Values of a column of a panel of so many rows: whole vectors.
FASTBLUR_INLINE Index panel_depth(Index rows) {
  if constexpr (kLanes == kPanel)
    return kPanel;
  else
    return padded(rows, kLanes);
}

// panel[c][r] = rows[r][c] for r < depth, c < columns, and to a whole vector at least. `ahead` as for reduce.
template <class S>
void to_panel(const typename S::Item* const* rows, Index depth, Index columns, float* FASTBLUR_RESTRICT panel,
              const float* pivot, Index ahead) {
  constexpr Index per_line = kLine / static_cast<Index>(sizeof(typename S::Item));
  for (Index c = 0; c < columns; c += kLanes) {
    if (ahead != 0 && c % per_line == 0)
      for (Index i = 0; i < depth; ++i)
        prefetch(reinterpret_cast<std::uintptr_t>(rows[i] + c) + static_cast<std::uintptr_t>(ahead));
    // The last vector ends with the row and repeats some of the one before, since parts of one are slow to read.
    const Index at = columns < kLanes ? 0 : smaller(c, columns - kLanes);
    const float* p = pivot_at<S>(pivot, at);
    for (Index group = 0; group < depth; group += kLanes) {
      Vec v[kLanes];
      if (columns >= kLanes)
        for (Index i = 0; i < kLanes; ++i) v[i] = S::read(rows[group + i] + at, p);
      else
        for (Index i = 0; i < kLanes; ++i) v[i] = S::read_part(rows[group + i], p, columns);
      transpose(v);
      for (Index i = 0; i < kLanes; ++i) store(panel + (at + i) * depth + group, v[i]);
    }
  }
}

// rows[r][c] = panel[c][r] for r < count, c < columns, rounded up to whole vectors. The panel is as long, of as many
// rows.
template <class E>
void from_panel(const float* FASTBLUR_RESTRICT panel, Index columns, typename E::Node* const* rows, Index count) {
  const Index depth = panel_depth(count);
  for (Index c = 0; c < columns; c += kLanes)
    for (Index group = 0; group < count; group += kLanes) {
      Vec v[kLanes];
      for (Index i = 0; i < kLanes; ++i) v[i] = load(panel + (c + i) * depth + group);
      transpose(v);
      each<kLanes>([&](auto i) FASTBLUR_INLINE_LAMBDA {
        if (group + i < count) E::put(rows[group + i] + c, v[i]);
      });
    }
}

}  // namespace
