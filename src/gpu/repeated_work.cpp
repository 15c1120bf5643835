#include "gpu/repeated_work.h"

#include <cstdio>

#include "base/error.h"

namespace dng::gpu {
namespace {

// Null where it fails. An error of the work itself comes again when it runs.
std::unique_ptr<CapturedGraph> capture(Gpu* gpu, const std::function<void()>& queue) {
  std::string why, error;
  gpu->begin_capture();
  try {
    queue();
  } catch (const Error& e) {
    error = e.what();
  }
  std::unique_ptr<CapturedGraph> graph = gpu->end_capture(&why);
  if (error.empty() && graph != nullptr) return graph;
  // Not to stdout, where -json may write.
  std::fprintf(stderr, "%s: CUDA graph capture failed (%s); launching kernels one by one, which is slower\n",
               gpu->name().c_str(), error.empty() ? why.c_str() : error.c_str());
  return nullptr;
}

}  // namespace

void RepeatedWork::run(Gpu* gpu, const std::function<void()>& queue) {
  if (graph_ == nullptr && warm_ && gpu->captures) {
    graph_ = capture(gpu, queue);
    gpu->captures = graph_ != nullptr;
  }
  warm_ = true;
  if (graph_ != nullptr) return graph_->run();
  queue();
}

}  // namespace dng::gpu
