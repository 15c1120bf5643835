// The command line of one verb: positional arguments and -flags, every one known or refused.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace dng::cli {

class Arguments {
 public:
  // `synopsis` says what is allowed: "DATA CFG [WEIGHTS] WEIGHTS... -out FILE [-clear] [-nogpu | -gpus N]". `usage` is
  // the verb's usage line, shown with every mistake. Flags may stand anywhere, as in Darknet.
  Arguments(const std::vector<std::string>& words, const std::string& synopsis, std::string usage);
  const std::string& usage() const { return usage_; }
  const std::vector<std::string>& positional() const { return positional_; }
  bool has(const std::string& flag) const { return values_.count(flag) > 0; }
  std::string text(const std::string& flag, const std::string& fallback) const;
  long long integer(const std::string& flag, long long fallback, long long low, long long high) const;
  double real(const std::string& flag, double fallback, double low, double high) const;

 private:
  std::string usage_;
  std::vector<std::string> positional_;
  std::map<std::string, std::string> values_;
};

}  // namespace dng::cli
