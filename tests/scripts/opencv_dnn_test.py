#!/usr/bin/env python3
"""OpenCV's dnn module as a client: with a network's stock cfg and weights it gives the probabilities of `classifier
predict`; where it has no such layer, `chain stock` says so.

Some networks of cfg/ on a few images; DNG_OPENCV=all: all networks on 100 images. The module is that of the Python that
runs this.

/usr/bin/python3 tests/scripts/opencv_dnn_test.py -v
"""

import importlib.util
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from make_cfg_test import NAMES, cfg_text, sections_of
from run_support import CIFAR100_RECORD, HOST, ROOT, MadeOnceTest, read, say, section, unpack_photographs, \
    write_cifar100, write_png
from stock_networks_test import TRAINING, UPDATES

try:
    import cv2
except ImportError:
    cv2 = None

ALL = os.environ.get("DNG_OPENCV") == "all"
IMAGES = 100 if ALL else 12
POINTS = 0.02
LAYERS_THAT_OPENCV_LACKS = {"batchnorm", "activation", "local_avgpool"}
DEFAULT = ("cifar100-resnet8-stride2", "fashion-small", "cifar100-densenet100")


def stock_cfg(path):
    return subprocess.run([sys.executable, os.path.join(ROOT, "scripts", "generations.py"), "stock", path], cwd=ROOT,
                          capture_output=True, text=True, check=True)


class OpenCvDnn(MadeOnceTest):
    def make(self):
        if cv2 is None:
            raise unittest.SkipTest("OpenCV's Python module is missing: install python3-opencv")
        if not hasattr(cv2.dnn, "readNetFromDarknet"):
            raise unittest.SkipTest(f"OpenCV {cv2.__version__} reads no Darknet cfgs: take 4.6 to 4.14")
        write_cifar100(self.folder, 400, 1)
        records = read(self.path("train.bin"))
        os.makedirs(self.path("images"))
        paths = []
        for index in range(200):
            record = records[index * CIFAR100_RECORD:(index + 1) * CIFAR100_RECORD]
            planes = [record[2 + 1024 * c:][:1024] for c in range(3)]
            rows = [bytes(plane[32 * y + x] for x in range(32) for plane in planes) for y in range(32)]
            paths.append("images/%03d.png" % index)
            write_png(self.path(paths[-1]), rows, 3)
        self.write("cifar.txt", "".join("%s %d\n" % (path, index % 10) for index, path in enumerate(paths)))
        if any("224" in sections_of(cfg_text(name))[0][1]["height"] for name in self.networks()):
            photos = unpack_photographs(self.folder)[::13][:IMAGES]
            self.write("photos.txt", "".join("%s %d\n" % (path, i % 2) for i, (path, *_) in enumerate(photos)))

    @staticmethod
    def networks():
        return NAMES if ALL else DEFAULT

    def weights_of(self, name):
        """Trained for a moment. Returns (cfg with the [net] of cfg/, data, weights, images)."""
        text = cfg_text(name)
        net = sections_of(text)[0][1]
        images = "photos.txt" if net["height"] == "224" else "cifar.txt"
        keys = {key: net[key] for key in ("height", "width", "channels", "valid_resize", "mean", "std") if key in net}
        body = text[text.index("[convolutional]"):]
        self.write(name + ".cfg", section("net", **TRAINING, **keys, max_batches=UPDATES.get(name, 100)) + body)
        classes = int(text.rpartition("output=")[2].split()[0])
        self.write(name + ".data", "classes=%d\ntrain=%s\nvalid=%s\nbackup=backup\n" % (classes, images, images))
        self.train(name + ".cfg", data=name + ".data", threads=2)
        paths = [line.split()[0] for line in self.read(images).decode().splitlines()][:IMAGES]
        return "backup/%s_final.weights" % name, paths, classes

    def check(self, name):
        stock = stock_cfg(os.path.join("cfg", name + ".cfg"))
        plain = self.write("stock-%s.cfg" % name, stock.stdout)
        lacking = {title for title, _ in sections_of(cfg_text(name))} & LAYERS_THAT_OPENCV_LACKS
        for layer in lacking:
            self.assertIn("OpenCV", stock.stderr)
            self.assertIn("[%s]" % layer, stock.stderr)
        if lacking:
            self.assertIn("export_onnx.py", stock.stderr)
            with self.assertRaisesRegex(cv2.error, "Unknown layer type: (%s)" % "|".join(lacking)):
                cv2.dnn.readNetFromDarknet(plain)
            return
        self.assertNotIn("OpenCV", stock.stderr)
        weights, paths, classes = self.weights_of(name)
        spec = importlib.util.spec_from_file_location("opencv_dnn", os.path.join(ROOT, "examples", "opencv_dnn.py"))
        example = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(example)
        network = cv2.dnn.readNetFromDarknet(plain, self.path(weights))
        options = example.net_options(self.path(name + ".cfg"))
        done = self.run_darknet("classifier", "predict", name + ".data", name + ".cfg", weights, "-", "-t", classes,
                                "-json", input="\n".join(paths))
        worst, first = 0, set()
        for path, line in zip(paths, done.stdout.splitlines(), strict=True):
            image = cv2.imread(os.path.join(self.folder, path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
            network.setInput(example.prepare(image, options, HOST)[None])
            shares = network.forward().ravel()
            answer = json.loads(line)
            self.assertEqual(answer["file"], path)
            for entry in answer["top"]:
                worst = max(worst, 100 * abs(entry["probability"] - float(shares[entry["class"]])))
            first.add(round(100 * answer["top"][0]["probability"]))
        say("%s on %s, OpenCV %s: %d images, largest difference %.4f points, first classes' shares %s" % (
            name, HOST, cv2.__version__, len(paths), worst, sorted(first)))
        self.assertLess(worst, POINTS)
        # Constant answers would agree with anything.
        self.assertGreater(max(first) - min(first), 50 * POINTS)


def add(name):
    setattr(OpenCvDnn, "test_" + name.replace("-", "_"), lambda self: self.check(name))


for each in OpenCvDnn.networks():
    add(each)

if __name__ == "__main__":
    unittest.main()
