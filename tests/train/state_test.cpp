#include "train/state.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "tests/network/network_util.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using test::bits_of;
using test::config_of;
using test::expect_error;
using test::net_text;
using test::scramble;
using test::TemporaryFolder;

const std::string kCfg = net_text(2, {1, 4, 4}) +
                         "[convolutional]\nbatch_normalize=1\nfilters=2\nsize=3\npad=1\nactivation=relu\n[batchnorm]\n"
                         "[avgpool]\n[connected]\noutput=3\nactivation=linear\n[softmax]\n";

// What a run knows about itself before it looks for a state.
train::TrainingState fresh_state() {
  train::TrainingState state;
  state.identity = {
      {"seed", "7"}, {"data", "00ff00ff00ff00ff"}, {"augmentation", "own pad=4 mirror=1"}, {"batch", "64"}};
  state.machine = {{"threads", "2"}, {"instructions", "avx512"}};
  return state;
}

train::TrainingState used_state() {
  train::TrainingState state = fresh_state();
  state.iteration = 123456789012;
  state.average_loss = 0.1;  // not exact in binary
  state.best_top1 = 1.0 / 3;
  state.best_epoch = 41;
  state.epoch_loss = 1e-300;
  state.epoch_images = 4711;
  state.epoch_correct = 815;
  state.epoch_seconds = 12.25;
  state.pending_epoch = 42;
  state.rows = {"1,390,4.1,0.05,4.0,0.06,0.2,0.1,11.5", "2,780,,,,,,0.1,11.4"};
  return state;
}

class State : public testing::Test {
 protected:
  State() : saved_(config_of(kCfg)), loaded_(config_of(kCfg)), path_(folder_.file("a.state")) {
    scramble(&saved_, 1);
    scramble(&loaded_, 2);
    train::save_state(path_, used_state(), saved_);
  }

  // Loads `content`, which must fail, and with it nothing may change.
  void refused(const std::string& content, const std::vector<std::string>& parts,
               train::TrainingState state = fresh_state()) {
    const std::vector<uint32_t> before = bits_of(loaded_);
    const std::string path = folder_.write("bad.state", content);
    expect_error([&] { train::load_state(path, &state, &loaded_); }, parts);
    EXPECT_EQ(bits_of(loaded_), before);
    EXPECT_EQ(state.iteration, 0);
    EXPECT_TRUE(state.rows.empty());
  }

  TemporaryFolder folder_;
  network::Network saved_, loaded_;
  std::string path_;
};

TEST_F(State, SurvivesARoundTripBitForBit) {
  train::TrainingState state = fresh_state();
  state.rows = {"of a run that never was"};
  EXPECT_EQ(train::load_state(path_, &state, &loaded_), "");
  EXPECT_EQ(bits_of(loaded_), bits_of(saved_));
  const train::TrainingState wanted = used_state();
  EXPECT_EQ(state.identity, wanted.identity);
  EXPECT_EQ(state.machine, wanted.machine);
  EXPECT_EQ(state.iteration, wanted.iteration);
  EXPECT_EQ(state.average_loss, wanted.average_loss);
  EXPECT_EQ(state.best_top1, wanted.best_top1);
  EXPECT_EQ(state.best_epoch, wanted.best_epoch);
  EXPECT_EQ(state.epoch_loss, wanted.epoch_loss);
  EXPECT_EQ(state.epoch_images, wanted.epoch_images);
  EXPECT_EQ(state.epoch_correct, wanted.epoch_correct);
  EXPECT_EQ(state.epoch_seconds, wanted.epoch_seconds);
  EXPECT_EQ(state.pending_epoch, wanted.pending_epoch);
  EXPECT_EQ(state.rows, wanted.rows);
  // Saving what was loaded gives the same file.
  train::save_state(folder_.file("b.state"), state, loaded_);
  EXPECT_TRUE(read_file(folder_.file("b.state"), "the copy") == read_file(path_, "the state"));
}

TEST_F(State, KeepsLossesThatAreNotFiniteYet) {
  train::TrainingState state = fresh_state();
  state.average_loss = -1;
  state.best_top1 = std::numeric_limits<double>::infinity();
  train::save_state(path_, state, saved_);
  train::TrainingState loaded = fresh_state();
  train::load_state(path_, &loaded, &loaded_);
  EXPECT_EQ(loaded.average_loss, -1);
  EXPECT_EQ(loaded.best_top1, std::numeric_limits<double>::infinity());
}

TEST_F(State, EveryDifferenceOfIdentityIsRefusedByName) {
  const std::string content = read_file(path_, "the state");
  for (const auto& [name, value] : fresh_state().identity) {
    train::TrainingState other = fresh_state();
    other.identity[name] = "something else";
    refused(content, {"bad.state", "of a run with another " + name, "found '" + value + "'", "'something else'"},
            other);
    // A run of an earlier kind that did not know of it.
    train::TrainingState more = fresh_state();
    more.identity["news"] = "1";
    refused(content, {"another news", "found ''", "'1'"}, more);
  }
}

// Augmentations are long and may differ at their end.
TEST_F(State, LongDifferencesAreShownWhole) {
  const std::string text(200, 'a');
  train::TrainingState state = fresh_state();
  state.identity["augmentation"] = text + " 1";
  train::save_state(path_, state, saved_);
  const std::string content = read_file(path_, "the state");
  state.identity["augmentation"] = text + " 2";
  refused(content, {text + " 1'", text + " 2'"}, state);
}

TEST_F(State, DifferencesOfTheMachineAreReportedAndNothingElse) {
  train::TrainingState state = fresh_state();
  state.machine["threads"] = "16";
  EXPECT_EQ(train::load_state(path_, &state, &loaded_), "threads 2 -> 16");
  EXPECT_EQ(bits_of(loaded_), bits_of(saved_));
  EXPECT_EQ(state.machine["threads"], "16");
  state = fresh_state();
  state.machine = {{"threads", "1"}, {"instructions", "avx2"}};
  EXPECT_EQ(train::load_state(path_, &state, &loaded_), "instructions avx512 -> avx2, threads 2 -> 1");
}

TEST_F(State, ADamagedByteAnywhereIsNoticed) {
  const std::string content = read_file(path_, "the state");
  ASSERT_GT(content.size(), 600U);
  const std::vector<uint32_t> before = bits_of(loaded_);
  const std::string path = folder_.file("bad.state");
  for (size_t i = 0; i < content.size(); ++i) {
    std::string damaged = content;
    damaged[i] = static_cast<char>(damaged[i] ^ (i % 2 == 0 ? 1 : 128));
    folder_.write("bad.state", damaged);
    train::TrainingState state = fresh_state();
    bool refused = false;
    try {
      train::load_state(path, &state, &loaded_);
    } catch (const Error&) {
      refused = true;
    }
    ASSERT_TRUE(refused) << "byte " << i << " of " << content.size();
    ASSERT_EQ(state.iteration, 0) << "byte " << i;
  }
  EXPECT_EQ(bits_of(loaded_), before);
}

TEST_F(State, TruncatedAndForeignFilesAreRefused) {
  const std::string content = read_file(path_, "the state");
  for (const size_t size : {content.size() - 1, content.size() - 16, content.size() / 2, content.find("\n\n") + 1,
                            content.find("\n\n") + 2, size_t{40}, size_t{11}}) {
    refused(content.substr(0, size), {"bad.state: the state is damaged", "start without -resume"});
  }
  refused(content + "x", {"damaged"});
  for (const std::string& other : {std::string(), std::string("DNGSTATE 2\n"), std::string("[net]\nbatch=1\n")}) {
    refused(other, {"bad.state: this is no state of a training"});
  }
  network::Network another(
      config_of(net_text(2, {1, 4, 4}) + "[avgpool]\n[connected]\noutput=3\nactivation=linear\n[softmax]\n"));
  train::TrainingState state = fresh_state();
  expect_error([&] { train::load_state(path_, &state, &another); }, {"damaged"});
  expect_error([&] { train::load_state(folder_.file("missing.state"), &state, &loaded_); }, {"missing.state"});
  expect_error([&] { train::load_state(folder_.path(), &state, &loaded_); }, {"is a folder"});
}

}  // namespace
}  // namespace dng
