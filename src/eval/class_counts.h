// Accuracy of each class, and what its images are taken for.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "data/stream.h"

namespace dng::eval {

class ClassCounts {
 public:
  explicit ClassCounts(int classes) : classes_(static_cast<size_t>(classes)) {}

  // `probabilities`: [batch][classes]. An image whose outputs are not finite is taken for no class.
  void add(const data::Batch& batch, const float* probabilities);

  // For each class `name`, `images`, `top1_count` and `top1`, which is null without images.
  Json classes_json(const std::vector<std::string>& names) const;
  // [label, predicted class, images], in this order, without the pairs that do not occur.
  Json confusion_json() const;
  // A line for each class: the same, and the classes that its images are most often taken for.
  std::string table(const std::vector<std::string>& names) const;

 private:
  struct Class {
    int64_t images = 0, correct = 0;
    std::map<int, int64_t> taken_for;  // predicted class -> images, the right ones included
    double top1() const { return static_cast<double>(correct) / static_cast<double>(images); }  // NaN without images
  };
  static std::string most_often(const Class& one, int label, const std::vector<std::string>& names);

  std::vector<Class> classes_;
};

}  // namespace dng::eval
