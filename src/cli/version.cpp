#include <dnnl.hpp>

#include "base/error.h"
#include "base/instructions.h"
#include "cli/verbs.h"
#include "host/host.h"

namespace dng::cli {

std::string version_text() {
  const dnnl_version_t* onednn = dnnl_version();
  return format(
      "darknet-generations %s\n"
      "host          %s, %s\n"
      "oneDNN        %d.%d.%d\n"
      "CUDA          %s\n"
      "instructions  %s\n",
      DNG_VERSION, host::traits().name, host::library_path().c_str(), onednn->major, onednn->minor, onednn->patch,
      DNG_CUDA_VERSION, text_of(instructions()));
}

}  // namespace dng::cli
