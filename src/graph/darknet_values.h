// Values that Darknet takes for others than they say.
#pragma once

#include "cfg/options.h"

namespace dng::graph {

// Rewrites them in a section that `name` calls without aliases, with a translation each: a switch that is another
// number than 0 and 1, padding= beside pad=, out_channels= that nothing reads. Throws Error where that is no harmless
// reading.
void translate_values(const std::string& path, const std::string& name, const std::vector<cfg::OptionSpec>& specs,
                      cfg::CfgSection* section, cfg::Translations* translations);

}  // namespace dng::graph
