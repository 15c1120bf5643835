#include "host/library.h"

#include <dlfcn.h>

#include "base/error.h"
#include "base/text.h"
#include "host/host.h"

namespace dng::host {
namespace {

// By its name alone, so that LD_LIBRARY_PATH and the program's own path are searched.
void* open_library() {
  const std::string path = DNG_HOST_LIBRARY;
  void* library = dlopen(path.substr(path.rfind('/') + 1).c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) {
    fail("Darknet's library cannot be loaded: %s; install %s, or build with DARKNET_ROOT=DIR", dlerror(),
         traits().name);
  }
  return library;
}

}  // namespace

void* find_symbol(const char* name) {
  static void* const library = open_library();
  return dlsym(library, name);
}

void* symbol(const char* name) {
  void* address = find_symbol(name);
  if (address == nullptr) fail("%s does not export %s", DNG_HOST_LIBRARY, name);
  return address;
}

std::string library_path() {
  Dl_info info{};
  return dladdr(symbol("load_network"), &info) != 0 ? info.dli_fname : "unknown";
}

}  // namespace dng::host
