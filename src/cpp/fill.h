// Fill: every pixel becomes one value, given per channel in the image's dtype.
#pragma once

#include "finish.h"

namespace {

using fastblur::FillJob;

template <class S>
class Fill {
  using Item = typename S::Item;

 public:
  Fill(const FillJob& job, Arena& arena)
      : job_(job),
        plane_(job.plane),
        finish_(plane_, job.mask, 1, plane_.width * plane_.channels, nullptr, arena),
        row_(arena.take<Item>(padded(plane_.width * plane_.channels))),
        values_(job.mask.everywhere ? nullptr : arena.take<float>(padded(plane_.width * plane_.channels))) {}

  void rows(Index begin, Index end) {
    const Index length = plane_.width * plane_.channels;
    for (Index i = 0; i < length; i += plane_.channels)
      std::memcpy(row_ + i, job_.value, static_cast<std::size_t>(plane_.channels) * sizeof(Item));
    if (values_ != nullptr)
      for (Index i = 0; i < length; i += kLanes)
        store(values_ + i, S::read_part(row_ + i, kNoPivot, smaller(kLanes, length - i)));
    for (Index y = begin; y < end; ++y) {
      job_.ahead->some(2);
      if (values_ != nullptr)
        finish_.put(y, 0, plane_.width, values_);
      else
        finish_.copy(y, row_);
    }
  }

 private:
  const FillJob& job_;
  Plane plane_;
  Finish<S> finish_;
  Item* row_;
  float* values_;  // the row as a mask mixes it
};

}  // namespace
