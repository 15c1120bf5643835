#!/usr/bin/env python3
"""The host's own `classifier train` trains the same: one update of networks that end in [softmax] and in [cost].

The training set is one image, the same from left to right, so that the host's random numbers change nothing. DNG_STOCK
names the host's program.

/usr/bin/python3 tests/train/stock_training_test.py -v
"""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from one_image import OneImageTest, difference, net
from run_support import section

SIDE, CLASSES = 16, 4
COST = section("cost", type="sse")


def network(last, softmax=None, **keys):
    return (net(SIDE, **keys) +
            section("convolutional", filters=8, size=3, stride=2, pad=1, activation="leaky") +
            section("convolutional", filters=CLASSES, size=3, pad=1, activation="linear") +
            section("avgpool") + section("softmax", **(softmax or {})) + last)


class StockTrainingTest(OneImageTest):
    def setUp(self):
        super().setUp()
        self.write_image([[bytes((x * 29 + y * 13 + 7 * c) % 256 for c in range(3)) for x in range(SIDE)]
                          for y in range(SIDE)], CLASSES)
        self.start = self.begin(network("", learning_rate=1e-30))

    def test_softmax_with_and_without_cost(self):
        for name, end, softmax in (("plain", "", {}), ("cost", COST, {}), ("half", section("cost", scale=0.5), {}),
                                   ("warm", "", {"temperature": 3}), ("warm_cost", COST, {"temperature": 3}),
                                   ("silent", COST, {"noloss": 1})):
            cfg = network(end, softmax)
            ours, theirs = self.trained("ours_" + name, cfg), self.trained("theirs_" + name, cfg, self.stock)
            moved = difference(theirs, self.start)
            self.assertGreater(moved, 1e-3)
            self.assertLess(difference(ours, theirs), 1e-4 * moved, name)
        # The negative control: once and twice the gradient are told apart.
        once, twice = self.trained("once", network("")), self.trained("twice", network(COST))
        self.assertGreater(difference(once, twice), 0.3 * difference(twice, self.start))

    def test_crop_as_first_layer(self):
        """As large as the frame, so that nothing is drawn; evaluations take the centre of a larger frame."""
        def cropped(size, **keys):
            text = network("").replace("[convolutional]", section("crop", crop_height=size, crop_width=size, **keys) +
                                       "[convolutional]", 1)
            return text

        for name, keys in (("adjusted", {}), ("as_it_is", {"noadjust": 1})):
            cfg = cropped(SIDE, **keys)
            ours, theirs = self.trained("ours_" + name, cfg), self.trained("theirs_" + name, cfg, self.stock)
            moved = difference(theirs, self.start)
            self.assertGreater(moved, 1e-3)
            self.assertLess(difference(ours, theirs), 1e-4 * moved, name)
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
