#include "cfg/options.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"

namespace dng::cfg {
namespace {

bool in_range(const OptionSpec& spec, double value) {
  return !(value < spec.low || value > spec.high || (spec.low_open && value == spec.low) ||
           (spec.high_open && value == spec.high));
}

bool integer_fits(const OptionSpec& spec, const std::string& text) {
  int64_t number = 0;
  return parse_integer(text, &number) && std::llabs(number) <= std::numeric_limits<int>::max() &&
         in_range(spec, static_cast<double>(number));
}

bool real_fits(const OptionSpec& spec, const std::string& text) {
  double number = 0;
  return parse_real(text, &number) && in_range(spec, number);
}

bool all_fit(const OptionSpec& spec, const std::string& list, bool fits(const OptionSpec&, const std::string&)) {
  const std::vector<std::string> values = split(list, ',');
  return std::all_of(values.begin(), values.end(), [&](const std::string& value) { return fits(spec, value); });
}

bool valid(const OptionSpec& spec, const std::string& value) {
  switch (spec.type) {
    case OptionType::kFlag:
      return value == "0" || value == "1";
    case OptionType::kInteger:
      return integer_fits(spec, value);
    case OptionType::kReal:
      return real_fits(spec, value);
    case OptionType::kText:
      return true;
    case OptionType::kChoice:
      return std::count(spec.choices.begin(), spec.choices.end(), value) > 0;
    case OptionType::kIntegerList:
      return all_fit(spec, value, integer_fits);
    case OptionType::kRealList:
      return all_fit(spec, value, real_fits);
  }
  return false;
}

int to_integer(const std::string& text) {
  int64_t number = 0;
  parse_integer(text, &number);
  return static_cast<int>(number);
}

double to_real(const std::string& text) {
  double number = 0;
  parse_real(text, &number);
  return number;
}

template <class Number>
std::vector<Number> to_list(const std::string& text, Number convert(const std::string&)) {
  std::vector<Number> numbers;
  for (const std::string& value : split(text, ',')) numbers.push_back(convert(value));
  return numbers;
}

const OptionSpec* find_spec(const std::vector<OptionSpec>& specs, const std::string& name) {
  const auto found =
      std::find_if(specs.begin(), specs.end(), [&](const OptionSpec& spec) { return spec.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

std::string range_text(const OptionSpec& spec) {
  const bool low = std::isfinite(spec.low), high = std::isfinite(spec.high);
  const std::string from = low ? format("%.10g", spec.low) : "", to = high ? format("%.10g", spec.high) : "";
  std::string text;
  if (low) text += (spec.low_open ? " above " : high && !spec.high_open ? " from " : " of at least ") + from;
  if (low && high && (spec.low_open || spec.high_open)) text += " and";
  if (high) text += (spec.high_open ? " below " : low && !spec.low_open ? " to " : " of at most ") + to;
  return text;
}

}  // namespace

OptionSpec flag_option(const std::string& name, const std::string& fallback, const std::string& help) {
  return {name, OptionType::kFlag, fallback, help};
}
OptionSpec integer_option(const std::string& name, const std::string& fallback, double low, double high,
                          const std::string& help) {
  return {name, OptionType::kInteger, fallback, help, low, high};
}
OptionSpec real_option(const std::string& name, const std::string& fallback, double low, double high,
                       const std::string& help) {
  return {name, OptionType::kReal, fallback, help, low, high};
}
OptionSpec text_option(const std::string& name, const std::string& fallback, const std::string& help) {
  return {name, OptionType::kText, fallback, help};
}
OptionSpec choice_option(const std::string& name, const std::string& fallback, const std::vector<std::string>& choices,
                         const std::string& help) {
  OptionSpec spec{name, OptionType::kChoice, fallback, help};
  spec.choices = choices;
  return spec;
}
OptionSpec integers_option(const std::string& name, const std::string& fallback, double low, double high,
                           const std::string& help) {
  return {name, OptionType::kIntegerList, fallback, help, low, high};
}
OptionSpec reals_option(const std::string& name, const std::string& fallback, double low, double high,
                        const std::string& help) {
  return {name, OptionType::kRealList, fallback, help, low, high};
}
OptionSpec open_low(OptionSpec option) {
  option.low_open = true;
  return option;
}
OptionSpec open_high(OptionSpec option) {
  option.high_open = true;
  return option;
}
OptionSpec ours(OptionSpec option) {
  option.for_host = false;
  return option;
}

std::string allowed_text(const OptionSpec& spec) {
  switch (spec.type) {
    case OptionType::kFlag:
      return "0 or 1";
    case OptionType::kInteger:
      return "a whole number" + range_text(spec);
    case OptionType::kReal:
      return "a number" + range_text(spec);
    case OptionType::kText:
      return "text";
    case OptionType::kChoice:
      return "one of " + join(spec.choices, ", ");
    case OptionType::kIntegerList:
      return "whole numbers" + range_text(spec) + ", separated by commas";
    case OptionType::kRealList:
      return "numbers" + range_text(spec) + ", separated by commas";
  }
  return "";
}

Options::Options(const std::string& file, const CfgSection& section, const std::vector<OptionSpec>& specs,
                 const std::map<std::string, std::string>& reasons, Translations* translations)
    : file_(file), section_(section), specs_(specs) {
  Translations strict(Reading::kStrict);
  std::vector<std::string> names;
  for (const OptionSpec& spec : specs_) names.push_back(spec.name);
  const auto read = [&](const CfgEntry& entry) {
    const OptionSpec* found = find_spec(specs_, entry.key);
    const std::string line = place(entry.line) + " ";
    if (found == nullptr) {
      const auto reason = reasons.find(entry.key);
      if (reason != reasons.end()) {
        fail("%s%s=%s: %s", line.c_str(), entry.key.c_str(), entry.value.c_str(), reason->second.c_str());
      }
      fail("%sunknown key %s%s%s", line.c_str(), quoted(entry.key).c_str(), did_you_mean(entry.key, names).c_str(),
           names.empty() ? "; this section takes no keys" : ("; allowed here: " + join(names, ", ")).c_str());
    }
    if (!valid(*found, entry.value)) {
      const std::string near = found->type == OptionType::kChoice ? did_you_mean(entry.value, found->choices) : "";
      fail("%s%s=%s: found %s, allowed is %s%s", line.c_str(), entry.key.c_str(), entry.value.c_str(),
           quoted(entry.value).c_str(), allowed_text(*found).c_str(), near.c_str());
    }
    if (entry.comment && (found->type == OptionType::kText || found->type == OptionType::kChoice)) {
      (translations != nullptr ? translations : &strict)
          ->add(line + entry.key + "=" + entry.value, "without the comment, which Darknet takes for part of the value",
                "Darknet takes the comment for part of the value; give it a line of its own");
    }
    values_[entry.key] = entry.value;
  };
  Errors errors;
  for (const CfgEntry& entry : section_.entries) errors.collect([&] { read(entry); });
  errors.throw_if_any();
  for (const OptionSpec& spec : specs_) {
    if (values_.count(spec.name) == 0 && !spec.fallback.empty()) values_[spec.name] = spec.fallback;
  }
}

void Options::set(const std::string& name, const std::string& value) {
  auto& entries = section_.entries;
  entries.erase(std::remove_if(entries.begin(), entries.end(), [&](const CfgEntry& e) { return e.key == name; }),
                entries.end());
  entries.push_back({name, value, section_.line});
  values_[name] = value;
}

const CfgEntry* Options::find(const std::string& name) const {
  for (const CfgEntry& entry : section_.entries) {
    if (entry.key == name) return &entry;
  }
  return nullptr;
}

std::string Options::place(int line) const {
  return file_ + (line > 0 ? format(":%d", line) : "") + ": [" + section_.name + "]";
}

bool Options::given(const std::string& name) const { return find(name) != nullptr; }

bool Options::has(const std::string& name) const { return values_.count(name) > 0; }

const std::string& Options::value(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) fail("%s: %s= is missing; add it", where().c_str(), name.c_str());
  return found->second;
}

bool Options::flag(const std::string& name) const { return value(name) == "1"; }

int Options::integer(const std::string& name) const { return to_integer(value(name)); }

double Options::real(const std::string& name) const { return to_real(value(name)); }

const std::string& Options::text(const std::string& name) const { return value(name); }

std::vector<int> Options::integers(const std::string& name) const { return to_list(value(name), to_integer); }

std::vector<double> Options::reals(const std::string& name) const { return to_list(value(name), to_real); }

std::string Options::where() const { return place(section_.line); }

std::string Options::where(const std::string& name) const {
  const CfgEntry* entry = find(name);
  return entry == nullptr ? where() + " " + name : place(entry->line) + " " + name + "=" + entry->value;
}

void Options::require(const std::string& name, const std::string& advice) const {
  if (!given(name)) fail("%s: %s= is missing; %s", where().c_str(), name.c_str(), advice.c_str());
}

std::vector<CfgEntry> Options::host_entries() const {
  std::vector<CfgEntry> entries;
  for (const CfgEntry& entry : section_.entries) {
    if (find_spec(specs_, entry.key)->for_host) entries.push_back(entry);
  }
  return entries;
}

}  // namespace dng::cfg
