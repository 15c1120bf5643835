# The shared library with the C interface, its header and its pkg-config file.
add_library(darknet_generations SHARED src/library/interface.cpp)
target_link_libraries(darknet_generations PRIVATE dng)
set(DNG_SYMBOLS ${CMAKE_SOURCE_DIR}/src/library/symbols.map)
# Only what the interface needs: no decoders of OpenCV. What is not in the list of symbols stays inside.
target_link_options(darknet_generations PRIVATE -Wl,--as-needed -Wl,--version-script=${DNG_SYMBOLS})
if(NOT DNG_SANITIZE)
  target_link_options(darknet_generations PRIVATE -Wl,--no-undefined)
endif()
# The number changes with what a program that uses the library would notice, the header's and the symbols' contract.
set_target_properties(darknet_generations PROPERTIES VERSION 1.0.0 SOVERSION 1 LINK_DEPENDS ${DNG_SYMBOLS})

# Where the pkg-config file lies, from its own folder, so that the installation can be moved.
file(RELATIVE_PATH DNG_PREFIX_FROM_PKGCONFIG ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/darknet_generations.pc.in darknet_generations.pc @ONLY)
install(TARGETS darknet_generations
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development)
install(FILES include/darknet_generations.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(FILES ${CMAKE_BINARY_DIR}/darknet_generations.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
  COMPONENT development)
install(FILES examples/classify.c examples/classify.py COMPONENT development
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libdarknet-generations-dev/examples)
