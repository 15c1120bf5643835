#!/usr/bin/env python3
"""Outputs that are not finite count as wrong, in every verb that evaluates, and no file is made of them.

/usr/bin/python3 tests/cli/not_finite_test.py -v
"""

import json
import os
import statistics
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import SOFTMAX, MadeOnceTest, distill, fashion_data, fashion_network, section, write_fashion

IMAGES, FEATURES, CLASSES = 200, 16, 10
LARGEST = 3.4e38


class NotFiniteTest(MadeOnceTest):
    """The first class's logit is a sum of features times a weight that overflows for about half of the images."""

    def make(self):
        write_fashion(self.folder, 960, IMAGES)
        self.write("fashion.data", fashion_data())
        self.write("net.cfg", fashion_network(SOFTMAX, epochs=2))
        self.write("student.cfg", fashion_network(
            distill("net.cfg", "broken.weights", **{"lambda": 0.5}), epochs=2))
        self.train("net.cfg")
        self.run_darknet("classifier", "features", "fashion.data", "net.cfg", "backup/net_final.weights", "-out",
                         "f.npy")
        record = struct.Struct("i%df" % FEATURES)
        rows = self.read("f.npy")[-record.size * IMAGES:]
        sums = [sum(record.unpack_from(rows, record.size * index)[1:]) for index in range(IMAGES)]
        middle = statistics.median(sums)
        self.write("expected.json", json.dumps([index for index in range(IMAGES) if sums[index] > middle]))
        whole = self.read("backup/net_final.weights")
        weight = struct.pack("%df" % FEATURES, *[LARGEST / middle] * FEATURES)
        start = len(whole) - 4 * FEATURES * CLASSES
        with open(self.path("broken.weights"), "wb") as file:
            file.write(whole[:start] + weight + whole[start + len(weight):])
        self.write("all.weights", whole[:start] + struct.pack("f", LARGEST) * FEATURES + whole[start + len(weight):])

    def expected(self):
        return json.loads(self.read("expected.json"))

    def evaluate(self, verb, *words, weights=("broken.weights",)):
        done = self.run_darknet("classifier", verb, "fashion.data", "net.cfg", *weights, "-json", "out.json", *words,
                                code=1)
        first = "valid-images-idx3-ubyte record %d" % self.expected()[0]
        self.assert_one_line(done, "broken.weights", "%d of %d images" % (len(self.expected()), IMAGES), first,
                             "not finite")
        return done.stdout, json.loads(self.read("out.json"))

    def test_they_count_as_wrong(self):
        # Finite images all have class 0 first.
        labels = self.read("valid-labels-idx1-ubyte")[8:]
        wrong = set(self.expected())
        right = sum(label == 0 for index, label in enumerate(labels) if index not in wrong)
        self.assertTrue(0 < right < IMAGES - len(wrong))
        for verb in ("valid", "inspect"):
            out, result = self.evaluate(verb)
            self.assertEqual((result["top1_count"], result["not_finite"], result["loss"], result["images"]),
                             (right, len(wrong), None, IMAGES), verb)
            self.assertIn("loss nan", out)
            self.assertNotIn("-nan", out)

    def test_inspect_with_a_teacher(self):
        words = ("classifier", "inspect", "fashion.data", "net.cfg")
        whole, expected = "backup/net_final.weights", self.expected()
        done = self.run_darknet(*words, whole, "-teacher", "broken.weights", "-json", "t.json", code=1)
        self.assert_one_line(done, "broken.weights: the teacher's outputs are not finite for %d of %d images, the "
                             "first is valid-images-idx3-ubyte record %d;" % (len(expected), IMAGES, expected[0]))
        result = json.loads(self.read("t.json"))
        self.evaluate("inspect", "-teacher", whole)
        self.assertEqual(result["teacher_agreement"], json.loads(self.read("out.json"))["teacher_agreement"])
        self.assertGreater(result["teacher_kl"], 0)

    def test_no_image_is_finite(self):
        done = self.run_darknet("classifier", "inspect", "fashion.data", "net.cfg", "all.weights", "-json", "out.json",
                                code=1)
        self.assertIn("%d of %d images" % (IMAGES, IMAGES), done.stderr)
        self.assertNotIn("-nan", done.stdout)
        result = json.loads(self.read("out.json"))
        for key in ("entropy", "mean_primary", "mean_true", "ece"):
            self.assertIsNone(result[key], key)

    def test_ensemble(self):
        _, result = self.evaluate("ensemble", weights=("backup/net_final.weights", "broken.weights"))
        self.assertEqual(result["not_finite"], len(self.expected()))
        self.assertLessEqual(result["top1_count"], IMAGES - len(self.expected()))

    def test_a_teacher_is_named(self):
        first = "train-images-idx3-ubyte record"
        done = self.run_darknet("classifier", "targets", "fashion.data", "student.cfg", "-out", "x.targets", code=1)
        self.assert_one_line(done, "net.cfg with broken.weights", "the teacher's outputs are not finite", first)
        self.assertFalse(os.path.exists(self.path("x.targets")))
        done = self.run_darknet("classifier", "train", "fashion.data", "student.cfg", "-nogpu", code=1)
        self.assert_one_line(done, "net.cfg with broken.weights", "the teacher's outputs are not finite", first)

    def test_a_validation_is_said_and_training_goes_on(self):
        """Black images teach batch norm that nothing varies; a validation on others overflows then."""
        images = bytearray(self.read("train-images-idx3-ubyte"))
        images[16:] = bytes(len(images) - 16)
        self.write("black-images-idx3-ubyte", bytes(images))
        self.write("black-labels-idx1-ubyte", self.read("train-labels-idx1-ubyte"))
        self.write("black.data", fashion_data(train="black"))
        text = fashion_network(SOFTMAX, epochs=3, policy="constant", learning_rate=0)
        layer = section("convolutional", batch_normalize=1, filters=4, size=3, pad=1, activation="leaky")
        # Frozen: gradients through 18 such layers overflow as well.
        layers = 18 * layer + section("activation", activation="linear", stopbackward=1)
        self.write("deep.cfg", text[:text.index("[convolutional]")] + layers + text[text.index("[avgpool]"):])
        done = self.run_darknet("classifier", "train", "black.data", "deep.cfg", "-nogpu")
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 3, done.stderr)
        for number, line in enumerate(lines, 1):
            self.assertIn("epoch %d: validation: " % number, line)
            self.assertIn("images have outputs that are not finite", line)
        rows = [row.split(",") for row in self.read("backup/deep.csv").decode().splitlines()[1:]]
        self.assertEqual([row[4] for row in rows], ["", "", ""])
        self.assertTrue(os.path.exists(self.path("backup/deep_final.weights")))


if __name__ == "__main__":
    unittest.main()
