#include "eval/classify.h"

#include "base/error.h"
#include "base/finite.h"
#include "data/image_file.h"
#include "eval/run_over.h"

namespace dng::eval {
namespace {

// The files as a data set. One that cannot be decoded leaves its error behind and a black pixel.
class Files final : public data::Dataset {
 public:
  explicit Files(const std::vector<std::string>& paths) : paths_(paths), errors_(paths.size()) {}
  int64_t size() const override { return static_cast<int64_t>(paths_.size()); }
  int label(int64_t) const override { return 0; }
  void decode(int64_t index, data::Image* image) const override {
    const auto i = static_cast<size_t>(index);
    try {
      data::decode_image_file(paths_[i], image);
    } catch (const Error& error) {
      errors_[i] = error.what();
      image->shape = {1, 1, 1};
      image->planes.assign(1, 0);
    }
  }
  std::string sample_name(int64_t index) const override { return paths_[static_cast<size_t>(index)]; }
  std::string description() const override { return format("%zu files", paths_.size()); }
  uint64_t hash() const override { return 0; }
  const std::string& error(int64_t index) const { return errors_[static_cast<size_t>(index)]; }

 private:
  const std::vector<std::string>& paths_;
  mutable std::vector<std::string> errors_;  // each is written by the thread that decodes its image
};

}  // namespace

void classify(network::Network* network, const std::vector<std::string>& paths, int threads, const std::string& label,
              const AnswerSink& sink) {
  const Files files(paths);
  const auto classes = static_cast<size_t>(network->classes());
  run_over({network}, files, threads, label, [&](const data::Batch& batch, const graph::Pass&) {
    for (size_t b = 0; b < static_cast<size_t>(batch.count); ++b) {
      const float* probabilities = network->probabilities() + b * classes;
      Answer answer{files.sample_name(batch.samples[b]), nullptr, files.error(batch.samples[b])};
      if (answer.error.empty() && !all_finite(probabilities, classes)) {
        answer.error = answer.path +
                       ": the network's outputs are not finite; train with a lower learning_rate=, or use earlier "
                       "weights";
      }
      if (answer.error.empty()) answer.probabilities = probabilities;
      sink(answer);
    }
  });
}

Json classes_json(const std::vector<int>& top, const std::vector<double>& probability,
                  const std::vector<std::string>& names) {
  Json json = Json::array();
  for (size_t r = 0; r < top.size(); ++r) {
    json.add(Json::object()
                 .set("class", Json::integer(top[r]))
                 .set("name", Json::string(names[static_cast<size_t>(top[r])]))
                 .set("probability", Json::number(probability[r])));
  }
  return json;
}

}  // namespace dng::eval
