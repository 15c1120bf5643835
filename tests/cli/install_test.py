#!/usr/bin/env python3
"""The installed program: works from any folder, finds its own files, and writes nothing below the prefix.

/usr/bin/python3 tests/cli/install_test.py -v
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import DARKNET, HOST, ROOT, RunTest, SOFTMAX, fashion_data, fashion_network, write_fashion

BUILD = os.path.dirname(DARKNET)
EXPERIMENT = "[experiment]\ndata=small.data\nnetwork=cfg/small.cfg\ngenerations=1\nbaseline=0\n\n" \
    "[patriarch]\ncost=tsd\nconfidence=0.6\n\n[student]\nlambda=0.6\n"


def tree(folder):
    return sorted(os.path.join(path, name) for path, folders, names in os.walk(folder) for name in folders + names)


class InstallTest(RunTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not os.path.exists(os.path.join(BUILD, "cmake_install.cmake")):
            raise unittest.SkipTest(f"{BUILD} is no build folder: name its program in DNG_DARKNET")
        cls.prefix = tempfile.mkdtemp(prefix="dng-install-")
        cls.addClassCleanup(shutil.rmtree, cls.prefix, ignore_errors=True)
        subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.prefix], check=True, stdout=subprocess.DEVNULL)
        cls.installed = os.path.join(cls.prefix, "bin", "darknet-generations")
        cls.share = os.path.join(cls.prefix, "share", "darknet-generations")

    def run_installed(self, *words, **options):
        return self.run_darknet(*words, program=self.installed, **options)

    def test_version_names_what_it_computes_with(self):
        with open(os.path.join(ROOT, "CMakeLists.txt"), encoding="utf-8") as file:
            version = re.search(r"project\(\S+ VERSION (\S+)", file.read())[1]
        lines = self.run_installed("--version").stdout.splitlines()
        self.assertEqual(lines[0], f"darknet-generations {version}")
        values = dict(line.split(None, 1) for line in lines[1:])
        self.assertEqual(set(values), {"host", "oneDNN", "CUDA", "instructions"})
        library = values["host"].rpartition(", ")[2]
        self.assertTrue(os.path.isfile(library), library)
        self.assertEqual("AlexeyAB" in values["host"], HOST == "alexeyab")
        self.assertRegex(values["oneDNN"], r"^\d+\.\d+\.\d+$")
        limited = self.run_installed("--version", env={**os.environ, "DNNL_MAX_CPU_ISA": "SSE41"}).stdout
        self.assertIn("instructions  sse2\n", limited)

    def test_help_of_every_verb(self):
        for word in ("--help", "-h"):
            for verb in ("classifier train", "classifier inspect", "layer", "options"):
                done = self.run_installed(*verb.split(), word)
                self.assertTrue(done.stdout.startswith(f"darknet-generations {verb} "), done.stdout)
                self.assertEqual((done.stdout.count("\n"), done.stderr), (1, ""))
            self.assertEqual(self.run_installed("classifier", word).stdout.count("darknet-generations classifier "), 7)
        self.assertIn("chain run", self.run_installed("chain", "run", "--help").stdout)

    def test_chain_finds_installed_files_and_writes_nothing_there(self):
        write_fashion(self.folder, 64, 32)
        # Labels and network come from the share folder, the rest from the current one.
        self.write("small.data", fashion_data(labels="data/fashion.labels"))
        network = os.path.join(self.share, "cfg", "small.cfg")
        with open(network, "w", encoding="utf-8") as file:
            file.write(fashion_network(SOFTMAX, epochs=1))
        self.addCleanup(os.unlink, network)
        self.write("small.ini", EXPERIMENT)
        before = tree(self.prefix)
        environment = {**os.environ, "MPLCONFIGDIR": self.path("matplotlib")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        done = self.run_installed("chain", "run", "small.ini", env=environment)
        self.assertIn("seed 1 student1: done", done.stdout)
        self.assertTrue(os.path.isfile(self.path("runs", "small", "summary.json")))
        self.assertIn(b"# darknet-generations classifier train", self.read("runs", "small", "seed1", "patriarch.cfg"))
        self.assertIn("done", self.run_installed("chain", "status", "runs/small").stdout)
        probe = os.path.join(self.share, "scripts", "linear_probe.py")
        subprocess.run([probe, "--help"], check=True, stdout=subprocess.DEVNULL, env=environment)
        self.assertEqual(tree(self.prefix), before)

    def test_experiments_have_names(self):
        done = self.run_installed("chain", "run", "fashion-demo", "--set", "network.power=x", code=2)
        self.assertNotIn("cannot read", done.stderr)
        self.assertIn("power=x", done.stderr)

    def test_missing_files_are_named_with_both_places(self):
        done = self.run_installed("classifier", "train", "cfg/none.data", "cfg/fashion-small.cfg", code=1)
        self.assert_one_line(done, "cfg/none.data", os.path.join(self.share, "cfg/none.data"))
        done = self.run_installed("chain", "run", "none.ini", code=1)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn("none.ini: cannot read", done.stderr)
        self.assertIn(os.path.join(self.share, "none.ini"), done.stderr)

    def test_the_current_folder_comes_first(self):
        self.write("cfg/fashion.data", "classes=x\n")
        done = self.run_installed("options", "cfg/fashion-small.cfg", "cfg/fashion.data", code=1)
        self.assert_one_line(done, "cfg/fashion.data:1: classes")
        os.unlink(self.path("cfg/fashion.data"))
        self.run_installed("options", "cfg/fashion-small.cfg", "cfg/fashion.data")

    def test_man_page_renders(self):
        page = os.path.join(self.prefix, "share", "man", "man1", "darknet-generations.1.gz")
        if shutil.which("man") is None:
            self.skipTest("man is missing: install man-db")
        done = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True, check=True,
                              env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
        self.assertEqual(done.stderr, "")
        for words in ("darknet-generations classifier train DATA CFG", "chain run", "-state_seconds", "--jobs"):
            self.assertIn(words, re.sub(r".\x08", "", done.stdout))

    def complete(self, *words):
        script = os.path.join(self.prefix, "share", "bash-completion", "completions", "darknet-generations")
        line = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _darknet_generations; echo "${COMPREPLY[*]}"'
        done = subprocess.run(["bash", "-c", line, script, "darknet-generations", *words], capture_output=True,
                              text=True, check=True)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_completion(self):
        self.assertEqual(self.complete("cl"), ["classifier"])
        self.assertEqual(self.complete("classifier", "tr"), ["train"])
        self.assertEqual(self.complete("classifier", "train", "-state"), ["-state_seconds"])
        self.assertEqual(self.complete("classifier", "valid", "a.data", "-js"), ["-json"])
        self.assertEqual(self.complete("chain", "st"), ["status", "stop", "step", "stock"])
        self.assertEqual(self.complete("chain", "run", "a.ini", "--j"), ["--jobs"])
        self.assertEqual(self.complete("chain", "run", "a.ini", "--no"), ["--no-estimate", "--no-figures"])
        self.assertEqual(self.complete("classifier", "train", "cfg/fa"), [])  # a file


if __name__ == "__main__":
    unittest.main()
