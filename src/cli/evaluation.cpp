#include <omp.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/verbs.h"

namespace dng {

std::vector<FlagSpec> evaluation_flags() {
  return {{"-json", true}, {"-threads", true}, {"-v", false}, {"-nogpu", false}, {"-gpus", true}};
}

int threads_of(const Arguments& arguments) {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return static_cast<int>(arguments.integer("-threads", cores, 1, 1024));
}

void check_devices(const Arguments& arguments) {
  if (arguments.has("-gpus")) {
    fail_usage("-gpus %s: this build computes on the CPU only; leave -gpus out", arguments.text("-gpus", "").c_str());
  }
}

Evaluation open_evaluation(const Arguments& arguments, const EvaluationNeeds& needs) {
  check_devices(arguments);
  Evaluation e;
  e.threads = threads_of(arguments);
  e.set = arguments.text("-set", "valid");
  if (e.set != "valid" && e.set != "train") {
    fail_usage("-set %s: allowed is valid or train%s", e.set.c_str(), did_you_mean(e.set, {"valid", "train"}).c_str());
  }
  omp_set_num_threads(e.threads);
  e.data = read_data_file(arguments.positional()[0]);
  const NetworkConfig config = read_network_config(arguments.positional()[1]);
  if (needs.same_classes && config.classes() != e.data.classes) {
    fail("%s: the network has %d outputs, %s says classes=%d; they must agree", config.cost().options.where().c_str(),
         config.classes(), e.data.path.c_str(), e.data.classes);
  }
  config.require_image_channels();
  if (arguments.has("-json")) require_writable_file(arguments.text("-json", ""), "the -json file");
  NetworkSettings settings = NetworkSettings::evaluation(arguments.has("-v"));
  if (needs.watched_layer) settings.watched_layer = needs.watched_layer(config);
  if (needs.images) {
    const std::string& path = e.set == "train" ? e.data.train : e.data.valid;
    if (path.empty()) {
      fail("%s: %s= is missing; name a packed set or a list of images", e.data.path.c_str(), e.set.c_str());
    }
    e.images = open_dataset(e.data, path, e.set);
  }
  e.network = std::make_unique<Network>(config, settings);
  return e;
}

}  // namespace dng
