#!/usr/bin/env python3
"""A network that is not square, against the host's own program: images of another size are cropped as the host does
it, images of the network's size are taken as they are (docs/hosts.md).

/usr/bin/python3 tests/cli/not_square_test.py -v
"""

import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import (HOST, MadeOnceTest, SOFTMAX, TSD, fashion_image, fashion_network, say, stock_darknet,
                         write_fashion, write_png)

IMAGES = 150
SHAPES = {"wide": (20, 28), "high": (28, 20)}  # height, width


def part(rows, height, width):
    """The centre of a grey image, as colour: the host's program reads every image in colour."""
    top, left = (len(rows) - height) // 2, (len(rows[0]) - width) // 2
    return [bytes(value for value in row[left:left + width] for _ in range(3)) for row in rows[top:top + height]]


class NotSquareTest(MadeOnceTest):
    def make(self):
        write_fashion(self.folder, 1, 3 * IMAGES)
        self.write("labels.txt", "".join(f"lbl{label}x\n" for label in range(10)))
        images = [fashion_image(index, self.folder) for index in range(3 * IMAGES)]
        # Of 28 rows the host's resizing makes 20 with a black one at the end (docs/hosts.md), of 24 it does not.
        for kind, shape in (*SHAPES.items(), ("square", (24, 24)), ("centre", (20, 20))):
            os.makedirs(self.path(kind))
            paths = []
            for index, (rows, label) in enumerate(images):
                paths.append(f"{kind}/{index:04d}_lbl{label}x.png")
                write_png(self.path(paths[-1]), part(rows, *shape), 3)
            for name, some in (("valid", paths[:IMAGES]), ("train", paths[IMAGES:])):
                self.write(f"{kind}-{name}.txt", "".join(path + "\n" for path in some))
            self.write(f"{kind}.data", f"classes=10\ntrain={kind}-train.txt\nvalid={kind}-valid.txt\n"
                       "labels=labels.txt\nnames=labels.txt\nbackup=backup\ntop=2\n")
        for kind, (height, width) in SHAPES.items():
            size = dict(height=height, width=width, channels=3)
            self.write(f"{kind}.cfg", fashion_network(TSD, epochs=12, learning_rate=0.1, **size))
            plain = fashion_network(SOFTMAX, batch=1, epochs=None, pad=None, mirror=None, policy="constant",
                                    max_batches=1, **size)
            self.write(f"{kind}-stock.cfg", plain)
            self.write(f"{kind}.log", self.train(f"{kind}.cfg", data=f"{kind}.data").stdout)

    def ours(self, shape, data):
        """(top-1 count, {path: probabilities of classes 0 and 1})"""
        words = (data + ".data", shape + ".cfg", f"backup/{shape}_final.weights")
        self.run_darknet("classifier", "valid", *words, "-json", "out.json")
        found = {}
        # All classes are among the first k where top=10.
        self.write("all.data", self.read(data + ".data").decode().replace("top=2", "top=10"))
        self.run_darknet("classifier", "inspect", "all.data", *words[1:], "-examples", "examples", "-count", IMAGES)
        for image in json.loads(self.read("examples", "examples.json"))["images"]:
            values = {entry["class"]: entry["probability"] for entry in image["top"]}
            found[image["name"]] = (values[0], values[1])
        self.assertEqual(len(found), IMAGES)
        return json.loads(self.read("out.json"))["top1_count"], found

    def hosts(self, shape, data):
        """The same of the host's own program; AlexeyAB's does not print probabilities."""
        stock = stock_darknet()
        if stock is None:
            raise unittest.SkipTest("the host's own program was not run: name it in DNG_STOCK")
        done = self.run_darknet("classifier", "valid", data + ".data", f"{shape}-stock.cfg",
                                f"backup/{shape}_final.weights", program=stock)
        top1 = re.findall(r"\d+: top 1: ([0-9.]+)", done.stdout)[-1]
        values = {path: (float(a), float(b)) for path, a, b in
                  re.findall(r"(?m)^(\S+\.png), -?\d+, ([0-9.]+), ([0-9.]+),", done.stdout)}
        self.assertEqual(len(values), IMAGES if HOST == "packaged" else 0)
        return round(float(top1) * IMAGES), values

    def difference(self, one, other):
        """The largest difference of two sets of probabilities; names of folders do not count."""
        other = {os.path.basename(path): values for path, values in other.items()}
        return max((abs(a - b) for path, values in one.items()
                    for a, b in zip(values, other[os.path.basename(path)], strict=True)), default=0)

    def compare(self, what, one, other):
        difference = self.difference(one[1], other[1])
        say(f"{what}: top-1 {one[0]} and {other[0]} of {IMAGES}, probabilities differ by up to {difference:.2g}")
        return difference

    def test_images_of_another_size_as_the_host(self):
        for shape in SHAPES:
            ours, hosts = self.ours(shape, "square"), self.hosts(shape, "square")
            self.assertLess(self.compare(f"{shape}, square images", hosts, ours), 1e-4)
            self.assertLessEqual(abs(ours[0] - hosts[0]), 1)

    def test_images_of_the_networks_size_as_they_are(self):
        for shape in SHAPES:
            whole, hosts = self.ours(shape, shape), self.hosts(shape, shape)
            cropped = HOST == "packaged" or shape == "wide"
            difference = self.compare(f"{shape}, its own images", hosts, whole)
            said = "images of the network's size as they are" in self.read(f"{shape}.log").decode()
            self.assertEqual(said, cropped)
            if not cropped:
                self.assertLessEqual(abs(whole[0] - hosts[0]), 1)
                continue
            self.assertGreater(whole[0], hosts[0], "nothing is cut off that the network has learned")
            if HOST == "packaged":
                self.assertGreater(difference, 0.05)
                # What the host makes of them is what both make of their centre squares.
                centre = self.ours(shape, "centre")
                self.assertLess(self.compare(f"{shape}, their centres", hosts, centre), 1e-4)
                self.assertLessEqual(abs(centre[0] - hosts[0]), 1)


if __name__ == "__main__":
    unittest.main()
