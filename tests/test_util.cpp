#include "tests/test_util.h"

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"

#ifdef __SANITIZE_THREAD__
// OpenCV registers GDAL's drivers on first use, and GDAL takes its own two locks in both orders; no code of this
// project is in it.
extern "C" const char* __tsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __tsan_default_suppressions() { return "deadlock:libgdal.so\n"; }  // NOLINT
#endif
#if defined(__SANITIZE_ADDRESS__)
// As tests/lsan.supp, for this program itself.
extern "C" const char* __lsan_default_suppressions();   // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions() {  // NOLINT
  return "leak:libdarknet.so\nleak:libgomp.so\nleak:libgdal.so\nleak:libopencv_core.so\nleak:libdnnl.so\n";
}
#endif

namespace dng::test {

TemporaryFolder::TemporaryFolder() {
  std::string path = (std::filesystem::temp_directory_path() / "dng_test_XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("no temporary folder can be made");
  path_ = path;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::file(const std::string& name) const {
  const std::filesystem::path path = std::filesystem::path(path_) / name;
  std::filesystem::create_directories(path.parent_path());
  return path.string();
}

std::string TemporaryFolder::write(const std::string& name, const std::string& content) const {
  std::string path = file(name);
  std::ofstream stream(path, std::ios::binary);
  stream << content;
  stream.close();
  if (!stream) throw std::runtime_error(path + ": the test cannot write it");
  return path;
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << "an error has one line: " << message;
    EXPECT_FALSE(message.empty());
    return message;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "expected an Error, got: " << error.what();
    return "";
  }
  ADD_FAILURE() << "expected an Error, got none";
  return "";
}

void expect_error(const std::function<void()>& action, const std::vector<std::string>& parts) {
  const std::string message = error_of(action);
  for (const std::string& part : parts) {
    EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' is not in: " << message;
  }
}

data::DataFile data_with_classes(int classes, const std::vector<std::string>& labels) {
  data::DataFile data;
  data.path = "test.data";
  data.classes = classes;
  data.labels = labels.empty() ? "" : "test.labels";
  data.label_names = labels;
  return data;
}

std::string big_endian_32(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

data::Image pattern_image(const data::Geometry& shape, int seed) {
  data::Image image;
  image.shape = shape;
  image.planes.resize(shape.size());
  size_t at = 0;
  for (int c = 0; c < shape.channels; ++c) {
    for (int y = 0; y < shape.height; ++y) {
      for (int x = 0; x < shape.width; ++x, ++at) {
        image.planes[at] = static_cast<uint8_t>((seed * 37 + c * 101 + y * 13 + x * 7 + x * y) % 251 + 1);
      }
    }
  }
  return image;
}

std::string planes_text(const data::Image& image) { return {image.planes.begin(), image.planes.end()}; }

std::string cifar10_record(int label, const data::Image& image) {
  return static_cast<char>(label) + planes_text(image);
}

std::string cifar100_record(int coarse, int fine, const data::Image& image) {
  return static_cast<char>(coarse) + (static_cast<char>(fine) + planes_text(image));
}

std::string idx_images(const std::vector<data::Image>& images) {
  const data::Geometry shape = images.empty() ? data::Geometry{1, 28, 28} : images[0].shape;
  std::string bytes = big_endian_32(0x00000803) + big_endian_32(static_cast<uint32_t>(images.size()));
  bytes += big_endian_32(static_cast<uint32_t>(shape.height)) + big_endian_32(static_cast<uint32_t>(shape.width));
  for (const data::Image& image : images) bytes += planes_text(image);
  return bytes;
}

std::string idx_labels(const std::vector<int>& labels) {
  std::string bytes = big_endian_32(0x00000801) + big_endian_32(static_cast<uint32_t>(labels.size()));
  for (const int label : labels) bytes += static_cast<char>(label);
  return bytes;
}

std::string gzip(const std::string& content) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("zlib cannot pack");
  }
  std::string packed(deflateBound(&stream, static_cast<uLong>(content.size())) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int status = deflate(&stream, Z_FINISH);
  packed.resize(packed.size() - stream.avail_out);
  deflateEnd(&stream);
  if (status != Z_STREAM_END) throw std::runtime_error("zlib cannot pack");
  return packed;
}

void write_image(const std::string& path, const data::Image& image) {
  const int height = image.shape.height, width = image.shape.width;
  cv::Mat pixels(height, width, CV_8UC3);
  const size_t plane = static_cast<size_t>(height) * width;
  const size_t step = image.shape.channels == 3 ? plane : 0;
  for (size_t i = 0; i < plane; ++i) {
    uint8_t* pixel = pixels.data + 3 * i;
    pixel[2] = image.planes[i];
    pixel[1] = image.planes[i + step];
    pixel[0] = image.planes[i + 2 * step];
  }
  if (!cv::imwrite(path, pixels)) throw std::runtime_error(path + ": the test cannot write it");
}

std::string source_path(const std::string& name) { return std::string(DNG_SOURCE_DIR) + "/" + name; }

namespace {

bool has_cifar100(const std::string& folder) {
  return file_size(folder + "/train.bin") == 50000 * 3074 && file_size(folder + "/test.bin") == 10000 * 3074;
}

// Unpacking takes seconds and every test may run in a process of its own, so the files stay for the next one. They get
// their final name by one rename, so that tests may run at the same time.
std::string unpack(const std::string& archive, const std::string& inner, const std::string& name,
                   const std::function<bool(const std::string&)>& complete) {
  std::string kept =
      (std::filesystem::temp_directory_path() / ("dng_test_" + name + "_" + std::to_string(getuid()))).string();
  if (complete(kept)) return kept;
  const TemporaryFolder folder;
  const std::string command = "tar -xJf '" + archive + "' -C '" + folder.path() + "'";
  if (std::system(command.c_str()) != 0) throw std::runtime_error(archive + ": cannot be unpacked");
  std::error_code lost_the_race;
  std::filesystem::rename(folder.path() + "/" + inner, kept, lost_the_race);
  if (!complete(kept)) throw std::runtime_error(kept + ": has not all files; remove the folder");
  return kept;
}

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(folder, missing)) files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::string cifar100_folder() {
  std::string fetched = source_path("data/cifar-100");
  if (has_cifar100(fetched)) return fetched;
  const std::string archive = source_path("../shared/data/cifar-100-binary.tar.xz");
  if (file_exists(archive)) return unpack(archive, "cifar-100-binary", "cifar100", has_cifar100);
  std::cout << fetched << ", " << archive << ": are not there; tests on the real CIFAR100 are skipped\n";
  return "";
}

std::vector<std::string> photographs() {
  const std::string archive = source_path("../shared/data/ilsvrc2012-1300.tar.xz");
  if (!file_exists(archive)) {
    std::cout << archive << ": is not there; tests on real photographs are skipped\n";
    return {};
  }
  const auto complete = [](const std::string& folder) { return files_in(folder + "/images").size() == 1300; };
  return files_in(unpack(archive, "ilsvrc2012-1300", "photographs", complete) + "/images");
}

std::string fashion_mnist_folder() {
  std::string folder = "/usr/share/datasets/fashion-mnist";
  if (file_exists(folder + "/t10k-images-idx3-ubyte.gz")) return folder;
  std::cout << folder << ": is not there (Debian's dataset-fashion-mnist); tests on it are skipped\n";
  return "";
}

}  // namespace dng::test
