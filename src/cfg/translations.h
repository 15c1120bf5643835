// Translations: what a cfg says in a way that this program reads as something else with the same meaning. The rules,
// follow, translate or refuse, are in docs/cfgs.md.
#pragma once

#include <string>
#include <vector>

namespace dng::cfg {

// kStrict: what would be translated is an error.
enum class Reading { kTranslating, kStrict };

struct Translation {
  std::string where;   // "cfg/a.cfg:12: [net] seen=0"
  std::string became;  // "ignored: Darknet does not read it"
};

// Collected while a cfg is read.
class Translations {
 public:
  explicit Translations(Reading reading) : reading_(reading) {}
  // A strict reading throws Error instead, which says what to write.
  void add(const std::string& where, const std::string& became, const std::string& cure);
  const std::vector<Translation>& list() const { return list_; }
  Reading reading() const { return reading_; }
  // A warning for each on stderr.
  void show() const;

 private:
  Reading reading_;
  std::vector<Translation> list_;
};

}  // namespace dng::cfg
