// Keys of Darknet that this program has no option for and that change nothing in a classifier.
#pragma once

#include "cfg/options.h"

namespace dng::graph {

// Takes them out of the section, which `name` calls without aliases: those whose value means "off" without a word,
// those that no Darknet reads while it trains or evaluates a classifier with a translation. Keys in `specs` stay.
void drop_harmless_keys(const std::string& path, const std::string& name, const std::vector<cfg::OptionSpec>& specs,
                        cfg::CfgSection* section, cfg::Translations* translations);

}  // namespace dng::graph
