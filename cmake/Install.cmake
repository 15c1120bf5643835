# `make install`: what goes where.
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
set_source_files_properties(src/cli/version.cpp src/library/interface.cpp PROPERTIES
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

set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME program)
# Not `darknet`: that name is the host's.
install(PROGRAMS $<TARGET_FILE:darknet> DESTINATION ${CMAKE_INSTALL_BINDIR} RENAME darknet-generations)
install(CODE "if(CMAKE_INSTALL_DO_STRIP)
  execute_process(COMMAND ${CMAKE_STRIP} \$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/darknet-generations)
endif()")
install(DIRECTORY cfg DESTINATION ${DNG_SHARE})
# Not its folders: those are data sets of whoever builds.
file(GLOB DNG_DATA CONFIGURE_DEPENDS LIST_DIRECTORIES false data/*)
install(FILES ${DNG_DATA} DESTINATION ${DNG_SHARE}/data)
install(DIRECTORY scripts/cfg_network scripts/generations_driver scripts/onnx_export DESTINATION ${DNG_SHARE}/scripts PATTERN __pycache__ EXCLUDE)
list(TRANSFORM DNG_SCRIPTS PREPEND ${DNG_PACKAGING}/)
install(PROGRAMS ${DNG_SCRIPTS} scripts/get_cifar100.sh DESTINATION ${DNG_SHARE}/scripts)
install(FILES ${DNG_PACKAGING}/darknet-generations.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${DNG_PACKAGING}/darknet-generations.bash RENAME darknet-generations
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${DNG_PACKAGING}/copyright ${DNG_PACKAGING}/changelog.gz DESTINATION ${DNG_DOC})
install(FILES packaging/lintian-overrides RENAME darknet-generations
  DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides)
