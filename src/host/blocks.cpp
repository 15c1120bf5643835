#include "host/host.h"

namespace dng::host {

// A standalone [batchnorm] is read and written in AlexeyAB's layout on both hosts, because the packaged one leaves the
// biases out and its networks then could not be restored.
std::vector<Block> LayerBlocks::in_file_order(const std::string& section, bool batch_normalize) const {
  if (section == "batchnorm") return {bias, scale, mean, variance};
  if (section == "local") return {bias, weights};
  if (section != "convolutional" && section != "connected") return {};
  if (!batch_normalize) return {bias, weights};
  if (section == "connected") return {bias, weights, scale, mean, variance};
  return {bias, scale, mean, variance, weights};
}

}  // namespace dng::host
