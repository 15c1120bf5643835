#include "eval/features.h"

#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/finite.h"
#include "eval/run_over.h"

namespace dng::eval {
namespace {

// Version 1.0 of numpy's format: magic, version, length of the text, the text; in all a multiple of 64 bytes.
std::string npy_header(int64_t records, size_t size) {
  std::string text =
      format("{'descr': [('label', '<i4'), ('features', '<f4', (%zu,))], 'fortran_order': False, 'shape': (%lld,), }",
             size, static_cast<long long>(records));
  constexpr size_t kPrefix = 10, kMultiple = 64;
  text.append(kMultiple - 1 - (kPrefix + text.size()) % kMultiple, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(text.size() & 0xff);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

}  // namespace

int default_feature_layer(const graph::NetworkConfig& config) {
  for (size_t i = config.layers.size(); i-- > 0;) {
    const graph::LayerConfig& layer = config.layers[i];
    if (layer.op->section == "connected" && layer.sources[0] >= 0) return layer.sources[0];
  }
  fail(
      "%s: no [connected] reads a layer, so there is no last one before it; name the layer of the features with "
      "-layer N",
      config.path.c_str());
}

void write_features(const std::string& path, network::Network* network, size_t size, const data::Dataset& data,
                    int threads) {
  const size_t bytes = size * sizeof(float);
  AtomicFile file(path);
  file.write(npy_header(data.size(), size));
  std::string records;
  run_over({network}, data, threads, "features", [&](const data::Batch& batch, const graph::Pass&) {
    records.clear();
    for (size_t b = 0; b < static_cast<size_t>(batch.count); ++b) {
      if (!all_finite(network->watched() + b * size, size)) {
        fail("%s: the features of %s are not finite; train with a lower learning_rate=, or use earlier weights",
             path.c_str(), data.sample_name(batch.samples[b]).c_str());
      }
      const int32_t label = batch.labels[b];
      records.append(reinterpret_cast<const char*>(&label), sizeof label);
      records.append(reinterpret_cast<const char*>(network->watched() + b * size), bytes);
    }
    file.write(records);
  });
  file.commit();
}

}  // namespace dng::eval
