#!/usr/bin/env python3
"""Training over several processes: the same weights, byte for byte, for every number of processes and threads.

/usr/bin/python3 tests/train/ranks_test.py -v
Needs a program that is built with MPI, and that MPI's mpirun.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import (DARKNET, RUN_SECONDS, SOFTMAX, MadeOnceTest, RunTest, distill,
                         fashion_data, fashion_network, iteration_of, read, resumed_at, section, write_fashion)

# Open MPI refuses to run as root, and more processes than cores.
ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                   OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_hwloc_base_binding_policy="none")


def launchers():
    """Command of the mpirun of the program's MPI, and that of another one; None where there is none."""
    linked = subprocess.run(["ldd", DARKNET], text=True, capture_output=True, check=True).stdout
    open_mpi = shutil.which("mpirun.openmpi") or shutil.which("mpirun")
    mpich = shutil.which("mpirun.mpich") or shutil.which("mpiexec.hydra")
    if open_mpi:
        open_mpi = [open_mpi, "-q"]
    if mpich:
        mpich = [mpich]
    if "libmpi.so" in linked:
        return open_mpi, mpich
    if "libmpich.so" in linked:
        return mpich, open_mpi
    return None, open_mpi or mpich


def convolution(filters, size=3, stride=1, activation="relu"):
    return section("convolutional", batch_normalize=1, filters=filters, size=size, stride=stride, pad=1,
                   activation=activation)


HEAD = section("avgpool") + section("connected", output=10, activation="linear")


def network(layers, cost=SOFTMAX, **net):
    """The [net] of fashion_network with other layers."""
    head = fashion_network(cost, **dict(dict(epochs=1, batch=64, shards=8), **net)).split("[convolutional]")[0]
    return head + layers + HEAD + cost


RESIDUAL = (convolution(16, 5, 2) + convolution(32, 3, 2) + convolution(32, 3, 1, "linear") + section(
    "route", layers=-3) + section("maxpool", size=1, stride=2) + convolution(32, 1, 1, "linear") + section(
        "shortcut", **{"from": -4, "activation": "relu"}))
DENSE = (convolution(16, 5, 4) + section("convolutional", filters=16, size=3, pad=1, activation="linear") + section(
    "route", layers="-2,-1") + section("batchnorm") + section("activation", activation="relu") + section(
        "convolutional", filters=24, size=3, pad=1, activation="leaky") + section("dropout", probability=0.3))
CONNECTED = convolution(8, 5, 4) + section("connected", output=120, activation="relu") + section("dropout")
NETWORKS = {
    "residual": network(RESIDUAL),
    "dense": network(DENSE),
    "connected": network(CONNECTED, batch=64, subdivisions=4, shards=2),
    "live": network(RESIDUAL, distill("dense.cfg", "teacher.weights", **{"lambda": 0.5}), subdivisions=2, shards=4),
    "cached": network(RESIDUAL, distill(targets="cached.targets", **{"lambda": 0.5}), subdivisions=2, shards=4),
}


class RanksTest(RunTest):
    @classmethod
    def setUpClass(cls):
        cls.mpirun, cls.other = launchers()
        if cls.mpirun is None:
            raise unittest.SkipTest("not tested: the program is built without MPI, or its mpirun is missing; install "
                                    "libopenmpi-dev and openmpi-bin, or libmpich-dev and mpich")
        super().setUpClass()

    def words(self, ranks, cfg, *more, backup="backup", threads=1, launcher=None):
        self.write(backup + ".data", fashion_data(backup=backup))
        return (launcher or self.mpirun) + ["-np", str(ranks), DARKNET, "classifier", "train", backup + ".data", cfg,
                                            "-nogpu", "-seed", "3", "-threads", str(threads)] + list(more)

    def launch(self, *words, code=0, **options):
        done = subprocess.run(self.words(*words, **options), cwd=self.folder, text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, env=ENVIRONMENT, timeout=RUN_SECONDS)
        if code is not None:
            self.assertEqual(done.returncode, code, done.stdout[-2000:] + done.stderr[-2000:])
        return done

    def read_to(self, process, iteration):
        """Reads the log up to that iteration's line."""
        for line in process.stdout:
            if iteration_of(line) == iteration:
                return
        self.fail("ended before iteration %d: %s" % (iteration, process.stderr.read()))

    def processes(self):
        """Of the program, in this test's folder."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                if (os.readlink("/proc/%s/cwd" % name) == os.path.realpath(self.folder)
                        and os.path.realpath("/proc/%s/exe" % name) == os.path.realpath(DARKNET)):
                    found.append(int(name))
            except OSError:
                continue
        return found

    def lines_of(self, done):
        return [line for line in done.stderr.splitlines() if line.startswith("darknet: ")]


class SameBitsTest(RanksTest, MadeOnceTest):
    def make(self):
        write_fashion(self.folder, 256, 150)
        for name, text in NETWORKS.items():
            self.write(name + ".cfg", text)
        self.write("teacher.data", fashion_data(backup="teacher"))
        self.train("dense.cfg", "-nogpu", data="teacher.data", seed=9)
        os.rename(self.path("teacher", "dense_final.weights"), self.path("teacher.weights"))
        self.run_darknet("classifier", "targets", "teacher.data", "live.cfg", "-out", "cached.targets", "-seed", 3,
                         "-nogpu", "-threads", 1)

    def compare(self, name, runs):
        bases = []
        for ranks, threads in runs:
            backup = "%s-%d-%d" % (name, ranks, threads)
            done = self.launch(ranks, name + ".cfg", backup=backup, threads=threads)
            self.assertEqual(done.stderr, "")
            self.assertEqual(done.stdout.count("saved "), 1)
            bases.append(self.path(backup, name))
        for base in bases[1:]:
            self.assert_same_results(bases[0], base)
            # All but the seconds of the epochs, which the file's text and its hash have.
            states = [read(path + ".state") for path in (bases[0], base)]
            tensors = [state[state.index(b"\n\n"):-16] for state in states]
            self.assertEqual(tensors[0], tensors[1], base)

    def test_residual(self):
        self.compare("residual", [(1, 1), (1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)])

    def test_dense(self):
        self.compare("dense", [(1, 2), (2, 1), (8, 1)])

    def test_subdivisions_and_dropout(self):
        self.compare("connected", [(1, 2), (2, 1), (4, 1), (8, 1)])

    def test_teachers(self):
        self.compare("live", [(1, 1), (2, 1), (4, 1)])
        self.compare("cached", [(1, 2), (4, 1)])
        self.assertEqual(self.read("live-1-1", "live_final.weights"), self.read("cached-4-1", "cached_final.weights"))

    def test_other_shards_are_another_run(self):
        """A comparison of what is always the same would say nothing."""
        self.write("whole.cfg", network(RESIDUAL, shards=1))
        self.launch(1, "whole.cfg", backup="whole")
        self.launch(1, "residual.cfg", backup="again")
        self.assertNotEqual(self.read("whole", "whole_final.weights"), self.read("again", "residual_final.weights"))


class ElasticTest(RanksTest):
    def test_resumes_on_other_numbers(self):
        write_fashion(self.folder, 256, 100)
        self.write("net.cfg", network(RESIDUAL, epochs=6))
        self.launch(1, "net.cfg", backup="whole", threads=2)
        for ranks, iteration in ((2, 6), (4, 16)):
            process = subprocess.Popen(self.words(ranks, "net.cfg", "-resume", backup="cut"), cwd=self.folder,
                                       text=True, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
            self.read_to(process, iteration)
            # All stop where one is told to. (Open MPI's mpirun passes the signal on a second after it got it, and kills
            # a second later.)
            os.kill(self.processes()[-1], signal.SIGTERM)
            out, err = process.communicate(timeout=RUN_SECONDS)
            self.assertIn("go on with -resume", out, err)
        done = self.launch(1, "net.cfg", "-resume", backup="cut")
        self.assertGreaterEqual(resumed_at(done.stdout), 16)
        self.assertNotIn("not bit for bit", done.stdout)
        self.assert_same_results(self.path("whole", "net"), self.path("cut", "net"))


class FaultTest(RanksTest):
    def setUp(self):
        super().setUp()
        write_fashion(self.folder, 320, 100)
        self.write("net.cfg", network(RESIDUAL, epochs=200))

    def fails(self, *words, code=1, **options):
        """One line says why, and all processes are gone."""
        done = self.launch(*words, code=None, **options)
        self.assertEqual(done.returncode, code, done.stdout[-1000:] + done.stderr[-1000:])
        lines = self.lines_of(done)
        self.assertEqual(len(lines), 1, done.stderr)
        return lines[0]

    def test_wrong_numbers_and_files(self):
        line = self.fails(3, "net.cfg", code=2)
        self.assertIn("3 processes; batch=64, subdivisions=1 and shards=8 can be shared by 1, 2, 4, 8", line)
        self.assertIn("16 processes", self.fails(16, "net.cfg", code=2))
        self.assertIn("missing.cfg", self.fails(2, "missing.cfg"))

    def test_a_loss_that_is_not_finite(self):
        self.write("wild.cfg", network(RESIDUAL, learning_rate="1e9", policy="constant"))
        self.assertIn("the loss is not finite", self.fails(4, "wild.cfg"))

    def test_other_programs_data_and_instructions(self):
        """Of two processes, one has another instruction set or cfg."""
        self.write("rank.sh", "#!/bin/sh\n[ \"${OMPI_COMM_WORLD_RANK:-$PMI_RANK}\" = 1 ] && export $SPECIAL\n"
                              "exec \"$@\"\n")
        os.chmod(self.path("rank.sh"), 0o755)
        words = self.words(2, "net.cfg")
        at = words.index(DARKNET)
        done = subprocess.run(words[:at] + [self.path("rank.sh")] + words[at:], cwd=self.folder, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=RUN_SECONDS,
                              env=dict(ENVIRONMENT, SPECIAL="DNNL_MAX_CPU_ISA=SSE41"))
        self.assertEqual(done.returncode, 1, done.stderr)
        lines = self.lines_of(done)
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertIn("rank 1 has another instruction set", lines[0])

    def test_a_killed_process_ends_all(self):
        process = subprocess.Popen(self.words(4, "net.cfg"), cwd=self.folder, text=True, env=ENVIRONMENT,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.read_to(process, 5)
        ranks = self.processes()
        self.assertEqual(len(ranks), 4)
        os.kill(ranks[-1], signal.SIGKILL)
        began = time.monotonic()
        process.communicate(timeout=RUN_SECONDS)
        self.assertNotEqual(process.returncode, 0)
        self.wait_for(lambda: not self.processes())
        self.assertLess(time.monotonic() - began, 5)

    def test_one_process_alone_finds_a_broken_image(self):
        os.makedirs(self.path("images"))
        lines = []
        source = self.read("train-images-idx3-ubyte")[16:]
        for i in range(64):
            name = "images/%d.pgm" % i
            self.write(name, b"P5 28 28 255\n" + source[784 * i:784 * (i + 1)])
            lines.append("%s %d" % (self.path(name), i % 10))
        self.write("train.list", "\n".join(lines) + "\n")
        self.write("list.data", "classes=10\ntrain=train.list\nbackup=list\n")
        self.write("images/17.pgm", b"P5 28 28 255\n")
        words = [word if word != "backup.data" else "list.data" for word in self.words(4, "net.cfg")]
        done = subprocess.run(words, cwd=self.folder, text=True, capture_output=True, stdin=subprocess.DEVNULL,
                              env=ENVIRONMENT, timeout=RUN_SECONDS)
        self.assertNotEqual(done.returncode, 0)
        lines = self.lines_of(done)
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertIn("17.pgm", lines[0])
        self.assertEqual(self.processes(), [])

    def test_other_verbs_and_other_launchers(self):
        words = self.words(2, "net.cfg")
        words[words.index("train")] = "valid"
        done = subprocess.run(words, cwd=self.folder, text=True, capture_output=True, stdin=subprocess.DEVNULL,
                              env=ENVIRONMENT, timeout=RUN_SECONDS)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("'classifier valid' runs in one process", done.stderr)
        if self.other is None:
            self.skipTest("one MPI alone is installed: a foreign launcher was not tested")
        done = self.launch(2, "net.cfg", launcher=self.other, code=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertTrue(re.search("2 processes, of which this one sees 1", done.stderr), done.stderr)
        self.assertFalse(os.path.exists(self.path("backup", "net.csv")))


if __name__ == "__main__":
    unittest.main()
