// The C interface: the program's answers, on any number of threads at once, and errors as text.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "darknet_generations.h"
#include "network/weights.h"
#include "tests/network/sample_networks.h"

namespace dng::test {
namespace {

constexpr int kThreads = 8;
constexpr size_t kImages = 37;
constexpr data::Geometry kInput = {3, 12, 12};

const std::string kNetwork = net_text(4, kInput, "mean=0.4,0.5,0.6\nstd=0.2,0.25,0.3\nvalid_resize=14\n") +
                             residual_layers({8, 16}, 1) + head() + "[softmax]\ntemperature=2\n";

// Images of several sizes, as the interface takes them.
struct Pictures {
  std::vector<std::vector<unsigned char>> bytes;
  std::vector<dng_image> images;

  explicit Pictures(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      const int width = 9 + static_cast<int>(i % 5), height = 17 - static_cast<int>(i % 7);
      CounterRandom random(3, Stream::kTest, i, 0);
      std::vector<unsigned char> pixels(3 * static_cast<size_t>(width) * static_cast<size_t>(height));
      for (unsigned char& byte : pixels) byte = static_cast<unsigned char>(random.below(256));
      bytes.push_back(std::move(pixels));
      images.push_back({bytes.back().data(), width, height});
    }
  }
};

class ClassifierLibrary : public ::testing::Test {
 protected:
  ClassifierLibrary() : cfg_(folder_.write("net.cfg", kNetwork)), weights_(folder_.file("net.weights")) {
    network::Network network(layers::read_network_config(cfg_, cfg::Reading::kTranslating));
    start_from(7, &network);
    for (const auto& layer : network.blocks()) {
      for (const host::Block& block : layer) {
        if (block.kind == host::Block::Kind::kVariance) std::fill_n(block.value, block.count, 0.5f);
      }
    }
    network::save_weights(weights_, network, 0);
    classifier_ = dng_load(cfg_.c_str(), weights_.c_str(), nullptr);
    EXPECT_NE(classifier_, nullptr) << dng_error();
  }
  ~ClassifierLibrary() override { dng_free(classifier_); }

  size_t classes() const { return static_cast<size_t>(dng_classes(classifier_)); }

  std::vector<float> classify(const Pictures& pictures, size_t count, int threads) const {
    std::vector<float> found(count * classes(), -1);
    EXPECT_EQ(dng_classify(classifier_, pictures.images.data(), count, threads, found.data()), 0) << dng_error();
    return found;
  }

  // What the network's own evaluation says of each image.
  std::vector<float> wanted(const Pictures& pictures) const {
    network::Network network(graph::with_mini_batch(layers::read_network_config(cfg_, cfg::Reading::kTranslating), 1),
                             network::NetworkSettings::evaluation());
    network::load_weights(weights_, &network);
    std::vector<float> wanted;
    for (const dng_image& picture : pictures.images) {
      data::Image image{{3, picture.height, picture.width}, {}};
      for (size_t c = 0; c < 3; ++c) {
        for (size_t p = c; p < image.shape.size(); p += 3) image.planes.push_back(picture.pixels[p]);
      }
      std::vector<float> input(kInput.size());
      data::prepare_for_evaluation(image, network.config().augmentation(), kInput, input.data());
      graph::Pass pass;
      pass.count = 1;
      pass.input = input.data();
      network.forward(&pass);
      wanted.insert(wanted.end(), network.probabilities(), network.probabilities() + network.classes());
    }
    return wanted;
  }

  TemporaryFolder folder_;
  std::string cfg_, weights_;
  dng_classifier* classifier_ = nullptr;
};

TEST_F(ClassifierLibrary, GivesWhatTheNetworkGives) {
  const Pictures pictures(kImages);
  const std::vector<float> expected = wanted(pictures);
  EXPECT_EQ(classify(pictures, 1, 1),
            std::vector<float>(expected.begin(), expected.begin() + dng_classes(classifier_)));
  const std::vector<float> found = classify(pictures, kImages, 1);
  ASSERT_EQ(found.size(), expected.size());
  double spread = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], 1e-5) << i;
    spread = std::max(spread, std::abs(1.0 * expected[i] - expected[i % classes()]));
  }
  EXPECT_GT(spread, 0.01) << "all images have the same answer";
}

TEST_F(ClassifierLibrary, EightThreadsAtOnceGiveTheSameBits) {
  const Pictures pictures(kImages);
  // The first call with several images, which makes the network for them, is one of those at once.
  std::vector<std::vector<float>> found(kThreads);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int repeat = 0; repeat < 3; ++repeat) found[t] = classify(pictures, kImages, 1 + static_cast<int>(t % 3));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<float>& one : found) EXPECT_EQ(one, found[0]);
  EXPECT_EQ(classify(pictures, kImages, 0), found[0]);
}

TEST_F(ClassifierLibrary, LoadsOnSeveralThreadsAtOnceAndErrorsAreOfTheThread) {
  const Pictures pictures(2);
  const std::vector<float> expected = classify(pictures, 2, 1);
  std::vector<std::string> errors(kThreads);
  std::vector<std::vector<float>> found(kThreads);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const std::string missing = folder_.file("missing" + std::to_string(t));
      EXPECT_EQ(dng_load(missing.c_str(), weights_.c_str(), nullptr), nullptr);
      dng_classifier* own = dng_load(cfg_.c_str(), weights_.c_str(), nullptr);
      found[t].resize(2 * classes());
      EXPECT_EQ(dng_classify(own, pictures.images.data(), 2, 1, found[t].data()), 0);
      dng_free(own);
      errors[t] = dng_error();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t t = 0; t < kThreads; ++t) {
    EXPECT_EQ(found[t], expected);
    EXPECT_NE(errors[t].find("missing" + std::to_string(t) + ": the cfg cannot be read"), std::string::npos)
        << errors[t];
  }
}

TEST_F(ClassifierLibrary, NamesAndVersion) {
  EXPECT_EQ(classes(), 7U);
  EXPECT_STREQ(dng_class_name(classifier_, 3), "class 3");
  EXPECT_EQ(dng_class_name(classifier_, 7), nullptr);
  EXPECT_EQ(dng_class_name(classifier_, -1), nullptr);
  const std::string names = folder_.write("names.txt", "a\nb\nc d\ne\nf\ng\nh\n");
  dng_classifier* named = dng_load(cfg_.c_str(), weights_.c_str(), names.c_str());
  ASSERT_NE(named, nullptr) << dng_error();
  EXPECT_STREQ(dng_class_name(named, 2), "c d");
  dng_free(named);
  EXPECT_NE(std::string(dng_version()).find('.'), std::string::npos);
  dng_free(nullptr);
}

TEST_F(ClassifierLibrary, ErrorsAreText) {
  const auto refused = [&](const char* cfg, const char* weights, const char* names, const std::string& part) {
    EXPECT_EQ(dng_load(cfg, weights, names), nullptr);
    EXPECT_NE(std::string(dng_error()).find(part), std::string::npos) << dng_error();
  };
  const std::string few = folder_.write("few.txt", "a\nb\n"), bad = folder_.write("bad.cfg", "[net]\nbatch=x\n");
  refused(nullptr, weights_.c_str(), nullptr, "is NULL");
  refused(cfg_.c_str(), folder_.file("none").c_str(), nullptr, "the weights file cannot be read");
  refused(cfg_.c_str(), cfg_.c_str(), nullptr, "net.cfg");
  refused(cfg_.c_str(), weights_.c_str(), few.c_str(), "2 names, the network has 7 classes");
  refused(bad.c_str(), weights_.c_str(), nullptr, "bad.cfg:2");

  Pictures pictures(20);
  std::vector<float> found(20 * classes());
  const auto fails = [&](const std::string& part) {
    EXPECT_EQ(dng_classify(classifier_, pictures.images.data(), 20, 4, found.data()), -1);
    EXPECT_NE(std::string(dng_error()).find(part), std::string::npos) << dng_error();
  };
  pictures.images[17].width = 0;
  fails("image 17: 0x");
  pictures = Pictures(20);
  pictures.images[3].pixels = nullptr;
  fails("image 3: ");
  EXPECT_EQ(dng_classify(classifier_, nullptr, 1, 1, found.data()), -1);
  EXPECT_EQ(dng_classify(nullptr, nullptr, 1, 1, found.data()), -1);
  EXPECT_EQ(dng_classify(classifier_, nullptr, 0, 1, nullptr), 0);
}

TEST_F(ClassifierLibrary, OutputsThatAreNotFiniteAreAnError) {
  network::Network network(layers::read_network_config(cfg_, cfg::Reading::kTranslating));
  for (const auto& layer : network.blocks()) {
    for (const host::Block& block : layer) std::fill_n(block.value, block.count, 1e30f);
  }
  network::save_weights(weights_, network, 0);
  dng_classifier* large = dng_load(cfg_.c_str(), weights_.c_str(), nullptr);
  ASSERT_NE(large, nullptr) << dng_error();
  const Pictures pictures(1);
  std::vector<float> found(classes());
  EXPECT_EQ(dng_classify(large, pictures.images.data(), 1, 1, found.data()), -1);
  EXPECT_NE(std::string(dng_error()).find("image 0: the network's outputs are not finite"), std::string::npos);
  dng_free(large);
}

}  // namespace
}  // namespace dng::test
