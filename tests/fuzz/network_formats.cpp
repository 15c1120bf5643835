// Weights, states of a training, cached targets: each for one tiny network.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "network/weights.h"
#include "tests/fuzz/formats.h"
#include "tests/network/network_util.h"
#include "train/state.h"
#include "train/targets.h"

namespace dng::fuzz {
namespace {

constexpr int kClasses = 2;

// AlexeyAB's host wants a layer that reads an image. Ten parameters: make_corpus.py knows it.
network::Network& tiny_network() {
  static network::Network network(test::config_of(test::net_text(2, {1, 2, 2}) +
                                                  "[maxpool]\nsize=1\nstride=1\n[connected]\noutput=2\n"
                                                  "activation=linear\n[softmax]\n"));
  return network;
}

// What was accepted is written as it was read.
void read_weights(const std::string& bytes) {
  network::Network& network = tiny_network();
  const std::string path = file_of("a.weights", bytes);
  const std::vector<uint32_t> before = test::bits_of(network);
  try {
    network::load_weights(path, &network, network::Prefix::kAllow);
    for (const float value : test::values_of(network)) require(std::isfinite(value), "a parameter is not finite");
  } catch (const Error&) {
    require(test::bits_of(network) == before, "refused weights have changed the network");
  }
  const uint64_t seen = network::load_weights(path, &network);
  const std::string copy = file_of("copy.weights", "");
  network::save_weights(copy, network, seen);
  const std::string saved = read_file(copy, "copy"), values = saved.substr(20);
  require(bytes.size() >= values.size() && bytes.substr(bytes.size() - values.size()) == values,
          "weights are saved otherwise than they were read");
}

// As it is, and with the hash that these bytes should have.
std::string with_hash(const std::string& bytes, const network::Network& network) {
  const size_t end = bytes.find("\n\n");
  if (end == std::string::npos) return bytes;
  Hash hash;
  hash.add(bytes.data(), end + 2);
  size_t at = end + 2;
  for (const auto& layer : network.blocks()) {
    for (const host::Block& block : layer) {
      for (const float* values : {block.value, block.update, block.second}) {
        const size_t size = values != nullptr ? static_cast<size_t>(block.count) * sizeof(float) : 0;
        if (size == 0) continue;
        if (bytes.size() - at < size) return bytes;
        hash.add(bytes.data() + at, size);
        at += size;
      }
    }
  }
  return bytes.substr(0, at) + hash.hex();
}

void read_state(const std::string& bytes) {
  network::Network& network = tiny_network();
  train::iteration_of_state(file_of("a.state", bytes));
  const std::vector<uint32_t> before = test::bits_of(network);
  train::TrainingState state;
  state.identity = {{"seed", "7"}};
  try {
    train::load_state(file_of("a.state", bytes), &state, &network);
  } catch (const Error&) {
    require(test::bits_of(network) == before && state.iteration == 0, "a refused state has changed the run");
  }
  train::load_state(file_of("a.state", with_hash(bytes, network)), &state, &network);
  const std::string copy = file_of("copy.state", "");
  train::save_state(copy, state, network);
  train::TrainingState again = state;
  train::load_state(copy, &again, &network);
  require(again.iteration == state.iteration && again.rows == state.rows,
          "a state is saved otherwise than it was read");
}

void read_targets(const std::string& bytes) {
  const std::string path = file_of("a.targets", bytes);
  static const graph::NetworkConfig student = test::config_of(
      test::net_text(2, {1, 2, 2}) +
      "[maxpool]\nsize=1\nstride=1\n[connected]\noutput=2\nactivation=linear\n[distill]\ntargets=" + path + "\n");
  train::CachedTeacher teacher(student.cost().options, {{"seed", "7"}}, 2, kClasses);
  data::Batch batch;
  batch.count = 2;
  const float* rows = teacher.probabilities(batch);
  for (int b = 0; b < batch.count; ++b) {
    require(std::fabs(rows[2 * b] + rows[2 * b + 1] - 1) < 2e-3F, "probabilities do not sum to 1");
    require(rows[2 * b] >= 0 && rows[2 * b + 1] >= 0, "a probability is negative");
  }
}

}  // namespace

std::vector<Format> network_formats() {
  return {{"weights", read_weights}, {"state", read_state}, {"targets", read_targets}};
}

}  // namespace dng::fuzz
