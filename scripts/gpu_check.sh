#!/bin/sh
# All that needs a GPU, one part after the other: build, tests, sanitizers, end-to-end test, benchmark.
# Parts are functions that are called by name.
# shellcheck disable=SC2317
set -u

usage() {
  cat <<USAGE
Usage: scripts/gpu_check.sh [PART...]      or: make gpu-check [GPU_CHECK="PART..."]
Runs on a machine with an NVIDIA GPU, CUDA toolkit and cuDNN. The next parts run after one that fails;
a summary comes last, and the exit code is 1 if any failed. Without parts, all but the last two:
  build       the program and its tests with the CUDA kernels (make all PRESET=cuda)
  tests       the C++ tests on the GPU (suites Cuda...)
  sanitize    some of them under compute-sanitizer: memcheck and racecheck
  end_to_end  tests/gpu/gpu_end_to_end_test.py
  bench       scripts/bench.py --gpu 0: the table, compared with the roofline and PyTorch's eager mode where PyTorch is
  compile     the table of ResNet-20 beside torch.compile, which compiles for minutes
  sanitize_more  synccheck and initcheck
Environment (default):
  GPU_CHECK_OUT      where logs, tables and summary go (build/gpu-check)
  GPU_CHECK_SECONDS  most seconds of each part, in the order above; of sanitize: each tool's
                     ("480 120 300 180 360 600 300", which is 29 minutes at most without the last two)
  GPU_CHECK_BENCH    other options of scripts/bench.py for bench ("--precision bf16 --repetitions 1 --seconds 1")
  GPU_CHECK_IMAGES   a .data file of image lists: with it ResNet-18 is in the table
  GPU_CHECK_PYTHON   the Python with PyTorch (python3)
  GPU_CHECK_FILTER   which C++ tests ("*Cuda*")
  GPU_CHECK_SANITIZED  which of them under the sanitizers ("CudaConvolutionTest*:CudaSteps*")
  COMPUTE_SANITIZER  the sanitizer (compute-sanitizer)
  DARKNET_ROOT       AlexeyAB's fork, as for make
  JOBS               compilers at a time (one for each core)
USAGE
}

parts="build tests sanitize end_to_end bench compile sanitize_more"
for word in "$@"; do
  case " $parts -h --help " in
    *" $word "*) ;;
    *)
      echo "gpu_check.sh: $word is no part; allowed: $parts; gpu_check.sh -h shows the usage" >&2
      exit 2
      ;;
  esac
  case $word in -*) usage && exit ;; esac
done
chosen=${*:-"build tests sanitize end_to_end bench"}

cd "$(dirname "$0")/.." || exit 1
if ! nvidia-smi -L 2>/dev/null | grep -q '^GPU '; then
  echo "gpu_check.sh: there is no NVIDIA GPU here (nvidia-smi finds none); run it on a machine with one" >&2
  exit 1
fi
out=${GPU_CHECK_OUT:-build/gpu-check}
mkdir -p "$out" || exit 1
root=${DARKNET_ROOT:-}
build=build/cuda${root:+-fork}
darknet=$build/darknet
tests=$build/tests/dng_tests
# Suites with parameters have a name before theirs.
filter=${GPU_CHECK_FILTER:-*Cuda*}
sanitized=${GPU_CHECK_SANITIZED:-CudaConvolutionTest*:CudaSteps*}
python=${GPU_CHECK_PYTHON:-python3}
sanitizer=${COMPUTE_SANITIZER:-compute-sanitizer}
[ -n "${COMPUTE_SANITIZER:-}" ] || command -v "$sanitizer" >/dev/null 2>&1 || sanitizer=/usr/local/cuda/bin/$sanitizer
limits=${GPU_CHECK_SECONDS:-480 120 300 180 360 600 300}
# The cache of convolution algorithms: the first part measures them, the next ones read them.
export XDG_CACHE_HOME="$PWD/$out/cache"
case $out in /*) XDG_CACHE_HOME=$out/cache ;; esac
rm -rf "$XDG_CACHE_HOME"
# The tests' OpenMP threads do not spin.
export OMP_WAIT_POLICY=passive

# limit PART: its seconds
limit() {
  echo "$limits" | awk -v parts="$parts" -v part="$1" \
    '{ n = split(parts, names, " "); for (i = 1; i <= n; ++i) if (names[i] == part) print i <= NF ? $i : $NF }'
}

# run SECONDS LOG COMMAND...: both streams go to the log and are shown.
run() {
  seconds=$1 log=$out/$2
  shift 2
  echo "\$ $*" >"$log"
  { timeout --kill-after=10 "$seconds" "$@" 2>&1; echo $? >"$out/status"; } | tee -a "$log"
  status=$(cat "$out/status")
  case $status in
    0) return 0 ;;
    124 | 137) reason="stopped after $seconds s" ;;
    *) reason="exit code $status" ;;
  esac
  return 1
}

# need FILE: what the build part makes
need() {
  reason="$1 is missing: run the part build first"
  [ -x "$1" ]
}

# GoogleTest passes where no test ran.
really_ran() {
  reason="no test ran"
  grep -q '\[  PASSED  \] [1-9]' "$out/$1" || return 1
  reason="tests were skipped"
  ! grep -q '\[  SKIPPED \]' "$out/$1"
}

part_build() {
  run "$(limit build)" build.log make all PRESET=cuda DARKNET_ROOT="$root" JOBS="${JOBS:-$(nproc)}" \
    CMAKE_FLAGS="-DGENERATIONS_CUDA=ON ${CMAKE_FLAGS:-}"
}

part_tests() {
  need "$tests" && run "$(limit tests)" tests.log "$tests" --gtest_filter="$filter" && really_ran tests.log
}

# sanitize PART TOOL...: the tests under each
sanitize() {
  need "$tests" || return 1
  name=$1
  shift
  reason="$sanitizer is missing: install the CUDA toolkit's, or name it in COMPUTE_SANITIZER"
  command -v "$sanitizer" >/dev/null 2>&1 || return 1
  failed=""
  for tool in "$@"; do
    # Some calls fail by intention, to find out what is available: API errors are not checked.
    run "$(limit "$name")" "$tool.log" "$sanitizer" --tool "$tool" --error-exitcode 9 --report-api-errors no \
      "$tests" --gtest_filter="$sanitized" && really_ran "$tool.log" || failed="$failed $tool: $reason;"
  done
  reason=${failed# }
  [ -z "$failed" ]
}

part_sanitize() { sanitize sanitize memcheck racecheck; }
part_sanitize_more() { sanitize sanitize_more synccheck initcheck; }

part_end_to_end() {
  need "$darknet" && run "$(limit end_to_end)" end_to_end.log env DNG_NEED_GPU=1 DNG_DARKNET="$darknet" \
    DNG_HOST="${root:+alexeyab}" python3 tests/gpu/gpu_end_to_end_test.py -v
}

# table NAME SECONDS OPTION...
table() {
  need "$darknet" || return 1
  name=$1 seconds=$2
  shift 2
  if "$python" -c 'import torch' 2>/dev/null; then set -- --pytorch --python "$python" "$@"; fi
  run "$seconds" "$name.log" python3 scripts/bench.py --gpu 0 --darknet "$darknet" --json "$out/$name.json" "$@"
}

part_bench() {
  # Options are words without blanks.
  # shellcheck disable=SC2086
  table bench "$(limit bench)" --no-compile ${GPU_CHECK_IMAGES:+--images "$GPU_CHECK_IMAGES"} \
    ${GPU_CHECK_BENCH:---precision bf16 --repetitions 1 --seconds 1}
}

part_compile() {
  if ! "$python" -c 'import torch; torch.compile' 2>/dev/null; then
    reason="$python has no torch.compile: name another in GPU_CHECK_PYTHON"
    return 1
  fi
  table compile "$(limit compile)" --precision bf16 --repetitions 1 --seconds 1 --most 120 cfg/cifar100-resnet20.cfg
}

nvidia-smi >"$out/machine.txt" 2>&1
# Images for the end-to-end test and the table, where the archive lies beside the project.
for archive in shared/data/cifar-100-binary.tar.xz ../shared/data/cifar-100-binary.tar.xz; do
  if [ ! -f data/cifar-100/train.bin ] && [ -f "$archive" ]; then scripts/get_cifar100.sh "$archive"; fi
done
: >"$out/summary.txt"
result=0
for part in $chosen; do
  echo "== $part"
  reason=""
  begin=$(date +%s)
  if "part_$part"; then
    verdict=ok
  else
    verdict="FAILED: $reason"
    result=1
  fi
  printf '%-13s %5d s  %s\n' "$part" $(($(date +%s) - begin)) "$verdict" >>"$out/summary.txt"
done
rm -f "$out/status"
echo "== summary (logs and tables: $out)"
cat "$out/summary.txt"
exit $result
