#!/usr/bin/env python3
"""Tests of the cfg and data files that come with the project, and of the experiments in cfg/generations.

python3 tests/scripts/recipes_test.py
"""

import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import ROOT

from generations_driver import cfg_files, files
from generations_driver.experiment import Experiment
from generations_driver.folder import Folder
from generations_driver.sweep import read_sweep


class ProjectFiles(unittest.TestCase):
    """The cfg and data files that come with the project."""

    def setUp(self):
        self.before = os.getcwd()
        os.chdir(ROOT)

    def tearDown(self):
        os.chdir(self.before)

    def test_every_experiment_can_be_prepared(self):
        names = sorted(os.listdir("cfg/generations"))
        self.assertIn("fashion-demo.ini", names)
        for name in names:
            path = os.path.join("cfg/generations", name)
            sweep = read_sweep(path, [], None)
            for experiment in sweep.experiments if sweep else [Experiment(path)]:
                with self.subTest(name, experiment=experiment.name):
                    if name.startswith("ilsvrc2012") and not os.path.exists(experiment.data):
                        self.skipTest(f"{experiment.data} is not there")
                    Folder(os.path.join("runs", experiment.name), experiment).prepare()

    def test_every_row_is_what_its_name_says(self):
        rows = r"(cifar100-(?:resnet|densenet)\d+(?:-stride2)?|ilsvrc2012-resnet\d+)(?:-(.*))?\.ini"
        seen = set()
        for name in sorted(os.listdir("cfg/generations")):
            match = re.fullmatch(rows, name)
            if not match:
                self.assertRegex(name, r"fashion-demo\.ini|study-tuning.*\.ini")
                continue
            network, row = match.groups(default="")
            if row in ("paper", "sweep"):
                continue
            with self.subTest(name):
                experiment = Experiment(os.path.join("cfg/generations", name))
                self.assertEqual(experiment.network, f"cfg/{network}.cfg")
                self.assertEqual(experiment.data, f"cfg/{network.split('-')[0]}.data")
                self.check_row(row, experiment)
                seen.add((network, re.sub(r"[-0-9.]+(half)?$", "", row)))
        kinds = {"", "baseline", "born-again", "confidence", "eta", "label-smoothing", "confidence-penalty"}
        self.assertLessEqual({("cifar100-resnet20", kind) for kind in kinds}, seen)

    def test_settings_of_the_study_are_not_chosen_on_test_images(self):
        for name in (name for name in os.listdir("cfg/generations") if name.startswith("study-tuning")):
            path = os.path.join("cfg/generations", name)
            sweep = read_sweep(path, [], None)
            for experiment in sweep.experiments if sweep else [Experiment(path)]:
                data = cfg_files.read_data(experiment.data)
                self.assertNotIn("valid", data)
                self.assertGreater(int(data["held_out_per_class"]), 0)

    def check_row(self, row, experiment):
        patriarch, weight = dict(experiment.patriarch), experiment.student["lambda"]
        kind, number, half = re.fullmatch(r"([a-z-]*?)-?([0-9.]*)(-half)?", row).groups()
        cost = {"label-smoothing": "label_smoothing", "confidence-penalty": "confidence_penalty"}.get(kind, "tsd")
        if kind in ("baseline", "born-again"):
            self.assertEqual(patriarch, {"cost": "softmax"})
            self.assertEqual(experiment.generations == 0, kind == "baseline")
            self.assertIn(number, ("", weight))
            return
        self.assertEqual(patriarch.pop("cost"), cost)
        self.assertGreater(experiment.generations, 0)
        self.assertEqual(weight, "0.5" if half else "0.6")
        if cost == "tsd":
            self.assertEqual(patriarch, {kind or "confidence": number or "0.6", "k": "5"})

    def test_papers_rows_are_the_recipes_themselves(self):
        for network in ("resnet20", "resnet56", "densenet100"):
            rows = read_sweep(f"cfg/generations/cifar100-{network}-paper.ini", [], None).experiments
            self.assertEqual(len(rows), 13)
            for experiment in rows:
                own = Experiment(f"cfg/generations/cifar100-resnet20-{experiment.name}.ini")
                self.assertEqual((experiment.patriarch, experiment.student), (own.patriarch, own.student))
                self.assertEqual(experiment.network, f"cfg/cifar100-{network}.cfg")
                self.assertTrue(experiment.reuse)
        self.assertEqual(len(read_sweep("cfg/generations/cifar100-resnet20-sweep.ini", [], None).experiments), 27)

    def test_names_and_superclasses_fit_the_classes(self):
        for name in ("cfg/cifar100.data", "cfg/fashion.data"):
            keys = cfg_files.read_data(name)
            for key in ("labels", "names", "superclasses"):
                if key in keys:
                    lines = files.read_text(keys[key], key).splitlines()
                    self.assertEqual(len(lines), int(keys["classes"]), keys[key])
        superclasses = [int(line) for line in files.read_text("data/cifar100.superclasses", "x").split()]
        self.assertEqual([superclasses.count(index) for index in range(20)], [5] * 20)
        self.assertEqual(len(files.read_text("data/cifar100.coarse", "x").splitlines()), 20)

    def test_shapes_of_the_networks_fit(self):
        for name, outputs, depth in (
            ("cifar100-resnet8", 100, 8),
            ("cifar100-resnet20", 100, 20),
            ("fashion-resnet", 10, 8),
            ("fashion-small", 10, 4),
        ):
            with self.subTest(name):
                path = f"cfg/{name}.cfg"
                sections = cfg_files.read_sections(path, files.read_text(path, "cfg"))
                shapes, weighted = self.shapes(sections)
                self.assertEqual(shapes[-1], (outputs, 1))
                self.assertEqual(weighted, depth)

    def shapes(self, sections):
        """Shape (channels, side) of every layer, as both Darknets work it out, and the layers on the main path."""
        net = {key: value for key, value, _ in sections[0][2]}
        shapes, weighted, current = [], 0, (int(net["channels"]), int(net["height"]))
        for name, line, entries in sections[1:]:
            options = {key: value for key, value, _ in entries}
            channels, side = current
            if name == "convolutional":
                size, stride = int(options["size"]), int(options["stride"])
                self.assertFalse(size == 1 and stride > 1, f"line {line}: a strided 1x1 convolution")
                padding = size // 2 if options["pad"] == "1" else 0
                current = (int(options["filters"]), (side + 2 * padding - size) // stride + 1)
                weighted += size > 1
            elif name == "maxpool":
                current = (channels, (side - 1) // int(options["stride"]) + 1)
            elif name == "route":
                current = shapes[len(shapes) + int(options["layers"])]
            elif name == "shortcut":
                self.assertEqual(shapes[len(shapes) + int(options["from"])], current, f"line {line}")
            elif name == "avgpool":
                current = (channels, 1)
            elif name == "connected":
                current = (int(options["output"]), 1)
                weighted += 1
            shapes.append(current)
        return shapes, weighted


if __name__ == "__main__":
    unittest.main()
