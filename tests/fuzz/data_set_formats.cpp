// Packed sets, plain and gzipped, and lists of images.
#include "base/error.h"
#include "base/text.h"
#include "data/dataset.h"
#include "tests/fuzz/formats.h"
#include "tests/test_util.h"

namespace dng::fuzz {
namespace {

void open(const std::string& path, int classes) {
  const data::DataFile data = test::data_with_classes(classes, {"cat", "dog"});
  const std::unique_ptr<data::Dataset> set = data::open_dataset(data, path, "train");
  require(set->size() > 0, "a set without images");
  data::Image image;
  for (int64_t i = 0; i < set->size(); ++i) {
    require(set->label(i) >= 0 && set->label(i) < classes, "a label is not within the classes");
    set->decode(i, &image);
    require(image.planes.size() == image.shape.size() && image.shape.size() > 0, "an image without pixels");
  }
  set->hash();
}

// As images with three labels, and as the labels of two images of 1x1.
void read_idx(const std::string& bytes) {
  const std::string images = file_of("images-idx3", bytes);
  file_of("labels-idx1", test::idx_labels({0, 1, 2}));
  try {
    open(images, 3);
  } catch (const Error&) {  // the other file is tried, too
  }
  file_of("images-idx3", test::idx_images({{{1, 1, 1}, {7}}, {{1, 1, 1}, {8}}}));
  file_of("labels-idx1", bytes);
  open(images, 3);
}

void read_cifar(const std::string& bytes) {
  const std::string path = file_of("a.bin", bytes);
  for (const int classes : {10, 20}) {
    try {
      open(path, classes);
    } catch (const Error&) {  // the other formats are tried, too
    }
  }
  open(path, 100);
}

// Beside the list lie cat/1.png, dog.png and "a 1.png".
void read_list(const std::string& bytes) {
  static const std::string folder = [] {
    for (const char* name : {"cat/1.png", "dog.png", "a 1.png"}) {
      test::write_image(file_of(name, ""), test::pattern_image({3, 2, 2}, 1));
    }
    return folder_of(file_of("here", ""));
  }();
  // Paths are relative to the working directory.
  std::string text;
  for (const std::string& line : split(bytes, '\n')) text += folder + line + "\n";
  try {
    open(file_of("list.txt", text), 2);
  } catch (const Error&) {  // as it is, too
  }
  open(file_of("list.txt", bytes), 2);
}

}  // namespace

std::vector<Format> data_set_formats() { return {{"idx", read_idx}, {"cifar", read_cifar}, {"list", read_list}}; }

}  // namespace dng::fuzz
