// Convolutions by cuDNN.
//
// Which of cuDNN's algorithms is fastest is measured once for each shape; algorithms whose results change from run to
// run are left out. The choice is kept in a file (in $XDG_CACHE_HOME, or ~/.cache), so that later runs start sooner and
// give the same bits. Where cuDNN has nothing for a shape, our own plain loops stand in.
#pragma once

#include <cudnn.h>

#include <map>
#include <memory>
#include <string>

#include "gpu/gpu.h"

namespace dng::cuda {

void check_cudnn(cudnnStatus_t status, const char* what);

// Memory that all convolutions share, one after the other.
class SharedWorkspace {
 public:
  explicit SharedWorkspace(gpu::Gpu* gpu) : gpu_(gpu) {}
  // At least so much. Not while recordings are alive: they hold the address. False where there is not so much memory.
  bool reserve(size_t bytes);
  // A convolution goes on needing so much; what nobody does is given back.
  void keep(size_t bytes);
  // A recording begins and ends to live.
  void hold() { ++recordings_; }
  void let_go() { --recordings_; }
  void* data() const { return memory_.data(); }
  size_t bytes() const { return memory_.bytes(); }

 private:
  gpu::Gpu* gpu_;
  gpu::Memory memory_;
  size_t kept_ = 0;
  int recordings_ = 0;
};

// An algorithm, as cuDNN numbers them, for one of the three directions of a shape.
struct Choice {
  int algorithm = -1;  // below zero: cuDNN has none
  int math = 0;
  size_t workspace = 0;
};

// What was measured before, by the text of device, version, shape and direction.
class Choices {
 public:
  // `device`: what else decides which is the fastest.
  explicit Choices(const std::string& device);
  const Choice* find(const std::string& key) const;
  void add(const std::string& key, const Choice& choice);

 private:
  std::string device_, path_;
  std::map<std::string, Choice> known_;
};

std::unique_ptr<gpu::Convolution> make_cudnn_convolution(gpu::Gpu* gpu, cudnnHandle_t handle,
                                                         SharedWorkspace* workspace, Choices* choices,
                                                         const gpu::ConvolutionShape& shape, bool trains);
// Our own loops (gpu/plain_convolution.h), compiled for the device.
std::unique_ptr<gpu::Convolution> make_plain_convolution(gpu::Gpu* gpu, const gpu::ConvolutionShape& shape);

}  // namespace dng::cuda
