// How the core sees pixels: an image as strides over four dtypes, and a box of it as rows of samples.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastblur {

enum class Dtype : int { u8, u16, f16, f32 };

constexpr std::ptrdiff_t item_size(Dtype dtype) { return dtype == Dtype::u8 ? 1 : dtype == Dtype::f32 ? 4 : 2; }

// One image (height, width, channels) in the caller's memory. Strides are in bytes and may have either sign.
struct Image {
  std::byte* data;
  std::ptrdiff_t height, width, channels;
  std::ptrdiff_t row_stride, column_stride, channel_stride;
  Dtype dtype;
};

// Powers of two by which float32 values are scaled: see Plane::power.
constexpr int kUsualPower = -3, kTinyPower = 60;

// The working box of an image (or of one channel of it) as `height` rows of `width` pixels of `channels` samples.
// Rows run along whichever image axis is the denser in memory.
struct Plane {
  std::byte* origin;
  std::ptrdiff_t height, width, channels;
  std::ptrdiff_t row_stride, column_stride, channel_stride;
  // The first pixel, as it was before anything was written: near the others, so that sums lose least when it is taken
  // away from them. Not for uint8, whose sums lose nothing that counts.
  float pivot[4];
  int power;  // float32 is taken times 2^power; 0 for the other dtypes

  // The samples of a row lie one after the other, so that a row can be read and written in place.
  bool packed(std::ptrdiff_t item) const {
    return (channels == 1 || channel_stride == item) && (width == 1 || column_stride == channels * item);
  }
  std::byte* row(std::ptrdiff_t y) const { return origin + y * row_stride; }
  // Bytes from the first of so many pixels of a row to the last.
  std::ptrdiff_t extent(std::ptrdiff_t pixels, std::ptrdiff_t item) const {
    return (pixels - 1) * column_stride + (channels - 1) * channel_stride + item;
  }
};

}  // namespace fastblur
