#!/usr/bin/env bash
# Compiles program and tests for 64-bit ARM, and runs the tests of the loops under QEMU; skipped, with a line that says
# why, where Debian's cross compiler, mmdebstrap or QEMU is missing. Packages: g++-aarch64-linux-gnu mmdebstrap
# qemu-user-static; root. ARM64_SYSROOT: the folder of the arm64 packages, made where it does not exist; ARM64_TESTS:
# a filter of GoogleTest ('*': all; empty: the program is compiled, nothing is tested, and QEMU is not needed).
set -euo pipefail
cd "$(dirname "$0")/.."
sysroot=$(realpath -m "${ARM64_SYSROOT:-build/arm64-sysroot}")
tests=${ARM64_TESTS-'*Winograd*:RowMath*:Resample*:MaxPool*:TrainingConvolution*:Cost*-*Cuda*'}
for program in aarch64-linux-gnu-g++ mmdebstrap ${tests:+qemu-aarch64-static}; do
  command -v "$program" > /dev/null || { echo "arm64: skipped, $program is not installed"; exit 0; }
done
if [ ! -d "$sysroot" ]; then
  [ "$(id -u)" = 0 ] || { echo "arm64: skipped, only root can make $sysroot"; exit 0; }
  # shellcheck source=/dev/null
  . /etc/os-release
  packages=darknet,libdnnl-dev,libopencv-core-dev,libopencv-imgproc-dev,libopencv-imgcodecs-dev,libjpeg-dev,libgtest-dev
  packages=${packages//,/:arm64,}:arm64,zlib1g-dev:arm64,libc6-dev:arm64,libgomp1:arm64
  mkdir -p build
  # shellcheck disable=SC2016  # the hooks' own variables
  # With amd64's shell for the packages' scripts. Links that are absolute would lead out of the folder.
  mmdebstrap --quiet --variant=minbase --architectures=amd64,arm64 --include="$packages" \
    --customize-hook='for lib in blas lapack; do
      ln -sf $lib/lib$lib.so.3 "$1"/usr/lib/aarch64-linux-gnu/
      ln -sf "$(basename "$(ls "$1"/usr/lib/aarch64-linux-gnu/$lib/lib$lib.so.3.*)")" "$1"/usr/lib/aarch64-linux-gnu/$lib/lib$lib.so.3
    done' \
    --customize-hook='find "$1"/usr/lib/aarch64-linux-gnu -maxdepth 1 -lname "/*lib/*" | while read -r link; do
      ln -sf "$(basename "$(readlink "$link")")" "$link"
    done' "$VERSION_CODENAME" "$sysroot.new"
  mv "$sysroot.new" "$sysroot"
fi
cmake --preset arm64 -DARM64_SYSROOT="$sysroot" -DDNG_TESTS=ON -DDNG_WERROR=ON > build/arm64-configure.log 2>&1 ||
  { cat build/arm64-configure.log; exit 1; }
cmake --build build/arm64 -j "${JOBS:-$(nproc)}" --target darknet ${tests:+dng_tests}
[ -n "$tests" ] || exit 0
OMP_WAIT_POLICY=passive qemu-aarch64-static -cpu cortex-a72 -L "$sysroot" build/arm64/tests/dng_tests --gtest_brief=1 \
  --gtest_filter="$tests"
