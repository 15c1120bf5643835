// Whole networks against differences of a plain double-precision network (reference_network.h): what no comparison
// layer by layer shows, that every edge carries its gradient.
//
// Tolerance: 1e-4 of a gradient without batch norm. With it 1e-3, by the host's derivative, whose epsilons are not
// those of the forward pass; a gradient below the median is judged on that. The host's derivative is itself off by O(1
// / N), it takes the variance as divided by N (N - 1 is right): from the exact one 2e-2, with N of 256 and more.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <regex>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "layers/registry.h"
#include "network/network.h"
#include "tests/gpu/gpu_devices.h"
#include "tests/network/gradient_check.h"
#include "tests/network/reference_network.h"
#include "tests/network/sample_networks.h"
#include "tests/test_util.h"

namespace dng::test {
namespace {

constexpr double kTolerance = 1e-4;
constexpr double kToleranceWithBatchNorm = 1e-3;
constexpr double kToleranceOfExact = 2e-2;

struct Example {
  const char* name;
  int batch, channels, height, width;
  const char* layers;
};

std::ostream& operator<<(std::ostream& stream, const Example& example) { return stream << example.name; }

// What several networks end with: five classes.
#define HEAD "[avgpool]\n[connected]\noutput=5\nactivation=linear\n"

const std::vector<Example> kExamples = {
    {"Plain", 3, 3, 7, 9,
     "[convolutional]\nfilters=6\nsize=5\nstride=1\npad=1\nactivation=leaky\n"
     "[maxpool]\nsize=3\nstride=2\n"
     "[convolutional]\nfilters=8\nsize=3\nstride=1\npad=0\ngroups=2\nactivation=relu\n"
     "[connected]\noutput=7\nactivation=logistic\n"
     "[connected]\noutput=5\nactivation=linear\n[softmax]\n"},
    {"Shortcut", 4, 3, 8, 8,
     "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=relu\n"
     "[convolutional]\nfilters=6\nsize=3\nstride=1\npad=1\nactivation=relu\n"
     "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=linear\n"
     "[shortcut]\nfrom=-3\nactivation=relu\n"
     "[convolutional]\nfilters=6\nsize=3\nstride=2\npad=1\nactivation=relu\n" HEAD "[label_smoothing]\nepsilon=0.1\n"},
    // As wide as a blocked layout needs.
    {"ShortcutOf16", 2, 3, 6, 6,
     "[convolutional]\nfilters=16\nsize=3\nstride=1\npad=1\nactivation=relu\n"
     "[convolutional]\nfilters=16\nsize=3\nstride=1\npad=1\nactivation=relu\n"
     "[convolutional]\nfilters=16\nsize=3\nstride=1\npad=1\nactivation=linear\n"
     "[shortcut]\nfrom=-3\nactivation=relu\n"
     "[route]\nlayers=-1\n[maxpool]\nsize=1\nstride=2\n"
     "[convolutional]\nfilters=32\nsize=1\nstride=1\npad=1\nactivation=linear\n"
     "[route]\nlayers=3\n"
     "[convolutional]\nfilters=32\nsize=3\nstride=2\npad=1\nactivation=linear\n"
     "[shortcut]\nfrom=-3\nactivation=relu\n" HEAD "[softmax]\n"},
    {"Projection", 4, 3, 8, 8,
     "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=relu\n"
     "[convolutional]\nfilters=6\nsize=3\nstride=2\npad=1\nactivation=relu\n"
     "[convolutional]\nfilters=6\nsize=3\nstride=1\npad=1\nactivation=linear\n"
     "[route]\nlayers=-3\n[maxpool]\nsize=1\nstride=2\n"
     "[convolutional]\nfilters=6\nsize=1\nstride=1\npad=1\nactivation=linear\n"
     "[shortcut]\nfrom=-4\nactivation=relu\n" HEAD "[confidence_penalty]\nbeta=0.2\n"},
    // A 1x1 convolution of stride 2, for which the packaged host has no right code.
    {"StridedProjection", 4, 3, 8, 8,
     "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=relu\n"
     "[convolutional]\nfilters=6\nsize=3\nstride=2\npad=1\nactivation=linear\n"
     "[route]\nlayers=0\n"
     "[convolutional]\nfilters=6\nsize=1\nstride=2\npad=1\nactivation=linear\n"
     "[shortcut]\nfrom=-3\nactivation=relu\n" HEAD "[softmax]\n"},
    {"Dense", 4, 3, 8, 8,
     "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=linear\n"
     "[activation]\nactivation=relu\n"
     "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=linear\n"
     "[route]\nlayers=0,2\n[activation]\nactivation=leaky\n"
     "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=linear\n"
     "[route]\nlayers=0,2,5\n[activation]\nactivation=relu\n"
     "[convolutional]\nfilters=6\nsize=1\nstride=1\npad=1\nactivation=linear\n"
     "[local_avgpool]\nsize=2\nstride=2\npadding=0\n"
     "[activation]\nactivation=logistic\n" HEAD "[tsd]\neta=0.5\nk=3\n"},
    // Windows over the edge, where fewer pixels are averaged.
    {"LocalAveragesAtTheEdge", 3, 2, 7, 7,
     "[convolutional]\nfilters=6\nsize=3\nstride=1\npad=1\nactivation=leaky\n"
     "[local_avgpool]\nsize=3\nstride=2\n"
     "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=tanh\n"
     "[connected]\noutput=5\nactivation=linear\n[softmax]\n"},
    // Layer 1 is read by five others, and each kind of layer that a host writes instead of adding is among them.
    {"IdentityChain", 4, 3, 6, 6,
     "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=linear\n"
     "[convolutional]\nfilters=4\nsize=1\nstride=1\npad=1\nactivation=linear\n"
     "[activation]\nactivation=relu\n"
     "[shortcut]\nfrom=1\nactivation=linear\n"
     "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=relu\n"
     "[shortcut]\nfrom=1\nactivation=leaky\n"
     "[convolutional]\nfilters=4\nsize=1\nstride=1\npad=1\nactivation=linear\n"
     "[shortcut]\nfrom=5\nactivation=linear\n"
     "[shortcut]\nfrom=0\nactivation=linear\n"
     "[maxpool]\nsize=2\nstride=1\n"
     "[shortcut]\nfrom=8\nactivation=linear\n"
     "[local_avgpool]\nsize=3\nstride=1\n"
     "[shortcut]\nfrom=10\nactivation=leaky\n"
     "[route]\nlayers=1,12,1\n" HEAD
     "[distill]\nlambda=0.6\ntemperature=2\nteacher=t.cfg\nteacher_weights=t.weights\n"},
    {"SmoothActivations", 3, 3, 6, 6,
     "[convolutional]\nfilters=16\nsize=3\nstride=1\npad=1\nactivation=mish\n"
     "[convolutional]\nfilters=16\nsize=3\nstride=1\npad=1\nactivation=swish\n"
     "[shortcut]\nfrom=0\nactivation=mish\n"
     "[activation]\nactivation=gelu\n"
     "[convolutional]\nfilters=5\nsize=3\nstride=1\npad=0\nactivation=linear\n"
     "[activation]\nactivation=hard_mish\n"
     "[connected]\noutput=7\nactivation=swish\n"
     "[connected]\noutput=5\nactivation=linear\n[softmax]\n"},
    // Squeeze and excitation between an expansion and a projection.
    {"SqueezeAndExcitation", 3, 3, 6, 6,
     "[convolutional]\nfilters=16\nsize=1\nstride=1\npad=0\nactivation=swish\n"
     "[convolutional]\nfilters=16\ngroups=16\nsize=3\nstride=1\npad=1\nactivation=swish\n"
     "[avgpool]\n"
     "[convolutional]\nfilters=4\nsize=1\nstride=1\npad=0\nactivation=swish\n"
     "[convolutional]\nfilters=16\nsize=1\nstride=1\npad=0\nactivation=logistic\n"
     "[scale_channels]\nfrom=-4\n"
     "[convolutional]\nfilters=6\nsize=1\nstride=1\npad=0\nactivation=linear\n" HEAD "[softmax]\n"},
    {"Attention", 3, 3, 6, 4,
     "[convolutional]\nfilters=6\nsize=3\nstride=1\npad=1\nactivation=tanh\n"
     "[convolutional]\nfilters=6\nsize=1\nstride=1\npad=0\nactivation=logistic\n"
     "[sam]\nfrom=-2\nactivation=swish\n"
     "[convolutional]\nfilters=1\nsize=3\nstride=1\npad=1\nactivation=logistic\n"
     "[scale_channels]\nfrom=-2\nscale_wh=1\nactivation=mish\n" HEAD "[softmax]\n"},
    {"RearrangedPixels", 3, 8, 4, 6,
     "[convolutional]\nfilters=8\nsize=3\nstride=1\npad=1\nactivation=tanh\n"
     "[reorg]\nstride=2\n"
     "[upsample]\nstride=2\nscale=0.5\n"
     "[normalization]\nsize=5\nalpha=0.5\nbeta=0.75\nkappa=1\n"
     "[normalization]\nsize=4\nalpha=2\nbeta=1.5\nkappa=0.5\n"
     "[normalization]\nsize=1\nalpha=0.1\n" HEAD "[softmax]\n"},
    {"ShortcutsOfOtherShapes", 3, 3, 8, 8,
     "[convolutional]\nfilters=18\nsize=3\nstride=1\npad=1\nactivation=tanh\n"
     "[convolutional]\nfilters=20\nsize=3\nstride=2\npad=1\nactivation=tanh\n"
     "[shortcut]\nfrom=0\nactivation=swish\nalpha=0.5\nbeta=2\n"
     "[convolutional]\nfilters=16\nsize=3\nstride=1\npad=1\nactivation=tanh\n"
     "[shortcut]\nfrom=-2\nactivation=logistic\n"
     "[convolutional]\nfilters=16\nsize=3\nstride=1\npad=1\nactivation=tanh\n"
     "[shortcut]\nfrom=-2\nactivation=linear\nalpha=-0.5\nbeta=1.5\n"
     "[upsample]\nstride=2\n"
     "[shortcut]\nfrom=-2\nactivation=tanh\n" HEAD "[softmax]\n"},
    {"DilationsAndUnequalStrides", 3, 3, 9, 8,
     "[convolutional]\nfilters=6\nsize=3\nstride=1\npad=1\ndilation=2\nactivation=tanh\n"
     "[convolutional]\nfilters=16\nsize=3\nstride_x=2\nstride_y=1\npad=1\nactivation=swish\n"
     "[convolutional]\nfilters=16\nsize=3\nstride_y=2\npad=1\ndilation=3\ngroups=2\nactivation=tanh\n"
     "[convolutional]\nfilters=16\nsize=3\npad=1\ndilation=2\ngroups=16\nactivation=tanh\n"
     "[convolutional]\nfilters=8\nsize=1\nstride_x=2\nactivation=tanh\n"
     "[maxpool]\nsize=3\nstride_x=1\nstride_y=2\n"
     "[local_avgpool]\nsize=2\nstride_x=2\n" HEAD "[softmax]\n"},
    {"Antialiasing", 3, 3, 9, 8,
     "[convolutional]\nfilters=6\nsize=3\nstride=2\npad=1\nantialiasing=1\nactivation=tanh\n"
     "[convolutional]\nfilters=16\nsize=3\npad=1\nantialiasing=1\nactivation=mish\n"
     "[shortcut]\nfrom=-1\nactivation=linear\n"
     "[maxpool]\nsize=2\nstride=2\nantialiasing=1\n"
     "[convolutional]\nfilters=16\nsize=3\nstride_x=2\npad=1\nantialiasing=2\nactivation=swish\n" HEAD "[softmax]\n"},
    {"ChannelsAndPlaces", 3, 3, 4, 6,
     "[convolutional]\nfilters=8\nsize=3\nstride=1\npad=1\nactivation=tanh\n"
     "[route]\nlayers=-1,0\ngroups=4\ngroup_id=1\n"
     "[local]\nfilters=5\nsize=3\nstride=2\npad=1\nactivation=tanh\n"
     "[local]\nfilters=8\nsize=2\nactivation=swish\n"
     "[maxpool]\nmaxpool_depth=1\nout_channels=3\n"
     "[connected]\noutput=5\nactivation=linear\n[softmax]\n"},
    {"RearrangedPixelsOfEveryKind", 3, 3, 4, 6,
     "[convolutional]\nfilters=8\nsize=3\nstride=1\npad=1\nactivation=tanh\n"
     "[reorg]\nstride=2\nreverse=1\n"
     "[upsample]\nstride=-2\nscale=0.5\n"
     "[reorg]\nflatten=1\n"
     "[connected]\noutput=3\nactivation=tanh\n"
     "[reorg]\nextra=2\n[softmax]\n"},
    {"AntialiasingWithBatchNorm", 32, 3, 8, 8,
     "[convolutional]\nbatch_normalize=1\nfilters=8\nsize=3\nstride=2\npad=1\nantialiasing=1\nactivation=relu\n"
     "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\nstride=1\npad=1\ndilation=2\nactivation=swish\n" HEAD
     "[softmax]\n"},
    {"SmoothActivationsWithBatchNorm", 32, 3, 8, 8,
     "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=swish\n"
     "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=linear\n"
     "[shortcut]\nfrom=-2\nactivation=mish\n"
     "[batchnorm]\n[activation]\nactivation=mish\n" HEAD "[softmax]\n"},
    {"ShortcutWithBatchNorm", 32, 3, 8, 8,
     "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=relu\n"
     "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=relu\n"
     "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=linear\n"
     "[shortcut]\nfrom=-3\nactivation=relu\n" HEAD "[softmax]\n"},
    {"ProjectionWithBatchNorm", 32, 3, 8, 8,
     "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=relu\n"
     "[convolutional]\nbatch_normalize=1\nfilters=6\nsize=3\nstride=2\npad=1\nactivation=relu\n"
     "[convolutional]\nbatch_normalize=1\nfilters=6\nsize=3\nstride=1\npad=1\nactivation=linear\n"
     "[route]\nlayers=-3\n[maxpool]\nsize=1\nstride=2\n"
     "[convolutional]\nbatch_normalize=1\nfilters=6\nsize=1\nstride=1\npad=1\nactivation=linear\n"
     "[shortcut]\nfrom=-4\nactivation=relu\n" HEAD "[softmax]\n"},
    {"DenseWithBatchNorm", 32, 3, 8, 8,
     "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=linear\n"
     "[route]\nlayers=0\n[batchnorm]\n[activation]\nactivation=relu\n"
     "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=linear\n"
     "[route]\nlayers=0,4\n[batchnorm]\n[activation]\nactivation=relu\n"
     "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=linear\n"
     "[route]\nlayers=0,4,8\n[batchnorm]\n[activation]\nactivation=relu\n"
     "[convolutional]\nfilters=6\nsize=1\nstride=1\npad=1\nactivation=linear\n"
     "[local_avgpool]\nsize=2\nstride=2\npadding=0\n"
     "[batchnorm]\n[activation]\nactivation=relu\n" HEAD "[softmax]\n"},
    // Batch norm that reads a layer others read, too, without a [route] of its own between.
    {"BatchNormOnASharedLayer", 16, 3, 6, 6,
     "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=linear\n"
     "[batchnorm]\n[activation]\nactivation=relu\n"
     "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=linear\n"
     "[shortcut]\nfrom=0\nactivation=linear\n"
     "[batchnorm]\n[activation]\nactivation=relu\n"
     "[convolutional]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=linear\n"
     "[shortcut]\nfrom=4\nactivation=linear\n" HEAD "[softmax]\n"},
    {"ConnectedWithBatchNorm", 256, 2, 3, 3,
     "[convolutional]\nfilters=2\nsize=1\nstride=1\npad=0\nactivation=linear\n"
     "[connected]\nbatch_normalize=1\noutput=9\nactivation=leaky\n"
     "[connected]\nbatch_normalize=1\noutput=8\nactivation=logistic\n"
     "[connected]\noutput=5\nactivation=linear\n[softmax]\n"},
};
#undef HEAD

// A network, its reference, and one batch for both.
class Experiment {
 public:
  explicit Experiment(const Example& example, const network::NetworkSettings& settings = {})
      : config_(layers::read_network_config(
            folder_.write("net.cfg", format("[net]\nbatch=%d\nsubdivisions=1\nheight=%d\nwidth=%d\nchannels=%d\n",
                                            example.batch, example.height, example.width, example.channels) +
                                         example.layers))),
        network_(config_, settings),
        reference_(config_) {
    network_.initialize(1);
    CounterRandom random(2, Stream::kTest, 0, 0);
    for (const graph::Parameter& p : network_.parameters()) {
      const std::string name = p.name;
      for (int64_t i = 0; i < p.count; ++i) {
        // Wider than they start, so that the outputs differ and every gradient counts.
        if (name == "weights") p.value[i] *= 1.5f;
        if (name == "biases") p.value[i] = static_cast<float>(random.uniform(-0.3, 0.3));
        if (name == "scales") p.value[i] = static_cast<float>(random.uniform(0.6, 1.5));
        values_.push_back(static_cast<double>(p.value[i]));
      }
      ends_.push_back(values_.size());
    }
    network_.push();
    const size_t batch = static_cast<size_t>(config_.mini_batch), classes = static_cast<size_t>(config_.classes());
    for (size_t i = 0; i < batch * config_.input.size(); ++i) {
      images_.push_back(static_cast<float>(random.uniform(-1, 1)));
    }
    for (size_t b = 0; b < batch; ++b)
      labels_.push_back(static_cast<int>(random.below(static_cast<uint32_t>(classes))));
    for (size_t b = 0; b < batch; ++b) {
      double sum = 0;
      std::vector<double> row(classes);
      for (double& p : row) sum += p = random.uniform(0.05, 1);
      for (const double p : row) teacher_.push_back(static_cast<float>(p / sum));
    }
    shown_.images.assign(images_.begin(), images_.end());
    shown_.labels = labels_;
    shown_.teacher.assign(teacher_.begin(), teacher_.end());
  }

  network::Network& network() { return network_; }
  ReferenceNetwork& reference() { return reference_; }
  const graph::NetworkConfig& config() const { return config_; }
  double reference_loss() { return reference_.loss(values_, shown_); }

  // Forward and backward of the network under test; its loss.
  double run() {
    graph::Pass pass;
    pass.training = true;
    pass.input = images_.data();
    pass.labels = labels_.data();
    pass.teacher = teacher_.data();
    pass.count = config_.mini_batch;
    network_.forward(&pass);
    network_.backward(&pass);
    network_.pull();
    return pass.loss;
  }

  // dL/d(parameters), which the updates hold negated.
  std::vector<double> gradient() {
    std::vector<double> result;
    for (const graph::Parameter& p : network_.parameters()) {
      for (int64_t i = 0; i < p.count; ++i) result.push_back(-static_cast<double>(p.update[i]));
    }
    return result;
  }

  // Checks up to `per_tensor` coordinates of every tensor.
  GradientCheckResult check(const std::vector<double>& gradient, size_t per_tensor,
                            ReferenceNetwork::Derivative derivative = ReferenceNetwork::Derivative::kHost) {
    reference_.differentiate(ReferenceNetwork::Derivative::kExact);
    reference_loss();
    reference_.differentiate(derivative);
    std::vector<size_t> chosen;
    size_t begin = 0;
    for (const size_t end : ends_) {
      const size_t count = end - begin, take = std::min(count, per_tensor);
      for (size_t i = 0; i < take; ++i) chosen.push_back(begin + i * count / take);
      begin = end;
    }
    std::vector<double> x, analytic, all = values_;
    for (const size_t i : chosen) {
      x.push_back(values_[i]);
      analytic.push_back(gradient[i]);
    }
    const auto loss = [&](const std::vector<double>& moved) {
      for (size_t i = 0; i < chosen.size(); ++i) all[chosen[i]] = moved[i];
      return reference_.loss(all, shown_);
    };
    GradientCheckOptions options;
    options.tolerance = kTolerance;
    if (reference_.normalizes()) {
      const bool exact = derivative == ReferenceNetwork::Derivative::kExact;
      options.tolerance = exact ? kToleranceOfExact : kToleranceWithBatchNorm;
      options.floor_share = 1;
    }
    // Small, so that few of the thousands of activations have their kink within it; double precision affords that.
    options.step = 1e-6;
    options.near_kink = [&](const std::vector<double>& at, std::size_t index, double step) {
      std::vector<double> moved = at;
      moved[index] = at[index] + step;
      loss(moved);
      const uint64_t above = reference_.branches();
      moved[index] = at[index] - step;
      loss(moved);
      return reference_.branches() != above;
    };
    return check_gradient(loss, x, analytic, options);
  }

 private:
  TemporaryFolder folder_;
  graph::NetworkConfig config_;
  network::Network network_;
  ReferenceNetwork reference_;
  std::vector<double> values_;
  std::vector<size_t> ends_;  // of each tensor
  std::vector<float> images_, teacher_;
  std::vector<int> labels_;
  ReferenceBatch shown_;
};

class NetworkGradientTest : public testing::TestWithParam<Example> {};

TEST_P(NetworkGradientTest, LossAndProbabilitiesAreThoseInDouble) {
  Experiment experiment(GetParam());
  size_t count = 0;
  for (const graph::Parameter& p : experiment.network().parameters()) count += static_cast<size_t>(p.count);
  ASSERT_EQ(count, experiment.reference().parameter_count());
  const double loss = experiment.run(), expected = experiment.reference_loss();
  EXPECT_NEAR(loss, expected, 1e-5 * std::fabs(expected));
  const std::vector<double>& f = experiment.reference().output(experiment.network().size() - 1);
  for (size_t i = 0; i < f.size(); ++i) ASSERT_NEAR(experiment.network().probabilities()[i], f[i], 1e-5) << i;
}

TEST_P(NetworkGradientTest, EveryTensorMatchesFiniteDifferences) {
  Experiment experiment(GetParam());
  experiment.run();
  const GradientCheckResult result = experiment.check(experiment.gradient(), 6);
  EXPECT_TRUE(result.ok) << result.message;
  RecordProperty("error", format("%.2e", result.max_relative_error));
}

TEST_P(NetworkGradientTest, EveryTensorMatchesFiniteDifferencesOnTheEmulatedGpu) {
  Experiment experiment(GetParam(), on(emulated_gpu()));
  const double loss = experiment.run(), expected = experiment.reference_loss();
  EXPECT_NEAR(loss, expected, 1e-5 * std::fabs(expected));
  const GradientCheckResult result = experiment.check(experiment.gradient(), 6);
  EXPECT_TRUE(result.ok) << result.message;
}

// The negative control: differences of a network whose edge carries no gradient are not what we compute, so a kernel
// that loses the gradient of that edge would be found.
TEST_P(NetworkGradientTest, ALostEdgeWouldBeFound) {
  Experiment experiment(GetParam());
  experiment.run();
  const std::vector<double> gradient = experiment.gradient();
  int edges = 0;
  for (const graph::LayerConfig& layer : experiment.config().layers) {
    for (size_t k = 0; k < layer.sources.size(); ++k) {
      if (layer.sources[k] < 0) continue;
      SCOPED_TRACE(format("layer %d [%s], source %zu", layer.index, layer.op->section.c_str(), k));
      experiment.reference_loss();
      experiment.reference().detach(layer.index, static_cast<int>(k));
      const GradientCheckResult result = experiment.check(gradient, 1);
      experiment.reference().attach_all();
      EXPECT_FALSE(result.ok);
      ++edges;
    }
  }
  EXPECT_GE(edges, 3);
}

TEST_P(NetworkGradientTest, BackwardAddsToTheUpdates) {
  Experiment experiment(GetParam());
  experiment.run();
  const std::vector<double> once = experiment.gradient();
  experiment.run();
  const std::vector<double> twice = experiment.gradient();
  double largest = 0;
  for (const double value : once) largest = std::max(largest, std::fabs(value));
  ASSERT_GT(largest, 0);
  for (size_t i = 0; i < once.size(); ++i) ASSERT_NEAR(twice[i], 2 * once[i], 1e-5 * largest) << i;
}

std::string name_of(const testing::TestParamInfo<Example>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Networks, NetworkGradientTest, testing::ValuesIn(kExamples), name_of);

class ExactDerivativeTest : public testing::TestWithParam<Example> {};

TEST_P(ExactDerivativeTest, IsClose) {
  Experiment experiment(GetParam());
  ASSERT_TRUE(experiment.reference().normalizes());
  experiment.run();
  const GradientCheckResult result = experiment.check(experiment.gradient(), 6, ReferenceNetwork::Derivative::kExact);
  EXPECT_TRUE(result.ok) << result.message;
  RecordProperty("exact", format("%.2e", result.max_relative_error));
}

// The networks as they are shipped, on small images: one coordinate of every tensor.
void matches_in_double(const char* name, const std::string& layers, int side = 8) {
  Experiment experiment({name, 4, 3, side, side, layers.c_str()});
  const double loss = experiment.run(), expected = experiment.reference_loss();
  EXPECT_NEAR(loss, expected, 1e-5 * std::fabs(expected));
  const GradientCheckResult result = experiment.check(experiment.gradient(), 1);
  EXPECT_TRUE(result.ok) << result.message;
  testing::Test::RecordProperty("error", format("%.2e", result.max_relative_error));
}

TEST(WholeNetworkTest, ResNet20MatchesFiniteDifferences) {
  const std::string text = read_file(source_path("cfg/cifar100-resnet20.cfg"), "the cfg");
  matches_in_double("ResNet20", text.substr(text.find("[convolutional]")));
}

TEST(WholeNetworkTest, DenseNetMatchesFiniteDifferences) {
  matches_in_double("DenseNet", dense_layers(12, 2, 3) + head() + "[softmax]\n");
}

// The networks of tests/zoo, without a crop. Their end is a plain softmax: [cost] and temperature= train with a factor
// that is not the loss's (tests/train/stock_training_test.py).
class ZooTest : public testing::TestWithParam<std::string> {};

TEST_P(ZooTest, MatchesFiniteDifferences) {
  std::string text = read_file(source_path("tests/zoo/" + GetParam() + ".cfg"), "the cfg");
  // With a plain softmax at the end: of [cost] and temperature, as in Darknet, the gradient is not the derivative.
  const size_t begin = text.find("[convolutional]");
  text = text.substr(begin, text.find("[softmax]") - begin) + "[softmax]\n";
  // A random mask has no formula.
  text = std::regex_replace(text, std::regex("\\[dropout\\]\n([a-z_]+=.*\n)*"), "[activation]\nactivation=linear\n");
  matches_in_double(GetParam().c_str(), text, 12);
}

std::vector<std::string> zoo_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(source_path("tests/zoo"))) {
    if (entry.path().extension() == ".cfg") names.push_back(entry.path().stem());
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Networks, ZooTest, testing::ValuesIn(zoo_names()),
                         [](const testing::TestParamInfo<std::string>& info) {
                           return std::regex_replace(info.param, std::regex("-"), "_");
                         });

std::vector<Example> examples_with_batch_norm() {
  std::vector<Example> chosen;
  for (const Example& example : kExamples) {
    const std::string layers = example.layers;
    if (layers.find("batch_normalize=1") != std::string::npos || layers.find("[batchnorm]") != std::string::npos) {
      chosen.push_back(example);
    }
  }
  return chosen;
}

INSTANTIATE_TEST_SUITE_P(Networks, ExactDerivativeTest, testing::ValuesIn(examples_with_batch_norm()), name_of);

}  // namespace
}  // namespace dng::test
