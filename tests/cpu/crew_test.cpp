#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "cpu/parallel.h"
#include "tests/cpu/thread_count.h"

namespace dng {
namespace {

class CrewTest : public testing::Test {
  const test::ThreadCount guard_{3};
};

// A loop of 3 threads that took 0.2 s, and what processor time they got.
constexpr double kWall = 0.2;

TEST_F(CrewTest, KeepsThreadsThatGainMoreThanOneFewerWould) {
  cpu::Crew::report(3, kWall, 2.8 * kWall);
  cpu::Crew::report(3, kWall, 2.0 * kWall);
  EXPECT_EQ(omp_get_max_threads(), 3);
}

TEST_F(CrewTest, BacksOffFromAThreadThatIsHeldUp) {
  cpu::Crew::report(3, kWall, 1.5 * kWall);
  EXPECT_EQ(omp_get_max_threads(), 2);
  // Another one, and never the last.
  cpu::Crew::report(2, kWall, 0.8 * kWall);
  EXPECT_EQ(omp_get_max_threads(), 1);
  cpu::Crew::report(1, kWall, 0.1 * kWall);
  EXPECT_EQ(omp_get_max_threads(), 1);
}

TEST_F(CrewTest, DoesNotJudgeBeforeItHasSeenEnough) {
  cpu::Crew::report(3, 0.01, 0.01);
  EXPECT_EQ(omp_get_max_threads(), 3);
  // Loops too short for all threads say nothing.
  cpu::Crew::report(2, kWall, 0.1 * kWall);
  EXPECT_EQ(omp_get_max_threads(), 3);
}

TEST_F(CrewTest, ForgetsWhenAnotherNumberIsAskedFor) {
  cpu::Crew::report(3, kWall, 1.5 * kWall);
  omp_set_num_threads(5);
  cpu::Crew::end_back_off();
  EXPECT_EQ(omp_get_max_threads(), 5);
  cpu::Crew::report(5, kWall, 3.5 * kWall);
  EXPECT_EQ(omp_get_max_threads(), 4);
}

TEST_F(CrewTest, TriesAgainAfterARest) {
  cpu::Crew::report(3, kWall, 1.5 * kWall);
  cpu::Crew::end_back_off();
  EXPECT_EQ(omp_get_max_threads(), 2);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // a rest is a second
  cpu::Crew::end_back_off();
  EXPECT_EQ(omp_get_max_threads(), 3);
}

}  // namespace
}  // namespace dng
