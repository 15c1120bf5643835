#include "eval/inspect.h"

#include "base/file.h"
#include "cli/verbs.h"
#include "engine/weights.h"
#include "eval/accuracy_json.h"

namespace dng {
namespace {

Json to_json(const Inspection& i) {
  Json json = accuracy_json(i.accuracy);
  Json ranks = Json::array(), bins = Json::array();
  for (const double mean : i.mean_by_rank) ranks.add(Json::number(mean));
  for (const Inspection::Bin& bin : i.bins) {
    bins.add(Json::object()
                 .set("images", Json::integer(bin.images))
                 .set("confidence", Json::number(bin.confidence))
                 .set("accuracy", Json::number(bin.accuracy)));
  }
  json.set("mean_primary", Json::number(i.mean_primary))
      .set("mean_rank_2_k", Json::number(i.mean_rank_2_k))
      .set("mean_by_rank", ranks)
      .set("entropy", Json::number(i.entropy))
      .set("dist_between", Json::number(i.dist_between))
      .set("dist_within", Json::number(i.dist_within))
      .set("dist_all", Json::number(i.dist_all))
      .set("inside_superclass", Json::number(i.inside_superclass))
      .set("ece", Json::number(i.calibration_error))
      .set("calibration_bins", bins);
  return json;
}

}  // namespace

int inspect_verb(const Words& words) {
  const Arguments arguments(words, evaluation_flags(), 3, 3,
                            "darknet classifier inspect DATA CFG WEIGHTS [-json FILE] [-threads N]");
  const Evaluation e = open_evaluation(arguments);
  load_weights(arguments.positional()[2], e.network.get());
  e.network->freeze();
  const Inspection i = inspect(e.network.get(), *e.images, e.data.superclass_of, e.data.top, e.threads);
  if (arguments.has("-json")) write_file(arguments.text("-json", ""), to_json(i).dump() + "\n");
  std::printf("mean confidence of the primary class  %.4f\n", i.mean_primary);
  std::printf("mean probability of ranks 2 to %zu     %.5f\n", i.mean_by_rank.size(), i.mean_rank_2_k);
  std::printf("mean entropy                          %.4f nats\n", i.entropy);
  if (!e.data.superclass_of.empty()) {
    std::printf("secondary probability inside the superclass  %.4f\n", i.inside_superclass);
    std::printf("distance of class means, between superclasses %.4f, within %.4f\n", i.dist_between, i.dist_within);
  } else {
    std::printf("distance of class means               %.4f (superclasses= in the .data file adds more)\n", i.dist_all);
  }
  std::printf("expected calibration error            %.4f\n", i.calibration_error);
  std::printf("%s\n", i.accuracy.line().c_str());
  return 0;
}

}  // namespace dng
