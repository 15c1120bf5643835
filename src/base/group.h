// Processes that work together, the ranks, and how they exchange bytes. Nothing is added here: who receives adds, in an
// order of its own, so that results do not depend on the library that moves the bytes.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace dng {

class Group {
 public:
  Group(int rank, int size) : rank_(rank), size_(size) {}
  virtual ~Group() = default;
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  // Part r of `from`, of `count` floats, goes to rank r; part r of `to` comes from rank r.
  virtual void exchange(const float* from, float* to, size_t count) = 0;
  // `to` gets the bytes of all ranks, in their order.
  virtual void gather(const void* from, void* to, size_t bytes) = 0;
  // All get what rank 0 has.
  virtual void broadcast(void* data, size_t bytes) = 0;
  // The groups of `size` consecutive ranks that the ranks consist of: the one that this rank is in.
  virtual std::unique_ptr<Group> part(int size) const = 0;
  // Ends all ranks.
  [[noreturn]] virtual void abort(int code) = 0;

  // gather of one value.
  template <class Value>
  std::vector<Value> gathered(const Value& value) {
    std::vector<Value> all(static_cast<size_t>(size_));
    gather(&value, all.data(), sizeof(Value));
    return all;
  }

 private:
  int rank_, size_;
};

// A process on its own.
std::unique_ptr<Group> alone();
// The processes that mpirun has started together with this one. Throws Error where it has started several that cannot
// talk to each other, because this program is built without MPI or for another one.
std::unique_ptr<Group> launched_group();
// As the launcher says, in the environment; 1 without one.
int launched_processes();

// With MPI (group_mpi.cpp), else null (group_none.cpp).
std::unique_ptr<Group> mpi_group();
// "Open MPI 4.1.4", or "no"
const char* mpi_text();

}  // namespace dng
