#include "device_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <numeric>
#include <stdexcept>

namespace fastblur {
namespace {

// BOX of tables.py.
struct BoxRecord {
  std::int32_t image;
  std::int32_t working[4];
  std::int32_t feather;
  std::int32_t radius;    // of the kernel, or -1: by the strength
  std::int32_t segments;  // shares of the rows
  double strength;
  double marked[4];
  std::int32_t steps[2];  // intervals of the coarse grid along y and x; 0 for the direct filter
};
static_assert(sizeof(BoxRecord) == 80);

// JOB of tables.py: a box in a tiled launch. Offsets in the device block until they are written, then addresses.
struct JobRecord {
  std::int64_t box, rows, grid, filtered;
};
static_assert(sizeof(JobRecord) == 32);

// Deviation of the coarse Gaussian in cells. With a spacing of 2 pixels at least, the two axes together stay within
// 0.41 of an 8-bit level, and within 4.7e-4 of the range, for any input.
constexpr double kSpreadOfBytes = 1.5, kSpread = 2.2;

constexpr Index kPivotBytes = 16;  // the box's first pixel, kept before its scratch rows

Index divide_up(Index a, Index b) { return (a + b - 1) / b; }
Index padded(Index bytes) { return divide_up(bytes, 16) * 16; }

// Adds to each word of the job records between two offsets of `bytes`.
void relocate(std::byte* bytes, std::pair<std::size_t, std::size_t> range, std::int64_t distance, std::size_t skip) {
  for (std::size_t at = range.first; at < range.second; at += sizeof(JobRecord)) {
    std::int64_t words[sizeof(JobRecord) / sizeof(std::int64_t)];
    std::memcpy(words, bytes + at, sizeof words);
    for (std::size_t i = skip; i < std::size(words); ++i) words[i] += distance;
    std::memcpy(bytes + at, words, sizeof words);
  }
}

// A box on its way to a launch.
struct Item {
  BoxRecord record{};
  Index width = 0, height = 0, channels = 0;
  bool interleaved = false;
  Variant variant{};
  int path = 0;
  std::int64_t key = 0;     // boxes of one key can be launched together, those of a lower one before
  Index shared = 0;         // bytes that its block needs
  std::int64_t detail = 0;  // offset in the upload of what a kernel reads beside the box

  // Words in a row of the box, and samples with those that fill up the last word of a line.
  Index words() const {
    const Index word = variant.samples_per_word();
    return interleaved ? divide_up(width * channels, word) : channels * divide_up(width, word);
  }
  Index pitch() const { return words() * variant.samples_per_word(); }
};

// Boxes that are launched together; their records follow one another.
struct Group {
  const Item* const* begin;
  const Item* const* end;
  std::int64_t first_record;
  const Item& any() const { return **begin; }
  Index shared() const {
    Index most = 0;
    for (const Item* const* item = begin; item != end; ++item) most = std::max(most, (*item)->shared);
    return most;
  }
};

// A box in tiled launches: the bytes of its scratch buffers, and the blocks that each launch gives it.
struct Tiles {
  std::array<Index, 3> scratch{};
  std::array<Index, 4> blocks{};
};

struct Stage {
  const char* kernel;
  Index shared;
};

// Sorts boxes into groups that can be launched together, and lays out what travels.
class Planner {
 public:
  Planner(const DeviceSizes& sizes, const DeviceImages& images, int shape = 0, Border border = Border::reflect)
      : sizes_(sizes), images_(images) {
    plan_.shape = shape;
    plan_.border = static_cast<std::int32_t>(border);
    reserve(images.records.data(), images.records.size() * sizeof(DeviceImage));
  }

  const DeviceSizes& sizes() const { return sizes_; }

  // Copies `bytes` bytes into the upload; their offset.
  std::int64_t reserve(const void* data, std::size_t bytes) {
    const std::size_t at = plan_.upload.size();
    plan_.upload.resize(at + static_cast<std::size_t>(padded(static_cast<Index>(bytes))));
    if (bytes != 0) std::memcpy(&plan_.upload[at], data, bytes);
    return static_cast<std::int64_t>(at);
  }

  // Calls `choose(item, box)` for each box, then `launch(group)` for the boxes that can be launched together: by level,
  // then path, then specialisation.
  template <class Choose, class Launch>
  DevicePlan plan(const Boxes& boxes, const Choose& choose, const Launch& launch) {
    const std::size_t count = boxes.size();
    const std::vector<std::int32_t> level = overlap_levels(boxes);
    std::vector<Item> items(count);
    std::vector<const Item*> order(count);
    for (std::size_t i = 0; i < count; ++i) {
      Item& item = items[i];
      open(boxes[i], item);
      choose(item, boxes[i]);
      item.key = (level[i] * std::int64_t{kPaths} + item.path) * kVariants + item.variant.index();
      order[i] = &item;
    }
    const auto before = [](const Item* a, const Item* b) { return a->key < b->key; };
    if (!std::is_sorted(order.begin(), order.end(), before)) std::stable_sort(order.begin(), order.end(), before);

    auto record = static_cast<std::int64_t>(plan_.upload.size());
    plan_.upload.resize(plan_.upload.size() + count * sizeof(BoxRecord));
    for (std::size_t i = 0; i < count; ++i)
      std::memcpy(&plan_.upload[static_cast<std::size_t>(record) + i * sizeof(BoxRecord)], &order[i]->record,
                  sizeof(BoxRecord));
    for (std::size_t begin = 0, end; begin < count; begin = end) {
      end = begin + 1;
      while (end < count && order[end]->key == order[begin]->key) ++end;
      launch(Group{&order[begin], &order[begin] + (end - begin), record});
      record += static_cast<std::int64_t>((end - begin) * sizeof(BoxRecord));
    }

    // Scratch begins where the upload ends.
    plan_.upload.resize((plan_.upload.size() + 255) / 256 * 256);
    for (const auto& range : scratch_)
      relocate(plan_.upload.data(), range, static_cast<std::int64_t>(plan_.upload.size()), 1);
    return std::move(plan_);
  }

  // One block for each box of the group.
  void launch_boxes(const char* kernel, const Group& group) {
    const std::int64_t count = group.end - group.begin;
    plan_.launches.push_back({kernel, group.any().variant, group.first_record, 0, count, count, group.shared()});
  }

  // One launch for each stage, with as many blocks for a box as `tiles_of(item)` says, in runs of boxes whose scratch
  // fits. `before_rows`: bytes of scratch kept before a box's rows.
  template <class TilesOf>
  void launch_tiles(const std::vector<Stage>& stages, const Group& group, Index before_rows, const TilesOf& tiles_of) {
    std::vector<JobRecord> jobs;
    std::array<std::vector<std::int32_t>, 4> totals;
    std::array<Index, 4> grid{};
    Index used = 0;
    const auto flush = [&] {
      const std::int64_t first = reserve(jobs.data(), jobs.size() * sizeof(JobRecord));
      plan_.jobs.emplace_back(first, first + jobs.size() * sizeof(JobRecord));
      if (used != 0) scratch_.push_back(plan_.jobs.back());
      for (std::size_t s = 0; s < stages.size(); ++s) {
        totals[s].push_back(static_cast<std::int32_t>(grid[s]));
        const std::int64_t prefix = reserve(totals[s].data(), totals[s].size() * sizeof(std::int32_t));
        plan_.launches.push_back({stages[s].kernel, group.any().variant, first, prefix,
                                  static_cast<std::int64_t>(jobs.size()), grid[s], stages[s].shared});
        totals[s].clear();
      }
      plan_.scratch_bytes = std::max<std::int64_t>(plan_.scratch_bytes, used);
      jobs.clear();
      grid = {};
      used = 0;
    };

    std::int64_t record = group.first_record;
    for (const Item* const* place = group.begin; place != group.end; ++place, record += sizeof(BoxRecord)) {
      const Item& item = **place;
      const Tiles tiles = tiles_of(item);
      const Index rows = padded(tiles.scratch[0]), buffer = padded(tiles.scratch[1]);
      const Index need = rows + buffer + padded(tiles.scratch[2]);
      bool full = used + need > sizes_.scratch_limit;
      for (std::size_t s = 0; s < stages.size(); ++s)
        full |= grid[s] + tiles.blocks[s] > std::numeric_limits<std::int32_t>::max();
      if (full && !jobs.empty()) flush();
      if (need == 0)
        jobs.push_back({record, item.detail, 0, 0});
      else
        jobs.push_back({record, used + before_rows, used + rows, used + rows + buffer});
      for (std::size_t s = 0; s < stages.size(); ++s) {
        totals[s].push_back(static_cast<std::int32_t>(grid[s]));
        grid[s] += tiles.blocks[s];
      }
      used += need;
    }
    flush();
  }

 private:
  static constexpr int kPaths = 4, kVariants = 8;

  void open(const Box& box, Item& item) const {
    const auto image = static_cast<std::size_t>(box.image);
    const std::int32_t* working = box.working;
    if (image >= images_.records.size()) throw std::invalid_argument("a box is of no image");
    if (working[3] > images_.sizes[2 * image] || working[2] > images_.sizes[2 * image + 1])
      throw std::invalid_argument("a box was resolved for another image size");
    item.record.image = box.image;
    std::copy_n(working, 4, item.record.working);
    item.record.feather = box.feather;
    item.record.radius = -1;
    item.record.strength = box.strength;
    std::copy_n(box.marked, 4, item.record.marked);
    item.width = working[2] - working[0];
    item.height = working[3] - working[1];
    item.channels = images_.records[image].channels;
    item.interleaved = images_.records[image].interleaved != 0;
    item.variant = images_.variants[image];
  }

  const DeviceSizes& sizes_;
  const DeviceImages& images_;
  DevicePlan plan_;
  std::vector<std::pair<std::size_t, std::size_t>> scratch_;  // job records whose buffers are scratch
};

// Coarse rows that the spline path keeps of a box that is cut into segments of `segment_rows` rows.
Index coarse_rows(const DeviceSizes& sizes, Index segments, Index segment_rows, double cells_per_row, Index steps) {
  const auto touched = static_cast<Index>(static_cast<double>(segment_rows) * cells_per_row);
  return std::max(segments * (touched + sizes.segment_nodes), steps + sizes.margin_nodes);
}

// The path of a blurred box: whether its block has the shared memory for all of it, and whether the spline keeps the
// bounds, which needs cells of 2 pixels at least.
class Blur {
 public:
  enum Path { kSmallSpline, kSmallDirect, kSpline, kDirect };

  Blur(const DeviceSizes& sizes, Border border, bool direct) : sizes_(sizes), border_(border), direct_(direct) {}

  void choose(Item& item) const {
    const bool spline = !direct_ && set_steps(item);
    const Index table = table_rows(item), floats = item.channels * (item.width + 3);
    const double cells = cells_per_row(item);
    const Index steps_y = item.record.steps[0], steps_x = item.record.steps[1];
    Index segments =
        std::max<Index>(std::min(kSmallShares / (item.width * item.channels), item.height / kLeastSegment), 1);
    if (spline) {
      const Index rows = coarse_rows(sizes_, segments, divide_up(table, segments), cells, steps_y);
      const Index grid = (steps_y + sizes_.margin_nodes) * (steps_x + sizes_.margin_nodes) * item.channels;
      item.shared = 2 * kPivotBytes + 8 * sizes_.taps + sizes_.entry_bytes * table + 4 * (rows * floats + 2 * grid);
    } else {
      item.shared =
          2 * kPivotBytes + 8 * sizes_.threads + 4 * (item.height + item.width + 8) + 4 * item.height * floats;
    }
    const bool small = item.shared <= sizes_.shared_limit;
    if (!small) {
      // Segments long enough that the coarse rows they share cost little.
      const double length = std::min(std::max(std::ceil(8 / std::max(cells, 1e-9)), 64.0), 512.0);
      segments = divide_up(table, static_cast<Index>(length));
      item.shared = sizes_.entry_bytes * divide_up(table, segments) + kPivotBytes;
    }
    item.record.segments = static_cast<std::int32_t>(segments);
    item.path = small ? (spline ? kSmallSpline : kSmallDirect) : (spline ? kSpline : kDirect);
  }

  void launch(Planner& planner, const Group& group) const {
    switch (group.any().path) {
      case kSmallSpline:
        return planner.launch_boxes("small_spline", group);
      case kSmallDirect:
        return planner.launch_boxes("small_direct", group);
      case kSpline:
        return planner.launch_tiles({{"spline_decimate", group.shared()},
                                     {"spline_rows", 4 * sizes_.taps},
                                     {"spline_columns", 4 * sizes_.taps},
                                     {"spline_interpolate", group.shared()}},
                                    group, kPivotBytes, [&](const Item& item) { return spline_tiles(item); });
      default:
        return planner.launch_tiles({{"direct_weights", 8 * sizes_.threads},
                                     {"direct_rows", 4 * tile_rows() * sizes_.plane},
                                     {"direct_columns", 0}},
                                    group, kPivotBytes, [&](const Item& item) { return direct_tiles(item); });
    }
  }

 private:
  static constexpr Index kSmallShares = 1024;  // into which the work on a small box is cut, at most
  static constexpr Index kLeastSegment = 16;   // rows

  // Intervals of the coarse grid; false where only the direct filter keeps the bounds.
  bool set_steps(Item& item) const {
    const double widest = item.record.strength / (item.variant.dtype == Dtype::u8 ? sigma_of_bytes_ : sigma_);
    const auto span_y = static_cast<double>(span(item.height)), span_x = static_cast<double>(span(item.width));
    const double steps_y = std::max(std::ceil(span_y / widest), 1.0),
                 steps_x = std::max(std::ceil(span_x / widest), 1.0);
    if (!(2 * steps_y <= span_y && 2 * steps_x <= span_x)) return false;
    item.record.steps[0] = static_cast<std::int32_t>(steps_y);
    item.record.steps[1] = static_cast<std::int32_t>(steps_x);
    return true;
  }

  Tiles spline_tiles(const Item& item) const {
    const Index segments = item.record.segments, segment_rows = divide_up(table_rows(item), segments);
    const Index steps_y = item.record.steps[0], steps_x = item.record.steps[1];
    const Index nodes_y = steps_y + sizes_.margin_nodes, nodes_x = steps_x + sizes_.margin_nodes;
    const Index rows = coarse_rows(sizes_, segments, segment_rows, cells_per_row(item), steps_y);
    const Index grid = 4 * nodes_y * nodes_x * item.channels;
    const Index coarse = border_ == Border::replicate ? nodes_y : border_ == Border::symmetric ? steps_y : steps_y + 1;
    const Index blocks = segments * divide_up(item.words(), sizes_.threads);
    return {{kPivotBytes + 4 * rows * item.pitch(), grid, grid}, {blocks, coarse, nodes_y, blocks}};
  }

  Tiles direct_tiles(const Item& item) const {
    // 1 / sum, and the kernel to both sides between zeros.
    const Index ends = 2 + 2 * sizes_.weight_padding;
    const Index across = item.channels * divide_up(item.width, sizes_.tile_x) * divide_up(item.height, tile_rows());
    const Index down = divide_up(item.words(), sizes_.threads) * divide_up(item.height, sizes_.output_rows);
    return {{kPivotBytes + 4 * item.height * item.pitch(), 4 * (2 * item.height + 1 + ends),
             4 * (2 * item.width + 1 + ends)},
            {2, across, down, 0}};
  }

  Index tile_rows() const { return sizes_.threads / sizes_.lanes; }
  Index span(Index n) const { return border_ == Border::symmetric ? n : n - 1; }
  // Rows of the table of weights: replicate has a pseudo-row beyond each edge.
  Index table_rows(const Item& item) const { return item.height + (border_ == Border::replicate ? 2 : 0); }
  double cells_per_row(const Item& item) const {
    return static_cast<double>(item.record.steps[0]) / static_cast<double>(std::max<Index>(span(item.height), 1));
  }

  const DeviceSizes& sizes_;
  Border border_;
  bool direct_;
  // Of the whole filter, in cells: the coarse Gaussian and both splines.
  double sigma_of_bytes_ = std::sqrt(kSpreadOfBytes * kSpreadOfBytes + 2.0 / 3);
  double sigma_ = std::sqrt(kSpread * kSpread + 2.0 / 3);
};

// The cells of a pixelated box.
struct Cells {
  Index columns, rows, width, height;  // how many, and the size of the largest

  explicit Cells(const Item& item) {
    columns = cells_along(item.width, item.record.strength);
    rows = cells_along(item.height, item.record.strength);
    width = divide_up(item.width, columns);
    height = divide_up(item.height, rows);
  }
};

}  // namespace

void DeviceImages::add(Dtype dtype, const std::string& layout, std::int64_t address,
                       const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides) {
  if (shape.size() != layout.size() || strides.size() != layout.size())
    throw std::invalid_argument("shape and strides must have an entry for each axis of layout " + layout);
  const std::int64_t item = item_size(dtype);
  std::int64_t count = 1, step_n = 0, height = 0, step_y = 0, width = 0, step_x = 0, channels = 1, step_c = item;
  for (std::size_t axis = 0; axis < layout.size(); ++axis) {
    const std::int64_t n = shape[axis], step = strides[axis];
    switch (layout[axis]) {
      case 'N':
        count = n, step_n = step;
        break;
      case 'H':
        height = n, step_y = step;
        break;
      case 'W':
        width = n, step_x = step;
        break;
      case 'C':
        channels = n, step_c = n == 1 ? item : step;
        break;
      default:
        throw std::invalid_argument("layout " + layout + " has an axis other than N, H, W, C");
    }
  }
  const bool interleaved = channels > 1 && std::abs(step_c) <= std::abs(step_x);
  const bool contiguous = interleaved ? step_x == channels * item && step_c == item : step_x == item;
  for (std::int64_t i = 0; i < count; ++i) {
    records.push_back({address + i * step_n, step_x, step_y, step_c, static_cast<std::int32_t>(channels), interleaved});
    sizes.push_back(height);
    sizes.push_back(width);
    variants.push_back({dtype, contiguous});
  }
}

std::pair<const char*, int> DevicePlan::queue(const DeviceDriver& driver, const DeviceQueue& on,
                                              const std::vector<std::uintptr_t>& functions, unsigned threads) const {
  if (functions.size() != launches.size()) throw std::invalid_argument("a plan needs one function for each launch");
  std::memcpy(on.staging, upload.data(), upload.size());
  for (const auto& range : jobs) relocate(on.staging, range, on.base, 0);
  if (const int code = driver.copy(static_cast<std::uint64_t>(on.base), on.staging, upload.size(), on.stream))
    return {"cuMemcpyHtoDAsync", code};
  if (const int code = driver.record(on.event, on.stream)) return {"cuEventRecord", code};
  for (std::size_t i = 0; i < launches.size(); ++i) {
    const DeviceLaunch& launch = launches[i];
    std::int64_t images = on.base, first = on.base + launch.first, prefix = on.base + launch.prefix;
    auto count = static_cast<std::int32_t>(launch.jobs);
    std::int32_t of_shape = shape, of_border = border;
    void* parameters[] = {&images, &first, &prefix, &count, &of_border, &of_shape};
    const int code = driver.launch(reinterpret_cast<void*>(functions[i]), static_cast<unsigned>(launch.grid), 1, 1,
                                   threads, 1, 1, static_cast<unsigned>(launch.shared), on.stream, parameters, nullptr);
    if (code != 0) return {"cuLaunchKernel", code};
  }
  return {nullptr, 0};
}

DevicePlan plan_device_blur(const DeviceSizes& sizes, const DeviceImages& images, const Boxes& boxes, int shape,
                            const std::vector<std::int64_t>& radius, Border border, bool direct) {
  const Blur blur(sizes, border, direct);
  Planner planner(sizes, images, shape, border);
  const auto choose = [&](Item& item, const Box& box) {
    if (!radius.empty()) {
      const std::size_t row = radius.size() == 1 ? 0 : static_cast<std::size_t>(box.row);
      const std::int64_t most = std::numeric_limits<std::int32_t>::max();
      item.record.radius = static_cast<std::int32_t>(std::min(radius.at(row), most));
    }
    blur.choose(item);
  };
  return planner.plan(boxes, choose, [&](const Group& group) { blur.launch(planner, group); });
}

DevicePlan plan_device_pixelate(const DeviceSizes& sizes, const DeviceImages& images, const Boxes& boxes, int shape) {
  enum Path { kStrips, kBands };  // several cells to a block, or several blocks to a cell
  Planner planner(sizes, images, shape);
  const auto choose = [&](Item& item, const Box&) {
    const Cells cells(item);
    const bool large = cells.width > sizes.widest || cells.width * cells.height > sizes.largest;
    item.path = large ? kBands : kStrips;
    if (large) return;
    const Index per_strip = std::max<Index>(sizes.strip * cells.columns / item.width, 1);
    const Index samples = std::min(per_strip * cells.width, item.width) * item.channels;
    item.shared = 8 * (std::max(samples, sizes.threads) + per_strip * item.channels);
  };
  const auto strips = [&](const Item& item) {
    const Cells cells(item);
    const Index per_strip = std::max<Index>(sizes.strip * cells.columns / item.width, 1);
    return Tiles{{}, {divide_up(cells.columns, per_strip) * cells.rows}};
  };
  const auto bands = [&](const Item& item) {
    const Cells cells(item);
    const Index blocks = cells.columns * cells.rows * divide_up(cells.height, sizes.band);
    return Tiles{{8 * blocks * item.channels}, {blocks, blocks}};
  };
  return planner.plan(boxes, choose, [&](const Group& group) {
    if (group.any().path == kStrips)
      planner.launch_tiles({{"mosaic", group.shared()}}, group, 0, strips);
    else
      planner.launch_tiles({{"cell_sums", 8 * sizes.threads}, {"cell_fill", 8 * 4}}, group, 0, bands);
  });
}

DevicePlan plan_device_fill(const DeviceSizes& sizes, const DeviceImages& images, const Boxes& boxes, int shape,
                            const std::array<double, 16>& values) {
  Planner planner(sizes, images, shape);
  const std::int64_t at = planner.reserve(values.data(), sizeof values);
  const auto choose = [&](Item& item, const Box&) {
    item.detail = at + static_cast<std::int64_t>(4 * sizeof(double)) * static_cast<int>(item.variant.dtype);
  };
  const auto tiles = [&](const Item& item) {
    return Tiles{{}, {divide_up(item.words(), sizes.threads) * divide_up(item.height, sizes.fill_rows)}};
  };
  return planner.plan(boxes, choose, [&](const Group& group) { planner.launch_tiles({{"fill", 0}}, group, 0, tiles); });
}

DevicePlan plan_device_copy(const DeviceSizes& sizes, const DeviceImages& images, const DeviceImages& sources) {
  if (sources.sizes != images.sizes) throw std::invalid_argument("a copy is between images of the same sizes");
  Boxes whole;
  for (std::size_t i = 0; i < images.records.size(); ++i) {
    const std::int64_t height = images.sizes[2 * i], width = images.sizes[2 * i + 1];
    if (height == 0 || width == 0) continue;
    Box box{};
    box.image = static_cast<std::int32_t>(i);
    box.working[2] = static_cast<std::int32_t>(width);
    box.working[3] = static_cast<std::int32_t>(height);
    std::copy_n(box.working, 4, box.marked);
    whole.push_back(box);
  }
  Planner planner(sizes, images);
  const std::int64_t at = planner.reserve(sources.records.data(), sources.records.size() * sizeof(DeviceImage));
  const auto choose = [&](Item& item, const Box&) {
    item.detail = at + static_cast<std::int64_t>(sizeof(DeviceImage)) * item.record.image;
  };
  const auto tiles = [&](const Item& item) {
    const Index rows = divide_up(item.height, sizes.fill_rows);
    return Tiles{{}, {divide_up(item.width * item.channels, sizes.threads) * rows}};
  };
  return planner.plan(whole, choose, [&](const Group& group) { planner.launch_tiles({{"copy", 0}}, group, 0, tiles); });
}

}  // namespace fastblur
