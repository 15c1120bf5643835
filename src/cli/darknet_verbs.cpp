#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/verbs.h"
#include "host/host.h"
#include "layers/registry.h"

namespace dng::cli {
namespace {

// What of a cfg Darknet's own program would crash on; "": nothing, or the cfg is none of this program's.
std::string not_for_darknet(const std::string& path) {
  try {
    const graph::NetworkConfig config = layers::read_network_config(path);
    for (const graph::LayerConfig& layer : config.layers) {
      if (!layer.op->host_sections) continue;
      const std::vector<cfg::CfgSection> stand_ins = layer.op->host_sections(layer);
      if (stand_ins.size() != 1 || stand_ins[0].name != layer.op->section) return "[" + layer.op->section + "]";
    }
    return config.net.given("epoch_steps") ? "epoch_steps=" : "";
  } catch (const Error&) {
    return "";
  }
}

}  // namespace

int run_darknet(char** argv) {
  const std::string& binary = host::traits().binary;
  for (char** word = argv + 1; *word != nullptr; ++word) {
    if (!ends_with(*word, ".cfg") || !file_exists(*word)) continue;
    const std::string what = not_for_darknet(*word);
    if (what.empty()) continue;
    fail("%s: %s is unknown to %s, which has the verb '%s'; make a cfg for it with 'chain stock %s > plain.cfg'", *word,
         what.c_str(), binary.c_str(), argv[1], *word);
  }
  execv(binary.c_str(), argv);
  fail("%s: the host's own program cannot be started: %s; '%s' is its verb: install %s, or build with DARKNET_ROOT=DIR",
       binary.c_str(), std::strerror(errno), argv[1], host::traits().name);
}

}  // namespace dng::cli
