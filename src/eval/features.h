// Features: a layer's output for every image of a set, as a numpy file.
#pragma once

#include <string>

#include "data/dataset.h"
#include "network/network.h"

namespace dng::eval {

// The layer that the last [connected] reads: in the usual networks the last pooling layer. Throws Error where there is
// none.
int default_feature_layer(const graph::NetworkConfig& config);

// Writes the output of the network's watched layer, `size` values an image, for the whole set in its order: an .npy
// file of records (label int32, features float32[size]). Atomic. The labels are the set's, whatever the network's
// classes.
void write_features(const std::string& path, network::Network* network, size_t size, const data::Dataset& data,
                    int threads);

}  // namespace dng::eval
