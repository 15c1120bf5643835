#include "eval/class_counts.h"

#include <algorithm>

#include "base/error.h"
#include "base/finite.h"
#include "base/text.h"

namespace dng::eval {

void ClassCounts::add(const data::Batch& batch, const float* probabilities) {
  for (int b = 0; b < batch.count; ++b) {
    const float* row = probabilities + static_cast<size_t>(b) * classes_.size();
    const int label = batch.labels[static_cast<size_t>(b)];
    Class& one = classes_[static_cast<size_t>(label)];
    ++one.images;
    if (!all_finite(row, classes_.size())) continue;
    // Of equal scores the lower index comes first, as in rank_of.
    const int predicted = static_cast<int>(std::max_element(row, row + classes_.size()) - row);
    ++one.taken_for[predicted];
    one.correct += predicted == label ? 1 : 0;
  }
}

Json ClassCounts::classes_json(const std::vector<std::string>& names) const {
  Json all = Json::array();
  for (size_t i = 0; i < classes_.size(); ++i) {
    all.add(Json::object()
                .set("name", Json::string(names[i]))
                .set("images", Json::integer(classes_[i].images))
                .set("top1_count", Json::integer(classes_[i].correct))
                .set("top1", Json::number(classes_[i].top1())));
  }
  return all;
}

Json ClassCounts::confusion_json() const {
  Json all = Json::array();
  for (size_t label = 0; label < classes_.size(); ++label) {
    for (const auto& [predicted, images] : classes_[label].taken_for) {
      all.add(Json::array()
                  .add(Json::integer(static_cast<int64_t>(label)))
                  .add(Json::integer(predicted))
                  .add(Json::integer(images)));
    }
  }
  return all;
}

std::string ClassCounts::most_often(const Class& one, int label, const std::vector<std::string>& names) {
  constexpr size_t kShown = 3;
  std::vector<std::pair<int64_t, int>> wrong;  // in the order that is wanted
  for (const auto& [predicted, images] : one.taken_for) {
    if (predicted != label) wrong.emplace_back(-images, predicted);
  }
  std::sort(wrong.begin(), wrong.end());
  std::vector<std::string> words;
  for (size_t i = 0; i < std::min(kShown, wrong.size()); ++i) {
    words.push_back(names[static_cast<size_t>(wrong[i].second)] + " " + std::to_string(-wrong[i].first));
  }
  return join(words, ", ");
}

std::string ClassCounts::table(const std::vector<std::string>& names) const {
  size_t width = 5;
  for (const std::string& name : names) width = std::max(width, name.size());
  const int column = static_cast<int>(width);
  std::string text = format("%-*s    images    top1  most often taken for\n", column, "class");
  for (size_t i = 0; i < classes_.size(); ++i) {
    const Class& one = classes_[i];
    const std::string top1 = one.images > 0 ? format("%.4f", one.top1()) : "-";
    const std::string line =
        format("%-*s  %8lld  %6s  %s", column, names[i].c_str(), static_cast<long long>(one.images), top1.c_str(),
               most_often(one, static_cast<int>(i), names).c_str());
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

}  // namespace dng::eval
