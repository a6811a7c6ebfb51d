// Rows of pixels that do not lie together, to and from dense ones.
//
// What lies between the pixels belongs to others: another image, on which another thread works. It is neither read nor
// written, not even with the value that it had. So several pixels are moved at a time only where vectors have masks.
#pragma once

#include "rows.h"

namespace {

using fastblur::Plane;

template <class Item>
class Strided {
 public:
  explicit Strided(const Plane& plane) : plane_(plane) {
#ifdef FASTBLUR_MASKED
    if (plane.packed(kItem)) return;
    extent_ = (plane.channels - 1) * plane.channel_stride + kItem;
    if (extent_ > plane.column_stride || plane.column_stride + extent_ > kBytes) return;
    several_ = (kBytes - extent_) / plane.column_stride + 1;
    Index dense = 0;
    for (Index i = 0; i < several_; ++i)
      for (Index c = 0; c < plane.channels; ++c)
        for (Index b = 0; b < kItem; ++b, ++dense) {
          const Index at = i * plane.column_stride + c * plane.channel_stride + b;
          to_dense_[dense] = static_cast<std::uint8_t>(at);
          to_apart_[at] = static_cast<std::uint8_t>(dense);
          ours_ |= std::uint64_t{1} << at;
        }
#endif
  }

  // `pixels` pixels from (x, y) on.
  void gather(Index y, Index x, Index pixels, Item* dense) const {
    const std::byte* from = plane_.row(y) + x * plane_.column_stride;
    auto* to = reinterpret_cast<std::byte*>(dense);
    const Index length = plane_.channels * kItem;
#ifdef FASTBLUR_MASKED
    if (several_ > 0) {
      const Bytes which = load_bytes(to_dense_, first_bytes(kBytes));
      return for_several(
          pixels, from, to,
          [&](const std::byte* apart, std::uint64_t mask, std::byte* together, std::uint64_t whole)
              FASTBLUR_INLINE_LAMBDA { store_bytes(together, pick(load_bytes(apart, mask), which), whole); });
    }
#endif
    one_by_one(pixels, from, plane_.column_stride, plane_.channel_stride, to, length, kItem);
  }
  void scatter(Index y, Index x, Index pixels, const Item* dense) const {
    std::byte* to = plane_.row(y) + x * plane_.column_stride;
    const auto* from = reinterpret_cast<const std::byte*>(dense);
    const Index length = plane_.channels * kItem;
#ifdef FASTBLUR_MASKED
    if (several_ > 0) {
      const Bytes which = load_bytes(to_apart_, first_bytes(kBytes));
      return for_several(
          pixels, to, from,
          [&](std::byte* apart, std::uint64_t mask, const std::byte* together, std::uint64_t whole)
              FASTBLUR_INLINE_LAMBDA { store_bytes(apart, pick(load_bytes(together, whole), which), mask); });
    }
#endif
    one_by_one(pixels, from, length, kItem, to, plane_.column_stride, plane_.channel_stride);
  }

 private:
  static constexpr Index kItem = static_cast<Index>(sizeof(Item));

#ifdef FASTBLUR_MASKED
  // copy(apart, bytes of it, dense, bytes of it) for as many pixels at a time as a vector spans.
  template <class Apart, class Dense, class Copy>
  FASTBLUR_INLINE void for_several(Index pixels, Apart* apart, Dense* dense, const Copy& copy) const {
    // In locals, as a store of bytes might be to any member.
    const Index several = several_, length = plane_.channels * kItem, stride = plane_.column_stride;
    const std::uint64_t ours = ours_, whole = first_bytes(several * length);
    const Index apart_step = several * stride, dense_step = several * length;
    for (; pixels > several; pixels -= several, apart += apart_step, dense += dense_step)
      copy(apart, ours, dense, whole);
    copy(apart, ours & first_bytes((pixels - 1) * stride + extent_), dense, first_bytes(pixels * length));
  }
#endif

  // One pixel after the other, as one piece where its channels lie together on both sides.
  FASTBLUR_INLINE void one_by_one(Index pixels, const std::byte* from, Index from_stride, Index from_channel,
                                  std::byte* to, Index to_stride, Index to_channel) const {
    const bool together = from_channel == to_channel;
    with_constant<4>(together ? plane_.channels : 1, [&](auto channels) {
      constexpr std::size_t bytes = decltype(channels)::value * sizeof(Item);
      for (Index c = 0; c < (together ? 1 : plane_.channels); ++c)
        for (Index i = 0; i < pixels; ++i)
          std::memcpy(to + c * to_channel + i * to_stride, from + c * from_channel + i * from_stride, bytes);
    });
  }

  Plane plane_;
#ifdef FASTBLUR_MASKED
  Index extent_ = 0;                    // bytes from the first to the last of a pixel
  Index several_ = 0;                   // pixels that a vector spans, if more than one
  std::uint64_t ours_ = 0;              // the bytes of those
  std::uint8_t to_dense_[kBytes] = {};  // where each byte of dense pixels lies in those,
  std::uint8_t to_apart_[kBytes] = {};  // and the other way round
#endif
};

}  // namespace
