#include "base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace dng {
namespace {

bool is_at(int file, const std::string& path) {
  struct stat opened {
  }, named{};
  return fstat(file, &opened) == 0 && stat(path.c_str(), &named) == 0 && opened.st_ino == named.st_ino;
}

}  // namespace

FileLock::FileLock(const std::string& path, const std::string& what) : path_(path) {
  constexpr int kMaxAttempts = 100;  // a file system may number its files anew each time
  for (int attempt = 1;; ++attempt) {
    file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file_ < 0) fail("%s: cannot be created: %s", path.c_str(), std::strerror(errno));
    const bool held = flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    // Whoever held it before may have removed the file in between.
    const bool current = is_at(file_, path);
    if (!held && (current || attempt == kMaxAttempts)) return;
    close(file_);
    if (held) fail("%s: %s", path.c_str(), what.c_str());
  }
}

FileLock::~FileLock() {
  unlink(path_.c_str());
  close(file_);
}

}  // namespace dng
