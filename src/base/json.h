// Writes JSON: objects and arrays of numbers, strings and null.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dng {

class Json {
 public:
  static Json object();
  static Json array();
  static Json number(double value);  // nine significant digits; null where not finite
  static Json integer(int64_t value);
  static Json string(const std::string& value);
  static Json null();

  Json& set(const std::string& key, const Json& value);  // of an object, in the order of the calls
  Json& add(const Json& value);                          // to an array
  std::string dump() const { return text(0); }
  std::string line() const { return text(-1); }  // on one line

 private:
  enum class Kind { kLeaf, kObject, kArray };
  std::string text(int indent) const;
  Kind kind_ = Kind::kLeaf;
  std::string leaf_ = "null";
  std::vector<std::pair<std::string, Json>> members_;
};

}  // namespace dng
