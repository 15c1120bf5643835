#!/usr/bin/env python3
"""scripts/export_onnx.py: onnxruntime gives the program's probabilities, for every shipped network and the zoo's.

The weights are random: the numbers are as sensitive to a wrong layer as those of a training. Skipped where onnx or
onnxruntime is missing; `make test-deploy` installs both.

/usr/bin/python3 tests/scripts/export_onnx_test.py -v
"""

import contextlib
import glob
import hashlib
import io
import json
import math
import os
import re
import struct
import subprocess
import sys
import unittest
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import (DARKNET, HOST, ROOT, SCRIPTS, SOFTMAX, TSD, RunTest, distill, fashion_data, fashion_network,
                         read, say, section, write_fashion, write_png)

import export_onnx
from cfg_network.network import Network
from cfg_network.weights import read_weights
from generations_driver.cfg_files import read_network, values
from generations_driver.errors import Failure

try:
    import numpy
    import onnx
    import onnxruntime

    from onnx_export.activations import ACTIVATIONS
    from onnx_export.model import build
except ImportError as error:
    onnx, MISSING = None, f"{error.name} is missing: make test-deploy installs it"
else:
    MISSING = ""

SCRIPT = os.path.join(SCRIPTS, "export_onnx.py")
PATHS = sorted(glob.glob(os.path.join(ROOT, "cfg", "*.cfg")) + glob.glob(os.path.join(ROOT, "tests", "zoo", "*.cfg")))
TOLERANCE = 1e-5
IMAGES = 3


def random_weights(path, network, seed=1, gain=1):
    """A .weights file; `gain` of batch norm: with 1 the values of a chain neither vanish nor explode, those of many
    residual blocks do."""
    random = numpy.random.default_rng(seed)
    near_0, near_1 = (lambda shape: random.normal(0, 0.1, shape)), (lambda shape: random.uniform(0.5, 1.5, shape))
    draw = {"bias": near_0, "mean": near_0, "scale": lambda shape: gain * near_1(shape), "variance": near_1,
            "weight": lambda shape: random.normal(0, math.sqrt(2 / math.prod(shape[1:])), shape)}
    with open(path, "wb") as file:
        file.write(struct.pack("<3iQ", 0, 2, 5, 0))
        for layer in network.layers:
            for name, shape in layer.parameters.items():
                file.write(draw[name](shape).astype("<f4").tobytes())
    return path


@unittest.skipIf(onnx is None, MISSING)
class ExportTest(RunTest):
    def export(self, *words, code=0):
        """In this process: loading onnx takes longer than all the rest."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            found = export_onnx.main([*words, "--darknet", DARKNET])
        self.assertEqual(found, code, out.getvalue() + err.getvalue())
        self.assertEqual(err.getvalue().count("\n"), 1 if code else 0, err.getvalue())
        return err.getvalue() if code else out.getvalue()

    def session(self, name="net.onnx"):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(self.path(name), options, providers=["CPUExecutionProvider"])

    def metadata(self, name="net.onnx"):
        return self.session(name).get_modelmeta().custom_metadata_map

    def write_images(self, network, resize):
        """Noise of low and high frequency, of the size that an evaluation leaves as it is; the part that the network
        gets, [image, height, width, channel]. Writes net.data, too."""
        channels, height, width = network.frame
        height, width = max(height, resize), max(width, resize)
        random = numpy.random.default_rng(3)
        coarse = random.integers(0, 200, (IMAGES, 4, 4, channels)).repeat(-(-height // 4), 1).repeat(-(-width // 4), 2)
        fine = random.integers(0, 56, (IMAGES, height, width, channels))
        pixels = (coarse[:, :height, :width] + fine).astype("uint8")
        os.makedirs(self.path("images"), exist_ok=True)
        for index, image in enumerate(pixels):
            write_png(self.path("images/%d.png" % index), list(image.reshape(height, -1)), channels)
        self.write("list.txt", "".join(f"images/{index}.png 0\n" for index in range(IMAGES)))
        self.write("net.data", f"classes={network.classes}\ntrain=list.txt\nvalid=list.txt\nbackup=.\n")
        top, left = (height - network.input.height) // 2, (width - network.input.width) // 2
        return pixels[:, top:top + network.input.height, left:left + network.input.width]

    def probabilities(self, cfg, weights, network):
        """The program's, from the logits of `features`; of a softmax with a temperature, too."""
        self.run_darknet("classifier", "features", "net.data", cfg, weights, "-out", "out.npy", "-layer",
                         network.layers[-2].number, "-nogpu", "-threads", 1)
        found = numpy.load(self.path("out.npy"))["features"].reshape(IMAGES, -1).astype("float64")
        found /= network.cost.real("temperature", 1) if network.cost.kind == "softmax" else 1
        found = numpy.exp(found - found.max(1, keepdims=True))
        return found / found.sum(1, keepdims=True)

    def compare(self, path, *words):
        """Exports it with random weights, batch norm folded and kept; returns the largest difference, and that between
        two images."""
        text = read(path).decode()
        cfg = self.write("net.cfg", text)
        network = Network(cfg, DARKNET)
        resize = int(values(read_network(cfg)[1][0]).get("valid_resize", 0))
        images = self.images = self.write_images(network, resize)
        for gain in (1, 0.3, 0.1):
            random_weights(self.path("net.weights"), network, gain=gain)
            own = self.own = self.probabilities("net.cfg", "net.weights", network)
            if own.max() < 0.999:
                break
        if "float" in words:
            images = images.transpose(0, 3, 1, 2).astype("float32") / numpy.float32(255)
        apart = []
        for keep in ((), ("--keep-batchnorm",)):
            self.export("net.cfg", "net.weights", "-o", "net.onnx", *words, *keep)
            session = self.session()
            found = session.run(None, {"images": images})[0]
            alone = session.run(None, {"images": images[1:2]})[0]  # another batch
            self.assertLess(abs(alone - found[1]).max(), 1e-6)
            self.assertLess(abs(found.sum(1) - 1).max(), 1e-5)
            apart.append(abs(found - own).max())
        return max(apart), abs(own[0] - own[1]).max()

    def assert_equal(self, apart, between):
        """The image matters, by far more than what is let through; of 1,000 classes each probability is small."""
        self.assertLess(apart, min(TOLERANCE, between / 20))

    def check(self, path):
        name = os.path.basename(path)
        apart, between = self.compare(path)
        say("%s: apart by %.1e, images by %.1e" % (name, apart, between))
        self.assert_equal(apart, between)

    def test_planes_of_0_to_1(self):
        self.assert_equal(*self.compare(os.path.join(ROOT, "cfg", "cifar100-resnet8.cfg"), "--input", "float"))
        with self.assertRaises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument):
            self.session().run(None, {"images": numpy.zeros((1, 32, 32, 3), "uint8")})

    def test_a_wrong_epsilon_would_be_noticed(self):
        """Batch norm of tiny variances tells the hosts apart."""
        cfg = self.write("net.cfg", fashion_network(SOFTMAX, pad=None))
        network = Network(cfg, DARKNET)
        random_weights(self.path("net.weights"), network)
        content = bytearray(self.read("net.weights"))
        place = 20
        for layer in network.layers:
            for name, shape in layer.parameters.items():
                if name == "variance":
                    content[place:place + 4 * shape[0]] = struct.pack("<f", 1e-5) * shape[0]
                if name == "scale":
                    content[place:place + 4 * shape[0]] = struct.pack("<f", 3e-3) * shape[0]
                place += 4 * math.prod(shape)
        self.write("net.weights", bytes(content))
        images = self.write_images(network, 0)
        own = self.probabilities("net.cfg", "net.weights", network)
        for words in ((), ("--keep-batchnorm",)):
            self.export("net.cfg", "net.weights", "-o", "net.onnx", *words)
            found = self.session().run(None, {"images": images})[0]
            self.assertLess(abs(found - own).max(), TOLERANCE)
        network.batchnorm["epsilon_inside"] = 1 - network.batchnorm["epsilon_inside"]
        network.batchnorm["epsilon"] = 1e-5 if HOST == "packaged" else 1e-6
        onnx.save(build([(network, self.path("net.weights"))]), self.path("other.onnx"))
        self.assertGreater(abs(self.session("other.onnx").run(None, {"images": images})[0] - own).max(), 10 * TOLERANCE)

    def test_all_costs_give_softmax_probabilities(self):
        names = json.loads(self.run_darknet("options").stdout)["costs"]
        given = {"distill": distill("net.cfg", "net.weights"), "tsd": TSD}
        costs = [given.get(name, section(name)) for name in names]
        self.assertGreater(len(costs), 3)
        for cost in [*costs, section("softmax", temperature=3), SOFTMAX + section("cost", type="sse")]:
            path = self.write("some.cfg", fashion_network(cost))
            with self.subTest(cost):
                self.assert_equal(*self.compare(path))

    def test_activations(self):
        names = json.loads(self.run_darknet("options").stdout)["layers"]["activation"][0]["allowed"]
        names = re.findall(r"\w+", names.removeprefix("one of").replace(" or ", " "))
        self.assertGreater(len(names), 15)
        # A branch for each, all from values of -30 to 30.
        layers = section("net", batch=2, height=8, width=8, channels=3, max_batches=1) + section(
            "convolutional", filters=8, size=3, activation="linear") + section("upsample", stride=1, scale=10)
        for name in names:
            layers += section("route", layers=1) + section("activation", activation=name)
        layers += section("route", layers=",".join(str(3 + 2 * place) for place in range(len(names))))
        layers += section("normalization", size=1, alpha=1, beta=0.5) + section(
            "connected", output=4, activation="linear") + SOFTMAX
        self.assert_equal(*self.compare(self.write("some.cfg", layers)))
        for name in names:  # every one matters
            with unittest.mock.patch.dict(ACTIVATIONS, {name: lambda graph, x: graph.op("Softsign", x)}):
                self.export("net.cfg", "net.weights", "-o", "net.onnx")
            found = self.session().run(None, {"images": self.images})[0]
            self.assertGreater(abs(found - self.own).max(), 2 * TOLERANCE, name)

    def test_layers_with_unusual_options(self):
        head = section("net", batch=2, height=12, width=12, channels=3, max_batches=1)
        first = section("convolutional", filters=8, size=3, pad=1, batch_normalize=1, activation="leaky")
        last = section("connected", output=5, activation="linear") + SOFTMAX
        half = section("convolutional", filters=6, size=3, pad=1, stride=2, activation="relu")
        wide = section("convolutional", filters=12, size=3, pad=1, stride=2, activation="relu")
        for layers in (
                section("maxpool", size=3, stride=2, padding=1), section("maxpool", size=4, stride=3),
                section("maxpool", size=3, stride_y=1, stride_x=2, padding=2),
                section("local_avgpool", size=5, stride=3), section("local_avgpool", size=3, stride=2, padding=3),
                section("maxpool", stride=2, antialiasing=1),
                section("maxpool", size=3, stride=2, antialiasing=2),
                section("maxpool", maxpool_depth=1, out_channels=3),
                section("convolutional", filters=8, size=3, pad=1, stride=2, antialiasing=1, activation="mish"),
                section("convolutional", filters=8, size=3, pad=1, stride_y=2, stride_x=1, groups=4, activation="relu"),
                section("convolutional", filters=6, size=2, padding=1, stride=3, batch_normalize=1, activation="elu"),
                section("convolutional", filters=6, size=5, pad=1, dilation=2, activation="tanh"),
                section("local", filters=3, size=3, stride=2, pad=1, activation="leaky"),
                section("local", filters=3, size=2, stride=3, activation="logistic"),
                section("reorg", stride=2), section("reorg", stride=2, reverse=1), section("reorg", extra=3),
                section("reorg", stride=1, flatten=1), section("reorg", stride=2, flatten=1, reverse=1),
                section("upsample", stride=3, scale=0.5), section("upsample", stride=-2, scale=0.25),
                section("normalization", size=3, alpha=0.1, beta=0.5, kappa=2),
                section("route", layers="-1,0", groups=2, group_id=1), section("dropout", probability=0.3),
                half + section("shortcut", **{"from": -2}, activation="leaky"),
                wide + section("shortcut", **{"from": -2}, alpha=0.5, beta=2, activation="linear"),
                half + section("upsample", stride=4) + section("shortcut", **{"from": 1}, alpha=2, activation="linear"),
                section("connected", output=7, batch_normalize=1, activation="swish")):
            with self.subTest(layers):
                cfg = self.write("some.cfg", head + first + layers + last)
                self.assert_equal(*self.compare(cfg))

    def test_an_ensemble_is_the_mean_of_the_probabilities(self):
        cfg = self.write("net.cfg", fashion_network(SOFTMAX))
        other = self.write("other.cfg", fashion_network(SOFTMAX, mean=0.3, std=0.4))
        network = Network(cfg, DARKNET)
        images = self.write_images(network, 0)
        pairs = [("net.cfg", "a.weights"), ("other.cfg", "b.weights"), ("net.cfg", "c.weights")]
        for seed, (_, weights) in enumerate(pairs):
            random_weights(self.path(weights), network, seed)
        own = [self.probabilities(one, weights, network) for one, weights in pairs]
        self.export(*map(":".join, pairs), "-o", "net.onnx")
        found = self.session().run(None, {"images": images})[0]
        self.assertLess(abs(found - sum(own) / 3).max(), TOLERANCE)
        self.assertGreater(min(abs(found - one).max() for one in own), 20 * TOLERANCE)
        self.assertEqual(len(json.loads(self.metadata()["lineage"])), 3)
        self.write("other.cfg", fashion_network(SOFTMAX, height=32))
        self.assertIn("an ensemble needs the same", self.export(*map(":".join, pairs), "-o", "no.onnx", code=1))
        self.assertIn("expected CFG:WEIGHTS", self.export(cfg, other, "a.weights", "-o", "no.onnx", code=2))

    def test_metadata(self):
        write_fashion(self.folder, 64, 16)
        names = os.path.join(ROOT, "data", "fashion.labels")
        self.write("fashion.data", fashion_data(names=names))
        for name, cost in (("patriarch", TSD), ("student1", distill("net.cfg", "backup/patriarch_final.weights",
                                                                     **{"lambda": 0.7}))):
            self.write(name + ".cfg", fashion_network(cost, epochs=1))
            self.write("net.cfg", fashion_network(SOFTMAX))
            self.train(name + ".cfg")
            self.write(f"backup/{name}.cfg", self.read(name + ".cfg"))
        self.write("backup/student1.json", json.dumps({"generation": "student1", "seed": 4, "training_seed": 4001}))
        self.export("net.cfg", "backup/student1_final.weights", "-o", "net.onnx", "--data", "fashion.data")
        found = self.metadata()
        self.assertEqual(json.loads(found["names"]), read(names).decode().split("\n")[:10])
        self.assertEqual(found["input"], "uint8 [batch, height, width, channel], 0 to 255, gray")
        self.assertEqual(found["host"], HOST)
        student, patriarch = json.loads(found["lineage"])
        self.assertEqual((student["cost"], student["options"]["lambda"], student["training_seed"]),
                         ("distill", "0.7", 4001))
        self.assertEqual((patriarch["cost"], patriarch["options"]["confidence"]), ("tsd", "0.6"))
        for entry, name in ((student, "student1"), (patriarch, "patriarch")):
            self.assertEqual(entry["sha256"], hashlib.sha256(self.read(f"backup/{name}_final.weights")).hexdigest())
        self.assertNotIn(self.folder, found["lineage"])

    def test_refusals_name_the_place(self):
        head = section("net", batch=2, height=8, width=8, channels=3, max_batches=1)
        first = section("convolutional", filters=8, size=3, pad=1, activation="leaky")
        last = section("avgpool") + SOFTMAX
        line = (head + first).count("\n") + 1
        cfg = self.write("net.cfg", head + first + section("normalization", size=4) + last)
        random_weights(self.path("net.weights"), Network(cfg, DARKNET))
        self.assertRegex(self.export("net.cfg", "net.weights", "-o", "net.onnx", code=1),
                         rf"net\.cfg:{line}: \[normalization\]: an even size=4 has no counterpart")
        self.assertFalse(os.path.exists(self.path("net.onnx")))
        self.write("bad.cfg", head + first + section("yolo") + last)
        self.assertRegex(self.export("bad.cfg", "net.weights", "-o", "net.onnx", code=1), rf"bad\.cfg:{line}: \[yolo\]")
        for content, words in ((self.read("net.weights")[:-4], "the network of"), (b"short", "too few"),
                               (struct.pack("<3iQ", 5000, 0, 0, 0), "no weights file"),
                               (self.read("net.weights")[:-4] + struct.pack("<f", math.nan), "is not finite")):
            self.write("cut.weights", content)
            self.assertIn(words, self.export("net.cfg", "cut.weights", "-o", "net.onnx", code=1))


class WithoutOnnxTest(RunTest):
    def test_a_missing_package_is_one_line(self):
        self.write("blocked/onnx/__init__.py", "raise ImportError('not installed')\n")
        done = subprocess.run([sys.executable, SCRIPT, "a.cfg", "a.weights", "-o", "a.onnx", "--darknet", DARKNET],
                              capture_output=True, text=True, env={**os.environ, "PYTHONPATH": self.path("blocked")},
                              check=False)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
        self.assertRegex(done.stderr, r"has no onnx \(.*\); install it: \S+ -m pip install onnx")

    def test_weights_are_read_in_their_order(self):
        """Needs neither numpy nor onnx: a value for each place."""
        head = section("net", batch=2, height=2, width=2, channels=1, max_batches=1)
        cfg = self.write("net.cfg", head + section("convolutional", filters=2, size=1, batch_normalize=1) + section(
            "connected", output=3, batch_normalize=1, activation="linear") + SOFTMAX)
        network = Network(cfg, DARKNET)
        count = 4 * 2 + 2 + 4 * 3 + 3 * 8
        for header in (struct.pack("<3iQ", 0, 2, 0, 0), struct.pack("<3iI", 0, 1, 0, 0)):
            self.write("net.weights", header + struct.pack(f"<{count}f", *range(count)))
            conv, full, _ = read_weights(self.path("net.weights"), network)
            first = {name: struct.unpack("<f", found[:4])[0] for name, found in conv.items()}
            self.assertEqual(first, {"bias": 0, "scale": 2, "mean": 4, "variance": 6, "weight": 8})
            first = {name: struct.unpack("<f", found[:4])[0] for name, found in full.items()}
            self.assertEqual(first, {"bias": 10, "weight": 13, "scale": 37, "mean": 40, "variance": 43})
        with self.assertRaisesRegex(Failure, "net.weights: found .* numbers, the network of .* needs 46"):
            read_weights(self.write("net.weights", struct.pack("<3iQ", 0, 2, 0, 0) + bytes(8)), network)


def add(path):
    name = os.path.relpath(path, ROOT).removesuffix(".cfg")
    setattr(ExportTest, "test_" + re.sub(r"\W", "_", name), lambda self: self.check(path))


for each in PATHS:
    add(each)

if __name__ == "__main__":
    unittest.main()
