#include "library/classifier.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

#include "base/error.h"
#include "base/finite.h"
#include "cpu/parallel.h"
#include "data/text_file.h"
#include "layers/costs/cost_op.h"
#include "layers/registry.h"
#include "math/cost_row.h"
#include "network/weights.h"

namespace dng::library {
namespace {

// Of which a network makes micro-batches.
constexpr int kBatch = 64;

std::vector<std::string> read_names(const std::string& path, int classes) {
  std::vector<std::string> names;
  if (path.empty()) {
    for (int i = 0; i < classes; ++i) names.push_back("class " + std::to_string(i));
    return names;
  }
  for (const data::TextLine& line : data::read_text_lines(path, "the file of names")) names.push_back(line.text);
  if (names.size() != static_cast<size_t>(classes)) {
    fail("%s: %zu names, the network has %d classes; give one name a line for each", path.c_str(), names.size(),
         classes);
  }
  return names;
}

}  // namespace

// The images of one call.
class Classifier::Work {
 public:
  Work(const Classifier& classifier, size_t count, const Decode& decode, float* probabilities)
      : classifier_(classifier),
        count_(count),
        decode_(decode),
        probabilities_(probabilities),
        classes_(classifier.names().size()),
        temperature_(layers::logit_temperature(classifier.config_.cost())) {
    if (count < 2) return;
    many_ = &classifier.many();
    grouped_ = count - count % static_cast<size_t>(many_->micro_batch());
  }

  size_t tasks() const { return groups() + (count_ - grouped_); }

  // Takes tasks until there are none, or one has failed.
  void run() noexcept {
    try {
      for (size_t task; !failed_ && (task = next_.fetch_add(1)) < tasks();) {
        if (task < groups()) {
          const auto images = static_cast<size_t>(many_->micro_batch());
          run_on(*many_, task * images, images);
        } else {
          run_on(*classifier_.one_, grouped_ + (task - groups()), 1);
        }
      }
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!failed_) thrown_ = std::current_exception();
      failed_ = true;
    }
  }

  void finish() const {
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  size_t groups() const { return many_ == nullptr ? 0 : grouped_ / static_cast<size_t>(many_->micro_batch()); }

  void run_on(const network::Network& network, size_t first, size_t images) const {
    const size_t size = classifier_.config_.input.size();
    std::vector<float> input(images * size), logits(images * classes_);
    data::Image image;
    for (size_t i = 0; i < images; ++i) {
      decode_(first + i, &image);
      data::prepare_for_evaluation(image, classifier_.augmentation_, classifier_.config_.input,
                                   input.data() + i * size);
    }
    network.infer_micro_batch(input.data(), {logits.data(), nullptr});
    std::vector<double> z(classes_), log_f(classes_), f(classes_);
    for (size_t i = 0; i < images; ++i) {
      const float* row = logits.data() + i * classes_;
      if (!all_finite(row, classes_)) {
        fail("image %zu: the network's outputs are not finite; use earlier weights", first + i);
      }
      for (size_t c = 0; c < classes_; ++c) z[c] = row[c] / temperature_;
      math::log_softmax(static_cast<int>(classes_), z.data(), log_f.data(), f.data());
      std::copy(f.begin(), f.end(), probabilities_ + (first + i) * classes_);
    }
  }

  const Classifier& classifier_;
  const size_t count_;
  const Decode& decode_;
  float* probabilities_;
  const size_t classes_;
  const double temperature_;
  const network::Network* many_ = nullptr;
  size_t grouped_ = 0;  // images that go through `many_`
  std::atomic<size_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::exception_ptr thrown_;
};

Classifier::Classifier(const std::string& cfg, const std::string& weights, const std::string& names)
    : config_(layers::read_network_config(cfg, cfg::Reading::kTranslating)) {
  config_.require_image_channels();
  augmentation_ = config_.augmentation();
  names_ = read_names(names, config_.classes());
  // No team of OpenMP's threads is left behind, spinning.
  const cpu::OneThread alone;
  one_ = make(1);
  network::load_weights(weights, one_.get());
  one_->prepare_inference();
}

std::unique_ptr<network::Network> Classifier::make(int batch) const {
  auto network = std::make_unique<network::Network>(graph::with_mini_batch(config_, batch),
                                                    network::NetworkSettings::evaluation());
  if (network->micro_batch() == 0) fail("%s: the network has no layer before its cost", config_.path.c_str());
  network->freeze();
  return network;
}

const network::Network& Classifier::many() const {
  std::call_once(once_, [this] {
    const cpu::OneThread alone;
    std::unique_ptr<network::Network> network = make(kBatch);
    for (size_t layer = 0; layer < one_->blocks().size(); ++layer) {
      for (size_t i = 0; i < one_->blocks()[layer].size(); ++i) {
        const host::Block& from = one_->blocks()[layer][i];
        std::copy_n(from.value, from.count, network->blocks()[layer][i].value);
      }
    }
    network->prepare_inference();
    many_ = std::move(network);
  });
  return *many_;
}

void Classifier::classify(size_t count, const Decode& decode, int threads, float* probabilities) const {
  Work work(*this, count, decode, probabilities);
  const size_t wanted = threads > 0 ? static_cast<size_t>(threads) : std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::thread> helpers;
  try {
    while (helpers.size() + 1 < std::min(wanted, work.tasks())) helpers.emplace_back([&work] { work.run(); });
  } catch (const std::system_error&) {
    // The threads that did start do the work.
  }
  work.run();
  for (std::thread& helper : helpers) helper.join();
  work.finish();
}

}  // namespace dng::library
