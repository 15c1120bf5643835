// Errors as the user sees them: one line that says what, where, what was found, what is allowed and what to do.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace dng {

enum class ExitCode { kDone = 0, kFailed = 1, kUsage = 2 };

// Thrown anywhere, caught once in main: the message goes to stderr as one line, the code becomes the exit status.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, ExitCode code = ExitCode::kFailed)
      : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }
  // Messages of other errors, each a line, to be shown before this one's.
  std::vector<std::string> others;

 private:
  ExitCode code_;
};

// Collects the errors of independent parts, so that one run shows all of them.
class Errors {
 public:
  template <class Part>
  void collect(const Part& part) {
    try {
      part();
    } catch (const Error& error) {
      errors_.push_back(error);
    }
  }
  // Throws the last error, which has the others; does nothing where there is none.
  void throw_if_any() const;

 private:
  std::vector<Error> errors_;
};

// Thrown by long work that stopped after Ctrl-C or SIGTERM; the exit status becomes 128 + signal.
class Interrupted : public std::runtime_error {
 public:
  Interrupted(const std::string& message, int signal) : std::runtime_error(message), signal_(signal) {}
  int signal() const { return signal_; }

 private:
  int signal_;
};

// printf-style formatting into a string.
std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

// Throws Error (exit code 1) with a formatted message.
[[noreturn]] void fail(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

// Throws Error (exit code 2): the command line itself is wrong.
[[noreturn]] void fail_usage(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

// Writes "darknet: " and the text to stderr as one line, line breaks in quoted paths escaped.
void show_error(const char* text);
// All lines of an error.
void show_error(const Error& error);

}  // namespace dng
