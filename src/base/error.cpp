#include "base/error.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace dng {
namespace {

std::string vformat(const char* pattern, va_list args) {
  va_list copy;
  va_copy(copy, args);
  const int size = std::vsnprintf(nullptr, 0, pattern, copy);
  va_end(copy);
  std::string text(size > 0 ? static_cast<size_t>(size) : 0, '\0');
  if (size > 0) std::vsnprintf(text.data(), text.size() + 1, pattern, args);
  return text;
}

}  // namespace

std::string format(const char* pattern, ...) {
  va_list args;
  va_start(args, pattern);
  std::string text = vformat(pattern, args);
  va_end(args);
  return text;
}

void fail(const char* pattern, ...) {
  va_list args;
  va_start(args, pattern);
  const std::string text = vformat(pattern, args);
  va_end(args);
  throw Error(text, ExitCode::kFailed);
}

void fail_usage(const char* pattern, ...) {
  va_list args;
  va_start(args, pattern);
  const std::string text = vformat(pattern, args);
  va_end(args);
  throw Error(text, ExitCode::kUsage);
}

void Errors::throw_if_any() const {
  constexpr size_t kMaxShown = 20;
  if (errors_.empty()) return;
  std::vector<std::string> all;
  for (const Error& error : errors_) {
    all.insert(all.end(), error.others.begin(), error.others.end());
    all.emplace_back(error.what());
  }
  const size_t shown = std::min(all.size(), kMaxShown);
  const std::string more = all.size() > shown ? format("; and %zu more", all.size() - shown) : "";
  Error last(all[shown - 1] + more, errors_.back().code());
  last.others.assign(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(shown - 1));
  throw last;
}

void show_error(const char* text) {
  std::string line;
  for (const char* c = text; *c != '\0'; ++c) {
    const auto byte = static_cast<unsigned char>(*c);
    line += byte < 32 || byte == 127 ? format("\\x%02x", byte) : std::string(1, *c);
  }
  std::fprintf(stderr, "darknet: %s\n", line.c_str());
}

void show_error(const Error& error) {
  for (const std::string& line : error.others) show_error(line.c_str());
  show_error(error.what());
}

}  // namespace dng
