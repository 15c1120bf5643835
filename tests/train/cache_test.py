#!/usr/bin/env python3
"""Cached teacher outputs (.targets): the same bytes as a live teacher, and refused where they are of another run.

/usr/bin/python3 tests/train/cache_test.py -v
"""

import os
import shutil
import signal
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import (Cut, RunTest, TSD, distill, fashion_data, fashion_network, resumed_at, say,
                         write_fashion)

LAMBDA = {"lambda": 0.6}
TEACHER = ("teacher/teacher.cfg", "teacher/teacher_final.weights")


class CacheTest(RunTest):
    # One teacher for all: it is only read.
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        maker = cls("make_teacher")
        maker.setUp_folder()
        cls.shared = maker.folder
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)
        maker.make_teacher()

    def setUp_folder(self):
        super().setUp()

    def make_teacher(self):
        write_fashion(self.folder, 640, 200)
        for backup in ("teacher", "other", "live", "cached"):
            self.write(backup + ".data", fashion_data(backup=backup))
        self.write("teacher/teacher.cfg", fashion_network(TSD, epochs=2))
        self.train("teacher/teacher.cfg", data="teacher.data", seed=1)
        self.write("other/teacher.cfg", fashion_network(TSD, epochs=1))
        self.train("other/teacher.cfg", data="other.data", seed=2)

    def setUp(self):
        super().setUp()
        shutil.copytree(self.shared, self.folder, dirs_exist_ok=True)

    def student(self, backup, cost, **net):
        """Writes a student's cfg into the folder of `backup`: same name, same network, another cost."""
        return os.path.relpath(self.write("%s/net.cfg" % backup, fashion_network(cost, **dict(dict(epochs=3), **net))),
                               self.folder)

    def make_targets(self, cfg=None, data="live.data", seed=1, code=0, **net):
        cfg = cfg or self.student("live", distill(*TEACHER, **LAMBDA), **net)
        return self.run_darknet("classifier", "targets", data, cfg, "-out", "s.targets", "-seed", seed, "-threads", 1,
                                code=code)

    def refused(self, *parts, data="cached.data", seed=1, cost=None, **net):
        cfg = self.student("cached", cost or distill(targets="s.targets", **LAMBDA), **net)
        done = self.train(cfg, data=data, seed=seed, code=1)
        self.assert_one_line(done, "s.targets", *parts)
        self.assertFalse(os.path.exists(self.path("cached", "net.state")))

    def test_cached_equals_live(self):
        for name, net in (("pad and mirror", {}),
                          ("the host's augmentation, 2 subdivisions",
                           dict(subdivisions=2, pad=None, mirror=None, angle=10)),
                          ("mixup", dict(mixup=1)),
                          ("cutmix, mosaic, blur", dict(cutmix=1, mosaic=1, blur=5, label_smooth_eps=0.1))):
            live = self.student("live", distill(*TEACHER, **LAMBDA), **net)
            self.train(live, data="live.data")
            done = self.make_targets(live)
            # 3 epochs of 640 images, 10 classes, behind a header of 4096 bytes.
            size = len(self.read("s.targets"))
            self.assertEqual(size, 4096 + 3 * 640 * 10 * 4)
            self.assertIn("1920 positions of 10 classes", done.stdout)
            cached = self.student("cached", distill(targets="s.targets", **LAMBDA), **net)
            out = self.train(cached, data="cached.data").stdout
            self.assertIn("teacher: s.targets", out)
            self.assert_same_results(self.path("live", "net"), self.path("cached", "net"))
            say("cached and live are the same, %s; %d bytes" % (name, size))
            for backup in ("live", "cached"):
                shutil.rmtree(self.path(backup))

    def rows(self):
        content = self.read("s.targets")
        return content[:4096], struct.unpack("<%df" % ((len(content) - 4096) // 4), content[4096:])

    def test_threads_do_not_change_the_images(self):
        cfg = self.student("live", distill(*TEACHER, **LAMBDA))
        self.make_targets(cfg)
        head, first = self.rows()
        self.run_darknet("classifier", "targets", "live.data", cfg, "-out", "s.targets", "-seed", 1, "-threads", 2)
        again, second = self.rows()
        self.assertEqual(head, again)
        # Sums may be split otherwise, which is a matter of last bits; another crop would be one of digits.
        self.assertLess(max(abs(a - b) for a, b in zip(first, second, strict=True)), 1e-5)
        # Every epoch shows the teacher other crops: an epoch's rows are not the next one's.
        self.assertGreater(max(abs(a - b) for a, b in zip(first[:6400], first[6400:12800], strict=True)), 1e-2)

    def test_named_teacher_is_checked(self):
        self.make_targets()
        self.student("live", distill(*TEACHER, **LAMBDA))
        self.train("live/net.cfg", data="live.data")
        cached = self.student("cached", distill(*TEACHER, targets="s.targets", **LAMBDA))
        self.assertIn("teacher: s.targets", self.train(cached, data="cached.data").stdout)
        self.assert_same_results(self.path("live", "net"), self.path("cached", "net"))
        shutil.rmtree(self.path("cached"))
        self.refused("another teacher",
                     cost=distill("teacher/teacher.cfg", "other/teacher_final.weights", targets="s.targets", **LAMBDA))

    def test_live_run_goes_on_with_a_cache(self):
        """Where the outputs come from is not part of a run: 40 iterations live, the rest from the cache."""
        live = self.student("live", distill(*TEACHER, **LAMBDA), epochs=8)
        self.train(live, data="live.data")
        self.make_targets(live)
        cfg = self.student("cached", distill(*TEACHER, **LAMBDA), epochs=8)
        cut = Cut(self, ("classifier", "train", "cached.data", cfg, "-seed", 1, "-threads", 1), 40,
                  number=signal.SIGTERM)
        self.assertEqual(cut.code, 143, cut.err)
        # But who the teacher is, is.
        other = self.student("cached", distill("teacher/teacher.cfg", "other/teacher_final.weights", **LAMBDA),
                             epochs=8)
        done = self.train(other, "-resume", data="cached.data", code=1)
        self.assert_one_line(done, "cached/net.state", "another teacher")
        out = self.train(self.student("cached", distill(targets="s.targets", **LAMBDA), epochs=8), "-resume",
                         data="cached.data").stdout
        self.assertGreaterEqual(resumed_at(out), 40)
        self.assertIn("teacher: s.targets", out)
        self.assert_same_results(self.path("live", "net"), self.path("cached", "net"))

    def test_other_runs_are_refused_by_name(self):
        self.make_targets()
        self.refused("another seed", "'1'", "'2'", seed=2)
        self.refused("another augmentation", "pad=2", "pad=1", pad=1)
        self.refused("another augmentation", "mirror=1", "mirror=0", mirror=0)
        self.refused("another augmentation", "mix=cutmix", cutmix=1)
        self.refused("fewer epochs", "1920", "2560", epochs=4)
        self.refused("another mini_batch", batch=64)
        # The same images but for one.
        write_fashion(self.folder, 639, 200)
        self.refused("another data")

    def test_fewer_epochs_need_no_new_cache(self):
        self.make_targets()
        self.train(self.student("cached", distill(targets="s.targets", **LAMBDA), epochs=2), data="cached.data")

    def test_damaged_files_are_refused(self):
        self.make_targets()
        whole = self.read("s.targets")
        for damaged, part in ((whole[:-4], "damaged"), (whole + b"\0", "damaged"), (whole[:100], "no targets file"),
                              (b"X" + whole[1:], "no targets file"),
                              (whole[:4096] + b"\0" * 40 + whole[4136:], "does not sum to 1")):
            self.write("s.targets", damaged)
            self.refused(part)
        os.unlink(self.path("s.targets"))
        self.refused("no such file", "darknet classifier targets")

    def test_stopped_and_failed_targets_leave_nothing(self):
        cfg = self.student("live", distill("teacher/teacher.cfg", "teacher/missing.weights", **LAMBDA))
        self.assert_one_line(self.make_targets(cfg, code=1), "teacher/missing.weights", "cannot be read")
        process = self.start("classifier", "targets", "live.data",
                             self.student("live", distill(*TEACHER, **LAMBDA), epochs=1000), "-out", "s.targets",
                             "-threads", 1)
        self.assertIn("640000 positions of 10 classes", process.stdout.readline())
        process.terminate()
        out, err = process.communicate()
        self.assertEqual(process.returncode, 143, out + err)
        self.assertIn("no targets were written", err)
        self.assertFalse(os.path.exists(self.path("s.targets")))
        self.assert_no_leftovers(self.folder)


if __name__ == "__main__":
    unittest.main()
