#!/usr/bin/env python3
"""The host's own `classifier train` trains the same: one update of networks that end in [softmax] and in [cost].

The training set is one image, the same from left to right, so that the host's random numbers change nothing. DNG_STOCK
names the host's program.

/usr/bin/python3 tests/train/stock_training_test.py -v
"""

import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import RunTest, section, stock_darknet, write_png

SIDE, CLASSES, BATCH = 16, 4, 4
NET = dict(batch=BATCH, subdivisions=1, height=SIDE, width=SIDE, channels=3, learning_rate=0.1, momentum=0.9,
           decay=0.01, min_crop=SIDE, max_crop=SIDE, max_batches=1)
COST = section("cost", type="sse")


def network(last, **net):
    return (section("net", **dict(NET, **net)) +
            section("convolutional", filters=8, size=3, stride=2, pad=1, activation="leaky") +
            section("convolutional", filters=CLASSES, size=3, pad=1, activation="linear") +
            section("avgpool") + section("softmax") + last)


def floats(content):
    """The parameters of a .weights file: behind the version (three numbers) and the images seen (64 bits)."""
    return struct.unpack("<%df" % ((len(content) - 20) // 4), content[20:])


class StockTrainingTest(RunTest):
    def setUp(self):
        super().setUp()
        self.stock = stock_darknet()
        if self.stock is None:
            raise unittest.SkipTest("the host's own program was not run: name it in DNG_STOCK")
        os.makedirs(self.path("images"))
        half = [[bytes((x * 29 + y * 13 + 7 * c) % 256 for c in range(3)) for x in range(SIDE // 2)]
                for y in range(SIDE)]
        write_png(self.path("images/lbl2.png"), [b"".join(row + row[::-1]) for row in half], 3)
        self.write("list.txt", "images/lbl2.png\n")
        self.write("labels.txt", "".join("lbl%d\n" % label for label in range(CLASSES)))
        self.write("one.data", "classes=%d\ntrain=list.txt\nvalid=list.txt\nlabels=labels.txt\n"
                   "names=labels.txt\nbackup=backup\ntop=%d\n" % (CLASSES, CLASSES))
        os.makedirs(self.path("backup"))
        # A set of weights to begin with: the rate is next to none.
        self.write("start.cfg", network("", learning_rate=1e-30))
        self.train("start.cfg", data="one.data")

    def trained(self, name, cfg, program=None):
        """The parameters after one update, by the host's own program or by ours."""
        self.write(name + ".cfg", cfg)
        words = ["classifier", "train", "one.data", name + ".cfg", "backup/start_final.weights", "-clear"]
        if program:
            self.run_darknet(*words, program=program)
        else:
            self.run_darknet(*words, "-nogpu", "-threads", 1)
        # The packaged Darknet's has no "_final".
        return floats(self.read("backup", name + "_final.weights" if os.path.exists(
            self.path("backup", name + "_final.weights")) else name + ".weights"))

    def difference(self, one, other):
        self.assertEqual(len(one), len(other))
        return max(abs(a - b) for a, b in zip(one, other, strict=True))

    def test_softmax_with_and_without_cost(self):
        start = floats(self.read("backup/start_final.weights"))
        for name, end in (("plain", ""), ("cost", COST), ("half", section("cost", scale=0.5))):
            ours = self.trained("ours_" + name, network(end))
            theirs = self.trained("theirs_" + name, network(end), self.stock)
            moved = self.difference(theirs, start)
            self.assertGreater(moved, 1e-3)
            self.assertLess(self.difference(ours, theirs), 1e-4 * moved, name)
        # The negative control: once and twice the gradient are told apart.
        once, twice = self.trained("once", network("")), self.trained("twice", network(COST))
        self.assertGreater(self.difference(once, twice), 0.3 * self.difference(twice, start))

    def test_crop_as_first_layer(self):
        """As large as the frame, so that nothing is drawn; evaluations take the centre of a larger frame."""
        def cropped(size, **keys):
            text = network("").replace("[convolutional]", section("crop", crop_height=size, crop_width=size, **keys) +
                                       "[convolutional]", 1)
            return text

        for name, keys in (("adjusted", {}), ("as_it_is", {"noadjust": 1})):
            start = floats(self.read("backup/start_final.weights"))
            cfg = cropped(SIDE, **keys)
            ours, theirs = self.trained("ours_" + name, cfg), self.trained("theirs_" + name, cfg, self.stock)
            moved = self.difference(theirs, start)
            self.assertGreater(moved, 1e-3)
            self.assertLess(self.difference(ours, theirs), 1e-4 * moved, name)
            self.write("smaller.cfg", cropped(SIDE - 5, **keys))
            words = ["one.data", "smaller.cfg", "backup/ours_%s_final.weights" % name,
                     "images/lbl2.png"]
            found, wanted = self.predict(*words), self.predict(*words, program=self.stock)
            self.assertEqual(len(found), CLASSES, found)
            for (label, share), (their_label, their_share) in zip(found, wanted, strict=True):
                self.assertEqual(label, their_label)
                self.assertAlmostEqual(share, their_share, delta=0.02)


if __name__ == "__main__":
    unittest.main()
