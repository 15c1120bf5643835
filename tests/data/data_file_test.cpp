#include <gtest/gtest.h>

#include "base/error.h"
#include "data/data_file.h"
#include "tests/test_util.h"

namespace dng {
namespace {

using test::expect_error;
using test::TemporaryFolder;

class DataFileTest : public ::testing::Test {
 protected:
  data::DataFile read(const std::string& text) { return data::read_data_file(folder_.write("set.data", text)); }
  void expect_refused(const std::string& text, std::vector<std::string> parts) {
    parts.push_back("set.data");
    expect_error([&] { read(text); }, parts);
  }
  TemporaryFolder folder_;
};

TEST_F(DataFileTest, ReadsDarknetsKeys) {
  const std::string labels = folder_.write("labels", "cat\ndog\nrose\n");
  const std::string names = folder_.write("names", "A cat\r\nA dog\r\nA rose");
  const std::string supers = folder_.write("supers", "0\n0\n1\n\n");
  const data::DataFile data =
      read("# comment\n\n classes = 3\ntrain=a b/train.list\n; comment\nvalid = v.bin\nlabels=" + labels +
           "\nnames = " + names + "\nbackup = backup/\ntop=2\nsuperclasses=" + supers + "\n");
  EXPECT_EQ(data.classes, 3);
  EXPECT_EQ(data.train, "a b/train.list");
  EXPECT_EQ(data.valid, "v.bin");
  EXPECT_EQ(data.backup, "backup/");
  EXPECT_EQ(data.top, 2);
  EXPECT_EQ(data.label_names, (std::vector<std::string>{"cat", "dog", "rose"}));
  EXPECT_EQ(data.display_names, (std::vector<std::string>{"A cat", "A dog", "A rose"}));
  EXPECT_EQ(data.superclass_of, (std::vector<int>{0, 0, 1}));
}

TEST_F(DataFileTest, DefaultsFollowClassesAndLabels) {
  const data::DataFile plain = read("classes=3");
  EXPECT_EQ(plain.top, 3);
  EXPECT_EQ(plain.display_names, (std::vector<std::string>{"class 0", "class 1", "class 2"}));
  EXPECT_TRUE(plain.label_names.empty());
  EXPECT_TRUE(plain.train.empty());
  EXPECT_EQ(read("classes=100").top, 5);
  const std::string labels = folder_.write("labels", "cat\ndog\n");
  EXPECT_EQ(read("classes=2\nlabels=" + labels).display_names, (std::vector<std::string>{"cat", "dog"}));
}

TEST_F(DataFileTest, ClassWeightsAreAListOrAFile) {
  const std::string file = folder_.write("weights",
                                         "\xef\xbb\xbf"
                                         "0.5\r\n 2 \r\n1e3\r\n");
  const std::vector<float> wanted = {0.5f, 2, 1000};
  EXPECT_TRUE(read("classes=3\n").class_weights.empty());
  EXPECT_EQ(read("classes=3\nclass_weights=" + file + "\n").class_weights, wanted);
  EXPECT_EQ(read("classes=3\nclass_weights=0.5, 2,1e3\n").class_weights, wanted);
  expect_refused("classes=3\nclass_weights=1,2\n", {":2:", "found 2 class_weights", "each of the 3 classes"});
  expect_refused("classes=3\nclass_weights=1,2,3,4\n", {":2:", "found 4 class_weights"});
  expect_refused("classes=3\nclass_weights=1,-2,3\n", {":2:", "'-2'", "a number from 0 to 1000000"});
  expect_refused("classes=3\nclass_weights=1,,3\n", {":2:", "''", "a number"});
  expect_refused("classes=3\nclass_weights=1,nan,3\n", {":2:", "'nan'", "a number"});
  expect_refused("classes=3\nclass_weights=0,0,0\n", {":2:", "all class_weights are 0", "at least one above 0"});
  expect_refused("classes=3\nclass_weights=none.txt\n", {":2:", "none.txt", "with commas between them"});
  const std::string few = folder_.write("few", "1\n\n2\n");
  expect_error([&] { read("classes=3\nclass_weights=" + few); }, {few + ":2:", "class weight ''", "a number from 0"});
}

TEST_F(DataFileTest, HeldOutImagesTakeThePlaceOfValid) {
  const data::DataFile data = read("classes=3\ntrain=t.bin\nheld_out_per_class=50\n");
  EXPECT_EQ(data.held_out_per_class, 50);
  EXPECT_EQ(data.valid, "t.bin");
  expect_refused("classes=3\ntrain=t.bin\nvalid=v.bin\nheld_out_per_class=50\n", {":4:", "line 3", "keep one of them"});
  expect_refused("classes=3\nheld_out_per_class=0\n", {":2:", "'0'", "from 1 to"});
}

TEST_F(DataFileTest, ByteOrderMarkIsNotPartOfTheFirstKey) {
  EXPECT_EQ(read("\xef\xbb\xbf"
                 "classes=4\n")
                .classes,
            4);
}

TEST_F(DataFileTest, UnknownKeyGivesLineAndNearestName) {
  expect_refused("classes=3\n\ntrian=x\n", {":3:", "'trian'", "did you mean 'train'?"});
}

TEST_F(DataFileTest, DuplicateKeyGivesBothLines) {
  expect_refused("classes=3\ntrain=a\n# c\ntrain=b\n", {":4:", "'train'", "line 2"});
}

TEST_F(DataFileTest, MalformedLinesAreRefused) {
  expect_refused("classes=3\nbackup =  \n", {":2:", "'backup'", "no value"});
  expect_refused("classes=3\njust text\n", {":2:", "'just text'", "key = value"});
  expect_refused("", {"empty"});
  expect_refused("\n \n", {"blank"});
  expect_refused(std::string("classes=3\n\0\0\0\n", 13), {"not text"});
}

TEST_F(DataFileTest, ClassesMustBeAnIntegerInRange) {
  expect_refused("train=x\n", {"'classes' is missing"});
  for (const char* bad : {"1", "0", "-5", "1000001", "ten", "10x", "3.5", "99999999999999999999"}) {
    expect_refused(std::string("\nclasses=") + bad, {":2:", bad, "2 to 1000000"});
  }
  EXPECT_EQ(read("classes=2").classes, 2);
  EXPECT_EQ(read("classes=1000000").classes, 1000000);
}

TEST_F(DataFileTest, TopIsAtMostAllClasses) {
  expect_refused("classes=3\ntop=0\n", {":2:", "1 to 1000000"});
  EXPECT_EQ(read("classes=3\ntop=3\n").top, 3);
  testing::internal::CaptureStderr();
  EXPECT_EQ(read("classes=3\ntop=4\n").top, 3);
  EXPECT_NE(testing::internal::GetCapturedStderr().find(":2: top = 4: there are 3 classes, so it is 3"),
            std::string::npos);
}

TEST_F(DataFileTest, ACfgInItsPlaceIsRecognised) {
  expect_refused("# comment\n[net]\nbatch=1\n", {":2:", "'[net]'", "the .data file comes first, then the cfg"});
}

TEST_F(DataFileTest, ValidationAndLabelNoise) {
  const data::DataFile plain = read("classes=3\n"), given = read("classes=3\nvalid_every=10\nlabel_noise=0.2\n");
  EXPECT_EQ(plain.valid_every, 1);
  EXPECT_EQ(plain.label_noise, 0);
  EXPECT_EQ(given.valid_every, 10);
  EXPECT_EQ(given.label_noise, 0.2);
  expect_refused("classes=3\nvalid_every=0\n", {":2:", "from 1"});
  expect_refused("classes=3\nlabel_noise=1.5\n", {":2:", "'1.5'", "a number from 0 to 1"});
}

TEST_F(DataFileTest, ClassFilesMustHaveALineForEveryClass) {
  for (const char* key : {"labels", "names", "superclasses"}) {
    const std::string two = folder_.write("two", "0\n1\n");
    expect_refused(format("classes=3\n%s=%s\n", key, two.c_str()), {":2:", two, key, "2 lines", "3 classes"});
    expect_refused(format("classes=3\n%s=%s/none\n", key, folder_.path().c_str()), {":2:", "/none", key});
    expect_refused(format("classes=3\n%s=%s\n", key, folder_.path().c_str()), {":2:", "folder"});
    testing::internal::CaptureStderr();
    const std::string four = folder_.write("four", "0\n1\n2\n0\n");
    EXPECT_EQ(read(format("classes=3\n%s=%s\n", key, four.c_str())).classes, 3);
    EXPECT_NE(testing::internal::GetCapturedStderr().find("has 4 lines: those of the 3 classes are the first ones"),
              std::string::npos);
    const std::string hole = folder_.write("hole", "0\n\n1\n");
    expect_error([&] { read(format("classes=3\n%s=%s\n", key, hole.c_str())); }, {hole + ":2:", "blank line"});
  }
}

TEST_F(DataFileTest, LabelsMustDifferButNamesMayNot) {
  const std::string twice = folder_.write("twice", "crane\ndog\ncrane\n");
  expect_error([&] { read("classes=3\nlabels=" + twice); }, {twice + ":3:", "'crane'", "line 1"});
  EXPECT_EQ(read("classes=3\nnames=" + twice).display_names[2], "crane");
}

TEST_F(DataFileTest, SuperclassesAreIndices) {
  for (const char* bad : {"3", "-1", "fish"}) {
    const std::string supers = folder_.write("supers", std::string("0\n") + bad + "\n1\n");
    expect_error([&] { read("classes=3\nsuperclasses=" + supers); }, {supers + ":2:", bad, "0 to 2"});
  }
}

TEST_F(DataFileTest, MissingFileAndFolderAreRefused) {
  expect_error([&] { data::read_data_file(folder_.path() + "/none.data"); }, {"none.data"});
  expect_error([&] { data::read_data_file(folder_.path()); }, {"folder"});
}

}  // namespace
}  // namespace dng
