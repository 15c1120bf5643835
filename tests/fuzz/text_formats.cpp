// cfg, .data, names and labels, the logits of `darknet layer`.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/verbs.h"
#include "data/data_file.h"
#include "data/label_rule.h"
#include "layers/registry.h"
#include "tests/fuzz/formats.h"
#include "train/schedule.h"

namespace dng::fuzz {
namespace {

// What Darknet is given for an accepted cfg is a cfg with as many sections; the schedule has rates.
void read_cfg(const std::string& bytes) {
  const graph::NetworkConfig config = layers::read_network_config(file_of("a.cfg", bytes));
  config.augmentation().training_text();
  cfg::Translations none(cfg::Reading::kTranslating);
  const cfg::CfgFile host = cfg::parse_cfg("host", config.host_text(), &none);
  require(host.sections.size() > config.layers.size(), "Darknet's cfg has fewer layers");
  for (const graph::LayerConfig& layer : config.layers) require(layer.out.size() > 0, "a layer without outputs");
  const train::Schedule schedule(config.net, 1000, config.batch);
  for (const int64_t iteration : {0, 1, 1000}) {
    require(schedule.rate(iteration) == schedule.rate(iteration), "the learning rate is not a number");
  }
}

void check_data(const data::DataFile& data) {
  const auto classes = static_cast<size_t>(data.classes);
  require(data.display_names.size() == classes, "another number of names than classes");
  require(data.label_names.empty() || data.label_names.size() == classes, "another number of labels than classes");
  require(data.top >= 1 && data.top <= data.classes, "top is not within the classes");
  for (const int superclass : data.superclass_of) {
    require(superclass >= 0 && superclass < data.classes, "a superclass is not within the classes");
  }
}

void read_data(const std::string& bytes) { check_data(data::read_data_file(file_of("a.data", bytes))); }

void read_names(const std::string& bytes) {
  const std::string path = file_of("a.names", bytes);
  for (const char* key : {"names", "labels", "superclasses"}) {
    try {
      const data::DataFile data =
          data::read_data_file(file_of("names.data", "classes=3\n" + std::string(key) + "=" + path + "\n"));
      check_data(data);
      std::string problem;
      const int found = data::LabelRule(data.label_names).find("folder/cat/1_dog.png", &problem);
      require(found < 3 && (found >= 0 || !problem.empty()), "a label that does not exist");
    } catch (const Error&) {  // the other keys are tried, too
    }
  }
}

// What the action prints.
std::string output_of(const std::function<void()>& action) {
  static const int file = memfd_create("output", MFD_CLOEXEC), before = dup(STDOUT_FILENO);
  std::fflush(stdout);
  require(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0 && dup2(file, STDOUT_FILENO) >= 0, "no memory file");
  const auto restore = [] {
    std::fflush(stdout);
    dup2(before, STDOUT_FILENO);
  };
  try {
    action();
  } catch (...) {
    restore();
    throw;
  }
  restore();
  return read_file("/proc/self/fd/" + std::to_string(file), "output");
}

void read_logits(const std::string& bytes) {
  const std::string path = file_of("a.csv", bytes);
  for (const cli::Verb& verb : cli::all_verbs()) {
    if (verb.name != "layer") continue;
    for (const char* cost : {"softmax", "tsd", "distill", "label_smoothing", "confidence_penalty"}) {
      try {
        const std::string output = output_of([&] {
          verb.run(cli::Arguments({cost, path}, verb.synopsis, verb.usage()));
        });
        require(output.find("nan") == std::string::npos, std::string(cost) + " printed nan");
      } catch (const Error&) {  // the other costs are tried, too
      }
    }
  }
}

}  // namespace

std::vector<Format> text_formats() {
  return {{"cfg", read_cfg}, {"data", read_data}, {"names", read_names}, {"logits", read_logits}};
}

}  // namespace dng::fuzz
