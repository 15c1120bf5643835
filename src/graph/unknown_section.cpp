#include <map>

#include "base/error.h"
#include "base/text.h"
#include "graph/op.h"

namespace dng::graph {

void fail_unknown_section(const Ops& ops, const std::string& where, const std::string& section) {
  static const std::map<std::string, std::string> reasons = {
      {"cost", "no classifier: only the last section may be it, behind [softmax]"},
      {"crop", "it may only be the first layer; remove it, or move it there"},
      {"empty", "remove it: Darknet frees its buffers twice"},
  };
  static const std::vector<std::string> not_for_classifiers = {
      "region",   "yolo",   "detection", "iseg",      "Gaussian_yolo", "contrastive",     "rnn",
      "gru",      "lstm",   "crnn",      "conv_lstm", "history",       "deconvolutional", "deconv",
      "logistic", "l2norm", "implicit",  "reorg3d",   "network"};
  const auto reason = reasons.find(section);
  if (reason != reasons.end()) fail("%s: [%s]: %s", where.c_str(), section.c_str(), reason->second.c_str());
  for (const std::string& name : not_for_classifiers) {
    if (name == section) {
      fail("%s: [%s] is a layer of Darknet that this program does not train; use Darknet's own program for it",
           where.c_str(), section.c_str());
    }
  }
  std::vector<std::string> names = {"net"};
  for (const Op& op : ops) names.push_back(op.section);
  fail("%s: unknown section %s%s; known are %s", where.c_str(), quoted(section).c_str(),
       did_you_mean(section, names).c_str(), join(names, ", ").c_str());
}

}  // namespace dng::graph
