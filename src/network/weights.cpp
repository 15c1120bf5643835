#include "network/weights.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/file_view.h"

namespace dng::network {
namespace {

struct Header {
  int32_t major, minor, revision;
  uint64_t seen;
  size_t bytes;
};

Header read_header(const std::string& path, const FileView& text) {
  Header h{};
  if (text.size() < 16) {
    fail("%s: %zu bytes are too few for weights; give a .weights file that training wrote", path.c_str(), text.size());
  }
  std::memcpy(&h.major, text.data(), 4);
  std::memcpy(&h.minor, text.data() + 4, 4);
  std::memcpy(&h.revision, text.data() + 8, 4);
  if (h.major < 0 || h.major >= 1000 || h.minor < 0 || h.minor >= 1000) {
    fail("%s: this is no weights file: its version would be %d.%d; give a .weights file that training wrote",
         path.c_str(), h.major, h.minor);
  }
  if (h.major * 10 + h.minor >= 2) {
    if (text.size() < 20)
      fail("%s: the weights end within their header: the file is truncated; give a whole one", path.c_str());
    std::memcpy(&h.seen, text.data() + 12, 8);
    h.bytes = 20;
  } else {
    uint32_t seen = 0;
    std::memcpy(&seen, text.data() + 12, 4);
    h.seen = seen;
    h.bytes = 16;
  }
  return h;
}

// Of numbers that need not be aligned; `count` where all are finite.
size_t first_not_finite(const char* data, size_t count) {
  constexpr uint32_t kExponent = 0x7f800000;
  constexpr size_t kAtOnce = 4096;  // without a branch for each
  for (size_t first = 0; first < count; first += kAtOnce) {
    const size_t end = std::min(first + kAtOnce, count);
    const auto is_bad = [data](size_t i) {
      uint32_t bits = 0;
      std::memcpy(&bits, data + 4 * i, 4);
      return (bits & kExponent) == kExponent;
    };
    bool bad = false;
    for (size_t i = first; i < end; ++i) bad |= is_bad(i);
    for (size_t i = first; bad && i < end; ++i) {
      if (is_bad(i)) return i;
    }
  }
  return count;
}

size_t values_of(const Network& network, int layer) {
  size_t count = 0;
  for (const host::Block& block : network.blocks()[static_cast<size_t>(layer)]) {
    count += static_cast<size_t>(block.count);
  }
  return count;
}

bool dontload(const Network& network, int layer) {
  return starts_fresh(network.config().layers[static_cast<size_t>(layer)]);
}

// Which layers the file holds. As in Darknet, a layer with dontload=1 is missing from a file that was cut for it; a
// file that training wrote is whole.
std::vector<bool> layers_in_file(const Network& network, size_t bytes) {
  size_t whole = 0;
  std::vector<bool> in_file;
  for (int i = 0; i < network.size(); ++i) {
    in_file.push_back(!dontload(network, i));
    whole += values_of(network, i) * sizeof(float);
  }
  if (bytes == whole) in_file.assign(in_file.size(), true);
  return in_file;
}

// Where a file of `found` bytes can be of the same network with another number of classes.
struct OtherClasses {
  int layer = -1;  // the last one with parameters; -1: it cannot
  int classes = 0;
};

OtherClasses other_classes(const Network& network, size_t found) {
  int last = network.size() - 1;
  while (last > 0 && values_of(network, last) == 0) --last;
  size_t before = 0;
  for (int i = 0; i < last; ++i) before += values_of(network, i) * sizeof(float);
  const size_t values = values_of(network, last), classes = static_cast<size_t>(network.classes());
  if (values == 0 || values % classes != 0 || found <= before) return {};
  const size_t of_class = values / classes * sizeof(float), rest = found - before;
  if (rest % of_class != 0 || rest / of_class == classes) return {};
  return {last, static_cast<int>(rest / of_class)};
}

}  // namespace

bool starts_fresh(const graph::LayerConfig& layer) {
  return layer.options.has("dontload") && layer.options.flag("dontload");
}

uint64_t load_weights(const std::string& path, Network* network, Prefix prefix, int* loaded_layers) {
  const FileView text(path, "the weights file");
  const Header header = read_header(path, text);
  const size_t found = text.size() - header.bytes;

  const std::vector<bool> in_file = layers_in_file(*network, found);
  size_t needed = 0;
  int layers = 0;
  bool at_boundary = false;
  for (int i = 0; i < network->size(); ++i) {
    if (!in_file[static_cast<size_t>(i)]) continue;
    needed += values_of(*network, i) * sizeof(float);
    if (needed <= found) layers = i + 1;
    if (needed == found && found > 0) at_boundary = true;
  }
  const OtherClasses other = other_classes(*network, found);
  const bool fresh_end = prefix == Prefix::kAllow && other.layer >= 0 && dontload(*network, other.layer);
  if (fresh_end) layers = other.layer;
  const bool partial = prefix == Prefix::kAllow && (at_boundary || fresh_end);
  if (found != needed && !partial && other.layer >= 0) {
    const cfg::Options& last = network->config().layers[static_cast<size_t>(other.layer)].options;
    fail("%s: the weights are of %d classes, the network of %s has %d%s", path.c_str(), other.classes,
         network->config().path.c_str(), network->classes(),
         prefix != Prefix::kAllow
             ? "; give the weights that were trained with this cfg"
             : format("; to load all layers but the last, write dontload=1 in %s", last.where().c_str()).c_str());
  }
  if (found != needed && !partial) {
    size_t all = 0;
    for (int i = 0; i < network->size(); ++i) all += values_of(*network, i);
    fail(
        "%s: found %zu numbers%s, the network of %s needs %zu; the file is %s: give the weights that were trained with "
        "this cfg",
        path.c_str(), found / 4, found % 4 != 0 ? " and a part of one" : "", network->config().path.c_str(), all,
        found < needed ? "truncated or of another network" : "of another network");
  }
  const char* data = text.data() + header.bytes;
  const size_t bad = first_not_finite(data, found / 4);
  if (bad < found / 4) {
    fail("%s: number %zu of the weights is not finite; the training that wrote them had diverged: use an earlier file",
         path.c_str(), bad);
  }
  size_t offset = 0;
  for (int i = 0; i < layers; ++i) {
    if (!in_file[static_cast<size_t>(i)]) continue;
    for (const host::Block& block : network->blocks()[static_cast<size_t>(i)]) {
      const size_t bytes = static_cast<size_t>(block.count) * sizeof(float);
      if (!(prefix == Prefix::kAllow && dontload(*network, i))) {
        std::memcpy(block.value, data + offset, bytes);
        if (block.update != nullptr) std::memset(block.update, 0, bytes);
      }
      offset += bytes;
    }
  }
  network->push();
  if (loaded_layers != nullptr) *loaded_layers = found == needed ? network->size() : layers;
  return header.seen;
}

void save_weights(const std::string& path, const Network& network, uint64_t seen) {
  network.pull();
  AtomicFile file(path);
  const host::Traits& t = host::traits();
  const int32_t version[3] = {t.weights_major, t.weights_minor, t.weights_revision};
  file.write(version, sizeof version);
  file.write(&seen, sizeof seen);
  for (const auto& layer : network.blocks()) {
    for (const host::Block& block : layer) file.write(block.value, static_cast<size_t>(block.count) * sizeof(float));
  }
  file.commit();
}

}  // namespace dng::network
