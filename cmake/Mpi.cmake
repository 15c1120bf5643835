# Training over several processes: on where an MPI is installed (Debian: libopenmpi-dev or libmpich-dev; MPI_HOME or
# -DMPI_C_COMPILER=mpicc.mpich choose one of two). Defines GENERATIONS_MPI, ON | OFF.
find_package(MPI QUIET COMPONENTS C)
option(GENERATIONS_MPI "Train over several processes with MPI (on where it is found)" ${MPI_C_FOUND})
if(GENERATIONS_MPI AND NOT MPI_C_FOUND)
  dng_refuse("GENERATIONS_MPI=ON, but no MPI is found: install libopenmpi-dev or libmpich-dev, or build with GENERATIONS_MPI=OFF")
endif()
if(GENERATIONS_MPI)
  message(STATUS "MPI: ${MPI_C_LIBRARIES}")
else()
  message(STATUS "MPI: off")
endif()
