"""Training by the host's own program on one image, the same from left to right: its random numbers change nothing."""

import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from run_support import RunTest, read, section, stock_darknet, write_png

BATCH = 4


def mirrored(rows):
    """The image's left half, and the same from right to left; rows are lists of pixels."""
    return [b"".join(row[:len(row) // 2] + row[:len(row) // 2][::-1]) for row in rows]


def net(side, **keys):
    """[net] that draws nothing."""
    return section("net", **dict(dict(
        batch=BATCH, subdivisions=1, height=side, width=side, channels=3, learning_rate=0.1, momentum=0.9, decay=0.01,
        min_crop=side, max_crop=side, max_batches=1), **keys))


def floats(content):
    """The parameters of a .weights file: behind the version (three numbers) and the images seen (64 bits)."""
    return struct.unpack("<%df" % ((len(content) - 20) // 4), content[20:])


def difference(one, other):
    assert len(one) == len(other)
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


class OneImageTest(RunTest):
    """`self.stock` is the host's program."""

    def setUp(self):
        super().setUp()
        self.stock = stock_darknet()
        if self.stock is None:
            raise unittest.SkipTest("the host's own program was not run: name it in DNG_STOCK")

    def write_image(self, rows, classes):
        """one.data with the image, whose class is 2."""
        os.makedirs(self.path("images"))
        write_png(self.path("images/lbl2.png"), mirrored(rows), 3)
        self.write("list.txt", "images/lbl2.png\n")
        self.write("labels.txt", "".join("lbl%d\n" % label for label in range(classes)))
        self.write("one.data", "classes=%d\ntrain=list.txt\nvalid=list.txt\nlabels=labels.txt\n"
                   "names=labels.txt\nbackup=backup\ntop=%d\n" % (classes, classes))
        os.makedirs(self.path("backup"))

    def begin(self, cfg):
        """Weights to begin with, of a cfg whose rate is next to none; returns the parameters."""
        self.write("start.cfg", cfg)
        self.train("start.cfg", data="one.data")
        return floats(self.read("backup/start_final.weights"))

    def trained(self, name, cfg, program=None):
        """The parameters after one update, by the host's own program or by ours."""
        self.write(name + ".cfg", cfg)
        words = ["classifier", "train", "one.data", name + ".cfg", "backup/start_final.weights", "-clear"]
        if program:
            self.run_darknet(*words, program=program)
        else:
            self.run_darknet(*words, "-nogpu", "-threads", 1)
        # The packaged Darknet's has no "_final".
        final = self.path("backup", name + "_final.weights")
        return floats(read(final if os.path.exists(final) else self.path("backup", name + ".weights")))
