#include "train/ranks.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/text.h"

namespace dng::train {
namespace {

// The largest power of two that divides it.
int power_of_two_in(int number) { return number & -number; }

}  // namespace

void Ranks::deal(graph::NetworkConfig* config) {
  const int subdivisions = power_of_two_in(config->subdivisions), most = subdivisions * power_of_two_in(config->shards);
  if (power_of_two_in(size()) != size() || size() > most) {
    std::vector<std::string> allowed;
    for (int ranks = 1; ranks <= most; ranks *= 2) allowed.push_back(std::to_string(ranks));
    fail_usage(
        "%s: %d processes; batch=%d, subdivisions=%d and shards=%d can be shared by %s; start one of these "
        "numbers of them, or change the cfg",
        config->path.c_str(), size(), config->batch, config->subdivisions, config->shards, join(allowed, ", ").c_str());
  }
  parts_ = std::min(size(), subdivisions);
  *config = graph::shared_by(*config, sharing());
}

void Ranks::connect() {
  shared_ = all_->part(sharing());
  statistics_.group = shared_.get();
  statistics_.rolls = parts_ == 1;
}

void Ranks::require_same(const std::vector<Fact>& facts) const {
  constexpr size_t kLength = 64;
  struct Line {
    char text[kLength];
  };
  for (const Fact& fact : facts) {
    Line line{};
    std::strncpy(line.text, fact.value.c_str(), kLength - 1);
    const std::vector<Line> lines = all_->gathered(line);
    for (int rank = 1; rank < size(); ++rank) {
      const char* found = lines[static_cast<size_t>(rank)].text;
      if (std::strcmp(found, lines[0].text) == 0) continue;
      agreed_ = true;
      if (!first()) throw SilentError{ExitCode::kFailed};
      fail("rank %d has another %s: found %s, rank 0 has %s; give all ranks the same", rank, fact.name, found,
           lines[0].text);
    }
  }
}

}  // namespace dng::train
