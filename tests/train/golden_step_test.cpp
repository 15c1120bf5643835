// One training step of whole networks against PyTorch in double precision (golden/README.md): the loss, the
// probabilities, every parameter and rolling statistic after the step, and the teacher of [distill].
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "host/host.h"
#include "layers/registry.h"
#include "network/network.h"
#include "network/weights.h"
#include "tests/compare.h"
#include "tests/network/network_util.h"
#include "train/sgd.h"
#include "train/teacher.h"

namespace dng::test {
namespace {

// Reads little-endian values one after the other.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path), text_(read_file(path, "the golden file")) {}
  void expect(const std::string& magic) {
    ASSERT_EQ(text_.substr(0, magic.size()), magic) << path_;
    at_ = magic.size();
  }
  template <class Value>
  Value value() {
    Value value{};
    if (at_ + sizeof value > text_.size()) fail("%s: ends too early", path_.c_str());
    std::memcpy(&value, text_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  template <class Value>
  std::vector<Value> values(size_t count) {
    std::vector<Value> values(count);
    for (Value& each : values) each = value<Value>();
    return values;
  }
  bool done() const { return at_ == text_.size(); }

 private:
  std::string path_, text_;
  size_t at_ = 0;
};

struct Expected {
  double loss = 0;
  std::vector<double> output, evaluated, taught, host, exact;
};

Expected read_expected(const std::string& name) {
  Reader reader(source_path("tests/golden/" + name + "_" + host::traits().id + ".bin"));
  reader.expect("DNGE");
  EXPECT_EQ(reader.value<int32_t>(), 1);
  const auto batch = static_cast<size_t>(reader.value<int32_t>()),
             classes = static_cast<size_t>(reader.value<int32_t>());
  const bool teacher = reader.value<int32_t>() == 1;
  const auto count = static_cast<size_t>(reader.value<int32_t>());
  Expected expected;
  expected.loss = reader.value<double>();
  expected.output = reader.values<double>(batch * classes);
  expected.evaluated = reader.values<double>(batch * classes);
  if (teacher) expected.taught = reader.values<double>(batch * classes);
  expected.host = reader.values<double>(count);
  expected.exact = reader.values<double>(count);
  EXPECT_TRUE(reader.done()) << name;
  return expected;
}

data::Batch read_batch() {
  Reader reader(source_path("tests/golden/step_batch.bin"));
  reader.expect("DNGB");
  data::Batch batch;
  batch.count = reader.value<int32_t>();
  const int channels = reader.value<int32_t>(), height = reader.value<int32_t>(), width = reader.value<int32_t>();
  reader.value<int32_t>();
  batch.labels = reader.values<int>(static_cast<size_t>(batch.count));
  batch.images =
      reader.values<float>(static_cast<size_t>(batch.count) * data::Geometry{channels, height, width}.size());
  EXPECT_TRUE(reader.done());
  return batch;
}

// As make_step.py mixes: image n with image n + 6, cutmix within a rectangle.
void mix_batch(data::Mixing::Kind kind, const data::Geometry& shape, data::Batch* batch) {
  data::Mix mix;
  mix.count = 1;
  mix.mean = kind == data::Mixing::Kind::kMixup;
  mix.parts[0].rectangle = mix.mean ? data::Rectangle{0, 0, shape.width, shape.height} : data::Rectangle{4, 2, 7, 9};
  const data::Batch plain = *batch;
  const auto count = static_cast<size_t>(batch->count);
  for (size_t n = 0; n < count; ++n) {
    const size_t other = (n + 6) % count;
    data::mix_part(mix, 0, plain.images.data() + other * shape.size(), shape, batch->images.data() + n * shape.size());
    batch->mixes.push_back(
        {{plain.labels[n], plain.labels[other], 0, 0}, {mix.weight(-1, shape), mix.weight(0, shape), 0, 0}});
    batch->labels[n] = data::main_class(batch->mixes[n]);
  }
}

// A step of one golden network. Its cfg names the teacher's files from the root of the repository.
class GoldenStepTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    before_ = std::filesystem::current_path();
    std::filesystem::current_path(source_path(""));
    const std::string name = std::string("step_") + GetParam();
    expected_ = read_expected(name);
    batch_ = read_batch();
    network_ = std::make_unique<network::Network>(layers::read_network_config("tests/golden/" + name + ".cfg"));
    const data::Mixing::Kind mixing = network_->config().augmentation().mixing.kind;
    if (mixing != data::Mixing::Kind::kNone) mix_batch(mixing, network_->config().input, &batch_);
    const std::string net = name.substr(0, name.find('_', 5));
    network::load_weights("tests/golden/" + net + ".weights", network_.get());
    start_ = values_of(*network_);
    const cfg::Options& cost = network_->config().cost().options;
    if (!expected_.taught.empty()) teacher_ = std::make_unique<train::LiveTeacher>(cost, network_->config());
  }
  void TearDown() override { std::filesystem::current_path(before_); }

  graph::Pass pass(bool training) {
    graph::Pass pass;
    pass.training = training;
    pass.input = batch_.images.data();
    pass.count = batch_.count;
    if (!training) return pass;
    pass.labels = batch_.labels.data();
    if (!batch_.mixes.empty()) pass.mixes = batch_.mixes.data();
    if (teacher_) pass.teacher = teacher_->probabilities(batch_);
    return pass;
  }

  // The mean loss before the step.
  double step() {
    const cfg::Options& net = network_->config().net;
    train::Sgd sgd(&network_->parameters(), {net.real("momentum"), net.real("decay"), net.flag("nesterov")});
    sgd.begin();
    graph::Pass p = pass(true);
    network_->forward(&p);
    output_.assign(network_->probabilities(), network_->probabilities() + expected_.output.size());
    network_->backward(&p);
    sgd.step(net.real("learning_rate"), network_->config().batch);
    return p.loss / batch_.count;
  }

  // Distance of each tensor's update from the expected one, as a share of that. `floor`: the least norm of an update
  // that it is a share of; a bias that only a batch norm reads has none but rounding.
  void expect_updates(const std::vector<double>& expected, double tolerance, double floor) {
    const std::vector<float> found = values_of(*network_);
    ASSERT_EQ(found.size(), expected.size());
    double worst = 0;
    size_t at = 0, moved = 0;
    for (size_t layer = 0; layer < network_->blocks().size(); ++layer) {
      for (const host::Block& block : network_->blocks()[layer]) {
        const bool statistic = block.update == nullptr;
        double difference = 0, norm = 0;
        for (const size_t end = at + static_cast<size_t>(block.count); at < end; ++at) {
          difference += std::pow(found[at] - expected[at], 2);
          norm += std::pow(expected[at] - (statistic ? 0 : start_[at]), 2);
        }
        norm = std::sqrt(norm);
        const double error = std::sqrt(difference) / std::max(norm, floor);
        EXPECT_LE(error, tolerance) << "layer " << layer << ", " << block.name << ", norm of the update " << norm;
        worst = std::max(worst, error);
        moved += norm > floor ? 1 : 0;
      }
    }
    EXPECT_GE(moved, 10U) << "too few tensors move for a comparison";
    RecordProperty("error", format("%.2e", worst));
  }

  std::filesystem::path before_;
  Expected expected_;
  data::Batch batch_;
  std::unique_ptr<network::Network> network_;
  std::unique_ptr<train::LiveTeacher> teacher_;
  std::vector<float> start_;
  std::vector<float> output_;
};

TEST_P(GoldenStepTest, LossAndProbabilitiesBeforeTheStep) {
  EXPECT_NEAR(step(), expected_.loss, 1e-5 * std::fabs(expected_.loss));
  EXPECT_LE(difference_between(output_.data(), expected_.output.data(), expected_.output.size()), 1e-5);
  if (teacher_) {
    EXPECT_LE(difference_between(teacher_->probabilities(batch_), expected_.taught.data(), expected_.taught.size()),
              1e-5);
  }
}

TEST_P(GoldenStepTest, ProbabilitiesInEvaluation) {
  graph::Pass p = pass(false);
  network_->forward(&p);
  EXPECT_LE(difference_between(network_->probabilities(), expected_.evaluated.data(), expected_.evaluated.size()),
            1e-5);
  // The two must not be told apart by rounding alone.
  EXPECT_GT(difference_between(network_->probabilities(), expected_.output.data(), expected_.output.size()), 1e-2);
}

TEST_P(GoldenStepTest, ParametersAfterTheStepAreTheHosts) {
  step();
  expect_updates(expected_.host, 1e-4, 1e-2);
}

TEST_P(GoldenStepTest, ParametersAfterTheStepAreCloseToTheExactOnes) {
  step();
  expect_updates(expected_.exact, 8e-3, 1e-2);
}

// The negative control: without the step, and with a rate 1 % off, the comparison fails.
TEST_P(GoldenStepTest, AStepOnePercentOffWouldBeFound) {
  step();
  const std::vector<float> found = values_of(*network_);
  size_t at = 0, wrong = 0;
  for (const auto& layer : network_->blocks()) {
    for (const host::Block& block : layer) {
      double difference = 0, norm = 0;
      for (const size_t end = at + static_cast<size_t>(block.count); at < end; ++at) {
        difference += std::pow(start_[at] + 1.01 * (found[at] - start_[at]) - expected_.host[at], 2);
        norm += std::pow(expected_.host[at] - start_[at], 2);
      }
      wrong += std::sqrt(difference) > 5e-3 * std::max(std::sqrt(norm), 1e-2) ? 1 : 0;
    }
  }
  EXPECT_GE(wrong, 10U);
}

TEST_P(GoldenStepTest, TheTeacherStaysAsItWas) {
  if (!teacher_) return;
  const std::vector<float> before = values_of(teacher_->network());
  step();
  step();
  const std::vector<float> after = values_of(teacher_->network());
  ASSERT_GT(before.size(), 0U);
  EXPECT_TRUE(same_bits(before, after));
}

INSTANTIATE_TEST_SUITE_P(Steps, GoldenStepTest,
                         testing::Values("plain_softmax", "plain_tsd_confidence", "plain_tsd_eta", "plain_distill",
                                         "plain_label_smoothing", "plain_confidence_penalty", "residual_softmax",
                                         "residual_distill", "dense_softmax", "dense_distill", "plain_mixup_softmax",
                                         "plain_mixup_tsd_eta", "plain_cutmix_distill"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace dng::test
