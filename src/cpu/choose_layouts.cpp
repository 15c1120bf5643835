#include "cpu/choose_layouts.h"

#include "cpu/kernel.h"

namespace dng::cpu {

void choose_layouts(const Nodes& nodes) {
  for (const auto& node : nodes) {
    const LayoutUse use = node->kernel->layout_use();
    const bool writes = use == LayoutUse::kEach || use == LayoutUse::kSame;
    if (writes && can_block(node->config->out)) node->layout = Layout::kBlocked;
  }
  for (bool changed = true; changed;) {
    changed = false;
    const auto make_plain = [&](Node* node) {
      if (node->layout == Layout::kPlain) return;
      node->layout = Layout::kPlain;
      changed = true;
    };
    for (const auto& node : nodes) {
      if (node->plan.bypassed()) continue;
      const LayoutUse use = node->kernel->layout_use();
      bool alike = node->layout == Layout::kBlocked;
      for (const graph::Edge& source : node->sources) {
        alike = alike && source.node != nullptr && node_of(source)->layout == Layout::kBlocked;
      }
      if (use == LayoutUse::kSame && !alike) make_plain(node.get());
      for (const graph::Edge& source : node->sources) {
        if (source.node != nullptr && (use == LayoutUse::kPlain || (use == LayoutUse::kSame && !alike))) {
          make_plain(node_of(source));
        }
      }
    }
  }
}

}  // namespace dng::cpu
