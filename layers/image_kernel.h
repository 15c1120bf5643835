// A CPU kernel that works image by image, for layers that nothing is fused with.
#pragma once

#include <vector>

#include "cpu/kernel.h"
#include "cpu/parallel.h"

namespace dng::layers {

class ImageKernel : public cpu::Kernel {
 public:
  void forward(const cpu::Node& node, graph::Pass& pass) final {
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace& workspace) {
      compute_image(inputs(node, pass, image).data(), node.output + image.offset(node.out_size()), &workspace);
    });
  }

  void backward(const cpu::Node& node, graph::Pass& pass) final {
    cpu::for_ranges(node.batch, 1, [&](const graph::Range& image, cpu::Workspace& workspace) {
      std::vector<float*> gradients;
      for (size_t slot = 0; slot < node.sources.size(); ++slot) {
        const bool wanted = node.sources[slot].needs_gradient();
        gradients.push_back(wanted ? node.source(slot)->delta + image.offset(size_of(node, slot)) : nullptr);
      }
      const size_t first = image.offset(node.out_size());
      compute_gradients(inputs(node, pass, image).data(), node.output + first, node.delta + first, gradients.data(),
                        &workspace);
    });
  }

  void infer(const cpu::Node& node, int images, const cpu::View* inputs, float* output, size_t,
             cpu::Workspace* workspace) final {
    for (size_t i = 0; i < static_cast<size_t>(images); ++i) {
      const cpu::WorkspaceFrame frame(workspace);
      std::vector<const float*> data;
      for (size_t slot = 0; slot < node.sources.size(); ++slot) {
        data.push_back(inputs[slot].data + i * size_of(node, slot));
      }
      compute_image(data.data(), output + i * node.out_size(), workspace);
    }
  }

 protected:
  // One image: inputs[slot] of each source.
  virtual void compute_image(const float* const* inputs, float* output, cpu::Workspace* workspace) const = 0;
  // Adds to gradients[slot], null where it is not needed. May destroy delta.
  virtual void compute_gradients(const float* const* inputs, const float* output, float* delta, float* const* gradients,
                                 cpu::Workspace* workspace) const = 0;

 private:
  static size_t size_of(const cpu::Node& node, size_t slot) {
    return cpu::floats_of(node.shape_of(slot), node.in_layout(slot));
  }
  static std::vector<const float*> inputs(const cpu::Node& node, const graph::Pass& pass, const graph::Range& image) {
    std::vector<const float*> data;
    for (size_t slot = 0; slot < node.sources.size(); ++slot) {
      const float* batch = node.sources[slot].node == nullptr ? pass.input : node.source(slot)->output;
      data.push_back(batch + image.offset(size_of(node, slot)));
    }
    return data;
  }
};

}  // namespace dng::layers
