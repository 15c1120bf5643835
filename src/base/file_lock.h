// A lock that one process holds: two trainings do not write the same files.
#pragma once

#include <string>

namespace dng {

class FileLock {
 public:
  // Creates `path` and locks it until the destructor removes it; a process that ends otherwise leaves an unlocked file.
  // Throws Error where another process holds it: "PATH: <what>". File systems without locks are not protected.
  FileLock(const std::string& path, const std::string& what);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  std::string path_;
  int file_ = -1;
};

}  // namespace dng
