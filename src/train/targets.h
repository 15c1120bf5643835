// .targets files: a teacher's outputs for every position of a training run, so that it need not run again.
//
//   "DNGTARGETS 1\n", then "key value\n" lines and an empty line, padded with blanks to 4096 bytes; then float32
//   probabilities [positions][classes] in the order of the training stream.
// The stream depends on (data, augmentation, seed, position) alone, so a row belongs to exactly one augmented image; a
// run with other images, or another teacher, is refused with an error that names the difference.
#pragma once

#include <cstdint>
#include <fstream>
#include <map>
#include <string>

#include "train/teacher.h"

namespace dng::train {

// What a file must agree on with the run that uses it: "seed" -> "1", "data" -> hash, "augmentation" -> text, ...
using TargetsKey = std::map<std::string, std::string>;
TargetsKey make_targets_key(const graph::NetworkConfig& student, const data::Dataset& data, uint64_t seed);

// Writes `source`'s outputs for positions 0..positions-1; throws Error where the disk has too little space. Atomic.
// `teacher`: its hash.
void write_targets(const std::string& path, uint64_t teacher, int64_t positions, const graph::NetworkConfig& student,
                   const data::Dataset& data, uint64_t seed, int threads, TeacherSource* source);

class CachedTeacher final : public TeacherSource {
 public:
  // Throws Error naming what does not match. `positions`: of the run. A teacher given beside the file is compared, too.
  CachedTeacher(const cfg::Options& distill, const TargetsKey& key, int64_t positions, int classes);
  const float* probabilities(const data::Batch& batch) override;
  std::string description() const override { return path_; }
  std::string identity() const override { return identity_; }

 private:
  void check_size(const std::string& found, int64_t positions) const;
  void check_row(const float* row, int64_t position) const;

  std::string path_, identity_;
  int classes_;
  std::ifstream file_;
  std::vector<float> rows_;
};

}  // namespace dng::train
