// class_weights= of a .data file: the weight of each class in the cost (math/cost_row.h).
#pragma once

#include <string>
#include <vector>

namespace dng::data {

// `value`: numbers with commas between them, or a file with one a line. `where`: "file:line" of the key. Throws Error
// for another number of weights than `classes`, weights out of range, and weights that are all zero.
std::vector<float> read_class_weights(const std::string& where, const std::string& value, int classes);

}  // namespace dng::data
