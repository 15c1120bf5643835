#include "base/group.h"

#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace dng {
namespace {

class Alone final : public Group {
 public:
  Alone() : Group(0, 1) {}
  void exchange(const float* from, float* to, size_t count) override { std::memcpy(to, from, count * sizeof(float)); }
  void gather(const void* from, void* to, size_t bytes) override { std::memcpy(to, from, bytes); }
  void broadcast(void*, size_t) override {}
  std::unique_ptr<Group> part(int) const override { return alone(); }
  [[noreturn]] void abort(int code) override { std::_Exit(code); }
};

}  // namespace

std::unique_ptr<Group> alone() { return std::make_unique<Alone>(); }

int launched_processes() {
  // Open MPI's mpirun; MPICH's, Intel's and Slurm's PMI.
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && std::atoi(value) > 0) return std::atoi(value);
  }
  return 1;
}

std::unique_ptr<Group> launched_group() {
  const int processes = launched_processes();
  if (processes == 1) return alone();
  std::unique_ptr<Group> group = mpi_group();
  if (group == nullptr) {
    fail_usage(
        "mpirun has started %d processes, and this program is built without MPI; install libopenmpi-dev or "
        "libmpich-dev and build it again, or start one process",
        processes);
  }
  if (group->size() != processes) {
    fail_usage(
        "mpirun has started %d processes, of which this one sees %d: it is another MPI's than the %s that this "
        "program is built for; take that one's mpirun",
        processes, group->size(), mpi_text());
  }
  return group;
}

}  // namespace dng
