#include "tests/fuzz/formats.h"

#include "base/error.h"
#include "tests/test_util.h"

namespace dng::fuzz {

void require(bool right, const std::string& what) {
  if (!right) throw Mistake{what};
}

std::string file_of(const std::string& name, const std::string& bytes) {
  static const test::TemporaryFolder folder;
  return folder.write(name, bytes);
}

const std::vector<Format>& all_formats() {
  static const std::vector<Format> formats = [] {
    std::vector<Format> all;
    for (const auto& some : {text_formats(), data_set_formats(), image_formats(), network_formats()}) {
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }();
  return formats;
}

void read_once(const Format& format, const std::string& bytes) {
  try {
    format.read(bytes);
  } catch (const Error& error) {
    require(*error.what() != '\0', "an error without a message");
  }
}

}  // namespace dng::fuzz
