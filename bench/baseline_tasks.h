// The primitives of the baseline: for every distinct shape the algorithms that oneDNN has, in blocked layouts
// throughout (reorders are not counted). The fastest one counts: direct or, where it exists, Winograd; a sum fused into
// the convolution or after it.
#pragma once

#include <string>
#include <vector>

#include "bench/baseline_work.h"
#include "dnnl.hpp"

namespace dng::bench {

struct Argument {
  int id;  // DNNL_ARG_...
  dnnl::memory::desc desc;
  int buffer;  // arguments of the same buffer share memory; the id itself unless two ids are one tensor
};

struct Step {
  dnnl::primitive primitive;
  std::vector<Argument> arguments;
};

struct Candidate {
  std::string name;  // the algorithm where there is a choice, and oneDNN's names of what runs
  std::vector<Step> steps;
};

struct Task {
  std::string kind;  // forward, backward_data, backward_weights, batch_norm, add
  std::string shape;
  int count;
  std::vector<Candidate> candidates;  // at least one
};

std::vector<Task> training_tasks(const BaselineWork& work, int batch, const dnnl::engine& engine);
std::vector<Task> inference_tasks(const BaselineWork& work, int batch, const dnnl::engine& engine);

}  // namespace dng::bench
