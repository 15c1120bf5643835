// Finds the class of an image in its path.
//
// A label matches where it equals a folder of the path, or where it is the file name without its extension, or the end
// of that after a '_' ("12_apple_tree.png": the longest label that fits, "apple_tree" before "tree"). Darknet looks for
// labels anywhere in the path, so "cat" matches "cattle/1.png" there; here only whole names match.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

namespace dng::data {

class LabelRule {
 public:
  explicit LabelRule(const std::vector<std::string>& labels);
  // The class, or -1 with the reason in `problem`: no label matches, or different ones do. A folder and a file name
  // that name different labels are a problem, too: with CIFAR100's label "train", every "train/7_apple.png" would
  // otherwise become a train.
  int find(const std::string& path, std::string* problem) const;

 private:
  int lookup(const std::string& text) const;
  int find_in_file_name(const std::string& path) const;
  std::vector<std::string> labels_;
  std::unordered_map<std::string, int> class_of_;
};

}  // namespace dng::data
