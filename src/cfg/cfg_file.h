// The text of a .cfg: sections and key=value lines with their line numbers, nothing interpreted yet.
#pragma once

#include <string>
#include <vector>

#include "cfg/translations.h"

namespace dng::cfg {

struct CfgEntry {
  std::string key, value;
  int line = 0;
  bool comment = false;  // one stood behind the value
};

struct CfgSection {
  std::string name;  // without brackets
  int line = 0;
  std::vector<CfgEntry> entries;
};

struct CfgFile {
  std::string path;
  std::vector<CfgSection> sections;
};

// Reads a cfg as Darknet does: '#' and ';' start comments, also behind a blank; blanks around '=' are ignored; of a key
// given twice in one section the first counts. Throws Error for an empty or binary file, a line that is neither section
// nor key=value, and an entry before the first section. Translates keys without a value and with two values.
CfgFile read_cfg(const std::string& path, Translations* translations);
CfgFile parse_cfg(const std::string& path, const std::string& text, Translations* translations);

}  // namespace dng::cfg
