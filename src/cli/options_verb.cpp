// Prints the options of [net] and every layer as JSON, for scripts, so that they need no list of their own. A cfg is
// checked first, without images or weights, also against a .data file.
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

}  // namespace

int options_verb(const Arguments& arguments) {
  const Words& files = arguments.positional();
  Json translations = Json::array();
  if (!files.empty()) {
    const graph::NetworkConfig config = layers::read_network_config(files[0], reading_of(arguments));
    for (const cfg::Translation& translation : config.translations.list()) {
      translations.add(
          Json::object().set("where", Json::string(translation.where)).set("became", Json::string(translation.became)));
    }
    if (files.size() > 1) {
      config.require_image_channels();
      config.require_classes(data::read_data_file(files[1]).classes, files[1]);
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
  std::printf("%s\n", all.dump().c_str());
  return 0;
}

}  // namespace dng::cli
