#include "data/image_paths.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "data/image_list.h"
#include "data/text_file.h"

namespace dng::data {
namespace {

namespace fs = std::filesystem;

// Of the formats that OpenCV reads.
bool has_image_ending(const fs::path& path) {
  static const std::vector<std::string> endings = {".jpg",  ".jpeg", ".jpe", ".jp2", ".png", ".bmp",  ".dib",
                                                   ".webp", ".pbm",  ".pgm", ".ppm", ".pnm", ".tiff", ".tif",
                                                   ".sr",   ".ras",  ".exr", ".hdr", ".pic", ".avif"};
  std::string ending = path.extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::count(endings.begin(), endings.end(), ending) > 0;
}

void add_folder(const std::string& folder, std::vector<std::string>* paths) {
  std::vector<std::string> found;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::follow_directory_symlink, error), end;
  for (; !error && entry != end; entry.increment(error)) {
    std::error_code unknown;
    if (has_image_ending(entry->path()) && !entry->is_directory(unknown)) found.push_back(entry->path().string());
  }
  if (error) fail("%s: the folder cannot be read: %s; check its permissions", folder.c_str(), error.message().c_str());
  if (found.empty()) fail("%s: the folder has no images; give one that has, or paths of images", folder.c_str());
  std::sort(found.begin(), found.end());
  paths->insert(paths->end(), found.begin(), found.end());
}

bool is_list(const std::string& path) {
  std::error_code error;
  if (has_image_ending(path) || !fs::is_regular_file(path, error)) return false;
  constexpr size_t kLookedAt = 4096;
  std::string start(kLookedAt, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(start.data(), kLookedAt);
  start.resize(static_cast<size_t>(file.gcount()));
  return !start.empty() && find_binary(start) == std::string::npos;
}

void add_list(const std::string& path, const std::string& content, std::vector<std::string>* paths) {
  const size_t before = paths->size();
  for (const TextLine& line : text_lines(content)) {
    if (!line.text.empty()) paths->push_back(split_list_line(line.text).path);
  }
  if (paths->size() == before) fail("%s: the list has no paths; write one a line", path.c_str());
}

}  // namespace

std::vector<std::string> image_paths(const std::vector<std::string>& arguments) {
  std::vector<std::string> paths;
  for (const std::string& argument : arguments) {
    std::error_code error;
    if (argument == "-") {
      add_list("standard input", read_file("/dev/stdin", "the list of images"), &paths);
    } else if (fs::is_directory(argument, error)) {
      add_folder(argument, &paths);
    } else if (is_list(argument)) {
      add_list(argument, read_file(argument, "the list of images"), &paths);
    } else {
      paths.push_back(argument);
    }
  }
  return paths;
}

}  // namespace dng::data
