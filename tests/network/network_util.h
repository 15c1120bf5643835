// Small networks and data sets in memory, for tests of everything that runs a network.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "data/dataset.h"
#include "graph/network_config.h"
#include "layers/registry.h"
#include "network/network.h"
#include "tests/test_util.h"

namespace dng::test {

// A labelled set whose images are random, or what the test puts there.
class MemorySet final : public data::Dataset {
 public:
  MemorySet(const data::Geometry& shape, std::vector<int> labels, uint64_t seed)
      : identity(seed), labels_(std::move(labels)) {
    for (size_t i = 0; i < labels_.size(); ++i) {
      CounterRandom random(seed, Stream::kTest, i, 0);
      data::Image image{shape, std::vector<uint8_t>(shape.size())};
      for (uint8_t& byte : image.planes) byte = static_cast<uint8_t>(random.below(256));
      images.push_back(std::move(image));
    }
  }
  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  int label(int64_t index) const override { return labels_[static_cast<size_t>(index)]; }
  void decode(int64_t index, data::Image* image) const override { *image = images[static_cast<size_t>(index)]; }
  std::string sample_name(int64_t index) const override { return "sample " + std::to_string(index); }
  std::string description() const override { return "in memory"; }
  uint64_t hash() const override { return identity; }
  data::Geometry fixed_shape() const override { return packed ? images[0].shape : data::Geometry{}; }

  bool packed = false;  // all images have one shape, and say so
  std::vector<data::Image> images;
  uint64_t identity;

 private:
  std::vector<int> labels_;
};

// The cfg of that text, read as from a file named test.cfg.
inline graph::NetworkConfig config_of(const std::string& text, cfg::Reading reading = cfg::Reading::kTranslating) {
  const TemporaryFolder folder;
  return layers::read_network_config(folder.write("test.cfg", text), reading);
}

inline std::string net_text(int batch, const data::Geometry& input, const std::string& more = "") {
  return "[net]\nbatch=" + std::to_string(batch) + "\nsubdivisions=1\nheight=" + std::to_string(input.height) +
         "\nwidth=" + std::to_string(input.width) + "\nchannels=" + std::to_string(input.channels) + "\n" + more;
}

inline std::vector<float> values_of(const network::Network& network) {
  std::vector<float> values;
  for (const auto& layer : network.blocks()) {
    for (const host::Block& block : layer) values.insert(values.end(), block.value, block.value + block.count);
  }
  return values;
}

inline void copy_values(const network::Network& from, network::Network* to) {
  for (size_t layer = 0; layer < from.blocks().size(); ++layer) {
    for (size_t i = 0; i < from.blocks()[layer].size(); ++i) {
      const host::Block& block = from.blocks()[layer][i];
      std::copy_n(block.value, block.count, to->blocks()[layer][i].value);
    }
  }
  to->push();
}

// Every value of the network: weights, then gradient and momentum buffers, bit for bit.
inline std::vector<uint32_t> bits_of(const network::Network& network) {
  std::vector<uint32_t> bits;
  const auto add = [&bits](const float* from, int64_t count) {
    if (from == nullptr) return;
    const size_t start = bits.size();
    bits.resize(start + static_cast<size_t>(count));
    std::memcpy(bits.data() + start, from, static_cast<size_t>(count) * sizeof(float));
  };
  for (const auto& layer : network.blocks()) {
    for (const host::Block& block : layer) {
      add(block.value, block.count);
      add(block.update, block.count);
    }
  }
  return bits;
}

// Other values in every block, momentum and statistics included; variances stay above zero.
inline void scramble(network::Network* network, uint64_t seed) {
  uint64_t number = 0;
  for (const auto& layer : network->blocks()) {
    for (const host::Block& block : layer) {
      CounterRandom random(seed, Stream::kTest, ++number, 1);
      for (int64_t i = 0; i < block.count; ++i) {
        block.value[i] = static_cast<float>(random.uniform(0.1, 1));
        if (block.update != nullptr) block.update[i] = static_cast<float>(random.uniform(-1, 1));
      }
    }
  }
}

}  // namespace dng::test
