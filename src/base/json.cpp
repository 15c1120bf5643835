#include "base/json.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace dng {
namespace {

std::string escape(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 32) {
      out += format("\\u%04x", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace

Json Json::object() {
  Json json;
  json.kind_ = Kind::kObject;
  return json;
}

Json Json::array() {
  Json json;
  json.kind_ = Kind::kArray;
  return json;
}

Json Json::number(double value) {
  Json json;
  if (std::isfinite(value)) json.leaf_ = format("%.9g", value);
  return json;
}

Json Json::integer(int64_t value) {
  Json json;
  json.leaf_ = std::to_string(value);
  return json;
}

Json Json::string(const std::string& value) {
  Json json;
  json.leaf_ = escape(value);
  return json;
}

Json Json::null() { return {}; }

Json& Json::set(const std::string& key, const Json& value) {
  members_.emplace_back(key, value);
  return *this;
}

Json& Json::add(const Json& value) {
  members_.emplace_back("", value);
  return *this;
}

// A negative indent: all on one line.
std::string Json::text(int indent) const {
  if (kind_ == Kind::kLeaf) return leaf_;
  const bool object = kind_ == Kind::kObject, one_line = indent < 0;
  const std::string outer(static_cast<size_t>(std::max(indent, 0)), ' '), inner = outer + "  ";
  std::string out = object ? "{" : "[";
  for (size_t i = 0; i < members_.size(); ++i) {
    out += one_line ? (i > 0 ? ", " : "") : (i > 0 ? ",\n" : "\n") + inner;
    if (object) out += escape(members_[i].first) + ": ";
    out += members_[i].second.text(one_line ? indent : indent + 2);
  }
  if (!members_.empty() && !one_line) out += "\n" + outer;
  return out + (object ? "}" : "]");
}

}  // namespace dng
