#!/usr/bin/env python3
"""One small network for each family of classifiers trains, evaluates, and agrees with the host's own program.

Three updates on real images, and `classifier predict` on the weights, where the host's program computes the network
right (PREDICTED). One update from the same weights on one image against the host's own training, where that is right
(UPDATED); gradients of all of them against differences in double precision are in tests/network.

/usr/bin/python3 tests/zoo/zoo_test.py -v
"""

import glob
import json
import math
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from one_image import OneImageTest, difference, net
from run_support import (DARKNET, HOST, MadeOnceTest, RunTest, fashion_image, read, say, stock_darknet, write_fashion,
                         write_png)

from cfg_network.network import Network

ZOO = os.path.dirname(os.path.abspath(__file__))
NAMES = sorted(os.path.basename(path)[:-4] for path in glob.glob(os.path.join(ZOO, "*.cfg")))
SIDE, CLASSES, IMAGES = 28, 10, 24
BOTH = ("packaged", "alexeyab")
# The hosts whose own program evaluates a network right. Others lack a layer or an activation, stop at a [shortcut] of
# unequal shapes, or compute something else (docs/hosts.md).
PREDICTED = {
    "alexnet": BOTH, "darknet19": BOTH, "darknet53": BOTH, "densenet": BOTH, "strided": BOTH,
    "resnet50": ("packaged",), "resnext": ("packaged",),
    "cspdarknet": ("alexeyab",), "efficientnet": ("alexeyab",), "preactivation": ("alexeyab",),
    "squeeze": ("alexeyab",), "local": ("alexeyab",), "dilated": ("alexeyab",), "go": ("packaged",),
    "attention": (), "efficientnet-lite": (),
}
# The hosts that train it right: both lose gradients where a layer is read twice.
UPDATED = {"alexnet": BOTH, "darknet19": BOTH, "strided": BOTH, "squeeze": ("alexeyab",), "go": ("packaged",)}
ROUNDING = 0.02  # of percentages with two digits


def cfg_text(name):
    return read(os.path.join(ZOO, name + ".cfg")).decode()


def colour(rows):
    """Rows of pixels of three different values."""
    return [[bytes((value, 255 - value, value // 2)) for value in row] for row in rows]


class ZooTest(MadeOnceTest):
    def make(self):
        write_fashion(self.folder, 1, IMAGES)
        os.makedirs(self.path("images"))
        os.makedirs(self.path("backup"))
        paths = []
        for index in range(IMAGES):
            rows, label = fashion_image(index, self.folder)
            paths.append("images/%02d_lbl%d.png" % (index, label))
            write_png(self.path(paths[-1]), [b"".join(row) for row in colour(rows)], 3)
        self.write("list.txt", "".join(path + "\n" for path in paths))
        self.write("labels.txt", "".join("lbl%d\n" % label for label in range(CLASSES)))
        self.write("zoo.data", "classes=%d\ntrain=list.txt\nvalid=list.txt\nlabels=labels.txt\nnames=labels.txt\n"
                   "backup=backup\ntop=%d\n" % (CLASSES, CLASSES))

    def options(self, *words, code=0):
        return self.run_darknet("options", *words, "zoo.data", code=code)

    def check(self, name):
        cfg = self.write(name + ".cfg", cfg_text(name))
        translated = json.loads(self.options(cfg).stdout)["translations"]
        self.options("-strict", cfg, code=1 if translated else 0)
        done = self.train(cfg, data="zoo.data")
        losses = [float(loss) for loss in re.findall(r"^\d+, \S+: (\S+), ", done.stdout, re.M)]
        self.assertEqual(len(losses), 3, done.stdout)
        weights = "backup/%s_final.weights" % name
        self.run_darknet("classifier", "valid", "zoo.data", cfg, weights, "-json", "out.json")
        losses.append(json.loads(self.read("out.json"))["loss"])
        self.assertTrue(all(map(math.isfinite, losses)), losses)
        if HOST not in PREDICTED[name]:
            return
        if stock_darknet() is None:
            self.skipTest("the host's own program was not run: name it in DNG_STOCK")
        first = {}
        for image in self.read("list.txt").decode().split()[:2]:
            words = "zoo.data", cfg, weights, image
            ours, theirs = (dict(found) for found in (self.predict(*words),
                                                      self.predict(*words, program=stock_darknet())))
            self.assertEqual(len(ours), CLASSES)
            self.assertEqual(set(ours), set(theirs))
            for label, share in ours.items():
                self.assertAlmostEqual(share, theirs[label], delta=ROUNDING, msg=image)
            spread = max(abs(share - first[label]) for label, share in ours.items()) if first else 0
            first = first or ours
        # The image matters, by far more than what is let through.
        self.assertGreater(spread, 10 * ROUNDING, ours)
        say("%s: losses %s, spread %.2f" % (name, " ".join("%.3f" % loss for loss in losses), spread))


class FirstUpdateTest(OneImageTest):
    """One update is the host's own."""

    def check(self, name):
        write_fashion(self.folder, 1, 1)
        self.write_image(colour(fashion_image(0, self.folder)[0]), CLASSES)
        # Nothing is drawn: the crop is as large as the frame, and nothing is dropped.
        layers = cfg_text(name).partition("\n\n")[2]
        layers = re.sub(r"(crop_height|crop_width)=\d+", r"\1=%d" % SIDE, layers)
        layers = re.sub(r"probability=\S+", "probability=0", layers)
        start = self.begin(net(SIDE, learning_rate=1e-30) + layers)
        cfg = net(SIDE, learning_rate=0.01) + layers
        ours = self.trained("ours", cfg)
        theirs = self.trained("theirs", cfg, self.stock)
        compared = self.comparable(Network(self.path("ours.cfg"), DARKNET))
        ours, theirs, start = ([values[i] for i in compared] for values in (ours, theirs, start))
        moved = difference(theirs, start)
        say("%s: %d parameters, moved by %.2g, apart by %.2g" % (name, len(ours), moved, difference(ours, theirs)))
        self.assertGreater(moved, 1e-4)
        self.assertLess(difference(ours, theirs), 1e-4 * moved)

    @staticmethod
    def comparable(network):
        """The places of the parameters that the host trains right: not rolling statistics, whose rate is another; and
        AlexeyAB's loses biases of batch norm and all of [connected].
        """
        places, at = [], 0
        for layer in network.layers:
            if not layer.weights:
                continue
            outputs, normalizes = layer.out.channels, layer.flag("batch_normalize")
            parts = [("biases", outputs), ("weights", layer.weights)]
            if normalizes:
                parts[1 if layer.kind == "convolutional" else 2:1] = [("scales", outputs), ("rolling", 2 * outputs)]
            for part, count in parts:
                lost = HOST == "alexeyab" and (layer.kind == "connected" or (normalizes and part == "biases"))
                if part != "rolling" and not lost:
                    places += range(at, at + count)
                at += count
        return places


class CoverageTest(RunTest):
    def test_every_network_is_in_the_table(self):
        self.assertEqual(NAMES, sorted(PREDICTED))

    def test_every_layer_is_in_a_network(self):
        tables = json.loads(self.run_darknet("options").stdout)
        text = "".join(map(cfg_text, NAMES))
        for section in [*tables["layers"], "crop", "softmax", "cost"]:
            self.assertIn("[%s]\n" % section, text)


def add(case, name):
    setattr(case, "test_" + name.replace("-", "_"), lambda self: self.check(name))


for each in NAMES:
    add(ZooTest, each)
for each, hosts in UPDATED.items():
    if HOST in hosts:
        add(FirstUpdateTest, each)

if __name__ == "__main__":
    unittest.main()
