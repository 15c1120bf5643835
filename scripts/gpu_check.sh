#!/usr/bin/env bash
# Everything that needs a GPU, one after the other: tests, sanitizers, runs of the whole program, benchmark. Goes on
# after a failure and ends with a line for each part; the exit code is 1 where one failed.
#
#   scripts/gpu_check.sh [FOLDER of the build: build/cuda]      or: make gpu-check
#
# Output of each part: FOLDER/gpu-check/*.log. Parts whose tools are missing are named as skipped.
set -u
cd "$(dirname "$0")/.."
build=${1:-build/cuda}
logs=$build/gpu-check
tests=$build/tests/dng_tests
python=${PYTHON:-/usr/bin/python3}
mkdir -p "$logs"
summary=() failed=0

part() {  # name, command...
  local name=$1 code=0
  shift
  echo "== $name: $*"
  "$@" > "$logs/$name.log" 2>&1 || code=$?
  tail -n 4 "$logs/$name.log"
  if [ "$code" = 0 ]; then summary+=("passed   $name"); else summary+=("FAILED   $name (status $code): $logs/$name.log"); failed=1; fi
}

skip() { summary+=("skipped  $1: $2"); }

if ! nvidia-smi > "$logs/nvidia-smi.log" 2>&1; then
  echo "there is no GPU, or no driver: nvidia-smi says: $(tail -n 1 "$logs/nvidia-smi.log")"
  exit 1
fi
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv
export OMP_WAIT_POLICY=passive

part tests "$tests" --gtest_filter='Cuda*:*/Cuda*'
part whole-program env DNG_DARKNET="$build/darknet" "$python" tests/gpu_program_test.py -v
# The networks and the updates, with every kernel there is in them; a few samples, because the tools are slow.
few='CudaSteps.*:*/CudaNetworkTest.GradientsAndStatisticsOfAStep/OtherActivations:*/CudaNetworkTest.GradientsAndStatisticsOfAStep/DenseNet:*/CudaNetworkTest.GradientsAndStatisticsOfAStep/GroupsAndOddSizes:*/CudaNetworkTest.BFloat16/OtherActivationsSmooth'
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2> /dev/null)
if [ -n "$sanitizer" ]; then
  part memcheck "$sanitizer" --tool memcheck --error-exitcode 9 "$tests" --gtest_filter="$few"
  part racecheck "$sanitizer" --tool racecheck --error-exitcode 9 "$tests" --gtest_filter="$few"
else
  skip memcheck "compute-sanitizer is not installed"
  skip racecheck "compute-sanitizer is not installed"
fi
if [ -d data/cifar-100 ]; then
  if "$python" -c 'import torch' 2> /dev/null; then beside=--pytorch; else beside=; skip pytorch "$python has no PyTorch"; fi
  for precision in bf16 tf32 fp32; do
    part "bench-$precision" "$python" scripts/bench_gpu.py --darknet "$build/darknet" --precision $precision \
      --json "$logs/bench-$precision.json" $beside
  done
else
  skip bench "there is no data/cifar-100 (scripts/get_cifar100.sh)"
fi
part floor "$python" scripts/gpu_floor.py

printf '\n'
printf '%s\n' "${summary[@]}"
exit $failed
