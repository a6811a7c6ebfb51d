// A pool of plain threads, started when first needed and never destroyed, so that neither a fork nor the interpreter's
// exit can meet a thread in the middle of its destruction. A forked child starts with a new, empty pool.
#pragma once

#include <cstddef>
#include <functional>

// Storage that a thread has from its start. The usual model of a shared library has it allocated at first use, and
// glibc ends the process when that fails; musl takes no other.
#if defined(__GLIBC__) && defined(__GNUC__)
#define FASTBLUR_THREAD_LOCAL __attribute__((tls_model("initial-exec"))) thread_local
#else
#define FASTBLUR_THREAD_LOCAL thread_local
#endif

namespace fastblur {

// Runs task(0..tasks-1), each once, on at most `threads` threads of which the caller is one, and returns when all are
// done. `task(i, worker)`: worker < threads tells apart those that run at the same time. Runs inline when called from
// a task, or while another thread has the pool. `task` must not throw.
void parallel_for(std::ptrdiff_t tasks, int threads, const std::function<void(std::ptrdiff_t, int)>& task);

// The processors this process may use.
int available_processors();

}  // namespace fastblur
