// Every format that the program reads, as a function of a file's bytes, for fuzzing and for replaying the corpus.
#pragma once

#include <string>
#include <vector>

namespace dng::fuzz {

struct Format {
  std::string name;
  // Reads the bytes as the program does. Throws Error where they are refused, and Mistake for an answer that cannot be
  // right.
  void (*read)(const std::string& bytes);
};

// The program has read something, and what it made of it contradicts itself.
struct Mistake {
  std::string what;
};
void require(bool right, const std::string& what);

// A file with these bytes, in a folder of this process; the last content under a name counts.
std::string file_of(const std::string& name, const std::string& bytes);

const std::vector<Format>& all_formats();
// Reads; an Error of one line is a right answer, too. Throws Mistake.
void read_once(const Format& format, const std::string& bytes);

// By file of this folder.
std::vector<Format> text_formats();
std::vector<Format> data_set_formats();
std::vector<Format> image_formats();
std::vector<Format> network_formats();

}  // namespace dng::fuzz
