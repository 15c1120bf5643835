"""scripts/gpu_roofline.py: shapes, and the roofline of small networks, worked out by hand."""

import glob
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from make_cfg_test import CFG, NAMES, Net, cfg_text
from run_support import DARKNET, ROOT, FolderTest, read

from benchmark import roofline
from benchmark.roofline import CARDS, Card, Roofline, card_named, card_reported
from cfg_network.network import Network
from generations_driver.errors import Failure

SCRIPT = os.path.join(ROOT, "scripts", "gpu_roofline.py")
# Rates at which operations and bytes of the networks below can be told apart.
CARD = Card(bf16=1e-6, tf32=1e-6, fp32=1e-6, bandwidth=1e-6)
NET = "[net]\nheight=4\nwidth=4\nchannels=2\n"
CONVOLUTION = "[convolutional]\nbatch_normalize=1\nfilters=3\nsize=3\nstride=1\npad=1\nactivation=%s\n"
END = "[avgpool]\n[connected]\noutput=5\nactivation=linear\n[softmax]\n"
RESIDUAL = NET + CONVOLUTION % "relu" + CONVOLUTION % "linear" + "[shortcut]\nfrom=-2\nactivation=relu\n" + END


class RooflineTest(FolderTest):
    def network(self, text):
        return Network(self.write("small.cfg", text), DARKNET)

    def roofline(self, text, work="train", batch=10, precision="bf16", gap=1.0):
        return Roofline(self.network(text), work, batch, precision, CARD, gap)


class ShapeTest(RooflineTest):
    def test_counts_are_those_of_another_parser(self):
        for name in NAMES:
            network, other = Network(os.path.join(CFG, name + ".cfg"), DARKNET), Net(cfg_text(name))
            self.assertEqual(network.parameters(), other.parameters(), name)
            self.assertEqual(network.multiply_adds(), other.total("multiply_adds"), name)

    def test_shapes(self):
        network = self.network(NET + CONVOLUTION % "relu" + "[maxpool]\nsize=1\nstride=2\n[route]\nlayers=-1,-1\n"
                               "[local_avgpool]\nsize=2\nstride=2\npadding=0\n[softmax]\n")
        self.assertEqual([tuple(layer.out) for layer in network.layers],
                         [(3, 4, 4), (3, 2, 2), (6, 2, 2), (6, 1, 1), (6, 1, 1)])

    def test_bad_cfgs_are_one_line(self):
        nine = CONVOLUTION.replace("size=3", "size=nine") % "relu"
        for text, says in ((NET + "[yolo]\n", ":5: [yolo]"), ("[softmax]\n", "[net]"),
                           (NET + "[route]\nlayers=-3\n[softmax]\n", ":6: [route] layers=-3"),
                           (NET + nine + END, ":8: [convolutional] size=nine"),
                           (NET.replace("channels=2\n", "") + END, "channels"),
                           (NET + CONVOLUTION % "relu", ":5: [convolutional]")):
            with self.assertRaises(Failure) as raised:
                self.network(text)
            self.assertIn(says, str(raised.exception))
            self.assertNotIn("\n", str(raised.exception))


class ResidualTest(RooflineTest):
    """RESIDUAL. Elements of an image: input 32, first convolution a 48, second b 48, sum s 48, means 3, logits 5.
    Weights 54, 81, 15; parameters 150 + 6 + 6 + 5 = 167."""

    def test_training(self):
        # Elements forward: a: 32 + 48. b: 48 + 48. Mean: reads a and b, writes s, 3. Connected: 3 + 5. Cost: 5.
        forward = 80 + 96 + (48 + 48 + 48 + 3) + 8 + 5
        # Backward. Cost: writes 5. Connected: weights 5 + 3, input 5 + 3. Mean: reads 3, writes ds = db' = 48, reads s
        # for the derivative and b for the sums. b: weights ds, b, a; input: reads ds, b; writes da, to which ds is
        # added, and reads a for the derivative and the sums. a: weights da, a, input.
        backward = 5 + 8 + 8 + (3 + 48 + 48 + 48) + 3 * 48 + (2 * 48 + 48 + 48 + 48) + (2 * 48 + 32)
        # Augmentation writes 32, and reads 32 bytes. The weights are read in 16 bits, forward and for the two inputs;
        # their gradients are written in 32; the update moves 5 x 4 bytes a parameter and writes copies of the weights.
        elements, weights, copies, others = forward + backward + 32, 150 + 81 + 15, 150, 4 * 150 + 20 * 167
        train = self.roofline(RESIDUAL)
        self.assertEqual(elements, 1048)
        self.assertEqual(train.bytes, 2 * (10 * elements + weights + copies) + others + 10 * 32)
        self.assertEqual(train.bytes, 26012)
        # Without copies.
        self.assertEqual(self.roofline(RESIDUAL, precision="tf32").bytes,
                         4 * (10 * elements + weights) + others + 10 * 32)
        # Multiply-adds: 54 x 16, 81 x 16, 15, three times, but once less for a.
        self.assertEqual(train.operations, 2 * 10 * (3 * (864 + 1296 + 15) - 864))
        # Augmentation, 2 + mean + connected + cost, weights and inputs 2 + 1 + 2 + 1, update.
        self.assertEqual(train.launches, 1 + 5 + 6 + 1)

    def test_inference(self):
        # a: 32 + 48. b: reads a as input and as addend, writes s. Mean 48 + 3. Connected 3 + 5. Cost 5 + 5.
        elements = 80 + 3 * 48 + 51 + 8 + 10
        valid = self.roofline(RESIDUAL, "valid")
        self.assertEqual(valid.bytes, 2 * (10 * elements + 150))
        self.assertEqual(valid.operations, 2 * 10 * (864 + 1296 + 15))
        self.assertEqual(valid.launches, 5)

    def test_distilling_is_both(self):
        train, valid, distill = (self.roofline(RESIDUAL, work) for work in ("train", "valid", "distill"))
        self.assertEqual(distill.bytes, train.bytes + valid.bytes)
        self.assertEqual(distill.launches, train.launches + valid.launches)

    def test_seconds(self):
        # 10^6 operations or bytes a second: the longer one of each kernel, and gaps.
        train = self.roofline(RESIDUAL, gap=1e6)
        self.assertAlmostEqual(train.operation_seconds, train.operations / 1e6)
        self.assertAlmostEqual(train.byte_seconds, 0.026012)
        self.assertAlmostEqual(train.launch_seconds, 13)
        self.assertGreater(train.seconds, 13 + max(train.operation_seconds, train.byte_seconds))
        self.assertLess(train.seconds, 13 + train.operation_seconds + train.byte_seconds)
        # Only bytes count where operations cost nothing.
        network = self.network(RESIDUAL)
        free = Roofline(network, "train", 10, "bf16", CARD._replace(bf16=1e9), 0)
        self.assertAlmostEqual(free.seconds, 0.026012)


class FusedTest(RooflineTest):
    """Elements of single kernels, by (layer, what)."""

    def kernels(self, text):
        found = {}
        for kernel in roofline.training_kernels(self.network(text), "fp32"):
            key = kernel.layer, kernel.what
            self.assertNotIn(key, found)
            found[key] = kernel.elements
        return found

    def test_projections_read_a_quarter(self):
        text = (NET + CONVOLUTION % "relu" + (CONVOLUTION % "linear").replace("stride=1", "stride=2") +
                "[route]\nlayers=-2\n[maxpool]\nsize=1\nstride=2\n" +
                (CONVOLUTION % "linear").replace("size=3", "size=1").replace("pad=1", "pad=0") +
                "[shortcut]\nfrom=-4\nactivation=relu\n" + END)
        found = self.kernels(text)
        # The first output has 48 elements, the others have 12.
        self.assertEqual(found[1, "forward"], 48 + 12)
        self.assertEqual(found[4, "forward"], 12 + 12)
        # Gradient and output, a quarter of the source's gradient, which the other one reads.
        self.assertEqual(found[4, "backward data"], 24 + 2 * 12)
        # Gradient and output; the source's gradient, its output for derivative and sums.
        self.assertEqual(found[1, "backward data"], 24 + 48 + 48)
        self.assertEqual(found[4, "backward weights"], 24 + 12)
        # The sum's gradient is the one of both parts, whose outputs are read for their sums, and its own for ReLU.
        self.assertEqual(found[6, "backward data"], 3 + 12 + 3 * 12)
        self.assertNotIn((3, "forward"), found)

    def test_dense_layers(self):
        dense = ("[route]\nlayers=%s\n[batchnorm]\n[activation]\nactivation=relu\n"
                 "[convolutional]\nfilters=3\nsize=1\nactivation=linear\n")
        text = (NET + "[convolutional]\nfilters=3\nsize=3\npad=1\nactivation=linear\n" + dense % "-1" +
                dense % "-5,-1" + END)
        found = self.kernels(text)
        self.assertEqual(found[4, "forward"], 48 + 48)
        self.assertEqual(found[8, "forward"], 2 * 48 + 48)
        # Its output's gradient; writes that behind the batch norm of both sources, and reads them.
        self.assertEqual(found[8, "backward data"], 48 + 2 * 96)
        # Reads both, writes the gradients of both sources; the first one gets another, later, which reads and writes.
        self.assertEqual(found[8, "batch norm"], 2 * 96 + 96)
        self.assertEqual(found[4, "batch norm"], 2 * 48 + 2 * 48)
        self.assertEqual(found[0, "backward weights"], 48 + 32)

    def test_pooling(self):
        found = self.kernels(NET + CONVOLUTION % "relu" + "[maxpool]\nsize=2\nstride=2\npadding=0\n" + END)
        self.assertEqual(found[1, "forward"], 48 + 12)
        # Reads the gradient and the source, writes the source's gradient; reads the source's output once more.
        self.assertEqual(found[1, "backward data"], 12 + 48 + 48 + 48)


class CardTest(unittest.TestCase):
    def test_cards_by_the_drivers_name(self):
        for name, card in (("NVIDIA H100 80GB HBM3", "H100-SXM"), ("NVIDIA H100 PCIe", "H100-PCIe"),
                           ("NVIDIA A100-SXM4-80GB", "A100"), ("NVIDIA H200", "H200-SXM"), ("Tesla T4", None)):
            self.assertEqual(card_reported(name), card)

    def test_unknown_cards_are_refused(self):
        with self.assertRaisesRegex(Failure, "H100-SMX is not a known card; allowed: H100-SXM, "):
            card_named("H100-SMX")


class ScriptTest(unittest.TestCase):
    def script(self, *words):
        return subprocess.run([sys.executable, SCRIPT, "--darknet", DARKNET, *words], cwd=ROOT, capture_output=True,
                              text=True, check=False)

    def test_the_measured_results_have_this_roofline(self):
        reports = [json.loads(read(path)) for path in glob.glob(os.path.join(ROOT, "bench", "results", "*.json"))]
        rows = [(row, CARDS[report["card"]]) for report in reports if report.get("card") for row in report["rows"]]
        self.assertTrue(rows)
        for row, card in rows:
            network = Network(os.path.join(CFG, row["network"] + ".cfg"), DARKNET)
            computed = Roofline(network, row["work"], row["batch"], row["precision"], card)
            self.assertAlmostEqual(row["roofline_seconds"] / computed.seconds, 1, 6, row)

    def test_table(self):
        done = self.script("--precision", "tf32,fp32")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(len([line for line in done.stdout.splitlines() if line.startswith("| ")]), 1 + 30)

    def test_more_bandwidth_takes_less_time(self):
        def time(*words):
            done = self.script("--work", "train", "cfg/cifar100-resnet20.cfg", *words)
            return float(done.stdout.splitlines()[-1].split("|")[-3])
        self.assertLess(time("--bandwidth", "6.7"), time())
        self.assertLess(time("--gap", "0"), time())

    def test_bad_words_are_one_line(self):
        for words, says in ((("--card", "H100"), "not a known card"), (("--precision", "fp8"), "fp8 is not allowed"),
                            (("--gap", "-1"), "--gap"), (("none.cfg",), "none.cfg"), (("--batch", "0"), "--batch")):
            done = self.script(*words)
            self.assertEqual(done.returncode, 1 if words == ("none.cfg",) else 2, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1)
            self.assertIn(says, done.stderr)


if __name__ == "__main__":
    unittest.main()
