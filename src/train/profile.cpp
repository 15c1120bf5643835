#include "train/profile.h"

#include "base/file.h"
#include "base/json.h"

namespace dng::train {

void write_profile(const std::string& path, const Profile& profile, const network::Network& network) {
  Json layers = Json::array();
  for (int i = 0; i < network.size(); ++i) {
    const graph::LayerTime& time = network.times()[static_cast<size_t>(i)];
    Json layer = Json::object();
    const graph::LayerConfig& config = network.config().layers[static_cast<size_t>(i)];
    layer.set("index", Json::integer(config.number))
        .set("section", Json::string(config.op->section))
        .set("forward", Json::number(time.forward))
        .set("backward", Json::number(time.backward));
    layers.add(layer);
  }
  Json json = Json::object();
  json.set("steps", Json::integer(profile.steps))
      .set("seconds", Json::number(profile.seconds))
      .set("data", Json::number(profile.data))
      .set("teacher", Json::number(profile.teacher))
      .set("update", Json::number(profile.update))
      .set("layers", layers);
  write_file(path, json.dump() + "\n");
}

}  // namespace dng::train
