#!/usr/bin/env python3
"""Darknet agrees: weights that we trained evaluate the same under the host's own program.

The weights of a cost section go through a plain cfg with nothing but the host's keys. DNG_STOCK_IMAGES=10000 takes
CIFAR100's whole test set (minutes) instead of its first 300 images. DNG_STOCK names the host's program.

/usr/bin/python3 tests/cli/stock_darknet_test.py -v
"""

import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import (CIFAR100_RECORD, HOST, RunTest, TSD, fashion_image, read, say, section, stock_darknet,
                         write_cifar100, write_fashion, write_png)

IMAGES = int(os.environ.get("DNG_STOCK_IMAGES") or 300)
# 2 in 10,000: the order of the sums differs, and with it the last bits of close scores.
ALLOWED = max(1, 2 * IMAGES // 10000)
NET = dict(batch=50, subdivisions=1, channels=3, learning_rate=0.1, momentum=0.9, decay=0.0001)
# What the host's own program knows; our keys would be "unused" there, or worse.
HOST_NET = dict(NET, batch=1, policy="constant", max_batches=1)


def resnet(last, classes, **net):
    """Two residual blocks, the second with a projection: all that ResNets have, and thin."""
    def conv(filters, size=3, stride=1, activation="linear"):
        return section("convolutional", batch_normalize=1, filters=filters, size=size, stride=stride,
                       pad=1 if size == 3 else 0, activation=activation)

    def add(since):
        return section("shortcut", **{"from": since, "activation": "relu"})

    return (section("net", **net) + conv(8, stride=2, activation="relu") +
            conv(8, activation="relu") + conv(8) + add(-3) +
            conv(16, stride=2, activation="relu") + conv(16) +
            section("route", layers=-3) + section("maxpool", size=1, stride=2) + conv(16, size=1) + add(-4) +
            section("avgpool") + section("connected", output=classes, activation="linear") + last)


class StockDarknet:
    """The claims, for a data set that a subclass brings."""

    classes, side, least_top5 = 0, 0, 0.0

    def setUp(self):
        super().setUp()
        self.write_sets(max(3000, self.images() // 2), self.images())
        self.write("labels.txt", "".join("lbl%03dx\n" % label for label in range(self.classes)))
        os.makedirs(self.path("images"))
        self.paths = []
        for index in range(self.images()):
            rows, label = self.image(index)
            # The host finds the label anywhere in the path.
            self.paths.append("images/%05d_lbl%03dx.png" % (index, label))
            write_png(self.path(self.paths[-1]), rows, 3)
        self.write("list.txt", "".join(path + "\n" for path in self.paths))
        for name, valid in (("packed", self.valid), ("list", "list.txt")):
            self.write(name + ".data", "classes=%d\ntrain=%s\nvalid=%s\nlabels=labels.txt\nnames=labels.txt\n"
                       "backup=backup\ntop=5\n" % (self.classes, self.valid.replace("valid", "train"), valid))
        size = dict(height=self.side, width=self.side)
        plugin = dict(NET, epochs=8, policy="cosine", pad=4, mirror=1, **size)
        self.write("tsd.cfg", resnet(TSD, self.classes, **plugin))
        self.write("plain.cfg", resnet("[softmax]\n", self.classes, **dict(HOST_NET, **size)))
        self.train("tsd.cfg", data="packed.data")
        self.weights = "backup/tsd_final.weights"

    def images(self):
        return IMAGES

    def counts(self, data, cfg):
        self.run_darknet("classifier", "valid", data, cfg, self.weights, "-json", "out.json", "-threads", 1)
        result = json.loads(self.read("out.json"))
        self.assertEqual((result["k"], result["images"]), (5, self.images()))
        return result["top1_count"], result["topk_count"], result["loss"]

    def test_counts_and_predictions(self):
        images = self.images()
        packed = self.counts("packed.data", "tsd.cfg")
        listed = self.counts("list.data", "tsd.cfg")
        plain = self.counts("list.data", "plain.cfg")
        say("%d images on %s, top-1 and top-5 counts: packed %d %d, list %d %d, list with the plain cfg %d %d" % (
            images, HOST, *packed[:2], *listed[:2], *plain[:2]))
        # PNG loses nothing, and the cost does not enter: the same images, the same results.
        self.assertEqual(packed, listed)
        self.assertEqual(packed[:2], plain[:2])
        # The network has learnt something: equal counts of a network that guesses would say little.
        self.assertGreater(packed[1], self.least_top5 * images)
        stock = stock_darknet()
        if stock is None:
            raise unittest.SkipTest("the host's own program was not run: name it in DNG_STOCK")
        done = self.run_darknet("classifier", "valid", "list.data", "plain.cfg", self.weights, program=stock)
        found = re.findall(r"(\d+): top 1: ([0-9.]+), top 5: ([0-9.]+)", done.stdout)
        self.assertTrue(found, done.stdout[-500:] + done.stderr[-500:])
        self.assertIn(int(found[-1][0]), (images - 1, images))
        theirs = [round(float(share) * images) for share in found[-1][1:]]
        say("%s: %d %d" % (stock, *theirs))
        self.assertLessEqual(abs(theirs[0] - packed[0]), ALLOWED)
        self.assertLessEqual(abs(theirs[1] - packed[1]), ALLOWED)
        self.compare_predictions(stock)

    def compare_predictions(self, stock):
        """`classifier predict`: the same names in the same order, percentages to their last digit but one."""
        for path in self.paths[:3]:
            plugin = self.predict("list.data", "tsd.cfg", self.weights, path)
            theirs = self.predict("list.data", "plain.cfg", self.weights, path, program=stock)
            self.assertEqual(len(plugin), 5, plugin)
            self.assertEqual([name for name, _ in plugin], [name for name, _ in theirs])
            for (_, a), (_, b) in zip(plugin, theirs, strict=True):
                self.assertAlmostEqual(a, b, delta=0.02)


class Cifar100Test(StockDarknet, RunTest):
    classes, side, least_top5, valid = 100, 32, 0.15, "valid.bin"

    def write_sets(self, train, valid):
        write_cifar100(self.folder, train, valid)
        self.records = read(self.path("valid.bin"))

    def image(self, index):
        record = self.records[index * CIFAR100_RECORD:(index + 1) * CIFAR100_RECORD]
        planes = (record[2 + 1024 * c:][:1024] for c in range(3))
        pixels = bytes(value for pixel in zip(*planes, strict=True) for value in pixel)
        return [pixels[96 * y:96 * (y + 1)] for y in range(32)], record[1]


class FashionTest(StockDarknet, RunTest):
    """Grey images in a network of three channels: the host's program reads every image in colour."""

    classes, side, least_top5, valid = 10, 28, 0.85, "valid-images-idx3-ubyte"

    def images(self):
        return min(IMAGES, 300)

    def write_sets(self, train, valid):
        write_fashion(self.folder, train, valid)

    def image(self, index):
        rows, label = fashion_image(index, self.folder)
        return [bytes(value for value in row for _ in range(3)) for row in rows], label


if __name__ == "__main__":
    unittest.main()
