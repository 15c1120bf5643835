#include "network/weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/file.h"
#include "host/host.h"
#include "tests/network/network_util.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using test::bits_of;
using test::config_of;
using test::expect_error;
using test::net_text;
using test::scramble;
using test::TemporaryFolder;
using test::values_of;

const data::Geometry kInput = {2, 6, 6};
// Every layer that both hosts write in the same order, with and without batch norm.
const std::string kBody =
    "[convolutional]\nbatch_normalize=1\nfilters=3\nsize=3\npad=1\nactivation=relu\n"
    "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=linear\n"
    "[maxpool]\nsize=2\nstride=2\n"
    "[connected]\noutput=5\nbatch_normalize=1\nactivation=relu\n";
const std::string kHead = "[connected]\noutput=6\nactivation=linear\n[softmax]\n";
const std::string kPlain = net_text(2, kInput) + kBody + kHead;
const std::string kNormed = net_text(2, kInput) +
                            "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=linear\n"
                            "[batchnorm]\n[activation]\nactivation=relu\n" +
                            kHead;

const std::string kLocal = net_text(2, kInput) +
                           "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=linear\n"
                           "[local]\nfilters=3\nsize=3\nstride=2\npad=1\nactivation=leaky\n" +
                           kHead;

size_t count_of(const network::Network& network, int layers = 1 << 20) {
  size_t count = 0;
  for (int i = 0; i < std::min(layers, network.size()); ++i) {
    for (const host::Block& block : network.blocks()[static_cast<size_t>(i)]) count += static_cast<size_t>(block.count);
  }
  return count;
}

host::Network* host_of(const network::Network& network) { return network.host(); }

std::string with_float(std::string file, size_t index, float value) {
  std::memcpy(file.data() + 20 + 4 * index, &value, 4);
  return file;
}

TEST(Weights, SurviveARoundTripBitForBit) {
  const TemporaryFolder folder;
  for (const std::string& cfg : {kPlain, kNormed, kLocal}) {
    network::Network saved(config_of(cfg)), loaded(config_of(cfg));
    scramble(&saved, 1);
    scramble(&loaded, 2);
    const std::string path = folder.file("a.weights");
    // More images than 32 bits hold: three epochs of a thousand on ILSVRC2012.
    const uint64_t seen = 3'843'501'000'000ull;
    network::save_weights(path, saved, seen);
    EXPECT_EQ(file_size(path), 20 + 4 * count_of(saved));
    int layers = 0;
    EXPECT_EQ(network::load_weights(path, &loaded, network::Prefix::kRefuse, &layers), seen);
    EXPECT_EQ(layers, loaded.size());
    EXPECT_EQ(values_of(loaded), values_of(saved));
    // What momentum had gathered belongs to the old weights.
    for (const graph::Parameter& parameter : loaded.parameters()) {
      for (int64_t i = 0; i < parameter.count; ++i) ASSERT_EQ(parameter.update[i], 0);
    }
  }
}

TEST(Weights, EqualTheHostsOwnFileByteForByte) {
  const TemporaryFolder folder;
  std::vector<std::string> cfgs = {kPlain, kLocal};
  if (host::traits().saves_batchnorm_biases) cfgs.push_back(kNormed);
  for (const std::string& cfg : cfgs) {
    network::Network network(config_of(cfg));
    scramble(&network, 1);
    network::save_weights(folder.file("plugin.weights"), network, 0);
    host_of(network)->raw_save_weights(folder.file("hosts.weights"));
    const std::string plugin = read_file(folder.file("plugin.weights"), "weights");
    const std::string hosts = read_file(folder.file("hosts.weights"), "the host's");
    EXPECT_EQ(plugin.size(), hosts.size());
    EXPECT_TRUE(plugin == hosts);

    network::Network other(config_of(cfg));
    scramble(&other, 2);
    EXPECT_EQ(network::load_weights(folder.file("hosts.weights"), &other), 0U);
    EXPECT_EQ(values_of(other), values_of(network));

    network::Network by_host(config_of(cfg));
    scramble(&by_host, 3);
    host_of(by_host)->raw_load_weights(folder.file("plugin.weights"));
    EXPECT_EQ(values_of(by_host), values_of(network));
  }
}

// Its own save leaves out the biases of a standalone batch norm; the plugin's must not.
TEST(Weights, KeepTheBiasesThatThePackagedHostForgets) {
  if (host::traits().saves_batchnorm_biases) GTEST_SKIP() << host::traits().name << " writes them";
  const TemporaryFolder folder;
  network::Network network(config_of(kNormed));
  scramble(&network, 1);
  network::save_weights(folder.file("plugin.weights"), network, 0);
  host_of(network)->raw_save_weights(folder.file("hosts.weights"));
  EXPECT_EQ(file_size(folder.file("plugin.weights")), file_size(folder.file("hosts.weights")) + 4 * 4);
}

TEST(Weights, OldFilesCountImagesInFourBytes) {
  const TemporaryFolder folder;
  network::Network saved(config_of(kPlain)), loaded(config_of(kPlain));
  scramble(&saved, 1);
  network::save_weights(folder.file("new.weights"), saved, 77);
  const std::string file = read_file(folder.file("new.weights"), "the weights");
  const int32_t version[4] = {0, 1, 0, 77};
  const std::string path = folder.write(
      "old.weights", std::string(reinterpret_cast<const char*>(version), sizeof version) + file.substr(20));
  EXPECT_EQ(network::load_weights(path, &loaded), 77U);
  EXPECT_EQ(values_of(loaded), values_of(saved));
}

TEST(Weights, WhatDoesNotFitIsRefusedAndChangesNothing) {
  const TemporaryFolder folder;
  network::Network network(config_of(kPlain));
  scramble(&network, 1);
  network::save_weights(folder.file("good.weights"), network, 0);
  const std::string good = read_file(folder.file("good.weights"), "the weights");
  scramble(&network, 2);
  const std::vector<uint32_t> before = bits_of(network);
  const auto refused = [&](const std::string& content, const std::vector<std::string>& parts) {
    const std::string path = folder.write("bad.weights", content);
    for (const network::Prefix prefix : {network::Prefix::kRefuse, network::Prefix::kAllow}) {
      expect_error([&] { network::load_weights(path, &network, prefix); }, parts);
      EXPECT_EQ(bits_of(network), before) << parts[0];
    }
  };
  const size_t count = count_of(network);
  const std::string needs = "needs " + std::to_string(count);
  refused(good.substr(0, good.size() - 4), {"bad.weights: found " + std::to_string(count - 1), needs, "truncated"});
  refused(good.substr(0, good.size() - 1), {"numbers and a part of one", needs, "truncated"});
  refused(good.substr(0, good.size() / 2), {needs, "truncated"});
  refused(good + std::string(4, '\0'), {"found " + std::to_string(count + 1), needs, "of another network"});
  refused(good + "x", {"and a part of one", "of another network"});
  refused(good.substr(0, 18), {"end within their header"});
  refused(good.substr(0, 10), {"10 bytes are too few for weights"});
  refused("", {"0 bytes are too few for weights"});
  refused("[net]\nbatch=64\nsubdivisions=1\n", {"this is no weights file", "give a .weights file"});
  refused(std::string(200, '\xff'), {"this is no weights file"});
  const float infinity = std::numeric_limits<float>::infinity();
  refused(with_float(good, 0, std::nanf("")), {"number 0 of the weights is not finite", "diverged"});
  refused(with_float(good, count - 1, infinity), {"number " + std::to_string(count - 1) + " of the weights"});
  refused(with_float(good, 17, -infinity), {"number 17 of the weights"});

  expect_error([&] { network::load_weights(folder.path(), &network); }, {"is a folder"});
  expect_error([&] { network::load_weights(folder.file("missing.weights"), &network); },
               {"missing.weights", "cannot be read"});
  network::Network other(config_of(kNormed));
  network::save_weights(folder.file("other.weights"), other, 0);
  expect_error([&] { network::load_weights(folder.file("other.weights"), &network); },
               {"other.weights", needs, "test.cfg"});
  EXPECT_EQ(bits_of(network), before);
  // The control: the file that was cut up is right.
  network::load_weights(folder.file("good.weights"), &network);
  EXPECT_NE(bits_of(network), before);
}

TEST(Weights, BackbonesMayEndAfterALayerOnlyWhereThatIsAllowed) {
  const TemporaryFolder folder;
  network::Network saved(config_of(kPlain));
  scramble(&saved, 1);
  network::save_weights(folder.file("whole.weights"), saved, 5);
  const std::string whole = read_file(folder.file("whole.weights"), "the weights");
  const std::vector<float> wanted = values_of(saved);
  for (const int layers : {1, 2, 4}) {
    const size_t taken = count_of(saved, layers);
    const std::string path = folder.write("backbone.weights", whole.substr(0, 20 + 4 * taken));
    network::Network loaded(config_of(kPlain));
    scramble(&loaded, 2);
    const std::vector<uint32_t> before = bits_of(loaded);
    expect_error([&] { network::load_weights(path, &loaded); }, {"truncated or of another network"});
    EXPECT_EQ(bits_of(loaded), before);
    std::vector<float> values = values_of(loaded);
    std::copy(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(taken), values.begin());
    int filled = 0;
    EXPECT_EQ(network::load_weights(path, &loaded, network::Prefix::kAllow, &filled), 5U);
    // Layers without parameters that follow count as filled.
    EXPECT_EQ(filled, layers == 2 ? 3 : layers);
    EXPECT_EQ(values_of(loaded), values);

    const std::string cut = folder.write("cut.weights", whole.substr(0, 20 + 4 * (taken - 1)));
    expect_error([&] { network::load_weights(cut, &loaded, network::Prefix::kAllow); }, {"truncated"});
    EXPECT_EQ(values_of(loaded), values);
  }
  // A header alone is no backbone.
  network::Network loaded(config_of(kPlain));
  const std::string empty = folder.write("empty.weights", whole.substr(0, 20));
  expect_error([&] { network::load_weights(empty, &loaded, network::Prefix::kAllow); }, {"found 0 numbers"});
}

TEST(Weights, DontloadLayersKeepTheirValuesUnlessTheFileIsWhole) {
  const TemporaryFolder folder;
  network::Network saved(config_of(kPlain));
  scramble(&saved, 1);
  network::save_weights(folder.file("whole.weights"), saved, 0);
  const std::string whole = read_file(folder.file("whole.weights"), "the weights");
  const size_t body = count_of(saved, 4);
  const std::string path = folder.write("body.weights", whole.substr(0, 20 + 4 * body));
  network::Network loaded(
      config_of(net_text(2, kInput) + kBody + "[connected]\noutput=6\nactivation=linear\ndontload=1\n[softmax]\n"));
  scramble(&loaded, 2);
  std::vector<float> values = values_of(loaded);
  const std::vector<float> wanted = values_of(saved);
  std::copy(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(body), values.begin());
  network::load_weights(path, &loaded);
  EXPECT_EQ(values_of(loaded), values);
  EXPECT_NE(values_of(loaded), wanted);
  // A whole file starts a training without that layer, and is evaluated with it.
  network::load_weights(folder.file("whole.weights"), &loaded, network::Prefix::kAllow);
  EXPECT_EQ(values_of(loaded), values);
  network::load_weights(folder.file("whole.weights"), &loaded);
  EXPECT_EQ(values_of(loaded), wanted);
}

TEST(Weights, OfOtherClassesFillAllLayersButTheLast) {
  const TemporaryFolder folder;
  const auto network_of = [](int classes, const std::string& more) {
    return config_of(net_text(2, kInput) + kBody + "[connected]\noutput=" + std::to_string(classes) +
                     "\nactivation=linear\n" + more + "[softmax]\n");
  };
  network::Network saved(network_of(9, ""));
  scramble(&saved, 1);
  const std::string path = folder.file("nine.weights");
  network::save_weights(path, saved, 70);
  network::Network plain(network_of(4, "")), fresh(network_of(4, "dontload=1\n"));
  scramble(&plain, 2);
  scramble(&fresh, 2);
  const std::vector<float> before = values_of(plain);
  expect_error([&] { network::load_weights(path, &plain, network::Prefix::kAllow); },
               {"the weights are of 9 classes", "has 4", "write dontload=1 in", "[connected]"});
  expect_error([&] { network::load_weights(path, &plain); }, {"of 9 classes", "trained with this cfg"});
  EXPECT_EQ(values_of(plain), before);
  int filled = 0;
  EXPECT_EQ(network::load_weights(path, &fresh, network::Prefix::kAllow, &filled), 70U);
  EXPECT_EQ(filled, 4);
  const std::vector<float> after = values_of(fresh), wanted = values_of(saved);
  const auto body = static_cast<std::ptrdiff_t>(count_of(saved, 4));
  EXPECT_TRUE(std::equal(after.begin(), after.begin() + body, wanted.begin()));
  EXPECT_TRUE(std::equal(after.begin() + body, after.end(), before.begin() + body));
}

TEST(Weights, AFailedSaveLeavesThePreviousFile) {
  const TemporaryFolder folder;
  network::Network network(config_of(kPlain));
  expect_error([&] { network::save_weights(folder.path() + "/no/such/folder/a.weights", network, 0); },
               {"cannot be written"});
  network::save_weights(folder.file("a.weights"), network, 1);
  EXPECT_FALSE(file_exists(folder.file("a.weights.tmp")));
}

}  // namespace
}  // namespace dng
