// The processes of a training: P x S ranks. P of them take other mini-batches of an update (subdivisions=), S share the
// images of one (shards=). Rank p S + s has part s of the mini-batches p, p + P, ...
//
// Sums run over the shards of a mini-batch in the order of base/sum_tree.h, and over mini-batches one after the other,
// wherever they were made. So weights are the same for every number of ranks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/group.h"
#include "base/sum_tree.h"
#include "cpu/loops/batchnorm_math.h"
#include "graph/network_config.h"

namespace dng::train {

// Thrown on ranks that another one speaks for.
struct SilentError {
  ExitCode code;
};

class Ranks {
 public:
  explicit Ranks(std::unique_ptr<Group> all) : all_(std::move(all)) {}

  Group& all() const { return *all_; }
  int size() const { return all_->size(); }
  bool first() const { return all_->rank() == 0; }

  // Gives the config this rank's share of a mini-batch. Throws Error naming the numbers of ranks that are possible.
  void deal(graph::NetworkConfig* config);
  // After all ranks have done so.
  void connect();
  int parts() const { return parts_; }                       // P
  int sharing() const { return size() / parts_; }            // S
  int part() const { return all_->rank() / sharing(); }      // p
  int place() const { return all_->rank() % sharing(); }     // s
  int first_of(int part) const { return part * sharing(); }  // its first rank
  // Of the network that the ranks train.
  cpu::RankStatistics& statistics() { return statistics_; }
  const cpu::RankStatistics& statistics() const { return statistics_; }
  // Whether the last error is one that all ranks know of, and not this one's alone.
  bool agreed() const { return agreed_; }

  // Runs what may fail on some ranks alone. Where it has, the first of them throws its Error, and all others
  // SilentError.
  template <class Work>
  void together(const Work& work) const {
    int code = 0;
    std::unique_ptr<Error> error;
    try {
      work();
    } catch (const Error& thrown) {
      error = std::make_unique<Error>(thrown);
      code = static_cast<int>(thrown.code());
    }
    const std::vector<int> codes = all_->gathered(code);
    for (int rank = 0; rank < size(); ++rank) {
      const int found = codes[static_cast<size_t>(rank)];
      if (found == 0) continue;
      agreed_ = true;
      if (rank == all_->rank()) throw *error;
      throw SilentError{static_cast<ExitCode>(found)};
    }
  }

  // Throws Error where a fact ("instruction set") of another rank is not that of the first.
  struct Fact {
    const char* name;
    std::string value;
  };
  void require_same(const std::vector<Fact>& facts) const;

 private:
  std::unique_ptr<Group> all_, shared_;
  cpu::RankStatistics statistics_;
  int parts_ = 1;
  mutable bool agreed_ = false;
};

}  // namespace dng::train
