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

#define FASTBLUR_STRING_(x) #x
#define FASTBLUR_STRING(x) FASTBLUR_STRING_(x)

using namespace fastblur;

constexpr Kernels table = {
    FASTBLUR_STRING(FASTBLUR_LEVEL),
    [](Dtype d, const BlurJob& job) {
      if (job.bytes) return byte_blur_scratch(job);
      return with_sample(d, job.plane, [&](auto s) { return blur_scratch<decltype(s)>(job); });
    },
    [](Dtype d, const BlurJob& job, Index begin, Index end, std::byte* scratch) {
      if (job.bytes) return byte_blur_band(job, begin, end, scratch);
      with_sample(d, job.plane, [&](auto s) { blur_band<decltype(s)>(job, begin, end, scratch); });
    },
    [](Dtype d, const BlurJob& job, Index begin, Index end, float* rows, Index stride, std::byte* scratch) {
      if (job.bytes) return byte_blur_nodes(job, begin, end, rows, stride, scratch);
      with_sample(d, job.plane, [&](auto s) { blur_nodes<decltype(s)>(job, begin, end, rows, stride, scratch); });
    },
    [](Dtype d, const MosaicJob& job) {
      return with_sample(d, job.plane, [&](auto s) { return mosaic_scratch<decltype(s)>(job); });
    },
    [](Dtype d, const MosaicJob& job, Index begin, Index end, std::byte* scratch) {
      with_sample(d, job.plane, [&](auto s) { mosaic_rows<decltype(s)>(job, begin, end, scratch); });
    },
    [](Dtype d, const FillJob& job) {
      return with_sample(d, job.plane, [&](auto s) { return fill_scratch<decltype(s)>(job); });
    },
    [](Dtype d, const FillJob& job, Index begin, Index end, std::byte* scratch) {
      with_sample(d, job.plane, [&](auto s) { fill_rows<decltype(s)>(job, begin, end, scratch); });
    },
};

}  // namespace

namespace fastblur {
namespace FASTBLUR_LEVEL {

extern const Kernels kernels;
const Kernels kernels = table;

}  // namespace FASTBLUR_LEVEL
}  // namespace fastblur
