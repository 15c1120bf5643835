// Long work shows how far it is: a bar with rate and time left on a terminal, a plain line now and then in a pipe.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace dng {

// Seconds since some fixed moment.
double now_seconds();

class Progress {
 public:
  // Counts to `total` things called `unit`. A bar on stderr if that is a terminal, else a line on stderr every 30
  // seconds; nothing for work that is done within the first second.
  Progress(std::string label, int64_t total, std::string unit);
  ~Progress();
  void advance(int64_t done, const std::string& note = "");
  void finish();

 private:
  void clear();
  std::string label_, unit_;
  int64_t total_;
  bool terminal_, shown_ = false;
  double start_, last_;
};

// Set by Ctrl-C and SIGTERM once they are caught; long loops look at it and stop in good order. The value is the
// signal.
void catch_interrupts();
int interrupted();

}  // namespace dng
