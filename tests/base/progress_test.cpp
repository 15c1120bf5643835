#include "base/progress.h"

#include <gtest/gtest.h>

namespace dng {
namespace {

const std::string kStatus = " 50 % 40/80 batches, 12/s, 3 s left, epoch 1.00, loss 2.3, rate 0.1";

TEST(Progress, BarShrinksToTheTerminal) {
  const std::string wide = Progress::bar_line("training", 0.5, kStatus, 200);
  EXPECT_EQ(wide, "training [############............] " + kStatus);
  const std::string narrow = Progress::bar_line("training", 0.5, kStatus, 90);
  EXPECT_EQ(narrow.size(), 89u) << "one column less, or the terminal scrolls";
  EXPECT_EQ(narrow, "training [#####.....] " + kStatus) << "the status is whole";
}

TEST(Progress, StatusIsCutWhereNoBarFits) {
  EXPECT_EQ(Progress::bar_line("training", 0.5, kStatus, 60), ("training " + kStatus).substr(0, 59));
  EXPECT_EQ(Progress::bar_line("training", 0.5, kStatus, 1), "");
}

}  // namespace
}  // namespace dng
