// A whole cfg, read strictly: [net], the layers with their shapes, and the text the host is given instead.
#pragma once

#include <string>
#include <vector>

#include "data/augment.h"
#include "graph/op.h"

namespace dng::graph {

struct NetworkConfig {
  std::string path;
  cfg::Options net;
  std::vector<LayerConfig> layers;
  data::Geometry input;
  int batch = 1;         // images in one update
  int subdivisions = 1;  // forward passes in one update
  int mini_batch = 1;    // images in one forward pass: batch / subdivisions

  int classes() const { return static_cast<int>(layers.back().out.size()); }
  const LayerConfig& cost() const { return layers.back(); }
  // Layers before it are frozen (stopbackward).
  int first_trained() const;
  data::Augmentation augmentation() const;
  // Throws Error where the input has other channels than images.
  void require_image_channels() const;
  // Throws Error where the last layer has another number of outputs than `said_by`, a file, says there are classes.
  void require_classes(int wanted, const std::string& said_by) const;
  // The cfg with our sections replaced by stand-ins and our keys taken out.
  std::string host_text() const;
};

// Throws Error for anything that is not understood; nothing is passed over.
NetworkConfig read_network_config(const std::string& path, const Ops& ops);
// The same network for another number of images in a forward pass (a teacher follows its student's).
NetworkConfig with_mini_batch(const NetworkConfig& config, int mini_batch);

// What [net] accepts.
const std::vector<cfg::OptionSpec>& net_options();

}  // namespace dng::graph
