#include "driver.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>
#include <numeric>
#include <utility>

#include "dispatch.h"
#include "half.h"
#include "thread_pool.h"

namespace fastblur {
namespace {

// Less work than this is done before another thread has woken up.
constexpr double kWorthAThread = 65536;  // samples
constexpr double kLeastPiece = 16384;
constexpr Index kMostSeams = 768 * 1024;  // bytes for each thread: beyond that a box gets one band per thread

// The planes of a box: one of interleaved channels, or one per channel where each lies by itself.
struct Planes {
  Plane first;
  Index count;
  Index stride;     // bytes from one plane to the next
  bool reversed;    // channels were stored last to first
  bool transposed;  // rows of the plane run along the image's columns
  bool mirrored;    // and their pixels were stored last to first
  Plane at(Index i) const {
    Plane plane = first;
    plane.origin += i * stride;
    return plane;
  }
};

// float32 below this is summed as 2^kTinyPower times itself.
constexpr float kTiny = 0x1p-100f;

bool is_tiny(const std::byte* sample) {
  float value;
  std::memcpy(&value, sample, sizeof value);
  return std::fabs(value) < kTiny;
}
// Whether all of one pixel's values are, side by side.
bool is_tiny(const std::byte* pixel, Index channels) {
  for (Index c = 0; c < channels; ++c)
    if (!is_tiny(pixel + c * static_cast<Index>(sizeof(float)))) return false;
  return true;
}
// Whether all values of a float32 plane are. Usually the first looked at is not.
bool is_tiny(const Plane& plane) {
  for (Index y = 0; y < plane.height; ++y)
    for (Index x = 0; x < plane.width; ++x)
      for (Index c = 0; c < plane.channels; ++c)
        if (!is_tiny(plane.row(y) + x * plane.column_stride + c * plane.channel_stride)) return false;
  return true;
}

// Reads the plane's first pixel. To be called before anything of the box is written.
void take_pivot(Plane& plane, Dtype dtype) {
  plane.power = dtype != Dtype::f32 ? 0 : is_tiny(plane) ? kTinyPower : kUsualPower;
  for (Index c = 0; c < plane.channels; ++c) {
    const std::byte* sample = plane.origin + c * plane.channel_stride;
    plane.pivot[c] = 0;
    if (dtype == Dtype::f32) {
      std::memcpy(&plane.pivot[c], sample, sizeof(float));
      plane.pivot[c] = std::ldexp(plane.pivot[c], plane.power);
    } else if (dtype == Dtype::f16) {
      Half bits;
      std::memcpy(&bits, sample, sizeof bits);
      plane.pivot[c] = half_to_float(bits);
    } else if (dtype == Dtype::u16) {
      std::uint16_t value;
      std::memcpy(&value, sample, sizeof value);
      plane.pivot[c] = value;
    }
  }
}

Planes planes_of(const Image& image, const std::int32_t* box) {
  Planes planes{};
  Plane& p = planes.first;
  p.origin = image.data + box[1] * image.row_stride + box[0] * image.column_stride;
  p.width = box[2] - box[0];
  p.height = box[3] - box[1];
  p.row_stride = image.row_stride;
  p.column_stride = image.column_stride;
  p.channel_stride = image.channel_stride;
  p.channels = image.channels;
  // The filter is the same along both axes, so its rows may run along whichever lies closer together.
  if (std::abs(p.row_stride) < std::abs(p.column_stride) && p.height > 1) {
    std::swap(p.row_stride, p.column_stride);
    std::swap(p.width, p.height);
    planes.transposed = true;
  }
  if (p.column_stride < 0) {
    p.origin += (p.width - 1) * p.column_stride;
    p.column_stride = -p.column_stride;
    planes.mirrored = true;
  }
  if (p.channels > 1 && p.channel_stride < 0) {
    p.origin += (p.channels - 1) * p.channel_stride;
    p.channel_stride = -p.channel_stride;
    planes.reversed = true;
  }
  planes.count = 1;
  if (p.channels > 1 && p.channel_stride >= p.column_stride && p.width > 1) {
    planes.count = p.channels;
    planes.stride = p.channel_stride;
    p.channels = 1;
    p.channel_stride = item_size(image.dtype);
  }
  return planes;
}

// The pixels of a plane that is worked on soon; of a large one only the first rows: it asks for the others itself.
Ahead ahead_of(const Plane& p, Dtype dtype) {
  constexpr Index most = 16384;  // bytes: what the nearest caches hold beside the plane that is worked on
  const Index extent = p.extent(p.width, item_size(dtype));
  const Index rows = extent * p.height <= most ? p.height : std::min(kRowsAhead, most / extent);
  return {p.origin, rows, p.row_stride, extent};
}

Mask mask_of(const Box& box, Mask::Shape shape, const Planes& planes) {
  const double* marked = box.marked;
  const std::int32_t* working = box.working;
  Mask mask;
  mask.shape = shape;
  mask.feather = box.feather;
  mask.x1 = marked[0] - working[0];
  mask.y1 = marked[1] - working[1];
  mask.x2 = marked[2] - working[0];
  mask.y2 = marked[3] - working[1];
  mask.everywhere = shape == Mask::Shape::rectangle && mask.x1 <= 0 && mask.y1 <= 0 &&
                    mask.x2 >= working[2] - working[0] && mask.y2 >= working[3] - working[1];
  if (planes.transposed) {
    std::swap(mask.x1, mask.y1);
    std::swap(mask.x2, mask.y2);
  }
  if (planes.mirrored) {
    const double width = static_cast<double>(planes.first.width), left = mask.x1;
    mask.x1 = width - mask.x2;
    mask.x2 = width - left;
  }
  return mask;
}

// What a thread keeps from box to box: scratch memory, and the weights of the sizes it met last.
class Worker {
 public:
  // Calls run(arena), and again in a larger one where what it took did not fit.
  template <class Run>
  void in_scratch(const Run& run) {
    for (;;) {
      Arena arena(memory_.get(), size_);
      run(arena);
      if (arena.fits()) return;
      memory_.reset();
      size_ = 0;
      memory_.reset(new (std::align_val_t{64}) std::byte[arena.used()]);
      size_ = arena.used();
    }
  }
  // Valid until the next but one call.
  const Axis& axis(const AxisKey& key) {
    const std::size_t set = hash(key) % kSets * kWays;
    for (std::size_t slot = set; slot < set + kWays; ++slot)
      if (filled_[slot] && keys_[slot] == key) return axes_[last_ = slot];
    if (pixels_ > kMostPixels) forget();
    do slot_in_set_ = (slot_in_set_ + 1) % kWays;
    while (set + slot_in_set_ == last_);  // the other axis of the same box
    const std::size_t slot = set + slot_in_set_;
    filled_[slot] = false;
    plan_axis(key, axes_[slot], room_);
    keys_[slot] = key;
    filled_[slot] = true;
    pixels_ += std::max<Index>(key.n - room_for_[slot], 0);
    room_for_[slot] = std::max(room_for_[slot], key.n);
    return axes_[last_ = slot];
  }
  // Gives back what a usual box does not need.
  void tidy() {
    constexpr std::size_t keep = std::size_t{8} << 20;
    if (size_ > keep) {
      memory_.reset();
      size_ = 0;
    }
    if (pixels_ > kMostPixels) {
      last_ = kRemembered;
      forget();
    }
  }

 private:
  struct Free {
    void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  // Sizes recur: the boxes of a crowd share a sigma, and have a few dozen widths and heights between them.
  static constexpr std::size_t kSets = 32, kWays = 4, kRemembered = kSets * kWays;
  static constexpr Index kMostPixels = 32768;  // up to 48 bytes each

  static std::size_t hash(const AxisKey& key) {
    std::uint64_t bits;
    std::memcpy(&bits, &key.sigma, sizeof bits);
    bits ^= static_cast<std::uint64_t>(key.n) * 0x9e3779b97f4a7c15u;
    bits ^= static_cast<std::uint64_t>(key.radius) << 24;
    bits ^= static_cast<std::uint64_t>(static_cast<int>(key.border) * 8 + key.accuracy) << 20;
    return static_cast<std::size_t>((bits * 0xff51afd7ed558ccdu) >> 40);
  }
  void forget() {
    for (std::size_t i = 0; i < kRemembered; ++i)
      if (i != last_) {
        axes_[i] = Axis();
        filled_[i] = false;
        room_for_[i] = 0;
      }
    pixels_ = last_ < kRemembered ? room_for_[last_] : 0;
    room_ = PlanRoom();
  }

  std::unique_ptr<std::byte[], Free> memory_;
  std::size_t size_ = 0;
  PlanRoom room_;
  AxisKey keys_[kRemembered] = {};
  Axis axes_[kRemembered];
  bool filled_[kRemembered] = {};
  Index room_for_[kRemembered] = {};  // pixels: the longest axis that has been there
  Index pixels_ = 0;                  // the sum of those
  std::size_t last_ = kRemembered;
  std::size_t slot_in_set_ = 0;  // that was filled last
};

FASTBLUR_THREAD_LOCAL std::unique_ptr<Worker> own_worker;

Worker& this_worker() {
  if (own_worker == nullptr) own_worker = std::make_unique<Worker>();
  return *own_worker;
}
void tidy_worker() {
  if (own_worker != nullptr) own_worker->tidy();
}

// One of the three things that can be done to a plane, in units (rows, or rows of cells) that may be done apart.
class Operation {
 public:
  virtual ~Operation() = default;
  virtual Index units(const Plane& plane, Index box) const = 0;
  virtual void run(const Plane& plane, const Planes& planes, Index box, Index begin, Index end,
                   const std::vector<StoredNodes>* stored, Ahead& ahead) = 0;
};

struct Call {
  const std::vector<Image>& images;
  const Boxes& boxes;
  Mask::Shape shape;
  const Kernels& kernels;

  Index count() const { return static_cast<Index>(boxes.size()); }
  const Box& at(Index box) const { return boxes[static_cast<std::size_t>(box)]; }
  Index image_index(Index box) const { return at(box).image; }
  const Image& image(Index box) const { return images[static_cast<std::size_t>(image_index(box))]; }
  const std::int32_t* working(Index box) const { return at(box).working; }
  double strength(Index box) const { return at(box).strength; }
  double samples(Index box) const {
    const std::int32_t* w = working(box);
    return static_cast<double>(w[2] - w[0]) * static_cast<double>(w[3] - w[1]) *
           static_cast<double>(image(box).channels);
  }
  Mask mask(Index box, const Planes& planes) const { return mask_of(at(box), shape, planes); }
};

class Blur final : public Operation {
 public:
  Blur(const Call& call, const std::vector<std::int64_t>& radii, Border border, bool direct)
      : call_(call), radii_(radii), border_(border), direct_(direct) {}

  Index units(const Plane& plane, Index) const override { return plane.height; }

  // The axes of a plane of a box. Valid until the next but one call.
  const Axis& vertical(const Plane& plane, Index box) const { return this_worker().axis(key(plane, box, true)); }
  const Axis& horizontal(const Plane& plane, Index box) const { return this_worker().axis(key(plane, box, false)); }

  void run(const Plane& plane, const Planes& planes, Index box, Index begin, Index end,
           const std::vector<StoredNodes>* stored, Ahead& ahead) override {
    BlurJob job = prepare(plane, planes, box, ahead);
    if (identity(*job.vertical) && identity(*job.horizontal)) return;
    if (stored != nullptr) {
      job.stored = stored->data();
      job.stored_count = static_cast<Index>(stored->size());
    }
    const Dtype dtype = call_.image(box).dtype;
    this_worker().in_scratch([&](Arena& arena) { call_.kernels.blur(dtype, job, begin, end, arena); });
  }

  void nodes(const Plane& plane, const Planes& planes, Index box, Index begin, Index end, float* rows, Index stride) {
    Ahead none;
    const BlurJob job = prepare(plane, planes, box, none);
    const Dtype dtype = call_.image(box).dtype;
    this_worker().in_scratch(
        [&](Arena& arena) { call_.kernels.blur_nodes(dtype, job, begin, end, rows, stride, arena); });
  }

 private:
  AxisKey key(const Plane& plane, Index box, bool along_y) const {
    const std::int64_t radius = radii_.empty() ? -1 : radii_[radii_.size() == 1 ? 0 : row(box)];
    const double sigma = call_.strength(box);
    Accuracy accuracy = Accuracy::fine;
    if (direct_ || radius >= 0) {
      accuracy = Accuracy::exact;
    } else if (call_.image(box).dtype == Dtype::u8) {
      // By the image's channels: where each lies by itself, the bits are those of channels that lie together.
      const LevelPath path = level_path(sigma, plane.height, plane.width, call_.image(box).channels);
      accuracy = along_y ? path.along_y : path.along_x;
    }
    return {along_y ? plane.height : plane.width, sigma, radius, border_, static_cast<int>(accuracy)};
  }
  static bool identity(const Axis& axis) { return !axis.spline && axis.kernel.taps == 1; }
  std::size_t row(Index box) const { return static_cast<std::size_t>(call_.at(box).row); }
  BlurJob prepare(const Plane& plane, const Planes& planes, Index box, Ahead& ahead) const {
    const Axis& v = vertical(plane, box);
    const AxisKey along_x = key(plane, box, false);
    const bool bytes = along_x.accuracy == static_cast<int>(Accuracy::bytes);
    return {plane, call_.mask(box, planes), &v, &this_worker().axis(along_x), nullptr, 0, bytes, &ahead};
  }

  const Call& call_;
  const std::vector<std::int64_t>& radii_;
  Border border_;
  bool direct_;
};

class Pixelate final : public Operation {
 public:
  explicit Pixelate(const Call& call) : call_(call) {}

  Index units(const Plane& plane, Index box) const override { return cells_along(plane.height, call_.strength(box)); }

  void run(const Plane& plane, const Planes& planes, Index box, Index begin, Index end, const std::vector<StoredNodes>*,
           Ahead& ahead) override {
    const double block = call_.strength(box);
    const MosaicJob job{plane,
                        call_.mask(box, planes),
                        cells_along(plane.height, block),
                        cells_along(plane.width, block),
                        planes.mirrored,
                        &ahead};
    const Dtype dtype = call_.image(box).dtype;
    this_worker().in_scratch([&](Arena& arena) { call_.kernels.mosaic(dtype, job, begin, end, arena); });
  }

 private:
  const Call& call_;
};

class Fill final : public Operation {
 public:
  Fill(const Call& call, const std::vector<const std::byte*>& values) : call_(call), values_(values) {}

  Index units(const Plane& plane, Index) const override { return plane.height; }

  void run(const Plane& plane, const Planes& planes, Index box, Index begin, Index end, const std::vector<StoredNodes>*,
           Ahead& ahead) override {
    const Image& image = call_.image(box);
    const Index item = item_size(image.dtype), channels = image.channels;
    const std::byte* value = values_[static_cast<std::size_t>(call_.image_index(box))];
    std::byte ordered[16];
    for (Index c = 0; c < channels; ++c)
      std::copy_n(value + (planes.reversed ? channels - 1 - c : c) * item, item, ordered + c * item);
    const Index channel = planes.count > 1 ? (plane.origin - planes.first.origin) / planes.stride : 0;
    FillJob job{plane, call_.mask(box, planes), ordered + channel * item, &ahead};
    if (plane.power == kTinyPower && !is_tiny(job.value, plane.channels)) job.plane.power = kUsualPower;
    this_worker().in_scratch([&](Arena& arena) { call_.kernels.fill(image.dtype, job, begin, end, arena); });
  }

 private:
  const Call& call_;
  const std::vector<const std::byte*>& values_;
};

// Units [begin, end) of one plane of a box.
struct Piece {
  Plane plane;
  Index box, begin, end;
  std::int32_t split;  // which Split it belongs to, or -1
};

// A plane of a large box that several threads blur: what they need of each other's pixels is computed first.
struct Split {
  Plane plane;
  Index box;
  std::vector<StoredNodes> stored;
  std::vector<float> memory;
};

struct NodePiece {
  std::int32_t split;
  Index begin, end;
  float* rows;
  Index stride;
};

class Schedule {
 public:
  Schedule(const Call& call, Operation& operation, Blur* blur, int threads)
      : call_(call), operation_(operation), blur_(blur), threads_(threads) {}

  void run() {
    const Index count = call_.count();
    double total = 0;
    for (Index box = 0; box < count; ++box) total += call_.samples(box);
    if (threads_ <= 1 || total < kWorthAThread) {
      for (Index box = 0; box < count; ++box) whole(box, box + 1 < count ? box + 1 : kNone);
      return;
    }
    const std::vector<std::int32_t> level = levels(total);
    std::vector<Index> order(static_cast<std::size_t>(count));
    std::iota(order.begin(), order.end(), 0);
    const auto before = [&](Index a, Index b) {
      const auto place = [&](Index i) { return std::pair(level[static_cast<std::size_t>(i)], call_.image_index(i)); };
      return place(a) < place(b);
    };
    if (!std::is_sorted(order.begin(), order.end(), before)) std::stable_sort(order.begin(), order.end(), before);
    for (std::size_t begin = 0, end; begin < order.size(); begin = end) {
      end = begin;
      while (end < order.size() &&
             level[static_cast<std::size_t>(order[end])] == level[static_cast<std::size_t>(order[begin])])
        ++end;
      together(&order[begin], static_cast<Index>(end - begin));
    }
  }

 private:
  static constexpr Index kNone = -1;

  // `next` is the box that follows it, or none.
  void whole(Index box, Index next) {
    const Planes planes = planes_of(call_.image(box), call_.working(box));
    const Dtype dtype = call_.image(box).dtype;
    for (Index i = 0; i < planes.count; ++i) {
      Plane plane = planes.at(i);
      take_pivot(plane, dtype);
      Ahead ahead = i + 1 < planes.count ? fastblur::ahead_of(planes.at(i + 1), dtype) : ahead_of(next);
      operation_.run(plane, planes, box, 0, operation_.units(plane, box), nullptr, ahead);
    }
  }

  // What a thread does at a time, where `total` samples are to be done.
  double piece_of(double total) const { return std::max(total / (4 * threads_), kLeastPiece); }

  // Boxes of one level may be done in any order, but those of a `single` image only in turn. That is an image with so
  // little in boxes that one thread does all of them: then no box waits for one that another thread has.
  std::vector<std::int32_t> levels(double total) {
    const Index count = call_.count();
    std::vector<double> samples(call_.images.size(), 0);
    for (Index box = 0; box < count; ++box) samples[image_of(box)] += call_.samples(box);
    single_.resize(samples.size());
    for (std::size_t i = 0; i < samples.size(); ++i) single_[i] = samples[i] <= piece_of(total);
    std::vector<std::int32_t> level(static_cast<std::size_t>(count), 0);
    if (std::find(single_.begin(), single_.end(), false) == single_.end()) return level;
    level = overlap_levels(call_.boxes);
    for (Index box = 0; box < count; ++box)
      if (single_[image_of(box)]) level[static_cast<std::size_t>(box)] = 0;
    return level;
  }
  std::size_t image_of(Index box) const { return static_cast<std::size_t>(call_.image_index(box)); }
  Ahead ahead_of(Index box) const {
    if (box == kNone) return {};
    return fastblur::ahead_of(planes_of(call_.image(box), call_.working(box)).first, call_.image(box).dtype);
  }

  // Boxes of one level, image by image.
  void together(const Index* boxes, Index count) {
    double total = 0;
    for (Index i = 0; i < count; ++i) total += call_.samples(boxes[i]);
    const double piece = piece_of(total);
    pieces_.clear();
    splits_.clear();
    nodes_.clear();
    std::vector<Index> wholes;
    for (Index i = 0; i < count; ++i) {
      if (call_.samples(boxes[i]) > piece && !single_[image_of(boxes[i])])
        cut(boxes[i], piece);
      else
        wholes.push_back(boxes[i]);
    }

    parallel(static_cast<Index>(nodes_.size()), [&](Index i) {
      const NodePiece& n = nodes_[static_cast<std::size_t>(i)];
      const Split& split = *splits_[static_cast<std::size_t>(n.split)];
      const Planes planes = planes_of(call_.image(split.box), call_.working(split.box));
      blur_->nodes(split.plane, planes, split.box, n.begin, n.end, n.rows, n.stride);
    });

    // Whole boxes go out by the handful: handful h is wholes[handful[h]] .. wholes[handful[h + 1] - 1].
    const double least = std::max(piece / 4, kLeastPiece / 2);
    std::vector<std::size_t> handful{0};
    double held = 0;
    for (std::size_t i = 0; i < wholes.size(); ++i) {
      held += call_.samples(wholes[i]);
      const bool last = i + 1 == wholes.size();
      const bool kept = !last && single_[image_of(wholes[i])] && image_of(wholes[i]) == image_of(wholes[i + 1]);
      if (last || (held >= least && !kept)) {
        handful.push_back(i + 1);
        held = 0;
      }
    }
    const std::size_t pieces = pieces_.size();
    parallel(static_cast<Index>(pieces + handful.size() - 1), [&](Index task) {
      const auto t = static_cast<std::size_t>(task);
      if (t < pieces) {
        const Piece& p = pieces_[t];
        Ahead ahead = ahead_of(t + 1 < pieces && pieces_[t + 1].box != p.box ? pieces_[t + 1].box : kNone);
        const Planes planes = planes_of(call_.image(p.box), call_.working(p.box));
        operation_.run(p.plane, planes, p.box, p.begin, p.end,
                       p.split < 0 ? nullptr : &splits_[static_cast<std::size_t>(p.split)]->stored, ahead);
      } else {
        for (std::size_t i = handful[t - pieces]; i < handful[t - pieces + 1]; ++i)
          whole(wholes[i], i + 1 < wholes.size() ? wholes[i + 1] : kNone);
      }
    });
  }

  void cut(Index box, double piece) {
    const Planes planes = planes_of(call_.image(box), call_.working(box));
    for (Index i = 0; i < planes.count; ++i) {
      Plane plane = planes.at(i);
      take_pivot(plane, call_.image(box).dtype);
      const Index units = operation_.units(plane, box);
      const double samples = call_.samples(box) / static_cast<double>(planes.count);
      auto bands = static_cast<Index>(std::min(samples / piece, static_cast<double>(units / 8)));
      bands = std::max<Index>(std::min<Index>(bands, 2 * threads_), 1);
      // Two bands to a thread even out their work; where rows are wide, what they share weighs more than that.
      if (bands > threads_ && blur_ != nullptr && (bands - 1) * seam(plane, box) > threads_ * kMostSeams)
        bands = threads_;
      std::vector<Index> edges;
      for (Index b = 0; b <= bands; ++b) edges.push_back(b * units / bands);
      std::int32_t split = -1;
      if (bands > 1 && blur_ != nullptr) split = prepare_split(plane, box, edges);
      for (std::size_t b = 0; b + 1 < edges.size(); ++b) pieces_.push_back({plane, box, edges[b], edges[b + 1], split});
    }
  }

  // Bytes of the nodes that two neighbouring bands share.
  Index seam(const Plane& plane, Index box) const {
    const Index rows = blur_->vertical(plane, box).kernel.taps + 8;
    return rows * blur_->horizontal(plane, box).nodes * plane.channels * static_cast<Index>(sizeof(float));
  }

  // Nodes that more than one band of pixel rows has a part in, as input or as output.
  std::int32_t prepare_split(const Plane& plane, Index box, const std::vector<Index>& edges) {
    const Axis& v = blur_->vertical(plane, box);
    const Axis& h = blur_->horizontal(plane, box);
    const auto needed = [&](Index begin, Index end, Index& low, Index& high) {
      Index first, last;
      v.touched(begin, end, first, last);
      v.needed(first, last + 1, low, high);
    };
    std::vector<StoredNodes> ranges;
    Index stored = 0;
    for (std::size_t b = 1; b + 1 < edges.size(); ++b) {
      Index low, high, before_low, before_high;
      needed(edges[b], edges[b + 1], low, high);
      needed(edges[b - 1], edges[b], before_low, before_high);
      // A node reaches three further than the pixels that start at it.
      const Index begin = std::max<Index>(low - 4, 0), end = std::min<Index>(before_high + 5, v.nodes);
      if (!ranges.empty() && begin <= ranges.back().end) {
        stored += end - ranges.back().end;
        ranges.back().end = end;
      } else {
        ranges.push_back({begin, end, nullptr, 0});
        stored += end - begin;
      }
    }
    if (2 * stored > v.nodes) {  // then all of them: each is computed once, and shared out evenly
      ranges.assign(1, {0, v.nodes, nullptr, 0});
      stored = v.nodes;
    }
    auto split = std::make_unique<Split>();
    split->box = box;
    split->plane = plane;
    const Index stride = (h.nodes * plane.channels + 15) / 16 * 16;
    split->memory.resize(static_cast<std::size_t>(stored * stride));
    float* rows = split->memory.data();
    const Index share = std::max<Index>((stored + threads_ - 1) / threads_, 4);
    for (StoredNodes& range : ranges) {
      range.rows = rows;
      range.stride = stride;
      for (Index begin = range.begin; begin < range.end; begin += share)
        nodes_.push_back({static_cast<std::int32_t>(splits_.size()), begin, std::min(begin + share, range.end),
                          rows + (begin - range.begin) * stride, stride});
      rows += (range.end - range.begin) * stride;
    }
    split->stored = std::move(ranges);
    splits_.push_back(std::move(split));
    return static_cast<std::int32_t>(splits_.size()) - 1;
  }

  // An exception must not cross a thread: what a task could not allocate is said again here.
  template <class Task>
  void parallel(Index tasks, const Task& task) {
    std::atomic<bool> out_of_memory{false};
    parallel_for(tasks, threads_, [&](Index i, int) {
      if (out_of_memory.load(std::memory_order_relaxed)) return;
      try {
        task(i);
      } catch (const std::bad_alloc&) {
        out_of_memory.store(true, std::memory_order_relaxed);
      }
      tidy_worker();
    });
    if (out_of_memory.load()) throw std::bad_alloc();
  }

  const Call& call_;
  Operation& operation_;
  Blur* blur_;
  int threads_;
  std::vector<bool> single_;  // by image: one thread does all its boxes
  std::vector<Piece> pieces_;
  std::vector<std::unique_ptr<Split>> splits_;
  std::vector<NodePiece> nodes_;
};

void run(const Call& call, Operation& operation, Blur* blur, int threads) {
  struct Tidy {
    ~Tidy() { tidy_worker(); }
  } tidy;
  Schedule(call, operation, blur, threads).run();
}

}  // namespace

void blur(const std::vector<Image>& images, const Boxes& boxes, Mask::Shape shape,
          const std::vector<std::int64_t>& radii, Border border, bool direct, int threads) {
  const Call call{images, boxes, shape, active_kernels()};
  Blur operation(call, radii, border, direct);
  run(call, operation, &operation, threads);
}

void pixelate(const std::vector<Image>& images, const Boxes& boxes, Mask::Shape shape, int threads) {
  const Call call{images, boxes, shape, active_kernels()};
  Pixelate operation(call);
  run(call, operation, nullptr, threads);
}

void fill(const std::vector<Image>& images, const Boxes& boxes, Mask::Shape shape,
          const std::vector<const std::byte*>& values, int threads) {
  const Call call{images, boxes, shape, active_kernels()};
  Fill operation(call, values);
  run(call, operation, nullptr, threads);
}

}  // namespace fastblur
