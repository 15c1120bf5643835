#include "train/targets.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "host/host.h"
#include "layers/registry.h"
#include "network/weights.h"
#include "tests/network/network_util.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using test::config_of;
using test::expect_error;
using test::MemorySet;
using test::net_text;
using test::TemporaryFolder;

const data::Geometry kInput = {1, 4, 4};
// AlexeyAB's host wants a layer that reads an image; this one changes nothing.
const std::string kFirst = "[maxpool]\nsize=1\nstride=1\n";
constexpr int kClasses = 5;
constexpr int64_t kPositions = 22;  // of 10 images; the last batch of 4 is not whole
constexpr size_t kHeader = 4096;

std::string student_cfg(const std::string& distill, const std::string& net = "pad=1\nmirror=1\n", int batch = 4) {
  return net_text(batch, kInput, net) + kFirst + "[connected]\noutput=5\nactivation=linear\n[distill]\n" + distill;
}

// Rows that depend on the image alone, so that a wrong order shows.
class PixelTeacher final : public train::TeacherSource {
 public:
  const float* probabilities(const data::Batch& batch) override {
    rows_.clear();
    const size_t size = kInput.size();
    for (size_t b = 0; b < static_cast<size_t>(batch.count); ++b) {
      double sum = 0;
      std::vector<double> row;
      for (size_t j = 0; j < kClasses; ++j) {
        row.push_back(std::exp(3.0 * batch.images[b * size + 3 * j]));
        sum += row.back();
      }
      for (const double value : row) rows_.push_back(static_cast<float>(value / sum));
    }
    return rows_.data();
  }
  std::string description() const override { return "pixels"; }
  std::string identity() const override { return "0000000000000001"; }

 private:
  std::vector<float> rows_;
};

std::vector<float> rows(train::TeacherSource* teacher, const data::Batch& batch, int count) {
  const float* first = teacher->probabilities(batch);
  return {first, first + static_cast<size_t>(count) * kClasses};
}

class Targets : public testing::Test {
 protected:
  Targets()
      : data_(kInput, {0, 1, 2, 3, 4, 0, 1, 2, 3, 4}, 5),
        path_(folder_.file("a.targets")),
        student_(config_of(student_cfg("targets=" + path_ + "\n"))) {
    write(path_, kPositions);
  }

  void write(const std::string& path, int64_t positions) {
    PixelTeacher teacher;
    testing::internal::CaptureStdout();
    try {
      train::write_targets(path, 1, positions, student_, data_, 7, 1, &teacher);
    } catch (...) {
      testing::internal::GetCapturedStdout();
      throw;
    }
    said_ = testing::internal::GetCapturedStdout();
  }

  // As a run of this student over this data would open the file.
  std::unique_ptr<train::CachedTeacher> open(const graph::NetworkConfig& student, const data::Dataset& data,
                                             uint64_t seed, int64_t positions = kPositions,
                                             int classes = kClasses) const {
    return std::make_unique<train::CachedTeacher>(student.cost().options, train::make_targets_key(student, data, seed),
                                                  positions, classes);
  }

  // The same, with a key that was tampered with.
  void refused(const std::string& name, const std::string& value) {
    train::TargetsKey key = train::make_targets_key(student_, data_, 7);
    key[name] = value;
    expect_error([&] { train::CachedTeacher(student_.cost().options, key, kPositions, kClasses); },
                 {path_, "made for another " + name, "'" + value + "'", "make the targets again"});
  }

  TemporaryFolder folder_;
  MemorySet data_;
  std::string path_, said_;
  graph::NetworkConfig student_;
};

TEST_F(Targets, GiveEveryPositionTheRowThatTheTeacherGaveIt) {
  EXPECT_EQ(file_size(path_), kHeader + kPositions * kClasses * 4);
  EXPECT_NE(said_.find("22 positions of 5 classes"), std::string::npos) << said_;
  const auto cached = open(student_, data_, 7);
  EXPECT_EQ(cached->description(), path_);
  PixelTeacher live;
  // Another batch, other threads: the stream's positions are what counts.
  for (const int batch : {4, 1, 11}) {
    data::TrainingStream stream(data_, student_.augmentation(), kInput, 7, batch, 0, kPositions, 2);
    for (int64_t position = 0; position + batch <= kPositions; position += batch) {
      const data::Batch& made = stream.next();
      ASSERT_EQ(rows(cached.get(), made, batch), rows(&live, made, batch)) << position;
    }
  }
}

TEST_F(Targets, AnotherStreamHasOtherRows) {
  PixelTeacher live;
  const auto cached = open(student_, data_, 7);
  data::TrainingStream stream(data_, student_.augmentation(), kInput, 8, 4, 0, kPositions, 1);
  const data::Batch& made = stream.next();
  EXPECT_NE(rows(cached.get(), made, 4), rows(&live, made, 4));
}

TEST_F(Targets, MismatchesAreRefusedByName) {
  EXPECT_NO_THROW(open(student_, data_, 7));
  const auto fails = [&](const std::function<void()>& action, const std::string& name) {
    expect_error(action, {path_, "made for another " + name, "found '", "this run has '"});
  };
  fails([&] { open(student_, data_, 8); }, "seed");
  MemorySet other = data_;
  other.identity = 6;
  fails([&] { open(student_, other, 7); }, "data");
  const std::string distill = "targets=" + path_ + "\n";
  fails([&] { open(config_of(student_cfg(distill, "pad=2\nmirror=1\n")), data_, 7); }, "augmentation");
  fails([&] { open(config_of(student_cfg(distill, "pad=1\nmirror=1\nmean=.5\n")), data_, 7); }, "augmentation");
  fails([&] { open(config_of(student_cfg(distill, "")), data_, 7); }, "augmentation");
  fails([&] { open(config_of(student_cfg(distill, "pad=1\nmirror=1\n", 2)), data_, 7); }, "mini_batch");
  fails([&] { open(student_, data_, 7, kPositions, 6); }, "classes");
  refused("host", "somebody else's");
  refused("seed", "700");
  refused("a key of a later version", "1");
}

TEST_F(Targets, AnotherInputSizeIsAnotherAugmentation) {
  std::string cfg = student_cfg("targets=" + path_ + "\n");
  cfg.replace(cfg.find("width=4"), 7, "width=5");
  expect_error([&] { open(config_of(cfg), data_, 7); }, {"another augmentation", "1x4x4", "1x4x5"});
}

TEST_F(Targets, ATeacherThatIsNamedBesideThemIsCompared) {
  const std::string cfg =
      folder_.write("teacher.cfg", net_text(4, kInput) + kFirst + "[connected]\noutput=5\n[softmax]\n");
  network::Network teacher(layers::read_network_config(cfg));
  test::scramble(&teacher, 3);
  const std::string weights = folder_.file("teacher.weights");
  network::save_weights(weights, teacher, 0);
  const uint64_t hash = train::teacher_hash(cfg, weights);
  PixelTeacher source;
  testing::internal::CaptureStdout();
  train::write_targets(path_, hash, 8, student_, data_, 7, 1, &source);
  testing::internal::GetCapturedStdout();
  const graph::NetworkConfig student =
      config_of(student_cfg("targets=" + path_ + "\nteacher=" + cfg + "\nteacher_weights=" + weights + "\n"));
  EXPECT_EQ(open(student, data_, 7, 8)->identity(), train::LiveTeacher(student.cost().options, student).identity());

  const std::string before = read_file(weights, "the weights");
  test::scramble(&teacher, 4);
  network::save_weights(weights, teacher, 0);
  EXPECT_NE(train::teacher_hash(cfg, weights), hash);
  expect_error([&] { open(student, data_, 7, 8); }, {"made for another teacher", "found '", "this run has '"});
  // The layers count, too, and the batch of the teacher's cfg does not.
  folder_.write("teacher.weights", before);
  folder_.write("teacher.cfg", net_text(2, kInput) + kFirst + "[connected]\noutput=5\n[softmax]\n");
  EXPECT_EQ(train::teacher_hash(cfg, weights), hash);
  folder_.write("teacher.cfg", net_text(4, kInput) + kFirst + "[connected]\noutput=5\nactivation=tanh\n[softmax]\n");
  expect_error([&] { open(student, data_, 7, 8); }, {"made for another teacher"});
}

TEST_F(Targets, ShortAndDamagedFilesAreRefused) {
  const std::string content = read_file(path_, "the targets");
  expect_error([&] { open(student_, data_, 7, kPositions + 1); },
               {path_, "made for fewer epochs: found 22 positions, this run has 23"});
  EXPECT_NO_THROW(open(student_, data_, 7, 1));
  folder_.write("a.targets", content.substr(0, content.size() - 4));
  expect_error([&] { open(student_, data_, 7); }, {path_, "found 4532 bytes, expected 4536", "damaged"});
  folder_.write("a.targets", content + "1234");
  expect_error([&] { open(student_, data_, 7); }, {"found 4540 bytes, expected 4536"});
  folder_.write("a.targets", content.substr(0, 100));
  expect_error([&] { open(student_, data_, 7); }, {"this is no targets file", "darknet classifier targets"});
  folder_.write("a.targets", std::string(5000, 'x'));
  expect_error([&] { open(student_, data_, 7); }, {"this is no targets file"});
  const graph::NetworkConfig missing = config_of(student_cfg("targets=" + folder_.file("missing.targets") + "\n"));
  expect_error([&] { open(missing, data_, 7); }, {"[distill] targets=", "no such file", "name teacher="});
}

TEST_F(Targets, RowsThatAreNoProbabilitiesNameTheirPosition) {
  const std::string content = read_file(path_, "the targets");
  const auto with_value = [&](size_t row, float value) {
    std::string damaged = content;
    std::memcpy(damaged.data() + kHeader + 4 * (kClasses * row + 2), &value, 4);
    folder_.write("a.targets", damaged);
  };
  data::Batch batch;
  batch.position = 4;
  batch.count = 4;
  for (const float value : {1.5f, std::nanf(""), -0.25f}) {
    with_value(6, value);
    const auto cached = open(student_, data_, 7);
    expect_error([&] { cached->probabilities(batch); }, {path_, "row of position 6", "damaged"});
  }
  with_value(8, 1.5f);
  EXPECT_NO_THROW(open(student_, data_, 7)->probabilities(batch));
}

TEST_F(Targets, TheDiskIsCheckedBeforeAnythingIsWritten) {
  const std::string path = folder_.file("huge.targets");
  expect_error([&] { write(path, int64_t{1} << 45); },
               {path, "the targets need 640.0 TiB", "the disk has", "use a live teacher"});
  EXPECT_FALSE(file_exists(path));
  EXPECT_FALSE(file_exists(path + ".tmp"));
}

TEST_F(Targets, KeyNamesAllThatShapesTheRows) {
  const train::TargetsKey key = train::make_targets_key(student_, data_, 7);
  EXPECT_EQ(key.at("seed"), "7");
  EXPECT_EQ(key.at("data"), "0000000000000005");
  EXPECT_EQ(key.at("host"), host::traits().id);
  EXPECT_EQ(key.at("mini_batch"), "4");
  EXPECT_NE(key.at("augmentation").find("input=1x4x4"), std::string::npos);
}

TEST(LiveTeacher, MustFitTheStudentAndIsNeverChanged) {
  const TemporaryFolder folder;
  const auto write_teacher = [&](const data::Geometry& input, int classes) {
    return folder.write("teacher.cfg", net_text(16, input) + kFirst + "[connected]\noutput=" + std::to_string(classes) +
                                           "\nbatch_normalize=1\nactivation=linear\n[tsd]\neta=0.5\nk=3\n");
  };
  const std::string cfg = write_teacher(kInput, kClasses), weights = folder.file("teacher.weights");
  network::Network network(layers::read_network_config(cfg));
  test::scramble(&network, 3);
  network::save_weights(weights, network, 0);
  const graph::NetworkConfig student = config_of(student_cfg("teacher=" + cfg + "\nteacher_weights=" + weights + "\n"));
  train::LiveTeacher teacher(student.cost().options, student);
  EXPECT_EQ(teacher.description(), cfg + " with " + weights);
  EXPECT_EQ(teacher.network().batch(), 4);
  const std::vector<uint32_t> before = test::bits_of(teacher.network());

  const MemorySet data(kInput, {0, 1, 2, 3}, 9);
  data::TrainingStream stream(data, student.augmentation(), kInput, 1, 4, 0, 4, 1);
  const data::Batch& batch = stream.next();
  const float* rows = teacher.probabilities(batch);
  // Row by row as the network evaluates it alone: rolling statistics, not the batch's.
  network::Network alone(graph::with_mini_batch(layers::read_network_config(cfg), 2));
  network::load_weights(weights, &alone);
  graph::Pass pass;
  pass.input = batch.images.data();
  pass.count = 2;
  alone.forward(&pass);
  for (int i = 0; i < 2 * kClasses; ++i) EXPECT_NEAR(rows[i], alone.probabilities()[i], 1e-6);
  EXPECT_EQ(test::bits_of(teacher.network()), before);

  write_teacher(kInput, 6);
  expect_error([&] { train::LiveTeacher(student.cost().options, student); },
               {"[distill] teacher=", "the teacher has 6 classes, the student 5"});
  write_teacher({1, 5, 4}, kClasses);
  expect_error([&] { train::LiveTeacher(student.cost().options, student); },
               {"the teacher's input is 1x5x4, the student's 1x4x4"});
  write_teacher(kInput, kClasses);
  folder.write("teacher.weights", "too short");
  expect_error([&] { train::LiveTeacher(student.cost().options, student); }, {"teacher.weights"});
}

}  // namespace
}  // namespace dng
