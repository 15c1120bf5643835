// The text of a .cfg: sections and key=value lines with their line numbers, nothing interpreted yet.
#pragma once

#include <string>
#include <vector>

namespace dng::cfg {

struct CfgEntry {
  std::string key, value;
  int line = 0;
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

// Reads a cfg as Darknet does ('#' and ';' start comment lines, blanks around '=' are ignored), but throws Error for
// what Darknet passes over: an empty or binary file, a line that is neither section nor key=value, an entry before the
// first section, an empty value, a key given twice in one section (both lines are named).
CfgFile read_cfg(const std::string& path);
CfgFile parse_cfg(const std::string& path, const std::string& text);

}  // namespace dng::cfg
