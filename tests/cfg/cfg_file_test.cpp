#include "cfg/cfg_file.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/test_util.h"

namespace dng {
namespace {

using test::expect_error;

cfg::CfgFile parse(const std::string& text, cfg::Translations* translations) {
  return cfg::parse_cfg("a.cfg", text, translations);
}

cfg::CfgFile parse(const std::string& text) {
  cfg::Translations strict(cfg::Reading::kStrict);
  return parse(text, &strict);
}

TEST(CfgFile, KeepsSectionsEntriesAndLineNumbers) {
  const cfg::CfgFile cfg =
      parse("# head\n\n[net]\nbatch=1\n  width = 32  \n;comment\n\n[tsd]\neta\t=\t0.6\n[softmax]\n");
  EXPECT_EQ(cfg.path, "a.cfg");
  ASSERT_EQ(cfg.sections.size(), 3U);
  EXPECT_EQ(cfg.sections[0].name, "net");
  EXPECT_EQ(cfg.sections[0].line, 3);
  ASSERT_EQ(cfg.sections[0].entries.size(), 2U);
  EXPECT_EQ(cfg.sections[0].entries[0].key, "batch");
  EXPECT_EQ(cfg.sections[0].entries[0].value, "1");
  EXPECT_EQ(cfg.sections[0].entries[0].line, 4);
  EXPECT_EQ(cfg.sections[0].entries[1].key, "width");
  EXPECT_EQ(cfg.sections[0].entries[1].value, "32");
  EXPECT_EQ(cfg.sections[0].entries[1].line, 5);
  EXPECT_EQ(cfg.sections[1].name, "tsd");
  EXPECT_EQ(cfg.sections[1].line, 8);
  EXPECT_EQ(cfg.sections[1].entries[0].key, "eta");
  EXPECT_EQ(cfg.sections[1].entries[0].value, "0.6");
  EXPECT_EQ(cfg.sections[2].line, 10);
  EXPECT_TRUE(cfg.sections[2].entries.empty());
}

TEST(CfgFile, ReadsWindowsLineEndsAndAMissingLastOne) {
  const cfg::CfgFile cfg = parse("[net]\r\nbatch=8\r\n[softmax]");
  ASSERT_EQ(cfg.sections.size(), 2U);
  EXPECT_EQ(cfg.sections[0].entries[0].value, "8");
  EXPECT_EQ(cfg.sections[1].name, "softmax");
  EXPECT_EQ(cfg.sections[1].line, 3);
}

TEST(CfgFile, TheValueIsAllBehindTheFirstEqualsSign) {
  const cfg::CfgFile cfg = parse("[distill]\nteacher=a=b.cfg\n");
  EXPECT_EQ(cfg.sections[0].entries[0].key, "teacher");
  EXPECT_EQ(cfg.sections[0].entries[0].value, "a=b.cfg");
}

TEST(CfgFile, SyntaxErrorsNameTheirLine) {
  expect_error([] { parse("[net]\nbatch=1\n\nwidth 32\n"); }, {"a.cfg:4:", "'width 32'", "key=value"});
  expect_error([] { parse("[net]\n=32\n"); }, {"a.cfg:2:", "no key"});
  expect_error([] { parse("[net]\nbatch=1\nwidth=  \n"); }, {"a.cfg:3:", "[net] width", "no value"});
  expect_error([] { parse("[net]\n[convolutional\n"); }, {"a.cfg:2:", "'[convolutional'", "not a section"});
  expect_error([] { parse("[net]\n[]\n"); }, {"a.cfg:2:", "not a section"});
  expect_error([] { parse("[net] # comment\n"); }, {"a.cfg:1:", "not a section"});
  expect_error([] { parse("# comment\nbatch=1\n[net]\n"); }, {"a.cfg:2:", "'batch=1'", "before the first section"});
}

TEST(CfgFile, DuplicatesNameBothLines) {
  expect_error([] { parse("[net]\nbatch=1\nwidth=32\n# again\nbatch=64\n"); },
               {"a.cfg:5:", "[net] batch=64", "as 1 in line 2"});
  // The same key in another section, even one of the same name, is no duplicate.
  EXPECT_EQ(parse("[conv]\nsize=1\n[conv]\nsize=1\n").sections.size(), 2U);
}

TEST(CfgFile, OfTwoValuesTheFirstCounts) {
  cfg::Translations translations(cfg::Reading::kTranslating);
  const cfg::CfgFile cfg = parse("[net]\nbatch=1\nbatch=64\nwidth=8\nwidth=8\n", &translations);
  ASSERT_EQ(cfg.sections[0].entries.size(), 2U);
  EXPECT_EQ(cfg.sections[0].entries[0].value, "1");
  EXPECT_EQ(cfg.sections[0].entries[1].value, "8");
  ASSERT_EQ(translations.list().size(), 1U);
  EXPECT_EQ(translations.list()[0].where, "a.cfg:3: [net] batch=64");
  EXPECT_EQ(translations.list()[0].became, "was already given as 1 in line 2, which counts, as for Darknet");
  EXPECT_EQ(parse("[net]\nwidth=8\nwidth=8\n").sections[0].entries.size(), 1U);
}

TEST(CfgFile, CommentsMayStandBehindABlank) {
  const cfg::CfgFile cfg = parse("[net]\nwidth=28   # pixels\nheight=40\t#32\nteacher=a#b.cfg\nbatch=8;9\n");
  ASSERT_EQ(cfg.sections[0].entries.size(), 4U);
  EXPECT_EQ(cfg.sections[0].entries[0].value, "28");
  EXPECT_TRUE(cfg.sections[0].entries[0].comment);
  EXPECT_EQ(cfg.sections[0].entries[1].value, "40");
  EXPECT_EQ(cfg.sections[0].entries[2].value, "a#b.cfg");
  EXPECT_FALSE(cfg.sections[0].entries[2].comment);
  EXPECT_EQ(cfg.sections[0].entries[3].value, "8;9");
}

TEST(CfgFile, KeysWithoutAValueAreIgnoredAsByDarknet) {
  cfg::Translations translations(cfg::Reading::kTranslating);
  EXPECT_TRUE(parse("[net]\nwidth=\nheight= # 8\n", &translations).sections[0].entries.empty());
  ASSERT_EQ(translations.list().size(), 2U);
  EXPECT_EQ(translations.list()[1].where, "a.cfg:3: [net] height");
  expect_error([] { parse("[net]\nheight= # 8\n"); }, {"a.cfg:2: [net] height", "no value"});
}

TEST(CfgFile, WhatIsNoCfgIsRefused) {
  expect_error([] { parse(""); }, {"a.cfg", "no sections"});
  expect_error([] { parse("# only a comment\n\n"); }, {"a.cfg", "no sections"});
  expect_error([] { parse(std::string("[net]\0batch=1\n", 14)); }, {"a.cfg", "binary file"});
  const test::TemporaryFolder folder;
  cfg::Translations strict(cfg::Reading::kStrict);
  expect_error([&] { cfg::read_cfg(folder.file("missing.cfg"), &strict); }, {"missing.cfg", "cannot be read"});
  expect_error([&] { cfg::read_cfg(folder.path(), &strict); }, {"is a folder"});
}

TEST(CfgFile, ReadsFiles) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write("b.cfg", "[net]\nbatch=2\n");
  cfg::Translations strict(cfg::Reading::kStrict);
  const cfg::CfgFile cfg = cfg::read_cfg(path, &strict);
  EXPECT_EQ(cfg.path, path);
  EXPECT_EQ(cfg.sections[0].entries[0].value, "2");
}

}  // namespace
}  // namespace dng
