// The layout of the host's structs, checked when the program starts: a header of another build of the library must end
// in one line, not in values read from the wrong places.
#include <gtest/gtest.h>

#include "host/host.h"
#include "tests/test_util.h"

namespace dng::test {
namespace {

TEST(HostAbi, TheHeaderFitsTheLibrary) { EXPECT_NO_THROW(host::check_abi()); }

TEST(HostAbi, AnotherSizeOfLayerIsRefusedWithItsCure) {
  // The right size passes through the same door, so that it is the size that is refused.
  EXPECT_NO_THROW(host::check_abi(host::layer_size()));
  for (const size_t less : {size_t{8}, size_t{16}, size_t{64}}) {
    expect_error([less] { host::check_abi(host::layer_size() - less); },
                 {"was built with another darknet.h", "make clean", "DARKNET_ROOT",
                  std::to_string(host::layer_size() - less) + " bytes"});
  }
}

}  // namespace
}  // namespace dng::test
