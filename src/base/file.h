// Files: whole reads, writes that either happen completely or not at all, and content hashes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace dng {

// The whole file; `what` names its role in the error ("cfg file", "weights"). Folders and unreadable files are refused.
// A relative path that the current folder does not have is read below share_folder().
std::string read_file(const std::string& path, const std::string& what);
bool file_exists(const std::string& path);
uint64_t file_size(const std::string& path);
// Creates the folder (and its parents) where missing and checks that a file can be written there.
void require_writable_folder(const std::string& path, const std::string& what);
// Throws Error where `path` is a folder or its folder is missing; to be called before the work.
void require_writable_file(const std::string& path, const std::string& what);

// A file that appears under its name only when it is complete: written to `path`.tmp, synced, renamed. A failed write
// (full disk, quota, I/O error) throws and leaves the previous file as it was; the destructor removes the leftover.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(const void* data, size_t size);
  void write(const std::string& text) { write(text.data(), text.size()); }
  void commit();

 private:
  [[noreturn]] void fail_write();
  std::string path_, temporary_;
  std::FILE* file_ = nullptr;
};

// Writes text atomically.
void write_file(const std::string& path, const std::string& text);

// 64-bit FNV-1a over 8-byte words: for telling files apart by accident, not against an attacker.
class Hash {
 public:
  void add(const void* data, size_t size);
  void add(const std::string& text) { add(text.data(), text.size()); }
  uint64_t value() const { return value_; }
  std::string hex() const;

 private:
  uint64_t value_ = 0xcbf29ce484222325ull;
};

}  // namespace dng
