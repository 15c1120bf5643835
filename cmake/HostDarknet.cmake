# Finds the Darknet to build for and tells the two apart by their header. Defines the target host_darknet and
#   DNG_HOST         packaged | alexeyab
#   DNG_HOST_FOLDER  where its library lies
# A header or library that does not fit is refused here, in one line with the cure.

# CMake wraps the text of an error; the line stands alone before it.
function(dng_refuse text)
  message(NOTICE "darknet-generations: ${text}")
  message(FATAL_ERROR "the Darknet to build for does not fit, see the line above")
endfunction()

if(DARKNET_ROOT)
  find_path(DNG_HEADER_FOLDER darknet.h PATHS ${DARKNET_ROOT}/include ${DARKNET_ROOT}/include/darknet NO_DEFAULT_PATH NO_CACHE)
  find_library(DNG_LIBRARY NAMES darknet dark PATHS ${DARKNET_ROOT} ${DARKNET_ROOT}/lib ${DARKNET_ROOT}/build NO_DEFAULT_PATH NO_CACHE)
  find_program(DNG_BINARY darknet PATHS ${DARKNET_ROOT} ${DARKNET_ROOT}/bin ${DARKNET_ROOT}/build NO_DEFAULT_PATH NO_CACHE)
  set(DNG_CURE "give DARKNET_ROOT=DIR with include/darknet.h and libdarknet.so of AlexeyAB's fork, built with LIBSO=1")
elseif(Darknet_DIR)
  # AlexeyAB's CMake package.
  find_package(Darknet REQUIRED CONFIG)
  get_target_property(DNG_HEADER_FOLDER Darknet::dark INTERFACE_INCLUDE_DIRECTORIES)
  list(GET DNG_HEADER_FOLDER -1 DNG_HEADER_FOLDER)
  foreach(config "" _RELEASE _NOCONFIG _RELWITHDEBINFO _DEBUG)
    get_target_property(DNG_LIBRARY Darknet::dark IMPORTED_LOCATION${config})
    if(DNG_LIBRARY)
      break()
    endif()
  endforeach()
  cmake_path(GET DNG_LIBRARY PARENT_PATH DNG_LIBRARY_FOLDER)
  find_program(DNG_BINARY darknet PATHS ${DNG_LIBRARY_FOLDER}/../bin NO_DEFAULT_PATH NO_CACHE)
  set(DNG_CURE "give Darknet_DIR=DIR with DarknetConfig.cmake of AlexeyAB's fork")
else()
  find_path(DNG_HEADER_FOLDER darknet.h PATHS /usr/lib/darknet/include NO_DEFAULT_PATH NO_CACHE)
  find_library(DNG_LIBRARY darknet PATHS /usr/lib/darknet NO_DEFAULT_PATH NO_CACHE)
  find_program(DNG_BINARY darknet PATHS /usr/bin NO_DEFAULT_PATH NO_CACHE)
  set(DNG_CURE "run 'make deps', which installs the packaged Darknet, or give DARKNET_ROOT=DIR of AlexeyAB's fork")
endif()

string(REGEX REPLACE "/$" "" DNG_HEADER_FOLDER "${DNG_HEADER_FOLDER}")
if(NOT DNG_HEADER_FOLDER OR NOT EXISTS ${DNG_HEADER_FOLDER}/darknet.h)
  dng_refuse("No darknet.h found: ${DNG_CURE}")
endif()
if(NOT DNG_LIBRARY)
  dng_refuse("No libdarknet.so found for ${DNG_HEADER_FOLDER}/darknet.h: ${DNG_CURE}")
endif()

file(READ ${DNG_HEADER_FOLDER}/darknet.h DNG_HEADER_TEXT)
string(REGEX MATCH "\\(\\*forward\\) *\\(struct layer, struct network_state\\)" DNG_FORK "${DNG_HEADER_TEXT}")
string(REGEX MATCH "\\(\\*forward\\) *\\(struct layer, struct network\\)" DNG_PACKAGED "${DNG_HEADER_TEXT}")
string(REGEX MATCH "load_network\\(char \\*cfg, char \\*weights, int clear\\)" DNG_LOADS "${DNG_HEADER_TEXT}")
if(DNG_FORK AND DNG_LOADS)
  set(DNG_HOST alexeyab)
elseif(DNG_PACKAGED AND DNG_LOADS)
  set(DNG_HOST packaged)
else()
  dng_refuse("${DNG_HEADER_FOLDER}/darknet.h is neither the packaged Darknet's nor AlexeyAB's (other forks have no classifier to build on): ${DNG_CURE}")
endif()

cmake_path(GET DNG_LIBRARY PARENT_PATH DNG_HOST_FOLDER)
if(NOT DNG_BINARY)
  set(DNG_BINARY ${DNG_HOST_FOLDER}/darknet)
endif()

add_library(host_darknet INTERFACE)
target_include_directories(host_darknet SYSTEM INTERFACE ${DNG_HEADER_FOLDER})
# Not the library: the program loads it when it needs it (src/host/library.h).
target_link_libraries(host_darknet INTERFACE ${CMAKE_DL_LIBS})
target_compile_definitions(host_darknet INTERFACE
  DNG_HOST_LIBRARY="${DNG_LIBRARY}" DNG_HOST_BINARY="${DNG_BINARY}")

# The library must be of the same kind as the header: each has a symbol that the other lacks.
include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_INCLUDES ${DNG_HEADER_FOLDER})
set(CMAKE_REQUIRED_LIBRARIES ${DNG_LIBRARY})
if(DNG_HOST STREQUAL packaged)
  set(DNG_PROBE "free_network(load_network(0, 0, 0)); center_crop_image(image(), 1, 1);")
else()
  set(DNG_PROBE "free_network_ptr(load_network(0, 0, 0)); resize_min(image(), 1);")
endif()
unset(DNG_LIBRARY_FITS CACHE)
check_cxx_source_compiles("#include <darknet.h>\nint main(int argc, char**) { if (argc > 9) { ${DNG_PROBE} } return 0; }" DNG_LIBRARY_FITS)
if(NOT DNG_LIBRARY_FITS)
  dng_refuse("${DNG_LIBRARY} does not fit ${DNG_HEADER_FOLDER}/darknet.h (a program that uses both does not link): ${DNG_CURE}")
endif()
message(STATUS "Host: ${DNG_HOST} Darknet, ${DNG_LIBRARY}")
