#include "graph/op.h"

#include "base/error.h"
#include "graph/kernel.h"
#include "math/cost.h"

namespace dng::graph {

int ShapeContext::resolve(const cfg::Options& options, const std::string& name, int number) const {
  const int count = static_cast<int>(before.size());
  const int layer = number < 0 ? count + number : number - first;
  if (count == 0) {
    fail("%s: there is no layer before this one; remove it or move it down", options.where(name).c_str());
  }
  if (layer < 0 || layer >= count) {
    fail("%s: there is no layer %d before this one (layer %d); allowed are %d to %d, or -1 to -%d counted back",
         options.where(name).c_str(), number, first + count, first, first + count - 1, count);
  }
  return layer;
}

Op& Op::alias(const std::string& name) {
  aliases.push_back(name);
  return *this;
}
Op& Op::option(cfg::OptionSpec spec) {
  options.push_back(std::move(spec));
  return *this;
}
Op& Op::refuse(const std::string& key, const std::string& reason) {
  refused[key] = reason;
  return *this;
}
Op& Op::shaped(std::function<void(LayerConfig*, const ShapeContext&)> function) {
  shape = std::move(function);
  return *this;
}
Op& Op::checked(std::function<void(const LayerConfig&, const ShapeContext&)> function) {
  check = std::move(function);
  return *this;
}
Op& Op::stand_in(std::function<std::vector<cfg::CfgSection>(const LayerConfig&)> function) {
  host_sections = std::move(function);
  return *this;
}
Op& Op::kernel(KernelFactory factory) {
  cpu_kernel = std::move(factory);
  return *this;
}

const Op* find_op(const Ops& ops, const std::string& section) {
  for (const Op& op : ops) {
    if (op.section == section) return &op;
    for (const std::string& alias : op.aliases) {
      if (alias == section) return &op;
    }
  }
  return nullptr;
}

void add_common_options(Op* op) {
  op->option(cfg::ours(cfg::flag_option("stopbackward", "0", "1: this layer and all before it are frozen")))
      .option(cfg::ours(cfg::real_option("learning_rate", "1", 0, 1e6, "factor on the learning rate of this layer")))
      .option(cfg::ours(
          cfg::flag_option("dontload", "0", "1: keeps its initial parameters when training starts from weights")));
}

}  // namespace dng::graph
