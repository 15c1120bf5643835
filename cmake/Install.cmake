# `make install` and `make package`: what goes where, and the Debian package.
# The Makefile builds what they need; not the tests, too.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
include(GNUInstallDirs)
set(CMAKE_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(DNG_SHARE ${CMAKE_INSTALL_DATADIR}/darknet-generations)
set(DNG_DOC ${CMAKE_INSTALL_DATADIR}/doc/darknet-generations)
file(RELATIVE_PATH DNG_SHARE_FROM_PROGRAM ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_DATADIR}/darknet-generations)
set_source_files_properties(src/base/share.cpp PROPERTIES COMPILE_DEFINITIONS DNG_SHARE="${DNG_SHARE_FROM_PROGRAM}")
set(DNG_CUDA_TEXT no)
if(GENERATIONS_CUDA)
  set(DNG_CUDA_TEXT ${CUDAToolkit_VERSION})
endif()
set_source_files_properties(src/cli/version.cpp PROPERTIES
  COMPILE_DEFINITIONS "DNG_VERSION=\"${PROJECT_VERSION}\";DNG_CUDA_VERSION=\"${DNG_CUDA_TEXT}\"")

# What is made from the program's own usage lines, from docs/options.md and from the licences.
set(DNG_MAINTAINER "darknet-generations maintainers <maintainers@users.noreply.github.com>")
set(DNG_PACKAGING ${CMAKE_BINARY_DIR}/packaging)
set(DNG_SCRIPTS export_onnx.py generations.py linear_probe.py plot_generations.py plot_training.py prepare_imagenet.py prepare_photos.py)
list(TRANSFORM DNG_SCRIPTS PREPEND ${CMAKE_SOURCE_DIR}/scripts/ OUTPUT_VARIABLE DNG_SCRIPT_PATHS)
find_program(DNG_PYTHON3 python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)
add_custom_command(OUTPUT ${DNG_PACKAGING}/darknet-generations.1.gz
  COMMAND ${DNG_PYTHON3} -B ${CMAKE_SOURCE_DIR}/packaging/make_packaging.py $<TARGET_FILE:darknet> ${PROJECT_VERSION}
    "${DNG_MAINTAINER}" ${DNG_PACKAGING} ${DNG_SCRIPTS}
  DEPENDS darknet packaging/make_packaging.py packaging/man.in packaging/completion.bash.in docs/options.md LICENSE
    data/ilsvrc2012.license ${DNG_SCRIPT_PATHS}
  COMMENT "Making man page and completion" VERBATIM)
add_custom_target(packaging ALL DEPENDS ${DNG_PACKAGING}/darknet-generations.1.gz)

# Not `darknet`: that name is the host's.
install(PROGRAMS $<TARGET_FILE:darknet> DESTINATION ${CMAKE_INSTALL_BINDIR} RENAME darknet-generations)
install(CODE "if(CMAKE_INSTALL_DO_STRIP)
  execute_process(COMMAND ${CMAKE_STRIP} \$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/darknet-generations)
endif()")
install(DIRECTORY cfg data DESTINATION ${DNG_SHARE} PATTERN cifar-100 EXCLUDE PATTERN ilsvrc2012 EXCLUDE)
install(DIRECTORY scripts/cfg_network scripts/generations_driver scripts/onnx_export DESTINATION ${DNG_SHARE}/scripts PATTERN __pycache__ EXCLUDE)
list(TRANSFORM DNG_SCRIPTS PREPEND ${DNG_PACKAGING}/)
install(PROGRAMS ${DNG_SCRIPTS} scripts/get_cifar100.sh DESTINATION ${DNG_SHARE}/scripts)
install(FILES ${DNG_PACKAGING}/darknet-generations.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${DNG_PACKAGING}/darknet-generations.bash RENAME darknet-generations
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${DNG_PACKAGING}/copyright ${DNG_PACKAGING}/changelog.gz DESTINATION ${DNG_DOC})
install(FILES packaging/lintian-overrides RENAME darknet-generations
  DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides)

# The package depends on the packaged Darknet; a build for another one has no package.
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
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${DNG_HOST_FOLDER})
set(CPACK_DEBIAN_PACKAGE_DEPENDS "darknet, python3 (>= 3.11)")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "dataset-fashion-mnist, python3-matplotlib")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "liblinear-tools, python3-numpy, python3-scipy")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "train image classifiers in generations with Darknet")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "A tolerant patriarch is trained first, with a cost that leaves probability to
classes that look alike; each student then learns from the labels and from the
frozen generation before it. Networks, data files and weights are Darknet's.
The package has the program, the driver of whole chains, and cfgs for CIFAR100,
ILSVRC2012 and Fashion-MNIST.")
include(CPack)
