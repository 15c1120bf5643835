#include "graph/network_config.h"

#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "graph/darknet_values.h"
#include "graph/harmless_keys.h"
#include "host/host.h"

namespace dng::graph {
namespace {

constexpr double kLarge = 1e9;

// Keys of [net] that one of the Darknets knows and that this program's trainer does not follow.
const std::map<std::string, std::string>& refused_net_keys() {
  static const std::map<std::string, std::string> reasons = [] {
    std::map<std::string, std::string> map;
    const char* keys =
        "contrastive unsupervised random time_steps notruth center clip adversarial_lr "
        "attention ema_alpha weights_reject_freq loss_scale try_fix_nan inputs";
    for (const std::string& key : split(keys, ' ')) {
      map[key] = "this trainer does not follow it; remove it, or train with Darknet's own program";
    }
    return map;
  }();
  return reasons;
}

void default_shape(LayerConfig* layer, const ShapeContext& context) {
  layer->sources = {layer->index - 1};
  layer->in = context.shape_of(layer->sources[0]);
  layer->out = layer->in;
}

cfg::Options read_options(const std::string& path, cfg::CfgSection section, const std::string& name,
                          const std::vector<cfg::OptionSpec>& specs, const std::map<std::string, std::string>& refused,
                          cfg::Translations* translations) {
  drop_harmless_keys(path, name, specs, &section, translations);
  translate_values(path, name, specs, &section, translations);
  return {path, section, specs, refused, translations};
}

LayerConfig read_layer(const std::string& path, const Ops& ops, const cfg::CfgSection& section,
                       const ShapeContext& context, cfg::Translations* translations) {
  LayerConfig layer;
  layer.op = find_op(ops, section.name);
  if (layer.op == nullptr) fail_unknown_section(ops, format("%s:%d", path.c_str(), section.line), section.name);
  layer.index = static_cast<int>(context.before.size());
  layer.number = context.first + layer.index;
  layer.options = read_options(path, section, layer.op->section, layer.op->options, layer.op->refused, translations);
  default_shape(&layer, context);
  if (layer.op->shape) layer.op->shape(&layer, context);
  if (layer.out.channels < 1 || layer.out.height < 1 || layer.out.width < 1) {
    fail("%s: its output would be %dx%dx%d from an input of %dx%dx%d; make the layer or its stride smaller",
         layer.options.where().c_str(), layer.out.channels, layer.out.height, layer.out.width, layer.in.channels,
         layer.in.height, layer.in.width);
  }
  if (layer.out.size() * static_cast<size_t>(context.batch) > (size_t{1} << 31) - 1) {
    fail(
        "%s: its output has more than 2^31 values, which Darknet cannot index; use a smaller batch or more "
        "subdivisions",
        layer.options.where().c_str());
  }
  if (layer.op->check) layer.op->check(layer, context);
  return layer;
}

bool is_net(const cfg::CfgSection& section) { return section.name == "net" || section.name == "network"; }

// Reads the options of all sections, so that one run shows every wrong line.
void check_lines(const std::string& path, const Ops& ops, const cfg::CfgFile& cfg, cfg::Reading reading) {
  cfg::Translations translations(reading);
  Errors errors;
  for (const cfg::CfgSection& section : cfg.sections) {
    const bool first = &section == &cfg.sections[0];
    if (section.name == "crop" || section.name == "cost" || (is_net(section) && !first)) continue;
    errors.collect([&] {
      if (first) {
        read_options(path, section, "net", net_options(), refused_net_keys(), &translations);
        return;
      }
      const Op* op = find_op(ops, section.name);
      if (op == nullptr) fail_unknown_section(ops, format("%s:%d", path.c_str(), section.line), section.name);
      read_options(path, section, op->section, op->options, op->refused, &translations);
    });
  }
  errors.throw_if_any();
}

void check_schedule(const cfg::Options& net) {
  const std::string policy = net.text("policy");
  if (net.given("max_batches") && net.given("epochs")) {
    fail("%s: epochs= is given, too; keep one of max_batches and epochs", net.where("max_batches").c_str());
  }
  if (net.given("steps") && net.given("epoch_steps")) {
    fail("%s: epoch_steps= is given, too; keep one of steps and epoch_steps", net.where("steps").c_str());
  }
  if (policy == "steps") {
    const char* key = net.given("epoch_steps") ? "epoch_steps" : "steps";
    net.require(key, "policy=steps needs steps= (or epoch_steps=) and scales=");
    net.require("scales", "policy=steps needs one scale for each step");
    const size_t steps = net.reals(key).size(), scales = net.reals("scales").size();
    if (steps != scales) {
      fail("%s: %zu steps but %zu scales; give one scale for each step", net.where(key).c_str(), steps, scales);
    }
    double before = -1;
    for (const double step : net.reals(key)) {
      if (step <= before) fail("%s: found %g after %g; the steps must rise", net.where(key).c_str(), step, before);
      before = step;
    }
  }
  if (net.flag("adam") && net.flag("nesterov")) {
    fail("%s: adam=1 has no momentum of its own; remove one of them", net.where("nesterov").c_str());
  }
  if (policy == "step") net.require("step", "policy=step needs the number of batches between two steps");
  if (policy == "sigmoid") net.require("step", "policy=sigmoid needs the batch at which the rate is half");
}

// [cost] behind a cost. Darknet adds its gradient, scale (f - y), to the f - y of [softmax].
void absorb_cost(const cfg::CfgSection& section, NetworkConfig* config) {
  static const std::vector<cfg::OptionSpec> specs = {
      cfg::choice_option("type", "sse", {"sse", "seg", "masked", "smooth"}, "all the same behind a softmax"),
      cfg::real_option("scale", "1", 0, kLarge, "weight of its gradient")};
  const cfg::Options cost = read_options(config->path, section, "cost", specs, {}, &config->translations);
  LayerConfig* last = &config->layers.back();
  const std::string& name = last->op->section;
  if (name != "softmax") {
    config->translations.add(cost.where(), "ignored: [" + name + "] is softmax and cost in one",
                             "remove it: [" + name + "] is softmax and cost in one");
    return;
  }
  const bool alone = last->options.flag("noloss");
  const double scale = (alone ? 0 : last->options.real("gradient_scale")) + cost.real("scale");
  const std::string option = format("gradient_scale=%.17g", scale);
  const std::string instead =
      format("%s in [softmax], or learning_rate x %g and decay / %g", option.c_str(), scale, scale);
  const std::string what = alone ? "is the only one, because of noloss=1" : "is added to that of [softmax]";
  config->translations.add(cost.where(), "its gradient " + what + ", as in Darknet; the same is " + instead,
                           "its gradient " + what + " in Darknet; remove it and write " + instead);
  last->options.set("gradient_scale", format("%.17g", scale));
  last->options.set("noloss", "0");
}

// [crop] as first section: cut out while the images are prepared.
void absorb_crop(const cfg::CfgSection& section, NetworkConfig* config) {
  static const std::vector<cfg::OptionSpec> specs = {
      cfg::integer_option("crop_height", "", 1, 1 << 14, "of what is cut out"),
      cfg::integer_option("crop_width", "", 1, 1 << 14, "of what is cut out"),
      cfg::flag_option("flip", "0", "1: left-right flip with probability 1/2"),
      cfg::flag_option("noadjust", "0", "0: values become 2 x - 1"),
      cfg::real_option("angle", "0", -kLarge, kLarge, "on a GPU"),
      cfg::real_option("saturation", "1", -kLarge, kLarge, "on a GPU"),
      cfg::real_option("exposure", "1", -kLarge, kLarge, "on a GPU"),
      cfg::real_option("shift", "0", -kLarge, kLarge, "on a GPU")};
  cfg::Translations* translations = &config->translations;
  config->crop = read_options(config->path, section, "crop", specs, {}, translations);
  const cfg::Options& crop = config->crop;
  for (const char* key : {"crop_height", "crop_width"}) crop.require(key, "say how large the network's input is");
  config->input.height = crop.integer("crop_height");
  config->input.width = crop.integer("crop_width");
  if (config->input.height > config->frame.height || config->input.width > config->frame.width) {
    fail("%s: %dx%d does not fit into the %dx%d of [net]; make it smaller", crop.where().c_str(), config->input.height,
         config->input.width, config->frame.height, config->frame.width);
  }
  const std::string values = crop.flag("noadjust") ? "" : ", values become 2 x - 1";
  const std::string size = format("%dx%d out of %dx%d", config->input.height, config->input.width, config->frame.height,
                                  config->frame.width);
  translations->add(
      crop.where(),
      "cut while images are prepared: " + size + ", drawn for each image, in evaluations the centre" + values,
      "remove it; the crop's size as height= and width= of [net], pad=0 (and mirror=1), valid_resize= and "
      "mean= and std= of 0.5 do the same");
  for (const char* key : {"angle", "saturation", "exposure", "shift"}) {
    if (!crop.given(key) || crop.real(key) == (std::string(key) == "angle" || std::string(key) == "shift" ? 0 : 1)) {
      continue;
    }
    translations->add(crop.where(key), "ignored, as by Darknet on a CPU",
                      "Darknet follows it on a GPU alone; remove the line");
  }
}

void note_swapped_crops(NetworkConfig* config) {
  const cfg::Options& net = config->net;
  if (!net.given("min_crop") || !net.given("max_crop") || net.integer("min_crop") <= net.integer("max_crop")) return;
  config->translations.add(net.where("min_crop"), "above max_crop: the two are swapped, as by Darknet",
                           format("above max_crop=%d; swap the two", net.integer("max_crop")));
}

void note_unused_mixup(NetworkConfig* config) {
  const cfg::Options& net = config->net;
  if (net.integer("mixup") == 0 || (!net.flag("cutmix") && !net.flag("mosaic"))) return;
  config->translations.add(net.where("mixup"), "ignored: cutmix= and mosaic= come before it, as in AlexeyAB's Darknet",
                           "cutmix= or mosaic= is given, too; remove one of them");
}

data::Mixing mixing_of(const cfg::Options& net) {
  using Kind = data::Mixing::Kind;
  data::Mixing mixing;
  mixing.kind = static_cast<Kind>(net.integer("mixup"));
  if (net.flag("cutmix")) mixing.kind = Kind::kCutMix;
  if (net.flag("mosaic")) mixing.kind = net.flag("cutmix") ? Kind::kCutMixOrMosaic : Kind::kMosaic;
  mixing.blur = net.integer("blur") == 1 ? 15 : net.integer("blur");
  if (mixing.blur > 0 && mixing.blur % 2 == 0) {
    fail("%s: an even width has no middle; give %d", net.where("blur").c_str(), mixing.blur + 1);
  }
  return mixing;
}

void check_shards(const NetworkConfig& config) {
  constexpr int kMinImages = 8;
  if (config.shards == 1) return;
  if (config.mini_batch % config.shards == 0 && config.mini_batch / config.shards >= kMinImages) return;
  fail("%s: a mini-batch (batch / subdivisions) has %d images; give a divisor of it that leaves each shard %d or more",
       config.net.where("shards").c_str(), config.mini_batch, kMinImages);
}

// AlexeyAB's parser divides by the number of layers that know their rows and columns.
void require_image_layer(const NetworkConfig& config) {
  if (!host::traits().needs_image_layer) return;
  for (const LayerConfig& layer : config.layers) {
    const std::string& section = layer.op->section;
    const bool counts = section != "connected" && section != "route" && section != "dropout";
    if (counts && layer.in.height > 1 && layer.in.width > 1) return;
  }
  fail(
      "%s: no layer but [connected] reads several rows and columns, and %s crashes on such a network; begin with "
      "[maxpool] size=1 stride=1, which changes nothing, and give height= and width= above 1",
      config.path.c_str(), host::traits().name);
}

}  // namespace

const std::vector<cfg::OptionSpec>& net_options() {
  static const std::vector<cfg::OptionSpec> specs = {
      cfg::integer_option("batch", "1", 1, 1 << 20, "images in one update"),
      cfg::integer_option("subdivisions", "1", 1, 1 << 20, "forward passes in one update; divides batch"),
      cfg::ours(
          cfg::integer_option("shards", "", 1, 1 << 17,
                              "parts of a mini-batch, summed one by one (default: at most 8, 16 images or more)")),
      cfg::integer_option("height", "", 1, 1 << 14, "of the input; must be given"),
      cfg::integer_option("width", "", 1, 1 << 14, "of the input; must be given"),
      cfg::integer_option("channels", "", 1, 1 << 14, "of the input, 1 or 3 for images; must be given"),
      cfg::real_option("learning_rate", "0.001", 0, kLarge, "before the policy"),
      cfg::ours(cfg::choice_option("precision", "fp32", {"fp32", "tf32", "bf16"},
                                   "on a GPU: what activations and products are in")),
      cfg::open_high(cfg::real_option("momentum", "0.9", 0, 1, "share of the last update in the next")),
      cfg::real_option("decay", "0.0001", 0, kLarge, "weight decay (weights only, not biases and scales)"),
      cfg::ours(cfg::flag_option("nesterov", "0", "1: Nesterov's momentum")),
      cfg::ours(cfg::flag_option("adam", "0", "1: Adam instead of SGD; on the CPU, too")),
      cfg::open_high(cfg::ours(cfg::real_option("B1", "0.9", 0, 1, "adam=1: share of the last mean in the next"))),
      cfg::open_high(cfg::ours(cfg::real_option("B2", "0.999", 0, 1, "adam=1: the same of the mean square"))),
      cfg::ours(cfg::real_option("eps", "", 0, 1, "adam=1: added to the root (default: 1e-7; AlexeyAB's 1e-6)")),
      cfg::open_high(cfg::ours(
          cfg::real_option("label_smooth_eps", "0", 0, 1, "share of the label that the other classes get, all alike"))),
      cfg::ours(cfg::integer_option("mixup", "0", 0, 4,
                                    "mixes images: 1 mean of two, 2 cutmix, 3 mosaic, 4 cutmix or mosaic")),
      cfg::ours(cfg::flag_option("cutmix", "0", "1: a rectangle of another image in every second one")),
      cfg::ours(cfg::flag_option("mosaic", "0", "1: quarters of four images in every second one")),
      cfg::ours(cfg::integer_option("blur", "0", 0, 255,
                                    "blurs every fourth image: width of the Gaussian in pixels, odd; 1: 15")),
      cfg::ours(cfg::choice_option("policy", "constant",
                                   {"constant", "step", "steps", "exp", "poly", "sigmoid", "cosine", "random", "sgdr"},
                                   "how the learning rate changes")),
      cfg::ours(cfg::integer_option("burn_in", "0", 0, kLarge,
                                    "batches over which the rate rises as (batch / burn_in)^power")),
      cfg::ours(cfg::real_option("power", "4", 0, 100, "exponent of burn_in and of policy=poly, random")),
      cfg::ours(
          cfg::reals_option("steps", "", 0, kLarge, "policy=steps: rising batches at which the rate is multiplied")),
      cfg::ours(cfg::reals_option("epoch_steps", "", 0, kLarge, "the same in epochs, instead of steps")),
      cfg::ours(cfg::reals_option("scales", "", 0, kLarge, "policy=steps: the factors, one for each step")),
      cfg::ours(cfg::integer_option("step", "", 1, kLarge, "policy=step, sigmoid: batches")),
      cfg::ours(cfg::real_option("scale", "1", 0, kLarge, "policy=step: factor at every step")),
      cfg::ours(cfg::real_option("gamma", "1", 0, kLarge, "policy=exp, sigmoid")),
      cfg::ours(cfg::real_option("learning_rate_min", "0.00001", 0, kLarge, "policy=sgdr: the rate at a cycle's end")),
      cfg::ours(cfg::integer_option("sgdr_cycle", "", 1, kLarge,
                                    "policy=sgdr: batches of the first cycle (default: max_batches)")),
      cfg::ours(cfg::real_option("sgdr_mult", "2", 1, 1e3, "policy=sgdr: how much longer each cycle is")),
      cfg::ours(cfg::integer_option("max_batches", "", 0, kLarge, "updates in all; 0: until it is stopped")),
      cfg::open_low(
          cfg::ours(cfg::real_option("epochs", "", 0, 1e6, "passes over the training set, instead of max_batches"))),
      cfg::ours(cfg::integer_option("pad", "", 0, 1 << 12, "zero padding on every side before a random crop")),
      cfg::ours(cfg::flag_option("mirror", "", "1: left-right flip with probability 1/2")),
      cfg::ours(
          cfg::flag_option("random_resized_crop", "", "1: random area and aspect, resized to the network's size")),
      cfg::ours(cfg::reals_option("mean", "", -kLarge, kLarge,
                                  "subtracted from the input, one for each channel, in units of 0..1")),
      cfg::open_low(
          cfg::ours(cfg::reals_option("std", "", 0, kLarge, "divides the input after mean, one for each channel"))),
      cfg::ours(cfg::integer_option("valid_resize", "", 1, 1 << 14,
                                    "evaluation: shorter side to this, then the centre crop")),
      cfg::ours(cfg::flag_option("flip", "1", "Darknet's augmentation: left-right flip with probability 1/2")),
      cfg::ours(cfg::real_option("angle", "0", 0, 360, "Darknet's augmentation: rotated by up to so many degrees")),
      cfg::open_low(cfg::ours(
          cfg::real_option("aspect", "1", 0, 100, "Darknet's augmentation: a factor up to this, or its inverse"))),
      cfg::ours(cfg::real_option("hue", "0", 0, 1, "Darknet's augmentation: share of a turn")),
      cfg::open_low(cfg::ours(
          cfg::real_option("saturation", "1", 0, 100, "Darknet's augmentation: a factor up to this, or its inverse"))),
      cfg::open_low(cfg::ours(
          cfg::real_option("exposure", "1", 0, 100, "Darknet's augmentation: a factor up to this, or its inverse"))),
      cfg::ours(cfg::integer_option("min_crop", "", 1, 1 << 14,
                                    "Darknet's augmentation: least length of the shorter side (default: width)")),
      cfg::ours(cfg::integer_option("max_crop", "", 1, 1 << 14,
                                    "Darknet's augmentation: greatest length of the shorter side (default: 2 width)")),
      cfg::ours(cfg::real_option("min_ratio", "", 0, 100, "as min_crop, in widths")),
      cfg::ours(cfg::real_option("max_ratio", "", 0, 100, "as max_crop, in widths")),
  };
  return specs;
}

NetworkConfig read_network_config(const std::string& path, const Ops& ops, cfg::Reading reading) {
  NetworkConfig config;
  config.path = path;
  config.translations = cfg::Translations(reading);
  const cfg::CfgFile cfg = cfg::read_cfg(path, &config.translations);
  const cfg::CfgSection& first = cfg.sections[0];
  if (!is_net(first)) {
    fail("%s:%d: the first section is [%s]; it must be [net]", path.c_str(), first.line, first.name.c_str());
  }
  check_lines(path, ops, cfg, reading);
  config.net = read_options(path, first, "net", net_options(), refused_net_keys(), &config.translations);
  for (const char* key : {"height", "width", "channels"}) config.net.require(key, "the input needs a size");
  config.input = {config.net.integer("channels"), config.net.integer("height"), config.net.integer("width")};
  config.frame = config.input;
  const bool cropped = cfg.sections.size() > 1 && cfg.sections[1].name == "crop";
  if (cropped) absorb_crop(cfg.sections[1], &config);
  config.batch = config.net.integer("batch");
  config.subdivisions = config.net.integer("subdivisions");
  if (config.batch % config.subdivisions != 0) {
    fail("%s: batch=%d is not divisible by it; choose a divisor", config.net.where("subdivisions").c_str(),
         config.batch);
  }
  config.mini_batch = config.batch / config.subdivisions;
  config.shards = config.net.given("shards") ? config.net.integer("shards") : default_shards(config.mini_batch);
  check_shards(config);
  check_schedule(config.net);
  config.augmentation();
  note_swapped_crops(&config);
  note_unused_mixup(&config);

  const ShapeContext context{config.layers, config.input, config.mini_batch, cropped ? 1 : 0};
  for (size_t i = cropped ? 2 : 1; i < cfg.sections.size(); ++i) {
    if (cfg.sections[i].name == "cost" && i + 1 == cfg.sections.size() && !config.layers.empty() &&
        config.layers.back().op->kind == Op::Kind::kCost) {
      absorb_cost(cfg.sections[i], &config);
      continue;
    }
    if (is_net(cfg.sections[i])) {
      fail("%s:%d: a second [net]; keep one, at the top", path.c_str(), cfg.sections[i].line);
    }
    if (!config.layers.empty() && config.layers.back().op->kind == Op::Kind::kCost) {
      fail(
          "%s:%d: [%s] stands after [%s], which must be the last section: it is softmax and cost in one; remove what "
          "follows",
          path.c_str(), cfg.sections[i].line, cfg.sections[i].name.c_str(), config.layers.back().op->section.c_str());
    }
    config.layers.push_back(read_layer(path, ops, cfg.sections[i], context, &config.translations));
  }
  if (config.layers.empty())
    fail("%s: the cfg has no layers after [net]; add some, [softmax] or another cost as the last", path.c_str());
  if (config.layers.back().op->kind != Op::Kind::kCost) {
    std::vector<std::string> costs;
    for (const Op& op : ops) {
      if (op.kind == Op::Kind::kCost) costs.push_back("[" + op.section + "]");
    }
    std::string list;
    for (size_t i = 0; i < costs.size(); ++i) list += (i == 0 ? "" : i + 1 == costs.size() ? " or " : ", ") + costs[i];
    fail("%s: the network ends in [%s]: no classifier, which ends with %s",
         config.layers.back().options.where().c_str(), config.layers.back().op->section.c_str(), list.c_str());
  }
  if (config.classes() < 2) {
    fail("%s: the network has %d output; a classifier needs at least 2 classes",
         config.layers.back().options.where().c_str(), config.classes());
  }
  const cfg::Options& end = config.layers.back().options;
  if (end.has("noloss") && end.flag("noloss")) {
    fail("%s: nothing would be trained; remove it, or add a [cost]", end.where("noloss").c_str());
  }
  config.layers.back().label_smoothing = config.net.real("label_smooth_eps");
  require_image_layer(config);
  return config;
}

NetworkConfig with_mini_batch(const NetworkConfig& config, int mini_batch) {
  NetworkConfig copy = config;
  copy.batch = mini_batch;
  copy.subdivisions = 1;
  copy.mini_batch = mini_batch;
  copy.shards = default_shards(mini_batch);
  copy.ranks = 1;
  return copy;
}

NetworkConfig shared_by(const NetworkConfig& config, int ranks) {
  NetworkConfig copy = config;
  copy.mini_batch /= ranks;
  copy.shards /= ranks;
  copy.ranks = ranks;
  return copy;
}

int default_shards(int mini_batch) {
  constexpr int kMaxShards = 8, kMinImages = 16;
  int shards = kMaxShards;
  while (shards > 1 && (mini_batch % shards != 0 || mini_batch / shards < kMinImages)) shards /= 2;
  return shards;
}

void NetworkConfig::require_image_channels() const {
  if (input.channels == 1 || input.channels == 3) return;
  fail("%s: found %d, allowed for images are 1 (grey) and 3 (colour)", net.where("channels").c_str(), input.channels);
}

void NetworkConfig::require_classes(int wanted, const std::string& said_by) const {
  if (classes() == wanted) return;
  fail("%s: the network has %d outputs, %s says classes=%d; make the layer before the last give %d, or take other data",
       cost().options.where().c_str(), classes(), said_by.c_str(), wanted, wanted);
}

int NetworkConfig::first_trained() const {
  int first = 0;
  for (const LayerConfig& layer : layers) {
    if (layer.options.has("stopbackward") && layer.options.flag("stopbackward")) first = layer.index + 1;
  }
  return first;
}

data::Augmentation NetworkConfig::augmentation() const {
  data::Augmentation a;
  a.own = net.given("pad") || net.given("mirror") || net.given("random_resized_crop");
  if (a.own) {
    for (const char* key : {"flip", "angle", "aspect", "hue", "saturation", "exposure", "min_crop", "max_crop",
                            "min_ratio", "max_ratio"}) {
      if (net.given(key)) {
        fail("%s: pad=, mirror= and random_resized_crop= switch Darknet's augmentation off; keep one kind",
             net.where(key).c_str());
      }
    }
  }
  if (net.given("pad")) a.pad = net.integer("pad");
  if (net.given("mirror")) a.mirror = net.flag("mirror");
  if (net.given("random_resized_crop")) a.random_resized_crop = net.flag("random_resized_crop");
  if (a.random_resized_crop && a.pad > 0) {
    fail("%s: random_resized_crop=1 crops already; keep one of them", net.where("pad").c_str());
  }
  a.flip = net.flag("flip");
  a.angle = net.real("angle");
  a.aspect = net.real("aspect");
  a.hue = net.real("hue");
  a.saturation = net.real("saturation");
  a.exposure = net.real("exposure");
  // As in Darknet: a factor of the width where *_ratio is given, else *_crop, else the width to twice the width.
  a.min_crop = net.given("min_crop") ? net.integer("min_crop") : frame.width;
  a.max_crop = net.given("max_crop") ? net.integer("max_crop") : 2 * frame.width;
  if (net.given("min_ratio")) a.min_crop = static_cast<int>(net.real("min_ratio") * frame.width);
  if (net.given("max_ratio")) a.max_crop = static_cast<int>(net.real("max_ratio") * frame.width);
  // Both Darknets swap them, for instance where max_crop= is below the width.
  if (a.min_crop > a.max_crop) std::swap(a.min_crop, a.max_crop);
  for (const char* key : {"mean", "std"}) {
    if (!net.given(key)) continue;
    const std::vector<double> values = net.reals(key);
    if (values.size() != static_cast<size_t>(input.channels)) {
      fail("%s: found %zu numbers, the input has %d channels; give one number for each", net.where(key).c_str(),
           values.size(), input.channels);
    }
    (std::string(key) == "mean" ? a.mean : a.std).assign(values.begin(), values.end());
  }
  a.mixing = mixing_of(net);
  a.eval_crop = host::traits().eval_crop;
  if (net.given("valid_resize")) {
    a.valid_resize = net.integer("valid_resize");
    if (a.valid_resize < std::max(frame.width, frame.height)) {
      fail("%s: smaller than the network's input (%dx%d); give at least that", net.where("valid_resize").c_str(),
           frame.width, frame.height);
    }
  }
  if (crop.has("crop_width")) {
    a.frame = frame;
    a.crop_flip = crop.flag("flip");
    if (!crop.flag("noadjust")) {
      for (const char* key : {"mean", "std"}) {
        if (!net.given(key)) continue;
        fail("%s: [crop] changes the values, too; add noadjust=1 to it, or remove this", net.where(key).c_str());
      }
      a.mean.assign(static_cast<size_t>(input.channels), 0.5f);
      a.std = a.mean;
    }
  }
  return a;
}

}  // namespace dng::graph
