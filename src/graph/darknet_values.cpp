#include "graph/darknet_values.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace dng::graph {
namespace {

// Of a key that is missing, or no whole number: `fallback`.
int64_t integer_of(const cfg::CfgSection& section, const std::string& key, int64_t fallback) {
  for (const cfg::CfgEntry& entry : section.entries) {
    if (entry.key == key) parse_integer(entry.value, &fallback);
  }
  return fallback;
}

bool is_switch(const std::vector<cfg::OptionSpec>& specs, const std::string& key) {
  return std::any_of(specs.begin(), specs.end(), [&](const cfg::OptionSpec& spec) {
    return spec.name == key && spec.for_host && spec.type == cfg::OptionType::kFlag;
  });
}

}  // namespace

void translate_values(const std::string& path, const std::string& name, const std::vector<cfg::OptionSpec>& specs,
                      cfg::CfgSection* section, cfg::Translations* translations) {
  std::vector<cfg::CfgEntry> kept;
  for (cfg::CfgEntry entry : section->entries) {
    const std::string place = format("%s:%d: [%s] %s=%s", path.c_str(), entry.line, section->name.c_str(),
                                     entry.key.c_str(), entry.value.c_str());
    int64_t number = 0;
    const bool is_number = parse_integer(entry.value, &number);
    if (is_number && number != 0 && number != 1 && is_switch(specs, entry.key)) {
      if (entry.key == "batch_normalize") {
        fail("%s: batch norm across updates is not computed here; write batch_normalize=1, which normalises each batch",
             place.c_str());
      }
      translations->add(place, entry.key + "=1: to Darknet any number but 0 is", "write " + entry.key + "=1");
      entry.value = "1";
    } else if (is_number && name == "convolutional" && entry.key == "padding" && integer_of(*section, "pad", 0) != 0) {
      const int64_t half = integer_of(*section, "size", 1) / 2;
      const std::string meaning = format("pad=1 means padding=%d", static_cast<int>(half));
      if (number != half) {
        translations->add(place, "ignored, as by Darknet: " + meaning, meaning + "; keep one of them");
        continue;
      }
    } else if (name == "maxpool" && entry.key == "out_channels" && integer_of(*section, "maxpool_depth", 0) == 0) {
      translations->add(place, "ignored: without maxpool_depth=1 no Darknet reads it",
                        "add maxpool_depth=1, or remove it");
      continue;
    }
    kept.push_back(entry);
  }
  section->entries = std::move(kept);
}

}  // namespace dng::graph
