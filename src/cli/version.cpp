#include <dlfcn.h>

#include <dnnl.hpp>

#include "base/error.h"
#include "base/instructions.h"
#include "cli/verbs.h"
#include "host/host.h"

namespace dng::cli {

std::string version_text() {
  // The library that was loaded, which need not be the one that the program was linked with.
  Dl_info host{};
  const void* entry = dlsym(RTLD_DEFAULT, "load_network");
  const bool found = entry != nullptr && dladdr(entry, &host) != 0;
  const dnnl_version_t* onednn = dnnl_version();
  return format(
      "darknet-generations %s\n"
      "host          %s, %s\n"
      "oneDNN        %d.%d.%d\n"
      "CUDA          %s\n"
      "instructions  %s\n",
      DNG_VERSION, host::traits().name, found ? host.dli_fname : "unknown", onednn->major, onednn->minor, onednn->patch,
      DNG_CUDA_VERSION, text_of(instructions()));
}

}  // namespace dng::cli
