#include "cfg/options.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/test_util.h"

namespace dng {
namespace {

using test::expect_error;

// Every type once; the key of a line is its number.
const std::vector<cfg::OptionSpec>& specs() {
  static const std::vector<cfg::OptionSpec> made = {
      cfg::flag_option("pad", "0", "help"),
      cfg::integer_option("size", "3", 1, 11, "help"),
      cfg::ours(cfg::real_option("lambda", "0.6", 0, 1, "help")),
      cfg::open_low(cfg::real_option("temperature", "1", 0, 100, "help")),
      cfg::open_high(cfg::real_option("momentum", "0.9", 0, 1, "help")),
      cfg::text_option("teacher", "", "help"),
      cfg::ours(cfg::choice_option("primary", "top", {"top", "truth"}, "help")),
      cfg::integers_option("layers", "", -9, 9, "help"),
      cfg::reals_option("scales", "", 0, 10, "help")};
  return made;
}

cfg::Options options_of(const std::vector<cfg::CfgEntry>& entries) {
  return {"a.cfg", cfg::CfgSection{"test", 7, entries}, specs(), {{"xnor", "this is not trained here; remove it"}}};
}
cfg::Options options_of(const std::string& key, const std::string& value) { return options_of({{key, value, 12}}); }

TEST(Options, GivesDefaultsAndWhatWasWritten) {
  const cfg::Options fresh = options_of({});
  EXPECT_FALSE(fresh.flag("pad"));
  EXPECT_EQ(fresh.integer("size"), 3);
  EXPECT_EQ(fresh.real("lambda"), 0.6);
  EXPECT_EQ(fresh.text("primary"), "top");
  EXPECT_FALSE(fresh.given("size"));
  EXPECT_TRUE(fresh.has("size"));
  EXPECT_FALSE(fresh.has("teacher"));

  const cfg::Options written = options_of({{"pad", "1", 8},
                                           {"size", "11", 9},
                                           {"lambda", "1e-3", 10},
                                           {"primary", "truth", 11},
                                           {"layers", "-1, 4,+7", 12},
                                           {"scales", ".1,10,0", 13},
                                           {"teacher", "cfg/a.cfg", 14}});
  EXPECT_TRUE(written.flag("pad"));
  EXPECT_EQ(written.integer("size"), 11);
  EXPECT_EQ(written.real("lambda"), 1e-3);
  EXPECT_EQ(written.text("primary"), "truth");
  EXPECT_EQ(written.integers("layers"), (std::vector<int>{-1, 4, 7}));
  EXPECT_EQ(written.reals("scales"), (std::vector<double>{.1, 10, 0}));
  EXPECT_EQ(written.text("teacher"), "cfg/a.cfg");
  EXPECT_TRUE(written.given("size"));
  EXPECT_FALSE(written.given("momentum"));
}

TEST(Options, BoundsAreAllowedUnlessTheyAreOpen) {
  EXPECT_EQ(options_of("size", "1").integer("size"), 1);
  EXPECT_EQ(options_of("lambda", "0").real("lambda"), 0);
  EXPECT_EQ(options_of("lambda", "1").real("lambda"), 1);
  EXPECT_EQ(options_of("temperature", "100").real("temperature"), 100);
  EXPECT_EQ(options_of("momentum", "0").real("momentum"), 0);
  expect_error([] { options_of("size", "0"); }, {"a.cfg:12: [test] size=0: found '0', allowed is", "from 1 to 11"});
  expect_error([] { options_of("size", "12"); }, {"size=12", "a whole number from 1 to 11"});
  expect_error([] { options_of("lambda", "-0.001"); }, {"a number from 0 to 1"});
  expect_error([] { options_of("lambda", "1.001"); }, {"a number from 0 to 1"});
  expect_error([] { options_of("temperature", "0"); }, {"a number above 0 and of at most 100"});
  expect_error([] { options_of("momentum", "1"); }, {"a number of at least 0 and below 1"});
}

TEST(Options, ValuesOfTheWrongTypeAreRefused) {
  for (const char* value : {"2", "yes", "-1", "1.0", "on"}) {
    expect_error([&] { options_of("pad", value); }, {"pad=", "found '", "allowed is 0 or 1"});
  }
  for (const char* value : {"three", "3.5", "3x", "0x3", "1e1", "99999999999999999999", "-3"}) {
    expect_error([&] { options_of("size", value); }, {"a whole number from 1 to 11"});
  }
  for (const char* value : {"half", "0.5f", "nan", "inf", "1e999", "0,5"}) {
    expect_error([&] { options_of("lambda", value); }, {"a number from 0 to 1"});
  }
  for (const char* value : {"1,,2", "1,", ",1", "1;2", "1,2.5", "1,10"}) {
    expect_error([&] { options_of("layers", value); }, {"layers=", "whole numbers from -9 to 9, separated by commas"});
  }
  for (const char* value : {"1,", "a", "1,-1", "0.5 0.5"}) {
    expect_error([&] { options_of("scales", value); }, {"numbers from 0 to 10, separated by commas"});
  }
}

TEST(Options, UnknownKeysAndChoicesGetTheNearestName) {
  expect_error([] { options_of("lamda", "1"); }, {"a.cfg:12: [test] unknown key 'lamda'; did you mean 'lambda'?",
                                                  "allowed here: pad, size, lambda, temperature"});
  const std::string message = test::error_of([] { options_of("quatsch", "1"); });
  EXPECT_EQ(message.find("did you mean"), std::string::npos) << message;
  expect_error([] { options_of("primary", "turth"); }, {"found 'turth', allowed is one of top, truth", "'truth'?"});
  expect_error([] { cfg::Options("a.cfg", {"empty", 1, {{"x", "1", 2}}}, {}); }, {"a.cfg:2", "takes no keys"});
}

TEST(Options, KeysThatAreRefusedGiveTheirReason) {
  expect_error([] { options_of("xnor", "1"); }, {"a.cfg:12: [test] xnor=1: this is not trained here; remove it"});
}

TEST(Options, CommentsAreTakenOffTextsWithATranslation) {
  const cfg::CfgSection section{"test", 7, {{"primary", "truth", 12, true}, {"size", "5", 13, true}}};
  cfg::Translations translations(cfg::Reading::kTranslating);
  const cfg::Options options("a.cfg", section, specs(), {}, &translations);
  EXPECT_EQ(options.text("primary"), "truth");
  EXPECT_EQ(options.integer("size"), 5);
  ASSERT_EQ(translations.list().size(), 1U);
  EXPECT_EQ(translations.list()[0].where, "a.cfg:12: [test] primary=truth");
  expect_error([&] { cfg::Options("a.cfg", section, specs()); },
               {"a.cfg:12: [test] primary=truth", "a line of its own"});
}

TEST(Options, ASetValueCountsAsWritten) {
  cfg::Options options = options_of({{"size", "5", 9}});
  options.set("size", "7");
  options.set("lambda", "0.5");
  EXPECT_EQ(options.integer("size"), 7);
  EXPECT_TRUE(options.given("lambda"));
  EXPECT_EQ(options.section().entries.size(), 2U);
}

TEST(Options, PlacesAreNamed) {
  const cfg::Options options = options_of({{"size", "5", 9}});
  EXPECT_EQ(options.where(), "a.cfg:7: [test]");
  EXPECT_EQ(options.where("size"), "a.cfg:9: [test] size=5");
  EXPECT_EQ(options.where("lambda"), "a.cfg:7: [test] lambda");
  // The command line has no lines.
  const cfg::Options line("command line", cfg::CfgSection{"tsd", 0, {{"size", "5", 0}}}, specs());
  EXPECT_EQ(line.where(), "command line: [tsd]");
  EXPECT_EQ(line.where("size"), "command line: [tsd] size=5");
}

TEST(Options, WhatIsMissingIsNamed) {
  const cfg::Options options = options_of({});
  expect_error([&] { options.text("teacher"); }, {"a.cfg:7: [test]: teacher= is missing"});
  expect_error([&] { options.require("size", "say how large"); }, {"size= is missing; say how large"});
  EXPECT_NO_THROW(options_of("size", "5").require("size", ""));
}

TEST(Options, TheHostSeesItsOwnKeysOnlyAsTheyWereWritten) {
  const cfg::Options options =
      options_of({{"size", "+5", 8}, {"lambda", "0.5", 9}, {"primary", "top", 10}, {"scales", ".1, 1", 11}});
  std::string seen;
  for (const cfg::CfgEntry& entry : options.host_entries()) seen += entry.key + "=" + entry.value + "\n";
  EXPECT_EQ(seen, "size=+5\nscales=.1, 1\n");
}

TEST(Options, AllowedTextsSayTypeAndRange) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(cfg::allowed_text(cfg::flag_option("a", "", "")), "0 or 1");
  EXPECT_EQ(cfg::allowed_text(cfg::text_option("a", "", "")), "text");
  EXPECT_EQ(cfg::allowed_text(cfg::integer_option("a", "", 2, 1 << 20, "")), "a whole number from 2 to 1048576");
  EXPECT_EQ(cfg::allowed_text(cfg::real_option("a", "", -infinity, infinity, "")), "a number");
  EXPECT_EQ(cfg::allowed_text(cfg::real_option("a", "", 0, infinity, "")), "a number of at least 0");
  EXPECT_EQ(cfg::allowed_text(cfg::real_option("a", "", -infinity, 0.25, "")), "a number of at most 0.25");
  EXPECT_EQ(cfg::allowed_text(cfg::open_low(cfg::real_option("a", "", 0, infinity, ""))), "a number above 0");
  EXPECT_EQ(cfg::allowed_text(cfg::open_high(cfg::open_low(cfg::real_option("a", "", 0, 1, "")))),
            "a number above 0 and below 1");
}

}  // namespace
}  // namespace dng
