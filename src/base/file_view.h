// A whole file that is read without a copy: mapped, unless it is a pipe. For large ones.
#pragma once

#include <cstddef>
#include <string>

namespace dng {

class FileView {
 public:
  // As read_file (base/file.h).
  FileView(const std::string& path, const std::string& what);
  ~FileView();
  FileView(const FileView&) = delete;
  FileView& operator=(const FileView&) = delete;
  const char* data() const { return mapped_ != nullptr ? static_cast<const char*>(mapped_) : text_.data(); }
  size_t size() const { return mapped_ != nullptr ? size_ : text_.size(); }

 private:
  std::string text_;
  void* mapped_ = nullptr;
  size_t size_ = 0;
};

}  // namespace dng
