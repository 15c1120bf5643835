#include "eval/ensemble.h"

#include "base/file.h"
#include "cli/verbs.h"

namespace dng::cli {

int ensemble_verb(const Arguments& arguments) {
  const Evaluation e = open_evaluation(arguments);
  const Words weights(arguments.positional().begin() + 2, arguments.positional().end());
  const eval::EnsembleResult result =
      eval::evaluate_ensemble(e.network.get(), weights, *e.images, e.data.top, e.threads);
  Json members = Json::array();
  for (size_t i = 0; i < weights.size(); ++i) {
    std::printf("member %s: %s\n", weights[i].c_str(), result.members[i].line().c_str());
    members.add(eval::accuracy_json(result.members[i]).set("weights", Json::string(weights[i])));
  }
  if (arguments.has("-json")) {
    write_file(arguments.text("-json", ""), eval::accuracy_json(result.ensemble).set("members", members).dump() + "\n");
  }
  std::printf("%s\n", result.ensemble.line().c_str());
  for (size_t i = 0; i < weights.size(); ++i) eval::require_finite(result.members[i], weights[i]);
  return 0;
}

}  // namespace dng::cli
