// The Darknet that this program was built for. Only src/host/ knows Darknet's structs; what its two versions do
// differently is in packaged.cpp and alexeyab.cpp, of which CMake compiles one.
//
// All tensors are float32 in plain layout [batch][channels][height][width]. `delta` is Darknet's: the negative gradient
// of the summed cost, not divided by the batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/augment.h"
#include "data/image.h"
#include "math/batchnorm_rules.h"

namespace dng::host {

// Consecutive values in a .weights file. `update` is Darknet's combined gradient and momentum buffer (null for
// statistics); `second` is not the host's, but network/network.h's: Adam's second moment, or null.
struct Block {
  enum class Kind { kBias, kScale, kMean, kVariance, kWeight };
  Kind kind = Kind::kWeight;
  const char* name = "";
  float* value = nullptr;
  float* update = nullptr;
  int64_t count = 0;
  float* second = nullptr;

  // Statistics do not.
  bool learns() const { return kind != Kind::kMean && kind != Kind::kVariance; }
};

// Of each layer, in the order of the .weights file.
using Blocks = std::vector<std::vector<Block>>;

// What a layer may have. Places the blocks that a layer of this section does have in the order of the .weights file.
struct LayerBlocks {
  Block bias{Block::Kind::kBias, "biases"};
  Block scale{Block::Kind::kScale, "scales"};
  Block mean{Block::Kind::kMean, "rolling mean"};
  Block variance{Block::Kind::kVariance, "rolling variance"};
  Block weights{Block::Kind::kWeight, "weights"};

  std::vector<Block> in_file_order(const std::string& section, bool batch_normalize) const;
};

// What differs between the hosts and matters outside.
struct Traits {
  const char* id;    // "packaged" or "alexeyab": stands in .state and .targets
  const char* name;  // for people
  BatchNormRules batchnorm;
  data::EvalCrop eval_crop;
  double adam_epsilon = 1e-7;  // default of eps=
  bool shortcut_needs_equal_shapes = false;
  bool shortcut_has_alpha_beta = false;  // its own program has alpha= and beta= of [shortcut]
  bool route_has_groups = false;
  bool has_local_avgpool = false;
  bool has_scale_channels = false;
  bool has_maxpool_depth = false;       // also stride_x=, stride_y= and antialiasing= of [maxpool] and [convolutional]
  bool has_zero_activations = false;    // gives zero for some of its activations on a CPU
  bool has_reorg_extra = false;         // extra= and flatten= of [reorg]
  double dropout_probability = 0.5;     // default
  bool needs_image_layer = false;       // its parser divides by the number of layers that read several rows and columns
  bool ignores_stride_of_1x1 = false;   // its own binary evaluates a strided 1x1 convolution wrongly
  bool saves_batchnorm_biases = false;  // its own binary reads and writes the biases of a standalone [batchnorm]
  int weights_major = 0, weights_minor = 2, weights_revision = 0;  // version numbers in .weights
  std::vector<std::string> activations;
  std::vector<std::string> verbs;             // of its own binary, beside this program's
  std::vector<std::string> classifier_verbs;  // after `classifier`
  std::string binary = DNG_HOST_BINARY;       // path of its own program
};
const Traits& traits();
// Where Darknet's library was loaded from. Throws Error where it cannot be loaded.
std::string library_path();

// Bytes of the host's struct layer, as the header has it.
size_t layer_size();
// Throws Error where the library at run time was built with another layout of its structs than the header at build
// time. `layer_size` is what this program believes; a test passes a wrong one.
void check_abi();
void check_abi(size_t layer_size);

// A network that the host parsed and whose layers it made.
class Network {
 public:
  // `cfg` is a whole cfg that was checked before; `verbose` shows the host's layer table. `first`: of each layer of
  // this program, the first of the host's that stand for it, and at last how many there are; empty: one for each.
  Network(const std::string& cfg, bool verbose, std::vector<int> first = {});
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  int size() const;  // the host's layers
  int batch() const;
  // Of a layer of this program.
  data::Geometry output_shape(int layer) const;
  // The layer's parameters and statistics in the order of the .weights file.
  std::vector<Block> blocks(int layer);

  // Of a layer of the host.
  float* output(int layer);
  float* delta(int layer);

  // The host's own update; this program's is train/sgd.h. For comparison in tests.
  void update(int layer, int batch, float rate, float momentum, float decay);

  // The host's own kernels. For comparison in tests.
  void raw_forward(int layer, const float* input, bool training);
  void raw_backward(int layer, const float* input, float* input_delta);
  // The host's own save_weights and load_weights. For comparison in tests.
  void raw_save_weights(const std::string& path);
  void raw_load_weights(const std::string& path);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The host's own preparation of an image for `classifier valid`; planes 0..1 in and out. For comparison in tests.
std::vector<float> raw_eval_crop(const std::vector<float>& planes, const data::Geometry& from,
                                 const data::Geometry& to);

}  // namespace dng::host
