#include "eval/accuracy.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "layers/costs/cost_op.h"
#include "math/cost_row.h"

namespace dng::eval {

std::string Accuracy::line() const {
  return format("top1 %.4f top%d %.4f loss %.4f images %lld", top1(), k, topk(), loss, static_cast<long long>(images));
}

Json accuracy_json(const Accuracy& accuracy) {
  Json json = Json::object();
  json.set("top1", Json::number(accuracy.top1()))
      .set("topk", Json::number(accuracy.topk()))
      .set("top" + std::to_string(accuracy.k), Json::number(accuracy.topk()))
      .set("k", Json::integer(accuracy.k))
      .set("loss", Json::number(accuracy.loss))
      .set("images", Json::integer(accuracy.images))
      .set("top1_count", Json::integer(accuracy.top1_count))
      .set("topk_count", Json::integer(accuracy.topk_count));
  return json;
}

std::vector<int> top_classes(const float* scores, int classes, int k) {
  std::vector<int> order(static_cast<size_t>(classes));
  std::iota(order.begin(), order.end(), 0);
  const auto count = static_cast<size_t>(std::clamp(k, 0, classes));
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](int a, int b) { return scores[a] > scores[b] || (scores[a] == scores[b] && a < b); });
  order.resize(count);
  return order;
}

LogSoftmax::LogSoftmax(const network::Network& network)
    : temperature(layers::logit_temperature(network.config().cost())),
      z(static_cast<size_t>(network.classes())),
      log_f(z.size()),
      f(z.size()) {}

void LogSoftmax::compute(const float* logits) {
  for (size_t j = 0; j < z.size(); ++j) z[j] = logits[j] / temperature;
  math::log_softmax(static_cast<int>(z.size()), z.data(), log_f.data(), f.data());
}

Accuracy evaluate(network::Network* network, const data::Dataset& data, int k, int threads, const std::string& label,
                  const BatchSink& sink, const std::vector<network::Network*>& beside) {
  const int classes = network->classes();
  Accuracy accuracy;
  accuracy.k = k;
  double loss = 0;
  LogSoftmax softmax(*network);
  std::vector<network::Network*> networks = {network};
  networks.insert(networks.end(), beside.begin(), beside.end());
  run_over(networks, data, threads, label, [&](const data::Batch& batch, const graph::Pass& pass) {
    const float* logits = network->logits(pass);
    const float* probabilities = network->probabilities();
    for (int b = 0; b < batch.count; ++b) {
      const size_t row = static_cast<size_t>(b) * classes;
      const int true_class = batch.labels[static_cast<size_t>(b)];
      accuracy.count(rank_of(probabilities + row, classes, true_class));
      softmax.compute(logits + row);
      loss -= softmax.log_f[static_cast<size_t>(true_class)];
    }
    if (sink) sink(batch, pass);
  });
  accuracy.loss = accuracy.images > 0 ? loss / static_cast<double>(accuracy.images) : 0;
  return accuracy;
}

}  // namespace dng::eval
