#!/usr/bin/env python3
"""The program on a GPU against itself on the CPU: losses, resuming, teachers, evaluation, errors.

With a CUDA build and a device; otherwise what can be tested without, and the rest is skipped with the reason.
DNG_NEED_GPU=1 makes that a failure. The images are Fashion-MNIST's, or where those are missing CIFAR100's.

Bounds. Two runs that differ in rounding alone drift apart: with ELU slowly, with ReLU by jumps, as soon as an
activation changes its side. Measured on the CPU with this network, 200 updates from the same weights and from weights
changed by 1e-7 to 1e-5 of themselves, largest relative difference of a loss:

    ELU                  first 50 1e-6          all 2e-5         weights 2e-5 (norm of the difference over the norm)
    ReLU, rate 0.05      first 20 1.4e-5        first 50 3e-4    all 4.5e-2    weights 2.4e-2

The GPU adds its rounding in every update, so the bounds are wider; a wrong gradient, batch or rate is seen in the
second loss, and another seed is off by far more (test_bounds_tell_seeds_apart).

/usr/bin/python3 tests/gpu/gpu_end_to_end_test.py -v
"""

import functools
import math
import os
import re
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import (CIFAR100_RECORD, DARKNET, FASHION, ROOT, RUN_SECONDS, SOFTMAX, TSD, MadeOnceTest, RunTest,
                         distill, fashion_data, fashion_image, fashion_network, iteration_of, read, say, section, write,
                         write_cifar100, write_fashion, write_png)

UPDATES = 200
EXACT_STEPS, EXACT = 20, 1e-4     # the first losses, whatever the activation
SMOOTH_LOSS, SMOOTH_WEIGHTS = 1e-3, 2e-3
RELU_LOSS, RELU_MEAN = 0.2, 0.03  # of one loss; of the mean of the second half
# bfloat16 keeps 8 bits, which is 4e-3 of every number; TF32 11.
REDUCED = {"tf32": (0.02, 0.01), "bf16": (0.15, 0.03)}
WEIGHTS_HEADER = 20               # bytes
TARGETS_HEADER = 4096
CIFAR100 = os.path.join(ROOT, "data", "cifar-100")
NEED_GPU = "DNG_NEED_GPU"


@functools.lru_cache(None)
def answer():
    """What the program says to -gpus 0 before it looks for files."""
    done = subprocess.run([DARKNET, "classifier", "valid", "no.data", "no.cfg", "no.weights", "-gpus", "0"],
                          capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    return done.returncode, done.stderr.strip()


def has_cuda():
    return "computes on the CPU only" not in answer()[1]


def has_device():
    return has_cuda() and "-gpus 0" not in answer()[1]


def losses_of(text):
    """Of the log's lines, in order."""
    return [float(line.split(": ", 1)[1].split(",", 1)[0]) for line in text.splitlines() if iteration_of(line)]


def floats(path, header):
    content = read(path)[header:]
    return struct.unpack("<%df" % (len(content) // 4), content)


def distance(found, expected):
    """The norm of the difference over the norm."""
    assert len(found) == len(expected)
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(found, expected, strict=True)) / sum(b * b for b in expected))


def differences(found, expected):
    """Relative, loss by loss."""
    assert len(found) == len(expected), (len(found), len(expected))
    return [abs(a - b) / abs(b) for a, b in zip(found, expected, strict=True)]


class Images:
    """Fashion-MNIST or CIFAR100: files in the test's folder, and a network for them."""

    def __init__(self, folder, train=6000, valid=500):
        self.fashion, self.folder = os.path.isdir(FASHION), folder
        self.classes = 10 if self.fashion else 100
        if self.fashion:
            write_fashion(folder, train, valid)
        elif os.path.exists(os.path.join(CIFAR100, "train.bin")):
            for source, name, count in (("train", "train", train), ("test", "valid", valid)):
                with open(os.path.join(CIFAR100, source + ".bin"), "rb") as file:
                    write(os.path.join(folder, name + ".bin"), file.read(count * CIFAR100_RECORD))
        else:
            write_cifar100(folder, train, valid)

    def data(self, backup):
        if self.fashion:
            return fashion_data(backup)
        return "classes=100\ntrain=train.bin\nvalid=valid.bin\nbackup=%s\ntop=5\n" % backup

    def network(self, cost, smooth=True, **net):
        keys = dict(epochs=None, policy="constant", max_batches=UPDATES)
        if not self.fashion:
            keys.update(height=32, width=32, channels=3)
        keys.update(net)
        text = fashion_network(cost, **keys)
        text = text.replace("output=10\n", "output=%d\n" % self.classes)
        return text.replace("activation=relu", "activation=elu") if smooth else text

    def write_png(self, index, path):
        if self.fashion:
            return write_png(path, fashion_image(index, self.folder)[0], 1)
        record = read(os.path.join(self.folder, "valid.bin"))[CIFAR100_RECORD * index:][2:CIFAR100_RECORD]
        rows = [bytes(record[1024 * c + 32 * y + x] for x in range(32) for c in range(3)) for y in range(32)]
        return write_png(path, rows, 3)


class NoCudaTest(RunTest):
    @unittest.skipIf(has_cuda(), "this build has CUDA")
    def test_gpus_is_refused_in_one_line(self):
        done = self.run_darknet("classifier", "train", "no.data", "no.cfg", "-gpus", 0, code=2)
        self.assertIn("-gpus 0: this build computes on the CPU only", done.stderr.splitlines()[0])
        self.assertIn("leave -gpus out", done.stderr.splitlines()[0])

    @unittest.skipIf(has_cuda(), "this build has CUDA")
    def test_nogpu_is_taken(self):
        done = self.run_darknet("classifier", "valid", "no.data", "no.cfg", "no.weights", "-nogpu", code=1)
        self.assert_one_line(done, "no.data")


class NoDeviceTest(RunTest):
    def setUp(self):
        super().setUp()
        if not has_cuda() or has_device():
            self.skipTest("there is a GPU" if has_cuda() else "this build has no CUDA")

    def test_gpus_is_refused_in_one_line(self):
        done = self.run_darknet("classifier", "train", "no.data", "no.cfg", "-gpus", 0, code=1)
        self.assert_one_line(done, "-gpus 0", "there is no GPU that CUDA can use", "-nogpu")

    def test_without_the_option_the_cpu_computes(self):
        images = Images(self.folder, 200, 50)
        self.write("a.data", images.data("backup"))
        self.write("net.cfg", images.network(SOFTMAX, max_batches=2))
        self.assertNotIn("GPU: ", self.train("net.cfg", data="a.data").stdout)


class GpuTest(MadeOnceTest):
    """A folder with data files and networks that all tests read; each trains into a folder of its own."""

    @classmethod
    def setUpClass(cls):
        if not has_device():
            reason = "there is no GPU" if has_cuda() else "this build has no CUDA"
            if os.environ.get(NEED_GPU):
                raise AssertionError("%s, but %s is set: %s" % (reason, NEED_GPU, answer()[1]))
            raise unittest.SkipTest(reason)
        super().setUpClass()

    def make(self):
        try:
            type(self).images = Images(self.folder)
        except unittest.SkipTest as reason:
            if os.environ.get(NEED_GPU):
                raise AssertionError("%s is set, but there are no images: %s" % (NEED_GPU, reason)) from reason
            raise

    def run_on(self, device, cfg, backup, *words, seed=1, **options):
        """Trains; returns (losses, the path of the final weights, what was printed)."""
        self.write(backup + ".data", self.images.data(backup))
        done = self.train(cfg, *device, *words, data=backup + ".data", seed=seed, **options)
        base = os.path.splitext(os.path.basename(cfg))[0]
        return losses_of(done.stdout), self.path(backup, base + "_final.weights"), done.stdout

    def assert_close(self, found, expected, bound=SMOOTH_WEIGHTS):
        self.assertLess(distance(floats(found, WEIGHTS_HEADER), floats(expected, WEIGHTS_HEADER)), bound)


CPU, GPU = ("-nogpu",), ("-gpus", 0)


class TrainingTest(GpuTest):
    def both(self, name, text):
        """[(losses, weights)] on the CPU and the GPU."""
        self.write(name + ".cfg", text)
        runs = []
        for device in (CPU, GPU):
            losses, weights, out = self.run_on(device, name + ".cfg", name + device[0])
            self.assertEqual("GPU: " in out, device is GPU, out[:2000])
            self.assertEqual(len(losses), UPDATES)
            runs.append((losses, weights))
        return runs

    def test_losses_follow_the_cpus(self):
        (cpu, cpus), (gpu, gpus) = self.both("smooth", self.images.network(SOFTMAX))
        found = differences(gpu, cpu)
        apart = distance(floats(gpus, WEIGHTS_HEADER), floats(cpus, WEIGHTS_HEADER))
        say("ELU: losses differ by %.1e in the first %d updates, %.1e in all; weights by %.1e" % (
            max(found[:EXACT_STEPS]), EXACT_STEPS, max(found), apart))
        # It learns: CIFAR100 in so few updates less than Fashion-MNIST.
        self.assertLess(cpu[-1], (0.9 if self.images.fashion else 0.95) * cpu[0])
        self.assertLess(max(found[:EXACT_STEPS]), EXACT)
        self.assertLess(max(found), SMOOTH_LOSS)
        self.assertLess(apart, SMOOTH_WEIGHTS)

    def test_losses_follow_the_cpus_with_kinks(self):
        (cpu, _), (gpu, _) = self.both("kinks", self.images.network(TSD, smooth=False))
        found = differences(gpu, cpu)
        say("ReLU: losses differ by %.1e in the first %d updates, %.1e in all" % (
            max(found[:EXACT_STEPS]), EXACT_STEPS, max(found)))
        half = UPDATES // 2
        self.assertLess(max(found[:EXACT_STEPS]), EXACT)
        self.assertLess(max(found), RELU_LOSS)
        self.assertLess(abs(sum(gpu[half:]) / sum(cpu[half:]) - 1), RELU_MEAN)

    def test_reduced_precisions_learn_the_same(self):
        self.write("wide.cfg", self.images.network(SOFTMAX))
        cpu = self.run_on(CPU, "wide.cfg", "wide")[0]
        for precision, (one, mean) in REDUCED.items():
            self.write(precision + ".cfg", self.images.network(SOFTMAX, precision=precision))
            gpu, _, out = self.run_on(GPU, precision + ".cfg", precision)
            found, half = differences(gpu, cpu), UPDATES // 2
            say("%s: losses differ by up to %.1e" % (precision, max(found)))
            self.assertIn("precision " + precision, out)
            self.assertLess(max(found), one, precision)
            self.assertLess(abs(sum(gpu[half:]) / sum(cpu[half:]) - 1), mean, precision)

    def test_bounds_tell_seeds_apart(self):
        self.write("seeds.cfg", self.images.network(SOFTMAX))
        (one, ones, _), (two, twos, _) = (self.run_on(GPU, "seeds.cfg", "seed%d" % seed, seed=seed)
                                          for seed in (1, 2))
        self.assertGreater(max(differences(two, one)[:EXACT_STEPS]), 100 * EXACT)
        self.assertGreater(distance(floats(twos, WEIGHTS_HEADER), floats(ones, WEIGHTS_HEADER)), 100 * SMOOTH_WEIGHTS)

    def test_the_same_device_gives_the_same_bits(self):
        for precision in ("fp32", "tf32", "bf16"):
            self.write("twice.cfg", self.images.network(SOFTMAX, smooth=False, precision=precision, subdivisions=2))
            for backup in ("once", "again"):
                self.run_on(GPU, "twice.cfg", backup)
            self.assert_same_results(self.path("once", "twice"), self.path("again", "twice"), best=False)

    def test_nogpu_is_the_cpu(self):
        self.write("cpu.cfg", self.images.network(SOFTMAX, max_batches=20))
        hidden = dict(os.environ, CUDA_VISIBLE_DEVICES="")
        _, nogpu, _ = self.run_on(CPU, "cpu.cfg", "nogpu")
        _, none, out = self.run_on((), "cpu.cfg", "hidden", env=hidden)
        self.assertNotIn("GPU: ", out)
        self.assertEqual(read(nogpu), read(none))
        _, _, out = self.run_on((), "cpu.cfg", "default")
        self.assertIn("GPU: ", out)


class ResumeTest(GpuTest):
    def legs(self, name, devices, text=None):
        """Trains UPDATES updates, a third on each device; returns the final weights and the outputs."""
        outputs = []
        for number, device in enumerate(devices, 1):
            self.write(name + ".cfg", (text or self.images.network)(
                SOFTMAX, max_batches=UPDATES * number // len(devices)))
            _, weights, out = self.run_on(device, name + ".cfg", name, *(("-resume",) if number > 1 else ()))
            outputs.append(out)
        return weights, outputs

    def test_runs_go_on_on_the_other_device(self):
        whole, _ = self.legs("whole", [CPU])
        for name, devices in (("cgc", [CPU, GPU, CPU]), ("gcg", [GPU, CPU, GPU])):
            weights, outputs = self.legs(name, devices)
            for number, out in enumerate(outputs[1:], 1):
                self.assertIn("resumed at iteration %d\n" % (UPDATES * number // 3), out)
                self.assertTrue(re.search("not bit for bit: .*device .* -> ", out), out[:2000])
            self.assert_close(weights, whole)

    def test_on_the_same_device_bit_for_bit(self):
        whole, _ = self.legs("one", [GPU])
        weights, outputs = self.legs("two", [GPU, GPU])
        self.assertIn("resumed at iteration %d\n" % (UPDATES // 2), outputs[1])
        self.assertNotIn("not bit for bit", outputs[1])
        self.assertEqual(read(weights), read(whole))


class TeacherTest(GpuTest):
    def make(self):
        super().make()
        self.write("teacher.cfg", self.images.network(TSD))
        self.run_on(CPU, "teacher.cfg", "teacher")
        teacher = distill("teacher.cfg", "teacher/teacher_final.weights", **{"lambda": 0.6})
        self.write("student.cfg", self.images.network(teacher))

    def cached(self, file):
        name = "cached_" + os.path.splitext(file)[0] + ".cfg"
        self.write(name, self.images.network(distill(targets=file, **{"lambda": 0.6})))
        return name

    def targets(self, device):
        path = "targets%s.bin" % device[0]
        if not os.path.exists(self.path(path)):
            self.write("targets.data", self.images.data("targets"))
            self.run_darknet("classifier", "targets", "targets.data", "student.cfg", "-out", path, "-seed", 1,
                             "-threads", 1, *device)
        return path

    def test_students_follow_the_cpus(self):
        (cpu, cpus, _), (gpu, gpus, _) = (self.run_on(device, "student.cfg", "student" + device[0])
                                          for device in (CPU, GPU))
        found = differences(gpu, cpu)
        self.assertLess(max(found[:EXACT_STEPS]), EXACT)
        self.assertLess(max(found), SMOOTH_LOSS)
        self.assert_close(gpus, cpus)

    def test_targets_are_the_cpus(self):
        cpu, gpu = (floats(self.path(self.targets(device)), TARGETS_HEADER) for device in (CPU, GPU))
        self.assertEqual(len(gpu), UPDATES * 32 * self.images.classes)
        self.assertLess(max(abs(a - b) for a, b in zip(gpu, cpu, strict=True)), 1e-4)
        self.assertGreater(max(gpu), 2 / self.images.classes)  # the teacher has an opinion

    def test_targets_of_the_gpu_teach_on_both(self):
        cfg = self.cached(self.targets(GPU))
        _, live, _ = self.run_on(GPU, "student.cfg", "live")
        for device in (CPU, GPU):
            _, weights, _ = self.run_on(device, cfg, "taught" + device[0])
            self.assert_close(weights, live)


class EvaluationTest(GpuTest):
    def make(self):
        super().make()
        self.write("net.cfg", self.images.network(TSD, smooth=False))
        self.run_on(GPU, "net.cfg", "backup")

    def words(self, verb, device):
        return ("classifier", verb, "backup.data", "net.cfg", "backup/net_final.weights", "-threads", 1) + device

    def valid(self, device):
        line = self.run_darknet(*self.words("valid", device)).stdout.splitlines()[-1].split()
        return {key: float(value) for key, value in zip(line[::2], line[1::2], strict=True)}

    def test_weights_of_the_gpu_evaluate_the_same_on_the_cpu(self):
        cpu, gpu = self.valid(CPU), self.valid(GPU)
        self.assertEqual(sorted(cpu), ["images", "loss", "top1", "top5"])
        for key in ("top1", "top5"):
            self.assertLessEqual(abs(gpu[key] - cpu[key]), 1.01 / cpu["images"], key)
        self.assertLess(abs(gpu["loss"] / cpu["loss"] - 1), 1e-3)
        # Better than chance: it has learnt there.
        self.assertGreater(cpu["top1"], 2 / self.images.classes)

    def test_predictions_are_the_cpus(self):
        for index in range(5):
            path = self.path("image%d.png" % index)
            self.images.write_png(index, path)
            cpu, gpu = (self.run_darknet(*self.words("predict", device)[:5], path, "-threads", 1, *device).stdout
                        for device in (CPU, GPU))
            rows = [re.findall(r"^ *([\d.]+)%: (.*)$", text, re.M) for text in (cpu, gpu)]
            self.assertEqual(len(rows[0]), 5)
            # Names of equal scores may change places.
            found = {name: float(score) for score, name in rows[1]}
            for score, name in rows[0]:
                self.assertAlmostEqual(found.get(name, float(rows[1][-1][0])), float(score), delta=0.02)


class ErrorTest(GpuTest):
    def make(self):
        super().make()
        self.write("a.data", self.images.data("backup"))
        self.write("net.cfg", self.images.network(SOFTMAX, max_batches=2))

    def test_wrong_numbers_are_one_line(self):
        for number, code, says in (("999", 1, "there is no such GPU; allowed are 0 to"),
                                   ("0,1", 2, "one training uses one GPU so far; give one number"),
                                   ("-1", 2, "allowed is the number of a GPU"),
                                   ("x", 2, "allowed is the number of a GPU")):
            done = self.run_darknet("classifier", "train", "a.data", "net.cfg", "-gpus", number, code=code)
            self.assertIn("-gpus %s: %s" % (number, says), done.stderr.splitlines()[0])
            if code == 1:  # the usage follows wrong usage
                self.assert_one_line(done)
        done = self.run_darknet("classifier", "train", "a.data", "net.cfg", "-gpus", 0, "-nogpu", code=2)
        self.assertIn("exclude each other", done.stderr.splitlines()[0])

    def test_no_visible_device_is_one_line(self):
        done = self.run_darknet("classifier", "train", "a.data", "net.cfg", "-gpus", 0, code=1,
                                env=dict(os.environ, CUDA_VISIBLE_DEVICES=""))
        self.assert_one_line(done, "-gpus 0", "there is no GPU that CUDA can use", "-nogpu")

    def test_short_memory_says_which_subdivisions_fit(self):
        # 4096 images, 40 layers of 256 x 28 x 28 or more: two copies of each in float are more than 250 GB.
        batch, layers = 4096, 40
        convolution = section("convolutional", batch_normalize=1, filters=256, size=1, stride=1, activation="relu")

        def text(subdivisions):
            small = self.images.network(SOFTMAX, smooth=False, batch=batch, subdivisions=subdivisions, max_batches=1)
            return small.replace("[dropout]", layers * convolution + "[dropout]").replace("stride=2", "stride=1")

        self.write("large.cfg", text(1))
        done = self.run_darknet("classifier", "train", "a.data", "large.cfg", *GPU, code=1)
        self.assert_one_line(done, "large.cfg: out of memory on ", "the network needs ", " are free", "would fit")
        fits = int(re.search(r"subdivisions=(\d+) would fit", done.stderr).group(1))
        self.assertGreater(fits, 1)
        self.assertEqual(batch % fits, 0)
        self.write("large.cfg", text(fits))
        losses, _, _ = self.run_on(GPU, "large.cfg", "large")
        self.assertEqual(len(losses), 1)


if __name__ == "__main__":
    unittest.main()
