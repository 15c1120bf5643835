#include "host/temporary_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace dng::host {

TemporaryFile::TemporaryFile(const std::string& text) : descriptor_(memfd_create("cfg", MFD_CLOEXEC)) {
  if (descriptor_ < 0 || write(descriptor_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    fail("the cfg could not be handed to the host: %s", std::strerror(errno));
  }
  path_ = format("/proc/self/fd/%d", descriptor_);
}

TemporaryFile::~TemporaryFile() { close(descriptor_); }

}  // namespace dng::host
