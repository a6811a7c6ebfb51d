// Which instruction sets were built, which this processor runs, and which one is in use.
#pragma once

#include <string>
#include <vector>

#include "job.h"

namespace fastblur {

std::vector<std::string> built_levels();      // slowest first
std::vector<std::string> supported_levels();  // of those, the ones this processor and system run

// The fastest supported level, or the one that FASTBLUR_ISA names. Throws std::invalid_argument if that is unknown or
// unsupported.
const Kernels& active_kernels();

}  // namespace fastblur
