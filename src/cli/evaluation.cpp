#include <omp.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/file.h"
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

Evaluation open_evaluation(const Arguments& arguments, bool with_images) {
  check_devices(arguments);
  Evaluation e;
  e.threads = threads_of(arguments);
  omp_set_num_threads(e.threads);
  e.data = read_data_file(arguments.positional()[0]);
  const NetworkConfig config = read_network_config(arguments.positional()[1]);
  if (config.classes() != e.data.classes) {
    fail("%s: the network has %d outputs, %s says classes=%d; they must agree", config.cost().options.where().c_str(),
         config.classes(), e.data.path.c_str(), e.data.classes);
  }
  config.require_image_channels();
  if (arguments.has("-json")) require_writable_file(arguments.text("-json", ""), "the -json file");
  if (with_images) {
    if (e.data.valid.empty()) {
      fail("%s: valid= is missing; name a packed set or a list of images", e.data.path.c_str());
    }
    e.images = open_dataset(e.data, e.data.valid, "valid");
  }
  e.network = std::make_unique<Network>(config, NetworkSettings::evaluation(arguments.has("-v")));
  return e;
}

}  // namespace dng
