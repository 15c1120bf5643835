// Options: what a section accepts (name, type, default, range) and the checked values of one section. Layers, [net] and
// the command line's option=value all go through here; there is no other parser of options.
#pragma once

#include <limits>
#include <map>
#include <string>
#include <vector>

#include "cfg/cfg_file.h"

namespace dng::cfg {

enum class OptionType { kFlag, kInteger, kReal, kText, kChoice, kIntegerList, kRealList };

struct OptionSpec {
  std::string name;
  OptionType type = OptionType::kText;
  std::string fallback;  // as a user would write it; "" = no default
  std::string help;
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false, high_open = false;  // the bound itself is not allowed
  std::vector<std::string> choices = {};
  bool for_host = true;  // false: this program's own key, taken out before Darknet reads the cfg
};

// Builders, so that a layer's table reads like its documentation.
OptionSpec flag_option(const std::string& name, const std::string& fallback, const std::string& help);
OptionSpec integer_option(const std::string& name, const std::string& fallback, double low, double high,
                          const std::string& help);
OptionSpec real_option(const std::string& name, const std::string& fallback, double low, double high,
                       const std::string& help);
OptionSpec text_option(const std::string& name, const std::string& fallback, const std::string& help);
OptionSpec choice_option(const std::string& name, const std::string& fallback, const std::vector<std::string>& choices,
                         const std::string& help);
OptionSpec integers_option(const std::string& name, const std::string& fallback, double low, double high,
                           const std::string& help);
OptionSpec reals_option(const std::string& name, const std::string& fallback, double low, double high,
                        const std::string& help);
// Bounds that are not allowed themselves.
OptionSpec open_low(OptionSpec option);
OptionSpec open_high(OptionSpec option);
// This program's own key: Darknet never sees it.
OptionSpec ours(OptionSpec option);

// "a number from 0 to 1", "one of top, truth": what an option accepts, for errors and tables.
std::string allowed_text(const OptionSpec& spec);

// The values of one section, checked against its specs.
class Options {
 public:
  Options() = default;
  // Throws Error for unknown keys (with the nearest name) and for values of the wrong type or out of range. `reasons`
  // names keys that Darknet knows and this program refuses, with the reason. A comment behind a text is translated;
  // without `translations` the section is read strictly.
  Options(const std::string& file, const CfgSection& section, const std::vector<OptionSpec>& specs,
          const std::map<std::string, std::string>& reasons = {}, Translations* translations = nullptr);

  bool given(const std::string& name) const;  // written by the user
  bool has(const std::string& name) const;    // written, or with a default
  // As if the user had written it.
  void set(const std::string& name, const std::string& value);
  bool flag(const std::string& name) const;
  int integer(const std::string& name) const;
  double real(const std::string& name) const;
  const std::string& text(const std::string& name) const;
  std::vector<int> integers(const std::string& name) const;
  std::vector<double> reals(const std::string& name) const;

  // "cfg/a.cfg:12: [tsd] eta=1.5", or where the section stands if the option was not given: the start of an error line.
  std::string where(const std::string& name) const;
  std::string where() const;
  // Throws Error unless the option was given.
  void require(const std::string& name, const std::string& advice) const;
  // The lines for Darknet.
  std::vector<CfgEntry> host_entries() const;
  const CfgSection& section() const { return section_; }

 private:
  const std::string& value(const std::string& name) const;
  const CfgEntry* find(const std::string& name) const;
  std::string place(int line) const;
  std::string file_;
  CfgSection section_;
  std::vector<OptionSpec> specs_;
  std::map<std::string, std::string> values_;
};

}  // namespace dng::cfg
