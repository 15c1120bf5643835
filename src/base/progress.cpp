#include "base/progress.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "base/text.h"

namespace dng {
namespace {

volatile sig_atomic_t caught_signal = 0;

bool silent = false;

void on_signal(int number) { caught_signal = number; }

}  // namespace

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Progress::Progress(std::string label, int64_t total, std::string unit)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      terminal_(isatty(STDERR_FILENO) != 0),
      start_(now_seconds()),
      last_(start_) {}

Progress::~Progress() { finish(); }

void Progress::silence() { silent = true; }

int Progress::columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string Progress::bar_line(const std::string& label, double share, const std::string& status, int columns) {
  constexpr int kBar = 24, kFrame = 4;  // "label [####....] status"
  const int room = columns - 1;         // a full line would scroll
  const int width = std::min(kBar, room - static_cast<int>(label.size() + status.size()) - kFrame);
  std::string line = label + " ";
  if (width >= 4) {
    const auto full = static_cast<size_t>(std::clamp(static_cast<int>(share * width), 0, width));
    line += "[" + std::string(full, '#') + std::string(static_cast<size_t>(width) - full, '.') + "] ";
  }
  line += status;
  return line.substr(0, static_cast<size_t>(std::max(room, 0)));
}

void Progress::finish() {
  if (shown_ && terminal_) std::fprintf(stderr, "\r\033[K");
  shown_ = false;
}

void Progress::advance(int64_t done, const std::string& note) {
  const double now = now_seconds();
  if (silent || now - start_ < 1 || now - last_ < (terminal_ ? 0.1 : 30)) return;
  last_ = now;
  const double rate = static_cast<double>(done) / (now - start_);
  const double left = rate > 0 ? static_cast<double>(total_ - done) / rate : 0;
  const double share = total_ > 0 ? static_cast<double>(done) / static_cast<double>(total_) : 0;
  const std::string end = note.empty() ? "" : ", " + note;
  const std::string status =
      total_ <= 0
          ? format("%lld %s, %.0f/s%s", static_cast<long long>(done), unit_.c_str(), rate, end.c_str())
          : format("%3.0f %% %lld/%lld %s, %.0f/s, %s left%s", 100 * share, static_cast<long long>(done),
                   static_cast<long long>(total_), unit_.c_str(), rate, human_seconds(left).c_str(), end.c_str());
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", bar_line(label_, share, status, columns()).c_str());
  } else {
    std::fprintf(stderr, "%s: %s\n", label_.c_str(), status.c_str());
  }
  std::fflush(stderr);
  shown_ = true;
}

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  // A second Ctrl-C ends the program at once.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int interrupted() { return caught_signal; }

}  // namespace dng
