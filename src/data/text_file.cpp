#include "data/text_file.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace dng::data {

size_t find_binary(const std::string& content) {
  for (size_t i = 0; i < content.size(); ++i) {
    const auto byte = static_cast<unsigned char>(content[i]);
    if (byte == 127) return i;
    if (byte < 32 && byte != '\t' && byte != '\n' && byte != '\r' && byte != '\f') return i;
  }
  return std::string::npos;
}

std::vector<TextLine> text_lines(const std::string& whole) {
  const std::string content = without_byte_order_mark(whole);
  std::vector<TextLine> lines;
  size_t start = 0;
  int number = 0;
  while (start < content.size()) {
    size_t end = content.find('\n', start);
    if (end == std::string::npos) end = content.size();
    lines.push_back({++number, trim(content.substr(start, end - start))});
    start = end + 1;
  }
  while (!lines.empty() && lines.back().text.empty()) lines.pop_back();
  return lines;
}

std::vector<TextLine> read_text_lines(const std::string& path, const std::string& what) {
  const std::string content = read_file(path, what);
  if (content.empty()) fail("%s: %s is empty (0 bytes); write it or name another file", path.c_str(), what.c_str());
  const size_t binary = find_binary(content);
  if (binary != std::string::npos) {
    fail("%s: %s is not text: byte 0x%02x at offset %zu; give a text file", path.c_str(), what.c_str(),
         static_cast<unsigned char>(content[binary]), binary);
  }
  std::vector<TextLine> lines = text_lines(content);
  if (lines.empty()) fail("%s: %s has only blank lines; write it or name another file", path.c_str(), what.c_str());
  return lines;
}

}  // namespace dng::data
