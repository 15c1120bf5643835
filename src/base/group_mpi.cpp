#include <mpi.h>

#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/group.h"

namespace dng {
namespace {

int as_count(size_t count) {
  if (count > (size_t{1} << 31) - 1) fail("internal error: a message of %zu elements; MPI counts to 2^31", count);
  return static_cast<int>(count);
}

int rank_in(MPI_Comm communicator) {
  int rank = 0;
  MPI_Comm_rank(communicator, &rank);
  return rank;
}

int size_of(MPI_Comm communicator) {
  int size = 1;
  MPI_Comm_size(communicator, &size);
  return size;
}

// Errors of MPI end all processes: that is its default.
class MpiGroup final : public Group {
 public:
  explicit MpiGroup(MPI_Comm communicator)
      : Group(rank_in(communicator), size_of(communicator)), communicator_(communicator) {}
  ~MpiGroup() override {
    if (communicator_ == MPI_COMM_WORLD) {
      MPI_Finalize();
    } else {
      MPI_Comm_free(&communicator_);
    }
  }

  void exchange(const float* from, float* to, size_t count) override {
    MPI_Alltoall(from, as_count(count), MPI_FLOAT, to, as_count(count), MPI_FLOAT, communicator_);
  }
  void gather(const void* from, void* to, size_t bytes) override {
    const bool floats = bytes % sizeof(float) == 0;
    const int count = as_count(floats ? bytes / sizeof(float) : bytes);
    const MPI_Datatype type = floats ? MPI_FLOAT : MPI_BYTE;
    MPI_Allgather(from, count, type, to, count, type, communicator_);
  }
  void broadcast(void* data, size_t bytes) override { MPI_Bcast(data, as_count(bytes), MPI_BYTE, 0, communicator_); }
  std::unique_ptr<Group> part(int size) const override {
    MPI_Comm made = MPI_COMM_NULL;
    MPI_Comm_split(communicator_, rank() / size, rank(), &made);
    return std::make_unique<MpiGroup>(made);
  }
  [[noreturn]] void abort(int code) override {
    MPI_Abort(communicator_, code);
    std::_Exit(code);
  }

 private:
  MPI_Comm communicator_;
};

}  // namespace

std::unique_ptr<Group> mpi_group() {
  int provided = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  return std::make_unique<MpiGroup>(MPI_COMM_WORLD);
}

const char* mpi_text() {
  static const std::string text = [] {
    char version[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    MPI_Get_library_version(version, &length);
    const std::string whole(version, static_cast<size_t>(length));
    return whole.substr(0, whole.find_first_of(",\n"));
  }();
  return text.c_str();
}

}  // namespace dng
