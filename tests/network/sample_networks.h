// Networks as people train them, small, and a batch for them: for tests of the optimized plan.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "cpu/parallel.h"
#include "network/network.h"
#include "tests/network/network_util.h"
#include "train/sgd.h"

namespace dng::test {

// Sections as text.
inline std::string convolution(int filters, int size, int stride, const std::string& activation,
                               bool batch_normalize = false, const std::string& more = "") {
  return format("[convolutional]\n%sfilters=%d\nsize=%d\nstride=%d\npad=1\nactivation=%s\n",
                batch_normalize ? "batch_normalize=1\n" : "", filters, size, stride, activation.c_str()) +
         more;
}
inline std::string activation_text(const std::string& name) { return "[activation]\nactivation=" + name + "\n"; }
inline std::string normalised(const std::string& activation) { return "[batchnorm]\n" + activation_text(activation); }
inline std::string shortcut(int from, const std::string& activation = "linear") {
  return format("[shortcut]\nfrom=%d\nactivation=%s\n", from, activation.c_str());
}
inline std::string route(const std::string& layers) { return "[route]\nlayers=" + layers + "\n"; }
inline std::string head(int classes = 7) {
  return format("[avgpool]\n[connected]\noutput=%d\nactivation=linear\n", classes);
}

inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// DenseNet-BC: `blocks` dense blocks of `length` layers, each of which concatenates all before it in its block.
inline std::string dense_layers(int growth, int blocks, int length) {
  std::string text;
  int count = 0, channels = 2 * growth;
  const auto add = [&](const std::string& section) {
    text += section;
    return count++;
  };
  std::string concatenated = std::to_string(add(convolution(channels, 3, 1, "linear")));
  for (int block = 0; block < blocks; ++block) {
    for (int layer = 0; layer < length; ++layer) {
      add(route(concatenated));
      add("[batchnorm]\n");
      add(activation_text("relu"));
      add(convolution(4 * growth, 1, 1, "relu", true));
      concatenated += "," + std::to_string(add(convolution(growth, 3, 1, "linear")));
      channels += growth;
    }
    add(route(concatenated));
    add("[batchnorm]\n");
    add(activation_text("relu"));
    if (block + 1 == blocks) break;
    channels /= 2;
    add(convolution(channels, 1, 1, "linear"));
    concatenated = std::to_string(add("[local_avgpool]\nsize=2\nstride=2\npadding=0\n"));
  }
  return text;
}

// Basic blocks with batch norm; where the shape changes, the projection of cfg/cifar100-resnet20.cfg.
inline std::string residual_layers(const std::vector<int>& stages, int blocks) {
  std::string text = convolution(stages[0], 3, 1, "relu", true);
  int channels = stages[0];
  for (const int filters : stages) {
    for (int block = 0; block < blocks; ++block) {
      const bool changes = filters != channels;
      text += convolution(filters, 3, changes ? 2 : 1, "relu", true) + convolution(filters, 3, 1, "linear", true);
      if (changes) {
        text += route("-3") + "[maxpool]\nsize=1\nstride=2\n" + convolution(filters, 1, 1, "linear", true) +
                shortcut(-4, "relu");
      } else {
        text += shortcut(-3, "relu");
      }
      channels = filters;
    }
  }
  return text;
}

// Images about as large as those of a data set after centring, labels, and a teacher's probabilities.
struct RandomBatch {
  std::vector<float> images, teacher;
  std::vector<int> labels;

  RandomBatch(const graph::NetworkConfig& config, uint64_t place) {
    CounterRandom random(11, Stream::kTest, place, 2);
    const auto batch = static_cast<size_t>(config.mini_batch), classes = static_cast<size_t>(config.classes());
    images.resize(batch * config.input.size());
    for (float& value : images) value = static_cast<float>(random.normal());
    for (size_t b = 0; b < batch; ++b) {
      labels.push_back(static_cast<int>(random.below(static_cast<uint32_t>(classes))));
      double sum = 0;
      std::vector<double> row(classes);
      for (double& p : row) sum += p = random.uniform(0.05, 1);
      for (const double p : row) teacher.push_back(static_cast<float>(p / sum));
    }
  }

  graph::Pass pass(bool training, int64_t steps = 0) const {
    graph::Pass pass;
    pass.training = training;
    pass.input = images.data();
    pass.labels = labels.data();
    pass.teacher = teacher.data();
    pass.count = static_cast<int>(labels.size());
    pass.seed = 3;
    pass.first_position = steps * pass.count;
    pass.steps = steps;
    return pass;
  }
};

// Parameters that differ from channel to channel, as they do after some training: fresh scales and biases are all
// alike, and would hide channels that are mixed up.
inline void start_from(uint64_t seed, network::Network* network) {
  network->initialize(seed);
  uint64_t place = 0;
  for (const graph::Parameter& p : network->parameters()) {
    CounterRandom random(seed, Stream::kTest, ++place, 3);
    const std::string name = p.name;
    for (int64_t i = 0; i < p.count; ++i) {
      if (name == "biases") p.value[i] = static_cast<float>(random.uniform(-0.3, 0.3));
      if (name == "scales") p.value[i] = static_cast<float>(random.uniform(0.6, 1.4));
    }
  }
  network->push();
}

// Forward and backward; the mean loss of an image.
inline double train_once(const RandomBatch& batch, int64_t steps, network::Network* network) {
  graph::Pass pass = batch.pass(true, steps);
  network->forward(&pass);
  network->backward(&pass);
  network->pull();
  return pass.loss / pass.count;
}

}  // namespace dng::test
