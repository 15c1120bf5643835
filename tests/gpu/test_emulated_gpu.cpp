#include "tests/gpu/emulated_gpu.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "gpu/built_in_convolution.h"
#include "gpu/operations.cu"
#include "gpu/plain_convolution.h"
#include "kernel_sources.h"

namespace dng::test {
namespace {

class EmulatedGraph final : public gpu::CapturedGraph {
 public:
  EmulatedGraph(emulated::Captured work, gpu::SharedWorkspace* workspace)
      : work_(std::move(work)), workspace_(workspace) {
    workspace_->hold();
  }
  ~EmulatedGraph() override { workspace_->release(); }
  EmulatedGraph(const EmulatedGraph&) = delete;
  EmulatedGraph& operator=(const EmulatedGraph&) = delete;
  void run() override {
    for (const auto& item : work_) item();
  }

 private:
  emulated::Captured work_;
  gpu::SharedWorkspace* workspace_;
};

class EmulatedGpu final : public gpu::Gpu {
 public:
  EmulatedGpu(size_t bytes, bool records) : bytes_(bytes), records_(records) {}
  ~EmulatedGpu() override {
    workspace_.reset();
    for (const auto& entry : sizes_) std::free(entry.first);
  }
  std::string name() const override { return "an emulated GPU"; }
  std::string libraries() const override { return "none"; }

  std::unique_ptr<gpu::Kernel> make_kernel(const graph::LayerConfig& layer) override {
    return emulated::make_kernel(layer);
  }
  std::unique_ptr<gpu::Convolution> make_convolution(const gpu::ConvolutionShape& shape, bool trains) override {
    std::unique_ptr<gpu::Convolution> built_in = emulated::built_in_convolution(this, shape, trains, workspace_.get());
    if (built_in != nullptr) return built_in;
    return std::make_unique<emulated::PlainConvolution>(this, shape);
  }
  void multiply(const gpu::Product& product) override { emulated::plain_product(*this, product); }
  const gpu::Operations& operations() const override { return emulated::operations(); }

  void* allocate(size_t bytes) override {
    if (bytes > free_bytes()) return nullptr;
    void* memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    // Nothing may count on fresh memory being zero.
    std::memset(memory, 0xff, bytes);
    sizes_[memory] = bytes;
    used_ += bytes;
    return memory;
  }
  void release(void* memory) override {
    used_ -= sizes_.at(memory);
    sizes_.erase(memory);
    std::free(memory);
  }
  size_t free_bytes() override { return bytes_ - used_; }
  size_t spare_bytes() const override { return kEmulatedSpare; }
  void* allocate_pinned(size_t bytes) override { return std::calloc(1, bytes); }
  void release_pinned(void* memory) override { std::free(memory); }

  void copy_in(void* device, const void* host, size_t bytes) override {
    if (bytes > 0) emulated::launch(*this, [=] { std::memcpy(device, host, bytes); });
  }
  void copy_out(void* host, const void* device, size_t bytes) override {
    if (bytes > 0) std::memcpy(host, device, bytes);
  }
  // As late as it may be.
  void copy_in_beside(void* device, const void* pinned, size_t bytes, size_t mark) override {
    beside_[mark] = [=] { std::memcpy(device, pinned, bytes); };
  }
  void follow(size_t mark) override {
    const auto copy = beside_.find(mark);
    if (copy == beside_.end()) return;
    copy->second();
    beside_.erase(copy);
  }
  void zero(void* device, size_t bytes) override {
    if (bytes > 0) emulated::launch(*this, [=] { std::memset(device, 0, bytes); });
  }
  void finish() override {}
  void mark(size_t number) override { marks_[number] = Clock::now(); }
  void wait_for(size_t) override {}
  double seconds_between(size_t first, size_t second) override {
    return std::chrono::duration<double>(marks_.at(second) - marks_.at(first)).count();
  }
  void begin_capture() override { recorded_ = std::make_unique<emulated::Captured>(); }
  std::unique_ptr<gpu::CapturedGraph> end_capture(std::string* why) override {
    const std::unique_ptr<emulated::Captured> recorded = std::move(recorded_);
    *why = "it was told not to";
    return records_ ? std::make_unique<EmulatedGraph>(std::move(*recorded), workspace_.get()) : nullptr;
  }
  void* stream() override { return recorded_.get(); }
  int processors() const override { return 4; }

 private:
  using Clock = std::chrono::steady_clock;
  size_t bytes_, used_ = 0;
  bool records_;
  std::unique_ptr<emulated::Captured> recorded_;  // null: work runs at once
  std::map<void*, size_t> sizes_;
  std::map<size_t, std::function<void()>> beside_;
  std::unique_ptr<gpu::SharedWorkspace> workspace_ = std::make_unique<gpu::SharedWorkspace>(this);
  std::map<size_t, Clock::time_point> marks_;
};

}  // namespace

std::shared_ptr<gpu::Gpu> emulated_gpu(size_t bytes, bool records) {
  return std::make_shared<EmulatedGpu>(bytes, records);
}

}  // namespace dng::test
