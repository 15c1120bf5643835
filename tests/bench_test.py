"""scripts/bench.py: what it prepares and what it computes. Speeds are not tested."""

import gzip
import os
import struct
import sys
import tempfile
import unittest

from run_support import ROOT

sys.path.insert(0, os.path.join(ROOT, "scripts"))

from benchmark import image_sets, tables  # noqa: E402
from benchmark.rivals import PEERS, in_turn  # noqa: E402
from benchmark.rounds import entries  # noqa: E402
from benchmark.shares import shares  # noqa: E402
from benchmark.workload import endless, with_cost  # noqa: E402

CFG = "# A comment\n\n[net]\nbatch=256\nsubdivisions=16\nheight=32\nepochs=3\nsteps=1,2\n\n[avgpool]\n\n[tsd]\nk=5\n"


class Named:
    name = "net"


def one_round(train, chain, torch=None):
    ours = {work: {"images_per_second": train, "peak_bytes": 2**20} for work in tables.WORK}
    limit = {work: chain for work in tables.WORK}
    peer = {"images_per_second": torch, "peak_bytes": 2**21, "format": "contiguous"}
    modes = ("train", "distill", "infer", "infer_jit")
    return {"ours": ours, "chain": limit, "pytorch": {mode: peer for mode in modes} if torch else {}}


class CfgTest(unittest.TestCase):
    def test_an_endless_cfg_has_the_batch_and_none_of_the_schedule(self):
        text = endless(CFG, 128)
        self.assertIn("[net]\nbatch=128\nsubdivisions=1\n", text)
        self.assertIn("max_batches=1000000", text)
        self.assertIn("height=32", text)
        for gone in ("256", "epochs", "steps=1,2"):
            self.assertNotIn(gone, text)
        self.assertTrue(text.endswith("[avgpool]\n\n[tsd]\nk=5\n"))

    def test_the_last_section_is_exchanged(self):
        self.assertTrue(with_cost(CFG, "[softmax]\n").endswith("[avgpool]\n\n[softmax]\n"))


class ImageSetTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def put(self, name, content):
        return image_sets.write(os.path.join(self.folder, name), content)

    def test_the_first_records_of_cifar(self):
        record = image_sets.cifar_record(100)
        path = self.put("test.bin", b"".join(bytes([i]) * record for i in range(5)))
        self.assertEqual(image_sets.count(path, 100), 5)
        taken = image_sets.take(path, 100, 2, self.folder, "few")
        self.assertEqual(image_sets.read(taken), bytes(record) + bytes([1]) * record)

    def test_the_first_images_and_labels_of_idx(self):
        images = bytes([0, 0, 8, 3]) + struct.pack(">III", 4, 2, 3) + bytes(range(24))
        labels = bytes([0, 0, 8, 1]) + struct.pack(">I", 4) + bytes([9, 8, 7, 6])
        path = self.put("t-images-idx3-ubyte.gz", gzip.compress(images))
        self.put("t-labels-idx1-ubyte.gz", gzip.compress(labels))
        self.assertEqual(image_sets.count(path, 10), 4)
        taken = image_sets.take(path, 10, 3, self.folder, "few")
        self.assertEqual(image_sets.read(taken), bytes([0, 0, 8, 3]) + struct.pack(">III", 3, 2, 3) + bytes(range(18)))
        beside = taken.replace("images-idx3", "labels-idx1")
        self.assertEqual(image_sets.read(beside), bytes([0, 0, 8, 1]) + struct.pack(">I", 3) + bytes([9, 8, 7]))

    def test_the_first_lines_of_a_list(self):
        path = self.put("list.txt", b"a.png 1\n\nb.png 2\nc.png 3\n")
        self.assertEqual(image_sets.count(path, 10), 3)
        self.assertEqual(image_sets.read(image_sets.take(path, 10, 2, self.folder, "few")), b"a.png 1\nb.png 2\n")


class FigureTest(unittest.TestCase):
    def test_one_after_the_other(self):
        self.assertAlmostEqual(in_turn(300, 600), 200)

    def test_ratios_are_formed_in_each_round(self):
        # The machine is half as fast in the second round, and a third round is disturbed.
        rounds = [one_round(100, 200, 50), one_round(50, 100, 25), one_round(10, 200, 50)]
        train = entries(Named, 2, rounds)[0]
        self.assertEqual(train["images_per_second"], 50)
        self.assertEqual(train["chain_ratio"], 0.5)
        self.assertEqual(train["pytorch_ratio"], 2)
        self.assertEqual(train["pytorch_peak_bytes"], 2**21)

    def test_without_rivals_there_are_no_ratios(self):
        round_of_ours = one_round(100, 200)
        round_of_ours["chain"] = {}
        row = entries(Named, 1, [round_of_ours])[0]
        self.assertNotIn("chain_ratio", row)
        self.assertIn("-", tables.row(row))

    def test_scaling_compares_most_threads_with_one(self):
        rows = entries(Named, 1, [one_round(100, 200)]) + entries(Named, 2, [one_round(190, 400)])
        self.assertAlmostEqual(tables.scaling(rows)["train"], 1.9)
        self.assertIsNone(tables.scaling(rows[:3]))

    def test_shares_add_up_to_one(self):
        layers = [{"index": 0, "section": "convolutional", "forward": 2.0, "backward": 3.0},
                  {"index": 1, "section": "shortcut", "forward": 0.5, "backward": 0.5},
                  {"index": 2, "section": "convolutional", "forward": 1.0, "backward": 1.0}]
        profile = {"steps": 5, "seconds": 10.0, "data": 0.5, "teacher": 0, "update": 0.5, "cost": 0.25, "layers": layers}
        rows = shares(profile)
        self.assertEqual(rows[0], ("[convolutional] backward", 0.4))
        self.assertEqual(rows[-1][0], "the rest")
        self.assertAlmostEqual(rows[-1][1], 0.075)
        self.assertAlmostEqual(sum(share for _, share in rows), 1)
        self.assertNotIn("teacher", dict(rows))

    def test_peers_are_known_by_the_name_of_the_cfg(self):
        self.assertEqual(PEERS.search("cifar100-resnet20").group(1), "resnet20")
        for name in ("cifar100-resnet8", "cifar100-densenet190", "resnet20-mine"):
            self.assertIsNone(PEERS.search(name))


if __name__ == "__main__":
    unittest.main()
