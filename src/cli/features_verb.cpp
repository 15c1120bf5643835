#include "eval/features.h"

#include "base/error.h"
#include "base/file.h"
#include "cli/verbs.h"
#include "network/weights.h"

namespace dng::cli {

int features_verb(const Arguments& arguments) {
  if (!arguments.has("-out")) fail_usage("-out is missing: name the file that the features are written to");
  const std::string path = arguments.text("-out", "");
  EvaluationNeeds needs;
  // The features may be for another data set than the network's.
  needs.same_classes = false;
  int layer = -1;  // index
  needs.watched_layer = [&](const graph::NetworkConfig& config) {
    // The last layer is the cost.
    const int first = config.layers.front().number, last = config.layers.back().number - 1;
    layer = arguments.has("-layer") ? static_cast<int>(arguments.integer("-layer", 0, first, last)) - first
                                    : eval::default_feature_layer(config);
    return layer;
  };
  const Evaluation e = open_evaluation(arguments, needs);
  require_writable_file(path, "the file for the features");
  network::load_weights(arguments.positional()[2], e.network.get());
  e.network->freeze();
  const graph::LayerConfig& config = e.network->config().layers[static_cast<size_t>(layer)];
  eval::write_features(path, e.network.get(), config.out.size(), *e.images, e.threads);
  std::printf("saved %s: %lld images, %zu values of layer %d [%s]\n", path.c_str(),
              static_cast<long long>(e.images->size()), config.out.size(), config.number, config.op->section.c_str());
  return 0;
}

}  // namespace dng::cli
