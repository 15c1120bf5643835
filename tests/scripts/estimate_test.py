#!/usr/bin/env python3
"""Tests of what scripts/generations.py says before a run: how long it takes, and the room it needs.

python3 tests/scripts/estimate_test.py
"""

import os
import unittest

from generations_support import Case, ONE_SEED

from generations_driver.estimate import Measured, duration, size
from generations_driver.progress import finish_of

LOG = [
    "training set: IDX, 60000 images of 1x28x28, the first 200 of each class: 2000 images",
    "validation set: IDX, 10000 images of 1x28x28",
    "1875 batches of 32 images, 30.00 epochs",
]


def steps(seconds, first=1):
    return [f"{i}, {i / 62.5:.3f}: 1.2, 1.3 avg, 0.1 rate, {step} seconds, {32 * i} images, 0.1 hours left"
            for i, step in enumerate(seconds, first)]


class Measuring(unittest.TestCase):
    def measured(self, lines):
        found, lines = Measured(), iter(lines)
        found.read(lines)
        return found, list(lines)

    def test_sets_and_batches_are_read(self):
        found, _ = self.measured(LOG)
        self.assertEqual(found.images, {"training": 2000, "validation": 10000})
        self.assertEqual((found.batches, found.batch, found.epoch_steps), (1875, 32, 63))

    def test_first_steps_and_slow_ones_do_not_count(self):
        found, _ = self.measured([*LOG, *steps([9, 9, 0.5, 0.4, 0.5, 40, 0.5])])
        self.assertEqual(found.step, 0.5)

    def test_it_ends_as_soon_as_it_knows(self):
        found, rest = self.measured([*LOG, *steps([1.0] * 50)])
        self.assertEqual((len(found.steps), len(rest)), (5, 45), "two to warm up, and three seconds")
        found, rest = self.measured([*LOG, *steps([100.0] * 5)])
        self.assertEqual(len(found.steps), 5, "slow steps: three of them")
        found, rest = self.measured([*LOG, *steps([0.01] * 62)])
        self.assertEqual(rest, [], "too short to know")

    def test_end_of_a_short_epoch_shows_what_validation_takes(self):
        lines = [*LOG[:1], "validation set: IDX, 100 images of 1x28x28", LOG[2], *steps([0.05] * 63),
                 "epoch 1: train loss 1.2 top1 0.4, valid loss 1.1 top1 0.5 top5 0.9, 2.5 s", *steps([0.05] * 63, 64)]
        found, rest = self.measured(lines)
        self.assertIsNotNone(found.validation)
        self.assertLess(found.forward, 0.05 / 32 / 3, "measured, and not a third of a step")
        self.assertEqual(len(rest), 63, "the end of the epoch is the end")

    def test_validations_may_be_rare(self):
        found = Measured(valid_every=3)
        found.read([*LOG[:1], "validation set: IDX, 100 images of 1x28x28", LOG[2], *steps([0.05] * 63),
                    "epoch 1: train loss 1.2 top1 0.4, 2.5 s", *steps([0.05] * 63, 64)])
        self.assertEqual((found.validation, len(found.steps)), (None, 63), "the third epoch ends too late")
        often = Measured(**vars(found) | {"valid_every": 1})
        self.assertAlmostEqual(often.seconds - found.seconds, (30 - 10) * 100 * found.forward)

    def test_seconds_of_a_training(self):
        found, _ = self.measured([*LOG, *steps([1.0] * 9)])
        found.start = 0.5
        validations = 30 + 5  # at the end of each epoch, and the evaluations of the finished network
        forward = 1 / 32 / 3
        expected = 1875 * 1.0 + (validations * 10000 + 2000) * forward + 7 * 0.5
        self.assertAlmostEqual(found.seconds, expected)
        found.validation = 20.0
        self.assertAlmostEqual(found.seconds, 1875 + validations * 20 + 4 + 3.5)

    def test_long_chains_go_first_and_jobs_share_them(self):
        self.assertEqual(finish_of([1, 2, 3, 4], 1), 10)
        self.assertEqual(finish_of([1, 2, 3, 4], 2), 5)
        self.assertEqual(finish_of([1, 1, 10], 3), 10)

    def test_words(self):
        words = [duration(seconds) for seconds in (0.2, 50, 119, 121, 7000, 37 * 3600, 4.9 * 86400, 6 * 86400)]
        self.assertEqual(words, ["1 s", "50 s", "119 s", "2 min", "117 min", "37 h", "118 h", "6 days"])
        self.assertEqual([size(count) for count in (10, 4096, 1.5e6, 960e6, 2.34e10, 5e12)],
                         ["1 kB", "4 kB", "1.5 MB", "0.96 GB", "23.4 GB", "5 TB"])


class Announcements(Case):
    """What the driver prints first, with the stand-in, whose steps take FAKE_STEP seconds by its log."""

    FLAGS = ("--no-figures",)
    # 30 steps; 3 validations and 5 evaluations of 1000 images, 640 training images; a forward pass is a third of a step
    WHOLE = 30 + (8 * 1000 + 640) / 64 / 3

    def first_line(self, *arguments, step=2, code=0, **environment):
        done = self.run_driver("run", *arguments, flags=self.FLAGS, code=code, FAKE_STEP=str(step), **environment)
        return done.stdout.splitlines()[0] if done.stdout else done.stderr

    def measured_trainings(self):
        return [call for call in self.calls() if "darknet-estimate." in call[3]]

    def test_a_run_says_what_it_takes(self):
        line = self.first_line("a.ini")
        minutes = round(8 * 2 * self.WHOLE / 60)
        self.assertRegex(line, rf"^about {minutes} min on this machine, 3 epochs x 3 generations and the baseline "
                               r"x 2 seeds; about [0-9.]+ kB of disk, [0-9.]+ [GMT]B free$")
        self.assertEqual(len(self.measured_trainings()), 2, "the plain network and a student")
        self.assertFalse([name for name in os.listdir(self.folder) if "estimate" in name])

    def test_what_is_finished_is_not_measured_and_not_counted(self):
        self.run_driver("run", "a.ini", *ONE_SEED)
        os.unlink("calls")
        line = self.first_line("a.ini")
        self.assertRegex(line, "^about [0-9.]+ (s|min|h) on .* x 2 seeds, of which 4 of 8 trainings are left; ")
        self.assertEqual(self.measured_trainings(), [], "the finished trainings tell")
        self.assertFalse(self.first_line("a.ini").startswith("about"), "nothing to do")

    def test_what_a_run_beside_has_finished_is_not_counted(self):
        self.run_driver("run", "a.ini", *ONE_SEED)
        reuse = (*ONE_SEED, "--set", "experiment.reuse=1", "--out")
        self.assertFalse(self.first_line("a.ini", *reuse, "runs/same").startswith("about"), "all of it is there")
        line = self.first_line("a.ini", *reuse, "runs/other", "--set", "patriarch.k=4")
        self.assertIn(", of which 3 of 4 trainings are left; ", line, "the students have another teacher")

    def test_sweep_counts_shared_trainings_once_and_its_time_left_is_that_of_all_runs(self):
        lines = "patriarch.eta=0.4 0.5\nstudent.lambda=0.5 0.6"
        self.write("s.ini", f"[experiment]\nbase=a.ini\nseeds=1\n[sweep]\n{lines}\n")
        done = self.run_driver("run", "s.ini", flags=self.FLAGS, FAKE_STEP="100")
        lines = done.stdout.splitlines()
        trainings = 1 + 2 + 4 * 2
        self.assertRegex(lines[0], rf"^about {round(trainings * 100 * self.WHOLE / 3600)} h on this machine, "
                                   rf"4 runs, {trainings} trainings of 3 epochs; ")
        left = [line for line in lines if "left in all" in line]
        # By the log a training takes hours; in truth a moment, as the finished ones show in the later runs.
        patriarch = next(line for line in left if line.startswith("eta0.4-lambda0.5 seed 1 patriarch: epoch"))
        for line, unseen in ((left[0], trainings), (patriarch, 7)):
            hours = unseen * 100 * self.WHOLE / 3600
            self.assertRegex(line, rf"; ({int(hours)}|{int(hours) + 1}):\d\d:\d\d left in all$")
        self.assertRegex(left[-1], "; 0:0[0-9] left in all$")

    def test_first_steps_that_fail_end_the_run(self):
        line = self.first_line("a.ini", code=1, FAKE_FAIL="patriarch")
        self.assertRegex(line, r"^\S+: seed 1 \w+: its first steps failed: .*\[net\] nonsense=1: no such key\n$")
        self.assertFalse(os.path.exists("runs"))


if __name__ == "__main__":
    unittest.main()
