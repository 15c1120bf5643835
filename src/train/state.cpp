#include "train/state.h"

#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace dng::train {
namespace {

constexpr const char* kMagic = "DNGSTATE 1\n";
constexpr size_t kHashDigits = 16;
// Two augmentations may differ in their last words only.
constexpr size_t kWhole = 1000;

std::string header_text(const TrainingState& s) {
  std::string text = kMagic;
  for (const auto& [name, value] : s.identity) text += "identity." + name + " " + value + "\n";
  for (const auto& [name, value] : s.machine) text += "machine." + name + " " + value + "\n";
  text +=
      format("iteration %lld\naverage_loss %a\nbest_top1 %a\nbest_epoch %lld\n", static_cast<long long>(s.iteration),
             s.average_loss, s.best_top1, static_cast<long long>(s.best_epoch));
  text += format("epoch_loss %a\nepoch_images %lld\nepoch_correct %lld\nepoch_seconds %a\n", s.epoch_loss,
                 static_cast<long long>(s.epoch_images), static_cast<long long>(s.epoch_correct), s.epoch_seconds);
  text += format("pending_epoch %lld\n", static_cast<long long>(s.pending_epoch));
  for (const std::string& row : s.rows) text += "row " + row + "\n";
  return text + "\n";
}

[[noreturn]] void fail_damaged(const std::string& path) {
  fail("%s: the state is damaged; start without -resume, or from weights: they are whole", path.c_str());
}

// Fills everything but identity and machine, which go to *found.
void parse_header(const std::string& path, const std::string& text, TrainingState* s, TrainingState* found) {
  for (const std::string& line : split(text, '\n')) {
    if (line.empty()) continue;
    const size_t blank = line.find(' ');
    const std::string key = line.substr(0, blank), value = blank == std::string::npos ? "" : line.substr(blank + 1);
    if (starts_with(key, "identity.")) {
      found->identity[key.substr(9)] = value;
    } else if (starts_with(key, "machine.")) {
      found->machine[key.substr(8)] = value;
    } else if (key == "row") {
      s->rows.push_back(value);
    } else {
      const std::map<std::string, double*> reals = {{"average_loss", &s->average_loss},
                                                    {"best_top1", &s->best_top1},
                                                    {"epoch_loss", &s->epoch_loss},
                                                    {"epoch_seconds", &s->epoch_seconds}};
      const std::map<std::string, int64_t*> integers = {{"iteration", &s->iteration},
                                                        {"best_epoch", &s->best_epoch},
                                                        {"pending_epoch", &s->pending_epoch},
                                                        {"epoch_images", &s->epoch_images},
                                                        {"epoch_correct", &s->epoch_correct}};
      const auto real = reals.find(key);
      const auto integer = integers.find(key);
      if (real != reals.end()) {
        *real->second = std::strtod(value.c_str(), nullptr);
      } else if (integer == integers.end() || !parse_integer(value, integer->second)) {
        fail_damaged(path);
      }
    }
  }
}

}  // namespace

void save_state(const std::string& path, const TrainingState& state, const network::Network& network) {
  network.pull();
  AtomicFile file(path);
  Hash hash;
  const auto put = [&](const void* data, size_t size) {
    hash.add(data, size);
    file.write(data, size);
  };
  const std::string head = header_text(state);
  put(head.data(), head.size());
  for (const auto& layer : network.blocks()) {
    for (const host::Block& block : layer) {
      const size_t bytes = static_cast<size_t>(block.count) * sizeof(float);
      put(block.value, bytes);
      if (block.update != nullptr) put(block.update, bytes);
    }
  }
  file.write(hash.hex());
  file.commit();
}

std::string load_state(const std::string& path, TrainingState* state, network::Network* network) {
  const std::string text = read_file(path, "the state");
  if (!starts_with(text, kMagic)) {
    fail("%s: this is no state of a training; remove it, or start without -resume", path.c_str());
  }
  const size_t magic = std::strlen(kMagic), end = text.find("\n\n");
  if (end == std::string::npos || text.size() < end + 2 + kHashDigits) fail_damaged(path);
  TrainingState read = *state, found;
  read.rows.clear();
  parse_header(path, text.substr(magic, end - magic), &read, &found);
  for (const auto& [name, value] : state->identity) {
    if (found.identity[name] != value) {
      fail("%s: the state is of a run with another %s: found %s, this run has %s; start without -resume, or restore it",
           path.c_str(), name.c_str(), quoted(found.identity[name], kWhole).c_str(), quoted(value, kWhole).c_str());
    }
  }
  size_t needed = end + 2 + kHashDigits;
  for (const auto& layer : network->blocks()) {
    for (const host::Block& block : layer) {
      needed += static_cast<size_t>(block.count) * sizeof(float) * (block.update != nullptr ? 2 : 1);
    }
  }
  if (text.size() != needed) fail_damaged(path);
  Hash hash;
  size_t offset = end + 2;
  hash.add(text.data(), offset);
  // The same pieces in the same order as they were written: the hash depends on where pieces end.
  for (const auto& layer : network->blocks()) {
    for (const host::Block& block : layer) {
      const size_t bytes = static_cast<size_t>(block.count) * sizeof(float);
      for (int part = 0; part < (block.update != nullptr ? 2 : 1); ++part) {
        hash.add(text.data() + offset, bytes);
        offset += bytes;
      }
    }
  }
  if (text.substr(offset) != hash.hex()) fail_damaged(path);
  offset = end + 2;
  for (const auto& layer : network->blocks()) {
    for (const host::Block& block : layer) {
      const size_t bytes = static_cast<size_t>(block.count) * sizeof(float);
      std::memcpy(block.value, text.data() + offset, bytes);
      offset += bytes;
      if (block.update == nullptr) continue;
      std::memcpy(block.update, text.data() + offset, bytes);
      offset += bytes;
    }
  }
  network->push();
  *state = read;
  // States of before there were GPUs do not name the device.
  found.machine.emplace("device", "cpu");
  std::vector<std::string> differences;
  for (const auto& [name, value] : state->machine) {
    const auto was = found.machine.find(name);
    if (was != found.machine.end() && was->second != value) {
      differences.push_back(name + " " + was->second + " -> " + value);
    }
  }
  return join(differences, ", ");
}

}  // namespace dng::train
