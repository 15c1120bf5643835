// Example images: which are chosen, and what is written about them.
#include "eval/examples.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "data/image_file.h"
#include "tests/network/network_util.h"

namespace dng::test {
namespace {

std::vector<int64_t> chosen(const std::vector<int>& labels, int classes, int64_t count) {
  return eval::choose_examples(MemorySet({1, 1, 1}, labels, 1), classes, count);
}

using Indices = std::vector<int64_t>;

TEST(Examples, AreTheFirstOfClassesEvenlySpaced) {
  // Two images of each of ten classes, shuffled: class c first at place order[c].
  const std::vector<int> labels = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 8, 7, 0, 9, 8, 2, 0, 4, 6, 7};
  EXPECT_EQ(chosen(labels, 10, 2), (Indices{12, 4}));            // classes 0 and 5
  EXPECT_EQ(chosen(labels, 10, 5), (Indices{12, 6, 2, 7, 10}));  // 0, 2, 4, 6, 8
  EXPECT_EQ(chosen(labels, 10, 10), (Indices{12, 1, 6, 0, 2, 4, 7, 11, 10, 5}));
  // The second image of classes 0 and 5, beside the first of all.
  EXPECT_EQ(chosen(labels, 10, 12), (Indices{12, 16, 1, 6, 0, 2, 4, 8, 7, 11, 10, 5}));
}

TEST(Examples, ClassesWithoutImagesAreLeftOut) {
  EXPECT_EQ(chosen({4, 4, 1, 4}, 6, 2), (Indices{2, 0}));
  EXPECT_EQ(chosen({4, 4, 1, 4}, 6, 3), (Indices{2, 0, 1}));
  // At most what the set has.
  EXPECT_EQ(chosen({4, 4, 1, 4}, 6, 99), (Indices{2, 0, 1, 3}));
  EXPECT_EQ(chosen({4, 4, 1, 4}, 6, 0), Indices());
}

TEST(Examples, PicturesAreWhatTheNetworkSeesBeforeMeanAndStd) {
  for (const int channels : {1, 3}) {
    const data::Geometry shape = {channels, 5, 4};
    MemorySet set(shape, {1, 0, 1}, 7);
    const std::string stats = channels == 1 ? "mean=0.5\nstd=0.2\n" : "mean=0.5,0.4,0.3\nstd=0.2,0.3,0.1\n";
    const graph::NetworkConfig config = config_of(net_text(2, shape, stats) +
                                                  "[convolutional]\nfilters=2\nsize=1\nactivation=linear\n"
                                                  "[connected]\noutput=3\nactivation=linear\n[softmax]\n");
    eval::Examples examples(set, 2, 2, 2);
    data::Batch batch;
    batch.count = 3;
    batch.labels = {1, 0, 1};
    batch.samples = {0, 1, 2};
    const std::vector<float> probabilities = {0.25f, 0.75f, 0.625f, 0.375f, 0.5f, 0.5f};
    examples.see(batch, probabilities.data());
    const TemporaryFolder folder;
    data::DataFile names = data_with_classes(2);
    names.display_names = {"zero", "o\"ne"};
    examples.write(folder.path(), names, config, Json::object().set("set", Json::string("valid")));
    // Image 1 is the first of class 0, image 0 that of class 1.
    EXPECT_EQ(read_file(folder.file("examples.json"), "the examples"), R"({
  "set": "valid",
  "k": 2,
  "images": [
    {
      "index": 1,
      "name": "sample 1",
      "file": "000001.png",
      "label": 0,
      "label_name": "zero",
      "label_probability": 0.625,
      "top": [
        {
          "class": 0,
          "name": "zero",
          "probability": 0.625
        },
        {
          "class": 1,
          "name": "o\"ne",
          "probability": 0.375
        }
      ]
    },
    {
      "index": 0,
      "name": "sample 0",
      "file": "000000.png",
      "label": 1,
      "label_name": "o\"ne",
      "label_probability": 0.75,
      "top": [
        {
          "class": 1,
          "name": "o\"ne",
          "probability": 0.75
        },
        {
          "class": 0,
          "name": "zero",
          "probability": 0.25
        }
      ]
    }
  ]
}
)");
    for (const size_t i : {size_t{0}, size_t{1}}) {
      const std::string path = folder.file(i == 0 ? "000000.png" : "000001.png");
      // The colour type of the PNG: 0 grey, 2 RGB.
      EXPECT_EQ(read_file(path, "the picture")[25], channels == 1 ? 0 : 2);
      data::Image found;
      data::decode_image_file(path, &found);
      ASSERT_EQ(found.planes.size(), 3 * 20U);
      for (size_t p = 0; p < found.planes.size(); ++p) {
        EXPECT_EQ(found.planes[p], set.images[i].planes[channels == 1 ? p % 20 : p]);
      }
    }
    EXPECT_FALSE(file_exists(folder.file("000002.png")));
  }
}

}  // namespace
}  // namespace dng::test
