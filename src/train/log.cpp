#include "train/log.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "base/error.h"
#include "base/file.h"
#include "base/group.h"
#include "base/text.h"

namespace dng::train {

Log::Log(const Schedule& schedule, int batch, int64_t first)
    : schedule_(schedule),
      batch_(batch),
      first_(first),
      // Open MPI hands its processes a terminal of its own.
      terminal_(isatty(STDOUT_FILENO) != 0 && launched_processes() == 1),
      bar_("training", schedule.endless() ? 0 : schedule.iterations() - first, "batches"),
      started_(now_seconds()) {}

void Log::update(const TrainingState& state, double loss, double seconds) const {
  if (terminal_) return;
  const int64_t done = state.iteration;
  const double left =
      this->seconds() / static_cast<double>(done - first_) * static_cast<double>(schedule_.iterations() - done);
  const std::string end = schedule_.endless() ? "" : format(", %f hours left", left / 3600);
  std::printf("%lld, %.3f: %f, %f avg, %f rate, %f seconds, %lld images%s\n", static_cast<long long>(done),
              schedule_.epochs_at(done), loss, state.average_loss, schedule_.rate(done - 1), seconds,
              static_cast<long long>(done * batch_), end.c_str());
  // A pipe holds lines back otherwise: dozens of iterations, which a kill would take along.
  std::fflush(stdout);
}

void Log::show_bar(const TrainingState& state) {
  if (!terminal_) return;
  bar_.advance(state.iteration - first_, format("epoch %.2f, loss %.4f, rate %g", schedule_.epochs_at(state.iteration),
                                                state.average_loss, schedule_.rate(state.iteration - 1)));
}

std::string EpochResult::line() const {
  std::string text = format("epoch %lld: train loss %.4f top1 %.4f", static_cast<long long>(epoch), loss, top1);
  if (valid) {
    text += format(", valid loss %.4f top1 %.4f%s", valid->loss, valid->top1(), valid->topk_text().c_str());
  }
  return text + format(", %.1f s", seconds);
}

std::string EpochResult::csv_row() const {
  const std::string validation = valid ? (std::isfinite(valid->loss) ? format("%.6f", valid->loss) : "") +
                                             format(",%.6f,%.6f", valid->top1(), valid->topk())
                                       : std::string(",,");
  return format("%lld,%lld,%.6f,%.6f,%s,%.8g,%.2f", static_cast<long long>(epoch), static_cast<long long>(iteration),
                loss, top1, validation.c_str(), rate, seconds);
}

void write_csv(const std::string& path, const std::vector<std::string>& rows) {
  std::string text = "epoch,iteration,train_loss,train_top1,valid_loss,valid_top1,valid_topk,rate,seconds\n";
  for (const std::string& row : rows) text += row + "\n";
  write_file(path, text);
}

}  // namespace dng::train
