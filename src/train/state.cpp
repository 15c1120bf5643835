#include "train/state.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace dng::train {
namespace {

constexpr const char* kMagic = "DNGSTATE 1\n";
constexpr size_t kHashDigits = 16;
constexpr size_t kMaxQuoted = 1000;  // two augmentations may differ only at their ends

// One of the numbers in the header; the other pointer is null.
struct Field {
  const char* name;
  double* real;
  int64_t* integer;
};

std::vector<Field> fields_of(TrainingState* s) {
  return {{"iteration", nullptr, &s->iteration},
          {"average_loss", &s->average_loss, nullptr},
          {"best_top1", &s->best_top1, nullptr},
          {"best_epoch", nullptr, &s->best_epoch},
          {"epoch_loss", &s->epoch_loss, nullptr},
          {"epoch_images", nullptr, &s->epoch_images},
          {"epoch_correct", nullptr, &s->epoch_correct},
          {"epoch_seconds", &s->epoch_seconds, nullptr},
          {"pending_epoch", nullptr, &s->pending_epoch},
          {"statistics_from", nullptr, &s->statistics_from},
          {"started", nullptr, &s->started}};
}

std::string header_text(TrainingState s) {
  std::string text = kMagic;
  for (const auto& [name, value] : s.identity) text += "identity." + name + " " + value + "\n";
  for (const auto& [name, value] : s.machine) text += "machine." + name + " " + value + "\n";
  for (const Field& field : fields_of(&s)) {
    text += field.real != nullptr ? format("%s %a\n", field.name, *field.real)
                                  : format("%s %lld\n", field.name, static_cast<long long>(*field.integer));
  }
  for (const std::string& row : s.rows) text += "row " + row + "\n";
  return text + "\n";
}

// A block's values, or a state of the optimizer.
struct Span {
  float* data;
  size_t bytes;
};

// In the order of the file. A hash depends on where its parts end: one for each span.
std::vector<Span> spans_of(const network::Network& network) {
  std::vector<Span> spans;
  for (const auto& layer : network.blocks()) {
    for (const host::Block& block : layer) {
      const size_t bytes = static_cast<size_t>(block.count) * sizeof(float);
      for (float* values : {block.value, block.update, block.second}) {
        if (values != nullptr) spans.push_back({values, bytes});
      }
    }
  }
  return spans;
}

[[noreturn]] void fail_damaged(const std::string& path) {
  fail("%s: the state is damaged; start without -resume, or from weights: they are whole", path.c_str());
}

// The lines of a state before its parameters, with the empty line that ends them, which a damaged one may lack; ""
// where the file is no state.
std::string read_head(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string head, line;
  while (!ends_with(head, "\n\n") && std::getline(file, line)) {
    head += line + "\n";
    if (!starts_with(head, kMagic)) return "";
  }
  if (!file.is_open() || file.bad()) fail("%s: the state cannot be read: %s", path.c_str(), std::strerror(errno));
  return head;
}

// Fills everything but identity and machine, which go to *found.
void parse_head(const std::string& path, const std::string& head, TrainingState* s, TrainingState* found) {
  const std::vector<Field> fields = fields_of(s);
  for (const std::string& line : split(head.substr(std::strlen(kMagic)), '\n')) {
    if (line.empty()) continue;
    const auto [key, value] = split_once(line, ' ');
    if (starts_with(key, "identity.")) {
      found->identity[key.substr(9)] = value;
    } else if (starts_with(key, "machine.")) {
      found->machine[key.substr(8)] = value;
    } else if (key == "row") {
      s->rows.push_back(value);
    } else {
      const auto field =
          std::find_if(fields.begin(), fields.end(), [&, &name = key](const Field& f) { return name == f.name; });
      if (field != fields.end() && field->real != nullptr) {
        *field->real = std::strtod(value.c_str(), nullptr);
      } else if (field == fields.end() || !parse_integer(value, field->integer)) {
        fail_damaged(path);
      }
    }
  }
}

void check_identity(const std::string& path, const TrainingState& run, TrainingState* found) {
  // What older states do not name.
  found->identity.insert({{"class_weights", "none"}, {"label_smooth_eps", "0"}, {"optimizer", "sgd"}});
  const auto shards = run.identity.find("shards");
  if (shards != run.identity.end()) found->identity.insert(*shards);
  for (const auto& [name, value] : run.identity) {
    if (found->identity[name] != value) {
      fail("%s: the state is of a run with another %s: found %s, this run has %s; start without -resume, or restore it",
           path.c_str(), name.c_str(), quoted(found->identity[name], kMaxQuoted).c_str(),
           quoted(value, kMaxQuoted).c_str());
    }
  }
}

// Copies the parameters that follow the header to the network; nothing where they are damaged.
void load_parameters(const std::string& path, const std::string& text, size_t header, network::Network* network) {
  const std::vector<Span> spans = spans_of(*network);
  size_t needed = header + kHashDigits;
  for (const Span& span : spans) needed += span.bytes;
  if (text.size() != needed) fail_damaged(path);
  Hash hash;
  size_t offset = header;
  hash.add(text.data(), offset);
  for (const Span& span : spans) {
    hash.add(text.data() + offset, span.bytes);
    offset += span.bytes;
  }
  if (text.substr(offset) != hash.hex()) fail_damaged(path);
  offset = header;
  for (const Span& span : spans) {
    std::memcpy(span.data, text.data() + offset, span.bytes);
    offset += span.bytes;
  }
  network->push();
}

std::string differences_of(const TrainingState& run, TrainingState* found) {
  // Older states do not name the device.
  found->machine.emplace("device", "cpu");
  std::vector<std::string> differences;
  for (const auto& [name, value] : run.machine) {
    const auto was = found->machine.find(name);
    if (was != found->machine.end() && was->second != value) {
      differences.push_back(name + " " + was->second + " -> " + value);
    }
  }
  return join(differences, ", ");
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
  for (const Span& span : spans_of(network)) put(span.data, span.bytes);
  file.write(hash.hex());
  file.commit();
}

int64_t iteration_of_state(const std::string& path) {
  const std::string head = read_head(path);
  if (!ends_with(head, "\n\n")) return -1;
  TrainingState state, found;
  parse_head(path, head, &state, &found);
  return state.iteration;
}

std::string load_state(const std::string& path, TrainingState* state, network::Network* network) {
  const std::string text = read_file(path, "the state"), head = read_head(path);
  if (head.empty()) fail("%s: this is no state of a training; remove it, or start without -resume", path.c_str());
  if (!ends_with(head, "\n\n") || text.size() < head.size() + kHashDigits) fail_damaged(path);
  TrainingState read = *state, found;
  read.rows.clear();
  parse_head(path, head, &read, &found);
  check_identity(path, *state, &found);
  load_parameters(path, text, head.size(), network);
  *state = read;
  return differences_of(*state, &found);
}

}  // namespace dng::train
