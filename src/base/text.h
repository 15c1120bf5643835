// Small text helpers: strict number parsing, splitting, and the nearest name for "did you mean".
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace dng {

// UTF-8's mark at the start of a text, which editors of Windows write.
std::string without_byte_order_mark(const std::string& text);
std::string trim(const std::string& text);
// Splits at every `separator`; the parts are trimmed, empty parts stay.
std::vector<std::string> split(const std::string& text, char separator);
std::string join(const std::vector<std::string>& parts, const std::string& separator);
// The text before the first `separator` and the text after it; without one all of the text, and "".
std::pair<std::string, std::string> split_once(const std::string& text, char separator);
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
// Its folder, with the slash at its end; "." without one.
std::string folder_of(const std::string& path);
// Quotes text for an error line: control characters escaped, cut at `limit` characters.
std::string quoted(const std::string& text, size_t limit = 60);
// 12345678 bytes -> "11.8 MiB".
std::string human_bytes(double bytes);
// The number in so many bytes (at most four), the highest first.
uint32_t big_endian(const std::string& bytes, size_t at, size_t count);
// 16 hexadecimal digits.
std::string hex(uint64_t value);
// 3725 seconds -> "1:02:05"; below an hour "2:05".
std::string human_seconds(double seconds);

}  // namespace dng
