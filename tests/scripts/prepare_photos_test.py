#!/usr/bin/env python3
"""scripts/prepare_photos.py: lists, labels, .data file and cfg of a folder of photos; the program trains on them.

/usr/bin/python3 tests/scripts/prepare_photos_test.py -v
"""

import os
import random
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import ROOT, RunTest, write_png

SCRIPT = os.path.join(ROOT, "scripts", "prepare_photos.py")


class PreparePhotosTest(RunTest):
    def photo(self, *path, seed=0, side=40):
        os.makedirs(self.path(*path[:-1]), exist_ok=True)
        pick = random.Random(seed)
        rows = [bytes(pick.randrange(256) for _ in range(3 * side)) for _ in range(side)]
        write_png(self.path(*path), rows, 3)

    def prepare(self, *words, code=0):
        done = subprocess.run([sys.executable, SCRIPT, *words], cwd=self.folder, capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def lines(self, *path):
        return self.read(*path).decode().splitlines()

    def test_each_class_is_split_and_the_program_trains(self):
        for label, count in (("cat", 10), ("dog", 5), ("red fox", 2)):
            for number in range(count):
                self.photo("mine", label, "summer" if number % 2 else ".", f"{number}.png", seed=number)
        self.write("mine/cat/notes.txt", "no photo")
        out = self.prepare("mine")
        self.assertIn("3 classes, 13 photos to train and 4 to validate", out)
        self.assertIn("not used: 1 file of other kinds (.txt)", out)
        train, valid = self.lines("data/mine/train.txt"), self.lines("data/mine/valid.txt")
        for lines, counts in ((train, (8, 4, 1)), (valid, (2, 1, 1))):
            self.assertEqual(tuple(sum(line.endswith(f" {number}") for line in lines) for number in range(3)), counts)
        self.assertEqual(set(train) & set(valid), set())
        self.assertEqual(self.lines("data/mine/photos.labels"), ["cat", "dog", "red fox"])
        cfg = self.read("data/mine/photos.cfg").decode()
        self.assertIn("[connected]\noutput=3\nactivation=linear\ndontload=1\n", cfg)
        # The network itself is too large for a test.
        small = cfg[:cfg.index("[convolutional]")].replace("=224", "=32").replace("valid_resize=256", "valid_resize=36")
        small = small.replace("batch=32", "batch=4").replace("epochs=40", "epochs=2")
        self.write("small.cfg", small + "[maxpool]\nsize=4\nstride=4\n\n"
                   "[connected]\noutput=3\nactivation=linear\n\n[softmax]\n")
        done = self.run_darknet("classifier", "train", "data/mine/photos.data", "small.cfg")
        self.assertIn("13 images", done.stdout)
        self.assertIn("epoch 2:", done.stdout)

    def test_a_photo_keeps_its_part_when_others_are_added(self):
        for label in ("cat", "dog"):
            for number in range(20):
                self.photo("mine", label, f"{number}.png", seed=number)
        self.prepare("mine", "--out", "first")
        before = set(self.lines("first/valid.txt"))
        for number in range(20, 25):
            self.photo("mine", "cat", f"{number}.png", seed=number)
        self.prepare("mine", "--out", "second")
        after = set(self.lines("second/valid.txt"))
        self.assertEqual(len(before), 8)
        self.assertEqual(len(after), 9)
        self.assertGreaterEqual(len(before & after), 7, "one may be replaced, where a new one comes before it")

    def test_parts_that_exist_are_followed(self):
        for part, count in (("train", 3), ("val", 2)):
            for label in ("cat", "dog"):
                for number in range(count):
                    self.photo("mine", part, label, f"{number}.png", seed=number)
        self.prepare("mine", "--out", "out")
        self.assertEqual(len(self.lines("out/train.txt")), 6)
        self.assertTrue(all(line.startswith("mine/val/") for line in self.lines("out/valid.txt")))

    def test_what_is_wrong_is_one_line(self):
        for label in ("cat", "dog"):
            self.photo("good", label, "0.png")
            self.photo("good", label, "1.png")
        self.photo("one", "cat", "0.png")
        self.photo("few", "cat", "0.png")
        self.photo("few", "dog", "0.png")
        self.photo("few", "dog", "1.png")
        for part, labels in (("train", ("cat", "dog")), ("valid", ("cat", "fox"))):
            for label in labels:
                self.photo("other", part, label, "0.png")
        self.write("none.cfg", "[net]\nheight=3\n\n[softmax]\n")
        for words, parts in ((["none"], ["none: cannot read the folder"]),
                             (["one"], ["one: found 1 folder;", "at least 2 classes"]),
                             (["few"], ["few/cat: found 1 photo ", "at least 2"]),
                             (["other"], ["other/valid/fox: no such class in other/train"]),
                             (["few", "--valid", "1"], ["--valid 1.0", "between 0 and 1"]),
                             (["good", "--cfg", "missing.cfg"], ["missing.cfg"]),
                             (["good", "--cfg", "none.cfg"], ["none.cfg: no [connected]"])):
            error = self.prepare(*words, code=1)
            self.assertEqual(error.count("\n"), 1, error)
            for part in parts:
                self.assertIn(part, error)
        self.assertFalse(os.path.exists(self.path("data")), "nothing is half-written")


if __name__ == "__main__":
    unittest.main()
