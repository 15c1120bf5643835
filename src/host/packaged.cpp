// The Darknet of Debian and Ubuntu (2018): forward(layer, network).
#include <darknet.h>
#undef SECRET_NUM

#include "host/host.h"
#include "host/layer_access.h"
#include "host/quiet.h"
#include "host/temporary_file.h"

namespace dng::host {

const Traits& traits() {
  static const Traits traits = [] {
    Traits t{};
    t.id = "packaged";
    t.name = "packaged Darknet";
    t.batchnorm = {false, 0.000001f, 0.00001f, false, 0.01f, 0.01f};
    t.eval_crop = data::EvalCrop::kCentreSquare;
    t.shortcut_needs_equal_shapes = false;
    t.shortcut_has_alpha_beta = true;
    t.route_has_groups = false;
    t.has_local_avgpool = false;
    t.has_scale_channels = false;
    t.needs_image_layer = false;
    t.ignores_stride_of_1x1 = true;
    t.saves_batchnorm_biases = false;
    t.weights_major = 0;
    t.weights_minor = 2;
    t.weights_revision = 0;
    t.activations = {"logistic", "loggy", "relu",   "elu",  "selu",  "relie", "plse",
                     "hardtan",  "lhtan", "linear", "ramp", "leaky", "tanh",  "stair"};
    t.verbs = {"3d",         "art",       "average", "cifar",   "classify",   "coco",      "denormalize",
               "detect",     "detector",  "go",      "imtest",  "isegmenter", "lsd",       "mkimg",
               "nightmare",  "normalize", "oneoff",  "oneoff2", "ops",        "partial",   "print",
               "regressor",  "rescale",   "reset",   "rgbgr",   "rnn",        "segmenter", "speed",
               "statistics", "super",     "tag",     "test",    "visualize",  "yolo"};
    t.classifier_verbs = {"csv",    "demo", "fout",    "gun",       "label",     "test",
                          "threat", "try",  "valid10", "validcrop", "validfull", "validmulti"};
    t.binary = DNG_HOST_BINARY;
    return t;
  }();
  return traits;
}

struct Network::State {
  network* net = nullptr;
  OwnBuffers own;
};

namespace {

network* parse(const std::string& cfg, bool verbose, const char* doing) {
  gpu_index = -1;
  TemporaryFile file(cfg);
  const Quiet quiet(doing, !verbose);
  return load_network(file.path(), nullptr, 0);
}

// The packaged host leaves some buffers behind; what it forgets is ours to free.
void destroy(network* net) {
  std::free(net->seen);
  std::free(net->t);
  std::free(net->cost);
  std::free(net->workspace);
  std::free(net->steps);
  std::free(net->scales);
  free_network(net);
}

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

// The host's 1x1 convolution reads its input as if the stride were 1. So it is given what the stride leaves.
struct Subsampled {
  explicit Subsampled(const layer& original) : l(original), source(original) {
    l.w = original.out_w;
    l.h = original.out_h;
    l.inputs = l.w * l.h * l.c;
    l.stride = 1;
    values.resize(static_cast<size_t>(l.inputs) * l.batch);
    deltas.resize(values.size());
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
  void gather(const float* input) {
    each([&](size_t to, size_t from) { values[to] = input[from]; });
  }
  layer l;
  const layer& source;
  std::vector<float> values, deltas;
};

bool overwrites_delta(const layer& l) {
  return (l.type == CONVOLUTIONAL && l.size == 1) || l.type == ACTIVE || l.type == BATCHNORM ||
         l.type == NORMALIZATION || l.type == REORG;
}

}  // namespace

size_t layer_size() { return sizeof(layer); }

void check_abi() { check_abi(layer_size()); }

void check_abi(size_t layer_size) {
  network* net = parse(kProbeCfg, false, "make a probe network");
  const bool fits = net->n == 2 && net->w == kProbeWidth && net->h == kProbeHeight && net->batch == 1;
  try {
    if (!fits)
      fail("%s was built with another darknet.h than this program: rebuild with 'make clean' and 'make'",
           DNG_HOST_LIBRARY);
    require_same_layout(net->layers, layer_size, kProbeWidth, kProbeHeight, DNG_HOST_LIBRARY);
  } catch (...) {
    destroy(net);
    throw;
  }
  destroy(net);
}

Network::Network(const std::string& cfg, bool verbose) : state_(new State) {
  state_->net = parse(cfg, verbose, "parse the cfg");
  for (int i = 0; i < state_->net->n; ++i) {
    layer& l = state_->net->layers[i];
    if (l.type != BATCHNORM) continue;
    // Never allocated by this host, and used by its kernels.
    const size_t count = static_cast<size_t>(l.outputs) * l.batch;
    l.x = static_cast<float*>(std::calloc(count, sizeof(float)));
    l.x_norm = static_cast<float*>(std::calloc(count, sizeof(float)));
    l.mean_delta = static_cast<float*>(std::calloc(static_cast<size_t>(l.c), sizeof(float)));
    l.variance_delta = static_cast<float*>(std::calloc(static_cast<size_t>(l.c), sizeof(float)));
  }
}

Network::~Network() {
  state_->own.restore(state_->net->layers);
  destroy(state_->net);
}

int Network::size() const { return state_->net->n; }
int Network::batch() const { return state_->net->batch; }
data::Geometry Network::output_shape(int index) const { return shape_of(state_->net->layers[index]); }
float* Network::output(int index) { return state_->net->layers[index].output; }
float* Network::delta(int index) { return state_->net->layers[index].delta; }

void Network::set_buffers(int index, float* output, float* delta) {
  state_->own.replace(state_->net->layers, index, output, delta);
}

std::vector<Block> Network::blocks(int index) { return blocks_of(state_->net->layers[index]); }

void Network::forward(int index, const float* input, bool training, int64_t steps) {
  layer& l = state_->net->layers[index];
  RollingStatistics rolling(l, training, steps, traits().batchnorm.rolling_rate);
  if (strided_1x1(l)) {
    Subsampled sub(l);
    sub.gather(input);
    sub.l.forward(sub.l, network_for(*state_->net, index, sub.values.data(), nullptr, training));
  } else {
    raw_forward(index, input, training);
  }
  rolling.correct();
}

void Network::backward(int index, const float* input, float* input_delta, bool alone) {
  const layer& l = state_->net->layers[index];
  if (strided_1x1(l)) {
    Subsampled sub(l);
    sub.gather(input);
    sub.l.backward(sub.l, network_for(*state_->net, index, sub.values.data(),
                                      input_delta != nullptr ? sub.deltas.data() : nullptr, true));
    if (input_delta != nullptr) sub.each([&](size_t from, size_t to) { input_delta[to] += sub.deltas[from]; });
    return;
  }
  add_to_delta(l, input_delta, alone || !overwrites_delta(l), [&](float* delta) { raw_backward(index, input, delta); });
}

void Network::update(int index, int batch, float rate, float momentum, float decay) {
  const layer& l = state_->net->layers[index];
  update_args args{};
  args.batch = batch;
  args.learning_rate = rate;
  args.momentum = momentum;
  args.decay = decay;
  if (l.update != nullptr) l.update(l, args);
}

void Network::raw_forward(int index, const float* input, bool training) {
  const layer& l = state_->net->layers[index];
  l.forward(l, network_for(*state_->net, index, input, nullptr, training));
}

void Network::raw_backward(int index, const float* input, float* input_delta) {
  const layer& l = state_->net->layers[index];
  l.backward(l, network_for(*state_->net, index, input, input_delta, true));
}

void Network::raw_save_weights(const std::string& path) {
  const Quiet quiet("save weights", true);
  save_weights(state_->net, const_cast<char*>(path.c_str()));
}

void Network::raw_load_weights(const std::string& path) {
  const Quiet quiet("load weights", true);
  load_weights(state_->net, const_cast<char*>(path.c_str()));
}

std::vector<float> raw_eval_crop(const std::vector<float>& planes, const data::Geometry& from,
                                 const data::Geometry& to) {
  image source = make_image(from.width, from.height, from.channels);
  std::copy(planes.begin(), planes.end(), source.data);
  image crop = center_crop_image(source, to.width, to.height);
  std::vector<float> result(crop.data, crop.data + to.size());
  free_image(crop);
  free_image(source);
  return result;
}

}  // namespace dng::host
