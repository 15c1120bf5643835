#!/usr/bin/env python3
"""Nothing is lost: runs that are killed, interrupted or out of disk end byte for byte like those that are not.

The moments are chosen; tests/faults has random ones, and whole chains.

/usr/bin/python3 tests/train/resume_test.py -v
"""

import os
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import (DARKNET, Cut, RunTest, SOFTMAX, TSD, distill, fashion_data, fashion_network,
                         iteration_of, resumed_at, say, write_fashion)

WEIGHTS_BYTES = 6492


class ResumeTest(RunTest):
    train_images, valid_images = 1500, 500

    def setUp(self):
        super().setUp()
        write_fashion(self.folder, self.train_images, self.valid_images)
        for backup in ("whole", "cut"):
            self.write(backup + ".data", fashion_data(backup=backup))

    def words(self, cfg, backup, *more, seed=5):
        return ("classifier", "train", backup + ".data", cfg, "-seed", seed, "-threads", 1) + more

    def run_whole(self, cfg, *more):
        return self.run_darknet(*self.words(cfg, "whole", *more))

    def kill(self, cfg, backup, moments, state_seconds):
        """Kills a run again and again, at `moments` = [(iteration, delay)], then lets it end. Returns the iterations at
        which the runs after a kill went on."""
        resumed, killed = [], False
        for iteration, delay in moments + [(None, 0)]:
            words = self.words(cfg, backup, "-resume", "-state_seconds", state_seconds)
            if iteration is None:
                out, done = self.run_darknet(*words).stdout, True
            else:
                cut = Cut(self, words, iteration, delay)
                out, done = cut.out, cut.done
                self.assertIn(cut.code, (0, -signal.SIGKILL), cut.err)
                self.assertEqual(cut.err, "")
            if killed:
                # A run that was killed before its first line said where it goes on cannot be judged.
                if "resumed at" in out or "no state at" in out:
                    resumed.append(resumed_at(out))
                self.assertNotIn("not bit for bit", out)
            killed = not done
            if done and iteration is not None:
                break
        return resumed

    def assert_as_whole(self, base):
        self.assert_same_results(self.path("whole", base), self.path("cut", base))
        self.assert_no_leftovers(self.path("cut"))


class EpochKillTest(ResumeTest):
    train_images = 6000

    def test_kills_within_an_epoch(self):
        """The state carries half an epoch's loss and hits; an update has several forward passes."""
        self.write("net.cfg", fashion_network(TSD, batch=30, subdivisions=3, epochs=2))
        self.run_whole("net.cfg")
        pick = random.Random(2)
        moments = [(moment, pick.uniform(0, 0.01)) for moment in sorted(pick.sample(range(20, 300), 6))]
        resumed = self.kill("net.cfg", "cut", moments, 0.01)
        within = sum(iteration % 200 != 0 for iteration in resumed)
        say("%d kills, %d resumes within an epoch: %s" % (len(resumed), within, " ".join(map(str, resumed))))
        self.assertGreaterEqual(within, 3)
        self.assert_as_whole("net")


class KillTest(ResumeTest):
    """SIGKILL, which no program can catch."""

    def test_kills_while_files_are_written(self):
        """With a state after every iteration, most of the time goes into writing: what has its name is whole."""
        self.write("net.cfg", fashion_network(TSD, epochs=4))
        self.run_whole("net.cfg")
        pick = random.Random(3)
        moments = [(moment, pick.uniform(0, 0.02)) for moment in sorted(pick.sample(range(2, 80), 8))]
        resumed = []
        for moment in moments:
            resumed += self.kill_once("net.cfg", moment)
        say("%d kills, went on at %s" % (len(moments), " ".join(map(str, resumed))))
        self.run_darknet(*self.words("net.cfg", "cut", "-resume"))
        self.assert_as_whole("net")

    def kill_once(self, cfg, moment):
        cut = Cut(self, self.words(cfg, "cut", "-resume", "-state_seconds", 0), *moment)
        self.assertEqual(cut.code, -signal.SIGKILL, cut.err)
        self.assertEqual(len(self.read("cut", "net_last.weights")), WEIGHTS_BYTES)
        return [resumed_at(cut.out)]

    def test_finished_run_goes_nowhere(self):
        self.write("net.cfg", fashion_network(TSD, epochs=1))
        first = self.run_darknet(*self.words("net.cfg", "cut", "-resume"))
        self.assertIn("no state at cut/net.state: starting from the beginning", first.stdout)
        self.run_whole("net.cfg")
        os.unlink(self.path("cut", "net_final.weights"))
        again = self.run_darknet(*self.words("net.cfg", "cut", "-resume"))
        self.assertIn("resumed at iteration 47\n", again.stdout)
        self.assert_as_whole("net")

    def test_another_run_is_refused_by_name(self):
        self.write("net.cfg", fashion_network(TSD, epochs=1))
        self.run_darknet(*self.words("net.cfg", "cut"))
        state = self.read("cut", "net.state")
        done = self.run_darknet(*self.words("net.cfg", "cut", "-resume", seed=6), code=1)
        self.assert_one_line(done, "cut/net.state", "another seed", "'5'", "'6'")
        for cost, change, name in ((TSD, dict(batch=64), "batch"), (TSD, dict(pad=1), "augmentation"),
                                   (TSD, dict(cutmix=1), "augmentation"), (TSD, dict(blur=1), "augmentation"),
                                   (TSD, dict(label_smooth_eps=0.1), "label_smooth_eps"),
                                   (TSD, dict(adam=1), "optimizer"), (SOFTMAX, {}, "network")):
            self.write("net.cfg", fashion_network(cost, epochs=1, **change))
            done = self.run_darknet(*self.words("net.cfg", "cut", "-resume"), code=1)
            self.assert_one_line(done, "cut/net.state", "another " + name)
        self.assertEqual(self.read("cut", "net.state"), state)

    def test_gradient_scale_is_part_of_the_network(self):
        """Whether it is written there or comes from a [cost]; and keys that are gone count, too."""
        self.write("net.cfg", fashion_network(SOFTMAX, epochs=1, label_smooth_eps=0.1, adam=1, eps=1e-3))
        self.run_darknet(*self.words("net.cfg", "cut"))
        same = dict(label_smooth_eps=0.1, adam=1, eps=1e-3)
        for end, change, name in (("[cost]\n", {}, "network"), ("gradient_scale=2\n", {}, "network"),
                                  ("", dict(label_smooth_eps=None), "label_smooth_eps"),
                                  ("", dict(adam=None), "optimizer"), ("", dict(eps=None), "optimizer"),
                                  ("", dict(B2=0.9), "optimizer")):
            self.write("net.cfg", fashion_network(SOFTMAX, epochs=1, **dict(same, **change)) + end)
            done = self.run_darknet(*self.words("net.cfg", "cut", "-resume", "-nogpu"), code=1)
            self.assertIn("another " + name, done.stderr)

    def test_damaged_state_is_refused(self):
        self.write("net.cfg", fashion_network(TSD, epochs=1))
        self.run_darknet(*self.words("net.cfg", "cut"))
        state = self.read("cut", "net.state")
        for damaged in (state[:-1], state[:300], state[:2000] + bytes([state[2000] ^ 1]) + state[2001:], b""):
            self.write("cut/net.state", damaged)
            done = self.run_darknet(*self.words("net.cfg", "cut", "-resume"), code=1)
            self.assert_one_line(done, "cut/net.state")


class ValidationKillTest(ResumeTest):
    """A validation set so large that most of the time goes into it."""

    train_images, valid_images = 480, 10000

    def validation_seconds(self):
        """The whole run; how long a validation takes."""
        process = self.start(*self.words("net.cfg", "whole"))
        began, seconds = 0.0, []
        for line in process.stdout:
            if iteration_of(line):
                began = time.monotonic()
            elif line.startswith("epoch "):
                seconds.append(time.monotonic() - began)
        self.assertEqual((process.stderr.read(), process.wait()), ("", 0))
        process.stdout.close()
        process.stderr.close()
        return min(seconds)

    def test_kills_during_validation(self):
        self.write("net.cfg", fashion_network(TSD, epochs=4))
        validation = self.validation_seconds()
        pick = random.Random(4)
        # With a state before each validation, and with none.
        for state_seconds in (0, 1000):
            shutil.rmtree(self.path("cut"), ignore_errors=True)
            resumed, within = [], 0
            for iteration in (15, 30, 45, 60):
                cut = Cut(self, self.words("net.cfg", "cut", "-resume", "-state_seconds", state_seconds), iteration,
                          pick.uniform(0.1, 0.6) * validation)
                self.assertIn(cut.code, (0, -signal.SIGKILL), cut.err)
                within += "epoch %d: " % (iteration // 15) not in cut.out
                resumed.append(resumed_at(cut.out))
            resumed.append(resumed_at(self.run_darknet(*self.words("net.cfg", "cut", "-resume")).stdout))
            say("killed after 15, 30, 45, 60, %d times in a validation (%.2f s); -state_seconds %d: went on at %s" % (
                within, validation, state_seconds, " ".join(map(str, resumed[1:]))))
            self.assertGreaterEqual(within, 2)
            self.assert_as_whole("net")

    def test_interrupts_during_validation(self):
        self.write("net.cfg", fashion_network(TSD, epochs=2))
        delay = self.validation_seconds() / 2
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            # A busy machine may be late: then sooner.
            for attempt in range(8):
                shutil.rmtree(self.path("cut"), ignore_errors=True)
                cut = Cut(self, self.words("net.cfg", "cut", "-state_seconds", 1000), 15, delay / 2 ** attempt, number)
                if "stopped at iteration 15 of 30" in cut.out:
                    break
            self.assertIn("stopped at iteration 15 of 30; go on with -resume", cut.out)
            self.assertEqual((cut.code, cut.err), (code, ""))
            self.assertEqual(resumed_at(self.run_darknet(*self.words("net.cfg", "cut", "-resume")).stdout), 15)
            self.assert_as_whole("net")


class InterruptTest(ResumeTest):
    """SIGINT (Ctrl-C) and SIGTERM: the state is written, then the run ends."""

    def test_interrupted_run_goes_on_as_if_nothing_had_happened(self):
        self.write("net.cfg", fashion_network(TSD, epochs=5))
        self.run_whole("net.cfg")
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            shutil.rmtree(self.path("cut"), ignore_errors=True)
            for iteration in (20, 120):
                # No state but the one of the signal; the second run also has that of two epochs.
                cut = Cut(self, self.words("net.cfg", "cut", "-resume", "-state_seconds", 1000), iteration, 0, number)
                self.assertEqual(cut.code, code, cut.err)
                self.assertEqual(cut.err, "")
                stopped = int(re.search(r"stopped at iteration (\d+) of 235; go on with -resume", cut.out).group(1))
                self.assertGreaterEqual(stopped, iteration)
                self.assertEqual(len(self.read("cut", "net_last.weights")), WEIGHTS_BYTES)
                self.assertFalse(os.path.exists(self.path("cut", "net_final.weights")))
            last = self.run_darknet(*self.words("net.cfg", "cut", "-resume"))
            self.assertEqual(resumed_at(last.stdout), stopped)
            self.assert_as_whole("net")


    def test_mixed_images_and_adam_go_on(self):
        self.write("net.cfg", fashion_network(SOFTMAX, epochs=3, adam=1, learning_rate=0.001, cutmix=1, mosaic=1,
                                              blur=3, label_smooth_eps=0.1, subdivisions=2))
        self.run_whole("net.cfg")
        for iteration in (20, 90):
            cut = Cut(self, self.words("net.cfg", "cut", "-resume"), iteration, 0, signal.SIGINT)
            self.assertEqual(cut.code, 130, cut.err)
        self.run_darknet(*self.words("net.cfg", "cut", "-resume"))
        self.assert_as_whole("net")


class RestartTest(ResumeTest):
    """The same command again does not discard what an interrupted training has reached."""

    def test_interrupted_run_is_protected(self):
        self.write("net.cfg", fashion_network(TSD, epochs=5))
        self.run_whole("net.cfg")
        Cut(self, self.words("net.cfg", "cut"), 60, 0, signal.SIGTERM)
        state = self.read("cut", "net.state")
        self.assert_one_line(self.run_darknet(*self.words("net.cfg", "cut"), code=1),
                             "cut/net.state: an interrupted training,", "-resume", "-restart")
        self.assertEqual(self.read("cut", "net.state"), state)
        self.assert_one_line(self.run_darknet(*self.words("net.cfg", "cut", "-resume", "-restart"), code=2), "exclude")
        self.run_darknet(*self.words("net.cfg", "cut", "-restart"))
        self.assert_as_whole("net")
        self.run_darknet(*self.words("net.cfg", "cut"))  # a finished one may be repeated
        self.assert_as_whole("net")

    def test_a_second_training_of_the_same_files(self):
        self.write("net.cfg", fashion_network(TSD, epochs=5))
        words = self.words("net.cfg", "cut")
        first = subprocess.Popen([DARKNET, *map(str, words)], cwd=self.folder, stdout=subprocess.PIPE, text=True)
        try:
            while iteration_of(first.stdout.readline()) is None:
                self.assertIsNone(first.poll())
            second = self.run_darknet(*words, "-resume", code=1)
            self.assert_one_line(second, "cut/net.lock: another training writes these files")
            first.stdout.read()
            self.assertEqual(first.wait(), 0)
        finally:
            first.kill()
            first.stdout.close()
        self.run_whole("net.cfg")
        self.assert_as_whole("net")

    def test_resume_with_weights(self):
        """They are where a training starts that has no state yet."""
        self.write("net.cfg", fashion_network(TSD, epochs=2))
        self.run_whole("net.cfg")
        first = self.words("net.cfg", "cut", "whole/net_final.weights", "-clear", "-resume")
        self.assertNotIn("not read", self.run_darknet(*first).stdout)
        again = self.run_darknet(*first).stdout
        self.assertIn("whole/net_final.weights: not read: the state has the weights", again)
        self.assertIn("\n-clear: ignored: the state goes on at its iteration\n", again)
        missing = self.words("net.cfg", "cut", "none.weights", "-resume")
        self.assert_one_line(self.run_darknet(*missing, code=1), "none.weights: the weights file does not exist")


class ValidEveryTest(ResumeTest):
    def test_epochs_without_validation(self):
        self.write("net.cfg", fashion_network(TSD, epochs=5))
        self.run_whole("net.cfg")
        self.write("cut.data", fashion_data(backup="cut") + "valid_every=2\n")
        out = self.run_darknet(*self.words("net.cfg", "cut")).stdout
        lines = [line for line in out.splitlines() if line.startswith("epoch ")]
        self.assertEqual(["valid" in line for line in lines], [False, True, False, True, True])
        rows = [line.split(",") for line in self.read("cut", "net.csv").decode().splitlines()[1:]]
        whole = [line.split(",") for line in self.read("whole", "net.csv").decode().splitlines()[1:]]
        for row, other, validated in zip(rows, whole, [False, True, False, True, True], strict=True):
            self.assertEqual(row[4:7], other[4:7] if validated else ["", "", ""])
        self.assertEqual(self.read("cut", "net_final.weights"), self.read("whole", "net_final.weights"))


class FreshLayersTest(ResumeTest):
    """A training that goes on from weights of some layers only: the rolling statistics of the others start anew."""

    def test_rolling_statistics_of_fresh_layers(self):
        self.write("net.cfg", fashion_network(TSD, epochs=2))
        self.run_whole("net.cfg")
        first_layer = 4 * (4 * 8 + 8 * 25)  # bytes: biases, scales, means, variances, weights
        with open(self.path("first.weights"), "wb") as file:
            file.write(self.read("whole", "net_final.weights")[:20 + first_layer])
        # The weights stand still, so the statistics of one epoch are those of three.
        still = dict(policy="constant", learning_rate=0)
        means = []
        for epochs in (3, 5):
            self.write("net.cfg", fashion_network(TSD, epochs=epochs, **still))
            whole = self.run_whole("net.cfg", "first.weights", "-restart")
            self.assertIn("weights of the first 1 of ", whole.stdout)
            variances = self.read("whole", "net_final.weights")[20 + first_layer + 4 * 3 * 16:][:4 * 16]
            means.append(sum(struct.unpack("16f", variances)) / 16)
        # At Darknet's 1 % a step the first would be 0.37 of the true one, and half the second.
        self.assertAlmostEqual(means[0] / means[1], 1, delta=0.05)
        cut = Cut(self, self.words("net.cfg", "cut", "first.weights"), 160, 0, signal.SIGTERM)
        self.assertEqual(cut.code, 143, cut.err)
        self.run_darknet(*self.words("net.cfg", "cut", "-resume"))
        self.assert_as_whole("net")


class EndlessTest(ResumeTest):
    def test_max_batches_0_trains_until_it_is_stopped(self):
        self.write("net.cfg", fashion_network(SOFTMAX, epochs=None, policy="constant", max_batches=0))
        for resumed in (False, True):
            cut = Cut(self, self.words("net.cfg", "cut", "-resume"), 120 if resumed else 60, 0, signal.SIGINT)
            self.assertEqual(cut.code, 130, cut.err)
            self.assertIn("batches of 32 images, until it is stopped\n", cut.out)
            stopped = re.search(r"stopped at iteration (\d+); go on with -resume\n", cut.out)
            self.assertGreaterEqual(int(stopped[1]), 120 if resumed else 60)
        self.assertGreaterEqual(resumed_at(cut.out), 60)
        self.assertNotIn("hours left", cut.out)
        self.write("student.cfg", fashion_network(distill(targets="x.targets"), epochs=None, policy="constant"))
        self.assert_one_line(self.run_darknet(*self.words("student.cfg", "cut", "-strict"), code=1),
                             "max_batches= is missing")


class FullDiskTest(ResumeTest):
    """Files that cannot be written: the run ends with one line, and what was there stays."""

    def start_run(self):
        """A whole run, and one that was stopped in its second epoch. Returns the files that may not change."""
        self.write("net.cfg", fashion_network(TSD, epochs=4))
        self.run_whole("net.cfg")
        cut = Cut(self, self.words("net.cfg", "cut"), 70, 0, signal.SIGTERM)
        self.assertEqual(cut.code, 143, cut.err)
        return self.saved()

    def saved(self, *names):
        names = names or ("net_last.weights", "net_best.weights", "net.state", "net.csv")
        return {name: self.read("cut", name) for name in names}

    def assert_goes_on(self):
        last = self.run_darknet(*self.words("net.cfg", "cut", "-resume"))
        self.assertGreater(resumed_at(last.stdout), 69)
        self.assert_as_whole("net")

    def limited(self, size, state_seconds):
        """A resumed run no file of which may grow beyond `size` bytes."""
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))  # noqa: E731
        return self.run_darknet(*self.words("net.cfg", "cut", "-resume", "-state_seconds", state_seconds), code=1,
                                preexec_fn=limit)

    def test_nothing_fits(self):
        saved = self.start_run()
        done = self.limited(WEIGHTS_BYTES - 1000, 0)
        self.assert_one_line(done, "cut/net_last.weights", "cannot be written", "File too large", "-resume")
        self.assertEqual(self.saved(), saved)
        self.assert_no_leftovers(self.path("cut"))
        self.assert_goes_on()

    def test_weights_fit_and_the_state_does_not(self):
        saved = self.start_run()
        done = self.limited(WEIGHTS_BYTES + 1000, 0)
        self.assert_one_line(done, "cut/net.state", "cannot be written", "File too large", "-resume")
        for name in ("net_best.weights", "net.state", "net.csv"):
            self.assertEqual(self.read("cut", name), saved[name], name)
        self.assert_no_leftovers(self.path("cut"))
        # Newer than the state, and whole.
        self.assertEqual(len(self.read("cut", "net_last.weights")), WEIGHTS_BYTES)
        self.run_darknet("classifier", "valid", "cut.data", "net.cfg", "cut/net_last.weights")
        self.assert_goes_on()

    def test_end_of_an_epoch_does_not_fit(self):
        saved = self.start_run()
        done = self.limited(WEIGHTS_BYTES - 1000, 1000)
        self.assert_one_line(done, "cut/net_best.weights", "cannot be written", "File too large")
        self.assertEqual(self.saved(), saved)
        self.assert_no_leftovers(self.path("cut"))
        self.assert_goes_on()

    def test_disk_is_full(self):
        self.enterContext(self.mounted("cut", "size=1m"))
        saved = self.start_run()
        filler = self.path("cut", "filler")
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass
        done = self.run_darknet(*self.words("net.cfg", "cut", "-resume", "-state_seconds", 0), code=1)
        self.assert_one_line(done, "cut/net_last.weights", "cannot be written", "No space left on device")
        self.assertEqual(self.saved(), saved)
        self.assert_no_leftovers(self.path("cut"))
        os.unlink(filler)
        self.assert_goes_on()


if __name__ == "__main__":
    unittest.main()
