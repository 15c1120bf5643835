// AlexeyAB's fork: forward(layer, network_state), network by value.
#include <cmath>
#include <cstdlib>

#include "host/hooks.h"
#include "host/library.h"

namespace dng::host {

const Traits& traits() {
  static const Traits traits = [] {
    Traits t;
    t.id = "alexeyab";
    t.name = "AlexeyAB's Darknet";
    t.batchnorm = {true, 0.00001f, 0.00001f, true, 0.1f, 0.05f};
    t.eval_crop = data::EvalCrop::kResizeMin;
    t.adam_epsilon = 1e-6;
    t.shortcut_needs_equal_shapes = true;
    t.route_has_groups = true;
    t.has_local_avgpool = true;
    t.has_scale_channels = true;
    t.has_maxpool_depth = true;
    t.has_zero_activations = true;
    t.dropout_probability = 0.2;
    t.needs_image_layer = true;
    t.saves_batchnorm_biases = true;
    t.weights_revision = 5;
    t.activations = {"logistic", "loggy", "relu",  "relu6", "elu",   "selu",  "relie", "plse",      "hardtan", "lhtan",
                     "linear",   "ramp",  "leaky", "tanh",  "stair", "swish", "mish",  "hard_mish", "gelu"};
    t.verbs = {"3d",     "art",       "average", "captcha", "cifar",  "classify",   "coco",   "compare", "denormalize",
               "detect", "detector",  "dice",    "go",      "imtest", "nightmare",  "oneoff", "ops",     "partial",
               "reset",  "rescale",   "rgbgr",   "rnn",     "speed",  "statistics", "super",  "tag",     "test",
               "vid",    "visualize", "voxel",   "writing", "yolo",   "normalize"};
    t.classifier_verbs = {"demo", "gun",     "label",     "test",      "threat",
                          "try",  "valid10", "validcrop", "validfull", "validmulti"};
    return t;
  }();
  return traits;
}

namespace {

network_state state_for(const network& net, int index, const float* input, float* input_delta, bool training) {
  network_state state{};
  state.net = net;
  state.index = index;
  state.input = const_cast<float*>(input);
  state.delta = input_delta;
  state.workspace = net.workspace;
  state.train = training ? 1 : 0;
  return state;
}

}  // namespace

void prepare_to_parse() {
  // The first matrix product says " Used AVX " on stdout, amid whatever is printed there: let it say so here.
  for (const char* name : {"is_avx", "is_fma_avx2"}) {
    if (void* address = find_symbol(name)) reinterpret_cast<int (*)()>(address)();
  }
}

void complete(network*) {}

void destroy(network* net) {
  DARKNET(free_network_ptr)(net);
  std::free(net);
}

void raw_forward(network* net, int index, const float* input, bool training) {
  const layer& l = net->layers[index];
  l.forward(l, state_for(*net, index, input, nullptr, training));
}

void raw_backward(network* net, int index, const float* input, float* input_delta) {
  const layer& l = net->layers[index];
  l.backward(l, state_for(*net, index, input, input_delta, true));
}

void raw_update(const layer& l, int batch, float rate, float momentum, float decay) {
  l.update(l, batch, rate, momentum, decay);
}

// Exported by the library, though its header does not declare them.
void raw_save(network* net, char* path) {
  reinterpret_cast<void (*)(network, char*)>(symbol("save_weights"))(*net, path);
}
void raw_load(network* net, char* path) {
  reinterpret_cast<void (*)(network*, char*)>(symbol("load_weights"))(net, path);
}

image raw_crop(image source, int width, int height) {
  image resized = DARKNET(resize_min)(source, width);
  image crop = DARKNET(crop_image)(resized, (resized.w - width) / 2, (resized.h - height) / 2, width, height);
  if (resized.data != source.data) DARKNET(free_image)(resized);
  return crop;
}

}  // namespace dng::host
