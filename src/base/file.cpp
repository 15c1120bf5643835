#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/file_view.h"
#include "base/share.h"
#include "base/text.h"

namespace dng {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator int() const { return descriptor_; }

 private:
  const int descriptor_;
};

int open_to_read(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  return descriptor < 0 && errno == ENOENT ? open(in_share(path).c_str(), O_RDONLY | O_CLOEXEC) : descriptor;
}

// Not with a stream, which is slower: image lists read a file for every image.
std::string read_open(int file, const std::string& path, const std::string& what) {
  struct stat info {};
  if (file < 0 || fstat(file, &info) != 0) {
    const int reason = errno;
    const std::string other = in_share(path);
    const std::string also = reason == ENOENT && !other.empty() ? ", nor is there " + other : "";
    fail("%s: %s cannot be read: %s%s; check the path", path.c_str(), what.c_str(), std::strerror(reason),
         also.c_str());
  }
  if (S_ISDIR(info.st_mode)) fail("%s: %s is a folder; give the path of a file", path.c_str(), what.c_str());
  // One byte more than the file has, so that its end is found without growing; pipes have no size.
  std::string text(std::max<size_t>(static_cast<size_t>(info.st_size) + 1, 4096), '\0');
  size_t size = 0;
  while (true) {
    const ssize_t got = read(file, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("%s: %s: reading stopped: %s", path.c_str(), what.c_str(), std::strerror(errno));
    if (got == 0) break;
    size += static_cast<size_t>(got);
    if (size == text.size()) text.resize(2 * size);
  }
  text.resize(size);
  return text;
}

}  // namespace

std::string read_file(const std::string& path, const std::string& what) {
  const Descriptor file(open_to_read(path));
  return read_open(file, path, what);
}

FileView::FileView(const std::string& path, const std::string& what) {
  const Descriptor file(open_to_read(path));
  struct stat info {};
  if (file >= 0 && fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
    size_ = static_cast<size_t>(info.st_size);
    void* mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (mapped != MAP_FAILED) mapped_ = mapped;
  }
  if (mapped_ == nullptr) text_ = read_open(file, path, what);
}

FileView::~FileView() {
  if (mapped_ != nullptr) munmap(mapped_, size_);
}

bool file_exists(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0;
}

uint64_t file_size(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

void require_writable_folder(const std::string& path, const std::string& what) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error && !std::filesystem::is_directory(path)) {
    fail("%s: %s cannot be created: %s; name a folder that can be written", path.c_str(), what.c_str(),
         error.message().c_str());
  }
  std::string probe = path + "/.write_probe_XXXXXX";
  const int descriptor = mkstemp(probe.data());
  if (descriptor < 0) {
    fail("%s: %s cannot be written: %s; name a folder that can be written", path.c_str(), what.c_str(),
         std::strerror(errno));
  }
  close(descriptor);
  unlink(probe.c_str());
}

void require_writable_file(const std::string& path, const std::string& what) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    fail("%s: %s is a folder; give the path of a file", path.c_str(), what.c_str());
  }
  const std::string folder = folder_of(path);
  struct stat info {};
  if (stat(folder.c_str(), &info) != 0 || access(folder.c_str(), W_OK) != 0) {
    fail("%s: %s cannot be written: %s; name a file in a folder that exists and can be written", path.c_str(),
         what.c_str(), std::strerror(errno));
  }
}

AtomicFile::AtomicFile(const std::string& path) : path_(path), temporary_(path + ".tmp") {
  file_ = std::fopen(temporary_.c_str(), "wb");
  if (file_ == nullptr) {
    fail("%s: cannot be written: %s; the previous file, if any, is untouched", path_.c_str(), std::strerror(errno));
  }
}

AtomicFile::~AtomicFile() {
  if (file_ != nullptr) {
    std::fclose(file_);
    unlink(temporary_.c_str());
  }
}

void AtomicFile::fail_write() {
  const int reason = errno;
  std::fclose(file_);
  file_ = nullptr;
  unlink(temporary_.c_str());
  fail(
      "%s: cannot be written: %s; the previous file, if any, is untouched; free some space and run it again, a "
      "training with -resume",
      path_.c_str(), std::strerror(reason));
}

void AtomicFile::write(const void* data, size_t size) {
  if (size > 0 && std::fwrite(data, 1, size, file_) != size) fail_write();
}

void AtomicFile::commit() {
  if (std::fflush(file_) != 0 || fsync(fileno(file_)) != 0) fail_write();
  std::FILE* file = file_;
  file_ = nullptr;
  if (std::fclose(file) != 0 || std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int reason = errno;
    unlink(temporary_.c_str());
    fail("%s: cannot be written: %s; the previous file, if any, is untouched", path_.c_str(), std::strerror(reason));
  }
  // The new name is durable only once its folder is.
  const int descriptor = open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY);
  if (descriptor >= 0) {
    fsync(descriptor);
    close(descriptor);
  }
}

void write_file(const std::string& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void Hash::add(const void* data, size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  const uint64_t prime = 0x100000001b3ull;
  while (size >= 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes, 8);
    value_ = (value_ ^ word) * prime;
    value_ ^= value_ >> 29;
    bytes += 8;
    size -= 8;
  }
  uint64_t tail = size;
  std::memcpy(reinterpret_cast<unsigned char*>(&tail) + 1, bytes, size);
  value_ = (value_ ^ tail) * prime;
  value_ ^= value_ >> 29;
}

std::string Hash::hex() const { return dng::hex(value_); }

}  // namespace dng
