#include "cfg/translations.h"

#include "base/error.h"

namespace dng::cfg {

void Translations::add(const std::string& where, const std::string& became, const std::string& cure) {
  if (reading_ == Reading::kStrict) fail("%s: %s", where.c_str(), cure.c_str());
  list_.push_back({where, became});
}

void Translations::show() const {
  for (const Translation& translation : list_) {
    show_error((translation.where + ": " + translation.became + "; -strict refuses it").c_str());
  }
}

}  // namespace dng::cfg
