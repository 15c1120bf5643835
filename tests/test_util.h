// Helpers the tests share: temporary folders, small data files of every format, the real data sets, and errors.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/data_file.h"
#include "data/image.h"

namespace dng::test {

// A folder that is gone when the test is over.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  // Where a file of that name lies; folders in the name are made.
  std::string file(const std::string& name) const;
  // Writes the file and returns its path.
  std::string write(const std::string& name, const std::string& content) const;

 private:
  std::string path_;
};

// The message of the Error that `action` throws. Without an Error, or where the message is not one line, the test
// fails.
std::string error_of(const std::function<void()>& action);
// The same, and the message has every one of `parts`.
void expect_error(const std::function<void()>& action, const std::vector<std::string>& parts);

// A data file as the reader would have made it.
data::DataFile data_with_classes(int classes, const std::vector<std::string>& labels = {});

std::string big_endian_32(uint32_t value);
// An image whose byte at (channel, y, x) differs from its neighbours', and with `seed`.
data::Image pattern_image(const data::Geometry& shape, int seed);
std::string planes_text(const data::Image& image);
std::string cifar10_record(int label, const data::Image& image);
std::string cifar100_record(int coarse, int fine, const data::Image& image);
std::string idx_images(const std::vector<data::Image>& images);
std::string idx_labels(const std::vector<int>& labels);
std::string gzip(const std::string& content);
// The image as a file, in the format its extension names.
void write_image(const std::string& path, const data::Image& image);

// DNG_SOURCE_DIR/name.
std::string source_path(const std::string& name);
// The folder with CIFAR100's train.bin and test.bin: data/cifar-100 (scripts/get_cifar100.sh), or unpacked from the
// archive beside the checkout; empty where neither is there.
std::string cifar100_folder();
// The paths of 1,300 real photographs of 227x227 pixels (JPEG), in order; none where their archive is not beside the
// checkout.
std::vector<std::string> photographs();
// Where Debian's dataset-fashion-mnist lies; empty where it is not installed.
std::string fashion_mnist_folder();

}  // namespace dng::test
