// Prints the options of [net] and every layer as JSON, for scripts, so that they need no list of their own. A cfg is
// checked first, without images or weights, also against a .data file, and its network is printed with all defaults and
// shapes, so that scripts need no reader of cfgs of their own either.
#include <cstdio>

#include "base/json.h"
#include "cli/verbs.h"
#include "data/data_file.h"
#include "layers/registry.h"

namespace dng::cli {
namespace {

Json options_json(const std::vector<cfg::OptionSpec>& specs) {
  Json list = Json::array();
  for (const cfg::OptionSpec& spec : specs) {
    list.add(Json::object()
                 .set("name", Json::string(spec.name))
                 .set("default", spec.fallback.empty() ? Json::null() : Json::string(spec.fallback))
                 .set("allowed", Json::string(cfg::allowed_text(spec)))
                 .set("meaning", Json::string(spec.help)));
  }
  return list;
}

template <class Values>
Json numbers_json(const Values& values) {
  Json list = Json::array();
  for (const auto value : values) list.add(Json::number(value));
  return list;
}

Json shape_json(const data::Geometry& shape) {
  return numbers_json(std::vector<int>{shape.channels, shape.height, shape.width});
}

// Of an option without a value there is none.
Json values_json(const cfg::Options& options, const std::vector<cfg::OptionSpec>& specs) {
  Json values = Json::object();
  for (const cfg::OptionSpec& spec : specs) {
    if (options.has(spec.name)) values.set(spec.name, Json::string(options.text(spec.name)));
  }
  return values;
}

Json network_json(const graph::NetworkConfig& config) {
  Json layers = Json::array();
  for (const graph::LayerConfig& layer : config.layers) {
    layers.add(Json::object()
                   .set("section", Json::string(layer.op->section))
                   .set("number", Json::integer(layer.number))
                   .set("where", Json::string(layer.options.where()))
                   .set("options", values_json(layer.options, layer.op->options))
                   .set("sources", numbers_json(layer.sources))
                   .set("in", shape_json(layer.in))
                   .set("out", shape_json(layer.out)));
  }
  const data::Augmentation augmentation = config.augmentation();
  const host::BatchNormRules& rules = host::traits().batchnorm;
  return Json::object()
      .set("input", shape_json(config.input))
      .set("frame", shape_json(config.frame))
      .set("mean", numbers_json(augmentation.mean))
      .set("std", numbers_json(augmentation.std))
      .set("batchnorm", Json::object()
                            .set("epsilon", Json::number(rules.forward_epsilon))
                            .set("epsilon_inside", Json::integer(rules.epsilon_inside ? 1 : 0)))
      .set("layers", layers);
}

}  // namespace

int options_verb(const Arguments& arguments) {
  const Words& files = arguments.positional();
  Json translations = Json::array(), network, names = Json::array();
  if (!files.empty()) {
    const graph::NetworkConfig config = layers::read_network_config(files[0], reading_of(arguments));
    for (const cfg::Translation& translation : config.translations.list()) {
      translations.add(
          Json::object().set("where", Json::string(translation.where)).set("became", Json::string(translation.became)));
    }
    network = network_json(config);
    if (files.size() > 1) {
      config.require_image_channels();
      const data::DataFile data = data::read_data_file(files[1]);
      config.require_classes(data.classes, files[1]);
      for (const std::string& name : data.display_names) names.add(Json::string(name));
    }
  }
  Json layers = Json::object(), costs = Json::object(), aliases = Json::object();
  for (const graph::Op& op : layers::all_ops()) {
    (op.kind == graph::Op::Kind::kCost ? costs : layers).set(op.section, options_json(op.options));
    for (const std::string& alias : op.aliases) aliases.set(alias, Json::string(op.section));
  }
  Json all = Json::object();
  all.set("host", Json::string(host::traits().id))
      .set("net", options_json(graph::net_options()))
      .set("costs", costs)
      .set("layers", layers)
      .set("aliases", aliases)
      .set("translations", translations);
  if (!files.empty()) all.set("network", network);
  if (files.size() > 1) all.set("names", names);
  std::printf("%s\n", all.dump().c_str());
  return 0;
}

}  // namespace dng::cli
