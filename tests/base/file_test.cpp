#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/file_view.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using test::expect_error;
using test::TemporaryFolder;

// A full disk for the test: no file may grow beyond `bytes`.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    previous_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &previous_);
    rlimit limit = previous_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &previous_);
    std::signal(SIGXFSZ, previous_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit previous_{};
  void (*previous_handler_)(int) = SIG_DFL;
};

std::string bytes_of(const FileView& view) { return {view.data(), view.size()}; }

TEST(FileView, HasWhatReadFileReads) {
  const TemporaryFolder folder;
  const std::string text = "a few bytes\n" + std::string(100000, '\0') + "and more";
  EXPECT_EQ(bytes_of(FileView(folder.write("a", text), "the text")), text);
  EXPECT_EQ(bytes_of(FileView(folder.write("empty", ""), "the text")), "");
  const std::string pipe = folder.file("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe) << text; });
  EXPECT_EQ(bytes_of(FileView(pipe, "the text")), text);
  writer.join();
  expect_error([&] { FileView(folder.file("none"), "the text"); }, {"none: the text cannot be read", "check the path"});
  expect_error([&] { FileView(folder.path(), "the text"); }, {"the text is a folder"});
}

size_t files_in(const std::string& folder) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) count += entry.exists() ? 1 : 0;
  return count;
}

TEST(File, ReadsEveryByte) {
  const TemporaryFolder folder;
  std::string content = "a\nb";
  content += '\0';
  content += std::string(200000, '\xff');
  EXPECT_EQ(read_file(folder.write("f", content), "test"), content);
  EXPECT_EQ(file_size(folder.file("f")), content.size());
  EXPECT_EQ(read_file(folder.write("empty", ""), "test"), "");
}

TEST(File, MissingFilesAndFoldersAreNamed) {
  const TemporaryFolder folder;
  EXPECT_FALSE(file_exists(folder.file("none")));
  EXPECT_TRUE(file_exists(folder.path()));
  expect_error([&] { read_file(folder.file("none"), "cfg file"); }, {folder.file("none"), "cfg file", "No such file"});
  expect_error([&] { read_file(folder.path(), "cfg file"); }, {folder.path(), "cfg file", "folder"});
}

TEST(AtomicFile, AppearsOnlyWhenCommitted) {
  const TemporaryFolder folder;
  const std::string path = folder.write("f", "before");
  {
    AtomicFile file(path);
    file.write("after");
    EXPECT_EQ(read_file(path, "test"), "before");
    file.commit();
  }
  EXPECT_EQ(read_file(path, "test"), "after");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(AtomicFile, WithoutCommitNothingChanges) {
  const TemporaryFolder folder;
  const std::string path = folder.write("f", "before");
  {
    AtomicFile file(path);
    file.write("after");
  }
  EXPECT_EQ(read_file(path, "test"), "before");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(AtomicFile, FullDiskLeavesThePreviousFile) {
  const TemporaryFolder folder;
  const std::string path = folder.write("f", "before");
  const std::string large(1 << 20, 'x');
  {
    const FileSizeLimit limit(64 << 10);
    expect_error([&] { write_file(path, large); }, {path, "cannot be written", "untouched"});
    // Small enough to stay in the buffer until commit.
    const FileSizeLimit tiny(16);
    expect_error([&] { write_file(path, std::string(1000, 'y')); }, {path, "cannot be written", "untouched"});
  }
  EXPECT_EQ(read_file(path, "test"), "before");
  EXPECT_EQ(files_in(folder.path()), 1u);
  // The control: without the limit the same call succeeds.
  write_file(path, large);
  EXPECT_EQ(read_file(path, "test"), large);
}

TEST(AtomicFile, MissingFolderIsAnError) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/none/f";
  expect_error([&] { write_file(path, "x"); }, {path, "No such file"});
}

TEST(AtomicFile, NameThatCannotBeReplacedIsAnError) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/f";
  std::filesystem::create_directories(path + "/inside");
  expect_error([&] { write_file(path, "x"); }, {path, "cannot be written"});
  EXPECT_TRUE(std::filesystem::is_directory(path + "/inside"));
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(File, WritableFolderIsMadeAndProbed) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/a/b";
  require_writable_folder(path, "backup");
  EXPECT_TRUE(std::filesystem::is_directory(path));
  EXPECT_EQ(files_in(path), 0u);
  const std::string file = folder.write("f", "x");
  expect_error([&] { require_writable_folder(file, "backup"); }, {file, "backup"});
  expect_error([&] { require_writable_folder(file + "/below", "backup"); }, {file, "backup"});
}

TEST(Hash, TellsContentsApart) {
  const auto hash = [](const std::string& text) {
    Hash value;
    value.add(text);
    return value.value();
  };
  const std::string base(100, 'a');
  EXPECT_EQ(hash(base), hash(base));
  for (size_t i = 0; i < base.size(); ++i) {
    std::string changed = base;
    changed[i] = 'b';
    EXPECT_NE(hash(changed), hash(base)) << i;
  }
  EXPECT_NE(hash(std::string(8, '\0')), hash(std::string(16, '\0')));
  EXPECT_NE(hash(""), hash(std::string(1, '\0')));
  EXPECT_NE(hash("abcdefgh12345678"), hash("12345678abcdefgh"));
  Hash value;
  EXPECT_EQ(value.hex(), "cbf29ce484222325");
}

}  // namespace
}  // namespace dng
