#include "data/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using namespace test;

constexpr data::Geometry kCifar = {3, 32, 32};
constexpr data::Geometry kDigit = {1, 28, 28};

std::string bytes_of(const data::Dataset& data, int64_t index) {
  data::Image image;
  data.decode(index, &image);
  return planes_text(image);
}

class DatasetTest : public ::testing::Test {
 protected:
  std::unique_ptr<data::Dataset> open(int classes, const std::string& path) const {
    return data::open_dataset(data_with_classes(classes), path, "train");
  }
  void expect_refused(int classes, const std::string& path, std::vector<std::string> parts) const {
    parts.push_back(path);
    expect_error([&] { open(classes, path); }, parts);
  }
  TemporaryFolder folder_;
};

using CifarBinary = DatasetTest;

TEST_F(CifarBinary, TenClassesAreRecordsWithOneLabel) {
  const data::Image a = pattern_image(kCifar, 1), b = pattern_image(kCifar, 2);
  const auto data = open(10, folder_.write("any_name", cifar10_record(9, a) + cifar10_record(0, b)));
  EXPECT_EQ(data->size(), 2);
  EXPECT_EQ(data->label(0), 9);
  EXPECT_EQ(data->label(1), 0);
  EXPECT_EQ(bytes_of(*data, 0), planes_text(a));
  EXPECT_EQ(bytes_of(*data, 1), planes_text(b));
  EXPECT_EQ(data->description(), "CIFAR10 binary, 2 images of 3x32x32");
  EXPECT_EQ(data->sample_name(1), "any_name record 1");
}

TEST_F(CifarBinary, ClassesChooseFineOrCoarseLabels) {
  const data::Image a = pattern_image(kCifar, 1), b = pattern_image(kCifar, 2);
  const std::string path = folder_.write("x.bin", cifar100_record(19, 99, a) + cifar100_record(0, 42, b));
  const auto fine = open(100, path), coarse = open(20, path);
  EXPECT_EQ(fine->label(0), 99);
  EXPECT_EQ(fine->label(1), 42);
  EXPECT_EQ(coarse->label(0), 19);
  EXPECT_EQ(coarse->label(1), 0);
  EXPECT_EQ(bytes_of(*fine, 1), planes_text(b));
  EXPECT_EQ(bytes_of(*coarse, 1), planes_text(b));
  EXPECT_NE(fine->hash(), coarse->hash());
}

TEST_F(CifarBinary, PackedFilesAreToldByContent) {
  const std::string content = cifar100_record(1, 2, pattern_image(kCifar, 1));
  const auto plain = open(100, folder_.write("x.bin", content));
  const auto packed = open(100, folder_.write("y.bin", gzip(content)));
  EXPECT_EQ(bytes_of(*plain, 0), bytes_of(*packed, 0));
  EXPECT_EQ(plain->hash(), packed->hash());
}

TEST_F(CifarBinary, TrainPerClassTakesTheFirstImagesOfEachClass) {
  std::string records;
  std::vector<data::Image> images;
  const int labels[] = {7, 7, 3, 7, 3, 3};
  for (int i = 0; i < 6; ++i) {
    images.push_back(pattern_image(kCifar, i + 1));
    records += cifar10_record(labels[i], images.back());
  }
  for (int other : {0, 1, 2, 4, 5, 6, 8, 9}) {
    for (int i = 0; i < 2; ++i) records += cifar10_record(other, images[0]);
  }
  const std::string path = folder_.write("x.bin", records);
  data::DataFile data = data_with_classes(10);
  const uint64_t whole = data::open_dataset(data, path, "train")->hash();
  data.train_per_class = 2;
  const auto subset = data::open_dataset(data, path, "train");
  ASSERT_EQ(subset->size(), 20);
  const int kept[] = {0, 1, 2, 4};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(subset->label(i), labels[kept[i]]);
    EXPECT_EQ(bytes_of(*subset, i), planes_text(images[static_cast<size_t>(kept[i])]));
    EXPECT_EQ(subset->sample_name(i), "x.bin record " + std::to_string(kept[i]));
  }
  EXPECT_EQ(subset->description(), "CIFAR10 binary, 22 images of 3x32x32, the first 2 of each class: 20 images");
  EXPECT_NE(subset->hash(), whole);
  EXPECT_EQ(data::open_dataset(data, path, "valid")->size(), 22) << "evaluation is on all images";
  data.train_per_class = 1;
  EXPECT_NE(data::open_dataset(data, path, "train")->hash(), subset->hash());
  data.train_per_class = 3;
  expect_error([&] { data::open_dataset(data, path, "train"); }, {"train_per_class = 3", "class 0 has 2 images"});
}

TEST_F(CifarBinary, HeldOutImagesAreTheLastOfEachClassAndAreNotTrainedOn) {
  std::string records;
  const int labels[] = {1, 0, 1, 1, 0, 0, 1};
  for (int i = 0; i < 7; ++i) records += cifar10_record(labels[i], pattern_image(kCifar, i + 1));
  for (int i = 0; i < 32; ++i) records += cifar10_record(2 + i % 8, pattern_image(kCifar, 1));
  const std::string path = folder_.write("x.bin", records);
  data::DataFile data = data_with_classes(10);
  data.held_out_per_class = 1;
  const auto names = [](const data::Dataset& images) {  // of classes 0 and 1
    std::string all;
    for (int64_t i = 0; i < images.size(); ++i) {
      if (images.label(i) < 2) all += images.sample_name(i).substr(std::strlen("x.bin record "));
    }
    return all;
  };
  const auto valid = data::open_dataset(data, path, "valid");
  EXPECT_EQ(names(*valid), "56");
  EXPECT_EQ(valid->label(0), 0);
  EXPECT_EQ(valid->description(), "CIFAR10 binary, 39 images of 3x32x32, the last 1 of each class: 10 images");
  const auto train = data::open_dataset(data, path, "train");
  EXPECT_EQ(names(*train), "01234");
  EXPECT_NE(train->hash(), valid->hash());
  data.train_per_class = 2;
  EXPECT_EQ(names(*data::open_dataset(data, path, "train")), "0124") << "of those that are not held out";
  data.train_per_class = 3;
  expect_error([&] { data::open_dataset(data, path, "train"); }, {"train_per_class = 3: class 0 has 2 images"});
  data.held_out_per_class = 3;
  for (const char* role : {"train", "valid"}) {
    expect_error([&] { data::open_dataset(data, path, role); },
                 {"held_out_per_class = 3: class 0 has 3 images; every class needs at least 4"});
  }
}

TEST_F(CifarBinary, WrongLabelsDependOnSeedAndImageAlone) {
  constexpr int kImages = 2000;
  std::string records;
  const std::string image = cifar10_record(0, pattern_image(kCifar, 1)).substr(1);
  for (int i = 0; i < kImages; ++i) records += static_cast<char>(i % 10) + image;
  data::DataFile data = data_with_classes(10);
  data.train = folder_.write("x.bin", records);
  const auto labels = [&](double share, uint64_t seed) {
    data.label_noise = share;
    const auto images = data::open_training_set(data, seed);
    std::vector<int> all;
    for (int64_t i = 0; i < images->size(); ++i) all.push_back(images->label(i));
    return all;
  };
  const std::vector<int> right = labels(0, 1), noisy = labels(0.4, 1);
  int wrong = 0;
  std::vector<int> shift(10);
  for (int i = 0; i < kImages; ++i) {
    EXPECT_EQ(right[static_cast<size_t>(i)], i % 10);
    wrong += noisy[static_cast<size_t>(i)] != i % 10 ? 1 : 0;
    ++shift[static_cast<size_t>((noisy[static_cast<size_t>(i)] - i % 10 + 10) % 10)];
  }
  // 800 +- 22 wrong ones, 89 +- 9 for each of the other classes.
  EXPECT_NEAR(wrong, 800, 110);
  for (int i = 1; i < 10; ++i) EXPECT_NEAR(shift[static_cast<size_t>(i)], 89, 45) << i;
  EXPECT_EQ(labels(0.4, 1), noisy);
  EXPECT_NE(labels(0.4, 2), noisy);
  const std::vector<int> all_wrong = labels(1, 1);
  for (int i = 0; i < kImages; ++i) EXPECT_NE(all_wrong[static_cast<size_t>(i)], i % 10);
  data.label_noise = 0.4;
  EXPECT_NE(data::open_training_set(data, 1)->hash(), data::open_training_set(data, 2)->hash());
}

TEST_F(CifarBinary, ShortRecordsAreRefused) {
  const std::string record = cifar100_record(1, 2, pattern_image(kCifar, 1));
  const std::string path = folder_.write("x.bin", record + record.substr(0, 100));
  expect_refused(100, path, {"short record", "3174", "100 bytes over", "3074", "train of test.data"});
  expect_refused(10, path, {"short record", "3174", "101 bytes over", "3073"});
}

TEST_F(CifarBinary, OtherNumbersOfClassesAreRefused) {
  const std::string hundred = folder_.write("h.bin", cifar100_record(1, 2, pattern_image(kCifar, 1)));
  const std::string ten = folder_.write("t.bin", cifar10_record(1, pattern_image(kCifar, 1)));
  expect_refused(10, hundred, {"CIFAR-100", "classes = 10", "100 (fine) or 20"});
  expect_refused(100, ten, {"(CIFAR-10)", "classes = 100", "set classes = 10"});
  expect_refused(7, ten, {"classes = 7", "CIFAR-10", "IDX"});
}

TEST_F(CifarBinary, LabelsOutOfRangeGiveTheRecord) {
  const data::Image image = pattern_image(kCifar, 1);
  const std::string good = cifar100_record(1, 2, image);
  expect_refused(100, folder_.write("f", good + good + cifar100_record(1, 100, image)),
                 {"record 2", "fine label 100", "0 to 99"});
  expect_refused(100, folder_.write("c", good + cifar100_record(20, 2, image)),
                 {"record 1", "coarse label 20", "0 to 19"});
  expect_refused(20, folder_.write("d", cifar100_record(20, 2, image)), {"record 0", "coarse label 20"});
  expect_refused(10, folder_.write("t", cifar10_record(10, image)), {"record 0", "label 10", "0 to 9"});
  EXPECT_EQ(open(100, folder_.write("g", good + cifar100_record(19, 99, image)))->size(), 2);
}

TEST_F(CifarBinary, HashCoversEveryByte) {
  data::Image image = pattern_image(kCifar, 1);
  const uint64_t before = open(10, folder_.write("a", cifar10_record(1, image)))->hash();
  EXPECT_EQ(open(10, folder_.write("b", cifar10_record(1, image)))->hash(), before);
  EXPECT_NE(open(10, folder_.write("c", cifar10_record(2, image)))->hash(), before);
  ++image.planes.back();
  EXPECT_NE(open(10, folder_.write("d", cifar10_record(1, image)))->hash(), before);
}

TEST_F(CifarBinary, DarkFirstImageIsNotTakenForIdx) {
  data::Image dark = pattern_image(kCifar, 1);
  dark.planes[0] = 0;
  dark.planes[1] = 8;
  dark.planes[2] = 1;
  EXPECT_EQ(open(10, folder_.write("a", cifar10_record(0, dark)))->description(),
            "CIFAR10 binary, 1 images of 3x32x32");
  dark.planes[2] = 3;
  EXPECT_EQ(open(10, folder_.write("b", cifar10_record(0, dark)))->description(),
            "CIFAR10 binary, 1 images of 3x32x32");
}

TEST_F(CifarBinary, RealCifar100HasItsCountsAndClasses) {
  const std::string real = cifar100_folder();
  if (real.empty()) GTEST_SKIP() << "CIFAR100 is not there";
  const auto train = open(100, real + "/train.bin"), test = open(100, real + "/test.bin");
  EXPECT_EQ(train->description(), "CIFAR100 binary, 50000 images of 3x32x32");
  EXPECT_EQ(test->size(), 10000);
  std::map<int, int> counts;
  for (int64_t i = 0; i < train->size(); ++i) ++counts[train->label(i)];
  EXPECT_EQ(counts.size(), 100u);
  for (const auto& count : counts) EXPECT_EQ(count.second, 500) << count.first;
  expect_refused(10, real + "/test.bin", {"CIFAR-100"});
}

class Idx : public DatasetTest {
 protected:
  std::string write_set(const std::string& images, const std::string& labels) const {
    folder_.write("t10k-labels-idx1-ubyte", labels);
    return folder_.write("t10k-images-idx3-ubyte", images);
  }
  const std::vector<data::Image> images_ = {pattern_image(kDigit, 1), pattern_image(kDigit, 2)};
};

TEST_F(Idx, ImagesAndLabelsLieBesideEachOther) {
  const auto data = open(10, write_set(idx_images(images_), idx_labels({7, 0})));
  EXPECT_EQ(data->size(), 2);
  EXPECT_EQ(data->label(0), 7);
  EXPECT_EQ(data->label(1), 0);
  EXPECT_EQ(bytes_of(*data, 1), planes_text(images_[1]));
  EXPECT_EQ(data->description(), "IDX, 2 images of 1x28x28");
}

TEST_F(Idx, EitherFileMayBePacked) {
  const auto plain = open(10, write_set(idx_images(images_), idx_labels({7, 0})));
  folder_.write("train-labels.idx1-ubyte", idx_labels({7, 0}));
  const auto packed = open(10, folder_.write("train-images.idx3-ubyte.gz", gzip(idx_images(images_))));
  folder_.write("val-labels-idx1-ubyte.gz", gzip(idx_labels({7, 0})));
  const auto packed_labels = open(10, folder_.write("val-images-idx3-ubyte", idx_images(images_)));
  EXPECT_EQ(packed->hash(), plain->hash());
  EXPECT_EQ(packed_labels->hash(), plain->hash());
}

TEST_F(Idx, HashCoversTheLabels) {
  const uint64_t before = open(10, write_set(idx_images(images_), idx_labels({7, 0})))->hash();
  EXPECT_NE(open(10, write_set(idx_images(images_), idx_labels({7, 1})))->hash(), before);
}

TEST_F(Idx, CountsMustAgreeWithTheHeader) {
  const std::string images = idx_images(images_), labels = idx_labels({7, 0});
  expect_refused(10, write_set(images.substr(0, images.size() - 1), labels), {"promises 2 images", "1 images and 783"});
  expect_refused(10, write_set(images + "x", labels), {"promises 2 images", "2 images and 1 bytes"});
  expect_refused(10, write_set(images.substr(0, 12), labels), {"12 bytes are too few"});
  expect_refused(10, write_set(idx_images({}), idx_labels({})), {"0 images"});
  const std::string path = write_set(images, labels.substr(0, labels.size() - 1));
  expect_error([&] { open(10, path); }, {"t10k-labels-idx1-ubyte", "promises 2 labels, 1 are there"});
  write_set(images, idx_labels({7, 0, 1}));
  expect_error([&] { open(10, path); }, {"t10k-labels-idx1-ubyte", "3 labels", "2 images"});
  write_set(images, "abc");
  expect_error([&] { open(10, path); }, {"t10k-labels-idx1-ubyte", "3 bytes are too few"});
}

TEST_F(Idx, LabelsOutOfRangeGiveTheRecord) {
  const std::string path = write_set(idx_images(images_), idx_labels({7, 10}));
  expect_error([&] { open(10, path); }, {"t10k-labels-idx1-ubyte", "record 1", "label 10", "0 to 9"});
  EXPECT_EQ(open(11, path)->label(1), 10);
}

TEST_F(Idx, WrongMagicIsRefused) {
  const std::string path = write_set(idx_images(images_), idx_images(images_));
  expect_error([&] { open(10, path); }, {"t10k-labels-idx1-ubyte", "magic 0x00000803", "0x00000801"});
  expect_refused(10, folder_.write("labels-only", idx_labels({1, 2, 3})), {"magic 0x00000801", "name the images file"});
}

TEST_F(Idx, LabelsFileMustBeFound) {
  expect_refused(10, folder_.write("a-images-idx3-ubyte", idx_images(images_)), {"a-labels-idx1-ubyte is missing"});
  expect_refused(10, folder_.write("digits", idx_images(images_)), {"images-idx3", "rename"});
  // The name counts, not the folder's.
  expect_refused(10, folder_.write("images-idx3/digits", idx_images(images_)), {"rename"});
}

TEST_F(Idx, DamagedGzipIsRefused) {
  const std::string packed = gzip(idx_images(images_));
  expect_refused(10, folder_.write("a.gz", packed.substr(0, packed.size() / 2)), {"truncated"});
  expect_refused(10, folder_.write("b.gz", packed.substr(0, packed.size() - 4)), {"truncated"});
  std::string damaged = packed;
  damaged[damaged.size() - 6] ^= 1;  // the checksum
  expect_refused(10, folder_.write("c.gz", damaged), {"damaged"});
  expect_refused(10, folder_.write("d.gz", packed + "trailing"), {"damaged"});
  expect_refused(10, folder_.write("e.gz", "\x1f\x8b"), {"truncated"});
}

TEST_F(Idx, RealFashionMnistHasItsCounts) {
  const std::string real = fashion_mnist_folder();
  if (real.empty()) GTEST_SKIP() << "dataset-fashion-mnist is not installed";
  const auto data = open(10, real + "/t10k-images-idx3-ubyte.gz");
  EXPECT_EQ(data->description(), "IDX, 10000 images of 1x28x28");
  std::map<int, int> counts;
  for (int64_t i = 0; i < data->size(); ++i) ++counts[data->label(i)];
  EXPECT_EQ(counts.size(), 10u);
  for (const auto& count : counts) EXPECT_EQ(count.second, 1000) << count.first;
  expect_error([&] { open(9, real + "/t10k-images-idx3-ubyte.gz"); }, {"label 9", "0 to 8"});
}

class ImageListTest : public DatasetTest {
 protected:
  std::string write_png(const std::string& name, int seed = 1) const {
    std::string path = folder_.file(name);
    write_image(path, pattern_image({3, 6, 5}, seed));
    return path;
  }
  std::unique_ptr<data::Dataset> open_list(const std::string& text, const std::vector<std::string>& labels,
                                           int classes = 3) const {
    return data::open_dataset(data_with_classes(labels.empty() ? classes : static_cast<int>(labels.size()), labels),
                              folder_.write("a.list", text), "valid");
  }
  void expect_list_refused(const std::string& text, const std::vector<std::string>& labels,
                           const std::vector<std::string>& parts) const {
    expect_error([&] { open_list(text, labels); }, parts);
  }
};

TEST_F(ImageListTest, DecodesToRedGreenBluePlanes) {
  const data::Image image = pattern_image({3, 6, 5}, 1);
  const std::string path = write_png("cat/1.png");
  const auto data = open_list("\n" + path + "\r\n\n", {"dog", "cat"});
  ASSERT_EQ(data->size(), 1);
  EXPECT_EQ(data->label(0), 1);
  EXPECT_EQ(data->sample_name(0), path);
  data::Image decoded;
  data->decode(0, &decoded);
  EXPECT_EQ(decoded.shape.channels, 3);
  EXPECT_EQ(decoded.shape.height, 6);
  EXPECT_EQ(decoded.shape.width, 5);
  EXPECT_EQ(decoded.planes, image.planes);
  EXPECT_EQ(data->description(), "image list, 1 images");
}

TEST_F(ImageListTest, LabelsAreWholePartsOfThePath) {
  const std::vector<std::string> labels = {"cat", "cattle", "tree", "apple_tree", "pear"};
  const std::vector<std::pair<std::string, int>> cases = {
      {"cattle/1.png", 1},          {"cat/1.png", 0},           {"cat/deep/1.png", 0},
      {"x/12_cat.png", 0},          {"x/12_cattle.png", 1},     {"x/cat.png", 0},
      {"x/1__cat.png", 0},          {"x/12_apple_tree.png", 3}, {"x/apple_tree.png", 3},
      {"x/an_apple_a_tree.png", 2}, {"cat/1_cat.png", 0},       {"cat/cat/1.png", 0},
      {"x/pear.tree_cat.png", 0},
  };
  std::string text;
  for (const auto& one : cases) text += write_png(one.first) + "\n";
  const auto data = open_list(text, labels);
  for (size_t i = 0; i < cases.size(); ++i)
    EXPECT_EQ(data->label(static_cast<int64_t>(i)), cases[i].second) << cases[i].first;
}

TEST_F(ImageListTest, SubstringsAreNoLabels) {
  const std::vector<std::string> labels = {"cat", "dog"};
  for (const char* name :
       {"cats/1.png", "concat/1.png", "x/cat_1.png", "x/bobcat.png", "x/1-cat.png", "x/cat.tar.png"}) {
    const std::string path = write_png(name);
    expect_list_refused(write_png("dog/1.png") + "\n" + path + "\n", labels,
                        {"a.list:2:", path, "no label", "2 labels"});
  }
}

TEST_F(ImageListTest, DifferentMatchesAreRefused) {
  const std::vector<std::string> labels = {"cat", "dog", "train"};
  const std::string two = write_png("cat/dog/1.png");
  expect_list_refused(two, labels, {"a.list:1:", two, "two labels", "'cat'", "'dog'"});
  const std::string both = write_png("train/1_cat.png");
  expect_list_refused(both, labels, {"a.list:1:", both, "two labels", "'train'", "'cat'"});
}

TEST_F(ImageListTest, ClassIndexMayFollowThePath) {
  const std::string a = write_png("a b/1.png"), b = write_png("c.png");
  const std::string c = folder_.write("photo 2", read_file(b, "test"));
  const auto data = open_list(a + " 2\n" + b + "\t0\n" + c + " 1\n", {});
  EXPECT_EQ(data->label(0), 2);
  EXPECT_EQ(data->label(1), 0);
  EXPECT_EQ(data->label(2), 1);
  EXPECT_EQ(data->sample_name(0), a);
  EXPECT_EQ(data->sample_name(2), c);
}

TEST_F(ImageListTest, NumberThatBelongsToTheNameIsNoIndex) {
  const std::string path = folder_.write("cat/photo 2", read_file(write_png("a.png"), "test"));
  const auto data = open_list(path, {"dog", "cat", "rose"});
  EXPECT_EQ(data->label(0), 1);
  EXPECT_EQ(data->sample_name(0), path);
}

TEST_F(ImageListTest, IndexOutOfRangeIsRefused) {
  const std::string a = write_png("a.png");
  expect_list_refused(a + " 0\n" + a + " 3\n", {}, {"a.list:2:", "class index 3", "0 to 2", "test.data"});
  expect_list_refused(a + " -1\n", {}, {"a.list:1:", "-1"});
}

TEST_F(ImageListTest, WithoutIndexAndLabelsThereIsNoClass) {
  const std::string a = write_png("a.png");
  expect_list_refused(a, {}, {"a.list:1:", a, "no class index", "labels = FILE"});
}

TEST_F(ImageListTest, EveryFileIsCheckedWhenTheListIsOpened) {
  const std::vector<std::string> labels = {"cat", "dog"};
  const std::string good = write_png("cat/1.png"), none = folder_.file("cat/none.png");
  expect_list_refused(good + "\n\n" + none + "\n", labels, {"a.list:3:", none, "No such file"});
  expect_list_refused(none + " 1\n", labels, {"a.list:1:", none, "No such file"});
  expect_list_refused(folder_.path() + "\n", labels, {"a.list:1:", folder_.path(), "is a folder"});
  const std::string empty = folder_.write("cat/empty.png", "");
  expect_list_refused(empty, labels, {"a.list:1:", empty, "0 bytes"});
  expect_list_refused("\n \n", labels, {"a.list", "blank"});
}

TEST_F(ImageListTest, HashCoversPathsLabelsAndSizes) {
  const std::string a = write_png("a.png"), b = write_png("b.png", 2);
  const uint64_t before = open_list(a + " 0\n" + b + " 1\n", {})->hash();
  EXPECT_EQ(open_list(a + "\t0\r\n" + b + "  1", {})->hash(), before);
  EXPECT_NE(open_list(b + " 1\n" + a + " 0\n", {})->hash(), before);
  EXPECT_NE(open_list(a + " 1\n" + b + " 1\n", {})->hash(), before);
  std::ofstream(a, std::ios::app) << "x";
  EXPECT_NE(open_list(a + " 0\n" + b + " 1\n", {})->hash(), before);
}

TEST_F(ImageListTest, BrokenImagesAreNamedNotFilledWithGrey) {
  const data::Image image = pattern_image({3, 64, 64}, 3);
  const std::string jpeg = folder_.file("a.jpg"), png = folder_.file("a.png");
  write_image(jpeg, image);
  write_image(png, image);
  const std::string jpeg_bytes = read_file(jpeg, "test"), png_bytes = read_file(png, "test");
  std::string flipped = png_bytes;
  flipped[flipped.size() / 2] ^= 0x55;
  const std::vector<std::pair<std::string, std::string>> broken = {
      {folder_.write("b1.jpg", jpeg_bytes.substr(0, jpeg_bytes.size() / 2)), "truncated JPEG"},
      {folder_.write("b2.jpg", jpeg_bytes.substr(0, jpeg_bytes.size() - 2)), "truncated JPEG"},
      {folder_.write("b3.jpg", jpeg_bytes.substr(0, 3)), "truncated JPEG"},
      {folder_.write("b4.png", png_bytes.substr(0, png_bytes.size() - 12)), "truncated PNG"},
      {folder_.write("b5.png", png_bytes.substr(0, 20)), "truncated PNG"},
      {folder_.write("b6.png", flipped), "damaged PNG"},
      {folder_.write("b7.jpg", "this is no image"), "none of OpenCV's formats"},
      {folder_.write("b8.jpg", "\xff\xd8\xff\xd9"), "cannot be decoded"},
  };
  for (const auto& one : broken) {
    const auto data = open_list(one.first + " 0\n", {});
    data::Image decoded;
    expect_error([&] { data->decode(0, &decoded); }, {one.first, one.second, "cannot be decoded"});
  }
  // The control: what follows the end of a picture, or a preview's end inside of it, is nobody's business.
  std::string with_preview = jpeg_bytes;
  with_preview.insert(2, std::string("\xff\xe1\x00\x06\xff\xd8\xff\xd9", 8));
  for (const std::string& good : {jpeg_bytes, jpeg_bytes + "appended", with_preview}) {
    const auto data = open_list(folder_.write("good.jpg", good) + " 0\n", {});
    data::Image decoded;
    data->decode(0, &decoded);
    EXPECT_EQ(decoded.shape.height, 64);
  }
  const std::string cut = with_preview.substr(0, with_preview.size() / 2);
  const auto data = open_list(folder_.write("cut.jpg", cut) + " 0\n", {});
  data::Image decoded;
  expect_error([&] { data->decode(0, &decoded); }, {"cut.jpg", "truncated JPEG"});
}

TEST_F(ImageListTest, FileThatVanishedIsNamed) {
  const std::string path = write_png("a.png");
  const auto data = open_list(path + " 0\n", {});
  std::filesystem::remove(path);
  data::Image decoded;
  expect_error([&] { data->decode(0, &decoded); }, {path, "No such file"});
}

TEST_F(DatasetTest, WhatIsNoSetIsRefused) {
  expect_refused(10, folder_.path() + "/none", {"No such file", "train"});
  expect_refused(10, folder_.path(), {"folder"});
  expect_refused(10, folder_.write("empty", ""), {"empty (0 bytes)", "train of test.data"});
  expect_refused(10, folder_.write("empty.gz", gzip("")), {"empty"});
  expect_refused(10, "/dev/zero", {"device"});
  const std::string image = folder_.file("one.png");
  write_image(image, pattern_image({3, 4, 4}, 1));
  expect_refused(10, image, {"single image", "one image path a line"});
  expect_error([&] { open(10, ""); }, {"test.data", "train=", "missing"});
}

}  // namespace
}  // namespace dng
