#include "data/image_list.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "data/image_file.h"
#include "data/label_rule.h"
#include "data/text_file.h"

namespace dng::data {
namespace {

struct Entry {
  std::string path;
  int label = 0;
};

class ImageList : public Dataset {
 public:
  ImageList(std::vector<Entry> entries, uint64_t hash) : entries_(std::move(entries)), hash_(hash) {}
  int64_t size() const override { return static_cast<int64_t>(entries_.size()); }
  int label(int64_t index) const override { return entries_.at(static_cast<size_t>(index)).label; }
  void decode(int64_t index, Image* image) const override {
    decode_image_file(entries_.at(static_cast<size_t>(index)).path, image);
  }
  void decode_part(int64_t index, const ChooseRectangle& choose, Part* part) const override {
    decode_image_part(entries_.at(static_cast<size_t>(index)).path, choose, part);
  }
  std::string sample_name(int64_t index) const override { return entries_.at(static_cast<size_t>(index)).path; }
  std::string description() const override { return format("image list, %zu images", entries_.size()); }
  uint64_t hash() const override { return hash_; }

 private:
  std::vector<Entry> entries_;
  uint64_t hash_;
};

class ListReader {
 public:
  ListReader(const DataFile& data, const std::string& list) : data_(data), list_(list), rule_(data.label_names) {}

  Entry read(const TextLine& line, uint64_t* file_bytes) const {
    Entry entry;
    const ListLine parts = split_list_line(line.text);
    entry.path = parts.path;
    struct stat info {};
    check_file(entry.path, line.number, &info);
    if (access(entry.path.c_str(), R_OK) != 0) fail_unreadable(entry.path, line.number);
    if (info.st_size == 0) {
      fail("%s:%d: image %s is empty (0 bytes); get the file again or take the line out", list_.c_str(), line.number,
           entry.path.c_str());
    }
    *file_bytes = static_cast<uint64_t>(info.st_size);
    entry.label =
        parts.index.empty() ? label_from_path(entry.path, line.number) : label_from_index(parts.index, line.number);
    return entry;
  }

 private:
  [[noreturn]] void fail_unreadable(const std::string& path, int line) const {
    fail("%s:%d: image %s cannot be read: %s; correct the path (it is relative to the working directory)",
         list_.c_str(), line, path.c_str(), std::strerror(errno));
  }

  void check_file(const std::string& path, int line, struct stat* info) const {
    if (stat(path.c_str(), info) != 0) fail_unreadable(path, line);
    if (!S_ISREG(info->st_mode)) {
      fail("%s:%d: image %s is %s; give the path of a file", list_.c_str(), line, path.c_str(),
           S_ISDIR(info->st_mode) ? "a folder" : "not a regular file");
    }
  }

  int label_from_index(const std::string& index, int line) const {
    int64_t value = 0;
    if (!parse_integer(index, &value) || value < 0 || value >= data_.classes) {
      fail("%s:%d: class index %s; allowed: 0 to %d (classes = %d in %s)", list_.c_str(), line, index.c_str(),
           data_.classes - 1, data_.classes, data_.path.c_str());
    }
    return static_cast<int>(value);
  }

  int label_from_path(const std::string& path, int line) const {
    if (data_.label_names.empty()) {
      fail("%s:%d: %s has no class index and %s names no labels; add 'labels = FILE', or the index after the path",
           list_.c_str(), line, path.c_str(), data_.path.c_str());
    }
    std::string problem;
    const int label = rule_.find(path, &problem);
    if (label < 0) {
      fail("%s:%d: class of %s is unknown: %s (%zu labels in %s); rename, or add the class index after the path",
           list_.c_str(), line, path.c_str(), problem.c_str(), data_.label_names.size(), data_.labels.c_str());
    }
    return label;
  }

  const DataFile& data_;
  const std::string& list_;
  LabelRule rule_;
};

}  // namespace

ListLine split_list_line(const std::string& line) {
  const size_t blank = line.find_last_of(" \t");
  int64_t value = 0;
  if (blank == std::string::npos || !parse_integer(line.substr(blank), &value)) return {line, ""};
  struct stat info {};
  if (stat(line.c_str(), &info) == 0 && S_ISREG(info.st_mode)) return {line, ""};
  return {trim(line.substr(0, blank)), line.substr(blank + 1)};
}

std::unique_ptr<Dataset> open_image_list(const DataFile& data, const std::string& path, const std::string& role,
                                         const std::string& content) {
  const ListReader reader(data, path);
  std::vector<Entry> entries;
  Hash hash;
  for (const TextLine& line : text_lines(content)) {
    if (line.text.empty()) continue;
    uint64_t identity[2] = {0, 0};
    entries.push_back(reader.read(line, &identity[0]));
    identity[1] = static_cast<uint64_t>(entries.back().label);
    hash.add(entries.back().path);
    hash.add(identity, sizeof identity);
  }
  if (entries.empty()) {
    fail("%s (%s of %s): list has only blank lines; give one image path a line", path.c_str(), role.c_str(),
         data.path.c_str());
  }
  return std::make_unique<ImageList>(std::move(entries), hash.value());
}

}  // namespace dng::data
