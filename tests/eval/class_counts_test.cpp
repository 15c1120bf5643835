#include "eval/class_counts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace dng {
namespace {

const std::vector<std::string> kNames = {"cat", "a long name", "dog", "none"};

// Images of four classes, as their labels and the classes they are taken for; -1: outputs that are not finite.
eval::ClassCounts counts_of(const std::vector<std::pair<int, int>>& images) {
  eval::ClassCounts counts(4);
  data::Batch batch;
  std::vector<float> probabilities;
  for (const auto& [label, predicted] : images) {
    batch.labels.push_back(label);
    for (int j = 0; j < 4; ++j) probabilities.push_back(predicted < 0 ? std::nanf("") : j == predicted ? 0.7f : 0.1f);
  }
  batch.count = static_cast<int>(images.size());
  // What is behind the images that count is padding.
  batch.labels.push_back(3);
  counts.add(batch, probabilities.data());
  return counts;
}

TEST(ClassCounts, CountImagesByLabelAndPredictedClass) {
  const eval::ClassCounts counts = counts_of({{0, 0}, {0, 2}, {1, 1}, {0, 0}, {2, 0}, {1, -1}, {0, 1}, {0, 2}});
  EXPECT_EQ(counts.table(kNames),
            "class          images    top1  most often taken for\n"
            "cat                 5  0.4000  dog 2, a long name 1\n"
            "a long name         2  0.5000\n"
            "dog                 1  0.0000  cat 1\n"
            "none                0       -\n");
  std::string confusion = counts.confusion_json().dump(), classes = counts.classes_json(kNames).dump();
  for (std::string* text : {&confusion, &classes}) {
    std::string packed;
    for (const char c : *text) packed += c == '\n' || c == ' ' ? "" : std::string(1, c);
    *text = packed;
  }
  EXPECT_EQ(confusion, "[[0,0,2],[0,1,1],[0,2,2],[1,1,1],[2,0,1]]");
  EXPECT_EQ(classes.substr(classes.find("{\"name\":\"dog\"")),
            "{\"name\":\"dog\",\"images\":1,\"top1_count\":0,\"top1\":0},"
            "{\"name\":\"none\",\"images\":0,\"top1_count\":0,\"top1\":null}]");
}

TEST(ClassCounts, OfEqualScoresTheLowerClassCounts) {
  eval::ClassCounts counts(2);
  data::Batch batch;
  batch.labels = {1};
  batch.count = 1;
  const float half[] = {0.5f, 0.5f};
  counts.add(batch, half);
  EXPECT_EQ(counts.table({"a", "b"}),
            "class    images    top1  most often taken for\n"
            "a             0       -\n"
            "b             1  0.0000  a 1\n");
}

TEST(ClassCounts, TheTableNamesThreeWrongClassesAtMost) {
  eval::ClassCounts counts(5);
  data::Batch batch;
  std::vector<float> probabilities;
  for (const int predicted : {1, 2, 3, 4, 3}) {
    batch.labels.push_back(0);
    for (int j = 0; j < 5; ++j) probabilities.push_back(j == predicted ? 1.0f : 0.0f);
  }
  batch.count = 5;
  counts.add(batch, probabilities.data());
  const std::string table = counts.table({"a", "b", "c", "d", "e"});
  EXPECT_NE(table.find("  d 2, b 1, c 1\n"), std::string::npos) << table;
}

}  // namespace
}  // namespace dng
