#include "gpu/cuda/convolution.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace dng::cuda {
namespace {

// The most that an algorithm may need.
constexpr size_t kMaxWorkspace = size_t{1} << 30;
// Of the trials.
constexpr size_t kTrialWorkspace = size_t{256} << 20;

// A cuDNN descriptor, destroyed at the end.
template <class Handle, cudnnStatus_t (*kCreate)(Handle*), cudnnStatus_t (*kDestroy)(Handle)>
struct Descriptor {
  Descriptor() { check_cudnn(kCreate(&value), "making a descriptor"); }
  ~Descriptor() { kDestroy(value); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Handle value = nullptr;
};
using TensorDescriptor = Descriptor<cudnnTensorDescriptor_t, cudnnCreateTensorDescriptor, cudnnDestroyTensorDescriptor>;
using FilterDescriptor = Descriptor<cudnnFilterDescriptor_t, cudnnCreateFilterDescriptor, cudnnDestroyFilterDescriptor>;
using ConvolutionDescriptor =
    Descriptor<cudnnConvolutionDescriptor_t, cudnnCreateConvolutionDescriptor, cudnnDestroyConvolutionDescriptor>;
using ActivationDescriptor =
    Descriptor<cudnnActivationDescriptor_t, cudnnCreateActivationDescriptor, cudnnDestroyActivationDescriptor>;

void describe(const TensorDescriptor& tensor, cudnnDataType_t type, int batch, const data::Geometry& shape) {
  check_cudnn(cudnnSetTensor4dDescriptor(tensor.value, CUDNN_TENSOR_NHWC, type, batch, shape.channels, shape.height,
                                         shape.width),
              "describing a tensor");
}

std::string cache_folder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') return std::string(cache) + "/darknet-generations";
  const char* home = std::getenv("HOME");
  if (home == nullptr || home[0] != '/') return "";
  const std::string base = std::string(home) + "/.cache";
  mkdir(base.c_str(), 0755);
  return base + "/darknet-generations";
}

class CudnnConvolution final : public gpu::Convolution {
 public:
  CudnnConvolution(gpu::Gpu* gpu, cudnnHandle_t handle, gpu::SharedWorkspace* workspace, Choices* choices,
                   const gpu::ConvolutionShape& shape, bool trains)
      : gpu_(gpu), handle_(handle), workspace_(workspace), choices_(choices), shape_(shape) {
    const cudnnDataType_t type = data_type();
    describe(x_, type, shape.batch, shape.in);
    describe(y_, type, shape.batch, shape.out);
    check_cudnn(cudnnSetFilter4dDescriptor(w_.value, type, CUDNN_TENSOR_NHWC, shape.out.channels,
                                           shape.in.channels / shape.groups, shape.size_y, shape.size_x),
                "describing the weights");
    math_ = shape.precision == gpu::Precision::kFp32 ? CUDNN_FMA_MATH : CUDNN_TENSOR_OP_MATH;
    for (ConvolutionDescriptor& c : convolution_) {
      check_cudnn(
          cudnnSetConvolution2dDescriptor(c.value, shape.padding, shape.padding, shape.stride_y, shape.stride_x,
                                          shape.dilation, shape.dilation, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
          "describing a convolution");
      check_cudnn(cudnnSetConvolutionGroupCount(c.value, shape.groups), "setting the groups");
      check_cudnn(cudnnSetConvolutionMathType(c.value, math_), "setting the precision");
    }
    const size_t bytes = gpu::bytes_of(gpu::activation_type(shape.precision));
    const auto batch = static_cast<size_t>(shape.batch);
    gpu::Memory x, y, w;
    // Where there is no room for a trial, cuDNN is asked instead of the clock.
    const bool room = x.allocate(gpu, batch * shape.in.size() * bytes) &&
                      y.allocate(gpu, batch * shape.out.size() * bytes) && w.allocate(gpu, shape.weights() * bytes);
    for (int direction = 0; direction < (trains ? 3 : 1); ++direction) {
      choose(direction, room ? x.data() : nullptr, w.data(), y.data());
      if (choice_[direction].algorithm >= 0) continue;
      // Not to stdout, where -json may write.
      std::fprintf(stderr, "cuDNN has no algorithm for a convolution (%s); using plain loops, which are slow\n",
                   key_of(direction).c_str());
      if (plain_ == nullptr) plain_ = make_plain_convolution(gpu, shape);
    }
    size_t largest = 0;
    for (const Choice& c : choice_) largest = std::max(largest, c.workspace);
    workspace_->keep(largest);
  }

  void forward(const void* x, const void* weights, void* y) override {
    if (choice_[kForward].algorithm < 0) return plain_->forward(x, weights, y);
    check_cudnn(run_forward(choice_[kForward], x, weights, y), "a convolution");
  }
  bool forward_fused(const void* x, const void* weights, const void* bias, const void* addend,
                     math::Activation activation, void* y) override {
    const bool relu = activation == math::Activation::kRelu;
    if (!relu && activation != math::Activation::kLinear) return false;
    // cuDNN fuses with this algorithm in any case, with others only now and then.
    if (!fuses_ || choice_[kForward].algorithm != CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM) return false;
    if (bias_ == nullptr) {
      bias_ = std::make_unique<TensorDescriptor>();
      describe(*bias_, data_type(), 1, {shape_.out.channels, 1, 1});
      ending_ = std::make_unique<ActivationDescriptor>();
    }
    check_cudnn(cudnnSetActivationDescriptor(ending_->value, relu ? CUDNN_ACTIVATION_RELU : CUDNN_ACTIVATION_IDENTITY,
                                             CUDNN_PROPAGATE_NAN, 0),
                "describing an activation");
    const float one = 1, other = addend != nullptr ? 1.0f : 0.0f;
    const cudnnStatus_t status = cudnnConvolutionBiasActivationForward(
        handle_, &one, x_.value, x, w_.value, weights, convolution_[kForward].value,
        static_cast<cudnnConvolutionFwdAlgo_t>(choice_[kForward].algorithm), workspace_->data(),
        choice_[kForward].workspace, &other, y_.value, addend != nullptr ? addend : y, bias_->value, bias,
        ending_->value, y_.value, y);
    fuses_ = status == CUDNN_STATUS_SUCCESS;
    return fuses_;
  }
  void backward_data(const void* weights, const void* dy, void* dx, bool add) override {
    if (choice_[kData].algorithm < 0) return plain_->backward_data(weights, dy, dx, add);
    check_cudnn(run_data(choice_[kData], weights, dy, dx, add), "the gradient of a convolution's input");
  }
  void backward_weights(const void* x, const void* dy, void* dweights, bool add) override {
    if (choice_[kWeights].algorithm < 0) return plain_->backward_weights(x, dy, dweights, add);
    check_cudnn(run_weights(choice_[kWeights], x, dy, dweights, add), "the gradient of a convolution's weights");
  }

 private:
  enum Direction { kForward = 0, kData = 1, kWeights = 2 };

  cudnnDataType_t data_type() const {
    const bool half = gpu::activation_type(shape_.precision) == gpu::Type::kBFloat16;
    return half ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
  }

  cudnnStatus_t run_forward(const Choice& c, const void* x, const void* w, void* y) {
    const float one = 1, zero = 0;
    return cudnnConvolutionForward(handle_, &one, x_.value, x, w_.value, w, convolution_[kForward].value,
                                   static_cast<cudnnConvolutionFwdAlgo_t>(c.algorithm), workspace_->data(), c.workspace,
                                   &zero, y_.value, y);
  }
  cudnnStatus_t run_data(const Choice& c, const void* w, const void* dy, void* dx, bool add) {
    const float one = 1, beta = add ? 1.0f : 0.0f;
    return cudnnConvolutionBackwardData(handle_, &one, w_.value, w, y_.value, dy, convolution_[kData].value,
                                        static_cast<cudnnConvolutionBwdDataAlgo_t>(c.algorithm), workspace_->data(),
                                        c.workspace, &beta, x_.value, dx);
  }
  cudnnStatus_t run_weights(const Choice& c, const void* x, const void* dy, void* dw, bool add) {
    const float one = 1, beta = add ? 1.0f : 0.0f;
    return cudnnConvolutionBackwardFilter(handle_, &one, x_.value, x, y_.value, dy, convolution_[kWeights].value,
                                          static_cast<cudnnConvolutionBwdFilterAlgo_t>(c.algorithm), workspace_->data(),
                                          c.workspace, &beta, w_.value, dw);
  }

  enum class Outcome { kWorks, kFails, kNoRoom };

  // Sets the workspace that the choice needs in the precision it will run with. False: it does not support this shape.
  bool ask_workspace(int direction, Choice* c) {
    const cudnnConvolutionDescriptor_t d = convolution_[direction].value;
    const cudnnStatus_t status =
        direction == kForward ? cudnnGetConvolutionForwardWorkspaceSize(
                                    handle_, x_.value, w_.value, d, y_.value,
                                    static_cast<cudnnConvolutionFwdAlgo_t>(c->algorithm), &c->workspace)
        : direction == kData
            ? cudnnGetConvolutionBackwardDataWorkspaceSize(handle_, w_.value, y_.value, d, x_.value,
                                                           static_cast<cudnnConvolutionBwdDataAlgo_t>(c->algorithm),
                                                           &c->workspace)
            : cudnnGetConvolutionBackwardFilterWorkspaceSize(handle_, x_.value, y_.value, d, w_.value,
                                                             static_cast<cudnnConvolutionBwdFilterAlgo_t>(c->algorithm),
                                                             &c->workspace);
    return status == CUDNN_STATUS_SUCCESS && c->workspace <= kMaxWorkspace;
  }

  // Whether the choice works, adding to its output or not. Sets its workspace: an algorithm has several kernels, and
  // the size of the workspace may decide which of them runs; so every call has the same.
  Outcome works(int direction, Choice* c, char* x, char* w, char* y) {
    if (cudnnSetConvolutionMathType(convolution_[direction].value, static_cast<cudnnMathType_t>(c->math)) !=
            CUDNN_STATUS_SUCCESS ||
        !ask_workspace(direction, c)) {
      return Outcome::kFails;
    }
    if (!workspace_->reserve(c->workspace)) return Outcome::kNoRoom;
    if (x == nullptr) return Outcome::kWorks;
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
    for (const bool add : {false, true}) {
      if (status == CUDNN_STATUS_SUCCESS) status = run(direction, *c, x, w, y, add);
    }
    gpu_->finish();
    return status == CUDNN_STATUS_SUCCESS ? Outcome::kWorks : Outcome::kFails;
  }

  cudnnStatus_t run(int direction, const Choice& c, char* x, char* w, char* y, bool add) {
    return direction == kForward ? run_forward(c, x, w, y)
           : direction == kData  ? run_data(c, w, y, x, add)
                                 : run_weights(c, x, y, w, add);
  }

  // Of a choice that works. cuDNN itself measures single runs, the first ones on a GPU whose clock is low: of the
  // choices of two starts, one took half again as long as the other.
  double seconds_of(int direction, const Choice& c, char* x, char* w, char* y) {
    constexpr size_t kBegin = size_t{1} << 40, kEnd = kBegin + 1;  // marks that nobody else has
    const auto seconds_of_runs = [&](int runs) {
      gpu_->mark(kBegin);
      for (int i = 0; i < runs; ++i) check_cudnn(run(direction, c, x, w, y, false), "a trial");
      gpu_->mark(kEnd);
      return gpu_->seconds_between(kBegin, kEnd) / runs;
    };
    // Short runs are repeated, because a single one is too short to measure.
    constexpr int kRepetitions = 3, kMaxRuns = 8;
    constexpr double kEnough = 1e-3;
    double least = seconds_of_runs(1);
    const int runs = std::max(1, std::min(kMaxRuns, static_cast<int>(kEnough / std::max(least, 1e-9))));
    for (int i = 0; i < kRepetitions; ++i) least = std::min(least, seconds_of_runs(runs));
    return least;
  }

  void choose(int direction, char* x, char* w, char* y) {
    const std::string key = key_of(direction);
    const Choice* known = choices_->find(key);
    if (known != nullptr) {
      choice_[direction] = *known;
      if (works(direction, &choice_[direction], x, w, y) == Outcome::kWorks) return;
    }
    choice_[direction] = Choice();
    bool room = x != nullptr;
    double least = 0;
    for (Choice candidate : candidates(direction, x, w, y, &room)) {
      const Outcome outcome = works(direction, &candidate, x, w, y);
      if (outcome == Outcome::kNoRoom) room = false;
      if (outcome != Outcome::kWorks) continue;
      const bool first = choice_[direction].algorithm < 0;
      if (x == nullptr) {
        choice_[direction] = candidate;
        break;
      }
      const double seconds = seconds_of(direction, candidate, x, w, y);
      if (!first && seconds >= least) continue;
      choice_[direction] = candidate;
      least = seconds;
    }
    // The descriptor has the precision of the last candidate.
    if (x != nullptr && choice_[direction].algorithm >= 0) works(direction, &choice_[direction], x, w, y);
    if (choice_[direction].algorithm < 0 && !room) {
      fail(
          "CUDA: out of memory for the workspace of a convolution (%s), %s are free; raise subdivisions=, or end what "
          "else uses the GPU",
          key.c_str(), human_bytes(static_cast<double>(gpu_->free_bytes())).c_str());
    }
    // Not a choice that lack of memory or a temporary failure decided: later runs would reuse it.
    if (choice_[direction].algorithm >= 0 && room && known == nullptr) choices_->add(key, choice_[direction]);
  }

  template <class Result>
  void collect(const std::vector<Result>& results, int count, std::vector<Choice>* list) const {
    // Asked for full precision, cuDNN also offers its default, measured with TF32: that order tells nothing about full
    // precision, so what was measured in it comes first.
    for (const bool by_default : {false, true}) {
      for (int i = 0; i < count; ++i) {
        const Result& r = results[static_cast<size_t>(i)];
        if (r.status != CUDNN_STATUS_SUCCESS || r.determinism != CUDNN_DETERMINISTIC || r.memory > kMaxWorkspace)
          continue;
        cudnnMathType_t math = r.mathType;
        if (math_ == CUDNN_FMA_MATH) {
          if (by_default ? math != CUDNN_DEFAULT_MATH : math != CUDNN_FMA_MATH) continue;
          math = CUDNN_FMA_MATH;
        } else if (by_default) {
          continue;
        }
        const auto same = [&](const Choice& c) { return c.algorithm == static_cast<int>(r.algo) && c.math == math; };
        if (std::none_of(list->begin(), list->end(), same)) {
          list->push_back({static_cast<int>(r.algo), static_cast<int>(math), r.memory});
        }
      }
    }
  }

  // measure(max, count, results) times the algorithms, where there is memory for that; where it fails, rank(max, count,
  // results) gives them in the order of cuDNN's heuristics.
  template <class Result, class Measure, class Rank>
  std::vector<Choice> ask(bool measures, const Measure& measure, const Rank& rank) const {
    constexpr int kMax = 16;
    std::vector<Result> results(kMax);
    int count = 0;
    if (!measures || measure(kMax, &count, results.data()) != CUDNN_STATUS_SUCCESS) {
      count = 0;
      if (rank(kMax, &count, results.data()) != CUDNN_STATUS_SUCCESS) count = 0;
    }
    std::vector<Choice> list;
    collect(results, count, &list);
    return list;
  }

  // The fastest first. Clears `room` where memory is too short for trials with as much as any may have.
  std::vector<Choice> candidates(int direction, char* x, char* w, char* y, bool* room) {
    const bool measures = x != nullptr;
    for (size_t bytes = kTrialWorkspace; measures && bytes > 0 && !workspace_->reserve(bytes); bytes /= 4) {
      *room = false;
    }
    cudnnConvolutionDescriptor_t c = convolution_[direction].value;
    // A known choice that failed has changed it.
    check_cudnn(cudnnSetConvolutionMathType(c, math_), "setting the precision");
    void* memory = workspace_->data();
    const size_t bytes = workspace_->bytes();
    std::vector<Choice> list;
    if (direction == kForward) {
      list = ask<cudnnConvolutionFwdAlgoPerf_t>(
          measures,
          [&](int max, int* count, auto* results) {
            return cudnnFindConvolutionForwardAlgorithmEx(handle_, x_.value, x, w_.value, w, c, y_.value, y, max, count,
                                                          results, memory, bytes);
          },
          [&](int max, int* count, auto* results) {
            return cudnnGetConvolutionForwardAlgorithm_v7(handle_, x_.value, w_.value, c, y_.value, max, count,
                                                          results);
          });
    } else if (direction == kData) {
      list = ask<cudnnConvolutionBwdDataAlgoPerf_t>(
          measures,
          [&](int max, int* count, auto* results) {
            return cudnnFindConvolutionBackwardDataAlgorithmEx(handle_, w_.value, w, y_.value, y, c, x_.value, x, max,
                                                               count, results, memory, bytes);
          },
          [&](int max, int* count, auto* results) {
            return cudnnGetConvolutionBackwardDataAlgorithm_v7(handle_, w_.value, y_.value, c, x_.value, max, count,
                                                               results);
          });
    } else {
      list = ask<cudnnConvolutionBwdFilterAlgoPerf_t>(
          measures,
          [&](int max, int* count, auto* results) {
            return cudnnFindConvolutionBackwardFilterAlgorithmEx(handle_, x_.value, x, y_.value, y, c, w_.value, w, max,
                                                                 count, results, memory, bytes);
          },
          [&](int max, int* count, auto* results) {
            return cudnnGetConvolutionBackwardFilterAlgorithm_v7(handle_, x_.value, y_.value, c, w_.value, max, count,
                                                                 results);
          });
    }
    gpu_->finish();
    return list;
  }

  std::string key_of(int direction) const {
    const gpu::ConvolutionShape& s = shape_;
    // As it always was for what most convolutions are, so that measured choices stay known.
    const bool plain = s.stride_y == s.stride_x && s.dilation == 1;
    return format("%d b%d i%dx%dx%d o%dx%dx%d k%dx%d s%d%s p%d g%d t%d", direction, s.batch, s.in.channels, s.in.height,
                  s.in.width, s.out.channels, s.out.height, s.out.width, s.size_y, s.size_x, s.stride_y,
                  plain ? "" : format("x%d d%d", s.stride_x, s.dilation).c_str(), s.padding, s.groups,
                  static_cast<int>(s.precision));
  }

  gpu::Gpu* gpu_;
  cudnnHandle_t handle_;
  gpu::SharedWorkspace* workspace_;
  Choices* choices_;
  gpu::ConvolutionShape shape_;
  cudnnMathType_t math_ = CUDNN_FMA_MATH;
  TensorDescriptor x_, y_;
  FilterDescriptor w_;
  ConvolutionDescriptor convolution_[3];  // one for each direction: the precision is the descriptor's
  Choice choice_[3];
  std::unique_ptr<gpu::Convolution> plain_;
  bool fuses_ = true;  // until cuDNN says otherwise
  std::unique_ptr<TensorDescriptor> bias_;
  std::unique_ptr<ActivationDescriptor> ending_;
};

}  // namespace

void check_cudnn(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  fail("cuDNN: %s failed: %s; see whether the driver and the GPU are well (nvidia-smi)", what,
       cudnnGetErrorString(status));
}

Choices::Choices(const std::string& device) : device_(device) {
  const std::string folder = cache_folder();
  if (folder.empty()) return;
  mkdir(folder.c_str(), 0755);
  path_ = folder + "/convolutions.txt";
  if (!file_exists(path_)) return;
  std::string text;
  try {
    text = read_file(path_, "the cache of convolutions");
  } catch (const Error&) {
    return;  // as if there were none
  }
  for (const std::string& line : split(text, '\n')) {
    const std::vector<std::string> fields = split(line, '\t');
    if (fields.size() != 5 || fields[0] != device_) continue;
    int64_t algorithm = 0, math = 0, workspace = 0;
    if (!parse_integer(fields[2], &algorithm) || !parse_integer(fields[3], &math) ||
        !parse_integer(fields[4], &workspace) || workspace < 0 || algorithm < 0) {
      continue;
    }
    // Where two programs measured at once, the first line holds: a run that goes by it may be resumed.
    known_.emplace(fields[1],
                   Choice{static_cast<int>(algorithm), static_cast<int>(math), static_cast<size_t>(workspace)});
  }
}

const Choice* Choices::find(const std::string& key) const {
  const auto found = known_.find(key);
  return found == known_.end() ? nullptr : &found->second;
}

void Choices::add(const std::string& key, const Choice& choice) {
  known_[key] = choice;
  if (path_.empty()) return;
  // A line at a time: several programs may do so. Where it cannot be written, the next run measures again.
  std::FILE* file = std::fopen(path_.c_str(), "ae");
  if (file == nullptr) return;
  const std::string line =
      format("%s\t%s\t%d\t%d\t%zu\n", device_.c_str(), key.c_str(), choice.algorithm, choice.math, choice.workspace);
  std::fwrite(line.data(), 1, line.size(), file);
  std::fclose(file);
}

std::unique_ptr<gpu::Convolution> make_cudnn_convolution(gpu::Gpu* gpu, cudnnHandle_t handle,
                                                         gpu::SharedWorkspace* workspace, Choices* choices,
                                                         const gpu::ConvolutionShape& shape, bool trains) {
  return std::make_unique<CudnnConvolution>(gpu, handle, workspace, choices, shape, trains);
}

}  // namespace dng::cuda
