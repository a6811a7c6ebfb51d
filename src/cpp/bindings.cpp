// The module fastblur._core. Python has checked kinds, shapes and values by the time it calls; what is checked here
// again is only what would otherwise read or write the wrong memory.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "boxes.h"
#include "device_plan.h"
#include "dispatch.h"
#include "driver.h"
#include "thread_pool.h"

namespace py = pybind11;

PYBIND11_MAKE_OPAQUE(fastblur::Boxes)

namespace fastblur {
namespace {

// Made from an array in the body of a function: a parameter of this type would hide why that failed.
using Doubles = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Integers = py::array_t<std::int64_t, py::array::c_style>;

// Runs `work` without the GIL. Not py::gil_scoped_release: taking the GIL back while the interpreter ends may end a
// daemon thread instead, by an unwinding that must not start in a destructor.
template <class Work>
void without_gil(const Work& work) {
  PyThreadState* state = PyEval_SaveThread();
  try {
    work();
  } catch (...) {
    PyEval_RestoreThread(state);
    throw;
  }
  PyEval_RestoreThread(state);
}

Dtype dtype_of(const py::array& array) {
  const char kind = array.dtype().kind();
  const auto size = array.itemsize();
  if (kind == 'u' && size == 1) return Dtype::u8;
  if (kind == 'u' && size == 2) return Dtype::u16;
  if (kind == 'f' && size == 2) return Dtype::f16;
  if (kind == 'f' && size == 4) return Dtype::f32;
  throw py::type_error("dtype is " + py::str(array.dtype()).cast<std::string>() +
                       "; accepted: uint8, uint16, float16, float32");
}

// Views with axes (H, W, C) or (N, H, W, C), a batch counting as its N images.
std::vector<Image> images_of(const py::list& views) {
  std::vector<Image> images;
  images.reserve(views.size());
  for (const py::handle& view : views) {
    auto array = py::reinterpret_borrow<py::array>(view);
    const Dtype dtype = dtype_of(array);
    const Index dims = array.ndim();
    if (dims != 3 && dims != 4) throw py::value_error("a view has " + std::to_string(dims) + " axes; accepted: 3 or 4");
    auto* data = static_cast<std::byte*>(array.mutable_data());
    const Index batch = dims == 4 ? array.shape(0) : 1, step = dims == 4 ? array.strides(0) : 0, at = dims - 3;
    if (array.shape(at + 2) < 1 || array.shape(at + 2) > 4) throw py::value_error("a view needs 1 to 4 channels");
    for (Index i = 0; i < batch; ++i)
      images.push_back({data + i * step, array.shape(at), array.shape(at + 1), array.shape(at + 2), array.strides(at),
                        array.strides(at + 1), array.strides(at + 2), dtype});
  }
  return images;
}

Integers image_sizes(const py::list& views) {
  const std::vector<Image> images = images_of(views);
  Integers sizes({static_cast<Index>(images.size()), Index{2}});
  std::int64_t* size = sizes.mutable_data();
  for (const Image& image : images) {
    *size++ = image.height;
    *size++ = image.width;
  }
  return sizes;
}

std::optional<Index> first_bad(const py::array& values, bool positive) {
  const Doubles column(values);
  for (Index i = 0; i < column.size(); ++i) {
    const double value = column.data()[i];
    if (!(std::isfinite(value) && (positive ? value > 0 : value >= 0))) return i;
  }
  return std::nullopt;
}

// The items of a list or tuple; null for anything else, also for classes derived from them. Empty ones may have none.
PyObject** items_of(PyObject* object) {
  return PyList_CheckExact(object) || PyTuple_CheckExact(object) ? PySequence_Fast_ITEMS(object) : nullptr;
}

// Whether `number` is a Python float or int that float64 can be made of as NumPy would; then it is in `value`.
bool read_number(PyObject* number, double& value) {
  if (PyFloat_CheckExact(number)) {
    value = PyFloat_AS_DOUBLE(number);
    return true;
  }
  int overflow = 1;
  if (PyLong_CheckExact(number)) value = static_cast<double>(PyLong_AsLongLongAndOverflow(number, &overflow));
  return overflow == 0;
}

// Python numbers, or equally long rows of them, as float64 of shape (K,) or (K, length). None for everything else, for
// NumPy to take or to refuse: it is general, and takes 15 to 30 times as long for 100,000 lists of four.
std::optional<Doubles> array_of_numbers(const py::object& given) {
#ifdef Py_GIL_DISABLED
  constexpr bool lists_may_change = true;  // by another thread, while they are read here
#else
  constexpr bool lists_may_change = false;
#endif
  PyObject* whole = given.ptr();
  PyObject** items = items_of(whole);
  if (lists_may_change || !items || PySequence_Fast_GET_SIZE(whole) == 0) return std::nullopt;
  const bool nested = items_of(items[0]) != nullptr;
  PyObject** rows = nested ? items : &whole;
  const Index count = nested ? PySequence_Fast_GET_SIZE(whole) : 1, length = PySequence_Fast_GET_SIZE(rows[0]);
  const auto fits = [&](PyObject* row) { return items_of(row) && PySequence_Fast_GET_SIZE(row) == length; };
  if (!std::all_of(rows, rows + count, fits)) return std::nullopt;  // before memory for all of them is asked for
  Doubles numbers(nested ? std::vector<Index>{count, length} : std::vector<Index>{length});
  double* out = numbers.mutable_data();
  for (Index i = 0; i < count; ++i)
    for (Index j = 0; j < length; ++j)
      if (!read_number(items_of(rows[i])[j], *out++)) return std::nullopt;
  return numbers;
}

Column column_of(const Doubles& values, bool relative) { return {values.data(), values.size(), relative}; }

void check_boxes(const Boxes& boxes, const std::vector<Image>& images) {
  for (const Box& box : boxes) {
    if (static_cast<std::size_t>(box.image) >= images.size()) throw py::value_error("a box is of no image");
    const Image& image = images[static_cast<std::size_t>(box.image)];
    if (box.working[2] > image.width || box.working[3] > image.height)
      throw py::value_error("a box was resolved for another image size");
  }
}

Boxes resolve(const py::array& rows_given, const py::object& image_index, bool per_image, int format,
              const Integers& sizes, const py::array& margins, bool margin_relative, const py::array& feathers,
              bool feather_relative, const py::array& strengths, bool strength_relative) {
  const Doubles coordinates(rows_given), margin(margins), feather(feathers), strength(strengths);
  const Index columns = coordinates.ndim() == 2 ? coordinates.shape(1) : 0;
  if (columns != 4 && columns != 5) throw py::value_error("coordinates must be (K, 4) or (K, 5)");
  const Index count = coordinates.shape(0);
  Rows rows{coordinates.data() + columns - 4,
            columns == 5 ? coordinates.data() : nullptr,
            columns,
            columns,
            count,
            per_image};
  std::optional<Doubles> index;  // an array made in vain costs as much as many boxes
  if (!image_index.is_none()) {
    index = image_index.cast<Doubles>();
    if (index->size() != count) throw py::value_error("image_index must be (K,)");
    rows.image_index = index->data();
    rows.index_step = 1;
  }
  for (const Doubles* column : {&margin, &feather, &strength})
    if (column->size() > 1 && column->size() != count) throw py::value_error("a column must be (1,) or (K,)");
  const std::int64_t images = sizes.size() / 2;
  Boxes boxes;
  without_gil([&] {
    boxes =
        resolve_boxes(rows, static_cast<BoxFormat>(format), sizes.data(), images, column_of(margin, margin_relative),
                      column_of(feather, feather_relative), column_of(strength, strength_relative));
  });
  return boxes;
}

void register_boxes(py::module_& module) {
  py::class_<Boxes>(module, "Boxes").def("__len__", [](const Boxes& b) { return b.size(); });
  module.def("image_sizes", &image_sizes, py::arg("views"));
  module.def("first_bad", &first_bad, py::arg("column"), py::arg("positive"));
  module.def("array_of_numbers", &array_of_numbers, py::arg("given"));
  module.def("resolve_boxes", &resolve, py::arg("coordinates"), py::arg("image_index"), py::arg("per_image"),
             py::arg("box_format"), py::arg("sizes").noconvert(), py::arg("margin"), py::arg("margin_relative"),
             py::arg("feather"), py::arg("feather_relative"), py::arg("strength"), py::arg("strength_relative"));
}

void register_operations(py::module_& module) {
  module.def(
      "gaussian_blur",
      [](const py::list& views, const Boxes& boxes, int shape, const Integers& radius, int border, bool direct,
         int threads) {
        const std::vector<Image> images = images_of(views);
        check_boxes(boxes, images);
        const std::vector<std::int64_t> radii(radius.data(), radius.data() + radius.size());
        for (const Box& box : boxes)
          if (radii.size() > 1 && static_cast<std::size_t>(box.row) >= radii.size())
            throw py::value_error("radius must be (0,), (1,) or one per row");
        without_gil([&] {
          blur(images, boxes, static_cast<Mask::Shape>(shape), radii, static_cast<Border>(border), direct, threads);
        });
      },
      py::arg("views"), py::arg("boxes"), py::arg("shape"), py::arg("radius").noconvert(), py::arg("border"),
      py::arg("direct"), py::arg("threads"));
  module.def(
      "pixelate",
      [](const py::list& views, const Boxes& boxes, int shape, int threads) {
        const std::vector<Image> images = images_of(views);
        check_boxes(boxes, images);
        without_gil([&] { pixelate(images, boxes, static_cast<Mask::Shape>(shape), threads); });
      },
      py::arg("views"), py::arg("boxes"), py::arg("shape"), py::arg("threads"));
  module.def(
      "fill",
      [](const py::list& views, const Boxes& boxes, int shape, const py::list& values, int threads) {
        const std::vector<Image> images = images_of(views);
        check_boxes(boxes, images);
        std::vector<const std::byte*> pointers;
        for (std::size_t i = 0; i < views.size(); ++i) {
          const auto view = py::reinterpret_borrow<py::array>(views[i]);
          const auto value = py::reinterpret_borrow<py::array>(values[i]);
          if (dtype_of(value) != dtype_of(view) || value.size() != view.shape(view.ndim() - 1) ||
              (value.flags() & py::array::c_style) == 0)
            throw py::value_error("a fill value must be one item per channel, in the dtype of its view");
          pointers.insert(pointers.end(), static_cast<std::size_t>(view.ndim() == 4 ? view.shape(0) : 1),
                          static_cast<const std::byte*>(value.data()));
        }
        without_gil([&] { fill(images, boxes, static_cast<Mask::Shape>(shape), pointers, threads); });
      },
      py::arg("views"), py::arg("boxes"), py::arg("shape"), py::arg("values"), py::arg("threads"));
}

constexpr const char* kDtypes[] = {"uint8", "uint16", "float16", "float32"};  // in the order of Dtype

Dtype dtype_named(const std::string& name) {
  const auto found = std::find(std::begin(kDtypes), std::end(kDtypes), name);
  if (found == std::end(kDtypes)) throw py::type_error("dtype is " + name);
  return static_cast<Dtype>(found - std::begin(kDtypes));
}

DeviceSizes device_sizes(const py::kwargs& given) {
  constexpr std::pair<const char*, Index DeviceSizes::*> fields[] = {
      {"threads", &DeviceSizes::threads},
      {"shared_limit", &DeviceSizes::shared_limit},
      {"scratch_limit", &DeviceSizes::scratch_limit},
      {"entry_bytes", &DeviceSizes::entry_bytes},
      {"taps", &DeviceSizes::taps},
      {"margin_nodes", &DeviceSizes::margin_nodes},
      {"segment_nodes", &DeviceSizes::segment_nodes},
      {"lanes", &DeviceSizes::lanes},
      {"tile_x", &DeviceSizes::tile_x},
      {"plane", &DeviceSizes::plane},
      {"output_rows", &DeviceSizes::output_rows},
      {"weight_padding", &DeviceSizes::weight_padding},
      {"strip", &DeviceSizes::strip},
      {"widest", &DeviceSizes::widest},
      {"largest", &DeviceSizes::largest},
      {"band", &DeviceSizes::band},
      {"fill_rows", &DeviceSizes::fill_rows},
  };
  if (given.size() != std::size(fields)) throw py::type_error("DeviceSizes needs every size, and no other");
  DeviceSizes sizes;
  for (const auto& [name, member] : fields) sizes.*member = given[name].cast<Index>();
  return sizes;
}

// A plan, made without the GIL.
template <class Make>
DevicePlan planned(const Make& make) {
  DevicePlan plan;
  without_gil([&] { plan = make(); });
  return plan;
}

// The specialisation that each launch needs: (kernel, dtype, contiguous).
py::list kernels_of(const DevicePlan& plan) {
  py::list kernels;
  for (const DeviceLaunch& launch : plan.launches)
    kernels.append(
        py::make_tuple(launch.kernel, kDtypes[static_cast<int>(launch.variant.dtype)], launch.variant.contiguous));
  return kernels;
}

template <class Function>
void set_address(Function& function, std::uintptr_t address) {
  function = reinterpret_cast<Function>(address);
}

void register_device(py::module_& module) {
  py::class_<DeviceSizes>(module, "DeviceSizes").def(py::init(&device_sizes));
  py::class_<DeviceImages>(module, "DeviceImages")
      .def(py::init<>())
      .def(
          "add",
          [](DeviceImages& images, const std::string& dtype, const std::string& layout, std::int64_t address,
             const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides) {
            images.add(dtype_named(dtype), layout, address, shape, strides);
          },
          py::arg("dtype"), py::arg("layout"), py::arg("address"), py::arg("shape"), py::arg("strides"))
      .def_property_readonly("sizes", [](const DeviceImages& images) {
        const auto count = static_cast<Index>(images.records.size());
        return Integers({count, Index{2}}, images.sizes.data());
      });
  py::class_<DeviceDriver>(module, "DeviceDriver")
      .def(py::init([](std::uintptr_t copy, std::uintptr_t record, std::uintptr_t launch) {
             DeviceDriver driver{};
             set_address(driver.copy, copy);
             set_address(driver.record, record);
             set_address(driver.launch, launch);
             return driver;
           }),
           py::arg("copy"), py::arg("record"), py::arg("launch"));
  py::class_<DevicePlan>(module, "DevicePlan")
      .def_property_readonly("kernels", &kernels_of)
      .def_property_readonly("upload_bytes", [](const DevicePlan& plan) { return plan.upload.size(); })
      .def_property_readonly("total_bytes", &DevicePlan::total_bytes)
      .def(
          "queue",
          [](const DevicePlan& plan, const DeviceDriver& driver, const std::vector<std::uintptr_t>& functions,
             std::uintptr_t stream, std::int64_t base, std::uintptr_t staging, std::uintptr_t event, unsigned threads) {
            const DeviceQueue on{reinterpret_cast<void*>(stream), base, reinterpret_cast<std::byte*>(staging),
                                 reinterpret_cast<void*>(event)};
            std::pair<const char*, int> failed;
            without_gil([&] { failed = plan.queue(driver, on, functions, threads); });
            return failed;
          },
          py::arg("driver"), py::arg("functions"), py::arg("stream"), py::arg("base"), py::arg("staging"),
          py::arg("event"), py::arg("threads"));
  module.def(
      "plan_device_blur",
      [](const DeviceSizes& sizes, const DeviceImages& images, const Boxes& boxes, int shape, const Integers& radius,
         int border, bool direct) {
        const std::vector<std::int64_t> radii(radius.data(), radius.data() + radius.size());
        return planned(
            [&] { return plan_device_blur(sizes, images, boxes, shape, radii, static_cast<Border>(border), direct); });
      },
      py::arg("sizes"), py::arg("images"), py::arg("boxes"), py::arg("shape"), py::arg("radius").noconvert(),
      py::arg("border"), py::arg("direct"));
  module.def(
      "plan_device_pixelate",
      [](const DeviceSizes& sizes, const DeviceImages& images, const Boxes& boxes, int shape) {
        return planned([&] { return plan_device_pixelate(sizes, images, boxes, shape); });
      },
      py::arg("sizes"), py::arg("images"), py::arg("boxes"), py::arg("shape"));
  module.def(
      "plan_device_fill",
      [](const DeviceSizes& sizes, const DeviceImages& images, const Boxes& boxes, int shape, const py::dict& values) {
        std::array<double, 16> table{};
        for (const auto& [dtype, channels] : values) {
          const auto four = channels.cast<std::array<double, 4>>();
          const auto at = static_cast<std::size_t>(dtype_named(dtype.cast<std::string>())) * four.size();
          std::copy(four.begin(), four.end(), table.begin() + static_cast<Index>(at));
        }
        return planned([&] { return plan_device_fill(sizes, images, boxes, shape, table); });
      },
      py::arg("sizes"), py::arg("images"), py::arg("boxes"), py::arg("shape"), py::arg("values"));
  module.def(
      "plan_device_copy",
      [](const DeviceSizes& sizes, const DeviceImages& images, const DeviceImages& sources) {
        return planned([&] { return plan_device_copy(sizes, images, sources); });
      },
      py::arg("sizes"), py::arg("images"), py::arg("sources"));
}

void register_build(py::module_& module) {
  module.def("available_processors", &available_processors);
  module.def("build_info", [] {
    py::dict info;
    info["compiler"] = FASTBLUR_COMPILER;
    info["isa_built"] = built_levels();
    info["isa_supported"] = supported_levels();
    info["isa"] = active_kernels().name;
    return info;
  });
}

}  // namespace
}  // namespace fastblur

PYBIND11_MODULE(_core, module, py::mod_gil_not_used()) {
  fastblur::active_kernels();  // a wrong FASTBLUR_ISA is refused at import
  fastblur::register_boxes(module);
  fastblur::register_operations(module);
  fastblur::register_device(module);
  fastblur::register_build(module);
}
