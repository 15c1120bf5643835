// The chart beside the weights: loss and top-1 accuracy over epochs.
#pragma once

#include <string>
#include <vector>

namespace dng::train {

constexpr const char* kCsvHeader =
    "epoch,iteration,train_loss,train_top1,valid_loss,valid_top1,valid_topk,rate,seconds";

// Draws base.png (left: the training cost and the cross entropy, CE, on the validation set; right: top-1) from the rows
// of base.csv (fields of an epoch without validation are empty). Replaces the file atomically.
void draw_chart(const std::string& path, const std::string& title, const std::vector<std::string>& rows);

}  // namespace dng::train
