#include "train/targets.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/text.h"

namespace dng::train {
namespace {

constexpr const char* kMagic = "DNGTARGETS 1\n";
constexpr size_t kHeaderBytes = 4096;
constexpr size_t kMaxQuoted = 1000;  // two augmentations may differ only at their ends

std::string header_text(const TargetsKey& key, uint64_t teacher, int64_t positions, int classes) {
  std::string text = kMagic;
  for (const auto& [name, value] : key) text += name + " " + value + "\n";
  text += format("classes %d\npositions %lld\nteacher %s\n\n", classes, static_cast<long long>(positions),
                 hex(teacher).c_str());
  if (text.size() > kHeaderBytes) fail("internal error: the header of the targets exceeds %zu bytes", kHeaderBytes);
  text.resize(kHeaderBytes, ' ');
  return text;
}

TargetsKey parse_header(const std::string& path, const std::string& text) {
  if (!starts_with(text, kMagic)) {
    fail("%s: this is no targets file; make one with 'darknet classifier targets DATA CFG -out FILE'", path.c_str());
  }
  TargetsKey key;
  for (const std::string& line : split(text.substr(std::strlen(kMagic)), '\n')) {
    if (line.empty()) break;
    key.insert(split_once(line, ' '));
  }
  return key;
}

void require_space(const std::string& path, double bytes) {
  const std::string folder = folder_of(path);
  require_writable_folder(folder, "the folder for the targets");
  require_writable_file(path, "the file for the targets");
  struct statvfs disk {};
  if (statvfs(folder.c_str(), &disk) != 0) return;
  const double space = static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize);
  if (space < bytes) {
    fail("%s: the targets need %s, the disk has %s left; free some space, choose another folder, or use a live teacher",
         path.c_str(), human_bytes(bytes).c_str(), human_bytes(space).c_str());
  }
}

}  // namespace

TargetsKey make_targets_key(const graph::NetworkConfig& student, const data::Dataset& data, uint64_t seed) {
  return {{"augmentation", student.augmentation().training_text() + format(" input=%dx%dx%d", student.input.channels,
                                                                           student.input.height, student.input.width)},
          {"data", hex(data.hash())},
          {"host", host::traits().id},
          {"mini_batch", std::to_string(student.mini_batch)},
          {"seed", std::to_string(seed)}};
}

void write_targets(const std::string& path, uint64_t teacher, int64_t positions, const graph::NetworkConfig& student,
                   const data::Dataset& data, uint64_t seed, int threads, TeacherSource* source) {
  const int classes = student.classes();
  const double bytes = static_cast<double>(positions) * classes * sizeof(float) + kHeaderBytes;
  std::printf("%s: %lld positions of %d classes, %s\n", path.c_str(), static_cast<long long>(positions), classes,
              human_bytes(bytes).c_str());
  std::fflush(stdout);
  require_space(path, bytes);
  AtomicFile file(path);
  file.write(header_text(make_targets_key(student, data, seed), teacher, positions, classes));
  data::TrainingStream stream(data, student.augmentation(), student.input, seed, student.mini_batch, 0, positions,
                              threads);
  Progress progress("targets", positions, "images");
  for (int64_t position = 0; position < positions; position += student.mini_batch) {
    const data::Batch& batch = stream.next();
    const float* rows = source->probabilities(batch);
    const int64_t count = std::min<int64_t>(student.mini_batch, positions - position);
    file.write(rows, static_cast<size_t>(count) * classes * sizeof(float));
    progress.advance(position + count);
    if (interrupted() != 0) throw Interrupted("stopped; no targets were written", interrupted());
  }
  file.commit();
  progress.finish();
}

CachedTeacher::CachedTeacher(const cfg::Options& distill, const TargetsKey& key, int64_t positions, int classes)
    : path_(distill.text("targets")), classes_(classes) {
  if (!file_exists(path_)) {
    fail(
        "%s: there is no such file; make it with 'darknet classifier targets DATA CFG -out %s', or name teacher= and "
        "teacher_weights=",
        distill.where("targets").c_str(), path_.c_str());
  }
  descriptor_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) fail("%s: the targets cannot be read: %s", path_.c_str(), std::strerror(errno));
  struct stat info {};
  if (fstat(descriptor_, &info) == 0 && S_ISDIR(info.st_mode)) {
    fail("%s: is a folder; give the path of a file", distill.where("targets").c_str());
  }
  std::string head(kHeaderBytes, '\0');
  if (pread(descriptor_, head.data(), kHeaderBytes, 0) != static_cast<ssize_t>(kHeaderBytes)) {
    fail("%s: this is no targets file; make one with 'darknet classifier targets DATA CFG -out FILE'", path_.c_str());
  }
  TargetsKey found = parse_header(path_, head);
  TargetsKey wanted = key;
  wanted["classes"] = std::to_string(classes);
  if (distill.given("teacher") && distill.given("teacher_weights")) {
    wanted["teacher"] = hex(teacher_hash(distill.text("teacher"), distill.text("teacher_weights")));
  }
  for (const auto& [name, value] : wanted) {
    if (found[name] != value) {
      fail(
          "%s: made for another %s: found %s, this run has %s; make the targets again with 'darknet classifier "
          "targets'",
          path_.c_str(), name.c_str(), quoted(found[name], kMaxQuoted).c_str(), quoted(value, kMaxQuoted).c_str());
    }
  }
  identity_ = found["teacher"];
  parse_integer(found["positions"], &positions_);
  if (positions_ < positions) {
    fail("%s: made for fewer epochs: found %lld positions, this run has %lld; make the targets again", path_.c_str(),
         static_cast<long long>(positions_), static_cast<long long>(positions));
  }
  const uint64_t size = file_size(path_);
  const uint64_t expected = kHeaderBytes + static_cast<uint64_t>(positions_) * static_cast<uint64_t>(classes) * 4;
  if (size != expected) {
    fail("%s: found %llu bytes, expected %llu; the file is damaged: make the targets again", path_.c_str(),
         static_cast<unsigned long long>(size), static_cast<unsigned long long>(expected));
  }
}

CachedTeacher::~CachedTeacher() {
  if (descriptor_ >= 0) close(descriptor_);
}

const float* CachedTeacher::probabilities(const data::Batch& batch) {
  rows_.resize(static_cast<size_t>(batch.count) * classes_);
  const size_t row_bytes = static_cast<size_t>(classes_) * sizeof(float);
  const size_t bytes = static_cast<size_t>(batch.count) * row_bytes;
  const auto offset = static_cast<off_t>(kHeaderBytes + static_cast<size_t>(batch.position) * row_bytes);
  size_t done = 0;
  while (done < bytes) {
    const ssize_t got = pread(descriptor_, reinterpret_cast<char*>(rows_.data()) + done, bytes - done,
                              offset + static_cast<off_t>(done));
    if (got <= 0) fail("%s: reading the targets stopped: %s", path_.c_str(), got < 0 ? std::strerror(errno) : "end");
    done += static_cast<size_t>(got);
  }
  for (int b = 0; b < batch.count; ++b) {
    double sum = 0;
    for (int j = 0; j < classes_; ++j) {
      const double value = rows_[static_cast<size_t>(b) * classes_ + j];
      if (value < 0) {
        fail("%s: the row of position %lld has a negative probability, %g; the file is damaged: make the targets again",
             path_.c_str(), static_cast<long long>(batch.position + b), value);
      }
      sum += value;
    }
    if (!(std::fabs(sum - 1) < 1e-3)) {
      fail("%s: the row of position %lld does not sum to 1 but to %g; the file is damaged: make the targets again",
           path_.c_str(), static_cast<long long>(batch.position + b), sum);
    }
  }
  return rows_.data();
}

}  // namespace dng::train
