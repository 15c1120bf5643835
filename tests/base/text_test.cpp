#include "base/text.h"

#include <gtest/gtest.h>

namespace dng {
namespace {

TEST(Text, TrimTakesBlanksOffBothEndsOnly) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \n "), "");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim("x"), "x");
}

TEST(Text, SplitKeepsEmptyParts) {
  EXPECT_EQ(split("a, b,,c ", ','), (std::vector<std::string>{"a", "b", "", "c"}));
  EXPECT_EQ(split("", ','), (std::vector<std::string>{""}));
  EXPECT_EQ(split(",", ','), (std::vector<std::string>{"", ""}));
}

TEST(Text, JoinIsTheInverseOfSplit) {
  EXPECT_EQ(join({"a", "b", "c"}, ", "), "a, b, c");
  EXPECT_EQ(join({}, ", "), "");
  EXPECT_EQ(split(join({"a", "b"}, ","), ','), (std::vector<std::string>{"a", "b"}));
}

TEST(Text, PrefixesAndSuffixesAreWhole) {
  EXPECT_TRUE(starts_with("layer", "lay"));
  EXPECT_FALSE(starts_with("lay", "layer"));
  EXPECT_FALSE(starts_with("player", "lay"));
  EXPECT_TRUE(ends_with("a.weights", ".weights"));
  EXPECT_FALSE(ends_with("weights", ".weights"));
  EXPECT_FALSE(ends_with("a.weights.tmp", ".weights"));
}

TEST(Text, IntegersAreTakenWholeOrNotAtAll) {
  int64_t value = 7;
  EXPECT_TRUE(parse_integer(" -12 ", &value));
  EXPECT_EQ(value, -12);
  EXPECT_TRUE(parse_integer("9223372036854775807", &value));
  EXPECT_EQ(value, INT64_MAX);
  value = 7;
  for (const char* bad : {"", " ", "12x", "1 2", "1.0", "1e3", "x", "9223372036854775808", "0x10"}) {
    EXPECT_FALSE(parse_integer(bad, &value)) << bad;
  }
  EXPECT_EQ(value, 7);
}

TEST(Text, RealNumbersAreFinite) {
  double value = 7;
  EXPECT_TRUE(parse_real("-1.5e-3", &value));
  EXPECT_DOUBLE_EQ(value, -1.5e-3);
  EXPECT_TRUE(parse_real(".5", &value));
  EXPECT_DOUBLE_EQ(value, .5);
  value = 7;
  for (const char* bad : {"", "nan", "inf", "-inf", "1e999", "1.0f", "0.1,", "one"}) {
    EXPECT_FALSE(parse_real(bad, &value)) << bad;
  }
  EXPECT_EQ(value, 7);
}

TEST(Text, NearestNameFindsTyposAndNothingElse) {
  const std::vector<std::string> names = {"momentum", "decay", "max_batches", "batch"};
  EXPECT_EQ(nearest_name("momentun", names), "momentum");
  EXPECT_EQ(nearest_name("max_batch", names), "max_batches");
  EXPECT_EQ(nearest_name("bacth", names), "batch");
  EXPECT_EQ(nearest_name("zzzzzzzz", names), "");
  EXPECT_EQ(nearest_name("x", {}), "");
  EXPECT_EQ(did_you_mean("decai", names), "; did you mean 'decay'?");
  EXPECT_EQ(did_you_mean("zzzzzzzz", names), "");
}

TEST(Text, BaseNameDropsFolderAndLastExtension) {
  EXPECT_EQ(base_name("cfg/a.b.cfg"), "a.b");
  EXPECT_EQ(base_name("a"), "a");
  EXPECT_EQ(base_name("dir.d/a"), "a");
  EXPECT_EQ(base_name("dir/.hidden"), ".hidden");
}

TEST(Text, QuotedIsAlwaysOneShortPrintableLine) {
  EXPECT_EQ(quoted("a b"), "'a b'");
  EXPECT_EQ(quoted("a\nb"), "'a\\x0ab'");
  EXPECT_EQ(quoted(std::string("\0", 1)), "'\\x00'");
  const std::string cut = quoted(std::string(1000, 'x'));
  EXPECT_EQ(cut, "'" + std::string(60, 'x') + "...'");
}

TEST(Text, SizesAndTimesAreReadable) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(12345678), "11.8 MiB");
  EXPECT_EQ(human_seconds(3725), "1:02:05");
  EXPECT_EQ(human_seconds(125), "2:05");
  EXPECT_EQ(human_seconds(59.6), "1:00");
  EXPECT_EQ(human_seconds(-1), "0:00");
}

}  // namespace
}  // namespace dng
