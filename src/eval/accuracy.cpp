#include "eval/accuracy.h"

#include <cmath>

#include "base/error.h"
#include "base/progress.h"
#include "layers/cost_math.h"

namespace dng {

std::string Accuracy::line() const {
  return format("top1 %.4f top%d %.4f loss %.4f images %lld", top1(), k, topk(), loss, static_cast<long long>(images));
}

Accuracy evaluate(Network* network, const Dataset& data, int k, int threads, const std::string& label,
                  const ProbabilitySink& sink) {
  const int classes = network->classes();
  const NetworkConfig& config = network->config();
  EvaluationStream stream(data, config.augmentation(), config.input, network->batch(), threads);
  Progress progress(label, data.size(), "images");
  Accuracy accuracy;
  accuracy.k = k;
  double loss = 0;
  std::vector<float> padded;
  std::vector<double> z(static_cast<size_t>(classes)), log_f(z.size()), f(z.size());
  while (const Batch* batch = stream.next()) {
    Pass pass;
    pass.count = batch->count;
    pass.input = batch->images.data();
    const size_t full = config.input.size() * static_cast<size_t>(network->batch());
    if (batch->images.size() < full) {
      padded = batch->images;
      padded.resize(full);
      pass.input = padded.data();
    }
    network->forward(&pass);
    const float* logits = network->logits(pass);
    const float* probabilities = network->probabilities();
    for (int b = 0; b < batch->count; ++b) {
      const size_t row = static_cast<size_t>(b) * classes;
      const int true_class = batch->labels[static_cast<size_t>(b)];
      const int rank = rank_of(probabilities + row, classes, true_class);
      accuracy.top1_count += rank < 1 ? 1 : 0;
      accuracy.topk_count += rank < k ? 1 : 0;
      for (int j = 0; j < classes; ++j) z[static_cast<size_t>(j)] = logits[row + j];
      log_softmax(classes, z.data(), log_f.data(), f.data());
      loss -= log_f[static_cast<size_t>(true_class)];
    }
    if (sink) sink(*batch, probabilities);
    accuracy.images += batch->count;
    progress.advance(accuracy.images);
    if (interrupted() != 0) throw Interrupted("stopped during the evaluation", interrupted());
  }
  progress.finish();
  accuracy.loss = accuracy.images > 0 ? loss / static_cast<double>(accuracy.images) : 0;
  return accuracy;
}

}  // namespace dng
