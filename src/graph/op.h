// An op: what a cfg section means (options, shapes, checks, what Darknet sees in its place), apart from the kernels
// that compute it on a device. One per section; layers/layers.def is their list.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cfg/options.h"
#include "data/image.h"

namespace dng::math {
class Cost;
}

namespace dng::graph {

class Kernel;
struct Op;

// One section of a cfg, read and checked: which op, its options, which layers it reads, and its shapes.
struct LayerConfig {
  const Op* op = nullptr;
  cfg::Options options;
  int index = 0;
  int number = 0;            // as Darknet counts: behind a [crop] one more than the index
  std::vector<int> sources;  // layers whose output is read, in order; -1 is the network's input
  data::Geometry in;         // of the first source
  data::Geometry out;
  bool equal_sources = true;   // all sources have the shape `in`
  double label_smoothing = 0;  // of a cost: label_smooth_eps of [net]
  // Of a cost that trains: class_weights= of the .data file, one for each class; empty: none are given.
  std::vector<float> class_weights;
};

// What an op may look at while its shapes are computed: the layers before it.
struct ShapeContext {
  const std::vector<LayerConfig>& before;
  data::Geometry network_input;
  int batch;      // images in one forward pass
  int first = 0;  // Darknet's number of the first of these layers: 1 behind a [crop]

  data::Geometry shape_of(int layer) const {
    return layer < 0 ? network_input : before[static_cast<size_t>(layer)].out;
  }
  // A layer's number as Darknet counts.
  int number_of(int layer) const { return layer + first; }
  // Resolves Darknet's layer numbers (negative: counted back from here) or throws Error with what is allowed.
  int resolve(const cfg::Options& options, const std::string& name, int number) const;
};

using CostFactory = std::function<std::unique_ptr<math::Cost>(const LayerConfig&)>;
using KernelFactory = std::function<std::unique_ptr<Kernel>(const LayerConfig&)>;

struct Op {
  enum class Kind { kLayer, kCost };

  Op(std::string section_name, Kind op_kind, std::string summary_text)
      : section(std::move(section_name)), kind(op_kind), summary(std::move(summary_text)) {}

  std::string section;
  Kind kind;
  std::string summary;
  std::vector<std::string> aliases;
  std::vector<cfg::OptionSpec> options;
  std::map<std::string, std::string>
      refused;  // keys that Darknet knows and this program does not follow, with the reason
  // Fills sources, in and out; throws Error on a misuse. Default: one source, the layer before; same shape.
  std::function<void(LayerConfig*, const ShapeContext&)> shape;
  // Checks beyond types and ranges. Runs after `shape`.
  std::function<void(const LayerConfig&, const ShapeContext&)> check;
  // What Darknet reads instead: the first section has the layer's parameters, the last its shape. Default: the section
  // itself without the keys of this program.
  std::function<std::vector<cfg::CfgSection>(const LayerConfig&)> host_sections;
  CostFactory cost;  // of a cost: its maths alone, for `darknet layer` and gradient checks
  KernelFactory cpu_kernel;

  // Builders.
  Op& alias(const std::string& name);
  Op& option(cfg::OptionSpec spec);
  Op& refuse(const std::string& key, const std::string& reason);
  Op& shaped(std::function<void(LayerConfig*, const ShapeContext&)> function);
  Op& checked(std::function<void(const LayerConfig&, const ShapeContext&)> function);
  Op& stand_in(std::function<std::vector<cfg::CfgSection>(const LayerConfig&)> function);
  Op& kernel(KernelFactory factory);
};

using Ops = std::vector<Op>;
// By section name or alias; null where there is none.
const Op* find_op(const Ops& ops, const std::string& section);
// The error for a section that is no op: Darknet's sections that no classifier can use give their reason, others the
// nearest name. `where` is "file:line".
[[noreturn]] void fail_unknown_section(const Ops& ops, const std::string& where, const std::string& section);

// Keys that every layer of Darknet takes.
void add_common_options(Op* op);

}  // namespace dng::graph
