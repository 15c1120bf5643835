# libjpeg-turbo, which OpenCV decodes with, too. Other libraries of that interface cannot decode a part of an image.
include(CheckCXXSourceCompiles)
find_package(JPEG)
if(NOT JPEG_FOUND)
  message(FATAL_ERROR "No libjpeg-turbo found: run 'make deps', which installs libjpeg-dev")
endif()
set(CMAKE_REQUIRED_LIBRARIES JPEG::JPEG)
check_cxx_source_compiles("
  #include <cstdio>
  #include <jpeglib.h>
  int main() { return jpeg_crop_scanline != nullptr && jpeg_skip_scanlines != nullptr && JCS_EXT_RGBX != 0 ? 0 : 1; }
" DNG_LIBJPEG_IS_TURBO)
unset(CMAKE_REQUIRED_LIBRARIES)
if(NOT DNG_LIBJPEG_IS_TURBO)
  message(FATAL_ERROR "${JPEG_LIBRARIES} is not libjpeg-turbo 1.5 or newer; install libjpeg62-turbo-dev, or Ubuntu's libjpeg-turbo8-dev")
endif()
