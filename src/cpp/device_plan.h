// What to launch for a call on a CUDA device: each box's path, the order, and the records that travel to the device.
//
// A box's path depends on the box and its image alone, never on the rest of the batch, so that one call with many boxes
// gives the bits of many calls with one. The kernels are in src/fastblur/cuda/, which also explains the records and
// sizes (tables.py) that both sides must agree on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "boxes.h"
#include "gaussian.h"
#include "image.h"

namespace fastblur {

// The sizes of tables.py and kernels.py, by the same names.
struct DeviceSizes {
  Index threads, shared_limit, scratch_limit;
  Index entry_bytes, taps, margin_nodes, segment_nodes;
  Index lanes, tile_x, plane, output_rows, weight_padding;
  Index strip, widest, largest, band, fill_rows;
};

// An image as it travels: IMAGE of tables.py.
struct DeviceImage {
  std::int64_t address, step_x, step_y, step_c;
  std::int32_t channels, interleaved;
};
static_assert(sizeof(DeviceImage) == 40);

// What specialises the kernels that touch an image.
struct Variant {
  Dtype dtype;
  bool contiguous;
  Index samples_per_word() const { return contiguous ? 4 / item_size(dtype) : 1; }
  int index() const { return 2 * static_cast<int>(dtype) + contiguous; }
};

// The images of a call, a batch counting as its images.
struct DeviceImages {
  std::vector<DeviceImage> records;
  std::vector<std::int64_t> sizes;  // (N, 2): height, width
  std::vector<Variant> variants;    // (N,)

  // An array of `layout` ("HWC", "NCHW", ...); shape and strides in bytes have an entry for each of its letters.
  void add(Dtype dtype, const std::string& layout, std::int64_t address, const std::vector<std::int64_t>& shape,
           const std::vector<std::int64_t>& strides);
};

// One kernel launch. `first` and `prefix` are offsets from the start of the device block.
struct DeviceLaunch {
  const char* kernel;
  Variant variant;
  std::int64_t first;   // of the box records, or of the job records
  std::int64_t prefix;  // of the running totals of tiles; 0 for a launch without
  std::int64_t jobs, grid, shared;
};

// What every call on device arrays asks of the CUDA driver. Python loads the library, and gives the addresses.
struct DeviceDriver {
  int (*copy)(std::uint64_t target, const void* source, std::size_t bytes, void* stream);  // cuMemcpyHtoDAsync
  int (*record)(void* event, void* stream);                                                // cuEventRecord
  int (*launch)(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                unsigned block_z, unsigned shared, void* stream, void** parameters, void** extra);  // cuLaunchKernel
};

// Where a plan runs.
struct DeviceQueue {
  void* stream;
  std::int64_t base;   // address of the device block
  std::byte* staging;  // host memory of the upload's size, which must stay until `event` has come
  void* event;
};

// The launches of a call in order, and its device block: first what is uploaded, then scratch.
struct DevicePlan {
  std::int32_t shape, border;
  std::vector<DeviceLaunch> launches;
  std::vector<std::byte> upload;
  std::vector<std::pair<std::size_t, std::size_t>> jobs;  // begin and end of the job records in the upload
  std::int64_t scratch_bytes = 0;

  std::int64_t total_bytes() const { return static_cast<std::int64_t>(upload.size()) + scratch_bytes; }
  // Queues the upload and the launches; `functions` has one handle for each. The name of the call that failed and its
  // code; null if none did.
  std::pair<const char*, int> queue(const DeviceDriver& driver, const DeviceQueue& on,
                                    const std::vector<std::uintptr_t>& functions, unsigned threads) const;
};

// `radius` has no entry, one for all boxes, or one per row that the caller gave.
DevicePlan plan_device_blur(const DeviceSizes& sizes, const DeviceImages& images, const Boxes& boxes, int shape,
                            const std::vector<std::int64_t>& radius, Border border, bool direct);
DevicePlan plan_device_pixelate(const DeviceSizes& sizes, const DeviceImages& images, const Boxes& boxes, int shape);
// `values`: for each Dtype, one value for each of four channels.
DevicePlan plan_device_fill(const DeviceSizes& sizes, const DeviceImages& images, const Boxes& boxes, int shape,
                            const std::array<double, 16>& values);
// Every image whole, from `sources`, which are of the same sizes in the same order.
DevicePlan plan_device_copy(const DeviceSizes& sizes, const DeviceImages& images, const DeviceImages& sources);

}  // namespace fastblur
