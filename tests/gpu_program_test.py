#!/usr/bin/env python3
"""The whole program on a GPU: a training follows the CPU's, goes on from the CPU's state, and evaluates alike.

Skipped where the program finds no GPU. /usr/bin/python3 tests/gpu_program_test.py -v
"""

import re
import subprocess
import unittest

from run_support import (DARKNET, SOFTMAX, TSD, Cut, RunTest, distill, fashion_data, fashion_network, say, write_fashion)

LOG = re.compile(r"^(\d+), [\d.]+: (\S+), ", re.M)


def gpu_is_missing():
    answer = subprocess.run([DARKNET, "classifier", "train", "/", "/", "-gpus", "0"], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, check=False).stderr
    return answer.strip() if re.search("no GPU|CPU only", answer) else None


class GpuProgramTest(RunTest):
    def setUp(self):
        super().setUp()
        reason = gpu_is_missing()
        if reason:
            self.skipTest(reason)
        write_fashion(self.folder, 3200, 500)
        for backup in ("gpu", "cpu", "mixed"):
            self.write(backup + ".data", fashion_data(backup=backup))

    def losses(self, out):
        return [float(loss) for _, loss in LOG.findall(out)]

    def compare(self, found, expected, count, bound, what):
        self.assertGreaterEqual(len(found), count)
        worst = max(abs(a - b) / (1 + abs(b)) for a, b in zip(found[:count], expected[:count]))
        say(f"{what}: the largest relative difference of {count} losses is {worst:.2e}")
        self.assertLess(worst, bound)

    def test_two_hundred_updates_follow_the_cpu(self):
        self.write("a.cfg", fashion_network(TSD, epochs=2, learning_rate=0.01))
        gpu = self.train("a.cfg", "-gpus", 0, data="gpu.data")
        self.assertIn("GPU: ", gpu.stdout)
        cpu = self.train("a.cfg", "-nogpu", data="cpu.data")
        self.compare(self.losses(gpu.stdout), self.losses(cpu.stdout), 200, 0.05, "fp32")
        for name in ("gpu", "cpu"):
            line = self.run_darknet("classifier", "valid", name + ".data", "a.cfg", "gpu/a_final.weights",
                                    "-gpus" if name == "gpu" else "-nogpu", *([0] if name == "gpu" else [])).stdout
            say(f"{name}: {line.splitlines()[-1]}")

    def test_the_same_run_gives_the_same_bits(self):
        self.write("a.cfg", fashion_network(SOFTMAX, epochs=1))
        for backup in ("gpu", "mixed"):
            self.train("a.cfg", "-gpus", 0, data=backup + ".data")
        self.assertEqual(self.read("gpu", "a_final.weights"), self.read("mixed", "a_final.weights"))

    def test_a_state_goes_on_on_the_other_device(self):
        self.write("a.cfg", fashion_network(SOFTMAX, epochs=3, learning_rate=0.01))
        words = ("classifier", "train", "mixed.data", "a.cfg", "-seed", 1, "-threads", 1, "-nogpu")
        Cut(self, words, 120, 0)
        again = self.train("a.cfg", "-gpus", 0, "-resume", data="mixed.data")
        self.assertIn("not bit for bit: device cpu -> ", again.stdout)

    def test_students_and_targets(self):
        self.write("t.cfg", fashion_network(TSD, epochs=1))
        self.train("t.cfg", "-gpus", 0, data="gpu.data")
        self.write("s.cfg", fashion_network(distill("t.cfg", "gpu/t_final.weights", **{"lambda": 0.6}), epochs=1))
        student = self.train("s.cfg", "-gpus", 0, data="gpu.data")
        self.assertIn("teacher: t.cfg", student.stdout)
        cpu = self.train("s.cfg", "-nogpu", data="cpu.data")
        self.compare(self.losses(student.stdout), self.losses(cpu.stdout), 50, 0.05, "a student")
        self.run_darknet("classifier", "targets", "gpu.data", "s.cfg", "-out", "s.targets", "-seed", 1, "-gpus", 0)
        self.write("c.cfg", fashion_network(distill(**{"targets": "s.targets", "lambda": 0.6}), epochs=1))
        cached = self.train("c.cfg", "-gpus", 0, data="gpu.data")
        self.compare(self.losses(cached.stdout), self.losses(student.stdout), 50, 1e-3, "a student of a cache")

    def test_every_precision_learns(self):
        for precision in ("fp32", "tf32", "bf16"):
            self.write(precision + ".cfg", fashion_network(SOFTMAX, epochs=2, precision=precision))
            out = self.train(precision + ".cfg", "-gpus", 0, data="gpu.data").stdout
            losses = self.losses(out)
            say(f"{precision}: from {losses[0]:.3f} to {sum(losses[-20:]) / 20:.3f}")
            self.assertLess(sum(losses[-20:]) / 20, 0.6 * losses[0])


if __name__ == "__main__":
    unittest.main()
