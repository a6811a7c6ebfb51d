// Compiled once per instruction set, with FASTBLUR_LEVEL naming it. Everything here has internal linkage but the one
// table: a symbol shared between two levels would let the linker keep the wrong one.
#include <type_traits>

#include "blur.h"
#include "byte_blur.h"
#include "fill.h"
#include "mosaic.h"

namespace {

// Calls `f` with the sample type of a plane of this dtype.
template <class F>
inline auto with_sample(fastblur::Dtype dtype, const fastblur::Plane& plane, const F& f) {
  switch (dtype) {
    case fastblur::Dtype::u8:
      return f(U8{});
    case fastblur::Dtype::u16:
      return f(U16{});
    case fastblur::Dtype::f16:
      return f(F16{});
    default:
      if (plane.power == fastblur::kTinyPower) return f(F32<fastblur::kTinyPower>{});
      return f(F32<fastblur::kUsualPower>{});
  }
}

// Calls `f` with the blur of a job, where the arena had room for it.
template <class F>
inline void with_blur(fastblur::Dtype dtype, const fastblur::BlurJob& job, fastblur::Arena& arena, const F& f) {
  const auto run = [&](auto&& blur) {
    if (arena.fits()) f(blur);
  };
  if (job.bytes) return run(ByteBlur(job, arena));
  with_sample(dtype, job.plane, [&](auto s) { run(Blur<decltype(s)>(job, arena)); });
}

#define FASTBLUR_STRING_(x) #x
#define FASTBLUR_STRING(x) FASTBLUR_STRING_(x)

using namespace fastblur;

constexpr Kernels table = {
    FASTBLUR_STRING(FASTBLUR_LEVEL),
    [](Dtype d, const BlurJob& job, Index begin, Index end, Arena& arena) {
      with_blur(d, job, arena, [&](auto& blur) { blur.band(begin, end); });
    },
    [](Dtype d, const BlurJob& job, Index begin, Index end, float* rows, Index stride, Arena& arena) {
      with_blur(d, job, arena, [&](auto& blur) { blur.nodes(begin, end, rows, stride); });
    },
    [](Dtype d, const MosaicJob& job, Index begin, Index end, Arena& arena) {
      with_sample(d, job.plane, [&](auto s) {
        Mosaic<decltype(s)> mosaic(job, arena);
        if (arena.fits()) mosaic.cell_rows(begin, end);
      });
    },
    [](Dtype d, const FillJob& job, Index begin, Index end, Arena& arena) {
      with_sample(d, job.plane, [&](auto s) {
        Fill<decltype(s)> fill(job, arena);
        if (arena.fits()) fill.rows(begin, end);
      });
    },
};

}  // namespace

namespace fastblur {
namespace FASTBLUR_LEVEL {

extern const Kernels kernels;
const Kernels kernels = table;

}  // namespace FASTBLUR_LEVEL
}  // namespace fastblur
