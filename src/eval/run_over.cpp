#include "eval/run_over.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "base/error.h"
#include "base/progress.h"

namespace dng::eval {
namespace {

// The networks that evaluate in micro-batches, and the layout of Batch::results: for each network the logits of all
// images, then the outputs of its watched layer.
class MicroBatches {
 public:
  explicit MicroBatches(const std::vector<network::Network*>& networks) {
    for (network::Network* network : networks) {
      if (network->micro_batch() == 0) continue;
      network->prepare_inference();
      parts_.push_back({network, size_});
      size_ += static_cast<size_t>(network->classes()) + network->watched_size();
      // Divides the batch, as every network's micro-batches do.
      images_ = std::lcm(images_, network->micro_batch());
    }
  }

  data::StreamWork work() const {
    if (parts_.empty()) return {};
    return {images_, size_, [this](data::Batch* batch, int first) { run(batch, first); }};
  }

  // False where the network takes whole batches.
  bool finish(const network::Network* network, const data::Batch& batch, graph::Pass* pass) const {
    for (const Part& part : parts_) {
      if (part.network != network) continue;
      const Place from = place(part, 0);
      part.network->finish_micro_batches(batch.results.data() + from.logits, batch.results.data() + from.watched, pass);
      return true;
    }
    return false;
  }

 private:
  struct Part {
    network::Network* network;
    size_t first;  // float of an image's results
  };

  // Where the outputs of an image start.
  struct Place {
    size_t logits, watched;
  };
  static Place place(const Part& part, int image) {
    const auto batch = static_cast<size_t>(part.network->batch()), i = static_cast<size_t>(image);
    const auto classes = static_cast<size_t>(part.network->classes());
    const size_t start = batch * part.first;
    return {start + i * classes, start + batch * classes + i * part.network->watched_size()};
  }

  void run(data::Batch* batch, int first) const {
    float* results = batch->results.data();
    for (const Part& part : parts_) {
      const size_t image = part.network->config().input.size();
      for (int i = first; i < std::min(first + images_, batch->count); i += part.network->micro_batch()) {
        const Place to = place(part, i);
        part.network->infer_micro_batch(batch->images.data() + static_cast<size_t>(i) * image,
                                        {results + to.logits, results + to.watched});
      }
    }
  }

  std::vector<Part> parts_;
  size_t size_ = 0;
  int images_ = 1;
};

}  // namespace

void run_over(const std::vector<network::Network*>& networks, const data::Dataset& data, int threads,
              const std::string& label, const BatchSink& sink) {
  const network::Network& first = *networks.front();
  const graph::NetworkConfig& config = first.config();
  const MicroBatches micro_batches(networks);
  data::EvaluationStream stream(data, config.augmentation(), config.input, first.batch(), threads,
                                micro_batches.work());
  Progress progress(label, data.size(), "images");
  int64_t images = 0;
  while (const data::Batch* batch = stream.next()) {
    graph::Pass pass;
    pass.count = batch->count;
    pass.input = batch->images.data();
    for (network::Network* network : networks) {
      if (!micro_batches.finish(network, *batch, &pass)) network->forward(&pass);
    }
    sink(*batch, pass);
    images += batch->count;
    if (!label.empty()) progress.advance(images);
    if (interrupted() != 0) throw Interrupted("stopped during the evaluation", interrupted());
  }
  progress.finish();
}

}  // namespace dng::eval
