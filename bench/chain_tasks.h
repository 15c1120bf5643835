// The primitives of the chain: for every distinct piece of work the ways in which oneDNN can do it, in blocked layouts
// throughout (reorders are not counted). The fastest way counts: direct or, where it can be made, Winograd; a sum
// inside the convolution or after it.
#pragma once

#include <string>
#include <vector>

#include "bench/chain_work.h"
#include "dnnl.hpp"

namespace dng::bench {

enum class Kind { kForward, kBackwardData, kBackwardWeights, kBatchNorm, kAdd };
constexpr int kKinds = 5;
const char* kind_name(Kind kind);

struct Argument {
  int id;  // DNNL_ARG_...
  dnnl::memory::desc desc;
  int buffer;  // arguments with the same number share memory; the id itself unless two ids mean one tensor
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
  Kind kind;
  std::string shape;
  int count;
  std::vector<Candidate> candidates;  // at least one
};

std::vector<Task> training_tasks(const ChainWork& work, int batch, const dnnl::engine& engine);
std::vector<Task> inference_tasks(const ChainWork& work, int batch, const dnnl::engine& engine);

}  // namespace dng::bench
