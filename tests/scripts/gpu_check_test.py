"""scripts/gpu_check.sh: what it runs, what it makes of it. The programs that it runs are scripts here."""

import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import ROOT, RUN_SECONDS, FolderTest, read, write

PASSED = "echo '[  PASSED  ] 3 tests.'\n"
FINE = {"bin/nvidia-smi": "echo 'GPU 0: a GPU'\n", "bin/make": "echo made\n",
        # All options of the call have a value of their own.
        "bin/compute-sanitizer": 'while [ "${1#--}" != "$1" ]; do shift 2; done\n"$@"\n',
        "bin/python3": 'script=$1; shift; exec sh "$script" "$@"\n',
        "build/cuda/darknet": "exit 0\n", "build/cuda/tests/dng_tests": PASSED,
        "tests/gpu/gpu_end_to_end_test.py": "echo need $DNG_NEED_GPU\n", "scripts/bench.py": "echo table\n"}
PARTS = ["build", "tests", "sanitize", "end_to_end", "bench"]


class GpuCheckTest(FolderTest):
    def setUp(self):
        super().setUp()
        for name, text in FINE.items():
            self.put(name, text)
        shutil.copy(os.path.join(ROOT, "scripts", "gpu_check.sh"), self.path("scripts", "gpu_check.sh"))

    def put(self, name, text):
        """A script that notes how it was called."""
        note = 'echo "%s $*" >> %s\n' % (os.path.basename(name), self.path("called"))
        os.chmod(self.write(name, "#!/bin/sh\n" + note + text), 0o755)

    def check(self, *parts, code, **environment):
        # The machine's own settings have no say.
        kept = {key: value for key, value in os.environ.items()
                if not key.startswith("GPU_CHECK") and key not in ("DARKNET_ROOT", "COMPUTE_SANITIZER", "CMAKE_FLAGS")}
        kept.update(environment, PATH=self.path("bin") + ":" + os.environ["PATH"])
        done = subprocess.run([self.path("scripts", "gpu_check.sh"), *parts], env=kept, capture_output=True, text=True,
                              timeout=RUN_SECONDS, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def summary(self):
        """{part: verdict}, in order."""
        lines = read(self.path("build", "gpu-check", "summary.txt")).decode().splitlines()
        return {line.split()[0]: line.split(" s  ", 1)[1] for line in lines}

    def called(self):
        return read(self.path("called")).decode()

    def test_without_a_gpu_it_is_one_line(self):
        self.put("bin/nvidia-smi", "echo 'No devices were found'; exit 6\n")
        done = self.check(code=1)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertIn("there is no NVIDIA GPU here", done.stderr)
        self.assertFalse(os.path.exists(self.path("build", "gpu-check")))

    def test_unknown_parts_are_refused(self):
        done = self.check("tests", "bensh", code=2)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertIn("bensh is no part; allowed: build tests", done.stderr)

    def test_all_is_well(self):
        done = self.check(code=0)
        self.assertEqual(self.summary(), {part: "ok" for part in PARTS})
        self.assertIn("bench ", done.stdout.rpartition("== summary")[2])
        called = self.called()
        self.assertIn("make all PRESET=cuda DARKNET_ROOT= ", called)
        self.assertIn("CMAKE_FLAGS=-DGENERATIONS_CUDA=ON", called)
        for tool in ("memcheck", "racecheck"):
            self.assertIn("--tool %s --error-exitcode 9" % tool, called)
        self.assertEqual(called.count("dng_tests --gtest_filter=*Cuda*"), 1)
        # Each sanitizer's call names it, too.
        self.assertEqual(called.count("dng_tests --gtest_filter=CudaConvolutionTest*"), 4)
        self.assertIn("bench.py --gpu 0 --darknet build/cuda/darknet --json build/gpu-check/bench.json", called)
        self.assertIn("need 1", read(self.path("build", "gpu-check", "end_to_end.log")).decode())

    def test_parts_and_places_are_chosen(self):
        self.put("build/cuda-fork/tests/dng_tests", PASSED)
        self.check("tests", code=0, DARKNET_ROOT="/fork", GPU_CHECK_OUT=self.path("out"), GPU_CHECK_FILTER="CudaSteps*")
        self.assertIn("tests ", read(self.path("out", "summary.txt")).decode())
        self.assertEqual(self.called().count("\n"), 3)  # nvidia-smi twice
        self.assertIn("dng_tests --gtest_filter=CudaSteps*", self.called())
        self.check("build", code=0, DARKNET_ROOT="/fork")
        self.assertIn("DARKNET_ROOT=/fork ", self.called())

    def test_it_goes_on_after_failures(self):
        self.put("build/cuda/tests/dng_tests", PASSED + "exit 1\n")
        self.put("tests/gpu/gpu_end_to_end_test.py", "exit 3\n")
        self.check(code=1)
        self.assertEqual(self.summary(), {"build": "ok", "tests": "FAILED: exit code 1",
                                          "sanitize": "FAILED: memcheck: exit code 1; racecheck: exit code 1;",
                                          "end_to_end": "FAILED: exit code 3", "bench": "ok"})

    def test_more_sanitizers_on_demand(self):
        self.check("sanitize_more", code=0)
        self.assertEqual(self.summary(), {"sanitize_more": "ok"})
        for tool in ("synccheck", "initcheck"):
            self.assertIn("--tool %s --error-exitcode 9" % tool, self.called())

    def test_choices_of_convolutions_are_measured_anew(self):
        os.makedirs(self.path("build", "gpu-check", "cache"))
        write(self.path("build", "gpu-check", "cache", "old"), "")
        self.put("build/cuda/tests/dng_tests", 'ls "$XDG_CACHE_HOME"; mkdir -p "$XDG_CACHE_HOME/measured"\n' + PASSED)
        self.put("tests/gpu/gpu_end_to_end_test.py", 'ls "$XDG_CACHE_HOME"\n')
        self.check("tests", "end_to_end", code=0)
        logs = [read(self.path("build", "gpu-check", name + ".log")).decode() for name in ("tests", "end_to_end")]
        self.assertNotIn("old", logs[0])
        self.assertIn("measured", logs[1])

    def test_one_sanitizer_does_not_stop_the_other(self):
        self.put("bin/compute-sanitizer", 'case "$*" in *memcheck*) exit 9 ;; esac\n' + PASSED)
        self.check("sanitize", code=1)
        self.assertEqual(self.summary(), {"sanitize": "FAILED: memcheck: exit code 9;"})
        self.assertIn("PASSED", read(self.path("build", "gpu-check", "racecheck.log")).decode())

    def test_tests_must_have_run(self):
        for text, says in (("echo '[  PASSED  ] 0 tests.'\n", "no test ran"),
                           ("echo '[  SKIPPED ] CudaSteps.A (0 ms)'\n" + PASSED, "tests were skipped")):
            self.put("build/cuda/tests/dng_tests", text)
            self.check("tests", "sanitize", code=1)
            self.assertEqual(self.summary()["tests"], "FAILED: " + says)
            self.assertIn(says, self.summary()["sanitize"])

    def test_slow_parts_are_stopped(self):
        self.put("build/cuda/tests/dng_tests", "sleep 60\n")
        self.check("tests", "bench", code=1, GPU_CHECK_SECONDS="9 1 9 9 9")
        self.assertEqual(self.summary(), {"tests": "FAILED: stopped after 1 s", "bench": "ok"})

    def test_what_is_not_built_is_named(self):
        os.remove(self.path("build", "cuda", "tests", "dng_tests"))
        self.check("tests", "end_to_end", code=1)
        self.assertEqual(self.summary(), {
            "tests": "FAILED: build/cuda/tests/dng_tests is missing: run the part build first", "end_to_end": "ok"})

    def test_a_missing_sanitizer_is_named(self):
        self.check("sanitize", code=1, COMPUTE_SANITIZER="/none/sanitizer")
        self.assertIn("/none/sanitizer is missing", self.summary()["sanitize"])


if __name__ == "__main__":
    unittest.main()
