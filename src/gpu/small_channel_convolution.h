// Convolutions between few channels (64 at most) in bfloat16: what CIFAR's ResNets consist of, and where the tiles of
// libraries are mostly empty. A block loads its part of the images and the weights into shared memory and multiplies on
// the tensor cores, without unrolling the images: the pixels under a tap of the filter are rows of a product, wherever
// they are.
#pragma once

#include <algorithm>
#include <memory>

#include "gpu/shared_workspace.h"
#include "gpu/small_channel/gather.h"
#include "gpu/small_channel/weights.h"

namespace dng::DNG_GPU {

class SmallChannelConvolution final : public gpu::Convolution {
 public:
  // Null where it does not support the shape, or memory is short.
  static std::unique_ptr<gpu::Convolution> make(gpu::Gpu* gpu, const gpu::ConvolutionShape& shape, bool trains,
                                                gpu::SharedWorkspace* workspace) {
    if (shape.precision != gpu::Precision::kBf16 || shape.groups != 1 || shape.size_y != shape.size_x ||
        (shape.size_y != 1 && shape.size_y != kMaxSize) || shape.stride_y != shape.stride_x ||
        shape.stride_y > kMaxStride || shape.dilation != 1 || shape.padding >= shape.size_y ||
        std::max(shape.in.channels, shape.out.channels) > kMaxChannels ||
        std::max(shape.in.width, shape.out.width) > kMaxPositions || shape.batch > kMaxBlocksDown) {
      return nullptr;
    }
    std::unique_ptr<SmallChannelConvolution> made(new SmallChannelConvolution(gpu, shape, workspace));
    if (made->forward_.tile_rows < 1) return nullptr;
    if (!trains) return made;
    if (made->backward_.tile_rows < 1 || made->weights_.tile_rows < 1) return nullptr;
    const size_t bytes = made->weights_.partial_bytes();
    if (!workspace->reserve(bytes)) return nullptr;
    workspace->keep(bytes);
    return made;
  }

  void forward(const void* x, const void* weights, void* y) override { forward_with(x, weights, y, Ending()); }
  bool forward_with_statistics(const void* x, const void* weights, void* y,
                               const gpu::BatchStatistics& statistics) override {
    if (!has_room(forward_)) return false;
    gather<Direction::kForwardWithStatistics>(forward_, x, weights, y, Ending(), &statistics);
    return true;
  }
  bool forward_fused(const void* x, const void* weights, const void* bias, const void* addend,
                     math::Activation activation, void* y) override {
    Ending ending;
    ending.bias = static_cast<const gpu::BFloat16*>(bias);
    ending.addend = static_cast<const gpu::BFloat16*>(addend);
    ending.activation = activation;
    forward_with(x, weights, y, ending);
    return true;
  }
  void backward_data(const void* weights, const void* dy, void* dx, bool add) override {
    Ending ending;
    if (add) ending.addend = static_cast<const gpu::BFloat16*>(dx);
    gather<Direction::kGradient>(backward_, dy, weights, dx, ending);
  }
  bool backward_data_with_statistics(const void* weights, const void* dy, void* dx,
                                     const gpu::GradientStatistics& statistics) override {
    if (!has_room(backward_)) return false;
    gather<Direction::kGradientWithStatistics>(backward_, dy, weights, dx, Ending(), &statistics);
    return true;
  }
  void backward_weights(const void* x, const void* dy, void* dweights, bool add) override {
    if (weights_.taps() == 1) {
      sum_weights<1>(x, dy, dweights, add);
    } else {
      sum_weights<kMaxTaps>(x, dy, dweights, add);
    }
  }

 private:
  static constexpr int kMaxBlocksDown = 65535;

  SmallChannelConvolution(gpu::Gpu* gpu, const gpu::ConvolutionShape& shape, gpu::SharedWorkspace* workspace)
      : gpu_(gpu),
        batch_(shape.batch),
        forward_(forward_gather(shape, gpu->processors())),
        backward_(backward_gather(shape, gpu->processors())),
        weights_(shape, gpu->processors()),
        workspace_(workspace) {}

  // What is applied to the sums.
  struct Ending {
    const gpu::BFloat16 *bias = nullptr, *addend = nullptr;
    math::Activation activation = math::Activation::kLinear;
  };
  // For the sums of the blocks.
  bool has_room(const Gather& g) const {
    const size_t shares = static_cast<size_t>(batch_) * static_cast<size_t>(g.tiles_down() * g.classes);
    return 2 * shares * static_cast<size_t>(g.out_channels) <= kMaxPartial;
  }
  void forward_with(const void* x, const void* weights, void* y, const Ending& ending) const {
    gather<Direction::kForward>(forward_, x, weights, y, ending);
  }

  struct NoStatistics {};
  template <Direction kDirection, class Statistics = NoStatistics>
  void gather(const Gather& g, const void* in, const void* weights, void* out, const Ending& ending,
              const Statistics* statistics = nullptr) const {
    const auto with_inner = [&](auto inner) {
      const auto launch = [&](auto side, auto beside) {
        using Body = GatherBody<decltype(inner)::value, decltype(side)::value, decltype(beside)::value, kDirection>;
        Body body{};
        body.g = g;
        body.in = static_cast<const gpu::BFloat16*>(in);
        body.weights = static_cast<const gpu::BFloat16*>(weights);
        body.out = static_cast<gpu::BFloat16*>(out);
        body.bias = ending.bias;
        body.addend = ending.addend;
        body.activation = ending.activation;
        if constexpr (Body::kComputesStatistics) body.statistics = *statistics;
        blocks_with(*gpu_, g.blocks_across(), batch_, Body::shared_bytes(g), body);
      };
      constexpr std::integral_constant<int, 1> kOne;
      constexpr std::integral_constant<int, 2> kTwo;
      if (g.written_padded == kTile) {
        launch(kOne, kOne);
      } else if (g.positions() >= kWarps * kTile) {
        launch(kTwo, kOne);
      } else {
        launch(kOne, kTwo);  // so that all warps have work
      }
    };
    switch (g.read_padded) {
      case 16:
        return with_inner(std::integral_constant<int, 1>());
      case 32:
        return with_inner(std::integral_constant<int, 2>());
      default:
        return with_inner(std::integral_constant<int, 4>());
    }
  }
  template <int kTaps>
  void sum_weights(const void* x, const void* dy, void* dweights, bool add) const {
    auto* partial = static_cast<float*>(workspace_->data());
    const WeightsBody<kTaps> body{weights_, static_cast<const gpu::BFloat16*>(x), static_cast<const gpu::BFloat16*>(dy),
                                  partial};
    blocks_with(*gpu_, weights_.jobs, weights_.shares, weights_.shared_bytes(), body);
    const WeightsSumBody sum{weights_, partial, static_cast<gpu::BFloat16*>(dweights), add};
    blocks(*gpu_, (sum.numbers() + WeightsSumBody::kBeside - 1) / WeightsSumBody::kBeside, 1, sum);
  }

  gpu::Gpu* gpu_;
  int batch_;
  Gather forward_, backward_;
  WeightsPlan weights_;
  gpu::SharedWorkspace* workspace_;
};

}  // namespace dng::DNG_GPU
