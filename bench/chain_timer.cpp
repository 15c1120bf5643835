#include "bench/chain_timer.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <unordered_map>

#include "base/progress.h"

namespace dng::bench {
namespace {

constexpr size_t kPage = 4096;
constexpr int kLeast = 3;

// 0.25 to 1.25: no denormals, no zeros, and valid variances. Multiplication by an odd constant scatters the values.
void fill(float* values, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const uint32_t mixed = static_cast<uint32_t>(i) * 2654435769u;
    values[i] = 0.25f + static_cast<float>(mixed >> 8) / static_cast<float>(1 << 24);
  }
}

}  // namespace

void ChainTimer::Release::operator()(void* memory) const { std::free(memory); }

ChainTimer::ChainTimer(const std::vector<Task>& tasks, const dnnl::engine& engine) : engine_(engine), stream_(engine) {
  std::map<int, size_t> bytes;
  for (const Task& task : tasks) {
    for (const Candidate& candidate : task.candidates) {
      for (const Step& step : candidate.steps) {
        for (const Argument& argument : step.arguments) {
          size_t& most = bytes[argument.buffer];
          most = std::max(most, argument.desc.get_size());
        }
      }
    }
  }
  for (const auto& [buffer, size] : bytes) {
    const size_t whole = (size + kPage - 1) / kPage * kPage;
    void* memory = std::aligned_alloc(kPage, std::max(whole, kPage));
    if (memory == nullptr) throw std::bad_alloc();
    fill(static_cast<float*>(memory), whole / sizeof(float));
    buffers_[buffer].reset(memory);
  }
}

void ChainTimer::measure(const Candidate& candidate, double seconds, std::vector<double>* times) {
  std::vector<std::unordered_map<int, dnnl::memory>> arguments(candidate.steps.size());
  for (size_t i = 0; i < arguments.size(); ++i) {
    for (const Argument& argument : candidate.steps[i].arguments) {
      void* buffer = buffers_.at(argument.buffer).get();
      arguments[i].emplace(argument.id, dnnl::memory(argument.desc, engine_, buffer));
    }
  }
  const auto run = [&] {
    const double start = now_seconds();
    for (size_t i = 0; i < arguments.size(); ++i) candidate.steps[i].primitive.execute(stream_, arguments[i]);
    stream_.wait();
    return now_seconds() - start;
  };
  run();
  double sum = 0;
  for (int i = 0; i < kLeast || sum < seconds; ++i) {
    times->push_back(run());
    sum += times->back();
  }
}

}  // namespace dng::bench
