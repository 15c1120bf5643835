#include "data/label_rule.h"

#include "base/error.h"
#include "base/text.h"

namespace dng::data {

LabelRule::LabelRule(const std::vector<std::string>& labels) : labels_(labels) {
  for (size_t i = 0; i < labels.size(); ++i) class_of_[labels[i]] = static_cast<int>(i);
}

int LabelRule::lookup(const std::string& text) const {
  const auto found = class_of_.find(text);
  return found == class_of_.end() ? -1 : found->second;
}

int LabelRule::find_in_file_name(const std::string& path) const {
  const std::string stem = base_name(path);
  int found = lookup(stem);
  for (size_t at = stem.find('_'); found < 0 && at != std::string::npos; at = stem.find('_', at + 1)) {
    found = lookup(stem.substr(at + 1));
  }
  return found;
}

int LabelRule::find(const std::string& path, std::string* problem) const {
  int found = find_in_file_name(path);
  size_t start = 0;
  for (size_t end = path.find('/'); end != std::string::npos; end = path.find('/', start)) {
    const int folder = lookup(path.substr(start, end - start));
    if (folder >= 0 && found >= 0 && folder != found) {
      *problem = format("two labels match, %s and %s", quoted(labels_[folder]).c_str(), quoted(labels_[found]).c_str());
      return -1;
    }
    if (folder >= 0) found = folder;
    start = end + 1;
  }
  if (found < 0) *problem = "no label equals a folder of the path, the file name, or the name's end after a '_'";
  return found;
}

}  // namespace dng::data
