#include "eval/examples.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "data/image_file.h"
#include "eval/classify.h"

namespace dng::eval {
namespace {

// What the network sees, before mean and std.
data::Image picture_of(const data::Dataset& data, int64_t index, const graph::NetworkConfig& config) {
  data::Augmentation augmentation = config.augmentation();
  augmentation.mean.clear();
  augmentation.std.clear();
  data::Image original;
  data.decode(index, &original);
  std::vector<float> values(config.input.size());
  data::prepare_for_evaluation(original, augmentation, config.input, values.data());
  data::Image picture{config.input, std::vector<uint8_t>(values.size())};
  for (size_t i = 0; i < values.size(); ++i) {
    picture.planes[i] = static_cast<uint8_t>(std::clamp(std::lround(255 * values[i]), 0L, 255L));
  }
  return picture;
}

}  // namespace

std::vector<int64_t> choose_examples(const data::Dataset& data, int classes, int64_t count) {
  std::vector<std::vector<int64_t>> of_class(static_cast<size_t>(classes));
  for (int64_t i = 0; i < data.size(); ++i) of_class[static_cast<size_t>(data.label(i))].push_back(i);
  int64_t left = std::min(count, data.size());
  std::vector<std::vector<int64_t>> chosen(of_class.size());
  for (size_t depth = 0; left > 0; ++depth) {
    std::vector<size_t> open;
    for (size_t c = 0; c < of_class.size(); ++c) {
      if (of_class[c].size() > depth) open.push_back(c);
    }
    const auto take = static_cast<size_t>(std::min(left, static_cast<int64_t>(open.size())));
    for (size_t i = 0; i < take; ++i) {
      const size_t c = open[i * open.size() / take];
      chosen[c].push_back(of_class[c][depth]);
    }
    left -= static_cast<int64_t>(take);
  }
  std::vector<int64_t> indices;
  for (const std::vector<int64_t>& its : chosen) indices.insert(indices.end(), its.begin(), its.end());
  return indices;
}

Examples::Examples(const data::Dataset& data, int classes, int64_t count, int k)
    : data_(data), classes_(classes), k_(k) {
  for (const int64_t index : choose_examples(data, classes, count)) {
    place_[index] = examples_.size();
    examples_.emplace_back();
    examples_.back().index = index;
  }
}

void Examples::see(const data::Batch& batch, const float* probabilities) {
  for (int b = 0; b < batch.count; ++b) {
    const auto found = place_.find(batch.samples[static_cast<size_t>(b)]);
    if (found == place_.end()) continue;
    const float* f = probabilities + static_cast<size_t>(b) * classes_;
    Example& example = examples_[found->second];
    example.label_probability = f[batch.labels[static_cast<size_t>(b)]];
    example.top = top_classes(f, classes_, k_);
    example.probability.clear();
    for (const int c : example.top) example.probability.push_back(f[c]);
  }
}

void Examples::write(const std::string& folder, const data::DataFile& names, const graph::NetworkConfig& config,
                     Json head) const {
  const auto name_of = [&](int c) { return Json::string(names.display_names[static_cast<size_t>(c)]); };
  Json images = Json::array();
  for (const Example& example : examples_) {
    const std::string file = format("%06lld.png", static_cast<long long>(example.index));
    write_file(folder + "/" + file, data::encode_png(picture_of(data_, example.index, config)));
    const int label = data_.label(example.index);
    images.add(Json::object()
                   .set("index", Json::integer(example.index))
                   .set("name", Json::string(data_.sample_name(example.index)))
                   .set("file", Json::string(file))
                   .set("label", Json::integer(label))
                   .set("label_name", name_of(label))
                   .set("label_probability", Json::number(example.label_probability))
                   .set("top", classes_json(example.top, example.probability, names.display_names)));
  }
  head.set("k", Json::integer(k_)).set("images", images);
  write_file(folder + "/examples.json", head.dump() + "\n");
}

}  // namespace dng::eval
