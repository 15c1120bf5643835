#include "data/dataset.h"

#include <sys/stat.h>

#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "data/class_subset.h"
#include "data/gzip.h"
#include "data/image_file.h"
#include "data/image_list.h"
#include "data/packed_set.h"
#include "data/pixels.h"
#include "data/text_file.h"
#include "data/wrong_labels.h"

namespace dng::data {

void Dataset::decode_part(int64_t index, const ChooseRectangle& choose, Part* part) const {
  Image image;
  decode(index, &image);
  cut_part(image, choose(image.shape), part);
}

namespace {

std::unique_ptr<Dataset> open_whole(const DataFile& data, const std::string& path, const std::string& role) {
  prepare_opencv();
  if (path.empty()) {
    fail("%s: %s= is missing; name a packed set or a list of images", data.path.c_str(), role.c_str());
  }
  struct stat info {};
  if (stat(path.c_str(), &info) == 0 && (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode))) {
    fail("%s (%s of %s): is a device; give the path of a file", path.c_str(), role.c_str(), data.path.c_str());
  }
  std::string bytes = read_file(path, format("%s set of %s", role.c_str(), data.path.c_str()));
  if (is_gzip(bytes)) bytes = gunzip(bytes, path);
  if (bytes.empty()) {
    fail("%s (%s of %s): is empty (0 bytes); get the file again", path.c_str(), role.c_str(), data.path.c_str());
  }
  if (starts_with(bytes, "\xff\xd8\xff") || starts_with(bytes, "\x89PNG")) {
    fail("%s (%s of %s): is a single image; give a text file with one image path a line", path.c_str(), role.c_str(),
         data.path.c_str());
  }
  if (is_idx(bytes)) return open_idx(data, path, role, std::move(bytes));
  if (find_binary(bytes) == std::string::npos) return open_image_list(data, path, role, bytes);
  return open_cifar(data, path, role, std::move(bytes));
}

}  // namespace

std::unique_ptr<Dataset> open_dataset(const DataFile& data, const std::string& path, const std::string& role) {
  std::unique_ptr<Dataset> images = open_whole(data, path, role);
  const auto where = [&](const char* key, int count) { return format("%s: %s = %d", data.path.c_str(), key, count); };
  if (data.held_out_per_class > 0) {
    const auto part = role == "train" ? all_but_last_of_each_class : last_of_each_class;
    images = part(std::move(images), data.classes, data.held_out_per_class,
                  where("held_out_per_class", data.held_out_per_class));
  }
  if (role != "train" || data.train_per_class == 0) return images;
  return first_of_each_class(std::move(images), data.classes, data.train_per_class,
                             where("train_per_class", data.train_per_class));
}

std::unique_ptr<Dataset> open_training_set(const DataFile& data, uint64_t seed) {
  std::unique_ptr<Dataset> images = open_dataset(data, data.train, "train");
  if (data.label_noise == 0) return images;
  return with_wrong_labels(std::move(images), data.classes, data.label_noise, seed);
}

}  // namespace dng::data
