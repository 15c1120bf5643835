#include "data/class_weights.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "data/text_file.h"

namespace dng::data {
namespace {

constexpr double kMaxWeight = 1e6;

float weight_of(const std::string& where, const std::string& text) {
  double weight = 0;
  if (!parse_real(text, &weight) || weight < 0 || weight > kMaxWeight) {
    fail("%s: class weight %s; allowed: a number from 0 to %.0f", where.c_str(), quoted(text).c_str(), kMaxWeight);
  }
  return static_cast<float>(weight);
}

std::vector<float> weights_of_file(const std::string& where, const std::string& path) {
  std::vector<TextLine> lines;
  try {
    lines = read_text_lines(path, "class_weights");
  } catch (const Error& error) {
    fail("%s: %s; or write the weights here, with commas between them", where.c_str(), error.what());
  }
  std::vector<float> weights;
  weights.reserve(lines.size());
  for (const TextLine& line : lines)
    weights.push_back(weight_of(format("%s:%d", path.c_str(), line.number), line.text));
  return weights;
}

}  // namespace

std::vector<float> read_class_weights(const std::string& where, const std::string& value, int classes) {
  std::vector<float> weights;
  if (value.find(',') == std::string::npos) {
    weights = weights_of_file(where, value);
  } else {
    for (const std::string& text : split(value, ',')) weights.push_back(weight_of(where, text));
  }
  if (weights.size() != static_cast<size_t>(classes)) {
    fail("%s: found %zu class_weights; allowed: one for each of the %d classes", where.c_str(), weights.size(),
         classes);
  }
  if (std::all_of(weights.begin(), weights.end(), [](float weight) { return weight == 0; })) {
    fail("%s: all class_weights are 0: nothing would be learned; allowed: at least one above 0", where.c_str());
  }
  return weights;
}

}  // namespace dng::data
