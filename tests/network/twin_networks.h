// The same network twice, by the optimized plan and by the plain one, over samples of all that networks are made of.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "base/file.h"
#include "tests/compare.h"
#include "tests/network/sample_networks.h"

namespace dng::test {

// Largest error of a tensor's gradient, as the norm of the difference over the norm. Smooth: rounding alone, Winograd's
// (1e-5) through up to 20 layers included. With kinks: one activation of the n of a layer that flips is 1 / sqrt(n) of
// the gradient, 1e-2 for the thousands of the smallest layers here. A lost edge, channel or image is more than either.
constexpr double kSmoothGradient = 2e-4;
constexpr double kKinkedGradient = 3e-2;
// Logits over the largest of them, and rolling statistics over the largest of a layer. Flips do not matter here: the
// functions themselves are continuous.
constexpr double kOutput = 1e-4;
constexpr double kStatistics = 1e-4;
// Losses over 20 steps, relative. Differences of rounding grow with every step, the faster the further the parameters
// move, so that a bound holds only for so many steps; a wrong gradient is off by more in the second step. With kinks an
// activation that flips begins it: a ResNet-20 stays below 1.3e-5 for the first steps and reached 3e-2 at the end (on
// both hosts, with SSE4.1, AVX2 and AVX-512). Max pooling has kinks, too: a smooth network with it reached 1.8e-3 on a
// Xeon with AVX-512.
constexpr int kSteps = 20;
constexpr double kRate = 0.01;
constexpr int kFirstSteps = 5;
constexpr double kLossAtFirst = 1e-3;
constexpr double kSmoothLoss = 4e-3;
constexpr double kKinkedLoss = 6e-2;

struct Sample {
  std::string name;
  int batch = 8;
  data::Geometry input;
  std::string layers;
  bool smooth = false;

  double gradient_bound() const { return smooth ? kSmoothGradient : kKinkedGradient; }
  double loss_bound(size_t step) const {
    return step < kFirstSteps ? kLossAtFirst : smooth ? kSmoothLoss : kKinkedLoss;
  }
  std::string text() const { return net_text(batch, input) + layers; }
};

inline std::ostream& operator<<(std::ostream& stream, const Sample& sample) { return stream << sample.name; }

inline std::string resnet20() {
  const std::string text = read_file(source_path("cfg/cifar100-resnet20.cfg"), "the cfg");
  return text.substr(text.find("[convolutional]"));
}

inline const std::string kSoftmax = "[softmax]\n";

inline std::vector<Sample> samples() {
  const auto c = convolution;
  std::vector<Sample> list;
  const auto add = [&](const std::string& name, int batch, const data::Geometry& input, const std::string& layers) {
    list.push_back({name, batch, input, layers});
  };
  add("ResNet20", 8, {3, 16, 16}, resnet20());
  add("DenseNet", 8, {3, 12, 12}, dense_layers(12, 3, 3) + head() + kSoftmax);
  // Channels that fill whole blocks only now and then.
  add("DenseNetOf5", 16, {1, 9, 9}, dense_layers(5, 2, 4) + head() + kSoftmax);
  add("PreActivation", 8, {3, 12, 12},
      c(16, 3, 1, "linear", false, "") +  //
          normalised("relu") + c(16, 3, 1, "relu", true, "") + c(16, 3, 1, "linear", false, "") + shortcut(-5) +
          normalised("relu") + c(32, 3, 2, "relu", true, "") + c(32, 3, 1, "linear", false, "") +  // 7 .. 10
          route("-4") + c(32, 1, 2, "linear", false, "") + shortcut(-3) +                          // 11, 12, 13
          normalised("leaky") + c(32, 3, 1, "relu", true, "") + c(32, 3, 1, "linear", false, "") + shortcut(-5) +
          normalised("relu") + head() + kSoftmax);
  add("ShortcutFirst", 8, {3, 10, 10},
      // The projection comes first and the branch is added to it: sources in the other order.
      c(16, 3, 1, "relu", true, "") + c(24, 1, 1, "linear", false, "") +                                         // 0, 1
          route("0") + c(24, 3, 1, "relu", false, "") + c(24, 3, 1, "linear", true, "") + shortcut(1, "relu") +  // 5
          shortcut(3) + shortcut(5, "leaky") + shortcut(-1) +  // of shortcuts, and of itself
          c(24, 3, 1, "linear", true, "") + shortcut(5) + shortcut(6, "relu") + head() + kSoftmax);
  add("ThreeReaders", 8, {3, 10, 10},
      c(16, 3, 1, "relu", false, "") +  // 0: a relu convolution, read by a shortcut and two others
          c(16, 3, 1, "linear", false, "") + activation_text("relu") + shortcut(0) +  // 3
          route("0") + c(16, 3, 1, "leaky", true, "") + shortcut(3) +                 // 6
          activation_text("relu") +                                                   // 7
          c(16, 1, 1, "linear", true, "") + shortcut(6, "relu") +                     // 9
          route("6") + activation_text("leaky") + shortcut(9) + shortcut(0) + head() + kSoftmax);
  add("Routes", 8, {3, 10, 10},
      c(12, 3, 1, "relu", false, "") + c(16, 3, 1, "linear", true, "") +  // 0, 1
          route("1,0") + route("-1") + route("-1,0,1") +                  // 2: 28, 3, 4: 56 channels
          c(16, 1, 1, "relu", true, "") + shortcut(1) +                   // 5, 6
          route("6,1") + normalised("relu") +               // 7 (32), 8, 9; layer 1 is read by shortcut and route
          c(16, 3, 1, "linear", false, "") + shortcut(6) +  // 10, 11
          route("7,10,2") + c(24, 3, 1, "relu", true, "") + route("-1,-2,-1") + head() + kSoftmax);
  add("ActivationAfterShortcut", 8, {3, 10, 10},
      c(16, 3, 1, "relu", true, "") + c(16, 3, 1, "relu", true, "") + c(16, 3, 1, "linear", true, "") + shortcut(-3) +
          activation_text("relu") +                                                   // of the shortcut alone
          c(16, 3, 1, "linear", true, "") + shortcut(-2) + activation_text("relu") +  // 5, 6, 7; 6 is read once more
          c(16, 3, 1, "linear", true, "") + shortcut(6) + activation_text("leaky") + activation_text("relu") + head() +
          kSoftmax);
  add("OtherActivations", 8, {3, 12, 12},
      c(16, 3, 1, "leaky", false, "") + c(16, 3, 1, "logistic", true, "") + "[dropout]\nprobability=0.3\n" +
          c(24, 3, 1, "tanh", false, "") + "[maxpool]\nsize=3\nstride=2\n" + c(24, 3, 1, "elu", true, "") +
          "[maxpool]\nsize=2\nstride=1\n" + c(12, 3, 1, "linear", false, "") + normalised("logistic") +
          c(12, 1, 1, "linear", true, "") + activation_text("tanh") + "[dropout]\nprobability=0.2\n" +
          "[local_avgpool]\nsize=3\nstride=2\n" + activation_text("elu") +
          "[connected]\noutput=9\nactivation=tanh\nbatch_normalize=1\n[connected]\noutput=7\nactivation=linear\n" +
          kSoftmax);
  add("Frozen", 8, {3, 10, 10},
      c(16, 3, 1, "relu", true, "") + c(16, 3, 1, "relu", true, "") + c(16, 3, 1, "linear", true, "") +
          replaced(shortcut(-3), "activation", "stopbackward=1\nactivation") + activation_text("relu") +
          c(16, 3, 1, "relu", true, "") + c(16, 3, 1, "linear", true, "") + shortcut(-3) + route("-1,0") +
          normalised("relu") + c(12, 3, 1, "linear", false, "") + head() + kSoftmax);
  add("Distilled", 8, {3, 10, 10},
      residual_layers({16, 24}, 1) + head() +
          "[distill]\nlambda=0.7\ntemperature=3\nteacher=t.cfg\nteacher_weights=t.weights\n");
  add("HostInTheMiddle", 8, {3, 8, 8},
      c(16, 3, 1, "relu", true, "") + c(16, 3, 1, "linear", true, "") + shortcut(-2, "relu") +
          "[normalization]\nalpha=0.01\nbeta=0.75\nsize=5\n" + c(16, 3, 1, "relu", true, "") + shortcut(-3) +
          c(16, 3, 1, "selu", false, "") + route("-1,5") + normalised("relu") + "[upsample]\nstride=2\n" +
          c(24, 3, 2, "relu", true, "") + head() + kSoftmax);
  add("GroupsAndOddSizes", 8, {5, 13, 11},
      c(12, 5, 1, "leaky", true, "") + c(24, 3, 2, "relu", true, "groups=3\n") + c(32, 1, 1, "linear", false, "") +
          c(32, 3, 1, "relu", true, "groups=2\n") + c(17, 3, 1, "relu", false, "") + c(13, 7, 1, "linear", true, "") +
          activation_text("relu") + c(24, 1, 3, "relu", true, "") + c(3, 3, 1, "leaky", true, "") +
          c(1, 3, 1, "linear", true, "") + route("-1,-2,-3") + c(5, 1, 1, "relu", false, "") +
          "[connected]\noutput=6\nactivation=linear\n" + kSoftmax);
  add("OneChannel", 6, {1, 9, 7},
      c(1, 3, 1, "relu", true, "") + c(3, 3, 2, "leaky", false, "") + c(16, 3, 1, "linear", true, "") +
          shortcut(-1, "relu") + "[maxpool]\nsize=1\nstride=2\n" + c(13, 1, 1, "relu", true, "") + head() + kSoftmax);
  // Squeeze and excitation between depthwise convolutions, as EfficientNets have it.
  const auto squeeze = [&](int channels, int middle) {
    return "[avgpool]\n" + c(middle, 1, 1, "swish", false, "") + c(channels, 1, 1, "logistic", false, "") +
           "[scale_channels]\nfrom=-4\n";
  };
  add("Mobile", 8, {3, 18, 14},
      c(16, 3, 1, "swish", true, "") + c(24, 1, 1, "swish", true, "") +                                   // 0, 1
          c(24, 3, 2, "swish", true, "groups=24\n") + squeeze(24, 6) + c(16, 1, 1, "linear", true, "") +  // 2 .. 7
          c(40, 1, 1, "mish", true, "") + c(40, 5, 1, "mish", false, "groups=40\n") + squeeze(40, 4) +    // 8 .. 13
          c(16, 1, 1, "linear", true, "") + "[dropout]\nprobability=0.2\n" + shortcut(7) +                // 14, 15, 16
          c(13, 1, 1, "relu", true, "") + c(13, 3, 1, "linear", true, "groups=13\n") + activation_text("gelu") +
          head() + kSoftmax);
  // Products of layers, and sums whose activation's gradient needs the sum.
  add("Products", 6, {3, 9, 10},
      c(16, 3, 1, "mish", true, "") + c(16, 1, 1, "logistic", true, "") + "[sam]\nfrom=-2\nactivation=swish\n" +  // 2
          c(1, 3, 1, "logistic", false, "") + "[scale_channels]\nfrom=-2\nscale_wh=1\nactivation=mish\n" +        // 4
          c(16, 3, 1, "linear", true, "") + shortcut(4, "swish") + c(16, 3, 1, "hard_mish", false, "") +          // 7
          shortcut(6, "gelu") + "[sam]\nfrom=-1\n" + shortcut(8, "tanh") + "[avgpool]\n" +                        // 11
          "[scale_channels]\nfrom=-1\nactivation=tanh\n[connected]\noutput=7\nactivation=linear\n" + kSoftmax);
  add("Rearranged", 6, {8, 8, 12},
      c(24, 3, 1, "relu", true, "") + "[reorg]\nstride=2\n" + c(20, 3, 1, "leaky", true, "") +            // 2
          "[shortcut]\nfrom=0\nactivation=swish\nalpha=0.5\nbeta=2\n[upsample]\nstride=2\nscale=0.5\n" +  // 4
          "[normalization]\nsize=4\nalpha=2\nbeta=1.5\nkappa=0.5\n" +                                     // 5
          "[shortcut]\nfrom=2\nactivation=logistic\n[shortcut]\nfrom=-2\nalpha=-0.5\nbeta=1.5\nactivation=linear\n" +
          "[normalization]\nsize=41\nalpha=0.1\n" + head() + kSoftmax);
  add("BlurredAndLocal", 6, {3, 12, 10},
      c(16, 3, 2, "relu", true, "antialiasing=1\n") +
          "[dropout]\nprobability=0.2\ndropblock=1\ndropblock_size_abs=3\n" +
          c(24, 3, 1, "leaky", false, "antialiasing=2\n") + "[maxpool]\nsize=2\nstride=2\nantialiasing=1\n" +
          "[local]\nfilters=8\nsize=3\npad=1\nactivation=relu\n[maxpool]\nmaxpool_depth=1\nout_channels=3\n" +
          c(16, 3, 1, "relu", true, "") + head() + kSoftmax);
  // Subsampled twice, and subsampled for a reader that cannot do it itself.
  add("Subsampled", 8, {3, 13, 13},
      c(16, 3, 1, "relu", true, "") + "[maxpool]\nsize=1\nstride=2\n" + c(24, 1, 1, "linear", true, "") +    // 0, 1, 2
          route("0") + c(24, 3, 2, "relu", true, "") + shortcut(2, "relu") +                                 // 3, 4, 5
          "[maxpool]\nsize=1\nstride=2\n[maxpool]\nsize=1\nstride=2\n" + c(16, 1, 1, "linear", false, "") +  // 8
          route("6") + c(16, 3, 2, "relu", true, "") + shortcut(8) + route("5") + "[maxpool]\nsize=1\nstride=3\n" +
          c(16, 3, 1, "relu", false, "") + c(16, 2, 2, "linear", true, "") + head() + kSoftmax);
  // More than 2^18 weights: larger micro-batches, and fewer sums of gradients.
  add("LargeWeights", 8, {3, 6, 6},
      c(192, 3, 1, "relu", true, "") + c(176, 3, 1, "relu", true, "") + c(192, 3, 1, "linear", false, "") +
          shortcut(0, "relu") + head() + kSoftmax);
  add("BatchOfOne", 1, {3, 8, 8},
      c(16, 3, 1, "relu", false, "") + c(24, 3, 1, "linear", true, "") + c(16, 3, 1, "linear", false, "") +
          shortcut(0) + activation_text("relu") + c(32, 3, 2, "relu", false, "") + head() + kSoftmax);
  add("BatchOfSeven", 7, {3, 8, 8}, residual_layers({16, 32}, 1) + head() + kSoftmax);
  // The first concatenations are read after the longer ones that begin with the same layers.
  add("JoinsReadInTheOtherOrder", 8, {3, 8, 8},
      c(16, 3, 1, "relu", false, "") + c(16, 3, 1, "linear", false, "") + c(16, 3, 1, "linear", true, "") +  // 0, 1, 2
          route("0,1") + route("0,1,2") + normalised("relu") + c(16, 3, 1, "linear", false, "") +            // 3 .. 7
          route("3") + normalised("relu") + c(16, 1, 1, "relu", false, "") + shortcut(7) + head() + kSoftmax);
  // The same where nobody else reads the first concatenation.
  add("ConcatenationThatIsReadByAConcatenationAlone", 8, {3, 8, 8},
      c(16, 3, 1, "relu", false, "") + c(16, 3, 1, "linear", false, "") + c(16, 3, 1, "linear", true, "") +
          route("0,1") + route("0,1,2") + normalised("relu") + c(16, 3, 1, "linear", false, "") + head() + kSoftmax);
  // A concatenation of concatenations: the first is read again after the longer ones.
  add("JoinsReadTwice", 8, {3, 8, 8},
      c(16, 3, 1, "relu", false, "") + c(16, 3, 1, "linear", false, "") +                   // 0, 1
          route("0,1") + normalised("relu") + c(16, 3, 1, "linear", false, "") +            // 2 .. 5
          route("0,1,5") + normalised("leaky") + c(16, 1, 1, "linear", false, "") +         // 6 .. 9
          route("2") + normalised("relu") + c(16, 1, 1, "relu", false, "") + shortcut(9) +  // 10 .. 14
          route("0,1,5,9") + normalised("relu") + route("6,-1") + normalised("relu") + route("2,14") +
          normalised("relu") + c(16, 3, 1, "linear", false, "") + head() + kSoftmax);
  // Layers that nobody reads.
  add("DeadBranches", 8, {3, 8, 8},
      c(16, 3, 1, "relu", true, "") + c(16, 3, 1, "relu", true, "") + shortcut(0) + normalised("relu") +  // 0 .. 4
          route("0") + c(16, 3, 1, "linear", true, "") + shortcut(1) + c(24, 3, 2, "relu", true, "") +    // 5 .. 8
          route("7,0") + normalised("relu") + route("7") + c(24, 3, 1, "relu", true, "") + head() + kSoftmax);
  return list;
}

inline std::vector<Sample> both(const std::vector<Sample>& list) {
  std::vector<Sample> all;
  for (const Sample& sample : list) {
    all.push_back(sample);
    all.push_back(sample);
    Sample& smooth = all.back();
    smooth.smooth = true;
    smooth.name += "Smooth";
    smooth.layers = replaced(replaced(smooth.layers, "=relu\n", "=elu\n"), "=leaky\n", "=tanh\n");
  }
  return all;
}

inline double norm_of(const float* values, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return std::sqrt(sum);
}

struct Worst {
  double error = 0;
  std::string where;
  void add(double found, const std::string& place) {
    if (!(found <= error)) {
      error = std::isnan(found) ? kInfinity : found;
      where = place;
    }
  }
};

// The same network both ways, with the same parameters.
struct Twins {
  explicit Twins(const std::string& text, const network::NetworkSettings& settings = {})
      : fast(config_of(text), settings), plain(config_of(text), reference()) {
    start();
  }

  void start() {
    start_from(1, &fast);
    start_from(1, &plain);
  }

  static network::NetworkSettings reference() {
    network::NetworkSettings settings;
    settings.reference = true;
    return settings;
  }

  // A tensor whose gradient is little more than rounding (a bias that only a batch norm reads) is judged on a hundredth
  // of the largest tensor's.
  double least_norm(int64_t count) {
    double largest = 0;
    for (const graph::Parameter& p : plain.parameters()) {
      largest = std::max(largest, norm_of(p.update, p.count) / std::sqrt(static_cast<double>(p.count)));
    }
    return 1e-2 * largest * std::sqrt(static_cast<double>(count));
  }
  Worst gradients() {
    Worst worst;
    for (size_t i = 0; i < plain.parameters().size(); ++i) {
      const graph::Parameter &found = fast.parameters()[i], &expected = plain.parameters()[i];
      const double floor = least_norm(expected.count);
      std::vector<float> difference(static_cast<size_t>(expected.count));
      for (size_t k = 0; k < difference.size(); ++k) difference[k] = found.update[k] - expected.update[k];
      worst.add(norm_of(difference.data(), expected.count) / std::max(norm_of(expected.update, expected.count), floor),
                format("layer %d, %s", expected.layer, expected.name));
    }
    return worst;
  }

  Worst statistics() {
    Worst worst;
    for (size_t layer = 0; layer < plain.blocks().size(); ++layer) {
      for (size_t i = 0; i < plain.blocks()[layer].size(); ++i) {
        const host::Block &found = fast.blocks()[layer][i], &expected = plain.blocks()[layer][i];
        const auto count = static_cast<size_t>(expected.count);
        if (expected.update != nullptr || std::equal(found.value, found.value + count, expected.value)) continue;
        worst.add(error_between(found.value, expected.value, count), format("layer %zu, %s", layer, expected.name));
      }
    }
    return worst;
  }

  network::Network fast, plain;
};

inline std::vector<float> evaluated(const RandomBatch& batch, int count, network::Network* network) {
  graph::Pass pass = batch.pass(false);
  pass.count = count;
  network->forward(&pass);
  const float* logits = network->logits(pass);
  return {logits, logits + static_cast<size_t>(count) * static_cast<size_t>(network->classes())};
}

}  // namespace dng::test
