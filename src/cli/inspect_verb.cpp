#include "eval/inspect.h"

#include "base/error.h"
#include "base/file.h"
#include "cli/verbs.h"
#include "eval/examples.h"
#include "network/weights.h"

namespace dng::cli {
namespace {

Json to_json(const eval::Inspection& i) {
  Json json = eval::accuracy_json(i.accuracy);
  Json ranks = Json::array(), bins = Json::array();
  for (const double mean : i.mean_by_rank) ranks.add(Json::number(mean));
  for (const eval::Inspection::Bin& bin : i.bins) {
    bins.add(Json::object()
                 .set("images", Json::integer(bin.images))
                 .set("confidence", Json::number(bin.confidence))
                 .set("accuracy", Json::number(bin.accuracy)));
  }
  json.set("mean_primary", Json::number(i.mean_primary))
      .set("mean_rank_2_k", Json::number(i.mean_rank_2_k))
      .set("mean_by_rank", ranks)
      .set("mean_true", Json::number(i.mean_true))
      .set("entropy", Json::number(i.entropy))
      .set("dist_between", Json::number(i.dist_between))
      .set("dist_within", Json::number(i.dist_within))
      .set("dist_all", Json::number(i.dist_all))
      .set("inside_superclass", Json::number(i.inside_superclass))
      .set("ece", Json::number(i.calibration_error))
      .set("calibration_bins", bins)
      .set("teacher_agreement", Json::number(i.teacher_agreement))
      .set("teacher_kl", Json::number(i.teacher_kl));
  return json;
}

// Null where the command line names none. Every generation has the same architecture, so it is of the same cfg.
std::unique_ptr<network::Network> teacher_of(const Arguments& arguments, const network::Network& network) {
  if (!arguments.has("-teacher")) return nullptr;
  auto teacher = std::make_unique<network::Network>(network.config(), network::NetworkSettings::evaluation());
  network::load_weights(arguments.text("-teacher", ""), teacher.get());
  teacher->freeze();
  return teacher;
}

void print(const eval::Inspection& i, bool superclasses, bool teacher) {
  std::printf("mean confidence of the primary class  %.4f\n", i.mean_primary);
  std::printf("mean confidence of the true class     %.4f\n", i.mean_true);
  std::printf("mean probability of ranks 2 to %zu     %.5f\n", i.mean_by_rank.size(), i.mean_rank_2_k);
  std::printf("mean entropy                          %.4f nats\n", i.entropy);
  if (superclasses) {
    std::printf("secondary probability inside the superclass  %.4f\n", i.inside_superclass);
    std::printf("distance of class means, between superclasses %.4f, within %.4f\n", i.dist_between, i.dist_within);
  } else {
    std::printf("distance of class means               %.4f (superclasses= in the .data file adds more)\n", i.dist_all);
  }
  std::printf("expected calibration error            %.4f\n", i.calibration_error);
  if (teacher) {
    std::printf("same top class as the teacher         %.4f\n", i.teacher_agreement);
    std::printf("divergence from the teacher           %.4f nats\n", i.teacher_kl);
  }
  std::printf("%s\n", i.accuracy.line().c_str());
}

}  // namespace

int inspect_verb(const Arguments& arguments) {
  if (arguments.has("-count") && !arguments.has("-examples")) {
    fail_usage("-count is the number of examples; name the folder for them with -examples DIR");
  }
  const int64_t count = arguments.integer("-count", 20, 1, 1000000);
  const Evaluation e = open_evaluation(arguments);
  const std::string &cfg = arguments.positional()[1], &weights = arguments.positional()[2];
  const std::string folder = arguments.text("-examples", "");
  if (arguments.has("-examples")) require_writable_folder(folder, "the folder for the examples");
  network::load_weights(weights, e.network.get());
  e.network->freeze();
  const std::unique_ptr<network::Network> teacher = teacher_of(arguments, *e.network);
  eval::Examples examples(*e.images, e.data.classes, arguments.has("-examples") ? count : 0, e.data.top);
  const auto look = [&](const data::Batch& batch, const graph::Pass&) {
    examples.see(batch, e.network->probabilities());
  };
  const eval::Inspection i =
      eval::inspect(e.network.get(), *e.images, {e.data.superclass_of, e.data.top, e.threads, teacher.get(), look});
  if (arguments.has("-examples")) {
    examples.write(folder, e.data, e.network->config(),
                   Json::object()
                       .set("set", Json::string(e.set))
                       .set("data", Json::string(e.images->description()))
                       .set("cfg", Json::string(cfg))
                       .set("weights", Json::string(weights)));
  }
  if (arguments.has("-json")) {
    write_file(arguments.text("-json", ""), to_json(i).set("set", Json::string(e.set)).dump() + "\n");
  }
  print(i, !e.data.superclass_of.empty(), teacher != nullptr);
  eval::require_finite(i.accuracy, weights);
  if (i.teacher_not_finite > 0) {
    fail("%s: the teacher's outputs are not finite for %lld of %lld images, the first is %s; use earlier weights of it",
         arguments.text("-teacher", "").c_str(), static_cast<long long>(i.teacher_not_finite),
         static_cast<long long>(i.accuracy.images), i.teacher_first_not_finite.c_str());
  }
  return 0;
}

}  // namespace dng::cli
