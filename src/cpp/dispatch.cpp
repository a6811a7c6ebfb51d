#include "dispatch.h"

#include <cstdlib>
#include <stdexcept>

#if defined(_MSC_VER) && defined(_M_X64)
#include <immintrin.h>
#include <intrin.h>
#endif

namespace fastblur {

namespace baseline {
extern const Kernels kernels;
}
#ifdef FASTBLUR_X86_LEVELS
namespace avx2 {
extern const Kernels kernels;
}
namespace avx512 {
extern const Kernels kernels;
}
#endif

namespace {

#ifdef FASTBLUR_X86_LEVELS
#if defined(_MSC_VER) && !defined(__clang__)
// Leaf 1: FMA 12, OSXSAVE 27, F16C 29. Leaf 7: AVX2 5, AVX512F 16, DQ 17, BW 30, VL 31. The system must save the
// registers too: XCR0 bits 1-2 for AVX, 5-7 for AVX-512.
bool runs(bool wide) {
  int one[4], seven[4];
  __cpuidex(one, 1, 0);
  __cpuidex(seven, 7, 0);
  const auto bit = [](int word, int i) { return ((static_cast<unsigned>(word) >> i) & 1u) != 0; };
  if (!bit(one[2], 27) || !bit(one[2], 29) || !bit(one[2], 12) || !bit(seven[1], 5)) return false;
  const unsigned long long saved = _xgetbv(0);
  if ((saved & 0x6) != 0x6) return false;
  if (!wide) return true;
  return (saved & 0xe6) == 0xe6 && bit(seven[1], 16) && bit(seven[1], 17) && bit(seven[1], 30) && bit(seven[1], 31);
}
bool runs_avx2() { return runs(false); }
bool runs_avx512() { return runs(true); }
#else
bool runs_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
bool runs_avx512() {
  return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif
#endif

struct Level {
  const Kernels* kernels;
  bool supported;
};

const std::vector<Level>& levels() {
  static const std::vector<Level> all = {
      {&baseline::kernels, true},
#ifdef FASTBLUR_X86_LEVELS
      {&avx2::kernels, runs_avx2()},
      {&avx512::kernels, runs_avx512()},
#endif
  };
  return all;
}

const Kernels& choose() {
  const char* forced = std::getenv("FASTBLUR_ISA");
  if (forced == nullptr || *forced == '\0') {
    const Kernels* best = nullptr;
    for (const Level& level : levels())
      if (level.supported) best = level.kernels;
    return *best;
  }
  std::string accepted;
  for (const Level& level : levels()) {
    if (!level.supported) continue;
    if (level.kernels->name == std::string(forced)) return *level.kernels;
    accepted += accepted.empty() ? "" : ", ";
    accepted += level.kernels->name;
  }
  throw std::invalid_argument("FASTBLUR_ISA is '" + std::string(forced) +
                              "'; this build and processor run: " + accepted);
}

}  // namespace

std::vector<std::string> built_levels() {
  std::vector<std::string> names;
  for (const Level& level : levels()) names.emplace_back(level.kernels->name);
  return names;
}

std::vector<std::string> supported_levels() {
  std::vector<std::string> names;
  for (const Level& level : levels())
    if (level.supported) names.emplace_back(level.kernels->name);
  return names;
}

const Kernels& active_kernels() {
  static const Kernels& active = choose();
  return active;
}

}  // namespace fastblur
