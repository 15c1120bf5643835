// clang-format off
// .weights files: Darknet's format, read with every check and written so that the file is whole or does not exist.
//
//   int32 major, minor, revision
//   uint64 seen         images; 4 bytes before version 0.2
//   float32, layer by layer:
//     [convolutional]   biases, (batch norm: scales, rolling mean, rolling variance), weights
//     [connected]       biases, weights, (batch norm: scales, rolling mean, rolling variance)
//     [batchnorm]       biases, scales, rolling mean, rolling variance (AlexeyAB's layout, on both Darknets)
// clang-format on
#pragma once

#include <cstdint>
#include <string>

#include "network/network.h"

namespace dng::network {

enum class Prefix { kRefuse, kAllow };

// Whether a training from weights leaves the layer as it is (dontload=1).
bool starts_fresh(const graph::LayerConfig& layer);

// Fills the network's parameters; momentum is cleared. Throws Error for a file that is not weights, is truncated or
// longer than the network needs, or holds values that are not finite; nothing is changed then. With Prefix::kAllow a
// file that ends exactly after some layer is accepted (Darknet's pretrained backbones), and the rest keep their values.
// A start from weights (kAllow) leaves layers with dontload=1 as they are, and takes weights of another number of
// classes where the last layer with parameters has dontload=1; an evaluation reads all that the file holds. Returns the
// number of images the file says were seen; *loaded_layers (may be null) how many layers were filled.
uint64_t load_weights(const std::string& path, Network* network, Prefix prefix = Prefix::kRefuse,
                      int* loaded_layers = nullptr);

// Atomic; see base/file.h.
void save_weights(const std::string& path, const Network& network, uint64_t seen);

}  // namespace dng::network
