#!/usr/bin/env python3
"""bench/pytorch_network.py: the module of a cfg has its parameters, and with the program's weights its logits.

Small images: none of the networks depends on their size. Skipped where PyTorch is missing.

/usr/bin/python3 tests/bench/pytorch_network_test.py -v
"""

import glob
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from one_image import net
from run_support import DARKNET, HOST, ROOT, RunTest, fashion_image, read, say, section, write_fashion, write_png

from cfg_network.network import Network

sys.path.insert(0, os.path.join(ROOT, "bench"))
try:
    import torch

    from pytorch_network import CfgNetwork, Failure
except ImportError:
    torch = None

SIDE, SCALE = 56, 2  # of Fashion-MNIST's images
# As published: torchvision's for the last two, Darknet's own cfg for the others.
PUBLISHED = {"darknet19": 20842376, "darknet53": 41609928, "cspdarknet53": 27642184, "resnet50": 25557032,
             "efficientnet-b0": 5288548}
CFGS = [os.path.join(ROOT, folder, name + ".cfg") for folder, names in (
    ("bench/networks", PUBLISHED), ("cfg", ("cifar100-resnet20", "cifar100-densenet100", "ilsvrc2012-resnet18"))
) for name in names]


class NetworksTest(unittest.TestCase):
    def test_published_numbers_of_parameters(self):
        self.assertEqual({name: Network(os.path.join(ROOT, "bench/networks", name + ".cfg"), DARKNET).parameters()
                          for name in PUBLISHED}, PUBLISHED)

    def test_the_cfgs_are_what_the_script_writes(self):
        done = subprocess.run([sys.executable, os.path.join(ROOT, "bench/make_networks.py"), "--check"], cwd=ROOT,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(glob.glob(os.path.join(ROOT, "bench/networks/*.cfg"))), len(PUBLISHED))


@unittest.skipIf(torch is None, "PyTorch is missing")
class PyTorchNetworkTest(RunTest):
    def setUp(self):
        super().setUp()
        write_fashion(self.folder, 1, 8)
        os.makedirs(self.path("images"))
        os.makedirs(self.path("backup"))
        paths = []
        for index in range(8):
            rows, _ = fashion_image(index, self.folder)
            rows = [[value for value in row for _ in range(SCALE)] for row in rows for _ in range(SCALE)]
            self.pixels = rows
            paths.append("images/%d_lbl%d.png" % (index, index))
            write_png(self.path(paths[-1]), [bytes(value for one in row for value in (one, one // 2, 255 - one))
                                             for row in rows], 3)
        self.write("all.txt", "".join(path + "\n" for path in paths))
        self.write("last.txt", paths[-1] + "\n")

    def image(self):
        """The last one."""
        grey = torch.tensor([list(map(float, row)) for row in self.pixels])
        return torch.stack((grey, (grey / 2).floor(), 255 - grey))[None] / 255

    def logits(self, path):
        """(this program's of the last image after an update of three batches, the module's with its weights)."""
        text = read(path).decode()
        layers = text[text.index("[convolutional]"):]
        cfg = self.write("net.cfg", net(SIDE, learning_rate=0.001, max_batches=3) + layers)
        network = Network(cfg, DARKNET)
        classes = network.classes
        self.write("labels.txt", "".join("lbl%d\n" % label for label in range(classes)))
        self.write("net.data", "classes=%d\ntrain=all.txt\nvalid=last.txt\nlabels=labels.txt\n"
                   "backup=backup\n" % classes)
        self.train(cfg, data="net.data", threads=2)
        weights = "backup/net_final.weights"
        self.run_darknet("classifier", "features", "net.data", cfg, weights, "-out", "out.npy", "-layer",
                         len(network.layers) - 2)
        own = torch.frombuffer(bytearray(self.read("out.npy")[-4 * classes:]), dtype=torch.float32)
        module = CfgNetwork(cfg, DARKNET).eval()
        module.load(self.path(weights))
        self.assertEqual(sum(values.numel() for values in module.parameters()), network.parameters())
        if HOST == "packaged":  # sqrt(v) + 1e-6 instead of sqrt(v + 1e-5)
            for norm in (one for one in module.modules() if hasattr(one, "running_var")):
                norm.running_var.copy_((norm.running_var.sqrt() + 1e-6)**2 - norm.eps)
        with torch.no_grad():
            return own, module(self.image())[0], module

    def test_the_same_logits(self):
        for path in CFGS:
            with self.subTest(os.path.basename(path)):
                own, other, module = self.logits(path)
                apart, scale = (own - other).abs().max(), own.abs().max()
                say("%s: logits up to %.3f, apart by %.1e" % (os.path.basename(path), scale, apart))
                self.assertLess(apart, 1e-4 * max(1, scale))
                # Another image gives others.
                with torch.no_grad():
                    self.assertGreater((module(1 - self.image())[0] - own).abs().max(), 1e-2 * scale)

    def test_layers_without_a_twin_are_one_line(self):
        for layer in (section("normalization"), section("activation", activation="stair")):
            cfg = self.write("bad.cfg", net(8) + layer + section("softmax"))
            with self.assertRaisesRegex(Failure, "has no twin in PyTorch"):
                CfgNetwork(cfg, DARKNET)


if __name__ == "__main__":
    unittest.main()
