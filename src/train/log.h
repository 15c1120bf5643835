// What a training reports: a line for each update (on a terminal a bar), a line and a row of the .csv for each epoch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "eval/accuracy.h"
#include "train/schedule.h"
#include "train/state.h"

namespace dng::train {

class Log {
 public:
  // `first`: the iteration that the run starts with.
  Log(const Schedule& schedule, int batch, int64_t first);
  // The last update: its mean loss, and the seconds that it took.
  void update(const TrainingState& state, double loss, double seconds) const;
  void show_bar(const TrainingState& state);
  void clear_bar() { bar_.finish(); }
  double seconds() const { return now_seconds() - started_; }  // of the run

 private:
  const Schedule& schedule_;
  int batch_;
  int64_t first_;
  bool terminal_;
  Progress bar_;
  double started_;
};

struct EpochResult {
  int64_t epoch = 0, iteration = 0;  // counted from 1
  double loss = 0, top1 = 0;         // on the training set
  std::optional<eval::Accuracy> valid;
  double rate = 0, seconds = 0;

  std::string line() const;
  std::string csv_row() const;
};

void write_csv(const std::string& path, const std::vector<std::string>& rows);

}  // namespace dng::train
