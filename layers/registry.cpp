#include "layers/registry.h"

#include <map>

#include "base/error.h"
#include "base/text.h"
#include "layers/activation_layer.h"
#include "layers/avgpool_layer.h"
#include "layers/batchnorm_layer.h"
#include "layers/confidence_penalty_layer.h"
#include "layers/connected_layer.h"
#include "layers/convolutional_layer.h"
#include "layers/distill_layer.h"
#include "layers/dropout_layer.h"
#include "layers/label_smoothing_layer.h"
#include "layers/local_avgpool_layer.h"
#include "layers/maxpool_layer.h"
#include "layers/normalization_layer.h"
#include "layers/reorg_layer.h"
#include "layers/route_layer.h"
#include "layers/scale_channels_layer.h"
#include "layers/shortcut_layer.h"
#include "layers/softmax_layer.h"
#include "layers/tsd_layer.h"
#include "layers/upsample_layer.h"

namespace dng::layers {

const std::vector<graph::Op>& all_ops() {
  static const std::vector<graph::Op> ops = {
      activation_op(), avgpool_op(), batchnorm_op(),       confidence_penalty_op(), connected_op(), convolutional_op(),
      distill_op(),    dropout_op(), label_smoothing_op(), local_avgpool_op(),      maxpool_op(),   normalization_op(),
      reorg_op(),      route_op(),   scale_channels_op(),  shortcut_op(),           softmax_op(),   tsd_op(),
      upsample_op(),
  };
  return ops;
}

const graph::Op* find_op(const std::string& section) {
  for (const graph::Op& op : all_ops()) {
    if (op.section == section) return &op;
    for (const std::string& alias : op.aliases) {
      if (alias == section) return &op;
    }
  }
  return nullptr;
}

void fail_unknown_section(const std::string& where, const std::string& section) {
  static const std::map<std::string, std::string> reasons = {
      {"cost", "remove it: [softmax] and our costs already are softmax and cost in one"},
      {"crop", "remove it and use pad=, or the host's min_crop= and max_crop=, in [net]: its crop cannot be repeated"},
      {"empty", "remove it: the host frees its buffers twice"},
  };
  static const std::vector<std::string> not_for_classifiers = {
      "region", "yolo",     "detection", "iseg",      "Gaussian_yolo", "contrastive", "rnn",
      "gru",    "lstm",     "crnn",      "conv_lstm", "history",       "local",       "deconvolutional",
      "deconv", "logistic", "l2norm",    "implicit",  "sam",           "reorg3d",     "network"};
  const auto reason = reasons.find(section);
  if (reason != reasons.end()) fail("%s: [%s]: %s", where.c_str(), section.c_str(), reason->second.c_str());
  for (const std::string& name : not_for_classifiers) {
    if (name == section) {
      fail("%s: [%s] is a layer of the host that this program does not train; use the host's own darknet for it",
           where.c_str(), section.c_str());
    }
  }
  std::vector<std::string> names = {"net"};
  for (const graph::Op& op : all_ops()) names.push_back(op.section);
  fail("%s: unknown section %s%s; known are %s", where.c_str(), quoted(section).c_str(),
       did_you_mean(section, names).c_str(), join(names, ", ").c_str());
}

}  // namespace dng::layers
