// The data pipeline from image lists to the network's input, compared with its limit, libjpeg-turbo that only decodes.
// Both go through the same images, interleaved; rates are images per second of processor time, so per core. The
// pipeline is the program's training stream: read and check the file, random resized crop, mirror, values. The limit
// decodes whole images to RGB from memory, with the library's defaults.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <thread>
// After cstdio, which it needs and does not include.
#include <jpeglib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/arguments.h"
#include "data/data_file.h"
#include "data/stream.h"

namespace dng::bench {
namespace {

const char* const kSynopsis = "DATA [-enlarge WIDTHxHEIGHT] [-count N] [-threads T] [-repetitions N] [-seconds S]";
constexpr int kBatch = 16;
constexpr int kQuality = 90;  // of enlarged images
const data::Geometry kNetwork = {3, 224, 224};

// Of all threads together, so other programs do not count.
double cpu_seconds_of(const std::function<void()>& work) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double start = now();
  work();
  return now() - start;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// The training set, and its files as they are listed.
struct ImageSet {
  std::unique_ptr<data::Dataset> data;
  std::vector<std::string> files;  // their bytes
};

ImageSet open_set(const data::DataFile& data) {
  ImageSet set;
  set.data = data::open_dataset(data, data.train, "train");
  for (int64_t i = 0; i < set.data->size(); ++i) {
    set.files.push_back(read_file(set.data->sample_name(i), "image"));
    if (!starts_with(set.files.back(), "\xff\xd8")) {
      fail("%s: not a JPEG; the limit exists for JPEGs only", set.data->sample_name(i).c_str());
    }
  }
  return set;
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    path_ = (std::filesystem::temp_directory_path() / "image_pipeline_XXXXXX").string();
    if (mkdtemp(path_.data()) == nullptr) fail("%s: cannot be created", path_.c_str());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The first `count` images resized, in a separate folder.
ImageSet enlarge(const ImageSet& set, size_t count, int width, int height, const std::string& folder) {
  data::DataFile data;
  data.path = folder + "/enlarged.data";
  data.classes = 2;
  data.train = folder + "/list.txt";
  std::string list;
  for (size_t i = 0; i < std::min(count, set.files.size()); ++i) {
    const std::string& bytes = set.files[i];
    const cv::Mat raw(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<char*>(bytes.data()));
    cv::Mat enlarged;
    cv::resize(cv::imdecode(raw, cv::IMREAD_COLOR), enlarged, {width, height}, 0, 0, cv::INTER_CUBIC);
    const std::string path = format("%s/%zu.jpg", folder.c_str(), i);
    if (!cv::imwrite(path, enlarged, {cv::IMWRITE_JPEG_QUALITY, kQuality})) fail("%s: cannot be written", path.c_str());
    list += path + " 0\n";
  }
  write_file(data.train, list);
  return open_set(data);
}

void decode(const std::string& bytes, std::vector<uint8_t>* pixels) {
  jpeg_decompress_struct info = {};
  jpeg_error_mgr errors = {};
  info.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&info, TRUE);
  info.out_color_space = JCS_RGB;
  jpeg_start_decompress(&info);
  const size_t stride = 3 * static_cast<size_t>(info.output_width);
  pixels->resize(std::max(pixels->size(), stride * info.output_height));
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = pixels->data() + stride * info.output_scanline;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
}

// Every thread decodes its share of `images` images.
void run_limit(const ImageSet& set, int64_t images, int threads) {
  std::vector<std::thread> workers;
  workers.reserve(static_cast<size_t>(threads));
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      std::vector<uint8_t> pixels;
      for (int64_t i = t; i < images; i += threads) {
        decode(set.files[static_cast<size_t>(i) % set.files.size()], &pixels);
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
}

void run_pipeline(const ImageSet& set, int64_t images, int threads) {
  data::Augmentation augmentation;
  augmentation.own = augmentation.random_resized_crop = augmentation.mirror = true;
  data::TrainingStream stream(*set.data, augmentation, kNetwork, 0, kBatch, 0, images, threads);
  for (int64_t i = 0; i < images; i += kBatch) stream.next();
}

void measure(const ImageSet& set, const std::string& name, int threads, int repetitions, double seconds) {
  const auto count = static_cast<int64_t>(set.files.size());
  // Warms up both and finds how many images fill the time.
  run_pipeline(set, count, threads);
  const double once = cpu_seconds_of([&] { run_limit(set, count, threads); });
  const int64_t images = std::max<int64_t>(count, static_cast<int64_t>(static_cast<double>(count) * seconds / once));
  std::vector<double> pipeline, limit, ratios;
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    const double pipeline_time = cpu_seconds_of([&] { run_pipeline(set, images, threads); });
    const double limit_time = cpu_seconds_of([&] { run_limit(set, images, threads); });
    pipeline.push_back(static_cast<double>(images) / pipeline_time);
    limit.push_back(static_cast<double>(images) / limit_time);
    ratios.push_back(pipeline_time / limit_time);
  }
  std::printf("%-24s %7d %10.0f %10.0f %8.2f\n", name.c_str(), threads, median(pipeline), median(limit),
              median(ratios));
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  const cli::Arguments arguments(std::vector<std::string>(argv + 1, argv + argc), kSynopsis,
                                 std::string("image_pipeline ") + kSynopsis);
  const std::string size = arguments.text("-enlarge", "500x375");
  const std::vector<std::string> sides = split(size, 'x');
  int64_t width = 0, height = 0;
  if (sides.size() != 2 || !parse_integer(sides[0], &width) || !parse_integer(sides[1], &height) || width < 1 ||
      height < 1 || width > 8192 || height > 8192) {
    fail_usage("-enlarge %s: allowed is WIDTHxHEIGHT, each from 1 to 8192; usage: %s", quoted(size).c_str(),
               arguments.usage().c_str());
  }
  const auto count = static_cast<size_t>(arguments.integer("-count", 400, 1, 1 << 20));
  const int threads = static_cast<int>(arguments.integer("-threads", 1, 1, 1024));
  const int repetitions = static_cast<int>(arguments.integer("-repetitions", 5, 1, 1000));
  const double seconds = arguments.real("-seconds", 2, 0, 1e6);
  const ImageSet listed = open_set(data::read_data_file(arguments.positional()[0]));
  std::printf("%-24s %7s %10s %10s %8s\n", "images per core second", "threads", "pipeline", "decoding", "ratio");
  measure(listed, format("%zu as listed", listed.files.size()), threads, repetitions, seconds);
  const TemporaryFolder folder;
  const ImageSet enlarged = enlarge(listed, count, static_cast<int>(width), static_cast<int>(height), folder.path());
  measure(enlarged, format("%zu of %s", enlarged.files.size(), size.c_str()), threads, repetitions, seconds);
  return 0;
}

}  // namespace
}  // namespace dng::bench

int main(int argc, char** argv) {
  try {
    return dng::bench::run(argc, argv);
  } catch (const dng::Error& error) {
    std::fprintf(stderr, "image_pipeline: %s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "image_pipeline: %s\n", error.what());
    return 1;
  }
}
