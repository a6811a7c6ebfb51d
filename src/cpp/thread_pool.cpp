#include "thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif
#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace fastblur {
namespace {

FASTBLUR_THREAD_LOCAL bool inside_task = false;

// What waking a thread up takes, about: a thread that waits looks for so long before it goes to sleep. Most waits are
// for what is nearly done, and calls come one after another. Looking is not yielding: a scheduler may take each yield
// for a turn that was given away, and let a thread that gave away many wait until the others have had as many.
constexpr std::chrono::microseconds kLooking{50};

template <class Condition>
void look_for(const Condition& met) {
  const auto end = std::chrono::steady_clock::now() + kLooking;
  while (!met() && std::chrono::steady_clock::now() < end) {
  }
}

class Pool {
 public:
  void run(std::ptrdiff_t tasks, int threads, const std::function<void(std::ptrdiff_t, int)>& task) {
    std::unique_lock<std::mutex> turn(turn_, std::try_to_lock);
    if (!turn.owns_lock()) {  // another thread has the pool: its threads are busy anyway
      for (std::ptrdiff_t i = 0; i < tasks; ++i) task(i, 0);
      return;
    }
    start(threads - 1);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      task_ = &task;
      tasks_ = tasks;
      claimed_.store(0, std::memory_order_relaxed);
      front_.store(0, std::memory_order_relaxed);
      wanted_ = std::min(threads - 1, started_);
      joined_ = 0;
      ++generation_;
    }
    wake_.notify_all();
    work(0);
    look_for([this] { return running_ == 0; });
    std::unique_lock<std::mutex> lock(mutex_);
    wanted_ = 0;  // who has not come by now has nothing left to do
    done_.wait(lock, [this] { return running_ == 0; });
    task_ = nullptr;
  }

 private:
  // A thread that cannot be started is done without.
  void start(int count) {
    std::lock_guard<std::mutex> lock(mutex_);
    while (started_ < count) {
      try {
        std::thread([this] { serve(); }).detach();
      } catch (const std::system_error&) {
        return;
      }
      ++started_;
    }
  }

  void serve() {
    // Has the thread's storage for exceptions made now: a bad_alloc is no time to need memory for being thrown.
    const volatile int none = std::uncaught_exceptions();  // volatile: the compiler may drop the call otherwise
    (void)none;
    std::uint64_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      lock.unlock();
      look_for([&] { return generation_ != seen; });
      lock.lock();
      wake_.wait(lock, [&] { return generation_ != seen && joined_ < wanted_; });
      seen = generation_;
      const int worker = ++joined_;
      ++running_;
      lock.unlock();
      work(worker);
      lock.lock();
      if (--running_ == 0) done_.notify_one();
    }
  }

  // The caller goes from the last task backwards, the others from the first on: what the caller had in hand last is in
  // its own processor's cache, and from call to call most tasks stay on the processor that did them before.
  void work(int worker) {
    inside_task = true;
    for (std::ptrdiff_t back = tasks_; claimed_.fetch_add(1, std::memory_order_relaxed) < tasks_;)
      (*task_)(worker == 0 ? --back : front_.fetch_add(1, std::memory_order_relaxed), worker);
    inside_task = false;
  }

  std::mutex turn_;  // held by the thread whose tasks run
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(std::ptrdiff_t, int)>* task_ = nullptr;
  std::ptrdiff_t tasks_ = 0;
  std::atomic<std::ptrdiff_t> claimed_{0}, front_{0};
  std::atomic<std::uint64_t> generation_{0};  // written, as running_ is, by who holds the mutex
  std::atomic<int> running_{0};
  int started_ = 0, wanted_ = 0, joined_ = 0;
};

std::atomic<Pool*> current{nullptr};

#if !defined(_WIN32)
// The child of a fork has none of the parent's threads, and the parent's locks as they happened to be: it leaves that
// pool alone (a leak of one object a fork) and makes its own when it needs one.
void after_fork_in_child() {
  current.store(nullptr, std::memory_order_release);
  inside_task = false;
}
#endif

Pool& pool() {
  Pool* existing = current.load(std::memory_order_acquire);
  if (existing != nullptr) return *existing;
#if !defined(_WIN32)
  static const int registered = pthread_atfork(nullptr, nullptr, after_fork_in_child);
  (void)registered;
#endif
  auto fresh = std::make_unique<Pool>();
  if (current.compare_exchange_strong(existing, fresh.get(), std::memory_order_acq_rel)) return *fresh.release();
  return *existing;
}

}  // namespace

void parallel_for(std::ptrdiff_t tasks, int threads, const std::function<void(std::ptrdiff_t, int)>& task) {
  if (tasks <= 0) return;
  threads = static_cast<int>(std::min<std::ptrdiff_t>(threads, tasks));
  if (threads <= 1 || inside_task) {
    for (std::ptrdiff_t i = 0; i < tasks; ++i) task(i, 0);
    return;
  }
  pool().run(tasks, threads, task);
}

int available_processors() {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace fastblur
