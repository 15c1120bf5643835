// Small text helpers: strict number parsing, splitting, and the nearest name for "did you mean".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dng {

std::string trim(const std::string& text);
// Splits at every `separator`; the pieces are trimmed, empty pieces are kept.
std::vector<std::string> split(const std::string& text, char separator);
std::string join(const std::vector<std::string>& pieces, const std::string& separator);
bool starts_with(const std::string& text, const std::string& prefix);
bool ends_with(const std::string& text, const std::string& suffix);

// True only where the whole text is one number (no trailing characters, finite for real).
bool parse_integer(const std::string& text, int64_t* value);
bool parse_real(const std::string& text, double* value);

// The candidate with the smallest edit distance, or "" where even the best one is not close.
std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates);
// `; did you mean 'x'?` or "".
std::string did_you_mean(const std::string& name, const std::vector<std::string>& candidates);

// A path without its folder and without its last extension: "cfg/a.b.cfg" -> "a.b".
std::string base_name(const std::string& path);
// Quotes text for an error line: control characters escaped, cut at `limit` characters.
std::string quoted(const std::string& text, size_t limit = 60);
// 12345678 bytes -> "11.8 MiB".
std::string human_bytes(double bytes);
// 3725 seconds -> "1:02:05"; below an hour "2:05".
std::string human_seconds(double seconds);

}  // namespace dng
