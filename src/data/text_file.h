// Text files read line by line, with the line numbers that errors name.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace dng::data {

struct TextLine {
  int number = 0;    // from 1
  std::string text;  // trimmed
};

// Where the first byte is that no text file has (a control character other than tab, line feed, form feed and carriage
// return), or std::string::npos. Bytes above 127 are text: file names may be in any encoding.
size_t find_binary(const std::string& content);

// Every line, blank ones too, except blank ones at the end. A byte order mark is dropped.
std::vector<TextLine> text_lines(const std::string& content);

// read_file and text_lines in one. Refuses empty and binary files.
std::vector<TextLine> read_text_lines(const std::string& path, const std::string& what);

}  // namespace dng::data
