#!/usr/bin/env python3
"""The networks of cfg/: the files are what scripts/make_cfg.py writes, and the networks are what their names say.

Parameters are counted three times: by a formula worked out by hand (below), from the cfg's text by a small parser that
shares nothing with the script, and by the program.

/usr/bin/python3 tests/scripts/make_cfg_test.py -v
"""

import functools
import os
import random
import re
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import ROOT, RUN_SECONDS, RunTest, read, write, write_png

SCRIPT = os.path.join(ROOT, "scripts", "make_cfg.py")
CFG = os.path.join(ROOT, "cfg")

# --- what is expected, worked out by hand -----------------------------------------------------------------------------
#
# "Parameters" are what training changes: weights, biases, and batch norm's scale and shift of each channel. A .weights
# file holds two values more for each channel of batch norm, its rolling mean and variance.
#
# ResNet of depth 6n+2 for images of c channels with C classes, first convolution s x s:
#   first convolution       s s c 16 + 2 16
#   stage 1                 2n convolutions 16 -> 16      2n (9 16 16 + 2 16)          = 2n 2336
#   stage 2                 16 -> 32, then 2n-1 32 -> 32  4672 + (2n-1) 9280
#   its projection          16 32 + 2 32                  576
#   stage 3                 32 -> 64, then 2n-1 64 -> 64  18560 + (2n-1) 36992
#   its projection          32 64 + 2 64                  2176
#   classifier              64 C + C
# With s = 3, c = 3, C = 100: 97216 n - 13324. Channels of batch norm: 16 + 2n (16 + 32 + 64) + 32 + 64.
#
# DenseNet-BC of depth 6m+4 and growth k, C classes; convolutions without batch norm have a bias in Darknet, which the
# published networks have not:
#   first convolution       27 2k, bias 2k
#   layer with x channels   batch norm 2x, 1x1 x 4k and its batch norm 2 4k, 3x3 9 4k k, bias k
#   transition, x channels  batch norm 2x, 1x1 x x/2, bias x/2
#   end, x channels         batch norm 2x, classifier x C + C
#
# ResNet-18: first convolution 9408 + 128; stages 147968 + 525568 + 2099712 + 8393728, their projections and batch norm
# included; classifier 512 1000 + 1000 = 513000. In all 11689512.


def resnet(n, size=3, channels=3, classes=100):
    """(parameters, channels of batch norm)"""
    parameters = (size * size * channels * 16 + 32 + 2 * n * 2336 + 4672 + (2 * n - 1) * 9280 + 576 + 18560 +
                  (2 * n - 1) * 36992 + 2176 + 64 * classes + classes)
    return parameters, 112 + 224 * n


def densenet(m, k, classes=100):
    """(parameters, channels of batch norm, biases of convolutions among the parameters)"""
    x = 2 * k
    parameters, norms, biases = 27 * x, 0, x
    for block in range(3):
        for _ in range(m):
            parameters += x * 4 * k + 9 * 4 * k * k
            norms += x + 4 * k
            biases += k
            x += k
        norms += x
        if block < 2:
            parameters += x * x // 2
            biases += x // 2
            x //= 2
    return parameters + 2 * norms + biases + x * classes + classes, norms, biases


# name: (parameters, channels of batch norm), what the formulas give
EXPECTED = {
    "cifar100-resnet8": (83892, 336),
    "cifar100-resnet8-stride2": (83892, 336),
    "cifar100-resnet20": (278324, 784),
    "cifar100-resnet56": (861620, 2128),
    "cifar100-resnet110": (1736564, 4144),
    "cifar100-densenet100": (800890, 11994),
    "cifar100-densenet190": (25827030, 128480),
    "ilsvrc2012-resnet18": (11689512, 4800),
    "photos-resnet18": (11689512 - 513000 + 2 * 513, 4800),
    "fashion-resnet": (78010, 336),
    "fashion-small": (6402, 56),
}
NAMES = list(EXPECTED)
# Weighted layers from the image to the classes, as the names count them (a projection lies beside the path).
DEPTH = {"cifar100-resnet8": 8, "cifar100-resnet8-stride2": 8, "cifar100-resnet20": 20, "cifar100-resnet56": 56,
         "cifar100-resnet110": 110, "cifar100-densenet100": 100, "cifar100-densenet190": 190, "ilsvrc2012-resnet18": 18,
         "photos-resnet18": 18, "fashion-resnet": 8, "fashion-small": 4}
# The paper's recipes: batch, subdivisions (this project's), epochs, the epochs at which the rate falls to a tenth.
RECIPES = {"cifar100-resnet20": ("128", "1", "164", "81,122"), "cifar100-resnet56": ("128", "1", "164", "81,122"),
           "cifar100-resnet110": ("128", "1", "164", "81,122"), "cifar100-densenet100": ("64", "1", "300", "150,225"),
           "cifar100-densenet190": ("64", "8", "300", "150,225"), "ilsvrc2012-resnet18": ("256", "16", "90", "30,60")}


# --- a parser of its own ----------------------------------------------------------------------------------------------

def sections_of(text):
    sections = []
    for line in text.splitlines():
        if line.startswith("["):
            sections.append((line.strip("[]"), {}))
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            sections[-1][1][key] = value
    return sections


def window(length, size, stride, padding):
    """How often the window fits; padding is that of both sides together."""
    return (length + padding - size) // stride + 1


class Layer:
    """A layer of a cfg: its output's shape, and what it costs."""

    def __init__(self, kind, options, before):
        self.kind, self.options = kind, options
        self.sources = [before] if before else []
        self.weights = self.biases = self.norms = self.multiply_adds = 0

    def number(self, key, fallback=None):
        return int(self.options[key] if fallback is None else self.options.get(key, fallback))

    def shape(self):
        return self.channels, self.side


class Net:
    def __init__(self, text):
        sections = sections_of(text)
        assert sections[0][0] == "net", sections[0]
        self.options = sections[0][1]
        assert self.options["height"] == self.options["width"]
        self.layers = []
        for kind, options in sections[1:]:
            layer = Layer(kind, options, self.layers[-1] if self.layers else None)
            layer.channels, layer.side = self.layers[-1].shape() if self.layers else (
                int(self.options["channels"]), int(self.options["height"]))
            getattr(self, "add_" + kind)(layer)
            self.layers.append(layer)

    def back(self, number):
        """The layer that a layer to be added names by a negative number."""
        assert -len(self.layers) <= number < 0, number
        return self.layers[number]

    def add_convolutional(self, layer):
        filters, size = layer.number("filters"), layer.number("size")
        layer.side = window(layer.side, size, layer.number("stride"), 2 * (size // 2) * layer.number("pad"))
        layer.weights = filters * layer.channels * size * size
        layer.multiply_adds = layer.weights * layer.side * layer.side
        layer.channels = filters
        if layer.number("batch_normalize", 0):
            layer.norms = filters
        else:
            layer.biases = filters

    def add_connected(self, layer):
        assert not layer.number("batch_normalize", 0)
        outputs = layer.number("output")
        layer.weights = layer.multiply_adds = layer.channels * layer.side * layer.side * outputs
        layer.channels, layer.side, layer.biases = outputs, 1, outputs

    def add_batchnorm(self, layer):
        layer.norms = layer.channels

    def add_maxpool(self, layer):
        size = layer.number("size")
        layer.side = window(layer.side, size, layer.number("stride"), layer.number("padding", size - 1))

    add_local_avgpool = add_maxpool

    def add_avgpool(self, layer):
        layer.side = 1

    def add_route(self, layer):
        layer.sources = [self.back(int(number)) for number in layer.options["layers"].split(",")]
        assert len({source.side for source in layer.sources}) == 1
        layer.side, layer.channels = layer.sources[0].side, sum(source.channels for source in layer.sources)

    def add_shortcut(self, layer):
        other = self.back(layer.number("from"))
        assert other.shape() == layer.shape(), (other.shape(), layer.shape())
        layer.sources.append(other)

    def add_activation(self, layer):
        pass

    def add_softmax(self, layer):
        pass

    def of(self, *kinds):
        return [layer for layer in self.layers if layer.kind in kinds]

    def total(self, what):
        return sum(getattr(layer, what) for layer in self.layers)

    def parameters(self):
        return self.total("weights") + self.total("biases") + 2 * self.total("norms")

    def values(self):
        """In a .weights file."""
        return self.parameters() + 2 * self.total("norms")


def cfg_text(name):
    return read(os.path.join(CFG, name + ".cfg")).decode()


def counts(text):
    net = Net(text)
    return net.parameters(), net.total("norms")


# --- the script -------------------------------------------------------------------------------------------------------

class ScriptTest(RunTest):
    def script(self, *words, code=0, cwd=None):
        done = subprocess.run(["/usr/bin/python3", SCRIPT, *words], cwd=cwd or ROOT, text=True, timeout=RUN_SECONDS,
                              stdin=subprocess.DEVNULL, capture_output=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def fails(self, *words, code=1, says=()):
        done = self.script(*words, code=code)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("make_cfg.py: "), done.stderr)
        for part in says:
            self.assertIn(part, done.stderr)

    def test_committed_files_are_what_it_writes(self):
        for cwd in (ROOT, self.folder):
            done = self.script("--check", cwd=cwd)
            self.assertEqual(done.stdout + done.stderr, "")

    def test_writes_what_it_lists(self):
        out = self.path("deep", "cfg")
        self.script("--out", out)
        listed = self.script("--list").stdout.splitlines()
        self.assertEqual(sorted(listed), sorted(os.listdir(out)))
        self.assertEqual(sorted(listed), sorted(name + ".cfg" for name in NAMES))
        for name in listed:
            self.assertEqual(read(os.path.join(out, name)), read(os.path.join(CFG, name)), name)
        self.script("--check", "--out", out)

    def test_check_names_the_first_file_that_differs(self):
        """Whatever is changed, by however little; and nothing is written."""
        out = self.path("cfg")
        self.script("--out", out)
        names = self.script("--list").stdout.splitlines()
        for name in reversed(names):
            path = os.path.join(out, name)
            text = read(path).decode()
            for changed in (text.replace("momentum=0.9", "momentum=0.8"), text + "\n", text[:-1]):
                self.assertNotEqual(changed, text)
                write(path, changed)
                self.fails("--check", "--out", out, says=[path + ": not what"])
                self.assertEqual(read(path).decode(), changed)
        # All of them differ now, and the first is named: [:-1] was left in each.
        self.fails("--check", "--out", out, says=[os.path.join(out, names[0])])
        os.unlink(os.path.join(out, names[0]))
        self.fails("--check", "--out", out, says=[os.path.join(out, names[0]) + ": cannot read"])
        self.script("--out", out)
        self.script("--check", "--out", out)

    def test_bad_input_is_one_line(self):
        file = self.write("file", "")
        self.fails("--out", file, says=[file, "folder"])
        self.fails("--out", os.path.join(file, "cfg"), says=[file, "folder"])
        self.fails("--check", "--out", self.path("none"), says=[self.path("none"), "cannot read"])
        os.makedirs(self.path("cfg", "cifar100-resnet8.cfg"))
        self.fails("--out", self.path("cfg"), says=["cifar100-resnet8.cfg", "cannot write"])
        self.fails("--check", "--out", self.path("cfg"), says=["cifar100-resnet8.cfg", "cannot read"])
        os.rmdir(self.path("cfg", "cifar100-resnet8.cfg"))
        self.write("cfg/cifar100-resnet8.cfg", b"\xff")
        self.fails("--check", "--out", self.path("cfg"), says=["cifar100-resnet8.cfg", "not a text file"])
        for words in (["cifar100-resnet8"], ["--ceck"], ["--out"], ["--check", "--list"]):
            self.fails(*words, code=2, says=["--help"])


# --- the networks -----------------------------------------------------------------------------------------------------

def on_each(word=""):
    """A test of every network whose name has the word in it."""
    def decorate(test):
        @functools.wraps(test)
        def run(self):
            for name in NAMES:
                if word in name:
                    with self.subTest(name):
                        test(self, name, Net(cfg_text(name)))
        return run
    return decorate


class NetworkTest(unittest.TestCase):
    longMessage = True

    @on_each()
    def test_counts_are_those_expected(self, name, net):
        self.assertEqual((net.parameters(), net.total("norms")), EXPECTED[name])

    def test_expected_counts_are_the_formulas(self):
        for name, formula in (("cifar100-resnet8", resnet(1)), ("cifar100-resnet20", resnet(3)),
                              ("cifar100-resnet56", resnet(9)), ("cifar100-resnet110", resnet(18)),
                              ("fashion-resnet", resnet(1, size=5, channels=1, classes=10)),
                              ("cifar100-densenet100", densenet(16, 12)[:2]),
                              ("cifar100-densenet190", densenet(31, 40)[:2])):
            self.assertEqual(EXPECTED[name], formula, name)

    def test_counts_are_the_published_ones(self):
        """In millions, to the digits that are given; `other` is what the published network lacks."""
        projections = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64  # He et al. have shortcuts without weights
        ten = 90 * 65  # CIFAR-10 has 90 classes less
        for name, published, other in (
                ("cifar100-resnet20", "0.28", 0), ("cifar100-resnet20", "0.27", projections + ten),
                ("cifar100-resnet56", "0.86", 0), ("cifar100-resnet56", "0.85", projections + ten),
                ("cifar100-resnet110", "1.7", 0), ("cifar100-resnet110", "1.7", projections + ten),
                ("cifar100-densenet100", "0.8", 0), ("cifar100-densenet100", "0.769162", 858 + 90 * (342 + 1)),
                # The 25.6 M are of CIFAR-10; 90 classes more make 25.8 M.
                ("cifar100-densenet190", "25.6", 5410 + 90 * (2190 + 1)), ("cifar100-densenet190", "25.8", 5410),
                ("ilsvrc2012-resnet18", "11.7", 0)):
            digits = len(published.partition(".")[2])
            self.assertEqual("%.*f" % (digits, (EXPECTED[name][0] - other) / 1e6), published, name)

    @on_each("densenet")
    def test_biases_of_convolutions(self, name, net):
        """858 and 5410, which the published networks have not."""
        biases = sum(layer.biases for layer in net.of("convolutional"))
        self.assertEqual(biases, densenet(16, 12)[2] if name.endswith("100") else densenet(31, 40)[2])
        self.assertEqual(biases, 858 if name.endswith("100") else 5410)

    @on_each()
    def test_counts_notice_changes(self, name, _):
        """Negative control: a network that is not what it should be has other counts, or does not fit together."""
        text = cfg_text(name)
        changes = [(r"filters=\d+", "filters=7"), (r"filters=\d+(?!.*filters)", "filters=7"),
                   (r"batch_normalize=1\n", ""), (r"(filters=\d+\nsize)=3", r"\1=5")]
        if "densenet" in name:
            changes += [(r"\[batchnorm\]\n\n", ""), (r"layers=-6,-1\n", "layers=-1\n")]
        for old, new in changes:
            changed = re.sub(old, new, text, count=1, flags=re.S)
            self.assertNotEqual(changed, text)
            try:
                found = counts(changed)
            except AssertionError:
                found = "does not fit together"
            self.assertNotEqual(found, EXPECTED[name], old)

    @on_each()
    def test_depths_are_those_of_the_names(self, name, net):
        weighted = [layer for layer in net.of("convolutional", "connected")
                    if not ("resnet" in name and layer.options.get("size") == "1")]
        self.assertEqual(len(weighted), DEPTH[name])

    @on_each()
    def test_one_by_one_convolutions_have_no_stride(self, _, net):
        """The packaged Darknet would ignore it."""
        for layer in net.of("convolutional"):
            if layer.options["size"] == "1":
                self.assertEqual((layer.options["stride"], layer.options["pad"]), ("1", "0"))

    @on_each()
    def test_ends_are_classifiers(self, name, net):
        data = name.split("-")[0]
        self.assertEqual([layer.kind for layer in net.layers[-3:]], ["avgpool", "connected", "softmax"])
        classes = {"cifar100": 100, "ilsvrc2012": 1000, "photos": 2, "fashion": 10}[data]
        self.assertEqual(net.layers[-1].shape(), (classes, 1))
        stride = net.layers[0].number("stride") if data == "cifar100" else 1  # of the first convolution
        side = {"cifar100": 8, "ilsvrc2012": 7, "photos": 7, "fashion": 4}[data]
        self.assertEqual(net.layers[-4].side, side // stride)
        self.assertEqual(net.layers[-2].options["activation"], "linear")

    @on_each()
    def test_recipes_are_the_papers(self, name, net):
        if name not in RECIPES:
            return
        keys = ("batch", "subdivisions", "epochs", "epoch_steps", "learning_rate", "momentum", "decay", "policy",
                "scales")
        self.assertEqual(tuple(net.options[key] for key in keys),
                         RECIPES[name] + ("0.1", "0.9", "0.0001", "steps", ".1,.1"))
        images = dict(random_resized_crop="1", valid_resize="256") if "ilsvrc" in name else dict(pad="4")
        for key, value in dict(images, mirror="1").items():
            self.assertEqual(net.options[key], value)

    @on_each("resnet")
    def test_residual_blocks(self, name, net):
        """Each adds to its second convolution what its first one reads: as it is, or projected."""
        shortcuts = net.of("shortcut")
        self.assertEqual(len(shortcuts), (DEPTH[name] - 2) // 2)
        start = net.of("maxpool")[0] if name.endswith("resnet18") else net.layers[0]
        for shortcut in shortcuts:
            inner, other = shortcut.sources
            if inner.options["size"] == "1":  # the projection; the block's own path is the other one
                pool, back = inner.sources[0], inner.sources[0].sources[0]
                self.assertEqual((pool.kind, pool.options, back.kind, back.sources),
                                 ("maxpool", {"size": "1", "stride": "2"}, "route", [start]))
                self.assertEqual(inner.options["activation"], "linear")
                inner = other
            else:
                self.assertIs(other, start)
            first = inner.sources[0]
            self.assertIs(first.sources[0], start)
            for layer, activation in ((first, "relu"), (inner, "linear")):
                self.assertEqual((layer.kind, layer.options["size"], layer.options["batch_normalize"],
                                  layer.options["activation"]), ("convolutional", "3", "1", activation))
            self.assertEqual(shortcut.options["activation"], "relu")
            start = shortcut
        self.assertIs(net.layers[-4], start)

    def test_image_network_pools_to_56(self):
        net = Net(cfg_text("ilsvrc2012-resnet18"))
        self.assertEqual([layer.shape() for layer in net.layers[:2]], [(64, 112), (64, 56)])
        # Padding in all of 2, as many on either side: a window starts at -1, as it does elsewhere with padding 1.
        self.assertEqual(net.layers[1].options, {"size": "3", "stride": "2", "padding": "2"})
        self.assertEqual([layer.shape() for layer in net.of("shortcut")[1::2]],
                         [(64, 56), (128, 28), (256, 14), (512, 7)])

    @on_each("densenet")
    def test_dense_layers_concatenate_all_before_them(self, name, net):
        """A [route] of the block's input and every 3x3 convolution since, read by a batch norm alone."""
        growth = {"100": 12, "190": 40}[name[-3:]]
        block, blocks, concatenated = [net.layers[0]], [], 0
        self.assertNotIn("batch_normalize", net.layers[0].options)
        self.assertEqual(net.layers[0].shape(), (2 * growth, 32))
        rest = iter(net.layers[1:])
        for route in rest:
            self.assertEqual(route.kind, "route")
            self.assertEqual(route.sources, block)
            concatenated += 1
            norm, relu, bottleneck = next(rest), next(rest), next(rest)
            self.assertEqual((norm.kind, relu.kind, relu.options), ("batchnorm", "activation", {"activation": "relu"}))
            if bottleneck.kind == "avgpool":
                break
            self.assertEqual((bottleneck.kind, bottleneck.options["size"]), ("convolutional", "1"))
            wide = next(rest)
            if wide.kind == "local_avgpool":
                self.assertEqual((bottleneck.options["activation"], bottleneck.biases), ("linear", bottleneck.channels))
                self.assertEqual(2 * bottleneck.channels, route.channels)
                self.assertEqual((wide.options, wide.side), ({"size": "2", "stride": "2", "padding": "0"},
                                                             route.side // 2))
                blocks.append(len(block) - 1)
                block = [wide]
                continue
            self.assertEqual((bottleneck.channels, bottleneck.norms, bottleneck.options["activation"]),
                             (4 * growth, 4 * growth, "relu"))
            self.assertEqual((wide.kind, wide.options["size"], wide.channels, wide.biases,
                              wide.options["activation"]), ("convolutional", "3", growth, growth, "linear"))
            block.append(wide)
        self.assertEqual([*blocks, len(block) - 1], [(DEPTH[name] - 4) // 6] * 3)
        readers = [source for layer in net.layers for source in layer.sources if source.kind == "route"]
        self.assertEqual(len(readers), concatenated)

    def documented(self):
        """{name: [parameters, millions of multiply-adds, epochs]} of docs/networks.md"""
        text = read(os.path.join(ROOT, "docs", "networks.md")).decode()
        rows = re.findall(r"^\| `(\S+)\.cfg` \|[^|]*\| ([\d,]+) \| ([\d,.]+) M \| (\d+) \|", text, re.M)
        return {name: [cell.replace(",", "") for cell in cells] for name, *cells in rows}

    def test_documentation_has_every_network(self):
        self.assertEqual(sorted(self.documented()), sorted(NAMES))

    @on_each()
    def test_documentation_has_the_counts(self, name, net):
        """Parameters to the last digit, multiply-adds as far as they are written."""
        parameters, millions, epochs = self.documented()[name]
        self.assertEqual(int(parameters), net.parameters())
        self.assertEqual(millions, "%.*f" % (len(millions.partition(".")[2]), net.total("multiply_adds") / 1e6))
        self.assertEqual(epochs, net.options["epochs"])

    @on_each()
    def test_comments_have_the_multiply_adds(self, name, net):
        for number, digits in re.findall(r"(\d+\.(\d+)) million multiply-adds", cfg_text(name)):
            self.assertEqual(number, "%.*f" % (len(digits), net.total("multiply_adds") / 1e6))


# --- the program ------------------------------------------------------------------------------------------------------

class ProgramTest(RunTest):
    """The program's opinion. Where it makes a network, it is for small images: the counts do not depend on them."""

    def small(self, name):
        """A cfg of the network for a quarter of the height and width, and batches of 2."""
        text = cfg_text(name)
        side = int(Net(text).options["height"]) // 4
        for key, value in dict(batch=2, subdivisions=1, height=side, width=side).items():
            text, changed = re.subn(r"^%s=.*" % key, "%s=%s" % (key, value), text, count=1, flags=re.M)
            self.assertEqual(changed, 1, key)
        self.write(name + ".cfg", text)

    def test_reads_every_cfg(self):
        """It compares the classes once it has read all of the cfg, and before anything else."""
        self.write("seven.data", "classes=7\n")
        for name in NAMES:
            done = self.run_darknet("classifier", "predict", "seven.data", os.path.join(CFG, name + ".cfg"), "none",
                                    code=1)
            classes = Net(cfg_text(name)).layers[-1].channels
            self.assert_one_line(done, name + ".cfg", "has %d outputs" % classes, "seven.data says classes=7")

    def test_needs_as_many_values(self):
        """Weights of no layer: it says how many values there should be."""
        self.write("empty.weights", struct.pack("<iiiQ", 0, 2, 0, 0))
        for name in NAMES:
            self.small(name)
            net = Net(cfg_text(name))
            self.write("some.data", "classes=%d\n" % net.layers[-1].channels)
            done = self.run_darknet("classifier", "predict", "some.data", name + ".cfg", "empty.weights", code=1)
            self.assert_one_line(done, "found 0 numbers", "needs %d;" % net.values())

    def test_trains_and_writes_as_many_values(self):
        """One update of each network, but for the largest, and the weights that are there after it."""
        self.write_images()
        for name in NAMES:
            if name == "cifar100-densenet190":
                continue
            self.small(name)
            text = self.read(name + ".cfg").decode()
            text = re.sub(r"^(policy|epochs|epoch_steps|scales)=.*\n", "", text, flags=re.M)
            self.write(name + ".cfg", text.replace("[net]\n", "[net]\nmax_batches=1\n", 1))
            self.train(name + ".cfg", data=name.split("-")[0] + ".data")
            size = os.path.getsize(self.path("backup", name + "_final.weights"))
            self.assertEqual(size, 20 + 4 * Net(text).values(), name)

    def write_images(self):
        """Four random images of each kind."""
        draw = random.Random(1)
        self.write("cifar.bin", b"".join(bytes([i, i]) + draw.randbytes(3072) for i in range(4)))
        self.write("grey-images-idx3-ubyte", struct.pack(">4I", 0x803, 4, 28, 28) + draw.randbytes(4 * 784))
        self.write("grey-labels-idx1-ubyte", struct.pack(">2I", 0x801, 4) + bytes(range(4)))
        for i in range(4):
            write_png(self.path("%d.png" % i), [draw.randbytes(3 * 60) for _ in range(60)], 3)
        self.write("list.txt", "".join("%d.png %d\n" % (i, i) for i in range(4)))
        self.write("two.txt", "".join("%d.png %d\n" % (i, i % 2) for i in range(4)))
        for name, classes, images in (("cifar100", 100, "cifar.bin"), ("fashion", 10, "grey-images-idx3-ubyte"),
                                      ("ilsvrc2012", 1000, "list.txt"), ("photos", 2, "two.txt")):
            self.write(name + ".data", "classes=%d\ntrain=%s\nvalid=%s\nbackup=backup\n" % (classes, images, images))


if __name__ == "__main__":
    unittest.main()

