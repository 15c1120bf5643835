#include "host/quiet.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/text.h"

namespace dng::host {
namespace {

// One at a time: the host is only called from the main thread.
struct Redirection {
  int out = -1, err = -1, sink = -1;
  std::string doing;
};
Redirection redirection;

void restore() {
  std::fflush(stdout);
  std::fflush(stderr);
  dup2(redirection.out, STDOUT_FILENO);
  dup2(redirection.err, STDERR_FILENO);
  close(redirection.out);
  close(redirection.err);
  redirection.out = redirection.err = -1;
}

// Runs where the host called exit() while it was kept quiet: its last line is the reason.
void show_last_words() {
  if (redirection.out < 0) return;
  restore();
  std::string text;
  char buffer[4096];
  lseek(redirection.sink, 0, SEEK_SET);
  for (ssize_t got = 0; (got = read(redirection.sink, buffer, sizeof buffer)) > 0;) text.append(buffer, got);
  std::string last;
  for (const std::string& line : split(text, '\n')) {
    if (!line.empty()) last = line;
  }
  std::fprintf(stderr, "darknet: the host could not %s: %s\n", redirection.doing.c_str(), last.c_str());
  _exit(1);
}

}  // namespace

Quiet::Quiet(const std::string& doing, bool active) : active_(active) {
  if (!active_) return;
  static const int registered = std::atexit(show_last_words);
  (void)registered;
  redirection.doing = doing;
  redirection.sink = memfd_create("host-output", MFD_CLOEXEC);
  std::fflush(stdout);
  std::fflush(stderr);
  redirection.out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  redirection.err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  dup2(redirection.sink, STDOUT_FILENO);
  dup2(redirection.sink, STDERR_FILENO);
}

Quiet::~Quiet() {
  if (!active_) return;
  restore();
  close(redirection.sink);
}

}  // namespace dng::host
