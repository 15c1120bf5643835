"""scripts/bench.py: what it prepares and what it computes. Speeds are not tested."""

import glob
import gzip
import importlib.util
import io
import os
import statistics
import struct
import sys
import tempfile
import unittest
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import DARKNET, ROOT

sys.path.insert(0, os.path.join(ROOT, "scripts"))

import bench
from benchmark import chart, image_sets, tables
from benchmark.processes import json_of
from benchmark.program import MIN_STEPS, WARM_UP_STEPS, Program
from benchmark.progress import Progress
from benchmark.references import PrimitiveBaseline, PyTorch, in_sequence
from benchmark.repetitions import Runner, entries
from benchmark.roofline import CARDS, Roofline
from benchmark.shares import shares
from benchmark.workload import GPU_BATCHES, WORK, Workload, batch_for, endless, with_cost
from cfg_network.network import Network
from generations_driver.errors import Failure

CFG = "# A comment\n\n[net]\nbatch=256\nsubdivisions=16\nheight=32\nepochs=3\nsteps=1,2\n\n[avgpool]\n\n[tsd]\nk=5\n"


class Named:
    name, batch, precision = "cifar100-resnet20", 128, None


class OnGpu(Named):
    precision = "bf16"


def result(rate, **more):
    return {"images_per_second": rate, **more}


def repetition(program, baseline=None, eager=None, compiled=None):
    """The results of one repetition; evaluation is four times as fast as training, distilling slower by a quarter."""
    results = {}
    for work, factor in (("train", 1), ("distill", 0.75), ("valid", 4)):
        one = {"program": result(factor * program, peak_bytes=2**20)}
        if baseline:
            one["baseline"] = result(factor * baseline)
        if eager:
            one["eager"] = result(factor * eager, peak_bytes=2**21, format="contiguous")
        if compiled:
            one["compile"] = result(factor * compiled, format="channels_last")
        results[work] = one
    return results


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
    SETTINGS = {1: "1 thread", 2: "2 threads"}

    def go(self, stream, networks=1, repetitions=2):
        progress, seen = Progress(networks, repetitions, stream), []

        def measure(threads):
            with progress.showing("train"):
                seen.append(threads)
            return 10 * threads

        return progress.run("net", self.SETTINGS, measure), seen

    def test_settings_are_interleaved_and_a_pipe_gets_a_line_for_each(self):
        stream = io.StringIO()
        results, seen = self.go(stream, networks=2)
        self.assertEqual(results, {1: [10, 10], 2: [20, 20]})
        self.assertEqual(seen, [1, 2, 1, 2])
        self.assertEqual(stream.getvalue().splitlines(), [
            "net, 1 thread, repetition 1 of 2: 0:00; about 0:00 left for this network; 1 more network to come",
            "net, 2 threads, repetition 1 of 2: 0:00; about 0:00 left for this network; 1 more network to come",
            "net, 1 thread, repetition 2 of 2: 0:00; about 0:00 left for this network; 1 more network to come",
            "net, 2 threads, repetition 2 of 2: 0:00; 1 more network to come",
        ])

    def test_a_terminal_has_one_line_that_is_overwritten(self):
        stream = io.StringIO()
        stream.isatty = lambda: True
        with unittest.mock.patch.dict(os.environ, {"TERM": "xterm", "COLUMNS": "200"}):
            self.go(stream, repetitions=1)
        self.assertNotIn("\n", stream.getvalue())
        self.assertIn("net, 1 thread, repetition 1 of 1: train\r\x1b[K", stream.getvalue())

    def test_time_left_counts_the_repetitions_to_come(self):
        progress = Progress(0, 3, io.StringIO())
        progress.spent = {1: [20.0, 22.0], 2: [10.0]}
        self.assertEqual(progress._left(1.0), "; about 0:40 left for this network")
        progress.spent = {1: [30.0], 2: []}
        self.assertEqual(progress._left(0.0), "; about 2:30 left for this network")


class FigureTest(unittest.TestCase):
    def test_in_sequence(self):
        self.assertAlmostEqual(in_sequence(300, 600), 200)

    def test_ratios_are_formed_in_each_repetition(self):
        # The machine is half as fast in the second repetition, and a third one is disturbed.
        train = entries(Named, 2, [repetition(100, 200, 50), repetition(50, 100, 25), repetition(10, 200, 50)])[0]
        self.assertEqual(train["images_per_second"]["program"], 50)
        self.assertEqual(train["repetitions"]["program"], [100, 50, 10])
        self.assertEqual(train["ratio"], {"baseline": 0.5, "eager": 2})
        self.assertEqual(train["peak_bytes"], {"program": 2**20, "eager": 2**21})

    def test_missing_references_are_dashes(self):
        row = entries(Named, 1, [repetition(100)])[0]
        self.assertEqual(row["ratio"], {})
        self.assertEqual(tables.cells(row)[3:], ["100", "-", "-", "-", "-", "-", "-", "1", "-"])

    def test_scaling_compares_most_threads_with_one(self):
        rows = entries(Named, 1, [repetition(100)]) + entries(Named, 2, [repetition(190)])
        self.assertIn("2 threads / 1 thread: train 1.90", tables.scaling_line(rows))
        self.assertIsNone(tables.scaling_line(rows[:3]))

    def test_distilling_has_the_baseline_of_training_and_inference(self):
        class Fake(PrimitiveBaseline):
            def measure(self, _workload, work, _threads, _kind):
                return result({"train": 300, "valid": 600}[work])

        class FakeProgram:
            def measure(self, *_words):
                return result(100)

        other_work = unittest.mock.MagicMock()
        results = Runner(FakeProgram(), [Fake("none", 1)], other_work).measure(Named, 1)
        self.assertAlmostEqual(results["distill"]["baseline"]["images_per_second"], 200)
        self.assertEqual(other_work.measuring.call_count, 5)

    def test_shares_add_up_to_one(self):
        layers = [{"index": 0, "section": "convolutional", "forward": 2.0, "backward": 3.0},
                  {"index": 1, "section": "shortcut", "forward": 0.5, "backward": 0.5},
                  {"index": 2, "section": "convolutional", "forward": 1.0, "backward": 1.0}]
        profile = {"steps": 5, "seconds": 10.0, "data": 0.5, "teacher": 0, "update": 0.5, "cost": 0.25,
                   "layers": layers}
        rows = shares(profile)
        self.assertEqual(next(iter(rows.items())), ("[convolutional] backward", 0.4))
        self.assertEqual(list(rows)[-1], "the rest")
        self.assertAlmostEqual(rows["the rest"], 0.075)
        self.assertAlmostEqual(sum(rows.values()), 1)
        self.assertNotIn("teacher", rows)


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
        lines = [LINE % (i, 0.5, 128 * i) for i in range(1, WARM_UP_STEPS + MIN_STEPS + 2)]
        for number, words in ((None, ["-nogpu"]), (1, ["-gpus", "1"])):
            program = self.program(lines, number=number)
            program.warm_up_seconds = 0
            result = program.train("a.data", "a.cfg", 128, 2)
            self.assertEqual(result["images_per_second"], 256)
            found = self.words()
            self.assertEqual(found[found.index("-threads") + 2:][:len(words)], words)
            os.remove(os.path.join(self.folder, "words"))

    def test_the_warm_up_is_excluded(self):
        lines = ["training set: ...\n"] + [LINE % (i, 9.0 if i <= WARM_UP_STEPS else 0.25, i) for i in range(1, 40)]
        steps = self.program(lines).steps(lines)
        self.assertEqual(set(steps), {0.25})
        self.assertEqual(len(steps), MIN_STEPS)

    def test_on_a_gpu_the_warm_up_takes_seconds(self):
        program = self.program([], number=0)
        lines = [LINE % (i, 0.25, i) for i in range(1, 40)]
        self.assertGreater(program.warm_up_seconds, 1)
        self.assertEqual(program.steps(lines), [])
        with self.assertRaises(Failure):
            self.program(lines, number=0).train("a.data", "a.cfg", 128, 2)

    def test_versions_have_no_paths(self):
        program = self.program(["darknet-generations 0.2.0\n", "host          packaged Darknet, /lib/libdarknet.so\n"])
        self.assertEqual(program.versions(), {"darknet-generations": "0.2.0", "host": "packaged Darknet"})

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
            json_of(["/bin/sleep", "60"], 0.2)
        self.assertEqual(json_of(["/bin/echo", "[1]"], 60), [1])


class GpuTest(unittest.TestCase):
    def rooflines(self, precision="bf16"):
        network = Network(os.path.join(ROOT, "cfg", "cifar100-resnet20.cfg"), DARKNET)
        return {work: Roofline(network, work, 128, precision, CARDS["H100-SXM"]) for work in WORK}

    def test_rows_have_the_roofline(self):
        # The second repetition is half as fast as the others, for all.
        repetitions = [repetition(factor * 256_000, None, factor * 32_000, factor * 128_000) for factor in (1, 0.5, 1)]
        rooflines = self.rooflines()
        train = entries(OnGpu, 2, repetitions, rooflines)[0]
        self.assertEqual(train["ratio"], {"eager": 8, "compile": 2})
        self.assertEqual(train["roofline_seconds"], rooflines["train"].seconds)
        ratio = f"{0.0005 / rooflines['train'].seconds:.1f}"
        self.assertEqual(tables.cells(train), ["cifar100-resnet20", "bf16", "train", "256000", "0.500", "0.233", ratio,
                                               "32000", "8.00", "128000", "2.00"])
        self.assertEqual(len(tables.cells(train)), len(tables.GPU_COLUMNS))

    def test_what_is_missing_is_a_dash(self):
        train = entries(OnGpu, 2, [repetition(256_000, None, 32_000), repetition(256_000, None, 32_000, 1)])[0]
        self.assertEqual(tables.cells(train)[5:], ["-", "-", "32000", "8.00", "-", "-"])

    def test_commands_of_pytorch(self):
        pytorch = PyTorch("python3", "./darknet", 2, ("eager", "compile"), 1, 60)
        self.assertEqual(pytorch.options("bf16", "compile"), ["--device", "cuda:1", "--autocast", "--compile"])
        self.assertEqual(pytorch.options("fp32", "eager"), ["--device", "cuda:1"])
        self.assertEqual(pytorch.options("tf32", "eager"), ["--device", "cuda:1", "--tf32"])
        self.assertEqual(PyTorch("python3", "./darknet", 2, ("eager", "frozen")).options(None, "frozen"), [])

    def test_the_better_format_is_taken_and_failures_are_kept(self):
        measured = []

        class Fake(PyTorch):
            def step(self, _workload, _work, _threads, kind, memory_format):
                measured.append((memory_format, kind))
                if kind == "compile" and memory_format == "contiguous":
                    raise Failure("no compiler")
                return result({"contiguous": 10, "channels_last": 20}[memory_format], format=memory_format,
                              pytorch="2.9")

        pytorch = Fake("python3", "./darknet", 1, ("eager", "compile"), 0, 60)
        for _ in range(2):
            for kind in pytorch.kinds:
                self.assertEqual(pytorch.measure(OnGpu, "train", 2, kind)["format"], "channels_last")
        # The slow format and the one that failed are not measured again.
        self.assertEqual(measured, [("contiguous", "eager"), ("channels_last", "eager"), ("contiguous", "compile"),
                                    ("channels_last", "compile"), ("channels_last", "eager"),
                                    ("channels_last", "compile")])
        self.assertEqual(list(pytorch.failures.values()), ["no compiler"])
        self.assertEqual(pytorch.version, "2.9")

    def test_options(self):
        options = bench.read_options(["--gpu", "1", "--precision", "bf16,fp32"])
        self.assertEqual((options.gpu, options.precision, options.most), (1, ["bf16", "fp32"], 600))
        self.assertIsNone(bench.read_options([]).gpu)


class RunTest(unittest.TestCase):
    def test_networks_get_every_precision_and_the_result_is_kept(self):
        """All of run() but the programs: what they answer is constructed."""
        asked, shown = [], []

        class Answers:
            def __init__(self, _path, _seconds, number):
                asked.append(number)

            def versions(self):
                return {"darknet-generations": "0"}

            def measure(self, workload, work, _threads, _results):
                asked.append((image_sets.read(workload.cfg).decode().split("precision=")[1].split()[0],
                              workload.batch, work))
                return result(1000.0)

            def profile(self, *_words):
                return {"seconds": 1.0, "layers": [], "cost": 0.25}

        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out.json")
            options = bench.read_options(["--gpu", "3", "--precision", "tf32,bf16", "--repetitions", "1", "--card",
                                          "A100", "--json", path, os.path.join(ROOT, "cfg", "cifar100-resnet8.cfg")])
            with (unittest.mock.patch.object(bench, "Program", Answers),
                  unittest.mock.patch.object(bench, "show", shown.append),
                  unittest.mock.patch.object(Workload, "require")):
                bench.run(options, folder)
            report = bench.read_report(path)
        self.assertEqual(asked, [3] + [(precision, 128, work) for precision in ("tf32", "bf16") for work in WORK])
        self.assertEqual([(row["precision"], row["work"]) for row in report["rows"]],
                         [(precision, work) for precision in ("tf32", "bf16") for work in WORK])
        self.assertEqual(report["card"], "A100")
        self.assertTrue(all(row["batch"] / 1000.0 > row["roofline_seconds"] for row in report["rows"]))
        self.assertEqual(report["shares"]["cifar100-resnet8"]["bf16"]["train"], {"cost": 0.25, "the rest": 0.75})
        self.assertEqual(sum(line.startswith("cifar100-resnet8 ") for line in shown), 6)


class ResultsTest(unittest.TestCase):
    """bench/results and what is made of it."""

    RESULTS = sorted(glob.glob(os.path.join(ROOT, "bench", "results", "*.json")))

    def test_documentation_has_the_table_of_every_result(self):
        documented = image_sets.read(os.path.join(ROOT, "docs", "performance.md")).decode()
        self.assertTrue(self.RESULTS)
        for path in self.RESULTS:
            table = "\n".join(tables.markdown(bench.read_report(path)))
            self.assertTrue(table in documented, f"scripts/bench.py --table {path} prints what is not in it")

    def test_medians_and_ratios_are_those_of_the_repetitions(self):
        for row in (row for path in self.RESULTS for row in bench.read_report(path)["rows"] if "repetitions" in row):
            for kind, rates in row["repetitions"].items():
                self.assertEqual(statistics.median(rates), row["images_per_second"][kind], row)
                if kind != "program":
                    ratios = [own / other for own, other in zip(row["repetitions"]["program"], rates, strict=True)]
                    self.assertAlmostEqual(statistics.median(ratios), row["ratio"][kind], delta=0.025, msg=row)

    def test_the_table_has_the_largest_number_of_threads_and_its_scaling(self):
        rows = entries(Named, 1, [repetition(100, 200)]) + entries(Named, 2, [repetition(190, 200)])
        report = {"date": "2026-01-02 03:04:05", "machine": {"processor": "CPU", "cores": 2},
                  "versions": {"instructions": "avx2", "oneDNN": "2.6.3", "CUDA": "no"}, "rows": rows}
        self.assertEqual(tables.markdown(report)[:5], [
            "2026-01-02, CPU, 2 cores, avx2, oneDNN 2.6.3, 1 repetition.", "",
            "| network | threads | work | images/s | baseline | / baseline | peak MiB | / 1 thread |",
            "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
            "| cifar100-resnet20 | 2 | train | 190 | 200 | 0.95 | 1 | 1.90 |"])

    def test_the_chart_shows_training_on_the_most_threads(self):
        rows = entries(Named, 1, [repetition(100, 200)]) + entries(Named, 2, [repetition(190, 200)])
        self.assertEqual([chart.rates_of(row) for row in chart.training_rows({"rows": rows})],
                         [{"program": 190, "baseline": 200}])
        row = entries(OnGpu, 2, [repetition(100, None, 50)], {work: mock_roofline(0.5) for work in WORK})[0]
        self.assertEqual(chart.rates_of(row), {"program": 100, "roofline": 256, "eager": 50})

    @unittest.skipUnless(importlib.util.find_spec("matplotlib"), "matplotlib is missing")
    def test_the_chart_is_a_picture(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "chart.png")
            self.assertEqual(bench.main(["--chart", path, *self.RESULTS]), 0)
            self.assertTrue(image_sets.read(path).startswith(b"\x89PNG"))

    def test_other_files_are_one_line(self):
        with tempfile.TemporaryDirectory() as folder:
            path = image_sets.write(os.path.join(folder, "a.json"), b"{}")
            with unittest.mock.patch("sys.stderr", io.StringIO()) as errors:
                self.assertEqual(bench.main(["--table", path]), 1)
            self.assertIn(f"bench.py: {path}: no rows of format 1;", errors.getvalue())


def mock_roofline(seconds):
    return unittest.mock.Mock(seconds=seconds)


if __name__ == "__main__":
    unittest.main()
