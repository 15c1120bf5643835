// Updates on a GPU (train/gpu_steps.cpp) against those on the CPU: the same batches, the same losses, the same weights
// afterwards within rounding. On the emulated GPU everywhere, and on the device where there is one (suites Cuda...).
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "gpu/executor.h"
#include "layers/registry.h"
#include "network/weights.h"
#include "tests/gpu/gpu_devices.h"
#include "tests/network/twin_networks.h"
#include "train/state.h"
#include "train/steps.h"

namespace dng::test {
namespace {

const data::Geometry kImage = {3, 8, 8};
constexpr int kClasses = 7, kImages = 50;

std::string net(const std::string& more, int batch = 8) {
  return net_text(batch, kImage, "max_batches=1000\nlearning_rate=0.05\nmomentum=0.9\ndecay=0.001\n" + more);
}

std::string layers(const std::string& cost = "[softmax]\n") { return residual_layers({8, 12}, 1) + head() + cost; }

MemorySet images(bool packed) {
  std::vector<int> labels;
  for (int i = 0; i < kImages; ++i) labels.push_back(i % kClasses);
  MemorySet set(kImage, labels, 5);
  // Classes differ, so that there is something to learn.
  for (size_t i = 0; i < set.images.size(); ++i) {
    for (uint8_t& byte : set.images[i].planes) byte = static_cast<uint8_t>(byte / 2 + 18 * labels[i]);
  }
  set.packed = packed;
  return set;
}

struct Run {
  Run(const graph::NetworkConfig& config, const MemorySet& set, const network::NetworkSettings& settings,
      train::TeacherSource* teacher, int64_t first = 0)
      : schedule(config.net, set.size(), config.batch), network(config, settings) {
    network.initialize(4);
    train::StepsSettings s{set, &network, teacher, schedule};
    s.seed = 9;
    s.first = first;
    s.profile = &profile;
    steps = train::make_steps(s);
  }
  std::vector<train::StepResult> run(int64_t first, int64_t count) {
    std::vector<train::StepResult> results;
    for (int64_t done = 0; done < count;) {
      const int64_t now = std::min(count - done, steps->max_count());
      steps->run(first + done, now, &results);
      done += now;
    }
    network.pull();
    return results;
  }

  train::Schedule schedule;
  network::Network network;
  train::Profile profile;
  std::unique_ptr<train::Steps> steps;
};

// The largest relative difference between the losses of `count` updates on the GPU and those of `cpus` on the CPU.
double difference(const std::shared_ptr<gpu::Gpu>& gpu, const graph::NetworkConfig& config,
                  const graph::NetworkConfig& cpus, bool packed, int64_t count) {
  const MemorySet set = images(packed);
  Run device(config, set, on(gpu), nullptr), cpu(cpus, set, {}, nullptr);
  const std::vector<train::StepResult> found = device.run(0, count), expected = cpu.run(0, count);
  EXPECT_EQ(found.size(), expected.size());
  double worst = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].images, expected[i].images);
    EXPECT_LE(found[i].correct, found[i].images);
    worst = std::max(worst, std::fabs(found[i].loss - expected[i].loss) / (1 + std::fabs(expected[i].loss)));
  }
  return worst;
}

double difference(const std::shared_ptr<gpu::Gpu>& gpu, const std::string& text, const std::string& cpus, bool packed,
                  int64_t count) {
  return difference(gpu, config_of(text), config_of(cpus), packed, count);
}

void follow(const std::shared_ptr<gpu::Gpu>& gpu, const std::string& text, bool packed, int64_t count, double bound) {
  const double worst = difference(gpu, text, text, packed, count);
  EXPECT_LE(worst, bound);
  testing::Test::RecordProperty("worst", format("%.2e", worst));
}

std::string smooth(const std::string& text) { return replaced(text, "=relu\n", "=elu\n"); }

// Rounding grows from step to step, but the first steps must agree, and all of them roughly.
DNG_GPU_TEST(Steps, LossesFollowTheCpus) { follow(gpu, smooth(net("pad=2\nmirror=1\n") + layers()), true, 20, 1e-3); }
DNG_GPU_TEST(Steps, LossesOfTwoHundredUpdatesFollowTheCpus) {
  follow(gpu, replaced(smooth(net("pad=2\nmirror=1\n") + layers()), "rate=0.05", "rate=0.005"), true, 200, 2e-2);
}
// What the bounds above would not let through.
DNG_GPU_TEST(Steps, OtherUpdatesDoNotFollow) {
  const std::string text = smooth(net("pad=2\nmirror=1\n") + layers());
  for (const auto& [from, to] : {std::pair<const char*, const char*>{"rate=0.05", "rate=0.045"},
                                 {"momentum=0.9", "momentum=0.8"},
                                 {"decay=0.001", "decay=0.1"},
                                 {"pad=2", "pad=1"},
                                 {"mirror=1", "mirror=0"}}) {
    EXPECT_GT(difference(gpu, text, replaced(text, from, to), true, 20), 2e-3) << to;
  }
}
DNG_GPU_TEST(Steps, ImagesOfTheHost) { follow(gpu, smooth(net("pad=2\nmirror=1\n") + layers()), false, 10, 1e-3); }
DNG_GPU_TEST(Steps, HostsAugmentation) { follow(gpu, smooth(net("angle=7\nhue=.1\n") + layers()), true, 10, 1e-3); }
DNG_GPU_TEST(Steps, NesterovAndSubdivisions) {
  const std::string text = replaced(net("pad=1\nmirror=1\nnesterov=1\n"), "subdivisions=1", "subdivisions=2");
  follow(gpu, smooth(text + layers()), true, 15, 1e-3);
}
DNG_GPU_TEST(Steps, Adam) {
  const std::string text = replaced(smooth(net("pad=1\nadam=1\nB1=.8\neps=.01\n") + layers()), "0.05", "0.003");
  follow(gpu, text, true, 15, 1e-3);
  for (const char* line : {"adam=1\n", "B1=.8\n", "eps=.01\n"}) {
    EXPECT_GT(difference(gpu, text, replaced(text, line, ""), true, 15), 2e-3) << line;
  }
}
DNG_GPU_TEST(Steps, FrozenLayersAndFactorsOfTheRate) {
  std::string text = smooth(net("pad=1\n") + layers());
  text = replaced(text, "output=7\n", "output=7\nlearning_rate=0.3\n");
  text.insert(text.find("[shortcut]") + 11, "stopbackward=1\n");
  follow(gpu, text, true, 15, 1e-3);
}
DNG_GPU_TEST(Steps, Dropout) {
  follow(gpu, smooth(net("pad=1\n") + replaced(layers(), "[avgpool]\n", "[dropout]\nprobability=0.4\n[avgpool]\n")),
         true, 15, 1e-3);
}
DNG_GPU_TEST(Steps, CostsThatChangeWithTheEpoch) {
  follow(gpu, smooth(net("pad=1\n") + layers("[tsd]\nconfidence=0.6\nk=3\nwarmup_epochs=2\n")), true, 20, 1e-3);
}

DNG_GPU_TEST(Steps, ClassWeights) {
  for (const char* cost : {"[softmax]\n", "[tsd]\nconfidence=0.6\nk=3\n", "[label_smoothing]\n"}) {
    const graph::NetworkConfig plain = config_of(smooth(net("pad=2\ncutmix=1\nlabel_smooth_eps=0.1\n") + layers(cost)));
    graph::NetworkConfig weighted = plain;
    weighted.layers.back().class_weights = {2, 0, 0.5f, 1, 1, 3, 0.25f};
    EXPECT_LE(difference(gpu, weighted, weighted, true, 15), 1e-3) << cost;
    EXPECT_GT(difference(gpu, weighted, plain, true, 15), 2e-3) << cost;
  }
}

// Mixed images come from the host with soft labels.
DNG_GPU_TEST(Steps, MixedImages) {
  const std::string text = smooth(net("pad=2\nmirror=1\ncutmix=1\nmosaic=1\nblur=5\n") + layers());
  for (const char* cost : {"[softmax]\n", "[tsd]\nconfidence=0.6\nk=3\nprimary=truth\n"}) {
    follow(gpu, replaced(replaced(text, "[softmax]\n", cost), "blur=5\n", "blur=5\nlabel_smooth_eps=0.1\n"), true, 15,
           1e-3);
  }
  for (const char* line : {"cutmix=1\n", "mosaic=1\n", "blur=5\n"}) {
    EXPECT_GT(difference(gpu, text, replaced(text, line, ""), true, 20), 2e-3) << line;
  }
}

// In float the images on the device are the host's, bit for bit.
DNG_GPU_TEST(Steps, ImagesAndLabelsAreTheHosts) {
  const graph::NetworkConfig config =
      config_of(net("pad=2\nmirror=1\nmean=0.4,0.5,0.6\nstd=0.2,0.3,0.25\n") + layers());
  const MemorySet set = images(true);
  Run device(config, set, on(gpu), nullptr);
  data::TrainingStream stream(set, config.augmentation(), config.input, 9, config.mini_batch, 0, 1 << 20, 1);
  // Batches 6 and 12 straddle epochs.
  for (int64_t step = 0; step < 14; ++step) {
    device.run(step, 1);
    const data::Batch& batch = stream.next();
    const gpu::Executor& network = *device.network.device();
    std::vector<float> found(batch.images.size());
    std::vector<int> labels(batch.labels.size());
    gpu->copy_out(found.data(), network.io().images, found.size() * sizeof(float));
    gpu->copy_out(labels.data(), network.io().labels, labels.size() * sizeof(int));
    EXPECT_EQ(labels, batch.labels);
    const auto channels = static_cast<size_t>(kImage.channels), space = kImage.size() / channels;
    size_t wrong = 0;
    for (size_t i = 0; i < found.size(); ++i) {
      const size_t channel = i % channels, pixel = i / channels % space, image = i / channels / space;
      wrong += found[i] == batch.images[(image * channels + channel) * space + pixel] ? 0 : 1;
    }
    EXPECT_EQ(wrong, 0U) << "step " << step;
  }
}

DNG_GPU_TEST(Steps, ManyUpdatesAtOnceGiveTheSameBits) {
  const graph::NetworkConfig config = config_of(net("pad=2\nmirror=1\n") + layers());
  const MemorySet set = images(true);
  Run one(config, set, on(gpu), nullptr), many(config, set, on(gpu), nullptr);
  std::vector<train::StepResult> single;
  for (int64_t i = 0; i < 12; ++i) single.push_back(one.run(i, 1)[0]);
  const std::vector<train::StepResult> together = many.run(0, 12);
  for (size_t i = 0; i < single.size(); ++i) {
    EXPECT_EQ(single[i].loss, together[i].loss);
    EXPECT_EQ(single[i].correct, together[i].correct);
  }
  EXPECT_EQ(bits_of(one.network), bits_of(many.network));
}

// What replayed updates changed counts in an evaluation, after the first as after later epochs.
DNG_GPU_TEST(Steps, EvaluationsBetweenReplayedUpdatesFollowTheCpus) {
  const graph::NetworkConfig config = config_of(smooth(net("pad=2\nmirror=1\n") + layers()));
  const MemorySet set = images(true);
  Run device(config, set, on(gpu), nullptr), cpu(config, set, {}, nullptr);
  const RandomBatch batch(config, 1);
  std::vector<float> before;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    device.run(6 * epoch, 6);
    cpu.run(6 * epoch, 6);
    const int count = batch.pass(false).count;
    const std::vector<float> found = evaluated(batch, count, &device.network),
                             expected = evaluated(batch, count, &cpu.network);
    EXPECT_LE(error_between(found, expected), 1e-2) << "epoch " << epoch;
    // More than the bound lets through.
    if (epoch > 0) {
      EXPECT_GT(error_between(before, expected), 1e-1) << "epoch " << epoch;
    }
    before = expected;
  }
}

auto bits_after_updates(const std::shared_ptr<gpu::Gpu>& gpu) {
  const graph::NetworkConfig config = config_of(net("pad=2\nmirror=1\n") + layers());
  const MemorySet set = images(true);
  Run run(config, set, on(gpu), nullptr);
  run.run(0, 8);
  return bits_of(run.network);
}

// A GPU that cannot capture launches the same kernels one by one.
TEST(EmulatedSteps, WithoutGraphCaptureTheBitsAreTheSame) {
  const auto recorded = bits_after_updates(emulated_gpu());
  testing::internal::CaptureStderr();
  const auto unrecorded = bits_after_updates(emulated_gpu(size_t{1} << 40, false));
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("an emulated GPU: CUDA graph capture failed (it was told not to)"), std::string::npos) << said;
  EXPECT_EQ(said.find("capture failed"), said.rfind("capture failed"));
  EXPECT_EQ(recorded, unrecorded);
}

// A frozen teacher that reads the student's images on the device, against the CPU's.
DNG_GPU_TEST(Steps, TeachersFollowTheCpus) {
  const TemporaryFolder folder;
  const std::string cfg = folder.write("teacher.cfg", net("") + layers("[tsd]\neta=0.5\nk=3\n"));
  const std::string weights = folder.path() + "/teacher.weights";
  {
    network::Network teacher(layers::read_network_config(cfg));
    start_from(3, &teacher);
    network::save_weights(weights, teacher, 0);
  }
  // Mixed images come from the host.
  for (const char* mixing : {"", "cutmix=1\n"}) {
    const graph::NetworkConfig config = config_of(
        smooth(net(std::string("pad=2\nmirror=1\n") + mixing)) +
        smooth(layers("[distill]\nlambda=0.7\ntemperature=2\nteacher=" + cfg + "\nteacher_weights=" + weights + "\n")));
    const MemorySet set = images(true);
    train::LiveTeacher theirs(config.cost().options, config, gpu), cpus(config.cost().options, config);
    Run device(config, set, on(gpu), &theirs), cpu(config, set, {}, &cpus);
    const std::vector<train::StepResult> found = device.run(0, 15), expected = cpu.run(0, 15);
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_NEAR(found[i].loss, expected[i].loss, 1e-3 * (1 + std::fabs(expected[i].loss))) << mixing << "step " << i;
    }
  }
}

// A state of the GPU continues on the CPU, and the reverse.
DNG_GPU_TEST(Steps, StatesGoOnOnTheOtherDevice) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/a.state";
  const MemorySet set = images(true);
  for (const auto& [from_gpu, keys] : {std::pair<bool, std::string>{true, ""},
                                       {false, ""},
                                       {true, "adam=1\neps=.01\n"},
                                       {false, "adam=1\neps=.01\n"}}) {
    const std::string text = smooth(net("pad=2\nmirror=1\n" + keys) + layers());
    const graph::NetworkConfig config = config_of(keys.empty() ? text : replaced(text, "rate=0.05", "rate=0.001"));
    const network::NetworkSettings first = from_gpu ? on(gpu) : network::NetworkSettings{},
                                   second = from_gpu ? network::NetworkSettings{} : on(gpu);
    Run whole(config, set, first, nullptr), before(config, set, first, nullptr);
    whole.run(0, 12);
    before.run(0, 6);
    train::TrainingState state;
    state.iteration = 6;
    state.machine = {{"device", from_gpu ? "a" : "cpu"}};
    train::save_state(path, state, before.network);
    Run after(config, set, second, nullptr, 6);
    train::TrainingState read;
    read.machine = {{"device", from_gpu ? "cpu" : "a"}};
    EXPECT_NE(train::load_state(path, &read, &after.network).find("device"), std::string::npos);
    after.run(6, 6);
    for (size_t layer = 0; layer < whole.network.blocks().size(); ++layer) {
      for (size_t i = 0; i < whole.network.blocks()[layer].size(); ++i) {
        const host::Block &a = whole.network.blocks()[layer][i], &b = after.network.blocks()[layer][i];
        EXPECT_LE(error_between(b.value, a.value, static_cast<size_t>(a.count)), 1e-2) << layer << " " << a.name;
      }
    }
  }
}

TEST(EmulatedSteps, ShortMemorySaysWhichSubdivisionsWouldFit) {
  const std::string text = net("pad=2\n", 512) + layers();
  constexpr size_t kMemory = size_t{6} << 20;
  expect_error([&] { network::Network network(config_of(text), on(emulated_gpu(kMemory))); },
               {"out of memory on an emulated GPU", "needs", "are free", "subdivisions="});
  network::Network fits(config_of(replaced(text, "subdivisions=1", "subdivisions=64")), on(emulated_gpu(kMemory)));
}

TEST(EmulatedSteps, TheLibrariesShareOfTheMemoryIsLeft) {
  const graph::NetworkConfig config = config_of(net("pad=2\n") + layers());
  constexpr size_t kMemory = size_t{1} << 30;
  const std::shared_ptr<gpu::Gpu> wide = emulated_gpu(kMemory);
  network::Network network(config, on(wide));
  const size_t used = kMemory - wide->free_bytes();
  network::Network fits(config, on(emulated_gpu(used + kEmulatedSpare)));
  expect_error([&] { network::Network short_of_it(config, on(emulated_gpu(used + kEmulatedSpare - 1))); },
               {"out of memory", "the libraries", "beside it"});
}

TEST(EmulatedSteps, MoreItemsThanKernelsCountAreRefused) {
  gpu::require_countable(size_t{1} << 31);
  expect_error([] { gpu::require_countable((size_t{1} << 31) + 1); }, {"2147483649", "subdivisions="});
}

}  // namespace
}  // namespace dng::test
