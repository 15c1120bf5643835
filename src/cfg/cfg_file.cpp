#include "cfg/cfg_file.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace dng::cfg {
namespace {

// Cuts off a comment that stands behind a blank.
bool cut_comment(std::string* value) {
  for (size_t i = 0; i < value->size(); ++i) {
    const char c = (*value)[i];
    if ((c != '#' && c != ';') || (i > 0 && (*value)[i - 1] != ' ' && (*value)[i - 1] != '\t')) continue;
    *value = trim(value->substr(0, i));
    return true;
  }
  return false;
}

void add_entry(const std::string& path, const std::string& line, int number, Translations* translations,
               CfgSection* section) {
  const size_t equals = line.find('=');
  if (equals == std::string::npos) {
    fail("%s:%d: %s is neither [section] nor key=value; write key=value, or start a comment with #", path.c_str(),
         number, quoted(line).c_str());
  }
  CfgEntry entry{trim(line.substr(0, equals)), trim(line.substr(equals + 1)), number};
  if (entry.key.empty()) fail("%s:%d: %s has no key; write key=value", path.c_str(), number, quoted(line).c_str());
  entry.comment = cut_comment(&entry.value);
  const std::string where = format("%s:%d: [%s] %s", path.c_str(), number, section->name.c_str(), entry.key.c_str());
  if (entry.value.empty()) {
    translations->add(where, "has no value: ignored, as by Darknet", "has no value; give one, or remove the line");
    return;
  }
  for (const CfgEntry& other : section->entries) {
    if (other.key != entry.key) continue;
    if (other.value != entry.value) {
      const std::string before = format("was already given as %s in line %d", other.value.c_str(), other.line);
      translations->add(where + "=" + entry.value, before + ", which counts, as for Darknet",
                        before + "; keep one of them");
    }
    return;
  }
  section->entries.push_back(entry);
}

}  // namespace

CfgFile parse_cfg(const std::string& path, const std::string& text, Translations* translations) {
  CfgFile cfg{path, {}};
  if (text.find('\0') != std::string::npos) {
    fail("%s: this is a binary file, not a cfg; give a text file that starts with [net]", path.c_str());
  }
  int number = 0;
  for (const std::string& whole_line : split(without_byte_order_mark(text), '\n')) {
    const std::string line = trim(whole_line);
    ++number;
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      if (line.back() != ']' || line.size() < 3) {
        fail("%s:%d: %s is not a section; write [name]", path.c_str(), number, quoted(line).c_str());
      }
      cfg.sections.push_back({trim(line.substr(1, line.size() - 2)), number, {}});
      continue;
    }
    if (cfg.sections.empty()) {
      fail("%s:%d: %s stands before the first section; a cfg starts with [net]", path.c_str(), number,
           quoted(line).c_str());
    }
    add_entry(path, line, number, translations, &cfg.sections.back());
  }
  if (cfg.sections.empty()) fail("%s: the cfg has no sections; it must start with [net]", path.c_str());
  return cfg;
}

CfgFile read_cfg(const std::string& path, Translations* translations) {
  return parse_cfg(path, read_file(path, "the cfg"), translations);
}

}  // namespace dng::cfg
