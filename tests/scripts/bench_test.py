"""scripts/bench.py: what it prepares and what it computes. Speeds are not tested."""

import gzip
import io
import json
import os
import struct
import sys
import tempfile
import unittest
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import ROOT

sys.path.insert(0, os.path.join(ROOT, "scripts"))

import bench
from benchmark import gpu, image_sets, tables
from benchmark.floor import CARDS, Floor
from benchmark.network_shapes import Network
from benchmark.processes import json_line
from benchmark.program import LEAST, WARM_UP, Program
from benchmark.progress import Progress
from benchmark.rivals import PEERS, GpuPyTorch, in_turn
from benchmark.rounds import entries
from benchmark.shares import shares
from benchmark.workload import GPU_BATCHES, Workload, batch_for, endless, with_cost
from generations_driver.errors import Failure

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

    def test_precision_is_written_where_one_is_asked_for(self):
        self.assertNotIn("precision", endless(CFG, 128))
        text = endless(CFG.replace("height", "precision=fp32\nheight"), 128, "bf16")
        self.assertIn("precision=bf16\n", text)
        self.assertEqual(text.count("precision="), 1)

    def test_batches_on_a_gpu(self):
        self.assertEqual([batch_for(height, GPU_BATCHES) for height in (32, 224)], [128, 256])

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

    def test_small_sets_come_again(self):
        path = self.put("list.txt", b"a.png 1\nb.png 2\n")
        self.assertEqual(image_sets.read(image_sets.take(path, 10, 5, self.folder, "many")).count(b"a.png 1\n"), 3)
        record = image_sets.cifar_record(100)
        path = self.put("test.bin", bytes([1]) * record + bytes([2]) * record)
        taken = image_sets.read(image_sets.take(path, 100, 5, self.folder, "many"))
        self.assertEqual([taken[i * record] for i in range(5)], [1, 2, 1, 2, 1])
        self.assertEqual(len(taken), 5 * record)
        images = bytes([0, 0, 8, 3]) + struct.pack(">III", 2, 1, 2) + bytes(range(4))
        self.assertEqual(image_sets.take_idx(images, 3)[-6:], bytes([0, 1, 2, 3, 0, 1]))

    def test_the_first_lines_of_a_list(self):
        path = self.put("list.txt", b"a.png 1\n\nb.png 2\nc.png 3\n")
        self.assertEqual(image_sets.count(path, 10), 3)
        self.assertEqual(image_sets.read(image_sets.take(path, 10, 2, self.folder, "few")), b"a.png 1\nb.png 2\n")


class ProgressTest(unittest.TestCase):
    TURNS = {1: "1 thread", 2: "2 threads"}

    def go(self, stream, networks=1, rounds=2):
        progress, seen = Progress(networks, rounds, stream), []

        def measure(turn):
            with progress.showing("train"):
                seen.append(turn)
            return 10 * turn

        return progress.run("net", self.TURNS, measure), seen

    def test_turns_alternate_and_a_pipe_gets_a_line_for_each(self):
        stream = io.StringIO()
        results, seen = self.go(stream, networks=2)
        self.assertEqual(results, {1: [10, 10], 2: [20, 20]})
        self.assertEqual(seen, [1, 2, 1, 2])
        self.assertEqual(stream.getvalue().splitlines(), [
            "net, 1 thread, round 1 of 2: 0:00; about 0:00 left for this network; 1 more network to come",
            "net, 2 threads, round 1 of 2: 0:00; about 0:00 left for this network; 1 more network to come",
            "net, 1 thread, round 2 of 2: 0:00; about 0:00 left for this network; 1 more network to come",
            "net, 2 threads, round 2 of 2: 0:00; 1 more network to come",
        ])

    def test_a_terminal_has_one_line_that_is_written_over(self):
        stream = io.StringIO()
        stream.isatty = lambda: True
        with unittest.mock.patch.dict(os.environ, {"TERM": "xterm", "COLUMNS": "200"}):
            self.go(stream, rounds=1)
        self.assertNotIn("\n", stream.getvalue())
        self.assertIn("net, 1 thread, round 1 of 1: train\r\x1b[K", stream.getvalue())

    def test_time_left_counts_the_turns_of_the_rounds_to_come(self):
        progress = Progress(0, 3, io.StringIO())
        progress.spent = {1: [20.0, 22.0], 2: [10.0]}
        self.assertEqual(progress._left(1.0), "; about 0:40 left for this network")
        progress.spent = {1: [30.0], 2: []}
        self.assertEqual(progress._left(0.0), "; about 2:30 left for this network")


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
        profile = {"steps": 5, "seconds": 10.0, "data": 0.5, "teacher": 0, "update": 0.5, "cost": 0.25,
                   "layers": layers}
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


LINE = "%d, 0.001: 4.605170, 4.605170 avg, 0.010000 rate, %f seconds, %d images, 1.0 hours left\n"


class ProgramTest(unittest.TestCase):
    """How the program is called, and what is read from its log. It is a script here that keeps its arguments."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def program(self, lines, seconds=0.0, number=None):
        path = os.path.join(self.folder, "program")
        image_sets.write(os.path.join(self.folder, "log"), "".join(lines).encode())
        script = f"#!/bin/sh\necho \"$@\" >> {self.folder}/words\ncat {self.folder}/log\n"
        os.chmod(image_sets.write(path, script.encode()), 0o755)
        return Program(path, seconds, number)

    def words(self):
        return image_sets.read(os.path.join(self.folder, "words")).decode().split()

    def test_devices_are_named(self):
        lines = [LINE % (i, 0.5, 128 * i) for i in range(1, WARM_UP + LEAST + 2)]
        for number, words in ((None, ["-nogpu"]), (1, ["-gpus", "1"])):
            program = self.program(lines, number=number)
            program.warm_up_seconds = 0
            result = program.train("a.data", "a.cfg", 128, 2)
            self.assertEqual(result["images_per_second"], 256)
            found = self.words()
            self.assertEqual(found[found.index("-threads") + 2:][:len(words)], words)
            os.remove(os.path.join(self.folder, "words"))

    def test_first_steps_do_not_count(self):
        lines = ["training set: ...\n"] + [LINE % (i, 9.0 if i <= WARM_UP else 0.25, i) for i in range(1, 40)]
        steps = self.program(lines).steps(lines)
        self.assertEqual(set(steps), {0.25})
        self.assertEqual(len(steps), LEAST)

    def test_on_a_gpu_seconds_do_not_count(self):
        program = self.program([], number=0)
        lines = [LINE % (i, 0.25, i) for i in range(1, 40)]
        self.assertGreater(program.warm_up_seconds, 1)
        self.assertEqual(program.steps(lines), [])
        with self.assertRaises(Failure):
            self.program(lines, number=0).train("a.data", "a.cfg", 128, 2)

    def test_evaluations_on_a_gpu_are_long(self):
        class Small:
            name, batch, source = "net", 128, "a.data"

            @staticmethod
            def valid_images():
                return 1000

        self.assertEqual(self.program([], seconds=1.0).evaluation_sizes(Small, 1, 1e6), (128, 128 * 7))
        few, many = self.program([], seconds=1.0, number=0).evaluation_sizes(Small, 1, 1e5)
        self.assertEqual(few, 128)
        self.assertAlmostEqual(many, 3e5, delta=256)

    def test_programs_that_take_too_long_are_stopped(self):
        with self.assertRaisesRegex(Failure, "stopped after 0.2 seconds"):
            json_line(["/bin/sleep", "60"], 0.2)
        self.assertEqual(json_line(["/bin/echo", "[1]"], 60), [1])


def peer(rate, kind="eager"):
    return {"images_per_second": rate, "format": "channels_last" if kind == "compile" else "contiguous",
            "pytorch": "2.9"}


def gpu_round(train, eager, compile_):
    one = {}
    for work, factor in (("train", 1), ("distill", 0.75), ("valid", 4)):
        one[work] = {"ours": {"images_per_second": factor * train}, "eager": eager and peer(factor * eager),
                     "compile": compile_ and peer(factor * compile_, "compile")}
    return one


class GpuTest(unittest.TestCase):
    class Workload:
        name, batch = "cifar100-resnet20", 128

    def floors(self, precision="bf16"):
        network = Network(os.path.join(ROOT, "cfg", "cifar100-resnet20.cfg"))
        return {work: Floor(network, work, 128, precision, CARDS["H100-SXM"]) for work in tables.WORK}

    def test_rows_have_floor_operations_and_bytes(self):
        # The second round is half as fast as the others, for all.
        rounds = [gpu_round(256_000, 32_000, 128_000), gpu_round(128_000, 16_000, 64_000),
                  gpu_round(256_000, 32_000, 128_000)]
        floors = self.floors()
        train = gpu.entries(self.Workload, "bf16", rounds, floors)[0]
        self.assertEqual(train["step_seconds"], 0.0005)
        self.assertEqual((train["eager_ratio"], train["compile_ratio"]), (8, 2))
        self.assertAlmostEqual(train["floor_ratio"], 0.0005 / floors["train"].seconds)
        self.assertAlmostEqual(train["tera_operations_per_second"], 31.2 / 0.5, delta=0.2)
        self.assertAlmostEqual(train["gigabytes_per_second"], 546 / 0.5, delta=2)
        cells = gpu.row(train).split()
        self.assertEqual(cells[:5], ["cifar100-resnet20", "bf16", "train", "256000", "0.500"])
        self.assertEqual(cells[-4:], ["32000", "8.00", "128000", "2.00"])
        self.assertEqual(len(cells), len(gpu.COLUMNS))

    def test_what_is_missing_is_a_dash(self):
        rounds = [gpu_round(256_000, 32_000, None), gpu_round(256_000, 32_000, 1)]
        train = gpu.entries(self.Workload, "fp32", rounds, {})[0]
        self.assertNotIn("floor_seconds", train)
        cells = gpu.row(train).split()
        self.assertEqual(cells[5:], ["-", "-", "-", "-", "32000", "8.00", "-", "-"])

    def test_best_against_best(self):
        rows = gpu.entries(self.Workload, "fp32", [gpu_round(100_000, 30_000, 50_000)], {})
        rows += gpu.entries(self.Workload, "bf16", [gpu_round(200_000, 20_000, 100_000)], {})
        lines = list(gpu.best_lines(rows))
        self.assertEqual(len(lines), 3)
        self.assertIn("train: ours 200000 (bf16)", lines[0])
        self.assertIn("eager 30000 (fp32, contiguous), ratio 6.67", lines[0])
        self.assertIn("compile 100000 (bf16, channels_last), ratio 2.00", lines[0])
        self.assertEqual(list(gpu.best_lines(gpu.entries(self.Workload, "fp32", [gpu_round(1, None, None)], {}))), [])

    def test_cards(self):
        self.assertEqual(gpu.choose_card(None, "NVIDIA H100 80GB HBM3"), ("H100-SXM", CARDS["H100-SXM"]))
        self.assertEqual(gpu.choose_card("A100", "NVIDIA H100 PCIe"), ("A100", CARDS["A100"]))
        self.assertEqual(gpu.choose_card(None, "Tesla T4"), (None, None))
        self.assertEqual(gpu.choose_card(None, None), (None, None))

    def test_commands_of_pytorch(self):
        pytorch = GpuPyTorch("python3", 2, 1, 60)
        self.assertEqual(pytorch.words("bf16", "compile"), ["--device", "cuda:1", "--autocast", "--compile"])
        self.assertEqual(pytorch.words("fp32", "eager"), ["--device", "cuda:1"])
        self.assertEqual(pytorch.words("tf32", "eager"), ["--device", "cuda:1", "--tf32"])

    def test_the_better_format_is_taken_and_failures_are_kept(self):
        tried = []

        class Fake(GpuPyTorch):
            def step(self, workload, mode, threads, memory_format, more=(), most=None):
                tried.append((memory_format, "--compile" in more))
                if "--compile" in more and memory_format == "contiguous":
                    raise Failure("no compiler")
                return {"images_per_second": {"contiguous": 10, "channels_last": 20}[memory_format],
                        "format": memory_format}

        pytorch = Fake("python3", 1, 0, 60)
        for _ in range(2):
            for kind in gpu.KINDS:
                best = pytorch.measure_on_gpu(self.Workload, "train", 2, "bf16", kind)
                self.assertEqual(best["format"], "channels_last")
        # The slow format and the one that failed are not tried again.
        self.assertEqual(tried, [("contiguous", False), ("channels_last", False), ("contiguous", True),
                                 ("channels_last", True), ("channels_last", False), ("channels_last", True)])
        self.assertEqual(list(pytorch.failures.values()), ["no compiler"])

    def test_options(self):
        options = bench.read_options(["--gpu", "1", "--precision", "bf16,fp32"])
        self.assertEqual((options.gpu, options.precision, options.most), (1, ["bf16", "fp32"], 600))
        self.assertIsNone(bench.read_options([]).gpu)


class GpuRunTest(unittest.TestCase):
    def test_networks_get_every_precision_and_the_table_is_kept(self):
        """All of run_on_gpu but the programs: what they answer is constructed."""
        asked, shown = [], []

        class Answers:
            def __init__(self, _path, _seconds, number):
                asked.append(number)

            def has_profile(self):
                return False

            def train(self, _data, cfg, batch, _threads):
                with open(cfg, encoding="utf-8") as file:
                    text = file.read()
                precision = next(line for line in text.splitlines() if line.startswith("precision="))
                asked.append((precision, batch, "[distill]" in text))
                return {"images_per_second": 1000.0}

            def valid(self, _workload, _threads, rate):
                asked.append(rate)
                return {"images_per_second": 4000.0}

        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out.json")
            options = bench.read_options(["--gpu", "3", "--precision", "tf32,bf16", "--rounds", "1", "--card", "A100",
                                          "--json", path, os.path.join(ROOT, "cfg", "cifar100-resnet8.cfg")])
            kept = bench.Program, bench.show, Workload.require
            bench.Program, bench.show, Workload.require = Answers, lambda text="": shown.append(text), lambda *_: None
            try:
                bench.run_on_gpu(options, folder)
            finally:
                bench.Program, bench.show, Workload.require = kept
            report = json.loads(image_sets.read(path))
        expected = [3]
        for precision in ("tf32", "bf16"):
            expected += [(f"precision={precision}", 128, False), (f"precision={precision}", 128, True), 1000.0]
        self.assertEqual(asked, expected)
        rows = report["networks"][0]["rows"]
        self.assertEqual([(row["precision"], row["work"]) for row in rows],
                         [(precision, work) for precision in ("tf32", "bf16") for work in tables.WORK])
        self.assertEqual(report["card"], "A100")
        self.assertTrue(all(row["floor_ratio"] > 1 for row in rows))
        self.assertEqual(sum(line.startswith("cifar100-resnet8 ") for line in shown), 6)


if __name__ == "__main__":
    unittest.main()
