// A whole cfg: [net], the layers with their shapes, what was translated, and the text that Darknet parses instead.
#pragma once

#include <string>
#include <vector>

#include "data/augment.h"
#include "graph/op.h"

namespace dng::graph {

struct NetworkConfig {
  std::string path;
  cfg::Translations translations{cfg::Reading::kStrict};
  cfg::Options net;
  std::vector<LayerConfig> layers;
  data::Geometry input;
  cfg::Options crop;     // of a [crop] as first section; its input is `frame`, and the network's is what it cuts out
  data::Geometry frame;  // height and width of [net]; without a [crop] the network's input
  int batch = 1;         // images in one update
  int subdivisions = 1;  // forward passes in one update
  int mini_batch = 1;    // images in one forward pass: batch / subdivisions
  int shards = 1;        // parts of a mini-batch that are summed apart, on the CPU (cpu/shards.h)
  int ranks = 1;         // processes that share a mini-batch: mini_batch and shards are the share of each

  int classes() const { return static_cast<int>(layers.back().out.size()); }
  const LayerConfig& cost() const { return layers.back(); }
  // Layers before it are frozen (stopbackward).
  int first_trained() const;
  data::Augmentation augmentation() const;
  // Throws Error where the input has other channels than images.
  void require_image_channels() const;
  // Throws Error where the last layer does not have `wanted` outputs, the classes that the file `said_by` names.
  void require_classes(int wanted, const std::string& said_by) const;
  // The cfg with this program's sections replaced by stand-ins and its keys removed.
  std::string host_text() const;
  // Of each layer, Darknet's number of its first stand-in; one number more than layers, which is the end.
  std::vector<int> host_layers() const;
};

// Throws Error for anything that is neither followed nor translated.
NetworkConfig read_network_config(const std::string& path, const Ops& ops, cfg::Reading reading);
// The same network for another number of images in a forward pass.
NetworkConfig with_mini_batch(const NetworkConfig& config, int mini_batch);
// The config of each of the processes that share its mini-batches.
NetworkConfig shared_by(const NetworkConfig& config, int ranks);
// Shards of so many images where a cfg does not say how many.
int default_shards(int mini_batch);

// What [net] accepts.
const std::vector<cfg::OptionSpec>& net_options();

}  // namespace dng::graph
