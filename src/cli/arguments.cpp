#include "cli/arguments.h"

#include "base/error.h"
#include "base/text.h"

namespace dng {

Arguments::Arguments(const std::vector<std::string>& words, const std::vector<FlagSpec>& flags, size_t least,
                     size_t most, std::string usage)
    : usage_(std::move(usage)) {
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    double number = 0;
    if (word.size() < 2 || word[0] != '-' || parse_real(word, &number)) {
      positional_.push_back(word);
      continue;
    }
    const FlagSpec* found = nullptr;
    std::vector<std::string> names;
    for (const FlagSpec& flag : flags) {
      names.push_back(flag.name);
      if (flag.name == word) found = &flag;
    }
    if (found == nullptr) {
      fail_usage("unknown option %s%s; usage: %s", quoted(word).c_str(), did_you_mean(word, names).c_str(),
                 usage_.c_str());
    }
    if (has(word)) fail_usage("%s is given twice; usage: %s", word.c_str(), usage_.c_str());
    if (found->has_value && i + 1 == words.size()) {
      fail_usage("%s needs a value; usage: %s", word.c_str(), usage_.c_str());
    }
    values_[word] = found->has_value ? words[++i] : "";
  }
  if (positional_.size() < least) {
    fail_usage("found %zu arguments, needed are at least %zu; usage: %s", positional_.size(), least, usage_.c_str());
  }
  if (positional_.size() > most) {
    fail_usage("unexpected argument %s; usage: %s", quoted(positional_[most]).c_str(), usage_.c_str());
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

}  // namespace dng
