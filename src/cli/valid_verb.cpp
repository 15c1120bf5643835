#include "base/file.h"
#include "cli/verbs.h"
#include "eval/accuracy.h"
#include "eval/class_counts.h"
#include "network/weights.h"

namespace dng::cli {

int valid_verb(const Arguments& arguments) {
  const Evaluation e = open_evaluation(arguments);
  network::load_weights(arguments.positional()[2], e.network.get());
  e.network->freeze();
  eval::ClassCounts classes(e.data.classes);
  const auto count = [&](const data::Batch& batch, const graph::Pass&) {
    classes.add(batch, e.network->probabilities());
  };
  const eval::Accuracy accuracy = eval::evaluate(e.network.get(), *e.images, e.data.top, e.threads, "valid", count);
  if (arguments.has("-json")) {
    Json json = eval::accuracy_json(accuracy);
    json.set("weights", Json::string(arguments.positional()[2]))
        .set("cfg", Json::string(arguments.positional()[1]))
        .set("data", Json::string(e.images->description()))
        .set("classes", classes.classes_json(e.data.display_names))
        .set("confusion", classes.confusion_json());
    write_file(arguments.text("-json", ""), json.dump() + "\n");
  }
  if (arguments.has("-classes")) std::printf("%s", classes.table(e.data.display_names).c_str());
  std::printf("%s\n", accuracy.line().c_str());
  eval::require_finite(accuracy, arguments.positional()[2]);
  return 0;
}

}  // namespace dng::cli
