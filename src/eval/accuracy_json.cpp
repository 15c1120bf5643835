#include "eval/accuracy_json.h"

namespace dng::eval {

Json accuracy_json(const Accuracy& accuracy) {
  Json json = Json::object();
  json.set("top1", Json::number(accuracy.top1()))
      .set("topk", Json::number(accuracy.topk()))
      .set("top" + std::to_string(accuracy.k), Json::number(accuracy.topk()))
      .set("k", Json::integer(accuracy.k))
      .set("loss", Json::number(accuracy.loss))
      .set("images", Json::integer(accuracy.images))
      .set("top1_count", Json::integer(accuracy.top1_count))
      .set("topk_count", Json::integer(accuracy.topk_count));
  return json;
}

}  // namespace dng::eval
