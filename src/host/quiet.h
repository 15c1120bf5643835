// Keeps the host's chatter (layer table, progress of loading) off the terminal, but not its last words: Darknet calls
// exit() on errors, and then what it said is shown.
#pragma once

#include <string>

namespace dng::host {

class Quiet {
 public:
  // `doing` names what the host is asked for, e.g. "parse the cfg"; active = false lets everything through.
  Quiet(const std::string& doing, bool active);
  ~Quiet();
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  bool active_;
};

}  // namespace dng::host
