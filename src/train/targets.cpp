#include "train/targets.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>

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
          {"mini_batch", std::to_string(student.mini_batch * student.ranks)},
          {"seed", std::to_string(seed)},
          {"shards", std::to_string(student.shards * student.ranks)}};
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
    const float* rows = finite_probabilities(source, batch, data, classes);
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
  if (std::filesystem::is_directory(path_)) {
    fail("%s: is a folder; give the path of a file", distill.where("targets").c_str());
  }
  file_.open(path_, std::ios::binary);
  if (!file_) fail("%s: the targets cannot be read: %s", path_.c_str(), std::strerror(errno));
  std::string head(kHeaderBytes, '\0');
  file_.read(head.data(), static_cast<std::streamsize>(head.size()));
  TargetsKey found = parse_header(path_, file_ ? head : "");
  // What older files do not name.
  int64_t mini_batch = 1;
  parse_integer(found["mini_batch"], &mini_batch);
  found.insert({"shards", std::to_string(graph::default_shards(static_cast<int>(mini_batch)))});
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
  check_size(found["positions"], positions);
}

void CachedTeacher::check_size(const std::string& found, int64_t positions) const {
  int64_t rows = 0;
  parse_integer(found, &rows);
  if (rows < positions) {
    fail("%s: made for fewer epochs: found %lld positions, this run has %lld; make the targets again", path_.c_str(),
         static_cast<long long>(rows), static_cast<long long>(positions));
  }
  const uint64_t size = file_size(path_);
  const uint64_t expected = kHeaderBytes + static_cast<uint64_t>(rows) * static_cast<uint64_t>(classes_) * 4;
  if (size != expected) {
    fail("%s: found %llu bytes, expected %llu; the file is damaged: make the targets again", path_.c_str(),
         static_cast<unsigned long long>(size), static_cast<unsigned long long>(expected));
  }
}

const float* CachedTeacher::probabilities(const data::Batch& batch) {
  const auto classes = static_cast<size_t>(classes_), count = static_cast<size_t>(batch.count);
  rows_.resize(count * classes);
  const size_t row_bytes = classes * sizeof(float);
  file_.seekg(static_cast<std::streamoff>(kHeaderBytes + static_cast<size_t>(batch.position) * row_bytes));
  file_.read(reinterpret_cast<char*>(rows_.data()), static_cast<std::streamsize>(count * row_bytes));
  if (!file_) {
    fail("%s: the row of position %lld cannot be read", path_.c_str(), static_cast<long long>(batch.position));
  }
  for (size_t b = 0; b < count; ++b) check_row(&rows_[b * classes], batch.position + static_cast<int64_t>(b));
  return rows_.data();
}

void CachedTeacher::check_row(const float* row, int64_t position) const {
  double sum = 0;
  for (int j = 0; j < classes_; ++j) {
    if (row[j] < 0) {
      fail("%s: the row of position %lld has a negative probability, %g; the file is damaged: make the targets again",
           path_.c_str(), static_cast<long long>(position), static_cast<double>(row[j]));
    }
    sum += row[j];
  }
  if (!(std::fabs(sum - 1) < 1e-3)) {
    fail("%s: the row of position %lld does not sum to 1 but to %g; the file is damaged: make the targets again",
         path_.c_str(), static_cast<long long>(position), sum);
  }
}

}  // namespace dng::train
