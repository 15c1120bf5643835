#include "data/data_file.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "data/class_weights.h"
#include "data/text_file.h"

namespace dng::data {
namespace {

constexpr int kMaxClasses = 1000000, kMaxPerClass = 100000000;

struct Entry {
  std::string value;
  int line = 0;
};
using Entries = std::map<std::string, Entry>;

Entries read_entries(const std::string& path) {
  const std::vector<std::string> keys = {"classes",
                                         "train",
                                         "train_per_class",
                                         "held_out_per_class",
                                         "valid",
                                         "valid_every",
                                         "label_noise",
                                         "labels",
                                         "names",
                                         "backup",
                                         "top",
                                         "superclasses",
                                         "class_weights"};
  Entries entries;
  for (const TextLine& line : read_text_lines(path, "data file")) {
    if (line.text.empty() || line.text[0] == '#' || line.text[0] == ';') continue;
    if (line.text[0] == '[') {
      fail("%s:%d: found %s: this is a network's cfg, not a .data file; the .data file comes first, then the cfg",
           path.c_str(), line.number, quoted(line.text).c_str());
    }
    const size_t equals = line.text.find('=');
    if (equals == std::string::npos) {
      fail("%s:%d: found %s; allowed: 'key = value', a comment (#, ;) or a blank line", path.c_str(), line.number,
           quoted(line.text).c_str());
    }
    const std::string key = trim(line.text.substr(0, equals));
    const std::string value = trim(line.text.substr(equals + 1));
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      fail("%s:%d: unknown key %s; allowed: %s%s", path.c_str(), line.number, quoted(key).c_str(),
           join(keys, " ").c_str(), did_you_mean(key, keys).c_str());
    }
    if (value.empty()) {
      fail("%s:%d: key '%s' has no value; give one or take the line out", path.c_str(), line.number, key.c_str());
    }
    const auto inserted = entries.insert({key, {value, line.number}});
    if (!inserted.second) {
      fail("%s:%d: key '%s' stands twice, first in line %d; keep one of them", path.c_str(), line.number, key.c_str(),
           inserted.first->second.line);
    }
  }
  return entries;
}

int integer_in(const std::string& path, const Entries& entries, const std::string& key, int low, int high) {
  const Entry& entry = entries.at(key);
  int64_t value = 0;
  if (!parse_integer(entry.value, &value) || value < low || value > high) {
    fail("%s:%d: %s = %s; allowed: an integer from %d to %d", path.c_str(), entry.line, key.c_str(),
         quoted(entry.value).c_str(), low, high);
  }
  return static_cast<int>(value);
}

double share_in(const std::string& path, const Entries& entries, const std::string& key) {
  const Entry& entry = entries.at(key);
  double value = 0;
  if (!parse_real(entry.value, &value) || value < 0 || value > 1) {
    fail("%s:%d: %s = %s; allowed: a number from 0 to 1", path.c_str(), entry.line, key.c_str(),
         quoted(entry.value).c_str());
  }
  return value;
}

// One line a class. Whatever is wrong with the file, the error starts where the .data file names it.
std::vector<TextLine> class_lines(const DataFile& data, const Entries& entries, const std::string& key) {
  const Entry& entry = entries.at(key);
  std::vector<TextLine> lines;
  try {
    lines = read_text_lines(entry.value, key);
  } catch (const Error& error) {
    fail("%s:%d: %s", data.path.c_str(), entry.line, error.what());
  }
  for (const TextLine& line : lines) {
    if (line.text.empty()) {
      fail("%s:%d: blank line among the %s; allowed: one line for each of the %d classes", entry.value.c_str(),
           line.number, key.c_str(), data.classes);
    }
  }
  if (lines.size() > static_cast<size_t>(data.classes)) {
    show_error(format("%s:%d: %s: %s has %zu lines: those of the %d classes are the first ones, as for Darknet",
                      data.path.c_str(), entry.line, entry.value.c_str(), key.c_str(), lines.size(), data.classes)
                   .c_str());
    lines.resize(static_cast<size_t>(data.classes));
  }
  if (lines.size() != static_cast<size_t>(data.classes)) {
    fail("%s:%d: %s: %s has %zu lines; allowed: one for each of the %d classes; correct the file or 'classes'",
         data.path.c_str(), entry.line, entry.value.c_str(), key.c_str(), lines.size(), data.classes);
  }
  return lines;
}

std::vector<std::string> read_labels(const DataFile& data, const Entries& entries) {
  std::vector<std::string> labels;
  std::unordered_map<std::string, int> seen;
  for (const TextLine& line : class_lines(data, entries, "labels")) {
    const auto inserted = seen.insert({line.text, line.number});
    if (!inserted.second) {
      fail("%s:%d: label %s stands twice, first in line %d; every class needs a label of its own", data.labels.c_str(),
           line.number, quoted(line.text).c_str(), inserted.first->second);
    }
    labels.push_back(line.text);
  }
  return labels;
}

std::vector<int> read_superclasses(const DataFile& data, const Entries& entries) {
  std::vector<int> superclass_of;
  for (const TextLine& line : class_lines(data, entries, "superclasses")) {
    int64_t value = 0;
    if (!parse_integer(line.text, &value) || value < 0 || value >= data.classes) {
      fail("%s:%d: superclass %s; allowed: an index from 0 to %d", data.superclasses.c_str(), line.number,
           quoted(line.text).c_str(), data.classes - 1);
    }
    superclass_of.push_back(static_cast<int>(value));
  }
  return superclass_of;
}

std::vector<std::string> display_names(const DataFile& data, const Entries& entries) {
  std::vector<std::string> names;
  if (!data.names.empty()) {
    for (const TextLine& line : class_lines(data, entries, "names")) names.push_back(line.text);
  } else if (!data.label_names.empty()) {
    names = data.label_names;
  } else {
    for (int i = 0; i < data.classes; ++i) names.push_back("class " + std::to_string(i));
  }
  return names;
}

}  // namespace

DataFile read_data_file(const std::string& path) {
  const Entries entries = read_entries(path);
  const auto value = [&](const char* key) {
    const auto found = entries.find(key);
    return found == entries.end() ? std::string() : found->second.value;
  };
  DataFile data;
  data.path = path;
  if (entries.count("classes") == 0) {
    fail("%s: key 'classes' is missing; add 'classes = N' with N from 2 to %d", path.c_str(), kMaxClasses);
  }
  data.classes = integer_in(path, entries, "classes", 2, kMaxClasses);
  data.top = std::min(data.classes, entries.count("top") != 0 ? integer_in(path, entries, "top", 1, kMaxClasses) : 5);
  if (data.top < 5 && entries.count("top") != 0 && entries.at("top").value != std::to_string(data.top)) {
    show_error(format("%s:%d: top = %s: there are %d classes, so it is %d", path.c_str(), entries.at("top").line,
                      entries.at("top").value.c_str(), data.classes, data.top)
                   .c_str());
  }
  data.train = value("train");
  if (entries.count("train_per_class") != 0) {
    data.train_per_class = integer_in(path, entries, "train_per_class", 1, kMaxPerClass);
  }
  data.valid = value("valid");
  if (entries.count("held_out_per_class") != 0) {
    data.held_out_per_class = integer_in(path, entries, "held_out_per_class", 1, kMaxPerClass);
    if (!data.valid.empty()) {
      fail("%s:%d: held_out_per_class and valid= (line %d) exclude each other; keep one of them", path.c_str(),
           entries.at("held_out_per_class").line, entries.at("valid").line);
    }
    data.valid = data.train;
  }
  if (entries.count("valid_every") != 0) {
    data.valid_every = integer_in(path, entries, "valid_every", 1, kMaxPerClass);
  }
  if (entries.count("label_noise") != 0) data.label_noise = share_in(path, entries, "label_noise");
  data.labels = value("labels");
  data.names = value("names");
  data.backup = value("backup");
  data.superclasses = value("superclasses");
  if (!data.labels.empty()) data.label_names = read_labels(data, entries);
  data.display_names = display_names(data, entries);
  if (!data.superclasses.empty()) data.superclass_of = read_superclasses(data, entries);
  if (const auto found = entries.find("class_weights"); found != entries.end()) {
    data.class_weights =
        read_class_weights(format("%s:%d", path.c_str(), found->second.line), found->second.value, data.classes);
  }
  return data;
}

}  // namespace dng::data
