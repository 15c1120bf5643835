// Parameters of a network that only evaluates are those that Darknet's layers have.
#include "network/own_blocks.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/error.h"
#include "tests/network/network_util.h"

namespace dng::test {
namespace {

// "layer 3: scales 16, ..."
std::string text_of(const host::Blocks& blocks) {
  std::string text;
  for (size_t layer = 0; layer < blocks.size(); ++layer) {
    text += format("layer %zu:", layer);
    for (const host::Block& block : blocks[layer]) {
      text += format(" %s %d %lld", block.name, static_cast<int>(block.kind), static_cast<long long>(block.count));
    }
    text += "\n";
  }
  return text;
}

std::string text_of_host(const graph::NetworkConfig& config) {
  const graph::NetworkConfig hosted = graph::with_mini_batch(config, 1);
  host::Network host(hosted.host_text(), false, hosted.host_layers());
  host::Blocks blocks;
  for (const graph::LayerConfig& layer : config.layers) blocks.push_back(host.blocks(layer.index));
  return text_of(blocks);
}

TEST(OwnBlocks, AreThoseOfDarknetsLayers) {
  int compared = 0;
  for (const char* folder : {"/cfg", "/tests/zoo"}) {
    for (const auto& file : std::filesystem::directory_iterator(std::string(DNG_SOURCE_DIR) + folder)) {
      const std::string path = file.path().string();
      // The large ones are made of the same layers as the small ones.
      if (file.path().extension() != ".cfg" || path.find("190") != std::string::npos) continue;
      SCOPED_TRACE(path);
      const graph::NetworkConfig config = layers::read_network_config(path, cfg::Reading::kTranslating);
      network::OwnMemory memory;
      const host::Blocks blocks = network::own_blocks(config, &memory);
      EXPECT_EQ(text_of(blocks), text_of_host(config));
      for (const auto& layer : blocks) {
        for (const host::Block& block : layer) {
          EXPECT_EQ(block.update, nullptr);
          EXPECT_EQ(block.value[0], 0);
          EXPECT_EQ(block.value[block.count - 1], 0);
        }
      }
      ++compared;
    }
  }
  EXPECT_GT(compared, 20);
}

TEST(OwnBlocks, WithDarknetsLayerTableTheNetworkIsTheHosts) {
  const std::string text = net_text(2, {3, 8, 8}) +
                           "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\npad=1\nactivation=relu\n"
                           "[connected]\noutput=5\nactivation=linear\n[softmax]\n";
  EXPECT_EQ(network::Network(config_of(text), network::NetworkSettings::evaluation()).host(), nullptr);
  EXPECT_NE(network::Network(config_of(text), network::NetworkSettings::evaluation(true)).host(), nullptr);
  EXPECT_NE(network::Network(config_of(text)).host(), nullptr);
}

}  // namespace
}  // namespace dng::test
