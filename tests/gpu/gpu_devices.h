// The GPUs that tests run on: the emulated one everywhere, and the device where there is one.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "gpu/open.h"
#include "layers/gpu_kernels.h"
#include "network/network.h"
#include "tests/gpu/emulated_gpu.h"

namespace dng::test {

enum class GpuKind { kEmulated, kCuda };

// Null where there is no such device.
inline std::shared_ptr<gpu::Gpu> gpu_of(GpuKind kind) {
  if (kind == GpuKind::kEmulated) return emulated_gpu();
  // Never closed: at the end of the process the driver may be gone before us.
  static std::string why;
  static const auto* const device = new std::shared_ptr<gpu::Gpu>(gpu::open_first(layers::gpu_kernels(), &why));
  return *device;
}

inline network::NetworkSettings on(const std::shared_ptr<gpu::Gpu>& gpu, bool reference = false) {
  network::NetworkSettings settings;
  settings.gpu = gpu;
  settings.reference = reference;
  return settings;
}

// Opens the GPU for each test, or skips it.
template <GpuKind kind>
class GpuTest : public testing::Test {
 protected:
  void SetUp() override {
    gpu_ = gpu_of(kind);
    if (gpu_ == nullptr) GTEST_SKIP() << "there is no GPU that this build can use";
  }
  std::shared_ptr<gpu::Gpu> gpu_;
};

// A test of a GPU, as Emulated<suite>.<name> and as Cuda<suite>.<name>; its body follows and sees `gpu`.
#define DNG_GPU_TEST(suite, name)                                                     \
  static void suite##_##name(const std::shared_ptr<gpu::Gpu>& gpu);                   \
  TEST(Emulated##suite, name) { suite##_##name(gpu_of(GpuKind::kEmulated)); }         \
  TEST(Cuda##suite, name) {                                                           \
    const std::shared_ptr<gpu::Gpu> device = gpu_of(GpuKind::kCuda);                  \
    if (device == nullptr) GTEST_SKIP() << "there is no GPU that this build can use"; \
    suite##_##name(device);                                                           \
  }                                                                                   \
  static void suite##_##name([[maybe_unused]] const std::shared_ptr<gpu::Gpu>& gpu)

}  // namespace dng::test
