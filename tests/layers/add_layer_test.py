#!/usr/bin/env python3
"""CONTRIBUTING.md's example of a new layer: its files and commands, exactly as written there, in a copy of the tree.

/usr/bin/python3 tests/layers/add_layer_test.py -v
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import DARKNET, FASHION, ROOT, RUN_SECONDS, RunTest

BUILD = pathlib.Path(DARKNET).parent
SOURCES = (".cpp", ".h", ".cu")


def example():
    """The steps of the example: number -> (names in backquotes, code)."""
    text = pathlib.Path(ROOT, "CONTRIBUTING.md").read_text()
    steps = re.split(r"^(\d)\. \*\*", text.split("\n## Add a layer in five steps\n")[1], flags=re.M)
    return {int(number): (re.findall(r"`(.+?)`", step),
                          "".join(line[7:] + "\n" for line in step.splitlines() if line.startswith(" " * 7) or not line)
                          .strip() + "\n")
            for number, step in zip(steps[1::2], steps[2::2], strict=True)}


def including(root, names, name):
    """The sources that include `name`, directly or not."""
    found, new = set(), {name}
    while new:
        pattern = re.compile('#include "(?:%s)"' % "|".join(re.escape(one.removeprefix("src/")) for one in new))
        found |= new
        new = {one for one in names if one not in found and pattern.search((root / one).read_text())}
    return found


class AddLayer(RunTest):
    def setUp(self):
        super().setUp()
        cache = BUILD / "CMakeCache.txt"
        text = cache.read_text() if cache.exists() else ""
        self.cache = dict(re.findall(r"^(\w+):\w+=(.*)$", text, flags=re.M))
        if self.cache.get("CMAKE_BUILD_TYPE") != "Release" or self.cache.get("DNG_SANITIZE"):
            self.skipTest("%s is no folder of a release build: name its program in DNG_DARKNET" % BUILD)
        # As in that build; CUDA's kernels would be compiled anew, which takes minutes.
        self.flags = " ".join(["-DGENERATIONS_CUDA=OFF"] + [
            "-D%s=%s" % (key, self.cache[key]) for key in ("CMAKE_CXX_COMPILER", "Darknet_DIR") if self.cache.get(key)])
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
        if listed.returncode:
            self.skipTest("%s is no Git repository" % ROOT)
        self.tree = pathlib.Path(self.folder)
        for name in listed.stdout.split("\0")[:-1]:
            if os.path.exists(os.path.join(ROOT, name)):
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(os.path.join(ROOT, name), self.tree / name)
        self.shell("git init -q && git add -A")

    def shell(self, command):
        # A make around this test hands its own variables down in MAKEFLAGS.
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
        environment.update(PRESET="release", CMAKE_FLAGS=self.flags, DARKNET_ROOT=self.cache.get("DARKNET_ROOT", ""))
        done = subprocess.run(command, shell=True, cwd=self.folder, env=environment, capture_output=True, text=True,
                              timeout=RUN_SECONDS)
        self.assertEqual(done.returncode, 0, "%s\n%s\n%s" % (command, done.stdout[-3000:], done.stderr[-3000:]))
        return done.stdout

    def reuse_objects(self):
        """Takes objects that the example does not change from the build under test; make sees by their time that they
        are new."""
        folder = self.tree / "build" / ("release-fork" if self.cache.get("DARKNET_ROOT") else "release")
        self.shell("cmake --preset release -B %s -G 'Unix Makefiles' %s -DDARKNET_ROOT=$DARKNET_ROOT" % (
            folder, self.flags))
        names = [str(path.relative_to(self.tree)) for path in self.tree.rglob("*") if path.suffix in SOURCES]
        changed = including(self.tree, names, "layers/layers.def")
        objects = BUILD / "CMakeFiles"
        for path in sorted(objects.rglob("*.gch")) + sorted(objects.rglob("*.o")):
            place = folder / "CMakeFiles" / path.relative_to(objects)
            source = "/".join(place.relative_to(folder).parts[2:]).removesuffix(".o")
            if source not in changed and place.parent.is_dir():
                shutil.copyfile(path, place)

    def test_the_example_builds_and_does_what_it_says(self):
        steps = example()
        for number in (1, 2):
            names, code = steps[number]
            self.write(names[0], code)
        line, file = steps[3][0][:2]
        self.assertEqual((line, file), ("COST(focal)", "layers/layers.def"))
        self.write(file, self.read(file).decode().replace("#undef", line + "\n#undef", 1))
        self.reuse_objects()
        ruff = os.path.join(ROOT, "build", "ruff")
        if os.path.isdir(ruff):
            os.symlink(ruff, self.tree / "build" / "ruff")
        printed = {}
        for command in steps[3][1].splitlines():
            if not os.path.isdir(ruff):  # without the linters' programs
                command = command.replace("make format && ", "")
            if "train" not in command or os.path.isdir(FASHION):
                printed[command.partition("  ")[0]] = self.shell(command)
        for number in (1, 2):
            self.assertEqual(self.read(steps[number][0][0]).decode(), steps[number][1], "make format changed it")
        focal = printed["./darknet layer focal gamma=2 logits.csv"]
        plain = self.shell("./darknet layer softmax logits.csv")
        self.assertEqual(printed["./darknet layer focal gamma=0 logits.csv"], plain)
        self.assertNotEqual(focal, plain)
        self.check_gradient(focal)
        for command, log in printed.items():
            if "train" in command:
                losses = [float(loss) for loss in re.findall(r"^\d+, [\d.]+: ([\d.]+),", log, flags=re.M)]
                self.assertLess(losses[-1], losses[0] / 2, log[:2000])

    def check_gradient(self, printed):
        """Against central differences of the loss."""
        step = 1e-3
        label, *logits = self.read("logits.csv").decode().strip().split(",")
        rows = []
        for index in range(len(logits)):
            for shift in (step, -step):
                moved = [float(logit) + shift * (index == at) for at, logit in enumerate(logits)]
                rows.append(",".join([label, *map(repr, moved)]))
        self.write("moved.csv", "\n".join(rows) + "\n")
        losses = [float(row.split(",")[0]) for row in self.shell(
            "./darknet layer focal gamma=2 moved.csv").splitlines()]
        gradient = [float(value) for value in printed.split(",")[1:]]
        for index, value in enumerate(gradient):
            self.assertAlmostEqual((losses[2 * index] - losses[2 * index + 1]) / (2 * step), value, delta=1e-5)


if __name__ == "__main__":
    unittest.main()
