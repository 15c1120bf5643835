# oneDNN by header and library: its own package file also asks for OpenCL's headers, which a CPU build does not need.
find_path(ONEDNN_HEADERS dnnl.hpp)
find_library(ONEDNN_LIBRARY dnnl)
if(NOT ONEDNN_HEADERS OR NOT ONEDNN_LIBRARY)
  message(FATAL_ERROR "No oneDNN found: run 'make deps', which installs libdnnl-dev")
endif()
add_library(onednn INTERFACE)
target_link_libraries(onednn INTERFACE ${ONEDNN_LIBRARY})
