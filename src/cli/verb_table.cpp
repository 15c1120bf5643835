#include <cerrno>  // program_invocation_short_name

#include "cli/verbs.h"

namespace dng::cli {

// The only list of verbs and options: --help, the man page and the shells' completion are made from it.
const std::vector<Verb>& all_verbs() {
  static const std::vector<Verb> verbs = [] {
    const std::string computing = " [-threads N] [-nogpu | -gpus N] [-strict] [-v]";
    return std::vector<Verb>{
        {"classifier train",
         "DATA CFG [WEIGHTS] [-clear] [-seed N] [-resume | -restart] [-state_seconds N] [-profile FILE] [-topk] "
         "[-dont_show]" +
             computing,
         train_verb},
        {"classifier valid", "DATA CFG WEIGHTS [-json FILE] [-classes]" + computing, valid_verb},
        {"classifier predict", "DATA CFG WEIGHTS [IMAGE...] [-t N] [-json]" + computing, predict_verb},
        {"classifier ensemble", "DATA CFG WEIGHTS WEIGHTS... [-json FILE]" + computing, ensemble_verb},
        {"classifier targets", "DATA STUDENT_CFG -out FILE [-seed N]" + computing, targets_verb},
        {"classifier inspect",
         "DATA CFG WEIGHTS [-json FILE] [-set valid|train] [-teacher WEIGHTS] [-examples DIR [-count N]]" + computing,
         inspect_verb},
        {"classifier features", "DATA CFG WEIGHTS -out FILE [-layer N] [-set valid|train]" + computing, features_verb},
        {"layer", "NAME [option=value]... FILE.csv", layer_verb},
        {"options", "[CFG [DATA]] [-strict]", options_verb}};
  }();
  return verbs;
}

std::string Verb::usage() const { return std::string(program_invocation_short_name) + " " + name + " " + synopsis; }

}  // namespace dng::cli
