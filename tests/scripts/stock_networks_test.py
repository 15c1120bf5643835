#!/usr/bin/env python3
"""Darknet agrees, network by network: the networks of cfg/, trained for a moment, answer the same under the host's own
program, with the cfg that `generations.py stock` prints.

Answers are class names in their order and percentages of `classifier predict`. The standalone [batchnorm] of DenseNets
crashes the packaged program.

/usr/bin/python3 tests/scripts/stock_networks_test.py -v
"""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from make_cfg_test import NAMES, cfg_text, sections_of
from run_support import (CIFAR100_RECORD, HOST, ROOT, MadeOnceTest, read, say, section, stock_darknet,
                         write_cifar100, write_png)

# Rolling means and variances have to come near those of a batch: else a deep network's outputs are all overflow. A
# larger rate leaves some networks with one certain answer for every image, on some processors.
TRAINING = dict(batch=4, subdivisions=1, policy="constant", learning_rate=0.001, momentum=0.9, decay=0.0001)
UPDATES = {"cifar100-densenet190": 8, "ilsvrc2012-resnet18": 60, "cifar100-resnet110": 200}
IMAGES = 4  # at least
ROUNDING = 0.02  # of percentages with two digits


class StockNetworks(MadeOnceTest):
    def make(self):
        if stock_darknet() is None:
            raise unittest.SkipTest("the host's own program was not run: name it in DNG_STOCK")
        write_cifar100(self.folder, 400, 1)
        records = read(self.path("train.bin"))
        for side in (28, 32, 224):
            os.makedirs(self.path("images%d" % side))
            paths = []
            for index in range(400 if side < 224 else 100):
                record = records[index * CIFAR100_RECORD:(index + 1) * CIFAR100_RECORD]
                paths.append("images%d/%05d_lbl%03dx.png" % (side, index, record[1]))
                write_png(self.path(paths[-1]), self.rows(record, side), 3)
            self.write("list%d.txt" % side, "".join(path + "\n" for path in paths))

    @staticmethod
    def rows(record, side):
        """The image, cut to `side`, or each of its pixels as a square of them; grey for Fashion-MNIST's side."""
        planes = [record[2 + 1024 * c:][:1024] for c in range(3)]
        if side == 28:
            planes = [bytes(sum(values) // 3 for values in zip(*planes, strict=True))] * 3
        scale = max(1, side // 32)
        return [bytes(plane[32 * (y // scale) + x // scale] for x in range(side) for plane in planes)
                for y in range(side)]

    def data(self, name, classes, side):
        """A .data file with the images whose label the network has; it may have classes without images."""
        labels = ["lbl%03dx" % label for label in range(classes)]
        paths = [path for path in self.read("list%d.txt" % side).decode().splitlines()
                 if any(label in path for label in labels)]
        self.write(name + ".labels", "".join(label + "\n" for label in labels))
        self.write(name + ".txt", "".join(path + "\n" for path in paths))
        self.write(name + ".data", "classes=%d\ntrain=%s\nvalid=%s\nlabels=%s\nnames=%s\nbackup=backup\ntop=5\n" % (
            classes, name + ".txt", name + ".txt", name + ".labels", name + ".labels"))
        return name + ".data"

    def check(self, name):
        text = cfg_text(name)
        net = sections_of(text)[0][1]
        side = int(net["height"])
        classes = int(text.rpartition("output=")[2].split()[0])
        size = {key: net[key] for key in ("height", "width", "channels")}
        updates = UPDATES.get(name, 100)
        body = text[text.index("[convolutional]"):]
        data = self.data(name, classes, side)
        images = self.read("list%d.txt" % side).decode().split()[:10 * IMAGES]
        self.write(name + ".cfg", section("net", **TRAINING, **size, max_batches=updates) + body)
        stock = subprocess.run([sys.executable, os.path.join(ROOT, "scripts", "generations.py"), "stock",
                                os.path.join("cfg", name + ".cfg")], cwd=ROOT, capture_output=True, text=True)
        self.assertEqual(stock.returncode, 0, stock.stderr)
        self.write("stock-%s.cfg" % name, stock.stdout)
        self.train(name + ".cfg", data=data, threads=2)
        weights = "backup/%s_final.weights" % name
        seen = []
        for image in images:
            plugin = self.predict(data, name + ".cfg", weights, image)
            theirs = self.predict(data, "stock-%s.cfg" % name, weights, image, program=stock_darknet())
            self.agree(plugin, theirs)
            seen.append(plugin)
            # The image matters, and by far more than what is let through: constant outputs would agree with anything.
            if len(seen) >= IMAGES and self.spread(seen) > 50 * ROUNDING:
                break
        else:
            self.fail("the answers hardly depend on the image: %s" % seen)
        say("%s on %s: %s" % (name, HOST, "; ".join("%s %.2f%%" % answer[0] for answer in seen)))

    def agree(self, plugin, theirs):
        self.assertEqual(len(plugin), 5, plugin)
        for (_, plugin_share), (their_name, their_share) in zip(plugin, theirs, strict=True):
            self.assertAlmostEqual(plugin_share, their_share, delta=ROUNDING, msg="%s %s" % (plugin, theirs))
            # Where two are as good as equal, either may be first; and to the last, one that is not among the five.
            if abs(plugin_share - plugin[-1][1]) > ROUNDING:
                self.assertIn(their_name, [other for other, share in plugin if abs(share - plugin_share) <= ROUNDING])

    @staticmethod
    def spread(seen):
        """How far the answers to several images are apart, at most, for the class that is first for one of them."""
        shares = [[dict(answer).get(first, 0) for answer in seen] for (first, _), *_ in seen]
        return max(max(values) - min(values) for values in shares)


def add(name):
    def test(self):
        if name.startswith("cifar100-densenet") and HOST == "packaged":
            self.skipTest("a standalone [batchnorm] crashes the packaged program")
        self.check(name)
    setattr(StockNetworks, "test_" + name.replace("-", "_"), test)


for each in NAMES:
    if each != "photos-resnet18":  # the layers of ilsvrc2012-resnet18
        add(each)

if __name__ == "__main__":
    unittest.main()
