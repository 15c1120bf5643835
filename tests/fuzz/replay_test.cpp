// The corpus of the fuzzers, and changed copies of its files: the same on every machine, with any compiler.
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "base/file.h"
#include "base/random.h"
#include "tests/fuzz/formats.h"

namespace dng {
namespace {

constexpr int kChangesPerFormat = 500;
constexpr double kMaxSeconds = 1;  // of the processor, for inputs of some kilobytes

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// Bytes replaced, left out, or repeated; or the end cut off.
std::string changed(std::string bytes, CounterRandom* random) {
  for (uint32_t changes = 1 + random->below(3); changes > 0 && !bytes.empty(); --changes) {
    const auto size = static_cast<uint32_t>(bytes.size());
    const size_t at = random->below(size), length = 1 + random->below(std::min<uint32_t>(size, 16));
    switch (random->below(5)) {
      case 0:
        bytes[at] = static_cast<char>(random->below(256));
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << random->below(8)));
        break;
      case 2:
        bytes.erase(at, length);
        break;
      case 3:
        bytes.insert(at, bytes.substr(random->below(size), length));
        break;
      default:
        bytes.resize(at);
        break;
    }
  }
  return bytes;
}

class Corpus : public testing::TestWithParam<fuzz::Format> {
 protected:
  static std::vector<std::string> files() {
    std::vector<std::string> found;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(DNG_FUZZ_CORPUS) + "/" + GetParam().name)) {
      found.push_back(read_file(entry.path().string(), "input"));
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  static void read(const std::string& bytes) {
    const double start = processor_seconds();
    try {
      fuzz::read_once(GetParam(), bytes);
    } catch (const fuzz::Mistake& mistake) {
      ADD_FAILURE() << mistake.what << ": " << testing::PrintToString(bytes.substr(0, 1000));
    }
    EXPECT_LT(processor_seconds() - start, kMaxSeconds) << testing::PrintToString(bytes.substr(0, 1000));
  }
};

TEST_P(Corpus, IsReadOrRefused) {
  const std::vector<std::string> seeds = files();
  ASSERT_FALSE(seeds.empty());
  testing::internal::CaptureStderr();  // warnings
  CounterRandom random(1, Stream::kTest, 0, 0);
  for (const std::string& seed : seeds) read(seed);
  for (int i = 0; i < kChangesPerFormat; ++i) {
    read(changed(seeds[random.below(static_cast<uint32_t>(seeds.size()))], &random));
  }
  testing::internal::GetCapturedStderr();
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus, testing::ValuesIn(fuzz::all_formats()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace dng
