// The Darknet of Debian and Ubuntu (2018): forward(layer, network).
#include <cstdlib>

#include "host/hooks.h"
#include "host/library.h"

namespace dng::host {

const Traits& traits() {
  static const Traits traits = [] {
    Traits t;
    t.id = "packaged";
    t.name = "packaged Darknet";
    t.batchnorm = {false, 0.000001f, 0.00001f, false, 0.01f, 0.01f};
    t.eval_crop = data::EvalCrop::kCentreSquare;
    t.shortcut_has_alpha_beta = true;
    t.has_reorg_extra = true;
    t.ignores_stride_of_1x1 = true;
    t.activations = {"logistic", "loggy", "relu",   "elu",  "selu",  "relie", "plse",
                     "hardtan",  "lhtan", "linear", "ramp", "leaky", "tanh",  "stair"};
    t.verbs = {"3d",         "art",       "average", "cifar",   "classify",   "coco",      "denormalize",
               "detect",     "detector",  "go",      "imtest",  "isegmenter", "lsd",       "mkimg",
               "nightmare",  "normalize", "oneoff",  "oneoff2", "ops",        "partial",   "print",
               "regressor",  "rescale",   "reset",   "rgbgr",   "rnn",        "segmenter", "speed",
               "statistics", "super",     "tag",     "test",    "visualize",  "yolo"};
    t.classifier_verbs = {"csv",    "demo", "fout",    "gun",       "label",     "test",
                          "threat", "try",  "valid10", "validcrop", "validfull", "validmulti"};
    return t;
  }();
  return traits;
}

namespace {

// The header's callbacks want a whole network; they read these fields of it.
network network_for(const network& net, int index, const float* input, float* input_delta, bool training) {
  network view = net;
  view.index = index;
  view.input = const_cast<float*>(input);
  view.delta = input_delta;
  view.truth = nullptr;
  view.train = training ? 1 : 0;
  return view;
}

}  // namespace

void prepare_to_parse() {}

void complete(network* net) {
  for (int i = 0; i < net->n; ++i) {
    layer& l = net->layers[i];
    if (l.type != BATCHNORM) continue;
    const size_t count = static_cast<size_t>(l.outputs) * l.batch;
    l.x = static_cast<float*>(std::calloc(count, sizeof(float)));
    l.x_norm = static_cast<float*>(std::calloc(count, sizeof(float)));
    l.mean_delta = static_cast<float*>(std::calloc(static_cast<size_t>(l.c), sizeof(float)));
    l.variance_delta = static_cast<float*>(std::calloc(static_cast<size_t>(l.c), sizeof(float)));
  }
}

void destroy(network* net) {
  std::free(net->seen);
  std::free(net->t);
  std::free(net->cost);
  std::free(net->workspace);
  std::free(net->steps);
  std::free(net->scales);
  DARKNET(free_network)(net);
}

void raw_forward(network* net, int index, const float* input, bool training) {
  const layer& l = net->layers[index];
  l.forward(l, network_for(*net, index, input, nullptr, training));
}

void raw_backward(network* net, int index, const float* input, float* input_delta) {
  const layer& l = net->layers[index];
  l.backward(l, network_for(*net, index, input, input_delta, true));
}

void raw_update(const layer& l, int batch, float rate, float momentum, float decay) {
  update_args args{};
  args.batch = batch;
  args.learning_rate = rate;
  args.momentum = momentum;
  args.decay = decay;
  l.update(l, args);
}

void raw_save(network* net, char* path) { DARKNET(save_weights)(net, path); }
void raw_load(network* net, char* path) { DARKNET(load_weights)(net, path); }
image raw_crop(image source, int width, int height) { return DARKNET(center_crop_image)(source, width, height); }

}  // namespace dng::host
