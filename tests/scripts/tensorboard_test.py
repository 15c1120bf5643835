#!/usr/bin/env python3
"""`generations.py tensorboard`: the event files have the numbers of the .csv. Skipped where TensorBoard is missing.

/usr/bin/python3 tests/scripts/tensorboard_test.py -v
"""

import glob
import os
import unittest

from generations_support import Case

try:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
except ImportError:
    EventFileLoader = None


class TensorboardTest(Case):
    def test_a_missing_package_is_one_line(self):
        self.run_driver("run", "a.ini", "--set", "experiment.seeds=1")
        self.write("blocked/tensorboard/__init__.py", "raise ImportError('not installed')\n")
        error = self.run_driver("tensorboard", "runs/trial", code=1).stderr
        self.assertRegex(error, r"cannot import tensorboard \(.*\); install it: \S+ -m pip install tensorboard")

    @unittest.skipIf(EventFileLoader is None, "TensorBoard is missing: make test-deploy installs it")
    def test_the_numbers_of_the_csv(self):
        self.run_driver("run", "a.ini")
        for _ in range(2):  # written again, not twice
            done = self.run_driver("tensorboard", "runs/trial")
            self.assertIn("runs/trial/tensorboard/seed1/student2: epoch 3\n", done.stdout)
            for seed in (1, 2):
                for name in ("baseline", "patriarch", "student1", "student2"):
                    path, = glob.glob(f"runs/trial/tensorboard/seed{seed}/{name}/events.out.tfevents.*")
                    events = [event for event in EventFileLoader(path).Load() if event.summary.value]
                    header, *rows = [line.split(",") for line in self.read(
                        f"runs/trial/seed{seed}/{name}.csv").splitlines()]
                    self.assertEqual([event.step for event in events], [1, 2, 3])
                    for event, row in zip(events, rows, strict=True):
                        values = {value.tag: value.tensor.float_val[0] for value in event.summary.value}
                        row = dict(zip(header, map(float, row), strict=True))
                        self.assertAlmostEqual(values["top-1/validation"], row["valid_top1"], places=6)
                        self.assertAlmostEqual(values["loss/training cost"], row["train_loss"], places=6)
                    times = [event.wall_time for event in events]
                    self.assertEqual([round(b - a, 3) for a, b in zip(times, times[1:], strict=False)], [2.5, 2.5])
        self.run_driver("tensorboard", "runs/trial", "--out", "events")
        self.assertTrue(os.path.isdir("events/seed2/patriarch"))


if __name__ == "__main__":
    unittest.main()
