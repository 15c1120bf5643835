#include "graph/harmless_keys.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace dng::graph {
namespace {

struct Harmless {
  const char* section;  // "*": every layer
  const char* keys;
  // A number, a text, or null: unread, whatever its value.
  const char* value;
};

constexpr Harmless kHarmless[] = {
    {"net",
     "adversarial_lr attention center clip contrastive ema_alpha notruth random try_fix_nan unsupervised "
     "weights_reject_freq",
     "0"},
    {"net", "loss_scale time_steps", "1"},
    {"net",
     "augment_speed dynamic_minibatch gaussian_noise letter_box max_chart_loss mosaic_bound "
     "optimized_memory resize_step seen show_receptive_field track use_cuda_graph workspace_size_limit_MB",
     nullptr},
    {"convolutional",
     "assisted_excitation bin_output binary cbn coordconv deform dot flipped grad_centr reverse rotate stretch "
     "stretch_sway sway xnor",
     "0"},
    {"connected", "transpose", nullptr},
    {"cost", "ratio thresh", "0"},
    {"cost", "noobj", "1"},
    {"local_avgpool", "antialiasing maxpool_depth maxpool_zero_nonmax", "0"},
    {"maxpool", "maxpool_zero_nonmax", "0"},
    {"route", "stream", "0"},
    {"shortcut", "weights_normalization weights_type", "none"},
    {"softmax", "spatial", "0"},
    {"*", "burnin_update clip dont_update dontloadscales dontsave numload onlyforward smooth train_only_bn truth", "0"},
};

bool equal_values(const std::string& one, const std::string& other) {
  double a = 0, b = 0;
  return parse_real(one, &a) && parse_real(other, &b) ? a == b : one == other;
}

// The row that allows the entry, or null.
const Harmless* find_harmless(const std::string& name, const cfg::CfgEntry& entry) {
  for (const Harmless& row : kHarmless) {
    if (name != row.section && (name == "net" || std::string(row.section) != "*")) continue;
    const std::vector<std::string> keys = split(row.keys, ' ');
    if (std::count(keys.begin(), keys.end(), entry.key) == 0) continue;
    if (row.value == nullptr || equal_values(entry.value, row.value)) return &row;
  }
  return nullptr;
}

}  // namespace

void drop_harmless_keys(const std::string& path, const std::string& name, const std::vector<cfg::OptionSpec>& specs,
                        cfg::CfgSection* section, cfg::Translations* translations) {
  std::vector<cfg::CfgEntry> kept;
  for (const cfg::CfgEntry& entry : section->entries) {
    const bool known =
        std::any_of(specs.begin(), specs.end(), [&](const cfg::OptionSpec& spec) { return spec.name == entry.key; });
    const Harmless* row = known ? nullptr : find_harmless(name, entry);
    if (row == nullptr) {
      kept.push_back(entry);
    } else if (row->value == nullptr) {
      translations->add(format("%s:%d: [%s] %s=%s", path.c_str(), entry.line, section->name.c_str(), entry.key.c_str(),
                               entry.value.c_str()),
                        "ignored: no Darknet reads it for a classifier",
                        "no Darknet reads it for a classifier; remove the line");
    }
  }
  section->entries = std::move(kept);
}

}  // namespace dng::graph
