// A layer's output as evaluation hands it out, and the file of features.
#include "eval/features.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <ostream>
#include <string>
#include <vector>

#include "base/file.h"
#include "tests/compare.h"
#include "tests/network/reference_network.h"
#include "tests/network/sample_networks.h"

namespace dng::test {
namespace {

const data::Geometry kImage = {3, 10, 10};
const std::string kSoftmax = "[softmax]\n";

network::NetworkSettings watching(int layer, bool reference = false) {
  network::NetworkSettings settings = network::NetworkSettings::evaluation();
  settings.watched_layer = layer;
  settings.reference = reference;
  return settings;
}

// Statistics as after some training; fresh ones are zero.
void train_statistics(network::Network* network) {
  start_from(5, network);
  const graph::NetworkConfig& config = network->config();
  for (int64_t step = 0; step < 3; ++step) {
    const RandomBatch batch(config, static_cast<uint64_t>(step));
    graph::Pass pass = batch.pass(true, step);
    network->forward(&pass);
  }
}

struct Outputs {
  std::vector<double> watched, logits;
};

Outputs look(const graph::NetworkConfig& config, const network::Network& trained,
             const network::NetworkSettings& settings) {
  network::Network network(config, settings);
  copy_values(trained, &network);
  network.freeze();
  const RandomBatch batch(config, 9);
  graph::Pass pass = batch.pass(false);
  network.forward(&pass);
  const size_t size = config.layers[static_cast<size_t>(settings.watched_layer)].out.size();
  const auto images = static_cast<size_t>(config.mini_batch);
  Outputs found;
  found.watched.assign(network.watched(), network.watched() + images * size);
  found.logits.assign(network.logits(pass), network.logits(pass) + images * static_cast<size_t>(config.classes()));
  return found;
}

struct Sample {
  std::string name, layers;
};

std::ostream& operator<<(std::ostream& stream, const Sample& sample) { return stream << sample.name; }

std::vector<Sample> samples() {
  const auto c = convolution;
  std::vector<Sample> list = {
      {"Residual", residual_layers({16, 24}, 1) + head() + kSoftmax},
      {"Dense", dense_layers(8, 2, 3) + head() + kSoftmax},
      // Copies, thinning, and activations that belong to the layer before.
      {"Handed", c(16, 3, 1, "linear", false, "") + activation_text("relu") + route("-1") +
                     c(12, 3, 1, "linear", true, "") + activation_text("leaky") + "[maxpool]\nsize=1\nstride=2\n" +
                     c(20, 1, 1, "linear", false, "") + activation_text("relu") + "[dropout]\nprobability=0.5\n" +
                     "[local_avgpool]\nsize=2\nstride=2\n" + head() + kSoftmax},
      // The host's own code in the middle; 13 channels fill no block.
      {"Hosted", c(16, 3, 1, "relu", true, "") + c(13, 3, 1, "relu", true, "") +
                     "[normalization]\nalpha=0.01\nbeta=0.75\nsize=5\n" + c(16, 3, 1, "relu", true, "") + shortcut(-4) +
                     normalised("relu") + head() + kSoftmax},
  };
  return list;
}

class WatchedLayerTest : public testing::TestWithParam<Sample> {};

TEST_P(WatchedLayerTest, IsWhatThePlainWayGives) {
  const graph::NetworkConfig config = config_of(net_text(8, kImage) + GetParam().layers);
  network::Network trained(config);
  train_statistics(&trained);
  double moved = 0;
  std::vector<double> before;
  for (int layer = 0; layer + 1 < static_cast<int>(config.layers.size()); ++layer) {
    SCOPED_TRACE(format("layer %d [%s]", layer, config.layers[static_cast<size_t>(layer)].op->section.c_str()));
    const Outputs fast = look(config, trained, watching(layer)), plain = look(config, trained, watching(layer, true));
    EXPECT_LT(error_between(fast.watched, plain.watched), 1e-4);
    EXPECT_LT(error_between(fast.logits, plain.logits), 1e-4);
    // The control: neighbours of the same size are not the same, except for layers that pass their input through.
    if (before.size() == plain.watched.size()) moved = std::max(moved, error_between(plain.watched, before));
    before = plain.watched;
  }
  EXPECT_GT(moved, 1e-2);
}

// Without batch norm an evaluation is what training computes, and that has an oracle in double precision.
TEST(WatchedLayer, IsWhatTheFormulasGive) {
  const auto c = convolution;
  const std::string layers = c(16, 3, 1, "linear", false, "") + activation_text("relu") +
                             c(16, 3, 1, "linear", false, "") + shortcut(-2, "relu") + c(13, 1, 1, "leaky", false, "") +
                             route("-1,-2") + route("-1") + c(20, 3, 2, "linear", false, "") + activation_text("tanh") +
                             head() + kSoftmax;
  const graph::NetworkConfig config = config_of(net_text(8, kImage) + layers);
  network::Network start(config);
  start_from(5, &start);
  std::vector<double> parameters;
  for (const graph::Parameter& p : start.parameters()) parameters.insert(parameters.end(), p.value, p.value + p.count);
  const RandomBatch batch(config, 9);
  ReferenceNetwork reference(config);
  reference.loss(parameters, {{batch.images.begin(), batch.images.end()}, batch.labels, {}});
  for (int layer = 0; layer + 1 < static_cast<int>(config.layers.size()); ++layer) {
    SCOPED_TRACE(layer);
    EXPECT_LT(error_between(look(config, start, watching(layer)).watched, reference.output(layer)), 1e-4);
  }
}

TEST_P(WatchedLayerTest, LastConnectedMakesTheLogitsOfTheFeatures) {
  const graph::NetworkConfig config = config_of(net_text(8, kImage) + GetParam().layers);
  network::Network trained(config);
  train_statistics(&trained);
  const int layer = eval::default_feature_layer(config);
  EXPECT_EQ(config.layers[static_cast<size_t>(layer)].op->section, "avgpool");
  const Outputs found = look(config, trained, watching(layer));
  const float *weights = nullptr, *biases = nullptr;
  for (const graph::Parameter& p : trained.parameters()) {
    if (p.layer != layer + 1) continue;
    (p.name == std::string("weights") ? weights : biases) = p.value;
  }
  ASSERT_TRUE(weights != nullptr && biases != nullptr);
  const size_t inputs = found.watched.size() / 8, outputs = found.logits.size() / 8;
  std::vector<double> logits;
  for (size_t b = 0; b < 8; ++b) {
    for (size_t j = 0; j < outputs; ++j) {
      logits.push_back(biases[j]);
      for (size_t i = 0; i < inputs; ++i) {
        logits.back() += static_cast<double>(weights[j * inputs + i]) * found.watched[b * inputs + i];
      }
    }
  }
  EXPECT_LT(error_between(found.logits, logits), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(, WatchedLayerTest, testing::ValuesIn(samples()),
                         [](const testing::TestParamInfo<Sample>& info) { return info.param.name; });

// ---- the file ----

TEST(Features, FileHasARecordForEveryImageInOrder) {
  // 11 images: the last batch of 4 is not whole. Labels the network has no outputs for.
  const MemorySet set({1, 4, 4}, {0, 1, 2, 300, 4, 5, 6, 7, 8, 9, 10}, 3);
  const graph::NetworkConfig config = config_of(net_text(4, {1, 4, 4}) + convolution(3, 3, 1, "relu") +
                                                "[avgpool]\n[connected]\noutput=2\nactivation=linear\n" + kSoftmax);
  network::Network network(config, watching(1));
  start_from(5, &network);
  network.freeze();
  const TemporaryFolder folder;
  const std::string path = folder.file("f.npy");
  eval::write_features(path, &network, 3, set, 2);
  const std::string bytes = read_file(path, "the features");
  ASSERT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  const size_t length = static_cast<unsigned char>(bytes[8]) + 256 * static_cast<size_t>(bytes[9]), start = 10 + length;
  EXPECT_EQ(start % 64, 0U);
  const std::string head = bytes.substr(10, length);
  EXPECT_EQ(head.substr(0, head.find('}') + 1),
            "{'descr': [('label', '<i4'), ('features', '<f4', (3,))], 'fortran_order': False, 'shape': (11,), }");
  EXPECT_EQ(head.back(), '\n');
  ASSERT_EQ(bytes.size(), start + 11 * 16);
  for (size_t i = 0; i < 11; ++i) {
    int32_t label = 0;
    float features[3];
    std::memcpy(&label, bytes.data() + start + 16 * i, 4);
    std::memcpy(features, bytes.data() + start + 16 * i + 4, 12);
    EXPECT_EQ(label, set.label(static_cast<int64_t>(i)));
    // Alone in a batch of its own.
    std::vector<float> input(4 * config.input.size());
    data::prepare_for_evaluation(set.images[i], config.augmentation(), config.input, input.data());
    graph::Pass pass;
    pass.input = input.data();
    pass.count = 1;
    network.forward(&pass);
    for (size_t j = 0; j < 3; ++j) EXPECT_EQ(features[j], network.watched()[j]) << i;
  }
}

TEST(Features, DefaultLayerNeedsAConnectedOne) {
  const std::string head = "[convolutional]\nfilters=2\nsize=1\nactivation=linear\n[avgpool]\n";
  expect_error([&] { eval::default_feature_layer(config_of(net_text(2, kImage) + head + kSoftmax)); },
               {"no [connected]", "-layer N"});
  const std::string two = "[connected]\noutput=5\nactivation=relu\n[connected]\noutput=2\nactivation=linear\n";
  EXPECT_EQ(eval::default_feature_layer(config_of(net_text(2, kImage) + head + two + kSoftmax)), 2);
}

}  // namespace
}  // namespace dng::test
