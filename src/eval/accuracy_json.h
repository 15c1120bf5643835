// The figures of an evaluation as JSON.
#pragma once

#include "base/json.h"
#include "eval/accuracy.h"

namespace dng::eval {

// top1, topk, k, top<k>, loss, images, top1_count, topk_count.
Json accuracy_json(const Accuracy& accuracy);

}  // namespace dng::eval
