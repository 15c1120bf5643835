// Features: a layer's output for every image of a set, in a file that numpy reads.
#pragma once

#include <string>

#include "data/dataset.h"
#include "network/network.h"

namespace dng::eval {

// The layer that the last [connected] reads: in the usual networks the last pooling layer. Throws Error where there is
// none.
int default_feature_layer(const graph::NetworkConfig& config);

// Writes the output of the network's watched layer, `numbers` an image, for the whole set in its order: an .npy file
// of the records (label int32, features float32[numbers]). Atomic. The labels are the set's, whatever the network's
// classes.
void write_features(const std::string& path, network::Network* network, size_t numbers, const data::Dataset& data,
                    int threads);

}  // namespace dng::eval
