// Progress of long work: a bar with rate and time left on a terminal, a line every 30 seconds elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace dng {

// Of a steady clock.
double now_seconds();

class Progress {
 public:
  // Counts to `total` items called `unit`, on stderr; 0: nobody knows how many. Shows nothing for work that takes less
  // than a second.
  Progress(std::string label, int64_t total, std::string unit);
  ~Progress();
  void advance(int64_t done, const std::string& note = "");
  void finish();  // clears the bar

  // What a terminal of so many columns shows: the bar shrinks first, then the status is cut.
  static std::string bar_line(const std::string& label, double share, const std::string& status, int columns);
  static int columns();   // of stderr's terminal, now
  static void silence();  // from now on nothing is shown

 private:
  std::string label_, unit_;
  int64_t total_;
  bool terminal_, shown_ = false;
  double start_, last_;
};

// Makes Ctrl-C and SIGTERM set interrupted(), which long loops check, to stop cleanly.
void catch_interrupts();
int interrupted();  // the signal; 0: none

}  // namespace dng
