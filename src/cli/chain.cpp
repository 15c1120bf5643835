#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/share.h"
#include "cli/verbs.h"

namespace dng::cli {

int chain(const Words& words) {
  // Debian's, which the packages of the driver's modules are for.
  const char* python = "/usr/bin/python3";
  if (share_folder().empty()) {
    fail(
        "chain: there is no scripts/generations.py beside %s; install the program with 'make install', or start "
        "scripts/generations.py in a checkout",
        program_path().c_str());
  }
  const std::string script = in_share("scripts/generations.py");
  // The driver runs this very program and calls itself by its name.
  setenv("DARKNET_GENERATIONS", program_path().c_str(), 1);
  // -B: no __pycache__ where the program is installed.
  std::vector<const char*> arguments = {python, "-B", script.c_str()};
  for (const std::string& word : words) arguments.push_back(word.c_str());
  arguments.push_back(nullptr);
  execv(python, const_cast<char**>(arguments.data()));
  fail("%s: cannot be started: %s; install python3", python, std::strerror(errno));
}

}  // namespace dng::cli
