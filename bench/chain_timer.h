// Times primitives: memory is made once, shared by all, and filled with numbers of ordinary size. Every primitive runs
// over and over on the same buffers, which therefore stay in the caches where they fit; a network's do so less.
#pragma once

#include <map>
#include <memory>

#include "bench/chain_tasks.h"

namespace dng::bench {

class ChainTimer {
 public:
  ChainTimer(const std::vector<Task>& tasks, const dnnl::engine& engine);
  // Executes the candidate for about `seconds`, and at least a few times, and appends what each execution took. The
  // first one warms up and is not counted.
  void measure(const Candidate& candidate, double seconds, std::vector<double>* times);

 private:
  struct Release {
    void operator()(void* memory) const;
  };
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::map<int, std::unique_ptr<void, Release>> buffers_;
};

}  // namespace dng::bench
