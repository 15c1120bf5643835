#include "cli/arguments.h"

#include "base/error.h"
#include "base/text.h"

namespace dng::cli {
namespace {

constexpr size_t kMaxRepeated = size_t{1} << 31;  // arguments that the synopsis ends with "..."

struct Allowed {
  std::map<std::string, bool> flags;  // whether a value follows
  size_t min = 0, max = 0;            // arguments
};

Allowed read_synopsis(const std::string& synopsis) {
  std::vector<std::string> tokens;
  for (const std::string& word : split(synopsis, ' ')) {
    // Brackets become tokens of their own.
    std::string token;
    for (const char c : word) {
      if (c == '[' || c == ']') {
        if (!token.empty()) tokens.push_back(token);
        tokens.emplace_back(1, c);
        token.clear();
      } else {
        token += c;
      }
    }
    if (!token.empty()) tokens.push_back(token);
  }
  Allowed allowed;
  int depth = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string& token = tokens[i];
    if (token == "[" || token == "]") {
      depth += token == "[" ? 1 : -1;
    } else if (token[0] == '-') {
      const std::string next = i + 1 < tokens.size() ? tokens[i + 1] : "]";
      const bool has_value = next != "[" && next != "]" && next != "|" && next[0] != '-';
      allowed.flags[token] = has_value;
      i += has_value ? 1 : 0;
    } else if (token != "|") {
      allowed.min += depth == 0 && token != "..." ? 1 : 0;
      allowed.max += ends_with(token, "...") ? kMaxRepeated : 1;
    }
  }
  return allowed;
}

}  // namespace

Arguments::Arguments(const std::vector<std::string>& words, const std::string& synopsis, std::string usage)
    : usage_(std::move(usage)) {
  const Allowed allowed = read_synopsis(synopsis);
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    double number = 0;
    if (word.size() < 2 || word[0] != '-' || parse_real(word, &number)) {
      positional_.push_back(word);
      continue;
    }
    const auto found = allowed.flags.find(word);
    if (found == allowed.flags.end()) {
      std::vector<std::string> names;
      for (const auto& flag : allowed.flags) names.push_back(flag.first);
      fail_usage("unknown option %s%s; usage: %s", quoted(word).c_str(), did_you_mean(word, names).c_str(),
                 usage_.c_str());
    }
    if (has(word)) fail_usage("%s is given twice; usage: %s", word.c_str(), usage_.c_str());
    const bool has_value = found->second;
    if (has_value && i + 1 == words.size()) fail_usage("%s needs a value; usage: %s", word.c_str(), usage_.c_str());
    values_[word] = has_value ? words[++i] : "";
  }
  if (positional_.size() < allowed.min) {
    fail_usage("found %zu arguments, needed are at least %zu; usage: %s", positional_.size(), allowed.min,
               usage_.c_str());
  }
  if (positional_.size() > allowed.max) {
    fail_usage("unexpected argument %s; usage: %s", quoted(positional_[allowed.max]).c_str(), usage_.c_str());
  }
}

std::string Arguments::text(const std::string& flag, const std::string& fallback) const {
  const auto found = values_.find(flag);
  return found == values_.end() ? fallback : found->second;
}

long long Arguments::integer(const std::string& flag, long long fallback, long long low, long long high) const {
  if (!has(flag)) return fallback;
  int64_t number = 0;
  if (!parse_integer(values_.at(flag), &number) || number < low || number > high) {
    fail_usage("%s %s: found %s, allowed is a whole number from %lld to %lld; usage: %s", flag.c_str(),
               values_.at(flag).c_str(), quoted(values_.at(flag)).c_str(), low, high, usage_.c_str());
  }
  return number;
}

double Arguments::real(const std::string& flag, double fallback, double low, double high) const {
  if (!has(flag)) return fallback;
  double number = 0;
  if (!parse_real(values_.at(flag), &number) || number < low || number > high) {
    fail_usage("%s %s: found %s, allowed is a number from %g to %g; usage: %s", flag.c_str(), values_.at(flag).c_str(),
               quoted(values_.at(flag)).c_str(), low, high, usage_.c_str());
  }
  return number;
}

}  // namespace dng::cli
