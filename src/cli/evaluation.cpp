#include <omp.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/verbs.h"
#include "gpu/open.h"
#include "layers/gpu_kernels.h"
#include "layers/registry.h"

namespace dng::cli {
namespace {

// The batch of an evaluation. The cfg's is for training, and often 1 in cfgs for evaluation, which would use one thread
// only. Small enough that progress shows and Ctrl-C works within seconds.
int evaluation_batch(const graph::NetworkConfig& config, int64_t count) {
  constexpr size_t kMaxImages = 128, kMaxInputBytes = size_t{32} << 20;
  size_t images = kMaxImages;
  while (images > 1 && images * config.input.size() * sizeof(float) > kMaxInputBytes) images /= 2;
  int batch = std::max(config.mini_batch, static_cast<int>(images));
  while (batch / 2 >= count) batch /= 2;
  return count == 1 ? 1 : batch;
}

}  // namespace

int threads_of(const Arguments& arguments) {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return static_cast<int>(arguments.integer("-threads", cores, 1, 1024));
}

uint64_t seed_of(const Arguments& arguments) {
  return static_cast<uint64_t>(arguments.integer("-seed", 0, 0, std::numeric_limits<int64_t>::max()));
}

cfg::Reading reading_of(const Arguments& arguments) {
  return arguments.has("-strict") ? cfg::Reading::kStrict : cfg::Reading::kTranslating;
}

std::shared_ptr<gpu::Gpu> open_device(const Arguments& arguments) {
  if (!arguments.has("-gpus")) {
    std::string why;
    std::shared_ptr<gpu::Gpu> first = arguments.has("-nogpu") ? nullptr : gpu::open_first(layers::gpu_kernels(), &why);
    if (!why.empty() && first == nullptr) std::fprintf(stderr, "darknet: %s: computing on the CPU\n", why.c_str());
    return first;
  }
  const std::string text = arguments.text("-gpus", "");
  if (arguments.has("-nogpu")) fail_usage("-gpus %s and -nogpu exclude each other; keep one", text.c_str());
  int64_t number = 0;
  if (text.find(',') != std::string::npos) {
    fail_usage("-gpus %s: one training uses one GPU so far; give one number", text.c_str());
  }
  if (!parse_integer(text, &number) || number < 0 || number > 1023) {
    fail_usage("-gpus %s: allowed is the number of a GPU, from 0 on (see nvidia-smi)", text.c_str());
  }
  if (!gpu::built_in()) {
    fail_usage("-gpus %s: this build computes on the CPU only; leave -gpus out, or build where nvcc and cuDNN are",
               text.c_str());
  }
  return gpu::open(static_cast<int>(number), layers::gpu_kernels());
}

Evaluation open_evaluation(const Arguments& arguments, const EvaluationNeeds& needs) {
  Evaluation e;
  if (needs.watched_layer && arguments.has("-gpus")) {
    fail_usage("-gpus %s: features are computed on the CPU; leave -gpus out", arguments.text("-gpus", "").c_str());
  }
  // On a GPU, no layer's output can be read.
  if (!needs.watched_layer) e.gpu = open_device(arguments);
  e.threads = threads_of(arguments);
  e.set = arguments.text("-set", "valid");
  if (e.set != "valid" && e.set != "train") {
    fail_usage("-set %s: allowed is valid or train%s", e.set.c_str(), did_you_mean(e.set, {"valid", "train"}).c_str());
  }
  omp_set_num_threads(e.threads);
  e.data = data::read_data_file(arguments.positional()[0]);
  const graph::NetworkConfig config = layers::read_network_config(arguments.positional()[1], reading_of(arguments));
  config.translations.show();
  if (needs.same_classes) config.require_classes(e.data.classes, e.data.path);
  config.require_image_channels();
  const std::string json = arguments.text("-json", "");  // of predict without a file
  if (!json.empty()) require_writable_file(json, "the -json file");
  network::NetworkSettings settings = network::NetworkSettings::evaluation(arguments.has("-v"), e.gpu);
  if (needs.watched_layer) settings.watched_layer = needs.watched_layer(config);
  if (needs.images) {
    e.images = data::open_dataset(e.data, e.set == "train" ? e.data.train : e.data.valid, e.set);
  }
  e.network = std::make_unique<network::Network>(graph::with_mini_batch(config, evaluation_batch(config, needs.count)),
                                                 settings);
  return e;
}

}  // namespace dng::cli
