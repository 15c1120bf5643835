#include <cstring>

#include "base/error.h"
#include "host/hooks.h"

namespace dng::host {
namespace {

constexpr const char* kProbeCfg =
    "[net]\nbatch=1\nsubdivisions=1\nheight=6\nwidth=7\nchannels=2\n"
    "[convolutional]\nfilters=3\nsize=3\nstride=1\npad=1\nactivation=linear\n"
    "[convolutional]\nfilters=5\nsize=5\nstride=1\npad=1\nactivation=linear\nlearning_rate=0.25\nstopbackward=1\n";
constexpr int kProbeWidth = 7, kProbeHeight = 6;

// The type as a number: what is read at a wrong distance need not be a value of the enumeration.
int type_number(const layer& l) {
  int number = 0;
  static_assert(sizeof number == sizeof l.type, "the enumeration is stored as an int");
  std::memcpy(&number, &l.type, sizeof number);
  return number;
}

layer layer_at(const network& net, size_t bytes) {
  layer l;
  std::memcpy(static_cast<void*>(&l), reinterpret_cast<const char*>(net.layers) + bytes, sizeof l);
  return l;
}

// Compares what the library wrote with what the header lets us read. The pointer to the layers is valid only where the
// network's fields are right.
bool same_layout(const network& net, size_t layer_size) {
  if (net.n != 2 || net.w != kProbeWidth || net.h != kProbeHeight || net.batch != 1) return false;
  const layer first = layer_at(net, 0), second = layer_at(net, layer_size);
  return type_number(first) == CONVOLUTIONAL && first.n == 3 && first.size == 3 && first.w == kProbeWidth &&
         first.h == kProbeHeight && first.out_c == 3 && first.nweights == 54 && type_number(second) == CONVOLUTIONAL &&
         second.n == 5 && second.size == 5 && second.c == 3 && second.out_w == kProbeWidth && second.nweights == 375 &&
         second.learning_rate_scale == 0.25f && second.workspace_size > 0 && second.stopbackward == 1;
}

}  // namespace

size_t layer_size() { return sizeof(layer); }

void check_abi(size_t layer_size) {
  network* net = parse(kProbeCfg, false, "make a probe network");
  const bool same = same_layout(*net, layer_size);
  destroy(net);
  if (!same) {
    fail(
        "%s was built with another darknet.h than this program, whose struct layer has %zu bytes: rebuild with "
        "'make clean' and 'make DARKNET_ROOT=DIR', where DIR holds both the header and the library",
        DNG_HOST_LIBRARY, layer_size);
  }
}

}  // namespace dng::host
