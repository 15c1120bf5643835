#include "base/group.h"

namespace dng {

std::unique_ptr<Group> mpi_group() { return nullptr; }
const char* mpi_text() { return "no"; }

}  // namespace dng
