// Hands text to a function that wants the name of a file, without touching the disk.
#pragma once

#include <string>

namespace dng::host {

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  char* path() { return path_.data(); }

 private:
  int descriptor_;
  std::string path_;
};

}  // namespace dng::host
