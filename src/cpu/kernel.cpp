#include "cpu/kernel.h"

#include "base/error.h"
#include "base/text.h"

namespace dng::cpu {

void Kernel::compute(const Node&, const Pass&, const Range&, float*, Scratch*) {}

void Kernel::settle(Node&, const Pass&, const Range&, Scratch*) {}

void HostKernel::forward(Node& node, Pass& pass) {
  node.host->forward(node.index, node.input(pass), pass.training, pass.steps);
}

void HostKernel::backward(Node& node, Pass& pass) {
  node.host->backward(node.index, node.input(pass), node.input_delta(), node.sources[0].first);
}

void HostKernel::infer(const Node&, int, const View*, float*, size_t, Scratch*) {
  fail("the host's code runs whole batches only; this is a mistake of this program, please report it");
}

std::unique_ptr<Kernel> make_kernel(const graph::LayerConfig& config, graph::Device device) {
  const auto found = config.op->kernels.find(device);
  if (found != config.op->kernels.end()) return found->second(config);
  if (device == graph::Device::kCpu) return std::make_unique<HostKernel>();
  fail_no_kernel(config, device);
}

void fail_no_kernel(const graph::LayerConfig& config, graph::Device device) {
  std::vector<std::string> devices;
  for (const auto& entry : config.op->kernels) devices.emplace_back(graph::device_name(entry.first));
  if (devices.empty()) devices.emplace_back("cpu (the host's own code)");
  fail("%s: layer %d has no kernel for %s; there is one for %s%s", config.options.where().c_str(), config.index,
       graph::device_name(device), join(devices, ", ").c_str(), device == graph::Device::kCuda ? ": give -nogpu" : "");
}

}  // namespace dng::cpu
