#include "data/packed_set.h"

#include <cstring>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "data/gzip.h"

namespace dng::data {
namespace {

constexpr uint32_t kIdxImages = 0x00000803;
constexpr uint32_t kIdxLabels = 0x00000801;
constexpr size_t kIdxImagesHeader = 16;
constexpr size_t kIdxLabelsHeader = 8;
constexpr Geometry kCifarShape = {3, 32, 32};
constexpr size_t kCifar10Record = 1 + 3072;
constexpr size_t kCifar100Record = 2 + 3072;
constexpr int kCoarseClasses = 20;
constexpr int kFineClasses = 100;

// Where the images lie in the file.
struct Layout {
  Geometry shape;
  size_t first = 0;   // offset of the first image
  size_t stride = 0;  // from image to image
};

class PackedSet : public Dataset {
 public:
  PackedSet(std::string format_name, const std::string& path, std::string bytes, const Layout& layout,
            std::vector<int> labels)
      : format_name_(std::move(format_name)),
        file_name_(path.substr(path.find_last_of('/') + 1)),
        bytes_(std::move(bytes)),
        layout_(layout),
        labels_(std::move(labels)) {
    Hash hash;
    hash.add(format_name_);
    hash.add(bytes_);
    hash.add(labels_.data(), labels_.size() * sizeof labels_[0]);
    hash_ = hash.value();
  }

  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  int label(int64_t index) const override { return labels_.at(static_cast<size_t>(index)); }
  void decode(int64_t index, Image* image) const override {
    if (index < 0 || index >= size())
      fail("%s: there is no record %lld", file_name_.c_str(), static_cast<long long>(index));
    const size_t length = layout_.shape.size();
    image->shape = layout_.shape;
    image->planes.resize(length);
    std::memcpy(image->planes.data(), bytes_.data() + layout_.first + static_cast<size_t>(index) * layout_.stride,
                length);
  }
  std::string sample_name(int64_t index) const override {
    return format("%s record %lld", file_name_.c_str(), static_cast<long long>(index));
  }
  std::string description() const override {
    return format("%s, %zu images of %dx%dx%d", format_name_.c_str(), labels_.size(), layout_.shape.channels,
                  layout_.shape.height, layout_.shape.width);
  }
  Geometry fixed_shape() const override { return layout_.shape; }
  uint64_t hash() const override { return hash_; }

 private:
  std::string format_name_, file_name_, bytes_;
  Layout layout_;
  std::vector<int> labels_;
  uint64_t hash_ = 0;
};

// Errors name the file, and where it was asked for.
std::string where(const DataFile& data, const std::string& path, const std::string& role) {
  return format("%s (%s of %s)", path.c_str(), role.c_str(), data.path.c_str());
}

int checked_label(const std::string& place, const char* kind, size_t record, unsigned char label, int classes) {
  if (label >= classes) {
    fail("%s: record %zu (from 0): %s %d; allowed: 0 to %d; is this the right file for 'classes'?", place.c_str(),
         record, kind, label, classes - 1);
  }
  return label;
}

bool replace_last(std::string* text, size_t from, const std::string& old_part, const std::string& new_part) {
  const size_t at = text->rfind(old_part);
  if (at == std::string::npos || at < from) return false;
  text->replace(at, old_part.size(), new_part);
  return true;
}

// "train-images-idx3-ubyte.gz" -> "train-labels-idx1-ubyte.gz"; where only one of the two files is packed, the name
// with or without ".gz".
std::string idx_labels_path(const std::string& path, const std::string& place) {
  std::string labels = path;
  const size_t name = path.find_last_of('/') + 1;
  if (!replace_last(&labels, name, "images-idx3", "labels-idx1") &&
      !replace_last(&labels, name, "images.idx3", "labels.idx1")) {
    fail(
        "%s: IDX images, but the name of the labels file is unknown; allowed: a name with 'images-idx3', the labels "
        "beside it as 'labels-idx1'; rename both files",
        place.c_str());
  }
  if (file_exists(labels)) return labels;
  const bool packed = labels.size() > 3 && labels.compare(labels.size() - 3, 3, ".gz") == 0;
  std::string other = packed ? labels.substr(0, labels.size() - 3) : labels + ".gz";
  if (file_exists(other)) return other;
  fail("%s: the labels file %s is missing; put it beside the images", place.c_str(), labels.c_str());
}

std::vector<int> read_idx_labels(const DataFile& data, const std::string& images_place, const std::string& path,
                                 uint32_t images) {
  std::string bytes = read_file(path, "IDX labels");
  if (is_gzip(bytes)) bytes = gunzip(bytes, path);
  if (bytes.size() < kIdxLabelsHeader) {
    fail("%s: IDX labels: %zu bytes are too few; allowed: a header of 8 bytes and one byte a label", path.c_str(),
         bytes.size());
  }
  if (big_endian(bytes, 0, 4) != kIdxLabels) {
    fail("%s: IDX labels: magic 0x%08x; allowed: 0x%08x; get the file again", path.c_str(), big_endian(bytes, 0, 4),
         kIdxLabels);
  }
  const uint32_t count = big_endian(bytes, 4, 4);
  if (bytes.size() - kIdxLabelsHeader != count) {
    fail("%s: IDX labels: the header promises %u labels, %zu are there; get the file again", path.c_str(), count,
         bytes.size() - kIdxLabelsHeader);
  }
  if (count != images) {
    fail("%s: %u labels for the %u images of %s; allowed: as many labels as images", path.c_str(), count, images,
         images_place.c_str());
  }
  std::vector<int> labels(count);
  for (size_t i = 0; i < count; ++i) {
    labels[i] = checked_label(path, "label", i, static_cast<unsigned char>(bytes[kIdxLabelsHeader + i]), data.classes);
  }
  return labels;
}

[[noreturn]] void fail_cifar_size(const DataFile& data, const std::string& place, size_t size) {
  const size_t record = data.classes == 10 ? kCifar10Record : kCifar100Record;
  const size_t other = data.classes == 10 ? kCifar100Record : kCifar10Record;
  if (size % other == 0) {
    fail("%s: %zu bytes are records of %zu bytes (%s), but classes = %d; set %s", place.c_str(), size, other,
         data.classes == 10 ? "CIFAR-100" : "CIFAR-10", data.classes,
         data.classes == 10 ? "classes = 100 (fine) or 20 (coarse labels)" : "classes = 10");
  }
  fail(
      "%s: short record: %zu bytes are %zu records of %zu and %zu bytes over; allowed with classes = %d: a multiple of "
      "%zu (CIFAR-%d binary); get the file again",
      place.c_str(), size, size / record, record, size % record, data.classes, record, data.classes == 10 ? 10 : 100);
}

}  // namespace

bool is_idx(const std::string& bytes) {
  if (bytes.size() < 4 || bytes[0] != 0 || bytes[1] != 0 || bytes[3] < 1 || bytes[3] > 4) return false;
  // A CIFAR file whose first image is dark can start like that as well; its size or, for images, sides of 65536 pixels
  // and more give it away.
  if (big_endian(bytes, 0, 4) == kIdxImages) {
    return bytes.size() < kIdxImagesHeader || (bytes[8] == 0 && bytes[9] == 0 && bytes[12] == 0 && bytes[13] == 0);
  }
  return bytes[2] >= 8 && bytes[2] <= 14 && bytes.size() % kCifar10Record != 0 && bytes.size() % kCifar100Record != 0;
}

std::unique_ptr<Dataset> open_idx(const DataFile& data, const std::string& path, const std::string& role,
                                  std::string bytes) {
  const std::string place = where(data, path, role);
  const uint32_t magic = big_endian(bytes, 0, 4);
  if (magic != kIdxImages) {
    fail("%s: IDX with magic 0x%08x%s; allowed: 0x%08x (images of bytes)", place.c_str(), magic,
         magic == kIdxLabels ? " (labels): name the images file instead" : "", kIdxImages);
  }
  if (bytes.size() < kIdxImagesHeader) {
    fail("%s: IDX images: %zu bytes are too few; the header alone has 16; get the file again", place.c_str(),
         bytes.size());
  }
  const uint32_t count = big_endian(bytes, 4, 4);
  const uint32_t height = big_endian(bytes, 8, 4), width = big_endian(bytes, 12, 4);
  if (count == 0 || height == 0 || width == 0) {
    fail("%s: IDX images: the header says %u images of %ux%u; allowed: at least one of each", place.c_str(), count,
         height, width);
  }
  const uint64_t image = static_cast<uint64_t>(height) * width;
  const uint64_t found = bytes.size() - kIdxImagesHeader;
  if (found / image != count || found % image != 0) {
    fail(
        "%s: IDX images: the header promises %u images of %ux%u, %llu images and %llu bytes are there; get the file "
        "again",
        place.c_str(), count, height, width, static_cast<unsigned long long>(found / image),
        static_cast<unsigned long long>(found % image));
  }
  std::vector<int> labels = read_idx_labels(data, place, idx_labels_path(path, place), count);
  const Layout layout = {
      {1, static_cast<int>(height), static_cast<int>(width)}, kIdxImagesHeader, static_cast<size_t>(image)};
  return std::make_unique<PackedSet>("IDX", path, std::move(bytes), layout, std::move(labels));
}

std::unique_ptr<Dataset> open_cifar(const DataFile& data, const std::string& path, const std::string& role,
                                    std::string bytes) {
  const std::string place = where(data, path, role);
  if (data.classes != 10 && data.classes != kCoarseClasses && data.classes != kFineClasses) {
    fail(
        "%s: a binary file of %zu bytes with classes = %d; allowed: CIFAR-10 (classes = 10), CIFAR-100 (classes = 100 "
        "or 20), IDX (any), or a text file with one image path a line",
        place.c_str(), bytes.size(), data.classes);
  }
  const bool ten = data.classes == 10;
  const size_t record = ten ? kCifar10Record : kCifar100Record;
  if (bytes.size() % record != 0) fail_cifar_size(data, place, bytes.size());
  std::vector<int> labels(bytes.size() / record);
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto first = static_cast<unsigned char>(bytes[i * record]);
    const auto second = static_cast<unsigned char>(bytes[i * record + 1]);
    if (ten) {
      labels[i] = checked_label(place, "label", i, first, 10);
    } else {
      const int coarse = checked_label(place, "coarse label", i, first, kCoarseClasses);
      const int fine = checked_label(place, "fine label", i, second, kFineClasses);
      labels[i] = data.classes == kFineClasses ? fine : coarse;
    }
  }
  const Layout layout = {kCifarShape, ten ? size_t{1} : size_t{2}, record};
  const char* name = ten                            ? "CIFAR10 binary"
                     : data.classes == kFineClasses ? "CIFAR100 binary"
                                                    : "CIFAR100 binary (coarse labels)";
  return std::make_unique<PackedSet>(name, path, std::move(bytes), layout, std::move(labels));
}

}  // namespace dng::data
