// The node rows that a vertical filter still needs, of a box whose rows are produced in turn.
#pragma once

#include "job.h"
#include "rows.h"

namespace {

using fastblur::Arena;
using fastblur::BlurJob;

template <class Item>
class Ring {
 public:
  // `slots` rows of `stride` items are held at a time, beside those that are stored.
  Ring(const BlurJob& job, Index slots, Index stride, Arena& arena)
      : job_(job), slots_(slots), stride_(stride), rows_(arena.take<Item>(slots * stride)) {}

  // Nothing is held: a band begins.
  void clear() { next_ = made_ = -1; }

  // Rows [low, high] are held or stored, once produce(begin, end, fresh) has produced what was missing, at most `most`
  // rows at a time and none from `limit` on, into slot(k). It goes on where it left off unless `fresh`.
  template <class Produce>
  void ensure(Index low, Index high, Index most, Index limit, const Produce& produce) {
    low_ = low;
    low_slot_ = low % slots_;
    if (next_ < 0) next_ = low;
    for (;;) {
      next_ = stored_end(next_);
      if (next_ > high) return;
      Index stop = smaller(next_ + most, limit);
      for (Index i = 0; i < job_.stored_count; ++i)
        if (job_.stored[i].begin > next_) stop = smaller(stop, job_.stored[i].begin);
      produce(next_, stop, made_ != next_);
      made_ = next_ = stop;
    }
  }

  // Where row k is produced.
  Item* slot(Index k) const { return rows_ + k % slots_ * stride_; }
  // Row k, of those that were ensured.
  const Item* row(Index k) const {
    const float* stored = job_.stored_row(k);
    if (stored != nullptr) return reinterpret_cast<const Item*>(stored);
    const Index slot = low_slot_ + k - low_;
    return rows_ + (slot < slots_ ? slot : slot - slots_) * stride_;
  }

 private:
  // The first row from k on that is not stored.
  Index stored_end(Index k) const {
    for (bool moved = true; moved;) {
      moved = false;
      for (Index i = 0; i < job_.stored_count; ++i)
        if (k >= job_.stored[i].begin && k < job_.stored[i].end) k = job_.stored[i].end, moved = true;
    }
    return k;
  }

  const BlurJob& job_;
  Index slots_, stride_;
  Item* rows_;
  Index next_ = -1, made_ = -1;   // row to be ensured, and the one after the last that was produced
  Index low_ = 0, low_slot_ = 0;  // the first of those that were ensured
};

}  // namespace
