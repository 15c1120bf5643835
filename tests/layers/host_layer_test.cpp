// Every layer against the host's own kernel, and a test for each bug of the hosts that makes us differ.
//
// The layer under test stands between two identities (1x1 convolutions), so that it is reached through the plan's
// layouts like any other: [activation] linear, identity, the layer (or a few), identity, [softmax]. What is given to
// the last identity as delta arrives at the layer, and what the layer gives back arrives at the first one.
//
// Errors are the largest difference over the largest value of a tensor: 1e-5, and 5e-5 where batch norm divides by what
// its batch statistics.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "host/host.h"
#include "layers/dropout_options.h"
#include "layers/registry.h"
#include "network/network.h"
#include "network/weights.h"
#include "tests/compare.h"
#include "tests/network/network_util.h"
#include "train/sgd.h"

namespace dng::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
// Training passes after which the host's own rate rules the rolling statistics.
constexpr int64_t kLate = 1000;

bool packaged() { return std::string(host::traits().id) == "packaged"; }

using Floats = std::vector<float>;

Floats random_floats(size_t count, uint64_t place, double low = -1, double high = 1) {
  CounterRandom random(7, Stream::kTest, place, 0);
  Floats values(count);
  for (float& value : values) value = static_cast<float>(random.uniform(low, high));
  return values;
}

std::string identity_text(int channels) {
  return format("[convolutional]\nfilters=%d\nsize=1\nstride=1\nactivation=linear\n", channels);
}

std::string convolution(int filters, int size, int stride, const std::string& more = "activation=linear\n") {
  return format("[convolutional]\nfilters=%d\nsize=%d\nstride=%d\npad=1\n", filters, size, stride) + more;
}

// Layers between two identities, the built-in kernel's and Darknet's.
class Bench {
 public:
  Bench(int batch, const data::Geometry& input, const std::string& layers) : Bench(batch, input, layers, "") {}
  // `host_layers`: what the host is given instead of what our cfg becomes.
  Bench(int batch, const data::Geometry& input, const std::string& layers, const std::string& host_layers,
        bool reference = false)
      : network_(config_of(net_text(batch, input) + with_identities(batch, input, layers)), settings_of(reference)),
        last_(network_.size() - 3),
        raw_(host_layers.empty() ? network_.config().host_text() : host_text(batch, input, host_layers), false),
        batch_(static_cast<size_t>(batch)) {
    network_.initialize(3);
    uint64_t place = 0;
    for (int i = 0; i < network_.size(); ++i) {
      for (const host::Block& block : network_.blocks()[static_cast<size_t>(i)]) fill(i, block, ++place);
    }
    copy_parameters();
    input_ = random_floats(batch_ * input.size(), 100);
    delta_ = random_floats(batch_ * network_.config().layers[static_cast<size_t>(last_)].out.size(), 101);
  }

  network::Network& network() { return network_; }
  host::Network& raw() { return raw_; }
  int last() const { return last_; }
  const graph::LayerConfig& layer() { return network_.config().layers[static_cast<size_t>(last_)]; }
  Floats& input() { return input_; }
  Floats& delta() { return delta_; }
  size_t in_count() { return batch_ * network_.config().input.size(); }
  size_t out_count() { return delta_.size(); }
  // The only access to a kernel by itself; everything else runs through the network.
  cpu::Node& node(int index) { return const_cast<cpu::Node&>(network_.node(index)); }

  // Of the next passes: what keys the masks of [dropout].
  uint64_t seed = 5;
  int64_t position = 0;
  double progress = 1;

  // Layer 2 to last(): what the host has of it.
  void copy_parameters() {
    for (int i = 2; i <= last_; ++i) {
      const std::vector<host::Block> to = raw_.blocks(i);
      for (size_t k = 0; k < to.size(); ++k) {
        const host::Block& from = network_.blocks()[static_cast<size_t>(i)][k];
        std::memcpy(to[k].value, from.value, static_cast<size_t>(from.count) * sizeof(float));
      }
    }
  }

  // The built-in kernel. The layer's output is poisoned before, so what is left unwritten shows.
  Floats forward(bool training, int64_t steps = kLate) {
    pass_ = graph::Pass();
    pass_.training = training;
    pass_.input = input_.data();
    pass_.count = static_cast<int>(batch_);
    pass_.steps = steps;
    pass_.seed = seed;
    pass_.first_position = position;
    pass_.progress = progress;
    const cpu::Node& tested = network_.node(last_);
    if (tested.output != nullptr) std::fill_n(tested.output, tested.out_size() * batch_, kNan);
    network_.forward(&pass_);
    const float* output = network_.node(last_ + 1).output;
    return {output, output + out_count()};
  }
  // The built-in kernel, after forward(true): the delta of the layer's input.
  Floats backward() {
    std::copy(delta_.begin(), delta_.end(), network_.node(last_ + 2).delta);
    network_.backward(&pass_);
    return first_delta();
  }
  // The same where another layer has added `before` to every element of the delta already; needs a reference bench,
  // where every delta has a place of its own.
  Floats backward_after(float before) {
    std::copy(delta_.begin(), delta_.end(), node(last_ + 2).delta);
    std::fill_n(node(1).delta, batch_ * node(1).out_size(), before);
    set_first(false);
    network_.backward(&pass_);
    set_first(true);
    return first_delta();
  }

  // The host's.
  Floats raw_forward(bool training) {
    std::copy(input_.begin(), input_.end(), raw_.output(1));
    for (int i = 2; i <= last_; ++i) raw_.raw_forward(i, raw_.output(i - 1), training);
    return {raw_.output(last_), raw_.output(last_) + out_count()};
  }
  // `before` is what the delta of the layer's input holds already.
  Floats raw_backward(float before = 0) {
    for (int i = 1; i <= last_; ++i) {
      std::fill_n(raw_.delta(i), batch_ * raw_.output_shape(i).size(), i == 1 ? before : 0.0f);
    }
    std::copy(delta_.begin(), delta_.end(), raw_.delta(last_));
    for (int i = last_; i >= 2; --i) raw_.raw_backward(i, raw_.output(i - 1), raw_.delta(i - 1));
    return {raw_.delta(1), raw_.delta(1) + in_count()};
  }

  // The block of that name of the last layer, the built-in kernel's or Darknet's.
  host::Block block(const std::string& name) { return find(network_.blocks()[static_cast<size_t>(last_)], name); }
  host::Block raw_block(const std::string& name) { return find(raw_.blocks(last_), name); }

  // What the optimizer sees: the parameters of the layers under test.
  std::vector<graph::Parameter> parameters() {
    std::vector<graph::Parameter> chosen;
    for (const graph::Parameter& p : network_.parameters()) {
      if (p.layer >= 2 && p.layer <= last_) chosen.push_back(p);
    }
    return chosen;
  }

 private:
  static std::string with_identities(int batch, const data::Geometry& input, const std::string& layers) {
    const std::string head = "[activation]\nactivation=linear\n" + identity_text(input.channels) + layers;
    const graph::NetworkConfig config = config_of(net_text(batch, input) + head + "[softmax]\n");
    const int channels = config.layers[config.layers.size() - 2].out.channels;
    return head + identity_text(channels) + "[softmax]\n";
  }
  static std::string host_text(int batch, const data::Geometry& input, const std::string& layers) {
    return net_text(batch, input) + "[activation]\nactivation=linear\n" + identity_text(input.channels) + layers +
           "[softmax]\n";
  }
  void fill(int layer, const host::Block& block, uint64_t place) {
    using Kind = host::Block::Kind;
    const size_t count = static_cast<size_t>(block.count);
    Floats values = random_floats(count, place, -0.5, 0.5);
    if (block.kind == Kind::kScale || block.kind == Kind::kVariance) values = random_floats(count, place, 0.5, 1.5);
    if (layer == 1 || layer == last_ + 1) {
      std::fill(values.begin(), values.end(), 0.0f);
      const size_t channels = static_cast<size_t>(network_.config().layers[static_cast<size_t>(layer)].out.channels);
      if (block.kind == Kind::kWeight) {
        for (size_t c = 0; c < channels; ++c) values[c * channels + c] = 1;
      }
    } else if (block.kind == Kind::kWeight) {
      return;  // as they start
    }
    std::copy(values.begin(), values.end(), block.value);
  }
  static network::NetworkSettings settings_of(bool reference) {
    network::NetworkSettings settings;
    settings.reference = reference;
    return settings;
  }
  // Whether the layers under test are the first to accumulate in the delta of their input.
  void set_first(bool first) {
    for (int i = 2; i <= last_; ++i) {
      for (graph::Edge& source : node(i).sources) {
        if (source.node != &node(1) || !source.needs_gradient()) continue;
        source.gradient = first ? graph::Gradient::kOverwrite : graph::Gradient::kAdd;
      }
    }
  }
  Floats first_delta() { return {node(0).delta, node(0).delta + in_count()}; }
  static host::Block find(const std::vector<host::Block>& blocks, const std::string& name) {
    for (const host::Block& block : blocks) {
      if (name == block.name) return block;
    }
    fail("the layer has no %s", name.c_str());
  }

  network::Network network_;
  int last_;
  host::Network raw_;
  size_t batch_;
  Floats input_, delta_;
  graph::Pass pass_;
};

// ---------------------------------------------------------------------------------------------------------------------
// The built-in kernels against Darknet's, layer by layer.

struct Case {
  std::string name;
  int batch;
  data::Geometry input;
  std::string layers;
  double tolerance;
};

std::ostream& operator<<(std::ostream& stream, const Case& c) { return stream << c.name; }

std::vector<Case> all_cases() {
  constexpr double kPlain = 1e-5, kNormalized = 5e-5;
  const host::Traits& traits = host::traits();
  std::vector<Case> cases;
  const auto add = [&](const std::string& name, int batch, const data::Geometry& input, const std::string& layers,
                       double tolerance = 1e-5) {
    cases.push_back({name, batch, input, layers, tolerance});
  };
  const std::vector<std::string> activations = {"relu", "leaky", "linear", "logistic", "tanh", "elu",
                                                "selu", "loggy", "ramp",   "relie",    "plse", "lhtan"};

  size_t next = 0;
  for (const int size : {1, 3, 5}) {
    for (const int stride : {1, 2}) {
      // This host's own kernel is wrong; the bug has its test below.
      if (size == 1 && stride == 2 && traits.ignores_stride_of_1x1) continue;
      for (const bool normalize : {false, true}) {
        for (const data::Geometry& input : {data::Geometry{3, 7, 9}, data::Geometry{16, 6, 5}}) {
          const std::string& activation = activations[next++ % activations.size()];
          add(format("Convolutional%dx%d%s%s_%dChannels_%s", size, size, stride == 2 ? "Stride2" : "",
                     normalize ? "BatchNorm" : "", input.channels, activation.c_str()),
              3, input,
              convolution(input.channels == 3 ? 6 : 32, size, stride,
                          (normalize ? "batch_normalize=1\nactivation=" : "activation=") + activation + "\n"),
              normalize ? kNormalized : kPlain);
        }
      }
    }
  }
  for (const std::string& activation : activations) {
    add("Convolutional_" + activation, 2, {4, 5, 6}, convolution(5, 3, 1, "activation=" + activation + "\n"));
    add("Connected_" + activation, 3, {3, 4, 5}, "[connected]\noutput=11\nactivation=" + activation + "\n");
    add("Activation_" + activation, 3, {3, 4, 5}, "[activation]\nactivation=" + activation + "\n");
    add("Shortcut_" + activation, 2, {4, 5, 5},
        "[maxpool]\nsize=3\nstride=1\n[shortcut]\nfrom=1\nactivation=" + activation + "\n");
  }
  const std::string relu = "activation=relu\n";
  add("ConvolutionalBatchOf1", 1, {3, 8, 8}, convolution(4, 3, 1, relu));
  add("ConvolutionalGroups", 3, {4, 6, 7}, convolution(6, 3, 1, "groups=2\nactivation=leaky\n"));
  add("ConvolutionalGroups1x1", 3, {6, 5, 5}, convolution(9, 1, 1, "groups=3\nactivation=relu\n"));
  add("ConvolutionalGroupsStride2BatchNorm", 3, {32, 6, 7},
      convolution(64, 3, 2, "groups=2\nbatch_normalize=1\nactivation=relu\n"), kNormalized);
  add("ConvolutionalDepthwise", 2, {16, 6, 6}, convolution(16, 3, 1, "groups=16\nactivation=relu\n"));
  add("ConvolutionalNoPadding", 2, {3, 7, 8}, "[convolutional]\nfilters=4\nsize=3\nstride=1\nactivation=relu\n");
  add("ConvolutionalWidePadding", 2, {3, 5, 6},
      "[convolutional]\nfilters=4\nsize=3\nstride=2\npadding=2\nactivation=relu\n");
  add("ConvolutionalSize2", 2, {3, 7, 8}, "[convolutional]\nfilters=4\nsize=2\nstride=2\nactivation=relu\n");
  add("ConvolutionalBatchNormOfLargeMean", 4, {3, 6, 6},
      "[connected]\noutput=27\nactivation=logistic\n[connected]\nbatch_normalize=1\noutput=5\nactivation=linear\n",
      kNormalized);
  add("ConnectedBatchNorm", 8, {3, 4, 5}, "[connected]\nbatch_normalize=1\noutput=10\nactivation=relu\n", kNormalized);
  add("ConnectedBatchNormSelu", 8, {3, 4, 5}, "[connected]\nbatch_normalize=1\noutput=10\nactivation=selu\n",
      kNormalized);
  add("ConnectedBatchOf1", 1, {2, 3, 3}, "[connected]\noutput=4\nactivation=linear\n");
  add("ConnectedAfterBlocked", 3, {16, 4, 4}, convolution(32, 3, 1, relu) + "[connected]\noutput=6\nactivation=tanh\n");
  for (const data::Geometry& input : {data::Geometry{3, 7, 9}, data::Geometry{16, 5, 6}}) {
    for (const auto& [size, stride] : {std::pair<int, int>{2, 2}, {3, 2}, {3, 1}, {2, 1}, {1, 2}, {5, 3}}) {
      add(format("Maxpool%dStride%d_%dChannels", size, stride, input.channels), 2, input,
          format("[maxpool]\nsize=%d\nstride=%d\n", size, stride));
    }
    add(format("MaxpoolNoPadding_%dChannels", input.channels), 2, input, "[maxpool]\nsize=3\nstride=2\npadding=0\n");
    add(format("Avgpool_%dChannels", input.channels), 3, input, "[avgpool]\n");
    add(format("BatchNorm_%dChannels", input.channels), 3, input, "[batchnorm]\n", kNormalized);
    add(format("Route_%dChannels", input.channels), 2, input,
        "[maxpool]\nsize=3\nstride=1\n[route]\nlayers=1,2\n[route]\nlayers=3,1,2\n");
    add(format("RouteOfOne_%dChannels", input.channels), 2, input, "[maxpool]\nsize=3\nstride=1\n[route]\nlayers=1\n");
    add(format("Shortcut_%dChannels", input.channels), 2, input,
        "[maxpool]\nsize=3\nstride=1\n[shortcut]\nfrom=1\nactivation=relu\n");
    add(format("Upsample_%dChannels", input.channels), 2, input, "[upsample]\nstride=2\n");
  }
  add("UpsampleScaled", 2, {3, 3, 4}, "[upsample]\nstride=3\nscale=0.5\n");
  add("UpsampleSums", 2, {3, 6, 4}, "[upsample]\nstride=-2\nscale=0.5\n");
  add("Reorg", 2, {8, 4, 6}, "[reorg]\nstride=2\n");
  add("ReorgReverse", 2, {8, 4, 5}, "[reorg]\nstride=2\nreverse=1\n");
  // The packaged host's [local] needs a layer with a larger workspace.
  for (const char* window : {"size=3\nstride=2\npad=1\nactivation=leaky\n", "size=2\nactivation=logistic\n"}) {
    add(format("LocalOf%.1s", window + 5), 2, {3, 7, 6}, convolution(4, 5, 1) + "[local]\nfilters=5\n" + window);
  }
  if (traits.has_reorg_extra) {
    add("ReorgFlatten", 2, {8, 4, 5}, "[reorg]\nflatten=1\n");
    add("ReorgFlattenReverse", 2, {8, 4, 5}, "[reorg]\nflatten=1\nreverse=1\n");
  }
  if (traits.has_maxpool_depth) {
    for (const int channels : {3, 16}) {
      const data::Geometry input{channels, 9, 8};
      add(format("ConvolutionalDilation_%dChannels", channels), 2, input,
          convolution(2 * channels, 3, 1, "dilation=2\nactivation=leaky\n"));
      add(format("ConvolutionalDilationStride2_%dChannels", channels), 2, input,
          convolution(2 * channels, 5, 2, "dilation=3\nactivation=relu\n"));
      add(format("ConvolutionalUnequalStrides_%dChannels", channels), 2, input,
          convolution(2 * channels, 3, 1, "stride_x=2\nactivation=leaky\n"));
      add(format("MaxpoolUnequalStrides_%dChannels", channels), 2, input, "[maxpool]\nsize=3\nstride_y=2\n");
      add(format("MaxpoolDepth_%dChannels", channels), 2, input, "[maxpool]\nmaxpool_depth=1\nout_channels=2\n");
    }
  }
  if (traits.shortcut_has_alpha_beta) {
    add("ShortcutFactors", 2, {4, 5, 5},
        "[maxpool]\nsize=3\nstride=1\n[shortcut]\nfrom=1\nactivation=leaky\nalpha=0.5\nbeta=2\n");
  }
  if (!traits.shortcut_needs_equal_shapes) {
    add("ShortcutStrided16Channels", 3, {16, 6, 9},
        "[maxpool]\nsize=3\nstride=3\n[shortcut]\nfrom=1\nactivation=relu\n");
    add("ShortcutStridedToMoreChannels", 2, {5, 8, 8},
        convolution(9, 3, 2) + "[shortcut]\nfrom=1\nactivation=linear\n");
    add("ShortcutStridedToFewerChannels", 2, {18, 8, 8},
        convolution(7, 3, 2) + "[shortcut]\nfrom=1\nactivation=logistic\n");
    add("ShortcutSpread", 2, {4, 6, 6},
        "[maxpool]\nsize=2\nstride=2\n[upsample]\nstride=2\n[shortcut]\nfrom=2\nactivation=leaky\n");
    add("ShortcutStrided", 2, {4, 6, 6}, "[maxpool]\nsize=2\nstride=2\n[shortcut]\nfrom=1\nactivation=leaky\n");
  }
  if (traits.route_has_groups) {
    add("RouteGroups", 2, {6, 4, 5}, "[maxpool]\nsize=3\nstride=1\n[route]\nlayers=1,2\ngroups=2\ngroup_id=1\n");
  }
  if (traits.has_scale_channels) {
    add("ScaleChannels", 2, {6, 4, 5}, "[avgpool]\n[scale_channels]\nfrom=1\nactivation=linear\n");
  }
  return cases;
}

class HostLayerTest : public testing::TestWithParam<Case> {
 protected:
  void check(double error, const std::string& what) {
    worst_ = std::max(worst_, error);
    EXPECT_LE(error, GetParam().tolerance) << what;
  }
  void TearDown() override { RecordProperty("error", format("%.2e", worst_)); }
  // AlexeyAB's fork forgets it; a test below has it.
  static bool host_loses(const network::Network& network, const host::Block& block, int layer) {
    const graph::LayerConfig& config = network.config().layers[static_cast<size_t>(layer)];
    const bool normalizes = config.op->section == "batchnorm" ||
                            (config.op->section == "convolutional" && config.options.flag("batch_normalize"));
    return !packaged() && normalizes && block.kind == host::Block::Kind::kBias;
  }
  double worst_ = 0;
};

TEST_P(HostLayerTest, ForwardIsTheHosts) {
  const Case& c = GetParam();
  Bench bench(c.batch, c.input, c.layers);
  check(error_between(bench.forward(false), bench.raw_forward(false)), "evaluation");
  check(error_between(bench.forward(true), bench.raw_forward(true)), "training");
  for (int i = 2; i <= bench.last(); ++i) {
    const std::vector<host::Block> raw = bench.raw().blocks(i);
    for (size_t k = 0; k < raw.size(); ++k) {
      const host::Block& block = bench.network().blocks()[static_cast<size_t>(i)][k];
      if (block.update != nullptr) continue;
      check(error_between(block.value, raw[k].value, static_cast<size_t>(block.count)), block.name);
    }
  }
}

TEST_P(HostLayerTest, BackwardIsTheHosts) {
  const Case& c = GetParam();
  Bench bench(c.batch, c.input, c.layers);
  bench.forward(true);
  bench.raw_forward(true);
  check(error_between(bench.backward(), bench.raw_backward()), "delta of the input");
  for (int i = 2; i <= bench.last(); ++i) {
    const std::vector<host::Block> raw = bench.raw().blocks(i);
    for (size_t k = 0; k < raw.size(); ++k) {
      const host::Block& block = bench.network().blocks()[static_cast<size_t>(i)][k];
      if (block.update == nullptr || host_loses(bench.network(), block, i)) continue;
      check(error_between(block.update, raw[k].update, static_cast<size_t>(block.count)), block.name);
    }
  }
}

TEST_P(HostLayerTest, BackwardAdds) {
  const Case& c = GetParam();
  Bench bench(c.batch, c.input, c.layers, "", true);
  bench.forward(true);
  const Floats alone = bench.backward();
  Floats updates;
  for (const graph::Parameter& p : bench.parameters()) updates.insert(updates.end(), p.update, p.update + p.count);
  constexpr float kBefore = 3;
  Floats after = bench.backward_after(kBefore);
  for (float& value : after) value -= kBefore;
  // 3 takes bits from what is added to it.
  const float largest = std::fabs(
      *std::max_element(alone.begin(), alone.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); }));
  EXPECT_LE(error_between(after, alone), 1e-5 + 1e-6 * kBefore / largest);
  Floats twice;
  for (const graph::Parameter& p : bench.parameters()) twice.insert(twice.end(), p.update, p.update + p.count);
  for (float& value : twice) value /= 2;
  if (!updates.empty()) check(error_between(twice, updates), "updates");
}

TEST_P(HostLayerTest, UpdatesAreTheHosts) {
  const Case& c = GetParam();
  Bench bench(c.batch, c.input, c.layers);
  std::vector<graph::Parameter> parameters = bench.parameters();
  // This host never updates it; a test below has it.
  if (parameters.empty() || (packaged() && c.layers.find("[batchnorm]") != std::string::npos)) return;
  constexpr float kRate = 0.05f, kMomentum = 0.9f, kDecay = 0.01f;
  train::Sgd sgd(&parameters, {static_cast<double>(kMomentum), static_cast<double>(kDecay), false});
  for (int step = 1; step <= 3; ++step) {
    SCOPED_TRACE(format("step %d", step));
    sgd.begin();
    bench.forward(true);
    bench.backward();
    bench.raw_forward(true);
    bench.raw_backward();
    for (int i = 2; i <= bench.last(); ++i) {
      const std::vector<host::Block> raw = bench.raw().blocks(i);
      for (size_t k = 0; k < raw.size(); ++k) {
        const host::Block& block = bench.network().blocks()[static_cast<size_t>(i)][k];
        if (!host_loses(bench.network(), block, i)) continue;
        std::copy_n(block.update, block.count, raw[k].update);
      }
    }
    sgd.step(static_cast<double>(kRate), c.batch);
    for (int i = 2; i <= bench.last(); ++i) {
      bench.raw().update(i, c.batch, kRate, kMomentum, kDecay);
      const std::vector<host::Block> raw = bench.raw().blocks(i);
      for (size_t k = 0; k < raw.size(); ++k) {
        const host::Block& block = bench.network().blocks()[static_cast<size_t>(i)][k];
        if (block.update == nullptr) continue;
        check(error_between(block.value, raw[k].value, static_cast<size_t>(block.count)), block.name);
        check(error_between(block.update, raw[k].update, static_cast<size_t>(block.count)),
              std::string(block.name) + ", momentum");
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Layers, HostLayerTest, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

// ---------------------------------------------------------------------------------------------------------------------
// Activations, by their formulas and the differences of these.

using Formula = double (*)(double);

// Darknet's names; `stair` is left out: its derivative is 1 by decree.
const std::map<std::string, Formula>& formulas() {
  static const std::map<std::string, Formula> map = {
      {"linear", [](double x) { return x; }},
      {"relu", [](double x) { return std::max(x, 0.0); }},
      {"relu6", [](double x) { return std::min(std::max(x, 0.0), 6.0); }},
      {"leaky", [](double x) { return x > 0 ? x : 0.1 * x; }},
      {"relie", [](double x) { return x > 0 ? x : 0.01 * x; }},
      {"ramp", [](double x) { return x > 0 ? 1.1 * x : 0.1 * x; }},
      {"logistic", [](double x) { return 1 / (1 + std::exp(-x)); }},
      {"loggy", [](double x) { return 2 / (1 + std::exp(-x)) - 1; }},
      {"tanh", [](double x) { return std::tanh(x); }},
      {"elu", [](double x) { return x >= 0 ? x : std::exp(x) - 1; }},
      {"selu", [](double x) { return 1.0507 * (x >= 0 ? x : 1.6732 * (std::exp(x) - 1)); }},
      {"plse", [](double x) { return x < -4  ? 0.01 * (x + 4)
                                     : x > 4 ? 0.01 * (x - 4) + 1
                                             : 0.125 * x + 0.5; }},
      {"hardtan", [](double x) { return std::min(std::max(x, -1.0), 1.0); }},
      {"lhtan", [](double x) { return x < 0   ? 0.001 * x
                                      : x > 1 ? 0.001 * (x - 1) + 1
                                              : x; }},
      {"swish", [](double x) { return x / (1 + std::exp(-x)); }},
      {"mish", [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }},
  };
  return map;
}

// The layer with that activation whose sum is its input.
std::string pure_layer(const std::string& section, const std::string& activation) {
  const std::string option = "activation=" + activation + "\n";
  if (section == "convolutional") return convolution(4, 1, 1, option);
  if (section == "connected") return "[connected]\noutput=36\n" + option;
  if (section == "shortcut") return "[maxpool]\nsize=1\nstride=1\n[shortcut]\nfrom=1\n" + option;
  return "[activation]\n" + option;
}

class ActivationTest : public testing::TestWithParam<std::string> {};

TEST_P(ActivationTest, OutputAndGradientFollowTheFormula) {
  int checked = 0;
  for (const auto& [name, formula] : formulas()) {
    SCOPED_TRACE(name);
    ++checked;
    const data::Geometry input{4, 3, 3};
    Bench bench(2, input, pure_layer(GetParam(), name));
    if (GetParam() == "convolutional" || GetParam() == "connected") {
      const host::Block weights = bench.block("weights"), biases = bench.block("biases");
      const auto n = static_cast<size_t>(biases.count);
      for (size_t i = 0; i < n * n; ++i) weights.value[i] = i % (n + 1) == 0 ? 1 : 0;
      std::fill_n(biases.value, n, 0.0f);
    }
    // Both sides of every kink, and none within a step of it.
    for (size_t i = 0; i < bench.input().size(); ++i) {
      bench.input()[i] = static_cast<float>(0.2311 * (static_cast<double>(i) - 35.5));
    }
    const Floats y = bench.forward(true);
    const Floats dx = bench.backward();
    Floats expected_y, expected_dx;
    for (size_t i = 0; i < y.size(); ++i) {
      const double x = static_cast<double>(bench.input()[i]) * (GetParam() == "shortcut" ? 2 : 1);
      const double step = 1e-5, inner = GetParam() == "shortcut" ? 2 : 1;
      const double slope = (formula(x + step) - formula(x - step)) / (2 * step);
      expected_y.push_back(static_cast<float>(formula(x)));
      expected_dx.push_back(static_cast<float>(static_cast<double>(bench.delta()[i]) * slope * inner));
    }
    EXPECT_LE(error_between(y, expected_y), 1e-5);
    // The hosts compute the gradient from the output, which holds few digits of it where an exponential saturates.
    EXPECT_LE(error_between(dx, expected_dx), 2e-5);
  }
  EXPECT_GE(checked, 13);
}

INSTANTIATE_TEST_SUITE_P(Layers, ActivationTest,
                         testing::Values("convolutional", "connected", "activation", "shortcut"),
                         [](const auto& info) { return info.param; });

// ---------------------------------------------------------------------------------------------------------------------
// [dropout]

constexpr double kProbability = 0.3;
const char* const kDropout = "[dropout]\nprobability=0.3\n";

// 0 where a value was dropped, 1 / (1 - probability) where not, for inputs of 1.
Floats mask_of(int batch, int64_t position, uint64_t seed, const std::string& before = "") {
  Bench bench(batch, {3, 8, 9}, before + kDropout);
  std::fill(bench.input().begin(), bench.input().end(), 1.0f);
  bench.position = position;
  bench.seed = seed;
  return bench.forward(true);
}

TEST(DropoutLayer, IsTheIdentityInEvaluation) {
  Bench bench(3, {3, 8, 9}, kDropout);
  EXPECT_EQ(bench.forward(false), bench.input());
}

TEST(DropoutLayer, DropsWithItsProbabilityAndScalesTheRest) {
  const Floats mask = mask_of(16, 0, 5);
  size_t dropped = 0;
  for (const float factor : mask) {
    if (factor == 0) {
      ++dropped;
    } else {
      ASSERT_FLOAT_EQ(factor, static_cast<float>(1 / (1 - kProbability)));
    }
  }
  const auto n = static_cast<double>(mask.size());
  // Five standard deviations.
  EXPECT_NEAR(static_cast<double>(dropped) / n, kProbability, 5 * std::sqrt(kProbability * (1 - kProbability) / n));
}

TEST(DropoutLayer, TheMaskDependsOnPositionSeedAndLayerOnly) {
  const size_t size = data::Geometry{3, 8, 9}.size();
  const Floats four = mask_of(4, 10, 5), two = mask_of(2, 12, 5);
  EXPECT_EQ(Floats(four.begin() + static_cast<std::ptrdiff_t>(2 * size), four.end()), two);
  EXPECT_NE(Floats(four.begin(), four.begin() + static_cast<std::ptrdiff_t>(2 * size)), two);
  EXPECT_NE(mask_of(2, 12, 6), two);
  EXPECT_NE(mask_of(2, 12, 5, "[activation]\nactivation=linear\n"), two);
  EXPECT_EQ(mask_of(2, 12, 5), two);
}

TEST(DropoutLayer, TheGradientPassesTheSameMask) {
  Bench bench(4, {3, 8, 9}, kDropout, "", true);
  std::fill(bench.input().begin(), bench.input().end(), 1.0f);
  const Floats mask = bench.forward(true), gradient = bench.backward(), added = bench.backward_after(2);
  for (size_t i = 0; i < mask.size(); ++i) {
    ASSERT_FLOAT_EQ(gradient[i], bench.delta()[i] * mask[i]) << i;
    ASSERT_NEAR(added[i], 2 + bench.delta()[i] * mask[i], 1e-6) << i;
  }
}

// Squares of side 5 in the end, grown with the training.
constexpr double kBlockProbability = 0.2;
const std::string kDropblock =
    format("[dropout]\nprobability=%g\ndropblock=1\ndropblock_size_abs=5\n", kBlockProbability);

Floats blocks_of(int batch, double progress) {
  Bench bench(batch, {3, 8, 9}, kDropblock);
  std::fill(bench.input().begin(), bench.input().end(), 1.0f);
  bench.progress = progress;
  return bench.forward(true);
}

TEST(DropoutLayer, DropsASquareInSomeChannels) {
  constexpr int kBatch = 100, kHeight = 8, kWidth = 9, kSpace = kHeight * kWidth;
  for (const auto& [progress, side] : {std::pair<double, int>{1, 5}, {0.85, 5}, {0.425, 2}}) {
    SCOPED_TRACE(format("progress %g", progress));
    const Floats mask = blocks_of(kBatch, progress);
    int squares = 0;
    for (int image = 0; image < kBatch; ++image) {
      int dropped = 0;
      float scale = 0;
      for (int c = 0; c < 3; ++c) {
        const float* channel = &mask[static_cast<size_t>((image * 3 + c) * kSpace)];
        const int zeros = static_cast<int>(std::count(channel, channel + kSpace, 0.0f));
        dropped += zeros;
        scale = std::max(scale, *std::max_element(channel, channel + kSpace));
        if (zeros == 0) continue;
        ASSERT_EQ(zeros, side * side);
        ++squares;
        const int corner = static_cast<int>(std::find(channel, channel + kSpace, 0.0f) - channel);
        for (int i = 0; i < zeros; ++i) {
          ASSERT_LT(corner % kWidth + side, kWidth + 1);
          ASSERT_EQ(channel[corner + i / side * kWidth + i % side], 0.0f);
        }
      }
      ASSERT_NEAR(scale, 3.0 * kSpace / (3.0 * kSpace - dropped), 1e-6);
    }
    const double p = kBlockProbability * std::min(1.0, progress / 0.85) / (side * side);
    const double expected = 1 - std::pow(1 - p, kSpace), n = 3 * kBatch;
    EXPECT_NEAR(squares / n, expected, 5 * std::sqrt(expected * (1 - expected) / n));
  }
}

TEST(DropoutLayer, DropsNoSquareAtTheBeginningAndInEvaluation) {
  const Floats mask = blocks_of(20, 0);
  EXPECT_EQ(mask, Floats(mask.size(), 1.0f));
  Bench bench(2, {3, 8, 9}, kDropblock);
  EXPECT_EQ(bench.forward(false), bench.input());
}

TEST(DropoutLayer, TheGradientPassesTheSameSquares) {
  Bench bench(4, {16, 8, 9}, kDropblock);
  std::fill(bench.input().begin(), bench.input().end(), 1.0f);
  const Floats mask = bench.forward(true), gradient = bench.backward();
  EXPECT_GT(std::count(mask.begin(), mask.end(), 0.0f), 0);
  for (size_t i = 0; i < mask.size(); ++i) ASSERT_FLOAT_EQ(gradient[i], bench.delta()[i] * mask[i]) << i;
}

TEST(DropoutLayer, TheProbabilityIsTheHosts) {
  EXPECT_NEAR(
      layers::dropout_probability(config_of(net_text(2, {3, 8, 8}) + "[dropout]\n[softmax]\n").layers[0].options),
      packaged() ? 0.5 : 0.2, 1e-12);
}

// As the host does it: its [dropout] changes the convolution's output in place, and the logistic's gradient y (1 - y)
// is then computed from the wrong y.
TEST(HostBug, DropoutInPlaceSpoilsTheGradientOfALogistic) {
  const data::Geometry input{3, 6, 6};
  const size_t space = 36;
  Bench bench(4, input, convolution(5, 1, 1, "activation=logistic\n") + kDropout);
  const auto weight_gradient = [&](const Floats& y, const Floats& mask) {
    Floats result(15);
    for (size_t b = 0; b < 4; ++b) {
      for (size_t f = 0; f < 5; ++f) {
        for (size_t i = 0; i < space; ++i) {
          const size_t at = (b * 5 + f) * space + i;
          const float d = bench.delta()[at] * mask[at] * y[at] * (1 - y[at]);
          for (size_t c = 0; c < 3; ++c) result[f * 3 + c] += d * bench.input()[(b * 3 + c) * space + i];
        }
      }
    }
    return result;
  };
  const auto ratio = [](const Floats& after, const Floats& before) {
    Floats mask;
    for (size_t i = 0; i < after.size(); ++i) mask.push_back(after[i] / before[i]);
    return mask;
  };
  const std::vector<host::Block> weights = {bench.network().blocks()[2].back(), bench.raw().blocks(2).back()};
  const auto update = [&](size_t which) { return Floats(weights[which].update, weights[which].update + 15); };

  const Floats y = bench.forward(false);
  const Floats mask = ratio(bench.forward(true), y);
  bench.backward();
  EXPECT_LE(error_between(update(0), weight_gradient(y, mask)), 1e-5);

  const Floats raw_mask = ratio(bench.raw_forward(true), y);
  ASSERT_GT(std::count(raw_mask.begin(), raw_mask.end(), 0.0f), 0);
  // It shares its buffers with the layer before.
  std::fill_n(bench.raw().delta(1), bench.in_count(), 0.0f);
  std::copy(bench.delta().begin(), bench.delta().end(), bench.raw().delta(2));
  bench.raw().raw_backward(3, bench.raw().output(2), bench.raw().delta(2));
  bench.raw().raw_backward(2, bench.raw().output(1), bench.raw().delta(1));
  EXPECT_GT(error_between(update(1), weight_gradient(y, raw_mask)), 0.1);
}

// ---------------------------------------------------------------------------------------------------------------------
// The hosts' bugs.

struct Overwrite {
  const char* name;
  std::string layers;
  bool on_packaged, on_alexeyab;
};

// Kernels that write the delta of the layer before where they should add: an identity's gradient is lost there. That
// the plugin's add, whoever computes them, is HostLayerTest's BackwardAdds.
TEST(HostBug, SomeKernelsOverwriteThePreviousDelta) {
  const std::vector<Overwrite> table = {
      {"convolutional", convolution(4, 3, 1), false, true},
      {"strided convolutional", convolution(4, 3, 2), false, true},
      {"1x1 convolutional", convolution(4, 1, 1), true, true},
      {"activation", "[activation]\nactivation=leaky\n", true, true},
      {"batchnorm", "[batchnorm]\n", true, true},
      {"normalization", "[normalization]\nalpha=0.5\nsize=3\n", true, true},
      {"reorg", "[reorg]\nstride=2\n", true, true},
      {"connected", "[connected]\noutput=5\nactivation=leaky\n", false, false},
      {"maxpool", "[maxpool]\nsize=2\nstride=2\n", false, false},
      {"avgpool", "[avgpool]\n", false, false},
      {"upsample", "[upsample]\nstride=2\n", false, false},
  };
  for (const Overwrite& row : table) {
    SCOPED_TRACE(row.name);
    Bench bench(2, {4, 6, 6}, row.layers);
    bench.raw_forward(true);
    Floats expected = bench.raw_backward();
    bench.raw_forward(true);
    const Floats found = bench.raw_backward(3);
    if (!(packaged() ? row.on_packaged : row.on_alexeyab)) {
      for (float& value : expected) value += 3;
    }
    EXPECT_LE(error_between(found, expected), 1e-5);
  }
}

class StridedProjectionTest : public testing::TestWithParam<std::string> {};

TEST_P(StridedProjectionTest, IsThePlainLoop) {
  const data::Geometry input{4, 5, 7};
  const int height = 3, width = 4;
  const bool selu = GetParam() == "selu";
  Bench bench(3, input, convolution(6, 1, 2, "groups=2\nactivation=" + GetParam() + "\n"));
  const Floats found = bench.forward(true), found_delta = bench.backward();
  const host::Block weights = bench.block("weights"), biases = bench.block("biases");
  Floats expected(bench.out_count()), delta(bench.in_count()), dw(static_cast<size_t>(weights.count)), db(6);
  size_t at = 0;
  for (size_t b = 0; b < 3; ++b) {
    for (size_t f = 0; f < 6; ++f) {
      for (size_t y = 0; y < height; ++y) {
        for (size_t x = 0; x < width; ++x, ++at) {
          const auto pixel = [&](size_t c) { return ((b * 4 + f / 3 * 2 + c) * 5 + 2 * y) * 7 + 2 * x; };
          float sum = biases.value[f];
          for (size_t c = 0; c < 2; ++c) sum += weights.value[f * 2 + c] * bench.input()[pixel(c)];
          const float low = selu ? 1.0507f * 1.6732f * (std::exp(sum) - 1) : 0.1f * sum;
          const float slope = sum > 0 ? (selu ? 1.0507f : 1) : selu ? low + 1.0507f * 1.6732f : 0.1f;
          expected[at] = sum > 0 ? (selu ? 1.0507f * sum : sum) : low;
          const float d = bench.delta()[at] * slope;
          db[f] += d;
          for (size_t c = 0; c < 2; ++c) {
            dw[f * 2 + c] += d * bench.input()[pixel(c)];
            delta[pixel(c)] += d * weights.value[f * 2 + c];
          }
        }
      }
    }
  }
  EXPECT_LE(error_between(found, expected), 1e-5);
  EXPECT_LE(error_between(found_delta, delta), 1e-5);
  EXPECT_LE(error_between(weights.update, dw.data(), dw.size()), 1e-5);
  EXPECT_LE(error_between(biases.update, db.data(), db.size()), 1e-5);
  // The packaged host reads its input as if the stride were 1.
  const double raw_error = error_between(bench.raw_forward(true), expected);
  const double raw_delta_error = error_between(bench.raw_backward(), delta);
  if (packaged()) {
    EXPECT_GT(raw_error, 0.1);
    EXPECT_GT(raw_delta_error, 0.1);
    EXPECT_GT(error_between(bench.raw_block("weights").update, dw.data(), dw.size()), 0.1);
  } else {
    EXPECT_LE(raw_error, 1e-5);
    EXPECT_LE(raw_delta_error, 1e-5);
    EXPECT_LE(error_between(bench.raw_block("weights").update, dw.data(), dw.size()), 1e-5);
  }
}

TEST_P(StridedProjectionTest, IsSubsamplingAndAnUnstridedConvolution) {
  const std::string options = "batch_normalize=1\nactivation=" + GetParam() + "\n";
  Bench one(3, {4, 5, 7}, convolution(6, 1, 2, options));
  Bench two(3, {4, 5, 7}, "[maxpool]\nsize=1\nstride=2\n" + convolution(6, 1, 1, options));
  for (const char* name : {"biases", "scales", "rolling mean", "rolling variance", "weights"}) {
    std::copy_n(one.block(name).value, one.block(name).count, two.block(name).value);
  }
  two.delta() = one.delta();
  EXPECT_LE(error_between(one.forward(false), two.forward(false)), 1e-5);
  EXPECT_LE(error_between(one.forward(true), two.forward(true)), 1e-5);
  EXPECT_LE(error_between(one.backward(), two.backward()), 1e-5);
  for (const char* name : {"biases", "scales", "weights"}) {
    const auto count = static_cast<size_t>(one.block(name).count);
    EXPECT_LE(error_between(one.block(name).update, two.block(name).update, count), 2e-5) << name;
  }
  for (const char* name : {"rolling mean", "rolling variance"}) {
    const auto count = static_cast<size_t>(one.block(name).count);
    EXPECT_LE(error_between(one.block(name).value, two.block(name).value, count), 1e-5) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Activations, StridedProjectionTest, testing::Values("leaky", "selu"),
                         [](const auto& info) { return info.param; });

// On the CPU AlexeyAB's fork computes no gradient for a bias under batch norm.
TEST(HostBug, TheBiasGradientUnderBatchNormIsLost) {
  const std::string normalized = "batch_normalize=1\nactivation=";
  for (const std::string& layers : {convolution(5, 3, 1, normalized + "linear\n"),
                                    convolution(5, 3, 1, normalized + "selu\n"), std::string("[batchnorm]\n")}) {
    SCOPED_TRACE(layers);
    Bench bench(3, {5, 6, 4}, layers);
    const bool selu = layers.find("selu") != std::string::npos;
    const Floats y = bench.forward(true);
    bench.backward();
    bench.raw_forward(true);
    bench.raw_backward();
    Floats expected(5);
    for (size_t i = 0; i < bench.out_count(); ++i) {
      const float slope = !selu ? 1 : y[i] >= 0 ? 1.0507f : y[i] + 1.0507f * 1.6732f;
      expected[i / 24 % 5] += bench.delta()[i] * slope;
    }
    EXPECT_LE(error_between(bench.block("biases").update, expected.data(), 5), 5e-5);
    const float* raw = bench.raw_block("biases").update;
    if (packaged()) {
      EXPECT_LE(error_between(raw, expected.data(), 5), 5e-5);
    } else {
      EXPECT_EQ(Floats(raw, raw + 5), Floats(5));
    }
  }
}

// AlexeyAB's CPU blurs forward, and forgets it backward.
TEST(HostBug, AntialiasingIsLeftOutOfTheGradient) {
  if (!host::traits().has_maxpool_depth) return;
  for (const std::string& section :
       {convolution(6, 3, 2, "antialiasing=1\nactivation=leaky\n"), convolution(32, 3, 1, "antialiasing=1\n"),
        convolution(6, 3, 2, "antialiasing=2\nactivation=tanh\n"), convolution(6, 3, 1, "stride_x=2\nantialiasing=1\n"),
        convolution(6, 3, 2, "antialiasing=1\nbatch_normalize=1\nactivation=leaky\n"),
        std::string("[maxpool]\nsize=2\nstride=2\nantialiasing=1\n"),
        std::string("[maxpool]\nstride=2\nantialiasing=1\n")}) {
    SCOPED_TRACE(section);
    Bench bench(2, {4, 9, 8}, section, section);
    EXPECT_LE(error_between(bench.forward(false), bench.raw_forward(false)), 1e-5);
    EXPECT_LE(error_between(bench.forward(true), bench.raw_forward(true)), 5e-5);
    const Floats gradient = bench.backward();
    if (section.find("[maxpool]") == 0) continue;
    EXPECT_GT(error_between(gradient, bench.raw_backward()), 0.1);
  }
}

TEST(MaxpoolLayer, AnAntialiasedWindowHasTheSizeOfTheStrideByDefault) {
  Bench implied(2, {4, 9, 8}, "[maxpool]\nstride=2\nantialiasing=1\n");
  Bench given(2, {4, 9, 8}, "[maxpool]\nsize=2\nstride=2\nantialiasing=1\n");
  EXPECT_EQ(implied.forward(true), given.forward(true));
}

// It takes them in every cfg, and gives zero.
TEST(HostBug, TheForkHasSomeActivationsInSomeLayersOnly) {
  if (packaged()) return;
  const auto is_zero = [](const std::string& section, const std::string& activation) {
    Bench bench(2, {4, 3, 3}, pure_layer(section, "linear"), pure_layer(section, activation));
    const Floats output = bench.raw_forward(true);
    return std::all_of(output.begin(), output.end(), [](float value) { return value == 0; });
  };
  for (const char* name : {"swish", "mish", "relu6"}) {
    EXPECT_TRUE(is_zero("activation", name)) << name;
    EXPECT_TRUE(is_zero("connected", name)) << name;
  }
  EXPECT_TRUE(is_zero("convolutional", "relu6"));
  EXPECT_FALSE(is_zero("convolutional", "swish"));
  EXPECT_FALSE(is_zero("activation", "relu"));
}

// The packaged host has no update for a standalone [batchnorm] and leaves its biases out of .weights.
TEST(HostBug, AStandaloneBatchNormIsNeitherUpdatedNorSavedWhole) {
  Bench bench(3, {5, 6, 4}, "[batchnorm]\n");
  bench.forward(true);
  bench.backward();
  bench.raw_forward(true);
  bench.raw_backward();
  std::vector<graph::Parameter> parameters = bench.parameters();
  ASSERT_EQ(parameters.size(), 2U);
  std::map<std::string, Floats> before, expected;
  for (const graph::Parameter& p : parameters) {
    before[p.name].assign(p.value, p.value + p.count);
    for (int64_t i = 0; i < p.count; ++i) expected[p.name].push_back(p.value[i] + 0.1f / 3 * p.update[i]);
  }
  train::Sgd sgd(&parameters, {0.9, 0.01, false});
  sgd.begin();
  sgd.step(0.1, 3);
  bench.raw().update(2, 3, 0.1f, 0.9f, 0.01f);
  for (const graph::Parameter& p : parameters) {
    SCOPED_TRACE(p.name);
    EXPECT_LE(error_between(p.value, expected[p.name].data(), 5), 1e-6);
    EXPECT_GT(error_between(p.value, before[p.name].data(), 5), 0.01);
    const float* raw = bench.raw_block(p.name).value;
    if (packaged()) {
      EXPECT_EQ(Floats(raw, raw + 5), before[p.name]);
    } else if (std::string(p.name) == "scales") {
      EXPECT_LE(error_between(raw, expected[p.name].data(), 5), 1e-5);
    }
  }
  const TemporaryFolder folder;
  const std::string plugin = folder.file("plugin.weights"), raw = folder.file("raw.weights");
  network::save_weights(plugin, bench.network(), 0);
  bench.raw().raw_save_weights(raw);
  EXPECT_EQ(file_size(plugin) - file_size(raw), packaged() ? 5 * 4 : 0);
}

// The mean over windows of 3, stride 2, that start at -1; pixels outside are left out.
Floats local_averages(const Floats& x, size_t planes, int height, int width) {
  Floats result;
  for (size_t p = 0; p < planes; ++p) {
    for (int y = -1; y + 1 < height; y += 2) {
      for (int x0 = -1; x0 + 1 < width; x0 += 2) {
        double sum = 0;
        int count = 0;
        for (int iy = std::max(y, 0); iy < std::min(y + 3, height); ++iy) {
          for (int ix = std::max(x0, 0); ix < std::min(x0 + 3, width); ++ix, ++count) {
            sum += static_cast<double>(x[(p * height + iy) * width + ix]);
          }
        }
        result.push_back(static_cast<float>(sum / count));
      }
    }
  }
  return result;
}

// AlexeyAB's backward divides by the whole window even where its forward divided by fewer pixels.
TEST(HostBug, LocalAveragesAtTheEdgeGetTooSmallAGradient) {
  const std::string section = "[local_avgpool]\nsize=3\nstride=2\npadding=2\n";
  const bool native = host::traits().has_local_avgpool;
  const data::Geometry input{3, 7, 5};
  Bench bench(2, input, section, native ? section : "[maxpool]\nsize=3\nstride=2\npadding=2\n", true);
  const Floats expected = local_averages(bench.input(), 6, 7, 5);
  EXPECT_LE(error_between(bench.forward(false), expected), 1e-5);
  EXPECT_LE(error_between(bench.forward(true), expected), 1e-5);
  // The layer is linear: a difference over any step is its derivative.
  Floats slopes;
  for (size_t i = 0; i < bench.in_count(); ++i) {
    Floats moved(bench.in_count());
    moved[i] = 1;
    const Floats response = local_averages(moved, 6, 7, 5);
    double sum = 0;
    for (size_t k = 0; k < response.size(); ++k) {
      sum += static_cast<double>(response[k]) * static_cast<double>(bench.delta()[k]);
    }
    slopes.push_back(static_cast<float>(sum));
  }
  EXPECT_LE(error_between(bench.backward(), slopes), 1e-5);
  Floats added = bench.backward_after(3);
  for (float& value : added) value -= 3;
  EXPECT_LE(error_between(added, slopes), 1e-5);
  if (!native) return;
  EXPECT_LE(error_between(bench.raw_forward(true), expected), 1e-5);
  EXPECT_GT(error_between(bench.raw_backward(), slopes), 0.1);
}

// ---------------------------------------------------------------------------------------------------------------------
// Rolling statistics: max(the host's rate, 1 / (steps + 1)).

class RollingStatisticsTest : public testing::TestWithParam<std::pair<std::string, std::string>> {
 protected:
  static constexpr int kBatch = 6, kChannels = 4;
  static data::Geometry input() { return {kChannels, 3, 5}; }
  bool connected() const { return GetParam().second.find("[connected]") == 0; }
  // Channels over which it normalises: of a [connected] layer every output is one.
  size_t features() const { return connected() ? input().size() : kChannels; }
  double stock_rate() const {
    const host::BatchNormRules& rules = host::traits().batchnorm;
    return static_cast<double>(connected() ? rules.rolling_rate_connected : rules.rolling_rate);
  }
  // A bench whose batch norm sees the bench's input itself, from a start of zero.
  std::unique_ptr<Bench> start() const {
    auto bench = std::make_unique<Bench>(kBatch, input(), GetParam().second);
    for (const graph::Parameter& p : bench->parameters()) {
      if (std::string(p.name) != "weights") continue;
      for (int64_t i = 0; i < p.count; ++i) {
        p.value[i] = i % (static_cast<int64_t>(features()) + 1) == 0 ? 1.0f : 0.0f;
      }
    }
    for (const char* name : {"rolling mean", "rolling variance"}) {
      std::fill_n(bench->block(name).value, bench->block(name).count, 0.0f);
    }
    bench->copy_parameters();
    return bench;
  }
  static void draw(Bench* bench, uint64_t place) {
    bench->input() = random_floats(bench->in_count(), 200 + place);
    for (float& value : bench->input()) value += 0.5f;
  }
  // Of the batch in the bench: means, then variances over N - 1.
  Floats batch_statistics(Bench* bench) const {
    const size_t space = input().size() / features();
    const double count = static_cast<double>(kBatch * space);
    Floats means, variances;
    for (size_t c = 0; c < features(); ++c) {
      double sum = 0, squares = 0;
      const auto each = [&](auto visit) {
        for (size_t b = 0; b < kBatch; ++b) {
          for (size_t i = 0; i < space; ++i) {
            visit(static_cast<double>(bench->input()[(b * features() + c) * space + i]));
          }
        }
      };
      each([&](double x) { sum += x; });
      each([&](double x) { squares += (x - sum / count) * (x - sum / count); });
      means.push_back(static_cast<float>(sum / count));
      variances.push_back(static_cast<float>(squares / (count - 1)));
    }
    means.insert(means.end(), variances.begin(), variances.end());
    return means;
  }
  Floats rolling(Bench* bench) const {
    Floats values;
    for (const char* name : {"rolling mean", "rolling variance"}) {
      const host::Block block = bench->block(name);
      values.insert(values.end(), block.value, block.value + block.count);
    }
    return values;
  }
};

TEST_P(RollingStatisticsTest, AfterOnePassAreTheBatchs) {
  const std::unique_ptr<Bench> bench = start();
  draw(bench.get(), 0);
  bench->forward(true, 0);
  EXPECT_LE(error_between(rolling(bench.get()), batch_statistics(bench.get())), 1e-5);
}

TEST_P(RollingStatisticsTest, AreThePlainMeanOfTheFirstBatches) {
  const std::unique_ptr<Bench> bench = start();
  const int passes = std::min(7, static_cast<int>(std::lround(1 / stock_rate())));
  Floats mean(2 * features());
  for (int step = 0; step < passes; ++step) {
    draw(bench.get(), static_cast<uint64_t>(step));
    bench->forward(true, step);
    const Floats batch = batch_statistics(bench.get());
    for (size_t i = 0; i < mean.size(); ++i) mean[i] += batch[i] / static_cast<float>(passes);
  }
  EXPECT_LE(error_between(rolling(bench.get()), mean), 1e-5);
}

TEST_P(RollingStatisticsTest, MoveAtTheStockRateFromThenOn) {
  const auto first = std::lround(1 / stock_rate()) - 1;
  for (const int64_t step : {first, first + 1, 10 * first}) {
    SCOPED_TRACE(format("step %d", static_cast<int>(step)));
    const std::unique_ptr<Bench> bench = start();
    for (const char* name : {"rolling mean", "rolling variance"}) {
      std::fill_n(bench->block(name).value, bench->block(name).count, 0.25f);
    }
    bench->copy_parameters();
    draw(bench.get(), 0);
    bench->forward(true, step);
    bench->raw_forward(true);
    Floats raw;
    for (const char* name : {"rolling mean", "rolling variance"}) {
      const host::Block block = bench->raw_block(name);
      raw.insert(raw.end(), block.value, block.value + block.count);
    }
    const Floats found = rolling(bench.get());
    EXPECT_LE(error_between(found, raw), step == 10 * first ? 1e-5 : 2e-5);
    Floats expected = batch_statistics(bench.get());
    const auto rate = static_cast<float>(step == first ? 1.0 / static_cast<double>(first + 1) : stock_rate());
    for (float& value : expected) value = 0.25f * (1 - rate) + rate * value;
    EXPECT_LE(error_between(found, expected), 1e-5);
  }
}

TEST_P(RollingStatisticsTest, EvaluationLeavesThemAlone) {
  const std::unique_ptr<Bench> bench = start();
  draw(bench.get(), 0);
  bench->forward(true, 0);
  const Floats before = rolling(bench.get());
  draw(bench.get(), 1);
  bench->forward(false, 1);
  EXPECT_EQ(rolling(bench.get()), before);
}

const std::vector<std::pair<std::string, std::string>> kNormalizing = {
    {"BatchNorm", "[batchnorm]\n"},
    {"Convolutional", "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=1\nactivation=linear\n"},
    {"Connected", "[connected]\nbatch_normalize=1\noutput=60\nactivation=linear\n"},
};

INSTANTIATE_TEST_SUITE_P(Layers, RollingStatisticsTest, testing::ValuesIn(kNormalizing),
                         [](const auto& info) { return info.param.first; });

}  // namespace
}  // namespace dng::test
