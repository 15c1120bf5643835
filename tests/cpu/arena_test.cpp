// Where buffers are placed, the threads' workspace memory, micro-batches, and what a network takes in all.
#include "cpu/arena.h"
#include "graph/buffers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <set>
#include <stdexcept>

#include "base/random.h"
#include "cpu/parallel.h"
#include "cpu/workspace.h"
#include "tests/cpu/thread_count.h"
#include "tests/network/sample_networks.h"

namespace dng::test {
namespace {

size_t rounded(size_t floats) { return (floats + 15) / 16 * 16; }

// The most that is alive at one tick: what no placement can do without.
size_t largest_sum(const std::vector<graph::Buffer>& buffers, int ticks) {
  size_t largest = 0;
  for (int tick = 0; tick <= ticks; ++tick) {
    size_t sum = 0;
    for (const graph::Buffer& buffer : buffers) {
      if (buffer.birth <= tick && tick <= buffer.death) sum += rounded(buffer.size);
    }
    largest = std::max(largest, sum);
  }
  return largest;
}

bool alive_together(const graph::Buffer& a, const graph::Buffer& b) { return a.birth <= b.death && b.birth <= a.death; }
bool overlap(const graph::Buffer& a, const graph::Buffer& b) {
  return a.size > 0 && b.size > 0 && a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

void expect_placed(const std::vector<graph::Buffer>& buffers, size_t total, int ticks) {
  EXPECT_GE(total, largest_sum(buffers, ticks));
  size_t end = 0;
  for (size_t i = 0; i < buffers.size(); ++i) {
    EXPECT_EQ(buffers[i].offset % 16, 0U);
    EXPECT_LE(buffers[i].offset + buffers[i].size, total);
    end = std::max(end, buffers[i].offset + rounded(buffers[i].size));
    for (size_t k = 0; k < i; ++k) {
      EXPECT_FALSE(alive_together(buffers[i], buffers[k]) && overlap(buffers[i], buffers[k])) << i << " and " << k;
    }
  }
  EXPECT_EQ(end, total) << "memory that nobody uses";
}

TEST(PlaceTest, NothingTakesNothing) {
  std::vector<graph::Buffer> buffers;
  EXPECT_EQ(graph::place(&buffers), 0U);
  buffers = {{0, 0, 5, 0}};
  EXPECT_EQ(graph::place(&buffers), 0U);
}

TEST(PlaceTest, BuffersAliveAtOneTickLieApart) {
  std::vector<graph::Buffer> buffers = {{32, 0, 3, 0}, {32, 3, 5, 0}};
  EXPECT_EQ(graph::place(&buffers), 64U);
  buffers = {{32, 0, 2, 0}, {32, 3, 5, 0}};
  EXPECT_EQ(graph::place(&buffers), 32U);
}

TEST(PlaceTest, SizesAreRoundedToALine) {
  std::vector<graph::Buffer> buffers = {{17, 0, 3, 0}, {1, 0, 3, 0}};
  EXPECT_EQ(graph::place(&buffers), 48U);
}

TEST(PlaceTest, ASmallBufferGoesIntoAGap) {
  // 100 and 60 leave a gap of 40 where the one of 160 is not alive.
  std::vector<graph::Buffer> buffers = {{160, 0, 1, 0}, {96, 2, 3, 0}, {64, 2, 2, 0}, {16, 0, 1, 0}, {64, 3, 3, 0}};
  EXPECT_EQ(graph::place(&buffers), 176U);
}

// The buffers of a chain of layers, forward and backward: each output lives until its own backward pass.
TEST(PlaceTest, AChainTakesWhatIsAliveAtOnce) {
  constexpr int kLayers = 30;
  std::vector<graph::Buffer> buffers;
  for (int i = 0; i < kLayers; ++i) {
    buffers.push_back({1024, i, 2 * kLayers - i, 0});
    buffers.push_back({1024, 2 * kLayers - i - 1, 2 * kLayers - i, 0});
  }
  const size_t total = graph::place(&buffers);
  expect_placed(buffers, total, 2 * kLayers);
  EXPECT_EQ(total, largest_sum(buffers, 2 * kLayers));
}

TEST(PlaceTest, RandomBuffersNeverOverlap) {
  double worst = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    CounterRandom random(seed, Stream::kTest, 0, 5);
    const int ticks = 1 + static_cast<int>(random.below(40));
    std::vector<graph::Buffer> buffers(1 + random.below(60));
    for (graph::Buffer& buffer : buffers) {
      buffer.size = random.below(4) == 0 ? random.below(20) : random.below(5000);
      buffer.birth = static_cast<int>(random.below(static_cast<uint32_t>(ticks)));
      buffer.death = buffer.birth + static_cast<int>(random.below(static_cast<uint32_t>(ticks - buffer.birth)));
      buffer.offset = 12345;
    }
    SCOPED_TRACE(seed);
    const size_t total = graph::place(&buffers);
    expect_placed(buffers, total, ticks);
    const size_t least = largest_sum(buffers, ticks);
    if (least > 0) worst = std::max(worst, static_cast<double>(total) / static_cast<double>(least));
  }
  // Placing the largest first is no optimum; much beyond it something would be wrong.
  EXPECT_LT(worst, 1.6);
  RecordProperty("worst", format("%.3f", worst));
}

TEST(ArenaTest, MemoryIsZeroAndAligned) {
  cpu::Arena arena;
  for (const size_t floats : {size_t{0}, size_t{1}, size_t{1000000}, size_t{100}}) {
    arena.allocate(floats);
    EXPECT_EQ(arena.size(), floats);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(arena.at(0)) % 64, 0U);
    EXPECT_TRUE(std::all_of(arena.at(0), arena.at(floats), [](float x) { return x == 0; }));
    std::fill(arena.at(0), arena.at(floats), 1.0f);
  }
}

TEST(ArenaTest, TooMuchMemoryIsAnErrorThatSaysHowMuch) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers end a program that asks for so much";
#endif
  cpu::Arena arena;
  expect_error([&] { arena.allocate(size_t{1} << 58); }, {"GiB", "batch="});
}

TEST(WorkspaceTest, EveryBlockIsAlignedAndOnItsOwn) {
  cpu::Workspace workspace;
  std::vector<std::pair<float*, size_t>> taken;
  for (const size_t count : {size_t{0}, size_t{1}, size_t{15}, size_t{16}, size_t{17}, size_t{1000}, size_t{300000},
                             size_t{5}, size_t{2000000}, size_t{1}}) {
    float* memory = workspace.take(count);
    ASSERT_NE(memory, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 64, 0U) << count;
    std::fill_n(memory, count, static_cast<float>(taken.size()));
    taken.emplace_back(memory, count);
  }
  for (size_t i = 0; i < taken.size(); ++i) {
    EXPECT_TRUE(std::all_of(taken[i].first, taken[i].first + taken[i].second, [&](float x) {
      return x == static_cast<float>(i);
    })) << i;
  }
}

TEST(WorkspaceTest, WhatIsGivenBackComesAgain) {
  cpu::Workspace workspace;
  workspace.take(100);
  const cpu::Workspace::Mark mark = workspace.mark();
  std::vector<float*> first, second;
  for (const size_t count : {size_t{10}, size_t{200000}, size_t{200000}, size_t{3000000}})
    first.push_back(workspace.take(count));
  workspace.release(mark);
  for (const size_t count : {size_t{10}, size_t{200000}, size_t{200000}, size_t{3000000}})
    second.push_back(workspace.take(count));
  EXPECT_EQ(first, second) << "the same addresses, block after block";
}

TEST(WorkspaceTest, FramesNest) {
  cpu::Workspace workspace;
  float* outer = workspace.take(8);
  *outer = 7;
  float* inner = nullptr;
  {
    const cpu::WorkspaceFrame frame(&workspace);
    inner = workspace.take(64);
    {
      const cpu::WorkspaceFrame deeper(&workspace);
      EXPECT_NE(workspace.take(64), inner);
    }
    EXPECT_EQ(workspace.take(16), inner + 64);
  }
  EXPECT_EQ(workspace.take(64), inner);
  EXPECT_EQ(*outer, 7);
}

TEST(ParallelTest, EveryTaskRunsOnce) {
  for (const int count : {0, 1, 2, 7, 100}) {
    std::vector<std::atomic<int>> runs(static_cast<size_t>(count));
    cpu::for_tasks(count, [&](int i, cpu::Workspace&) { ++runs[static_cast<size_t>(i)]; });
    for (const auto& times : runs) EXPECT_EQ(times, 1);
  }
}

TEST(ParallelTest, EveryImageIsInOneRange) {
  for (const int count : {0, 1, 5, 16, 17}) {
    for (const int images : {1, 2, 4, 16, 20}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(count));
      cpu::for_ranges(count, images, [&](const graph::Range& range, cpu::Workspace&) {
        EXPECT_EQ(range.first % images, 0);
        EXPECT_GE(range.count, 1);
        EXPECT_LE(range.count, images);
        for (int i = range.first; i < range.first + range.count; ++i) ++runs[static_cast<size_t>(i)];
      });
      for (const auto& times : runs) EXPECT_EQ(times, 1) << count << " by " << images;
    }
  }
}

TEST(ParallelTest, WhatATaskThrowsComesOut) {
  const auto throws = [](int which) {
    cpu::for_tasks(20, [&](int i, cpu::Workspace&) {
      if (i == which || which < 0) throw std::out_of_range("task " + std::to_string(i));
    });
  };
  for (const int which : {0, 7, 19}) {
    try {
      throws(which);
      ADD_FAILURE() << "nothing came out";
    } catch (const std::out_of_range& error) {
      EXPECT_EQ(error.what(), "task " + std::to_string(which));
    }
  }
  EXPECT_THROW(throws(-1), std::out_of_range);
  EXPECT_NO_THROW(throws(20));
  expect_error([] { cpu::for_ranges(8, 2, [](const graph::Range&, cpu::Workspace&) { fail("a range fails"); }); },
               {"a range fails"});
}

TEST(ParallelTest, ATaskThatThrowsGivesItsWorkspaceBack) {
  const auto place_of = [] {
    const cpu::WorkspaceFrame frame(&cpu::thread_workspace());
    return cpu::thread_workspace().take(16);
  };
  const ThreadCount guard(1);
  const float* first = place_of();
  EXPECT_THROW(cpu::for_tasks(3,
                              [](int, cpu::Workspace& workspace) {
                                workspace.take(1000);
                                throw std::runtime_error("no");
                              }),
               std::runtime_error);
  EXPECT_EQ(place_of(), first);
}

TEST(MicroBatchTest, DividesTheBatchAndLeavesEnoughOfThem) {
  for (int batch = 1; batch <= 130; ++batch) {
    for (const size_t bytes : {size_t{1}, size_t{5000}, size_t{300000}, size_t{1} << 20, size_t{1} << 30}) {
      for (const int least : {1, 2, 4, 8}) {
        const int images = cpu::micro_batch_of(batch, bytes, least);
        ASSERT_GE(images, 1);
        ASSERT_EQ(batch % images, 0) << batch;
        if (images > 1) {
          ASSERT_GE(batch / images, least);
          ASSERT_LE(static_cast<size_t>(images) * bytes, size_t{2} << 20);
        }
      }
    }
  }
  EXPECT_EQ(cpu::micro_batch_of(128, 1, 4), 32);
  EXPECT_EQ(cpu::micro_batch_of(128, 1, 2), 64);
  EXPECT_EQ(cpu::micro_batch_of(127, 1, 4), 1);
  EXPECT_EQ(cpu::micro_batch_of(3, 1, 4), 1);
  EXPECT_EQ(cpu::micro_batch_of(128, size_t{1} << 30, 4), 1);
}

// --- what a network takes --------------------------------------------------------------------------------------------

network::NetworkSettings reference_settings() {
  network::NetworkSettings settings;
  settings.reference = true;
  return settings;
}

TEST(NetworkMemoryTest, AnEvaluationHasNoMemoryForTraining) {
  const std::string text = net_text(8, {3, 12, 12}) + residual_layers({16, 32}, 1) + head() + "[softmax]\n";
  EXPECT_EQ(network::Network(config_of(text), network::NetworkSettings::evaluation()).training_bytes(), 0U);
  EXPECT_GT(network::Network(config_of(text)).training_bytes(), 0U);
}

TEST(NetworkMemoryTest, TheFastWayTakesLess) {
  const std::vector<std::string> networks = {residual_layers({16, 32}, 2), dense_layers(12, 2, 4),
                                             dense_layers(5, 2, 4)};
  for (const std::string& layers : networks) {
    const std::string text = net_text(8, {3, 12, 12}) + layers + head() + "[softmax]\n";
    const size_t fast = network::Network(config_of(text)).training_bytes();
    const size_t plain = network::Network(config_of(text), reference_settings()).training_bytes();
    EXPECT_LT(2 * fast, plain) << text;
  }
}

// An output that a batch norm can compute again is not saved: what a block costs is its two convolutions and the sum.
TEST(NetworkMemoryTest, ABlockTakesItsConvolutionsAndItsSum) {
  const auto bytes = [](int blocks) {
    const std::string text = net_text(8, {3, 16, 16}) + residual_layers({16}, blocks) + head() + "[softmax]\n";
    return network::Network(config_of(text)).training_bytes();
  };
  constexpr size_t kTensor = 8 * 16 * 16 * 16 * sizeof(float);
  const size_t more = bytes(9) - bytes(8);
  EXPECT_LE(more, 3 * kTensor);
  EXPECT_GE(more, 2 * kTensor);
}

}  // namespace
}  // namespace dng::test
