#include "graph/network_config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cpu/kernel.h"
#include "host/host.h"
#include "layers/registry.h"
#include "tests/network/network_util.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using test::config_of;
using test::expect_error;
using test::net_text;

const std::string kTail = "[avgpool]\n[connected]\noutput=10\nactivation=linear\n[softmax]\n";

std::string shape_text(const data::Geometry& g) { return format("%dx%dx%d", g.channels, g.height, g.width); }

// The shape of the last layer of `layers`, behind which a classifier is put.
std::string shape_after(const data::Geometry& input, const std::string& layers, int batch = 2) {
  const graph::NetworkConfig config = config_of(net_text(batch, input) + layers + kTail);
  return shape_text(config.layers[config.layers.size() - 4].out);
}

void refused(const std::string& layers, const std::vector<std::string>& parts,
             const data::Geometry& input = {3, 8, 8}) {
  expect_error([&] { config_of(net_text(2, input) + layers + kTail); }, parts);
}

void net_refused(const std::string& lines, const std::vector<std::string>& parts) {
  expect_error([&] { config_of(net_text(4, {3, 8, 8}, lines) + kTail); }, parts);
}

// ---- [net] ----

TEST(NetworkConfig, ReadsTheNetSection) {
  const graph::NetworkConfig config =
      config_of("[net]\nbatch=64\nsubdivisions=4\nheight=24\nwidth=32\nchannels=3\nmax_batches=100\n" + kTail);
  EXPECT_EQ(config.batch, 64);
  EXPECT_EQ(config.subdivisions, 4);
  EXPECT_EQ(config.mini_batch, 16);
  EXPECT_EQ(shape_text(config.input), "3x24x32");
  EXPECT_EQ(config.classes(), 10);
  EXPECT_EQ(config.cost().op->section, "softmax");
  EXPECT_EQ(config.net.real("momentum"), 0.9);
  const graph::NetworkConfig other = graph::with_mini_batch(config, 5);
  EXPECT_EQ(other.mini_batch, 5);
  EXPECT_EQ(other.batch, 5);
  EXPECT_NE(other.host_text().find("batch=5\n"), std::string::npos);
  EXPECT_EQ(config_of("[network]\nheight=8\nwidth=8\nchannels=1\n" + kTail).mini_batch, 1);
}

TEST(NetworkConfig, ShardsFollowFromTheMiniBatch) {
  const auto shards = [](int batch, const std::string& more) {
    return config_of(net_text(batch, {3, 8, 8}, more) + kTail).shards;
  };
  const std::vector<std::pair<int, int>> expected = {{1, 1},  {16, 1},  {31, 1},  {32, 2},  {48, 2},
                                                     {64, 4}, {100, 4}, {128, 8}, {512, 8}, {509, 1}};
  for (const auto& [batch, count] : expected) EXPECT_EQ(shards(batch, ""), count) << batch;
  EXPECT_EQ(shards(128, "shards=1\n"), 1);
  EXPECT_EQ(shards(72, "shards=9\n"), 9);
  const graph::NetworkConfig config =
      config_of("[net]\nbatch=128\nsubdivisions=4\nheight=8\nwidth=8\nchannels=3\nshards=1\n" + kTail);
  EXPECT_EQ(config.shards, 1);
  EXPECT_EQ(graph::with_mini_batch(config, 64).shards, 4);
  for (const int wrong : {3, 16, 64}) {
    expect_error([&] { shards(64, "shards=" + std::to_string(wrong) + "\n"); },
                 {"[net] shards=" + std::to_string(wrong), "a mini-batch (batch / subdivisions) has 64 images"});
  }
}

TEST(NetworkConfig, NetErrorsNameLineAndKey) {
  expect_error([] { config_of("[softmax]\n"); }, {"test.cfg:1:", "[softmax]", "must be [net]"});
  expect_error([] { config_of("[net]\nwidth=8\nchannels=3\n" + kTail); }, {"[net]", "height= is missing"});
  expect_error([] { config_of("[net]\nheight=8\nchannels=3\n" + kTail); }, {"width= is missing"});
  expect_error([] { config_of("[net]\nheight=8\nwidth=8\n" + kTail); }, {"channels= is missing"});
  expect_error([] { config_of("[net]\nbatch=10\nsubdivisions=3\nheight=8\nwidth=8\nchannels=3\n" + kTail); },
               {"test.cfg:3: [net] subdivisions=3: batch=10"});
  expect_error([] { config_of(net_text(1, {3, 8, 8})); }, {"no layers after [net]"});
  expect_error(
      [] {
        config_of(net_text(1, {3, 8, 8}) + "[connected]\noutput=3\n[net]\n[softmax]\n");
      },
      {"test.cfg:9: a second [net]"});
  net_refused("momentun=0.9\n", {"test.cfg:7: [net] unknown key 'momentun'; did you mean 'momentum'?"});
  net_refused("momentum=1\n", {"[net] momentum=1", "below 1"});
  net_refused("learning_rate=-1\n", {"learning_rate=-1", "a number from 0"});
  net_refused("adam=1\nnesterov=1\n", {"[net] nesterov=1", "adam=1 has no momentum"});
  net_refused("mixup=5\n", {"[net] mixup=5", "from 0 to 4"});
  net_refused("blur=4\n", {"[net] blur=4", "give 5"});
  net_refused("random=1\n", {"[net] random=1", "does not follow it"});
  net_refused("label_smooth_eps=1\n", {"label_smooth_eps=1", "below 1"});
}

TEST(NetworkConfig, AllWrongLinesAreFoundAtOnce) {
  const auto error_of = [](const std::string& layers) {
    try {
      config_of(net_text(2, {3, 8, 8}) + layers + kTail);
    } catch (const Error& error) {
      return error;
    }
    return Error("none");
  };
  testing::internal::CaptureStderr();
  const Error three = error_of("[convolutional]\nfilters=x\nsize=3\nstrid=2\n[maxpol]\n");
  ASSERT_EQ(three.others.size(), 2U);
  EXPECT_NE(three.others[0].find("filters=x: found 'x'"), std::string::npos) << three.others[0];
  EXPECT_NE(three.others[1].find("unknown key 'strid'; did you mean 'stride'"), std::string::npos) << three.others[1];
  EXPECT_NE(std::string(three.what()).find("unknown section 'maxpol'"), std::string::npos) << three.what();
  std::string many;
  for (int i = 0; i < 30; ++i) many += "[activation]\nactivation=x\n";
  const Error thirty = error_of(many);
  EXPECT_EQ(thirty.others.size(), 19U);
  EXPECT_NE(std::string(thirty.what()).find("; and 10 more"), std::string::npos) << thirty.what();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "whoever catches it decides what is shown";
}

TEST(NetworkConfig, SchedulesThatContradictThemselvesAreRefused) {
  net_refused("max_batches=10\nepochs=2\n", {"[net] max_batches=10", "keep one of max_batches and epochs"});
  net_refused("policy=steps\nsteps=1\nepoch_steps=1\nscales=.1\n", {"keep one of steps and epoch_steps"});
  net_refused("policy=steps\nscales=.1\n", {"steps= is missing"});
  net_refused("policy=steps\nsteps=10\n", {"scales= is missing"});
  net_refused("policy=steps\nsteps=10,20\nscales=.1\n", {"steps=10,20: 2 steps but 1 scales"});
  net_refused("policy=steps\nepoch_steps=20,10\nscales=.1,.1\n", {"epoch_steps=20,10", "the steps must rise"});
  net_refused("policy=steps\nsteps=10,10\nscales=.1,.1\n", {"the steps must rise"});
  net_refused("policy=step\nscale=.1\n", {"step= is missing", "policy=step"});
  net_refused("policy=sigmoid\n", {"step= is missing", "policy=sigmoid"});
  net_refused("policy=stepped\n", {"one of constant, step, steps", "did you mean 'step'?"});
  net_refused("epochs=0\n", {"epochs=0", "above 0"});
  net_refused("max_batches=-1\n", {"max_batches=-1", "from 0"});
  EXPECT_NO_THROW(config_of(net_text(4, {3, 8, 8}, "policy=steps\nepochs=9\nepoch_steps=3,6\nscales=.1,.1\n") + kTail));
  EXPECT_NO_THROW(config_of(net_text(4, {3, 8, 8}, "policy=cosine\nmax_batches=9\nnesterov=1\n") + kTail));
}

TEST(NetworkConfig, AugmentationsThatContradictThemselvesAreRefused) {
  for (const char* host_key : {"flip=0", "angle=7", "aspect=.75", "hue=.1", "saturation=.75", "exposure=.75",
                               "min_crop=8", "max_crop=16", "min_ratio=1", "max_ratio=2"}) {
    for (const char* own_key : {"pad=4", "mirror=0", "random_resized_crop=1"}) {
      net_refused(std::string(host_key) + "\n" + own_key + "\n", {host_key, "switch Darknet's augmentation off"});
    }
  }
  net_refused("pad=4\nrandom_resized_crop=1\n", {"pad=4", "crops already"});
  net_refused("mean=.5,.5\n", {"mean=.5,.5: found 2 numbers, the input has 3 channels"});
  net_refused("std=.5\n", {"std=.5: found 1 numbers"});
  net_refused("std=.5,0,.5\n", {"std=.5,0,.5", "above 0"});
  net_refused("valid_resize=7\n", {"valid_resize=7: smaller than the network's input (8x8)"});
  const graph::NetworkConfig own =
      config_of(net_text(4, {3, 8, 8}, "pad=2\nmirror=1\nmean=.1,.2,.3\nstd=1,2,3\n") + kTail);
  EXPECT_TRUE(own.augmentation().own);
  EXPECT_EQ(own.augmentation().pad, 2);
  EXPECT_TRUE(own.augmentation().mirror);
  EXPECT_EQ(own.augmentation().mean, (std::vector<float>{.1f, .2f, .3f}));
  EXPECT_EQ(own.augmentation().std, (std::vector<float>{1, 2, 3}));
}

// A factor below one means the same as its inverse, and every stock cfg of the packaged host says saturation=.75.
TEST(NetworkConfig, FactorsOfTheHostsAugmentationMayBeBelowOne) {
  const graph::NetworkConfig config =
      config_of(net_text(4, {3, 8, 8}, "saturation=.75\nexposure=.75\naspect=.75\nhue=.1\nangle=7\n") + kTail);
  const data::Augmentation augmentation = config.augmentation();
  EXPECT_FALSE(augmentation.own);
  EXPECT_EQ(augmentation.saturation, 0.75);
  EXPECT_EQ(augmentation.exposure, 0.75);
  EXPECT_EQ(augmentation.aspect, 0.75);
  EXPECT_NO_THROW(data::check_crop(augmentation, config.input));
  net_refused("saturation=0\n", {"saturation=0", "above 0"});
}

// ---- what is translated ----

// Where, less "test.cfg:", of all translations of [net] lines and of the layers; strict, each is an error.
std::vector<std::string> translated(const std::string& lines, const std::string& layers = kTail) {
  const std::string text = net_text(4, {3, 8, 8}, lines) + layers;
  const graph::NetworkConfig config = config_of(text);
  std::vector<std::string> places;
  for (const cfg::Translation& translation : config.translations.list()) {
    EXPECT_NE(translation.where.find("test.cfg:"), std::string::npos) << translation.where;
    EXPECT_FALSE(translation.became.empty());
    places.push_back(translation.where.substr(translation.where.find("test.cfg:") + 9));
  }
  if (places.empty()) {
    EXPECT_NO_THROW(config_of(text, cfg::Reading::kStrict));
  } else {
    expect_error([&] { config_of(text, cfg::Reading::kStrict); }, {"test.cfg:" + places[0]});
  }
  return places;
}

using Places = std::vector<std::string>;

TEST(Translations, ValuesThatChangeNothingAreFollowed) {
  EXPECT_EQ(translated("attention=0\ncenter=0\nrandom=0\nclip=0.0\n"), Places());
  EXPECT_EQ(translated("",
                       "[conv]\nfilters=4\nsize=3\nstride=2\nstride_x=2\nstride_y=2\ndilation=1\nxnor=0\n"
                       "binary=0\nantialiasing=0\n[maxpool]\nsize=2\nstride_x=1\n"
                       "[conv]\nfilters=4\nonlyforward=0\n[shortcut]\nfrom=-2\nweights_type=none\n" +
                           kTail),
            Places());
  // Host and resume see the cfg without them.
  const graph::NetworkConfig config = config_of(net_text(4, {3, 8, 8}) + "[conv]\nfilters=4\nxnor=0\n" + kTail);
  EXPECT_EQ(config.layers[0].options.section().entries.size(), 1U);
  // The value counts, and where it stands.
  net_refused("attention=1\n", {"[net] attention=1", "does not follow it"});
  net_refused("xnor=0\n", {"unknown key 'xnor'"});
  refused("[dropout]\ndilation=1\n", {"unknown key 'dilation'"});
}

TEST(Translations, SwitchesAreAnyNumberButZero) {
  const std::string conv = "[convolutional]\nfilters=4\nsize=3\n";
  EXPECT_EQ(translated("", conv + "pad=2\n" + kTail), Places{"10: [convolutional] pad=2"});
  EXPECT_EQ(shape_after({3, 8, 9}, conv + "pad=2\n"), "4x8x9");
  EXPECT_EQ(translated("", conv + "pad=1\npadding=1\n" + kTail), Places());
  EXPECT_EQ(translated("", conv + "pad=2\npadding=2\n" + kTail),
            (Places{"10: [convolutional] pad=2", "11: [convolutional] padding=2"}));
  EXPECT_EQ(shape_after({3, 8, 9}, conv + "pad=1\npadding=2\n"), "4x8x9");
  EXPECT_EQ(translated("", "[reorg]\nflatten=3\n" + kTail), Places{"8: [reorg] flatten=3"});
  refused(conv + "batch_normalize=2\n", {"batch_normalize=2: batch norm across updates", "write batch_normalize=1"});
  refused(conv + "cbn=1\n", {"[convolutional] cbn=1", "write batch_normalize=1"});
  refused(conv + "pad=yes\n", {"pad=yes"});
  refused(conv + "stopbackward=2\n", {"stopbackward=2"});
  EXPECT_EQ(translated("", "[maxpool]\nout_channels=2\n" + kTail), Places{"8: [maxpool] out_channels=2"});
}

TEST(Translations, KeysThatNoDarknetReadsAreIgnored) {
  EXPECT_EQ(translated("seen=0\nletter_box=1\n"), (Places{"7: [net] seen=0", "8: [net] letter_box=1"}));
  EXPECT_EQ(translated("mosaic=1\nmosaic_bound=1\ngaussian_noise=5\n"),
            (Places{"8: [net] mosaic_bound=1", "9: [net] gaussian_noise=5"}));
  EXPECT_EQ(translated("", "[maxpool]\nsize=1\n[conn]\noutput=10\ntranspose=1\n" + kTail),
            Places{"11: [conn] transpose=1"});
}

TEST(Translations, TheFirstOfTwoValuesAndTheTextBeforeAComment) {
  EXPECT_EQ(translated("momentum=.9\nmomentum=.8\ndecay=.1 # a comment\npolicy=poly # another\n"),
            (Places{"8: [net] momentum=.8", "10: [net] policy=poly"}));
  const graph::NetworkConfig config =
      config_of(net_text(4, {3, 8, 8}, "momentum=.9\nmomentum=.8\n") +
                "[conv]\nfilters=4\t# four\nsize=3 # three\nactivation=leaky # not relu\n" + kTail);
  EXPECT_EQ(config.net.real("momentum"), .9);
  EXPECT_EQ(config.layers[0].options.text("activation"), "leaky");
  EXPECT_NE(config.host_text().find("filters=4\nsize=3\nactivation=leaky\n"), std::string::npos);
}

TEST(Translations, CropLengthsAreSwappedAsByDarknet) {
  EXPECT_EQ(translated("max_crop=5\n"), Places());
  EXPECT_EQ(translated("min_crop=20\nmax_crop=10\n"), Places{"7: [net] min_crop=20"});
  const auto crop = [](const std::string& lines) {
    const data::Augmentation a = config_of(net_text(4, {3, 8, 8}, lines) + kTail).augmentation();
    return std::vector<int>{a.min_crop, a.max_crop};
  };
  EXPECT_EQ(crop("max_crop=5\n"), (std::vector<int>{5, 8}));
  EXPECT_EQ(crop("min_crop=20\nmax_crop=10\n"), (std::vector<int>{10, 20}));
  EXPECT_EQ(crop("min_crop=9\nmax_crop=10\n"), (std::vector<int>{9, 10}));
}

TEST(Translations, CutmixAndMosaicComeBeforeMixup) {
  using Kind = data::Mixing::Kind;
  const auto mixing = [](const std::string& lines) {
    return config_of(net_text(4, {3, 8, 8}, lines) + kTail).augmentation().mixing;
  };
  EXPECT_FALSE(mixing("").any());
  EXPECT_EQ(mixing("mixup=1\n").kind, Kind::kMixup);
  EXPECT_EQ(mixing("mixup=2\n").kind, Kind::kCutMix);
  EXPECT_EQ(mixing("mixup=3\n").kind, Kind::kMosaic);
  EXPECT_EQ(mixing("mixup=4\n").kind, Kind::kCutMixOrMosaic);
  EXPECT_EQ(mixing("cutmix=1\n").kind, Kind::kCutMix);
  EXPECT_EQ(mixing("mosaic=1\n").kind, Kind::kMosaic);
  EXPECT_EQ(mixing("mosaic=1\ncutmix=1\n").kind, Kind::kCutMixOrMosaic);
  EXPECT_EQ(mixing("mixup=1\ncutmix=1\n").kind, Kind::kCutMix);
  EXPECT_EQ(mixing("blur=1\n").blur, 15);
  EXPECT_EQ(mixing("blur=7\n").blur, 7);
  EXPECT_EQ(translated("cutmix=1\nmosaic=1\nblur=1\n"), Places());
  EXPECT_EQ(translated("mixup=1\ncutmix=1\n"), Places{"7: [net] mixup=1"});
}

TEST(Translations, ACostBehindSoftmaxAddsItsGradient) {
  const std::string head = "[avgpool]\n[connected]\noutput=10\nactivation=linear\n";
  const auto scale_of = [&](const std::string& tail) {
    const graph::NetworkConfig config = config_of(net_text(4, {3, 8, 8}) + head + tail);
    EXPECT_EQ(config.layers.size(), 3U);
    return config.cost().options.real("gradient_scale");
  };
  EXPECT_EQ(scale_of("[softmax]\n"), 1);
  EXPECT_EQ(scale_of("[softmax]\n[cost]\n"), 2);
  EXPECT_EQ(scale_of("[softmax]\ngroups=1\n[cost]\ntype=masked\nscale=.5\nratio=0\n"), 1.5);
  EXPECT_EQ(scale_of("[softmax]\ngradient_scale=3\n[cost]\nscale=0\n"), 3);
  EXPECT_EQ(translated("", head + "[softmax]\n[cost]\ntype=sse\n"), Places{"12: [cost]"});
  EXPECT_EQ(translated("", head + "[tsd]\neta=.5\n[cost]\n"), Places{"13: [cost]"});
  const auto end_refused = [&](const std::string& tail, const std::vector<std::string>& parts) {
    expect_error([&] { config_of(net_text(4, {3, 8, 8}) + head + tail); }, parts);
  };
  end_refused("[softmax]\n[cost]\ntype=L1\n", {"[cost] type=L1", "one of sse"});
  end_refused("[softmax]\n[cost]\n[cost]\n", {"[cost] stands after [softmax]"});
  EXPECT_EQ(scale_of("[softmax]\nnoloss=1\n[cost]\n"), 1);
  EXPECT_EQ(scale_of("[softmax]\nnoloss=1\n[cost]\nscale=.5\n"), .5);
  end_refused("[softmax]\nnoloss=1\n", {"[softmax] noloss=1", "nothing would be trained"});
  end_refused("[softmax]\ngroups=2\n", {"[softmax] groups=2", "allowed is 1", "write groups=1"});
  end_refused("[softmax]\ntree=9k.tree\n", {"[softmax] tree=9k.tree", "remove it"});
  end_refused("[softmax]\n[cost]\n[avgpool]\n", {"[cost]"});
}

TEST(Translations, ACropAsFirstLayerIsCutWhileImagesArePrepared) {
  const std::string crop = "[crop]\ncrop_height=6\ncrop_width=5\nflip=1\n";
  const graph::NetworkConfig config = config_of(net_text(4, {3, 8, 9}) + crop + kTail);
  EXPECT_EQ(shape_text(config.input), "3x6x5");
  EXPECT_EQ(config.layers.size(), 3U);
  EXPECT_NE(config.host_text().find("height=6\nwidth=5\n"), std::string::npos);
  EXPECT_EQ(config.host_text().find("crop"), std::string::npos);
  const data::Augmentation a = config.augmentation();
  EXPECT_EQ(shape_text(a.frame), "3x8x9");
  EXPECT_TRUE(a.crop_flip);
  EXPECT_EQ(a.max_crop, 18);
  EXPECT_EQ(a.mean, (std::vector<float>{.5f, .5f, .5f}));
  EXPECT_EQ(a.std, (std::vector<float>{.5f, .5f, .5f}));
  EXPECT_TRUE(config_of(net_text(4, {3, 8, 9}) + crop + "noadjust=1\n" + kTail).augmentation().mean.empty());
  EXPECT_EQ(translated("", crop + "angle=0\nsaturation=1\nexposure=1\n" + kTail), Places{"7: [crop]"});
  EXPECT_EQ(translated("", crop + "shift=.2\nexposure=1.5\n" + kTail),
            (Places{"7: [crop]", "12: [crop] exposure=1.5", "11: [crop] shift=.2"}));
  refused("[crop]\ncrop_height=6\n", {"[crop]", "crop_width= is missing"});
  refused("[crop]\ncrop_height=9\ncrop_width=8\n", {"[crop]", "9x8 does not fit into the 8x8 of [net]"});
  expect_error(
      [&] {
        config_of(net_text(4, {3, 8, 9}, "mean=0,0,0\n") + crop + kTail);
      },
      {"[net] mean=0,0,0", "add noadjust=1"});
}

// Darknet counts the [crop], so absolute numbers behind it are one higher than the index here.
TEST(Translations, LayersBehindACropKeepDarknetsNumbers) {
  const std::string layers =
      "[crop]\ncrop_height=6\ncrop_width=6\n"
      "[convolutional]\nfilters=4\nsize=3\npad=1\n[convolutional]\nfilters=4\nsize=3\npad=1\n";
  const graph::NetworkConfig config =
      config_of(net_text(2, {3, 8, 8}) + layers + "[route]\nlayers=1,-1\n[shortcut]" + "\nfrom=3\n" + kTail);
  EXPECT_EQ(config.layers[2].sources, (std::vector<int>{0, 1}));
  EXPECT_EQ(config.layers[3].sources, (std::vector<int>{2, 2}));
  refused(layers + "[route]\nlayers=0\n", {"no layer 0 before this one (layer 3)", "1 to 2"});
}

// ---- order of sections ----

TEST(NetworkConfig, UnknownSectionsGetTheNearestNameOrTheReason) {
  refused("[convolutionl]\n",
          {"test.cfg:7: unknown section 'convolutionl'; did you mean 'convolutional'?", "known are"});
  refused("[cost]\n", {"[cost]", "only the last section may be it"});
  refused("[dropout]\n[crop]\n", {"test.cfg:8: [crop]", "only be the first layer"});
  refused("[empty]\n", {"[empty]", "frees its buffers twice"});
  refused("[yolo]\n", {"test.cfg:7: [yolo] is a layer of Darknet that this program does not train"});
  refused("[convolutional]\nfilers=8\n", {"test.cfg:8: [convolutional] unknown key 'filers'; did you mean 'filters'?"});
  refused("[convolutional]\nxnor=1\n", {"[convolutional] xnor=1", "remove it from all sections"});
  refused("[tds]\n", {"did you mean 'tsd'?"});
}

TEST(NetworkConfig, TheCostIsTheLastSection) {
  for (const char* cost :
       {"[softmax]\n", "[tsd]\neta=0.5\n", "[distill]\n", "[label_smoothing]\n", "[confidence_penalty]\n"}) {
    const std::string head = net_text(2, {3, 8, 8}) + "[avgpool]\n[connected]\noutput=5\nactivation=linear\n";
    EXPECT_EQ(config_of(head + cost).classes(), 5);
    expect_error([&] { config_of(head + cost + "[avgpool]\n"); }, {"[avgpool] stands after [", "must be the last"});
    expect_error([&] { config_of(head + cost + "[softmax]\n"); }, {"[softmax] stands after ["});
  }
  expect_error(
      [] {
        config_of(net_text(2, {3, 8, 8}) + "[avgpool]\n");
      },
      {"the network ends in [avgpool]: no classifier",
       "ends with [confidence_penalty], [distill], [label_smoothing], "
       "[softmax] or [tsd]"});
  expect_error(
      [] {
        config_of(net_text(2, {3, 8, 8}) + "[connected]\noutput=1\n[softmax]\n");
      },
      {"[softmax]", "1 output", "at least 2 classes"});
}

// ---- shapes ----

TEST(NetworkConfig, ConvolutionsHaveDarknetsShapes) {
  const data::Geometry in = {3, 9, 12};
  EXPECT_EQ(shape_after(in, "[convolutional]\nfilters=5\nsize=3\npad=1\n"), "5x9x12");
  EXPECT_EQ(shape_after(in, "[convolutional]\nfilters=5\nsize=3\nstride=2\npad=1\n"), "5x5x6");
  EXPECT_EQ(shape_after(in, "[convolutional]\nfilters=5\nsize=3\n"), "5x7x10");
  EXPECT_EQ(shape_after(in, "[conv]\nfilters=5\nsize=5\npadding=1\nstride=2\n"), "5x4x5");
  EXPECT_EQ(shape_after(in, "[convolutional]\nfilters=6\nsize=4\npad=1\n"), "6x10x13");
  EXPECT_EQ(shape_after(in, "[convolutional]\nfilters=6\nsize=1\nstride=2\n"), "6x5x6");
  EXPECT_EQ(shape_after(in, "[convolutional]\nfilters=6\nsize=3\npad=1\ngroups=3\n"), "6x9x12");
  refused("[convolutional]\nsize=9\n", {"test.cfg:8: [convolutional] size=9: a window of size 9 does not fit into 8"});
  refused("[convolutional]\nfilters=6\ngroups=2\n", {"groups=2: must divide the 3 input channels"});
  refused("[convolutional]\nfilters=7\ngroups=3\n", {"groups=3", "7 filters"});
  EXPECT_EQ(shape_after(in, "[convolutional]\nfilters=5\nsize=3\npad=1\nstride=3\nstride_x=2\n"), "5x3x6");
  EXPECT_EQ(shape_after(in, "[convolutional]\nfilters=5\nsize=3\npad=1\nstride_y=2\n"), "5x5x12");
  EXPECT_EQ(shape_after(in, "[convolutional]\nfilters=5\nsize=5\npad=1\ndilation=2\nstride=2\n"), "5x5x6");
  EXPECT_EQ(shape_after(in, "[convolutional]\nfilters=5\nsize=1\ndilation=2\n"), "5x9x12");
  EXPECT_EQ(shape_after(in, "[convolutional]\nfilters=5\nsize=3\npad=1\nstride=2\nantialiasing=1\n"), "5x5x6");
  EXPECT_EQ(shape_after(in, "[convolutional]\nfilters=5\nsize=3\npad=1\nstride=2\nantialiasing=2\n"), "5x4x6");
  refused("[convolutional]\nsize=3\ndilation=2\n", {"dilation=2: Darknet computes", "an odd size with pad=1 alone"});
  refused("[convolutional]\nsize=8\nantialiasing=2\n", {"antialiasing=2", "does not fit into 1x1"});
  refused("[convolutional]\nactivation=rely\n", {"activation=rely", "did you mean 're"});
}

TEST(NetworkConfig, PoolingHasDarknetsShapes) {
  const data::Geometry in = {3, 9, 12};
  for (const char* kind : {"[maxpool]\n", "[local_avgpool]\n"}) {
    const std::string pool = kind;
    EXPECT_EQ(shape_after(in, pool + "size=2\nstride=2\n"), "3x5x6");
    EXPECT_EQ(shape_after(in, pool + "stride=2\n"), "3x5x6");
    EXPECT_EQ(shape_after(in, pool + "size=3\nstride=2\n"), "3x5x6");
    EXPECT_EQ(shape_after(in, pool + "size=2\nstride=2\npadding=0\n"), "3x4x6");
    EXPECT_EQ(shape_after(in, pool + "size=1\nstride=2\n"), "3x5x6");
    EXPECT_EQ(shape_after(in, pool + "size=3\nstride=1\n"), "3x9x12");
    refused(pool + "size=9\nstride=1\npadding=0\n", {"size=9", "does not fit into 8"});
    EXPECT_EQ(shape_after(in, pool + "stride=2\nstride_x=3\n"), "3x5x4");
    EXPECT_EQ(shape_after(in, pool + "size=3\nstride_y=4\n"), "3x3x12");
    refused(pool + "size=2\nstride=2\npadding=9\n", {"padding=9", "wholly outside"});
  }
  EXPECT_EQ(shape_after(in, "[maxpool]\nsize=3\nstride=2\nantialiasing=1\n"), "3x5x6");
  EXPECT_EQ(shape_after(in, "[maxpool]\nmaxpool_depth=1\nout_channels=2\nsize=3\nstride=2\n"), "2x9x12");
  refused("[maxpool]\nmaxpool_depth=1\nout_channels=4\n", {"out_channels=4: the input has 3 channels"});
  refused("[maxpool]\nmaxpool_depth=1\nantialiasing=1\n", {"antialiasing=1", "keep one of them"});
  refused("[maxpool]\nmaxpool_zero_nonmax=1\n", {"maxpool_zero_nonmax=1", "remove it"});
  EXPECT_EQ(shape_after(in, "[avgpool]\n"), "3x1x1");
  EXPECT_EQ(shape_after(in, "[max]\nsize=2\nstride=2\n[avg]\n"), "3x1x1");
}

TEST(NetworkConfig, RoutesConcatenateChannels) {
  const data::Geometry in = {3, 8, 8};
  const std::string two = "[convolutional]\nfilters=4\nsize=3\npad=1\n[convolutional]\nfilters=6\nsize=3\npad=1\n";
  EXPECT_EQ(shape_after(in, two + "[route]\nlayers=-1,-2\n"), "10x8x8");
  EXPECT_EQ(shape_after(in, two + "[route]\nlayers=0\n"), "4x8x8");
  const graph::NetworkConfig config = config_of(net_text(2, in) + two + "[route]\nlayers=-1,0\n" + kTail);
  EXPECT_EQ(config.layers[2].sources, (std::vector<int>{1, 0}));
  EXPECT_EQ(config.layers[0].sources, (std::vector<int>{-1}));
  EXPECT_EQ(config.layers[3].sources, (std::vector<int>{2}));
  refused(two + "[route]\n", {"[route]: layers= is missing"});
  refused(two + "[route]\nlayers=2\n", {"[route] layers=2: there is no layer 2 before this one (layer 2)", "0 to 1"});
  refused(two + "[route]\nlayers=-3\n", {"there is no layer -3", "-1 to -2 counted back"});
  refused("[route]\nlayers=-1\n", {"layers=-1: there is no layer before this one"});
  refused(two + "[maxpool]\nsize=2\nstride=2\n[route]\nlayers=-1,-2\n",
          {"layers=-1,-2: layer 2 is 4x4, layer 1 is 8x8", "one height and width"});
  EXPECT_EQ(shape_after(in, two + "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n"), "3x8x8");
  refused(two + "[route]\nlayers=-1\ngroups=2\ngroup_id=2\n", {"group_id=2", "0 to 1"});
  refused(two + "[route]\nlayers=-1\ngroup_id=1\n", {"group_id=1", "0 to 0"});
  refused(two + "[route]\nlayers=-1\ngroups=4\n", {"groups=4", "does not divide the 6 channels"});
}

TEST(NetworkConfig, ShortcutsAddEqualShapesOrWhatTheHostCan) {
  const data::Geometry in = {3, 8, 8};
  const std::string two = "[convolutional]\nfilters=4\nsize=3\npad=1\n[convolutional]\nfilters=4\nsize=3\npad=1\n";
  EXPECT_EQ(shape_after(in, two + "[shortcut]\nfrom=-2\n"), "4x8x8");
  EXPECT_EQ(config_of(net_text(2, in) + two + "[shortcut]\nfrom=-2\n" + kTail).layers[2].sources,
            (std::vector<int>{1, 0}));
  refused(two + "[shortcut]\n", {"[shortcut]: from= is missing"});
  refused(two + "[shortcut]\nfrom=5\n", {"from=5", "no layer 5"});
  refused("[shortcut]\nfrom=-1\n", {"from=-1: there is no layer before this one"});
  refused(two + "[shortcut]\nfrom=-2\nweights_type=per_channel\n", {"weights_type=per_channel", "weighted shortcuts"});
  const std::string halved =
      "[convolutional]\nfilters=4\nsize=3\npad=1\n[maxpool]\nsize=2\nstride=2\n[shortcut]\nfrom=-2\n";
  const std::string odd =
      "[convolutional]\nfilters=4\nsize=3\npad=1\n[maxpool]\nsize=4\nstride=1\npadding=0\n"
      "[shortcut]\nfrom=-2\n";
  EXPECT_EQ(shape_after(in, halved), "4x4x4");
  refused(odd, {"layer 0 is 4x8x8, the input is 4x5x5", "same whole factor"});
}

TEST(NetworkConfig, OtherLayersHaveDarknetsShapes) {
  EXPECT_EQ(shape_after({4, 8, 12}, "[reorg]\nstride=2\n"), "16x4x6");
  EXPECT_EQ(shape_after({8, 4, 6}, "[reorg]\nstride=2\nreverse=1\n"), "2x8x12");
  EXPECT_EQ(shape_after({4, 3, 5}, "[reorg]\nflatten=1\n"), "4x3x5");
  EXPECT_EQ(shape_after({2, 3, 5}, "[reorg]\nstride=7\nextra=4\n"), "34x1x1");
  EXPECT_EQ(shape_after({3, 8, 12}, "[upsample]\nstride=3\n"), "3x24x36");
  EXPECT_EQ(shape_after({3, 8, 12}, "[upsample]\nstride=-4\n"), "3x2x3");
  EXPECT_EQ(shape_after({3, 8, 9}, "[local]\nfilters=4\nsize=3\nstride=2\npad=1\n"), "4x4x5");
  EXPECT_EQ(shape_after({3, 8, 9}, "[local]\nfilters=4\nsize=2\n"), "4x7x8");
  EXPECT_EQ(shape_after({3, 8, 12}, "[maxpool]\nsize=2\nstride=2\n[connected]\noutput=7\n"), "7x1x1");
  for (const char* same : {"[dropout]\n", "[batchnorm]\n", "[activation]\nactivation=relu\n", "[normalization]\n"}) {
    EXPECT_EQ(shape_after({3, 8, 12}, same), "3x8x12");
  }
  refused("[reorg]\nstride=3\n", {"stride=3: must divide the input's height 8 and width 8"}, {9, 8, 8});
  refused("[reorg]\nflatten=1\nextra=1\n", {"flatten=1: extra= is given, too"});
  refused("[upsample]\nstride=0\n", {"stride=0", "above and below 0"});
  refused("[upsample]\nstride=-3\n", {"stride=-3: 3 must divide the input's height 8 and width 8"});
  refused("[local]\nsize=5\npad=1\n", {"[local] pad=1", "write pad=0, or size=3"});
  refused("[local]\nsize=9\n", {"a window of size 9 does not fit into 8"});
  refused("[reorg]\nstride=2\n", {"stride=2: the input has 3 channels", "stride * stride = 4"});
  refused("[dropout]\nprobability=1\n", {"probability=1", "below 1"});
  const std::string squeeze = "[avgpool]\n[scale_channels]\nfrom=-2\n";
  EXPECT_EQ(shape_after({3, 8, 8}, "[convolutional]\nfilters=4\nsize=3\npad=1\n" + squeeze), "4x8x8");
  refused("[convolutional]\nfilters=4\n[convolutional]\nfilters=5\n" + squeeze + "[scale_channels]\nfrom=0\n",
          {"from=0", "its input is 5x8x8; it must be 4x1x1"});
  refused("[convolutional]\nfilters=2\n[scale_channels]\nfrom=-1\nscale_wh=1\n",
          {"scale_wh=1", "its input is 2x8x8; it must be 1x8x8"});
  refused("[convolutional]\nfilters=2\n[convolutional]\nfilters=4\n[sam]\nfrom=-2\n",
          {"from=-2: layer 0 is 2x8x8, the input is 4x8x8", "must be equal"});
}

TEST(NetworkConfig, ImpossibleSizesAreRefused) {
  expect_error(
      [] {
        config_of(net_text(4096, {3, 512, 512}) + "[convolutional]\nfilters=4\nsize=3\npad=1\n" + kTail);
      },
      {"more than 2^31 values"});
  for (const char* layer : {"[batchnorm]\n", "[connected]\noutput=4\nbatch_normalize=1\n",
                            "[convolutional]\nfilters=4\nbatch_normalize=1\n"}) {
    expect_error([&] { config_of(net_text(1, {3, 1, 1}) + layer + kTail); }, {"batch norm over one value per channel"});
    EXPECT_NO_THROW(config_of(net_text(2, {3, 8, 8}) + "[avgpool]\n" + layer + kTail));
  }
}

// AlexeyAB's parser would divide by zero.
TEST(NetworkConfig, NetworksWithoutRowsAndColumnsAreMadeOrRefused) {
  const std::string layers = "[connected]\noutput=10\nactivation=linear\n[softmax]\n";
  const std::string flat = net_text(2, {1, 28, 28}) + layers;
  if (host::traits().needs_image_layer) {
    for (const std::string& cfg : {flat, net_text(2, {1, 28, 28}) + "[dropout]\n" + layers}) {
      expect_error([&] { config_of(cfg); }, {"test.cfg", "crashes on such a network", "[maxpool] size=1 stride=1"});
    }
    expect_error([&] { config_of(net_text(2, {9, 1, 1}) + "[avgpool]\n" + layers); }, {"crashes on such a network"});
  } else {
    EXPECT_EQ(host::Network(config_of(flat).host_text(), false).size(), 2);
  }
  const std::string cure = "[maxpool]\nsize=1\nstride=1\n" + layers;
  EXPECT_EQ(host::Network(config_of(net_text(2, {1, 28, 28}) + cure).host_text(), false).size(), 3);
  // Any other layer will do.
  for (const char* layer : {"[avgpool]\n", "[activation]\nactivation=relu\n", "[batchnorm]\n", "[upsample]\n",
                            "[reorg]\n", "[normalization]\nsize=1\n"}) {
    EXPECT_EQ(host::Network(config_of(net_text(2, {1, 28, 28}) + layer + layers).host_text(), false).size(), 3)
        << layer;
  }
  EXPECT_EQ(host::Network(config_of(net_text(2, {1, 2, 2}) + "[softmax]\n").host_text(), false).size(), 1);
}

// ---- what the host reads ----

TEST(NetworkConfig, HostGetsStandInsAndNoneOfOurKeys) {
  const std::string cfg =
      "[net]\nbatch=8\nsubdivisions=2\nheight=8\nwidth=8\nchannels=3\nlearning_rate=.1\nmomentum=.8\nnesterov=1\n"
      "policy=cosine\nepochs=3\npad=1\nmirror=1\nmean=.5,.5,.5\nvalid_resize=9\n"
      "[conv]\nfilters=4\nsize=3\npad=1\nactivation=leaky\nstopbackward=1\nlearning_rate=.5\ndontload=1\n"
      "[local_avgpool]\nstride=2\n"
      "[dropout]\nprobability=.25\n"
      "[connected]\noutput=10\nactivation=linear\n"
      "[tsd]\nconfidence=0.6\nk=3\nprimary=truth\nwarmup_epochs=2\n";
  EXPECT_EQ(config_of(cfg).host_text(),
            "[net]\nbatch=4\nsubdivisions=1\nheight=8\nwidth=8\nchannels=3\nmax_batches=1\n"
            "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=leaky\n"
            "[maxpool]\nsize=2\nstride=2\npadding=1\n"
            "[dropout]\nprobability=.25\n"
            "[connected]\noutput=10\nactivation=linear\n"
            "[softmax]\ngroups=1\n");
}

// A value that the option accepts.
std::string sample_value(const cfg::OptionSpec& spec) {
  if (!spec.fallback.empty()) return spec.fallback;
  if (!spec.choices.empty()) return spec.choices[0];
  if (spec.type == cfg::OptionType::kText) return "x";
  if (spec.type == cfg::OptionType::kFlag) return "1";
  return format("%g", std::min(std::max(spec.low, 0.0) + 1, spec.high_open ? spec.high / 2 : spec.high));
}

TEST(NetworkConfig, EveryOptionReachesTheHostOrIsThePluginsAlone) {
  int options = 0;
  for (const graph::Op& op : layers::all_ops()) {
    cfg::CfgSection section{op.section, 1, {}};
    std::string expected;
    for (const cfg::OptionSpec& spec : op.options) {
      section.entries.push_back({spec.name, sample_value(spec), 2});
      if (spec.for_host) expected += spec.name + "=" + sample_value(spec) + "\n";
      ++options;
    }
    std::string found;
    for (const cfg::CfgEntry& entry : cfg::Options("a.cfg", section, op.options).host_entries()) {
      found += entry.key + "=" + entry.value + "\n";
    }
    EXPECT_EQ(found, expected) << op.section;
    // The plugin's alone: no host knows the costs' options.
    if (op.kind == graph::Op::Kind::kCost) {
      if (op.section != "softmax") {
        EXPECT_EQ(expected, "") << op.section;
      }
      graph::LayerConfig layer;
      layer.op = &op;
      EXPECT_EQ(op.host_sections(layer)[0].name, "softmax");
    }
  }
  EXPECT_GT(options, 60);
}

TEST(NetworkConfig, HostMakesTheShapesThatWereWorkedOut) {
  const std::string plain =
      "[convolutional]\nfilters=4\nsize=4\nstride=2\npad=1\nactivation=leaky\n"
      "[convolutional]\nfilters=4\nsize=1\nactivation=relu\nbatch_normalize=1\n"
      "[shortcut]\nfrom=-2\nactivation=relu\n[batchnorm]\n[route]\nlayers=-1,-3\n"
      "[maxpool]\nsize=2\nstride=2\npadding=0\n[local_avgpool]\nsize=3\nstride=2\n[normalization]\n[activation]"
      "\nactivation=relu\n"
      "[upsample]\nstride=2\n[dropout]\n[avgpool]\n";
  const graph::NetworkConfig config = config_of(net_text(2, {3, 21, 30}) + plain + kTail);
  const host::Network host(config.host_text(), false);
  ASSERT_EQ(host.size(), static_cast<int>(config.layers.size()));
  EXPECT_EQ(host.batch(), 2);
  for (const graph::LayerConfig& layer : config.layers) {
    EXPECT_EQ(host.output_shape(layer.index).size(), layer.out.size()) << layer.index << " " << layer.op->section;
  }
}

// Whatever stands in for a layer, numbers of layers behind it mean the same.
TEST(NetworkConfig, HostMakesTheShapesOfConstructsThatItDoesNotKnow) {
  const std::string conv = "[convolutional]\nfilters=6\nsize=3\npad=1\n";
  const std::string layers = conv + "stride_y=2\n" + conv + "stride=2\nantialiasing=1\n" +
                             "[route]\nlayers=-1\ngroups=3\ngroup_id=2\n[maxpool]\nsize=2\nstride_x=2\n" + conv +
                             "dilation=2\nbatch_normalize=1\n[maxpool]\nmaxpool_depth=1\nout_channels=2\n"
                             "[shortcut]\nfrom=3\n[route]\nlayers=6,-2\n"
                             "[maxpool]\nsize=2\nstride=2\nantialiasing=2\n[local_avgpool]\nstride_y=2\n"
                             "[local]\nfilters=3\nsize=2\n[reorg]\nextra=5\n";
  for (const std::string& crop : {std::string(), std::string("[crop]\ncrop_height=32\ncrop_width=24\n")}) {
    SCOPED_TRACE(crop);
    std::string text = crop + layers;
    if (!crop.empty()) {
      text.replace(text.find("from=3"), 6, "from=4");
      text.replace(text.find("layers=6,"), 9, "layers=7,");
    }
    const graph::NetworkConfig config = config_of(net_text(2, {3, 32, 24}) + text + kTail);
    host::Network host(config.host_text(), false, config.host_layers());
    EXPECT_GT(host.size(), static_cast<int>(config.layers.size()));
    EXPECT_EQ(config.layers[6].sources, (std::vector<int>{5, 3}));
    EXPECT_EQ(config.layers[7].sources, (std::vector<int>{6, 5}));
    const std::map<int, int64_t> weights = {{0, 162}, {1, 324}, {4, 108}};
    for (const graph::LayerConfig& layer : config.layers) {
      SCOPED_TRACE(format("layer %d [%s]", layer.index, layer.op->section.c_str()));
      EXPECT_EQ(layer.number, layer.index + (crop.empty() ? 0 : 1));
      EXPECT_EQ(host.output_shape(layer.index).size(), layer.out.size());
      const auto found = weights.find(layer.index);
      const std::vector<host::Block> blocks = host.blocks(layer.index);
      if (found != weights.end()) {
        EXPECT_EQ(blocks.back().count, found->second);
      }
      if (layer.index == 10) {
        EXPECT_EQ(blocks.back().count, static_cast<int64_t>(layer.out.size()) * layer.in.channels * 4);
      }
      if (layer.op->section == "maxpool" || layer.op->section == "route") {
        EXPECT_TRUE(blocks.empty());
      }
    }
  }
}

// ---- real cfgs ----

TEST(NetworkConfig, OurOwnCfgsAreRead) {
  int count = 0;
  for (const char* folder : {"cfg", "tests/golden"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(test::source_path(folder))) {
      if (entry.path().extension() != ".cfg") continue;
      EXPECT_NO_THROW(layers::read_network_config(entry.path().string(), cfg::Reading::kStrict)) << entry.path();
      ++count;
    }
  }
  EXPECT_GE(count, 10);
}

// Fewer channels: the host fills millions of parameters with random numbers, and the windows stay the same.
std::string with_fewer_channels(const std::string& path) {
  std::string text;
  cfg::Translations translations(cfg::Reading::kTranslating);
  for (const cfg::CfgSection& section : cfg::read_cfg(path, &translations).sections) {
    text += "[" + section.name + "]\n";
    for (const cfg::CfgEntry& entry : section.entries) {
      const bool channels = entry.key == "filters" || (entry.key == "output" && section.name == "connected");
      text += entry.key + "=" + (channels && entry.value.size() > 1 ? "32" : entry.value) + "\n";
    }
  }
  return text;
}

void expect_the_hosts_shapes(const graph::NetworkConfig& read, const std::string& name) {
  const graph::NetworkConfig config = graph::with_mini_batch(read, 1);
  const host::Network host(config.host_text(), false);
  ASSERT_EQ(host.size(), static_cast<int>(config.layers.size())) << name;
  for (const graph::LayerConfig& layer : config.layers) {
    const data::Geometry made = host.output_shape(layer.index);
    EXPECT_EQ(made.size(), layer.out.size()) << name << ", layer " << layer.index;
    // Some layers of the host, as [dropout], know how many values they have but not their shape.
    if (made.height > 1 || made.width > 1) {
      EXPECT_EQ(shape_text(made), shape_text(layer.out)) << name << ", layer " << layer.index;
    }
  }
}

TEST(NetworkConfig, StockClassifiersGetTheHostsShapes) {
  struct Stock {
    const char* name;
    bool whole = false;  // made with all its channels, too
  };
  const std::string folder = "/usr/share/darknet/cfg";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << folder << " is not there (package darknet)";
  for (const Stock& stock : {Stock{"alexnet"},
                             {"cifar", true},
                             {"darknet", true},
                             {"darknet19"},
                             {"darknet19_448"},
                             {"darknet53"},
                             {"darknet53_448"},
                             {"densenet201", true},
                             {"extraction"},
                             {"extraction.conv"},
                             {"resnet152"},
                             {"resnet18", true},
                             {"resnet34"},
                             {"resnet50"},
                             {"resnext101-32x4d"},
                             {"resnext152-32x4d"},
                             {"resnext50"},
                             {"tiny", true}}) {
    const std::string path = folder + "/" + stock.name + ".cfg";
    const graph::NetworkConfig config = layers::read_network_config(path);
    EXPECT_GE(config.classes(), 10) << stock.name;
    expect_the_hosts_shapes(config_of(with_fewer_channels(path)), stock.name);
    if (stock.whole) expect_the_hosts_shapes(config, stock.name);
  }
}

// ---- registry ----

TEST(Registry, IsSortedWithoutDuplicates) {
  std::set<std::string> names;
  std::string before;
  for (const graph::Op& op : layers::all_ops()) {
    EXPECT_LT(before, op.section);
    before = op.section;
    EXPECT_FALSE(op.summary.empty()) << op.section;
    EXPECT_TRUE(names.insert(op.section).second) << op.section;
    EXPECT_EQ(graph::find_op(layers::all_ops(), op.section), &op);
    for (const std::string& alias : op.aliases) {
      EXPECT_TRUE(names.insert(alias).second) << alias;
      EXPECT_EQ(graph::find_op(layers::all_ops(), alias), &op);
    }
    std::set<std::string> keys;
    for (const cfg::OptionSpec& spec : op.options) {
      EXPECT_TRUE(keys.insert(spec.name).second) << op.section << " " << spec.name;
      EXPECT_FALSE(spec.help.empty()) << op.section << " " << spec.name;
      EXPECT_EQ(op.refused.count(spec.name), 0U) << op.section << " " << spec.name;
      // A default must itself be allowed.
      if (spec.fallback.empty()) continue;
      EXPECT_NO_THROW(cfg::Options("", {op.section, 0, {{spec.name, spec.fallback, 0}}}, op.options))
          << op.section << " " << spec.name;
    }
    EXPECT_EQ(op.cost != nullptr, op.kind == graph::Op::Kind::kCost) << op.section;
  }
  EXPECT_EQ(graph::find_op(layers::all_ops(), "no such layer"), nullptr);
  std::set<std::string> keys;
  for (const cfg::OptionSpec& spec : graph::net_options()) {
    EXPECT_TRUE(keys.insert(spec.name).second) << spec.name;
    if (spec.fallback.empty()) continue;
    EXPECT_NO_THROW(cfg::Options("", {"net", 0, {{spec.name, spec.fallback, 0}}}, graph::net_options())) << spec.name;
  }
}

}  // namespace
}  // namespace dng
