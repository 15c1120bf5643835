// The Darknet of Debian and Ubuntu (2018): forward(layer, network).
#include <cstdlib>

#include "host/hooks.h"

namespace dng::host {

const Traits& traits() {
  static const Traits traits = [] {
    Traits t;
    t.id = "packaged";
    t.name = "packaged Darknet";
    t.batchnorm = {false, 0.000001f, 0.00001f, false, 0.01f, 0.01f};
    t.eval_crop = data::EvalCrop::kCentreSquare;
    t.shortcut_has_alpha_beta = true;
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

bool strided_1x1(const layer& l) { return l.type == CONVOLUTIONAL && l.size == 1 && l.stride > 1; }

// Darknet's 1x1 convolution reads its input as if the stride were 1, so it gets the subsampled input.
struct Subsampled {
  Subsampled(const layer& original, const float* input) : l(original), source(original) {
    l.w = original.out_w;
    l.h = original.out_h;
    l.inputs = l.w * l.h * l.c;
    l.stride = 1;
    values.resize(static_cast<size_t>(l.inputs) * l.batch);
    deltas.resize(values.size());
    each([&](size_t to, size_t from) { values[to] = input[from]; });
  }
  template <class Visit>
  void each(Visit visit) const {
    const size_t planes = static_cast<size_t>(l.batch) * l.c;
    size_t to = 0;
    for (size_t p = 0; p < planes; ++p) {
      for (int y = 0; y < l.h; ++y) {
        for (int x = 0; x < l.w; ++x, ++to) {
          visit(to, (p * source.h + static_cast<size_t>(y) * source.stride) * source.w +
                        static_cast<size_t>(x) * source.stride);
        }
      }
    }
  }
  layer l;
  const layer& source;
  std::vector<float> values, deltas;
};

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
  free_network(net);
}

void buffers_changed(network*, int) {}

void raw_forward(network* net, int index, const float* input, bool training) {
  const layer& l = net->layers[index];
  l.forward(l, network_for(*net, index, input, nullptr, training));
}

void raw_backward(network* net, int index, const float* input, float* input_delta) {
  const layer& l = net->layers[index];
  l.backward(l, network_for(*net, index, input, input_delta, true));
}

void fixed_forward(network* net, int index, const float* input, bool training) {
  const layer& l = net->layers[index];
  if (!strided_1x1(l)) return raw_forward(net, index, input, training);
  Subsampled sub(l, input);
  sub.l.forward(sub.l, network_for(*net, index, sub.values.data(), nullptr, training));
}

void fixed_backward(network* net, int index, const float* input, float* input_delta) {
  const layer& l = net->layers[index];
  if (!strided_1x1(l)) return raw_backward(net, index, input, input_delta);
  Subsampled sub(l, input);
  float* delta = input_delta != nullptr ? sub.deltas.data() : nullptr;
  sub.l.backward(sub.l, network_for(*net, index, sub.values.data(), delta, true));
  if (delta != nullptr) sub.each([&](size_t from, size_t to) { input_delta[to] += delta[from]; });
}

bool overwrites_delta(const layer& l) {
  return (l.type == CONVOLUTIONAL && l.size == 1 && l.stride == 1) || l.type == ACTIVE || l.type == BATCHNORM ||
         l.type == NORMALIZATION || l.type == REORG;
}

void raw_update(const layer& l, int batch, float rate, float momentum, float decay) {
  update_args args{};
  args.batch = batch;
  args.learning_rate = rate;
  args.momentum = momentum;
  args.decay = decay;
  l.update(l, args);
}

void raw_save(network* net, char* path) { save_weights(net, path); }
void raw_load(network* net, char* path) { load_weights(net, path); }
image raw_crop(image source, int width, int height) { return center_crop_image(source, width, height); }

}  // namespace dng::host
