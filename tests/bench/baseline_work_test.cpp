// What the primitive baseline of the benchmark counts.
#include "bench/baseline_work.h"

#include <gtest/gtest.h>

#include "layers/registry.h"
#include "tests/network/network_util.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using bench::BaselineWork;
using bench::inference_work;
using bench::training_work;
using test::config_of;
using test::net_text;

const std::string kTail = "[avgpool]\n[connected]\noutput=10\nactivation=linear\n[softmax]\n";

std::string convolution(int filters, const std::string& activation, bool batch_normalize = true) {
  return "[convolutional]\nfilters=" + std::to_string(filters) + "\nsize=3\npad=1\nactivation=" + activation +
         (batch_normalize ? "\nbatch_normalize=1\n" : "\n");
}

graph::NetworkConfig network_of(const std::string& layers) {
  return config_of(net_text(2, {3, 8, 8}) + layers + kTail);
}

template <class Work>
std::string text_of(const std::vector<Work>& list) {
  std::string text;
  for (const Work& work : list) text += std::to_string(work.count) + " of " + work.text() + "\n";
  return text;
}

const std::string kResidual = convolution(16, "relu") + convolution(16, "relu") + convolution(16, "linear") +
                              "[shortcut]\nfrom=-3\nactivation=relu\n";

TEST(BaselineWork, TrainingCountsEqualShapesOnce) {
  const BaselineWork work = training_work(network_of(kResidual));
  EXPECT_EQ(text_of(work.convolutions),
            "1 of 3x8x8 -> 16x8x8, 3x3, padding 1, reads the input\n2 of 16x8x8 -> 16x8x8, 3x3, padding 1\n");
  EXPECT_EQ(text_of(work.batch_norms), "3 of 16x8x8\n");
  EXPECT_EQ(text_of(work.adds), "1 of 16x8x8\n");
}

TEST(BaselineWork, InferenceFoldsBatchNormAndShortcutIntoTheConvolution) {
  const BaselineWork work = inference_work(network_of(kResidual));
  EXPECT_EQ(text_of(work.convolutions),
            "1 of 3x8x8 -> 16x8x8, 3x3, padding 1, ReLU, reads the input\n"
            "1 of 16x8x8 -> 16x8x8, 3x3, padding 1, ReLU\n"
            "1 of 16x8x8 -> 16x8x8, 3x3, padding 1, sum, ReLU\n");
  EXPECT_EQ(text_of(work.batch_norms), "");
  EXPECT_EQ(text_of(work.adds), "");
}

TEST(BaselineWork, InferenceKeepsABatchNormThatReadsSeveralLayers) {
  const std::string dense = convolution(16, "linear", false) + "[batchnorm]\n[activation]\nactivation=relu\n" +
                            convolution(16, "linear", false) + "[route]\nlayers=-4,-1\n[batchnorm]\n";
  // The first convolution is read by its batch norm and by the route: it stays as it is.
  const BaselineWork work = inference_work(network_of(dense));
  EXPECT_EQ(text_of(work.batch_norms), "1 of 16x8x8\n1 of 32x8x8\n");
}

TEST(BaselineWork, InferenceFoldsAStandaloneBatchNormBehindAConvolution) {
  const BaselineWork work = inference_work(network_of(convolution(16, "linear", false) + "[batchnorm]\n"));
  EXPECT_EQ(text_of(work.batch_norms), "");
  EXPECT_EQ(text_of(work.convolutions), "1 of 3x8x8 -> 16x8x8, 3x3, padding 1, ReLU, reads the input\n");
}

TEST(BaselineWork, TellsWindowsApart) {
  const std::string window = "[convolutional]\nfilters=16\nsize=3\npad=1\nactivation=linear\n";
  const BaselineWork work =
      training_work(network_of(window + "stride_x=2\n" + window + "dilation=2\n" + window + "stride=2\n"));
  EXPECT_EQ(text_of(work.convolutions),
            "1 of 3x8x8 -> 16x8x4, 3x3, strides 1 and 2, padding 1, reads the input\n"
            "1 of 16x8x4 -> 16x8x4, 3x3, dilation 2, padding 2\n1 of 16x8x4 -> 16x4x2, 3x3, stride 2, padding 1\n");
}

TEST(BaselineWork, CountsThePapersResNet20) {
  const BaselineWork work = training_work(layers::read_network_config(test::source_path("cfg/cifar100-resnet20.cfg")));
  int convolutions = 0, batch_norms = 0, adds = 0;
  for (const auto& each : work.convolutions) convolutions += each.count;
  for (const auto& each : work.batch_norms) batch_norms += each.count;
  for (const auto& each : work.adds) adds += each.count;
  // 19 of 3x3, and two projections.
  EXPECT_EQ(convolutions, 21);
  EXPECT_EQ(batch_norms, 21);
  EXPECT_EQ(adds, 9);
}

}  // namespace
}  // namespace dng
