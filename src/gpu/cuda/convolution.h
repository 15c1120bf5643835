// Convolutions by cuDNN.
//
// Which of cuDNN's algorithms is fastest is measured once for each shape; algorithms whose results change from run to
// run are left out. The choice is saved in a file (in $XDG_CACHE_HOME, or ~/.cache), so that later runs start sooner
// and give the same bits. Where cuDNN has none for a shape, gpu/plain_convolution.h convolves.
#pragma once

#include <cudnn.h>

#include <map>
#include <memory>
#include <string>

#include "gpu/shared_workspace.h"

namespace dng::cuda {

void check_cudnn(cudnnStatus_t status, const char* what);

// An algorithm, as cuDNN numbers them, for one of the three directions of a shape.
struct Choice {
  int algorithm = -1;  // below zero: cuDNN has none
  int math = 0;
  size_t workspace = 0;
};

// What was measured before, by the text of device, version, shape and direction.
class Choices {
 public:
  // `device`: all else that decides which is the fastest.
  explicit Choices(const std::string& device);
  const Choice* find(const std::string& key) const;
  void add(const std::string& key, const Choice& choice);

 private:
  std::string device_, path_;
  std::map<std::string, Choice> known_;
};

std::unique_ptr<gpu::Convolution> make_cudnn_convolution(gpu::Gpu* gpu, cudnnHandle_t handle,
                                                         gpu::SharedWorkspace* workspace, Choices* choices,
                                                         const gpu::ConvolutionShape& shape, bool trains);
// gpu/built_in_convolution.h (null where there is none for the shape) and gpu/plain_convolution.h, compiled for the
// device.
std::unique_ptr<gpu::Convolution> make_built_in_convolution(gpu::Gpu* gpu, const gpu::ConvolutionShape& shape,
                                                            bool trains, gpu::SharedWorkspace* workspace);
std::unique_ptr<gpu::Convolution> make_plain_convolution(gpu::Gpu* gpu, const gpu::ConvolutionShape& shape);

}  // namespace dng::cuda
