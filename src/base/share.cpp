#include "base/share.h"

#include <filesystem>

namespace dng {

namespace fs = std::filesystem;

std::string program_path() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).string();
}

std::string share_folder() {
  static const std::string found = [] {
    const fs::path beside = fs::path(program_path()).parent_path();
    for (const fs::path& folder : {(beside / DNG_SHARE).lexically_normal(), beside}) {
      std::error_code error;
      if (fs::is_regular_file(folder / "scripts/generations.py", error)) return folder.string();
    }
    return std::string();
  }();
  return found;
}

std::string in_share(const std::string& path) {
  const std::string folder = share_folder();
  return folder.empty() || path.empty() || path[0] == '/' ? "" : folder + "/" + path;
}

}  // namespace dng
