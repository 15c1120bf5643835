# `make package`: Debian packages of the program, the library, and what programs that use it are built with.
# The program depends on the packaged Darknet; a build for another one has no packages.
if(NOT DNG_HOST STREQUAL packaged)
  return()
endif()
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS ${CMAKE_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS})
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${DNG_MAINTAINER})
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL program library development)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)

set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME darknet-generations)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS "darknet, python3 (>= 3.11)")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_RECOMMENDS "dataset-fashion-mnist, python3-matplotlib")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SUGGESTS "liblinear-tools, python3-numpy, python3-scipy")
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION "train image classifiers in generations with Darknet
A tolerant patriarch is trained first, with a cost that leaves probability to
classes that look alike; each student then learns from the labels and from the
frozen generation before it. Networks, data files and weights are Darknet's.
The package has the program, the driver of whole chains, and cfgs for CIFAR100,
ILSVRC2012 and Fashion-MNIST.")

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libdarknet-generations1)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "classify images with Darknet's networks from C
A C interface to networks that darknet-generations has trained, and to other
classifiers of Darknet. Darknet itself is not needed.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libdarknet-generations-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libdarknet-generations1 (= ${PROJECT_VERSION})")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "classify images with Darknet's networks: header, pkg-config file
What programs that use libdarknet-generations1 are built with, and examples in
C and Python.")
install(FILES ${DNG_PACKAGING}/copyright ${DNG_PACKAGING}/changelog.gz COMPONENT library
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libdarknet-generations1)
install(FILES ${DNG_PACKAGING}/copyright ${DNG_PACKAGING}/changelog.gz COMPONENT development
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libdarknet-generations-dev)
include(CPack)
