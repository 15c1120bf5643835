// Features: a layer's output for every image of a set, in a file that numpy reads.
#pragma once

#include <string>

#include "data/dataset.h"
#include "engine/network.h"

namespace dng {

// The layer that the last [connected] reads: in the usual networks the last pooling layer. Throws Error where there is
// none.
int default_feature_layer(const NetworkConfig& config);

// Writes the output of the network's watched layer, `numbers` an image, for the whole set in its order: an .npy file
// of the records (label int32, features float32[numbers]). Atomic. The labels are the set's, whatever the network's
// classes.
void write_features(const std::string& path, Network* network, size_t numbers, const Dataset& data, int threads);

}  // namespace dng
