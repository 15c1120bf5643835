// libFuzzer's entry; FUZZ_FORMAT names the format.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/formats.h"

namespace {

const dng::fuzz::Format* chosen = nullptr;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***);
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* name = std::getenv("FUZZ_FORMAT");
  for (const dng::fuzz::Format& format : dng::fuzz::all_formats()) {
    if (name != nullptr && format.name == name) chosen = &format;
  }
  if (chosen != nullptr) return 0;
  std::fprintf(stderr, "FUZZ_FORMAT=%s; allowed:", name == nullptr ? "" : name);
  for (const dng::fuzz::Format& format : dng::fuzz::all_formats()) std::fprintf(stderr, " %s", format.name.c_str());
  std::fprintf(stderr, "\n");
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t*, size_t);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    dng::fuzz::read_once(*chosen, std::string(reinterpret_cast<const char*>(data), size));
  } catch (const dng::fuzz::Mistake& mistake) {
    std::fprintf(stderr, "%s: %s\n", chosen->name.c_str(), mistake.what.c_str());
    std::abort();
  }
  return 0;
}
