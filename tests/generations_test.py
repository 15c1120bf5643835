#!/usr/bin/env python3
"""Tests of scripts/generations.py: against a stand-in for ./darknet, and with DNG_DARKNET=FILE against the program.

python3 tests/generations_test.py
"""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "scripts"))

import plot_generations  # noqa: E402
from generations_driver import cfg_files, files  # noqa: E402
from generations_driver.errors import Failure  # noqa: E402
from generations_driver.experiment import Experiment  # noqa: E402
from generations_driver.figures.style import load_matplotlib  # noqa: E402
from generations_driver.folder import Folder  # noqa: E402
from generations_driver.program import Program  # noqa: E402
from generations_driver.report import facts  # noqa: E402
from generations_driver.methods import labels_of, method_of  # noqa: E402
from generations_driver.summary import spread  # noqa: E402
from generations_driver.sweep import read_sweep  # noqa: E402

SCRIPT = os.path.join(ROOT, "scripts", "generations.py")
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # without a disk, syncing is quick
ONE_SEED = ("--set", "experiment.seeds=1")

# What `darknet options` prints, less allowed and meaning.
OPTIONS = {
    "host": "packaged",
    "net": [{"name": name, "default": None} for name in "batch epochs learning_rate max_batches momentum".split()],
    "costs": {
        "softmax": [{"name": "groups", "default": "1"}],
        "distill": [
            {"name": "lambda", "default": "0.6"},
            {"name": "temperature", "default": "1"},
            {"name": "teacher", "default": None},
            {"name": "teacher_weights", "default": None},
            {"name": "targets", "default": None},
        ],
        "label_smoothing": [{"name": "epsilon", "default": "0.1"}],
        "tsd": [
            {"name": "eta", "default": None},
            {"name": "confidence", "default": None},
            {"name": "k", "default": "5"},
            {"name": "primary", "default": "top"},
            {"name": "warmup_epochs", "default": "0"},
        ],
    },
    "layers": {},
}

# Honours the command line of `./darknet`: an epoch after the first takes FAKE_SECONDS, weights follow from seed, cfg
# and teacher, accuracies from the weights.
FAKE = r"""
import hashlib, json, os, signal, struct, sys, time, zlib

def say(text):
    print(text, flush=True)

def fail(text):
    sys.stderr.write("a warning\n" + text + "\n")
    sys.exit(1)

def keys(path, section=None):
    found, inside = {}, section is None
    for line in open(path):
        line = line.strip()
        if line.startswith("["):
            name = line[1:-1]
            inside = section is None or name == section
            found["last section"] = name
        elif inside and "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found[key] = value
    return found

def accuracy(*words):
    return 0.5 + int(hashlib.sha256(" ".join(map(str, words)).encode()).hexdigest()[:4], 16) / 2 ** 16 / 4

arguments = sys.argv[1:]
if arguments == ["options"]:
    say(os.environ["FAKE_OPTIONS"])
    sys.exit()
if arguments[0] == "layer":
    cost, *options, path = arguments[1:]
    assert len(open(path).read().split(",")) == (21 if cost == "distill" else 11)
    if os.environ.get("FAKE_FAIL") == cost:
        fail("darknet: command line: [%s] %s: not allowed" % (cost, options[0]))
    sys.exit()
with open(os.environ["FAKE_CALLS"], "a") as file:
    file.write(json.dumps(arguments) + "\n")
assert arguments[0] == "classifier", arguments
verb, data_path, cfg_path = arguments[1:4]
data, rest = keys(data_path), arguments[4:]
base = os.path.splitext(os.path.basename(cfg_path))[0]
if os.environ.get("FAKE_FAIL") in (base, verb):
    fail(cfg_path + ":3: [net] nonsense=1: no such key")

def option(name):
    return rest[rest.index(name) + 1] if name in rest else None

if verb == "targets":
    cfg = keys(cfg_path, "distill")
    assert os.path.exists(cfg["teacher"]) and os.path.exists(cfg["teacher_weights"]), cfg
    assert option("-seed")
    open(option("-out"), "w").write("targets")
elif verb == "train":
    seed, net, cost = option("-seed"), keys(cfg_path, "net"), keys(cfg_path, "distill")
    assert option("-threads") and "-resume" in rest and "-dont_show" in rest
    if "teacher" in cost:
        assert os.path.exists(cost["teacher"]) and os.path.exists(cost["teacher_weights"]), cost
    if "targets" in cost:
        assert os.path.exists(cost["targets"]), cost
    learned = [line for line in open(cfg_path) if line.strip() and line[0] != "#" and "/" not in line]
    for key in ("teacher_weights", "targets"):
        learned += [open(cost[key]).read()] if key in cost else []
    learned = hashlib.sha256("".join(learned).encode()).hexdigest()[:8]
    prefix = os.path.join(data["backup"], base)
    epochs, begun = int(net["epochs"]), 0
    if os.path.exists(prefix + ".state"):
        begun = int(open(prefix + ".state").read())
        say("resumed at iteration %d" % (10 * begun))
    else:
        say("no state: from the beginning")
        open(prefix + ".csv", "w").write(
            "epoch,iteration,train_loss,train_top1,valid_loss,valid_top1,valid_topk,rate,seconds\n")
    stop = []
    signal.signal(signal.SIGINT, lambda number, frame: stop.append(number))
    signal.signal(signal.SIGTERM, lambda number, frame: stop.append(number))
    for epoch in range(begun + 1, epochs + 1):
        for iteration in range(10 * epoch - 9, 10 * epoch + 1):
            time.sleep(float(os.environ["FAKE_SECONDS"]) / 10 if epoch > 1 else 0)
            if stop:
                open(prefix + ".signals", "a").write("%d\n" % stop[0])
                time.sleep(0.3)
                open(prefix + ".signals", "a").write("%d in all\n" % len(stop))
                open(prefix + ".state", "w").write(str(epoch - 1))
                sys.stderr.write("stopped at iteration %d\n" % iteration)
                sys.exit(128 + stop[0])
            say("%d, %.3f: 1.234, 1.3 avg, 0.1 rate, 0.01 seconds, %d images, 0.1 hours left" % (
                iteration, iteration / 10, 64 * iteration))
        top1 = accuracy(seed, base, epoch)
        open(prefix + ".csv", "a").write("%d,%d,1.2,0.4,1.1,%.6f,%.6f,0.1,2.5\n" % (epoch, 10 * epoch, top1, top1 + .2))
        say("epoch %d: train loss 1.2 top1 0.4000, valid loss 1.1 top1 %.4f top5 %.4f, 2.5 s" % (
            epoch, top1, top1 + .2))
        open(prefix + ".state", "w").write(str(epoch))
        for kind in ("last", "best"):
            open("%s_%s.weights" % (prefix, kind), "w").write("%s %s %s" % (seed, learned, kind))
    open(prefix + "_final.weights", "w").write("%s %s final" % (seed, learned))
else:
    assert keys(cfg_path)["last section"] == "softmax"
    weights = [word for word in rest if word.endswith(".weights")]
    texts = [open(word).read() for word in weights]
    if verb == "valid":
        top1 = accuracy(*texts)
        result = {"top1": top1, "topk": top1 + .2, "top5": top1 + .2, "k": 5, "loss": 1.5 - top1, "images": 1000}
    elif verb == "ensemble":
        assert len(weights) > 1
        top1 = max(accuracy(text) for text in texts) + 0.01
        result = {"top1": top1, "topk": top1 + .2, "k": 5, "loss": 1.5 - top1, "images": 1000,
                  "members": [{"weights": word, "top1": accuracy(text), "loss": 1.0}
                              for word, text in zip(weights, texts)]}
    elif verb == "inspect":
        sure = accuracy(*texts, option("-set"))
        teacher = option("-teacher")
        bins = [{"images": 10 * (i + 1), "confidence": (i + .5) / 15, "accuracy": 0.5} for i in range(15)]
        assert option("-set") in ("valid", "train")
        result = {"set": option("-set"), "mean_primary": sure, "mean_rank_2_k": (1 - sure) / 4, "dist_between": 0.9,
                  "dist_within": None, "inside_superclass": None, "ece": float("nan"), "calibration_bins": bins,
                  "teacher_agreement": accuracy(open(teacher).read(), *texts) if teacher else None}
        if option("-examples"):
            assert int(option("-count")) > 0
            os.makedirs(option("-examples"), exist_ok=True)
            rows = zlib.compress(b"".join(b"\0" + bytes(range(i, i + 24)) for i in range(8)))
            chunks = ((b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b""))
            with open(os.path.join(option("-examples"), "000001.png"), "wb") as file:
                file.write(b"\x89PNG\r\n\x1a\n" + b"".join(
                    struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
                    for kind, body in chunks))
            top = [{"class": i, "name": "class_%d" % i, "probability": sure / (i + 1) ** 2} for i in range(5)]
            image = {"index": 1, "file": "000001.png", "label": 1, "label_name": "class_1", "top": top}
            json.dump({"set": "valid", "k": 5, "images": [image]},
                      open(os.path.join(option("-examples"), "examples.json"), "w"))
    else:
        fail("no verb " + verb)
    json.dump(result, open(option("-json"), "w"))
    say("top1 %.4f top5 %.4f loss 1.0 images 1000" % (result.get("top1", 0), result.get("topk", 0)))
"""

NETWORK = """\
# a network
[net]
batch=8
learning_rate=0.1
max_batches=500

# comment before the first layer
[convolutional]
filters=2

[softmax]
groups=1
"""

EXPERIMENT = """\
[experiment]
name=trial
data=a.data
network=net.cfg
generations=2
seeds=1 2

[network]
epochs=3

[patriarch]
cost=tsd
confidence=0.6

[student]
lambda=0.5
"""


def weights_record(folder, name):
    with open(os.path.join(folder, f"{name}.json"), encoding="utf-8") as file:
        return json.load(file)


class Case(unittest.TestCase):
    """A folder of its own as working directory, with an experiment and the stand-in."""

    def setUp(self):
        self.before = os.getcwd()
        self.folder = tempfile.mkdtemp(prefix="generations_test.", dir=MEMORY)
        os.chdir(self.folder)
        self.write("a.data", "classes = 10\ntrain=train.bin\nvalid=valid.bin\nbackup=elsewhere\n")
        self.write("net.cfg", NETWORK)
        self.write("a.ini", EXPERIMENT)
        self.write("darknet", f"#!{sys.executable} -IS\n" + FAKE)
        os.chmod("darknet", os.stat("darknet").st_mode | stat.S_IXUSR)
        os.makedirs("blocked")  # drawing takes longer than all the rest
        self.write("blocked/matplotlib.py", "raise ImportError('not installed')\n")
        fake = {"FAKE_CALLS": os.path.join(self.folder, "calls"), "FAKE_OPTIONS": json.dumps(OPTIONS)}
        fake |= {"FAKE_SECONDS": "0", "PYTHONPATH": os.path.join(self.folder, "blocked")}
        self.environment = {**os.environ, **fake}
        os.environ["FAKE_OPTIONS"] = fake["FAKE_OPTIONS"]

    def tearDown(self):
        os.chdir(self.before)
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, path):
        with open(path, encoding="utf-8") as file:
            return file.read()

    def run_driver(self, *arguments, code=0, **environment):
        """Runs the script to its end; checks the exit code, and that a failure is one line on stderr."""
        done = subprocess.run(
            [sys.executable, SCRIPT, *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            env={**self.environment, **environment},
            check=False,
        )
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        if code in (1, 2):
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done

    def start_driver(self, *arguments, **environment):
        return subprocess.Popen(
            [sys.executable, SCRIPT, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environment, **environment},
        )

    def experiment(self, *overrides):
        return Experiment("a.ini", overrides, Program("./darknet"))

    def calls(self):
        return [json.loads(line) for line in self.read("calls").splitlines()]

    def wait_for(self, condition, seconds=20):
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, "nothing happened")
            time.sleep(0.02)


class ExperimentFile(Case):
    def refused(self, text, *words, overrides=(), code=1):
        self.write("a.ini", text)
        with self.assertRaises(Failure) as caught:
            self.experiment(*overrides)
        message = str(caught.exception)
        self.assertNotIn("\n", message)
        for word in words:
            self.assertIn(word, message)
        self.assertEqual(caught.exception.code, code)

    def test_defaults_are_filled_in(self):
        experiment = self.experiment()
        self.assertEqual(experiment.seeds, [1, 2])
        tsd = {"cost": "tsd", "confidence": "0.6", "k": "5", "primary": "top", "warmup_epochs": "0"}
        self.assertEqual(experiment.patriarch, tsd)
        self.assertEqual(experiment.student, {"cost": "distill", "lambda": "0.5", "temperature": "1"})
        self.assertTrue(experiment.baseline and experiment.ensemble)
        self.assertFalse(experiment.cached)

    def test_unknown_names_are_refused_with_line_and_nearest_name(self):
        self.refused(EXPERIMENT.replace("generations=", "generation="), "a.ini:5:", "generation=", "'generations'")
        self.refused(EXPERIMENT.replace("[student]", "[students]"), "a.ini:15:", "[students]", "'student'")
        self.refused(EXPERIMENT.replace("epochs=", "epoch="), "a.ini:9:", "'epochs'")
        self.refused(EXPERIMENT.replace("cost=tsd", "cost=tds"), "a.ini:12:", "'tsd'")

    def test_duplicates_name_both_lines(self):
        self.refused(EXPERIMENT.replace("generations=2", "generations=2\ngenerations=3"), "a.ini:6:", "line 5")
        self.refused(EXPERIMENT + "[network]\n", "a.ini:17:", "line 8")

    def test_values_of_its_own_keys_are_checked(self):
        for old, new, line in (
            ("seeds=1 2", "seeds=1 1", 6),
            ("seeds=1 2", "seeds=one", 6),
            ("generations=2", "generations=-1", 5),
            ("lambda=0.5", "cached=yes", 16),
            ("name=trial", "name=../trial", 2),
            ("generations=2", "generations=2 # two", 5),
        ):
            self.refused(EXPERIMENT.replace(old, new), f"a.ini:{line}:", "is not allowed")

    def test_two_keys_for_one_thing_exclude_each_other(self):
        self.refused(EXPERIMENT.replace("confidence=0.6", "eta=0.6\nconfidence=0.6"), "a.ini:13:", "exclude")
        self.refused(EXPERIMENT.replace("epochs=3", "epochs=3\nmax_batches=9"), "a.ini:9:", "exclude")
        self.write("a.ini", EXPERIMENT)
        experiment = self.experiment("patriarch.eta=0.4", "network.max_batches=9")
        self.assertEqual(experiment.net, {"max_batches": "9"})
        self.assertEqual(list(experiment.patriarch), ["cost", "eta", "k", "primary", "warmup_epochs"])

    def test_base_is_read_first_and_only_what_differs_is_said(self):
        self.write("base.ini", EXPERIMENT)
        self.write("a.ini", "[experiment]\nbase=base.ini\nseeds=9\n[patriarch]\neta=0.5\n")
        experiment, base = self.experiment(), Experiment("base.ini", (), Program("./darknet"))
        self.assertEqual((experiment.name, experiment.seeds), ("a", [9]))
        self.assertEqual((experiment.net, experiment.student), (base.net, base.student))
        self.assertEqual(experiment.patriarch["eta"], "0.5")
        self.assertNotIn("confidence", experiment.patriarch)

    def test_another_cost_drops_the_options_of_the_bases(self):
        self.write("base.ini", EXPERIMENT + "cached=1\n")
        self.write("middle.ini", "[experiment]\nbase=base.ini\n[patriarch]\ncost=label_smoothing\nepsilon=0.2\n")
        self.write("a.ini", "[experiment]\nbase=middle.ini\n[student]\nlambda=0.9\n")
        experiment = self.experiment()
        self.assertEqual(experiment.patriarch, {"cost": "label_smoothing", "epsilon": "0.2"})
        self.assertEqual(experiment.student["lambda"], "0.9")
        self.assertTrue(experiment.cached)

    def test_bases_are_checked(self):
        self.write("base.ini", EXPERIMENT.replace("lambda=0.5", "lamda=0.5"))
        self.refused("[experiment]\nbase=base.ini\n", "base.ini:16:", "'lambda'")
        self.refused("[experiment]\nbase=bse.ini\n", "a.ini:2:", "no file", "relative to this file")
        self.write("base.ini", "[experiment]\nbase=a.ini\n")
        self.refused("[experiment]\nbase=base.ini\n", "base.ini:2:", "based on itself")

    def test_option_of_another_cost_is_refused(self):
        self.refused(EXPERIMENT.replace("cost=tsd", "cost=label_smoothing"), "a.ini:13:", "confidence=", "cost=tsd")

    def test_malformed_lines_are_refused(self):
        self.refused("generations=2\n", "a.ini:1:", "before the first [section]")
        self.refused(EXPERIMENT + "lambda\n", "a.ini:17:", "key=value")
        self.refused(EXPERIMENT + "temperature=\n", "a.ini:17:", "no value")

    def test_set_overrides_with_the_same_checks(self):
        experiment = self.experiment("patriarch.confidence=", "patriarch.eta=0.4", "experiment.seeds=7")
        self.assertEqual(experiment.patriarch["eta"], "0.4")
        self.assertEqual(experiment.seeds, [7])
        for override, word in (
            ("student.lamda=1", "'lambda'"),
            ("student.cached=2", "not allowed"),
            ("lambda=1", "section.key"),
            ("pupil.lambda=1", "[pupil]"),
            ("student.temperature=", "takes a key out"),
        ):
            self.refused(EXPERIMENT, f"--set {override}", word, overrides=[override], code=2)
        self.refused(EXPERIMENT, "twice", overrides=["student.lambda=1", "student.lambda=0.5"], code=2)

    def test_written_experiment_reads_back_the_same(self):
        first = self.experiment("network.momentum=0.8", "student.cached=1")
        self.write("b.ini", first.as_text("command"))
        second = Experiment("b.ini")
        self.assertEqual(first.as_dictionary(), second.as_dictionary())


class Cfgs(Case):
    def folder_of(self, *overrides):
        folder = Folder("runs/trial", self.experiment(*overrides))
        folder.prepare()
        return folder

    def text(self, folder, name, seed=1):
        found = [entry for entry in folder.generations if (entry.name, entry.seed) == (name, seed)]
        return found[0].texts[found[0].cfg]

    def test_cost_replaces_softmax_and_overrides_replace_keys(self):
        text = self.text(self.folder_of("network.batch=16", "network.momentum=0.8"), "patriarch")
        sections = cfg_files.read_sections("x", text)
        self.assertEqual([name for name, _, _ in sections], ["net", "convolutional", "tsd"])
        net = {key: value for key, value, _ in sections[0][2]}
        self.assertEqual(net, {"batch": "16", "learning_rate": "0.1", "momentum": "0.8", "epochs": "3"})
        self.assertEqual(
            {key: value for key, value, _ in sections[2][2]},
            {"confidence": "0.6", "k": "5", "primary": "top", "warmup_epochs": "0"},
        )
        self.assertIn("# comment before the first layer\n[convolutional]", text)

    def test_student_names_the_generation_before_as_teacher(self):
        folder = self.folder_of()
        for name, teacher in (("student1", "patriarch"), ("student2", "student1")):
            text = self.text(folder, name, 2)
            self.assertIn(f"teacher_weights=runs/trial/seed2/{teacher}_final.weights\n", text)
            self.assertIn("teacher=runs/trial/network.cfg\n", text)
            self.assertIn("lambda=0.5\n", text)

    def test_every_generation_has_its_own_seed_and_the_baseline_the_patriarchs(self):
        seeds = {(entry.seed, entry.name): entry.training_seed for entry in self.folder_of().generations}
        self.assertEqual(seeds[1, "baseline"], seeds[1, "patriarch"])
        self.assertEqual(len(set(seeds.values())), 6)

    def test_backup_is_the_seeds_folder(self):
        generation = self.folder_of().generations[0]
        self.assertIn("backup=runs/trial/seed1\n", generation.texts[generation.data])
        self.assertNotIn("elsewhere", generation.texts[generation.data])

    def test_plain_patriarch_is_the_baseline(self):
        names = [entry.name for entry in self.folder_of("patriarch.cost=softmax", "patriarch.confidence=").generations]
        self.assertEqual(names, ["patriarch", "student1", "student2"] * 2)

    def test_network_without_softmax_at_its_end_is_refused(self):
        self.write("net.cfg", NETWORK.replace("[softmax]\ngroups=1", "[cost]\ntype=sse"))
        with self.assertRaisesRegex(Failure, r"net.cfg:11: the last section is \[cost\]"):
            self.folder_of()
        self.write("net.cfg", NETWORK.replace("groups=1", "temperature=2"))
        with self.assertRaisesRegex(Failure, r"net.cfg:12: .*temperature=2"):
            self.folder_of()

    def test_blank_in_the_folder_is_refused(self):
        with self.assertRaisesRegex(Failure, "blank"):
            Folder("my runs", self.experiment())


class Runs(Case):
    def test_whole_run(self):
        done = self.run_driver("run", "a.ini")
        summary = json.loads(self.read("runs/trial/summary.json"))
        self.assertTrue(summary["complete"], summary["missing"])
        self.assertEqual(len(summary["runs"]), 8)
        for run in summary["runs"]:
            for kind in ("last", "best"):
                self.assertGreater(run[kind]["top1"], 0)
            self.assertEqual(run["epochs"], 3)
            self.assertEqual(run["train_seconds"], 7.5)
            self.assertIn("-seed", run["command"])
        for entry in summary["mean"]:
            values = [run["last"]["top1"] for run in summary["runs"] if run["generation"] == entry["generation"]]
            self.assertAlmostEqual(entry["last"]["top1"]["mean"], sum(values) / 2)
            self.assertAlmostEqual(entry["last"]["top1"]["deviation"], abs(values[0] - values[1]) / 2**0.5)
        self.assertEqual(
            [(entry["seed"], entry["kind"], entry["members"]) for entry in summary["ensembles"]][:2],
            [(1, "cumulative", ["student1", "student2"]), (1, "patriarch", ["patriarch", "student1", "student2"])],
        )
        report = self.read("runs/trial/report.md")
        self.assertIn("2 seeds (1, 2)", report)
        self.assertIn(" ± ", report)
        self.assertRegex(done.stdout, r"seed 1 patriarch: epoch 3: .*\n")
        self.assertIn("report: runs/trial/report.md", done.stdout)
        # The order of a seed: each teacher before its student.
        trained = [os.path.basename(call[3]) for call in self.calls() if call[1] == "train"][:4]
        self.assertEqual(trained, ["baseline.cfg", "patriarch.cfg", "student1.cfg", "student2.cfg"])

    def test_values_of_a_cost_are_checked_by_the_program_before_anything_is_done(self):
        for cost, section in (("tsd", "patriarch"), ("distill", "student")):
            done = self.run_driver("run", "a.ini", code=1, FAKE_FAIL=cost)
            self.assertIn(f"a.ini: [{section}] is refused: [{cost}] ", done.stderr)
        self.assertFalse(os.path.exists("runs") or os.path.exists("calls"))

    def test_program_without_options_is_one_line(self):
        done = self.run_driver("run", "a.ini", code=1, FAKE_OPTIONS="{}")
        self.assertIn("./darknet options: the answer is not its JSON", done.stderr)
        self.write("darknet", "#!/bin/sh\necho unknown verb >&2; exit 2\n")
        self.assertIn("./darknet options: unknown verb; build", self.run_driver("run", "a.ini", code=1).stderr)

    def test_second_run_trains_and_evaluates_nothing(self):
        self.run_driver("run", "a.ini", *ONE_SEED)
        before = len(self.calls())
        self.run_driver("run", "a.ini", *ONE_SEED)
        self.assertEqual(len(self.calls()), before)

    def test_more_seeds_and_generations_go_on_from_what_is_there(self):
        self.run_driver("run", "a.ini", *ONE_SEED, "--set", "experiment.generations=1")
        os.unlink("calls")
        self.run_driver("run", "a.ini")
        trained = {call[3] for call in self.calls() if call[1] == "train"}
        self.assertEqual(len(trained), 5)
        self.assertNotIn("runs/trial/seed1/student1.cfg", trained)

    def test_changed_settings_are_refused_and_nothing_is_overwritten(self):
        self.run_driver("run", "a.ini", *ONE_SEED)
        before = {
            path: self.read(os.path.join("runs/trial", path))
            for path in ("experiment.ini", "network.cfg", "seed1/patriarch.cfg", "seed1/student1.cfg", "summary.json")
        }
        for override, name in (
            ("network.epochs=4", "baseline.cfg"),
            ("student.lambda=1", "student1.cfg"),
            ("patriarch.k=4", "patriarch.cfg"),
        ):
            done = self.run_driver("run", "a.ini", *ONE_SEED, "--set", override, code=1)
            self.assertIn(f"runs/trial/seed1/{name}", done.stderr)
            self.assertIn("--out", done.stderr)
        for path, text in before.items():
            self.assertEqual(self.read(os.path.join("runs/trial", path)), text)

    def test_cfg_of_a_generation_that_was_not_begun_may_change(self):
        self.run_driver("run", "a.ini", *ONE_SEED, code=1, FAKE_FAIL="student1")
        self.run_driver("run", "a.ini", *ONE_SEED, "--set", "student.lambda=0.9")  # student1 was refused: not begun
        self.assertIn("lambda=0.9\n", self.read("runs/trial/seed1/student1.cfg"))
        shutil.rmtree("runs")
        self.run_driver("run", "a.ini", *ONE_SEED, "--set", "experiment.generations=0")
        self.run_driver("run", "a.ini", *ONE_SEED, "--set", "student.lambda=1")
        self.assertIn("lambda=1\n", self.read("runs/trial/seed1/student1.cfg"))

    def test_weights_without_a_record_are_not_trusted(self):
        os.makedirs("runs/trial/seed1")
        self.write("runs/trial/seed1/patriarch_final.weights", "from elsewhere")
        done = self.run_driver("run", "a.ini", code=1)
        self.assertIn("patriarch_final.weights", done.stderr)
        self.assertIn("patriarch.json", done.stderr)

    def test_another_teacher_is_noticed(self):
        self.run_driver("run", "a.ini", *ONE_SEED)
        self.write("runs/trial/seed1/patriarch_final.weights", "another one")
        done = self.run_driver("run", "a.ini", *ONE_SEED, code=1)
        self.assertIn("student1", done.stderr)

    def test_failing_child_shows_its_last_line_and_its_log(self):
        done = self.run_driver("run", "a.ini", *ONE_SEED, code=1, FAKE_FAIL="student1")
        self.assertIn("student1.cfg:3: [net] nonsense=1: no such key", done.stderr)
        self.assertIn("runs/trial/seed1/student1.log", done.stderr)
        self.assertIn("a warning", self.read("runs/trial/seed1/student1.log"))
        done = self.run_driver("run", "a.ini", *ONE_SEED, code=1, FAKE_FAIL="ensemble")
        self.assertIn("classifier ensemble", done.stderr)
        self.run_driver("run", "a.ini", *ONE_SEED)

    def test_cached_teacher_outputs_are_made_first_and_removed(self):
        self.run_driver("run", "a.ini", "--set", "student.cached=1", *ONE_SEED)
        verbs = [
            (call[1], os.path.basename(call[3]))
            for call in self.calls()
            if call[1] in ("train", "targets") and "student" in call[3]
        ]
        self.assertEqual(
            verbs,
            [
                ("targets", "student1-targets.cfg"),
                ("train", "student1.cfg"),
                ("targets", "student2-targets.cfg"),
                ("train", "student2.cfg"),
            ],
        )
        self.assertFalse([name for name in os.listdir("runs/trial/seed1") if name.endswith(".targets")])
        text = self.read("runs/trial/seed1/student1.cfg")
        self.assertIn("targets=runs/trial/seed1/student1.targets\n", text)
        self.assertNotIn("teacher_weights", text)

    def test_jobs_share_the_cores(self):
        cores = len(os.sched_getaffinity(0))
        self.run_driver("run", "a.ini", "--jobs", "2", FAKE_SECONDS="0.05")
        for call in self.calls():
            if call[1] == "train":
                self.assertEqual(int(call[call.index("-threads") + 1]), max(1, cores // min(2, cores)))
        self.assertTrue(json.loads(self.read("runs/trial/summary.json"))["complete"])

    def test_missing_program_and_files_are_one_line(self):
        self.assertIn("nowhere", self.run_driver("run", "a.ini", "--darknet", "./nowhere", code=1).stderr)
        self.assertIn("b.ini", self.run_driver("run", "b.ini", code=1).stderr)
        self.assertIn("b.cfg", self.run_driver("run", "a.ini", "--set", "experiment.network=b.cfg", code=1).stderr)
        self.run_driver("walk", code=2)
        self.run_driver("run", "a.ini", "--jobs", "0", code=2)
        self.assertIn("experiment.ini", self.run_driver("report", ".", code=1).stderr)

    def test_a_run_without_baseline_and_ensembles(self):
        self.run_driver("run", "a.ini", *ONE_SEED, "--set", "experiment.baseline=0", "--set", "experiment.ensemble=0")
        summary = json.loads(self.read("runs/trial/summary.json"))
        self.assertEqual(summary["ensembles"], [])
        self.assertIn("One seed (1)", self.read("runs/trial/report.md"))
        self.assertNotIn("| baseline", self.read("runs/trial/report.md"))


class Reuse(Case):
    """Trainings that a run beside this one has finished."""

    ON = (*ONE_SEED, "--set", "experiment.reuse=1")
    BORN_AGAIN = ("--set", "patriarch.cost=softmax", "--set", "patriarch.confidence=")

    def trained_by(self, *arguments, code=0, **environment):
        """The names of what a run trains."""
        if os.path.exists("calls"):
            os.unlink("calls")
        self.run_driver("run", "a.ini", *self.ON, *arguments, code=code, **environment)
        calls = self.calls() if os.path.exists("calls") else []
        return [os.path.splitext(os.path.basename(call[3]))[0] for call in calls if call[1] == "train"]

    def seconds(self, run):
        return [entry["wall_seconds"] for entry in json.loads(self.read(f"runs/{run}/summary.json"))["runs"]]

    def test_rows_with_the_same_patriarch_train_it_and_the_baseline_once(self):
        self.assertEqual(self.trained_by(), ["baseline", "patriarch", "student1", "student2"])
        trained = self.trained_by("--out", "runs/other", "--set", "student.lambda=0.9")
        self.assertEqual(trained, ["student1", "student2"])
        for name in ("baseline", "patriarch"):
            for suffix in ("_final.weights", "_last.weights", "_best.weights", ".csv"):
                first, second = (f"runs/{run}/seed1/{name}{suffix}" for run in ("trial", "other"))
                self.assertEqual(self.read(second), self.read(first))
            self.assertEqual(os.stat(f"runs/trial/seed1/{name}_final.weights").st_nlink, 2)
            self.assertEqual(weights_record("runs/other/seed1", name)["taken_from"], f"runs/trial/seed1/{name}")
        summary = json.loads(self.read("runs/other/summary.json"))
        self.assertTrue(summary["complete"])
        taken = [entry["taken_from"] for entry in summary["runs"]]
        self.assertEqual(taken, ["runs/trial/seed1/baseline", "runs/trial/seed1/patriarch", None, None])
        report = self.read("runs/other/report.md")
        self.assertIn("seed 1 patriarch from `runs/trial/seed1/patriarch`", report)
        self.assertEqual(report.count("| taken over |"), 2)
        self.assertNotIn("taken over", self.read("runs/trial/report.md"))

    def test_whole_chains_are_taken_over_generation_by_generation(self):
        self.trained_by("--set", "experiment.generations=1")
        self.assertEqual(self.trained_by("--out", "runs/longer"), ["student2"])
        self.assertEqual(self.trained_by("--out", "runs/third"), [], "from the two, whichever has it")
        origins = [weights_record("runs/third/seed1", name)["taken_from"] for name in ("student1", "student2")]
        self.assertEqual(origins, ["runs/trial/seed1/student1", "runs/longer/seed1/student2"], "where it was trained")

    def test_plain_patriarch_and_baseline_stand_for_each_other(self):
        self.assertEqual(self.trained_by(*self.BORN_AGAIN)[0], "patriarch")
        self.assertEqual(self.trained_by("--out", "runs/other"), ["patriarch", "student1", "student2"])
        self.assertEqual(
            weights_record("runs/other/seed1", "baseline")["taken_from"], "runs/trial/seed1/patriarch")
        shutil.rmtree("runs/trial")
        trained = self.trained_by("--out", "runs/back", *self.BORN_AGAIN, "--set", "experiment.generations=0")
        self.assertEqual(trained, [])

    def test_anything_that_changes_the_weights_is_trained(self):
        self.trained_by()
        self.write("b.data", self.read("a.data").replace("train.bin", "other.bin"))
        everything = ["baseline", "patriarch", "student1", "student2"]
        self.write("a.ini", EXPERIMENT.replace("seeds=1 2", "seeds=1\nreuse=1"))
        for number, (override, trained) in enumerate((
            ("student.lambda=0.9", everything[2:]),
            ("patriarch.k=4", everything[1:]),
            ("network.epochs=2", everything),
            ("experiment.seeds=2", everything),
            ("experiment.data=b.data", everything),
            ("student.cached=1", everything[2:]),
            ("experiment.reuse=0", everything),
        )):
            with self.subTest(override):
                shutil.copytree("runs/trial", f"runs-{number}/trial")  # alone there
                os.unlink("calls")
                self.run_driver("run", "a.ini", "--out", f"runs-{number}/other", "--set", override)
                names = [os.path.basename(call[3])[:-4] for call in self.calls() if call[1] == "train"]
                self.assertEqual(names, trained)

    def test_other_teacher_weights_are_another_training(self):
        self.trained_by("--set", "experiment.generations=1")
        record = weights_record("runs/trial/seed1", "student1")
        files.write_json("runs/trial/seed1/student1.json", {**record, "teacher_sha256": "0" * 64})
        self.assertEqual(self.trained_by("--out", "runs/b", "--set", "experiment.generations=1"), ["student1"])

    def test_unfinished_and_spoiled_trainings_are_left_alone(self):
        self.trained_by()
        record = weights_record("runs/trial/seed1", "baseline")
        del record["finished"]
        files.write_json("runs/trial/seed1/baseline.json", record)
        self.write("runs/trial/seed1/patriarch.cfg", self.read("runs/trial/seed1/patriarch.cfg") + "\n")
        os.unlink("runs/trial/seed1/student1_final.weights")
        self.assertEqual(self.trained_by("--out", "runs/other"), ["baseline", "patriarch", "student1"])

    def test_take_over_that_was_cut_off_is_made_good(self):
        self.trained_by("--set", "experiment.generations=0")
        self.trained_by("--out", "runs/other", "--set", "experiment.generations=0")
        record = weights_record("runs/other/seed1", "patriarch")
        del record["finished"]
        files.write_json("runs/other/seed1/patriarch.json", record)
        os.unlink("runs/other/seed1/patriarch_final.weights")
        self.assertEqual(self.trained_by("--out", "runs/other", "--set", "experiment.generations=0"), [])
        files.write_json("runs/other/seed1/patriarch.json", record)
        os.unlink("runs/other/seed1/patriarch_final.weights")
        shutil.rmtree("runs/trial")
        trained = self.trained_by("--out", "runs/other", "--set", "experiment.generations=0")
        self.assertEqual(trained, ["patriarch"])
        self.assertNotIn("taken_from", weights_record("runs/other/seed1", "patriarch"))

    def test_training_that_was_begun_goes_on(self):
        self.trained_by("--set", "experiment.generations=0")
        self.write("b.ini", EXPERIMENT.replace("generations=2\nseeds=1 2", "generations=0\nseeds=1"))
        driver = self.start_driver("run", "b.ini", "--out", "runs/b", FAKE_SECONDS="1")
        self.wait_for(lambda: os.path.exists("runs/b/seed1/baseline.state"))
        driver.send_signal(signal.SIGINT)
        driver.communicate(timeout=30)
        self.run_driver("run", "b.ini", "--out", "runs/b", "--set", "experiment.reuse=1")
        self.assertIn("resumed at iteration", self.read("runs/b/seed1/baseline.log"))
        self.assertNotIn("taken_from", weights_record("runs/b/seed1", "baseline"))
        self.assertIn("taken_from", weights_record("runs/b/seed1", "patriarch"))

    def test_log_of_the_first_run_is_not_written_on(self):
        self.trained_by("--set", "experiment.generations=0")
        before = self.read("runs/trial/seed1/patriarch.log")
        self.trained_by("--out", "runs/other", "--set", "experiment.generations=0")
        self.assertEqual(self.read("runs/trial/seed1/patriarch.log"), before)
        self.assertTrue(self.read("runs/other/seed1/patriarch.log").startswith(before.split("\n# ")[0]))

    def test_run_beside_an_active_one_takes_what_that_one_has_finished(self):
        driver = self.start_driver("run", "a.ini", *ONE_SEED, FAKE_SECONDS="1")
        self.wait_for(lambda: os.path.exists("runs/trial/seed1/patriarch.state"))
        self.run_driver("run", "a.ini", *self.ON, "--out", "runs/other", "--set", "experiment.generations=0")
        self.assertEqual(
            weights_record("runs/other/seed1", "baseline")["taken_from"], "runs/trial/seed1/baseline")
        self.assertNotIn("taken_from", weights_record("runs/other/seed1", "patriarch"))
        driver.send_signal(signal.SIGINT)
        driver.communicate(timeout=30)


class Sweeps(Case):
    def write_sweep(self, lines, more=""):
        self.write("s.ini", f"[experiment]\nbase=a.ini\nseeds=1\n{more}\n[sweep]\n{lines}\n")

    def sweep(self, *overrides):
        return read_sweep("s.ini", overrides, Program("./darknet"))

    def refused(self, *words, overrides=(), code=1):
        with self.assertRaises(Failure) as caught:
            self.sweep(*overrides)
        for word in words:
            self.assertIn(word, str(caught.exception))
        self.assertEqual(caught.exception.code, code)

    def test_every_combination_is_an_experiment(self):
        self.write_sweep("patriarch.k=2 5\nstudent.lambda=0.5 0.6 0.7")
        experiments = self.sweep().experiments
        self.assertEqual([entry.name for entry in experiments][:2], ["k2-lambda0.5", "k2-lambda0.6"])
        self.assertEqual(len(experiments), 6)
        pairs = {(entry.patriarch["k"], entry.student["lambda"]) for entry in experiments}
        self.assertEqual(len(pairs), 6)
        self.assertTrue(all(entry.reuse and entry.patriarch["confidence"] == "0.6" for entry in experiments))
        self.assertEqual(self.sweep().name, "s")

    def test_a_value_replaces_its_partner_and_another_cost_drops_options(self):
        self.write_sweep("patriarch.eta=0.4 0.5")
        self.assertNotIn("confidence", self.sweep().experiments[0].patriarch)
        self.write_sweep("patriarch.cost=softmax label_smoothing tsd")
        self.assertEqual(self.sweep().experiments[0].patriarch, {"cost": "softmax"})
        self.assertEqual(self.sweep().experiments[1].patriarch, {"cost": "label_smoothing", "epsilon": "0.1"})

    def test_experiments_can_be_gone_through_and_named_without_what_all_begin_with(self):
        for name, patriarch in (("row-born-again", "cost=softmax"), ("row-mild", "confidence=0.4")):
            self.write(f"{name}.ini", f"[experiment]\nbase=a.ini\n[patriarch]\n{patriarch}\n")
        bases = "experiment.base=row-born-again.ini row-mild.ini"
        self.write("s.ini", f"[experiment]\nname=rows\nseeds=7\n[sweep]\n{bases}\n")
        sweep = self.sweep()
        self.assertEqual((sweep.name, [entry.name for entry in sweep.experiments]), ("rows", ["born-again", "mild"]))
        self.assertEqual([entry.seeds for entry in sweep.experiments], [[7], [7]])
        self.assertEqual(sweep.experiments[0].patriarch, {"cost": "softmax"})
        self.write("t.ini", "[experiment]\nbase=s.ini\n[student]\nlambda=0.9\n")
        derived = read_sweep("t.ini", (), Program("./darknet"))
        self.assertEqual((derived.name, [entry.student["lambda"] for entry in derived.experiments]), ("t", ["0.9"] * 2))
        self.write("s.ini", "[sweep]\nexperiment.base=t.ini a.ini\n")
        self.write("t.ini", "[experiment]\nbase=a.ini\n[sweep]\nstudent.lambda=0.1 0.2\n")
        self.refused("s.ini:2:", "t.ini is a sweep itself")

    def test_mistakes_name_the_line(self):
        for lines, *words in (
            ("student.lamda=0.5 0.6", "'lambda'"),
            ("pupil.lambda=0.5 0.6", "[pupil]"),
            ("lambda=0.5 0.6", "section.key"),
            ("student.lambda=0.5 0.6 0.5", "0.5 twice"),
            ("experiment.name=a b", "named by its values"),
            ("student.cached=0 2", "cached=2 is not allowed"),
            ("experiment.base=a.ini", "exclude each other"),
        ):
            self.write_sweep(lines)
            self.refused("s.ini:6:", *words)

    def test_set_reaches_the_sweep_and_every_experiment(self):
        self.write_sweep("patriarch.k=2 5\nstudent.lambda=0.5 0.6")
        overrides = ("sweep.patriarch.k=", "sweep.student.lambda=0.1 0.2 0.3", "network.epochs=9")
        experiments = self.sweep(*overrides).experiments
        self.assertEqual([entry.name for entry in experiments], ["lambda0.1", "lambda0.2", "lambda0.3"])
        self.assertEqual({entry.net["epochs"] for entry in experiments}, {"9"})
        self.refused("--set sweep.student.lambda=", overrides=["student.lambda=1"], code=2)
        self.refused("is not there", overrides=["sweep.student.temperature="], code=2)
        self.assertIsNone(read_sweep("a.ini", (), Program("./darknet")))

    def test_sweep_trains_what_is_shared_once_and_compares(self):
        self.write_sweep("patriarch.confidence=0.5 0.6\nstudent.lambda=0.5 0.6")
        done = self.run_driver("run", "s.ini")
        self.assertIn("runs/s/confidence0.6-lambda0.6: run 4 of 4", done.stdout)
        trained = [call[3] for call in self.calls() if call[1] == "train"]
        self.assertEqual(len(trained), 1 + 2 + 4 * 2, trained)
        report = self.read("runs/s/report.md")
        for label in ("D(0.5, 0.5) confidence", "D(0.6, 0.6) confidence"):
            self.assertIn(f"| {label} |", report)
        self.assertIn("(confidence0.5-lambda0.6/report.md)", report)
        os.unlink("calls")
        self.run_driver("run", "s.ini")
        self.assertFalse(os.path.exists("calls"))
        self.assertIn("runs/s/confidence0.5-lambda0.5: no run is active", self.run_driver("status", "runs/s").stdout)
        os.unlink("runs/s/report.md")
        self.run_driver("report", "runs/s")
        self.assertEqual(self.read("runs/s/report.md"), report)
        # A run beside the sweep finds what the sweep has trained.
        on = ("--set", "experiment.reuse=1", "--set", "patriarch.confidence=0.5", "--set", "student.lambda=0.5")
        self.run_driver("run", "a.ini", *ONE_SEED, *on)
        self.assertFalse([call for call in self.calls() if call[1] == "train"])

    def test_everything_is_checked_before_the_first_training(self):
        self.write_sweep("experiment.network=net.cfg nowhere.cfg")
        self.assertIn("nowhere.cfg", self.run_driver("run", "s.ini", code=1).stderr)
        self.assertFalse(os.path.exists("calls") or os.path.exists("runs"))


class Comparisons(Case):
    def configuration(self, patriarch, generations=2, **student):
        student = {"cost": "distill", "lambda": "0.6", "temperature": "1", "cached": False} | student
        return {"patriarch": patriarch, "student": student, "generations": generations, "network": "n", "data": "d"}

    def test_methods_are_named_as_in_the_paper_with_the_reading(self):
        tsd = {"cost": "tsd", "k": "5", "primary": "top", "warmup_epochs": "0"}
        for patriarch, more, name in (
            ({"cost": "softmax"}, {}, "D(1.0, 0.6)"),
            ({"cost": "softmax"}, {"generations": 0}, "D(1.0, 0.0)"),
            (tsd | {"confidence": "0.6"}, {}, "D(0.6, 0.6) confidence"),
            (tsd | {"eta": "0.60"}, {"lambda": "0.5"}, "D(0.6, 0.5) eta"),
            (tsd | {"eta": "0.6", "k": "10"}, {}, "D(0.6, 0.6) eta, K 10"),
            (tsd | {"eta": "0.6", "primary": "truth"}, {"temperature": "2"},
             "D(0.6, 0.6) eta, primary truth, temperature 2"),
            ({"cost": "label_smoothing", "epsilon": "0.1"}, {}, "label smoothing 0.1, lambda 0.6"),
            ({"cost": "confidence_penalty", "beta": "0.1"}, {}, "confidence penalty 0.1, lambda 0.6"),
        ):
            self.assertEqual(method_of(self.configuration(patriarch, **more)), name)

    def test_same_methods_are_told_apart_by_network_or_name(self):
        one = {"name": "a", "configuration": self.configuration({"cost": "softmax"})}
        other = {"name": "b", "configuration": self.configuration({"cost": "softmax"})}
        self.assertEqual(labels_of([one, other]), ["D(1.0, 0.6) (a)", "D(1.0, 0.6) (b)"])
        other["configuration"]["network"] = "cfg/big.cfg"
        self.assertEqual(labels_of([one, other]), ["n: D(1.0, 0.6)", "big: D(1.0, 0.6)"])

    def compared(self):
        self.run_driver("run", "a.ini")
        mild = ("--set", "patriarch.eta=0.4", "--set", "experiment.generations=1")
        self.run_driver("run", "a.ini", "--out", "runs/eta", *mild, *ONE_SEED)
        born = ("--set", "patriarch.cost=softmax", "--set", "patriarch.confidence=")
        self.run_driver("run", "a.ini", "--out", "runs/born", *born)
        self.run_driver("compare", "runs/trial", "runs/eta", "runs/born", "--out", "both")
        return self.read("both/report.md")

    def test_rows_have_the_runs_own_numbers(self):
        report = self.compared()
        summary = json.loads(self.read("runs/trial/summary.json"))
        means = {entry["generation"]: entry for entry in summary["mean"]}
        cells = [
            "{mean:.2f} ± {deviation:.2f}".format(
                **{key: 100 * means[name]["last"]["top1"][key] for key in ("mean", "deviation")})
            for name in ("baseline", "patriarch", "student1", "student2")
        ]
        self.assertIn(f"| D(0.6, 0.5) confidence | {' | '.join(cells)} |", report)
        born = next(line for line in report.splitlines() if line.startswith("| D(1.0, 0.5) |")).split(" | ")
        self.assertEqual(born[1], born[2], "a plain patriarch is the baseline")
        eta = next(line for line in report.splitlines() if line.startswith("| D(0.4, 0.5) eta |"))
        self.assertNotIn("±", eta, "one seed has no deviation")
        self.assertTrue(eta.endswith(" - |"), "it has no student 2")
        pairs = [
            run["last"]["top1"] - base["last"]["top1"]
            for run in summary["runs"] if run["generation"] == "student2"
            for base in summary["runs"] if base["generation"] == "baseline" and base["seed"] == run["seed"]
        ]
        self.assertIn(f"{100 * sum(pairs) / 2:+.2f} ± ", report)
        self.assertIn(f"| {sum(pair > 0 for pair in pairs)} of 2 |", report)

    def test_mistakes_are_one_line(self):
        self.run_driver("run", "a.ini", *ONE_SEED)
        self.assertIn("nowhere", self.run_driver("compare", "nowhere", "--out", "b", code=1).stderr)
        self.assertIn("another --out", self.run_driver("compare", "runs/trial", "--out", "runs/trial", code=2).stderr)
        self.assertIn("--out", self.run_driver("compare", "runs/trial", code=2).stderr)

    def test_unfinished_runs_are_said_to_be(self):
        self.run_driver("run", "a.ini", code=1, FAKE_FAIL="student2")
        self.run_driver("compare", "runs/trial", "--out", "both")
        report = self.read("both/report.md")
        self.assertIn("**Not complete:** D(0.6, 0.5) confidence lacks seed 1 student2", report)
        self.assertIn("(n=1)", report)

    def test_figures_of_runs_and_comparison(self):
        try:
            load_matplotlib()
        except Failure as error:
            self.skipTest(str(error))
        self.environment["PYTHONPATH"] = ""
        report = self.compared()
        for folder, text in (("runs/trial", self.read("runs/trial/report.md")), ("both", report)):
            for subject in ("accuracy", "measures", "confidence", "examples"):
                self.assertIn(f"]({subject}.png)", text)
                with open(f"{folder}/{subject}.png", "rb") as file:
                    self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
                self.assertIn("<svg", self.read(f"{folder}/{subject}.svg"))


class Interruptions(Case):
    STATE = "runs/trial/seed1/patriarch.state"
    ARGUMENTS = (
        "run", "a.ini", *ONE_SEED, "--set", "experiment.baseline=0", "--set", "experiment.generations=1")

    def stopped(self, number):
        driver = self.start_driver(*self.ARGUMENTS, FAKE_SECONDS="1")
        self.wait_for(lambda: os.path.exists(self.STATE))
        driver.send_signal(number)
        output, errors = driver.communicate(timeout=30)
        self.assertEqual(driver.returncode, 130, output + errors)
        self.assertEqual(output.splitlines()[-1], "stopped; the same command goes on where it was")
        self.assertEqual(errors, "")

    def test_interrupt_is_handed_on_once_and_the_training_goes_on_later(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                shutil.rmtree("runs", ignore_errors=True)
                self.stopped(number)
                self.assertEqual(self.read("runs/trial/seed1/patriarch.signals"), f"{int(number)}\n1 in all\n")
                self.assertIn("cut off after", self.run_driver("status", "runs/trial").stdout)
                self.run_driver(*self.ARGUMENTS)
                self.assertRegex(self.read("runs/trial/seed1/patriarch.log"), r"resumed at iteration \d0\n")
                rows = files.read_csv("runs/trial/seed1/patriarch.csv")
                self.assertEqual(sorted(rows), [1, 2, 3])
                self.assertGreater(weights_record("runs/trial/seed1", "patriarch")["wall_seconds"], 0.3)

    def test_changed_settings_are_refused_for_a_generation_that_was_cut_off(self):
        self.stopped(signal.SIGINT)
        done = self.run_driver(*self.ARGUMENTS, "--set", "network.epochs=5", code=1)
        self.assertIn("runs/trial/seed1/patriarch.cfg", done.stderr)

    def test_ctrl_c_in_a_terminal_reaches_the_child_once(self):
        """The terminal signals its whole foreground group; the child has a session of its own."""
        driver = subprocess.Popen(
            [sys.executable, SCRIPT, *self.ARGUMENTS],
            stdout=subprocess.PIPE,
            text=True,
            env={**self.environment, "FAKE_SECONDS": "1"},
            start_new_session=True,
        )
        self.wait_for(lambda: os.path.exists(self.STATE))
        os.killpg(driver.pid, signal.SIGINT)
        output, _ = driver.communicate(timeout=30)
        self.assertEqual(driver.returncode, 130, output)
        self.assertEqual(self.read("runs/trial/seed1/patriarch.signals"), "2\n1 in all\n")

    def test_folder_belongs_to_one_driver_even_after_it_is_killed(self):
        driver = self.start_driver(*self.ARGUMENTS, FAKE_SECONDS="10")
        self.wait_for(lambda: os.path.exists(self.STATE))
        self.assertIn("in use by process", self.run_driver(*self.ARGUMENTS, code=1).stderr)
        self.assertIn("a run is active", self.run_driver("status", "runs/trial").stdout)
        driver.kill()
        driver.communicate()
        errors = self.run_driver(*self.ARGUMENTS, code=1).stderr
        child = int(re.search(r"in use by process (\d+)", errors)[1])
        self.assertNotEqual(child, driver.pid)
        os.kill(child, signal.SIGINT)
        self.wait_for(lambda: not os.path.exists(f"/proc/{child}"))
        self.run_driver(*self.ARGUMENTS)
        self.assertIn("resumed at iteration", self.read("runs/trial/seed1/patriarch.log"))

    def test_finished_training_without_a_finished_driver_is_not_trained_again(self):
        self.run_driver(*self.ARGUMENTS)
        record = weights_record("runs/trial/seed1", "patriarch")
        del record["finished"]
        files.write_json("runs/trial/seed1/patriarch.json", record)
        os.unlink("calls")
        self.run_driver(*self.ARGUMENTS)
        self.assertFalse(os.path.exists("calls"))


class Reports(Case):
    def test_report_is_the_same_without_the_program(self):
        self.run_driver("run", "a.ini")
        before, written = self.read("runs/trial/report.md"), json.loads(self.read("runs/trial/summary.json"))
        os.unlink("darknet")
        os.unlink("runs/trial/report.md")
        self.run_driver("report", "runs/trial")
        self.assertEqual(self.read("runs/trial/report.md"), before)
        after = json.loads(self.read("runs/trial/summary.json"))
        for summary in (written, after):
            summary.pop("written")
        self.assertEqual(after, written)

    def test_report_of_an_unfinished_run_says_what_is_missing(self):
        self.run_driver("run", "a.ini", *ONE_SEED, code=1, FAKE_FAIL="student2")
        done = self.run_driver("report", "runs/trial")
        self.assertIn("not complete: seed 1 student2", done.stdout)
        report = self.read("runs/trial/report.md")
        self.assertIn("**Not complete.**", report)
        self.assertFalse(json.loads(self.read("runs/trial/summary.json"))["complete"])

    def test_facts_follow_from_the_numbers(self):
        def entry(name, index, value):
            return {
                "generation": name,
                "index": index,
                "best": {},
                "last": {"top1": {"mean": value, "deviation": 0.001, "n": 2}},
            }

        summary = {
            "mean": [
                entry("baseline", None, 0.70),
                entry("patriarch", 0, 0.69),
                entry("student1", 1, 0.72),
                entry("student2", 2, 0.71),
            ],
            "patriarch_is_baseline": False,
            "configuration": {"seeds": [1, 2], "generations": 2},
            "runs": [
                {"seed": seed, "generation": name, "last": {"top1": value}}
                for seed, name, value in (
                    (1, "baseline", 0.70),
                    (1, "student2", 0.69),
                    (2, "baseline", 0.70),
                    (2, "student2", 0.73),
                )
            ],
            "ensemble_mean": [
                {
                    "kind": "cumulative",
                    "index": 2,
                    "name": "students 1 to 2",
                    "top1": {"mean": 0.74, "deviation": None, "n": 2},
                }
            ],
        }
        text = " ".join(facts(summary))
        for words in (
            "The baseline reaches 70.00 ± 0.10 % top-1.",
            "69.00 ± 0.10 %, 1.00 points below the baseline",
            "student 1 is highest: it reaches 72.00 ± 0.10 %, 2.00 points above the baseline",
            "+3.00 (patriarch to student 1), -1.00 (student 1 to student 2) points",
            "-1.00, +3.00 points: above it in 1 of 2 seeds",
            "reaches 74.00 %, 3.00 points above student 2 alone",
        ):
            self.assertIn(words, text)
        summary["mean"][2]["last"]["top1"]["n"] = 1
        text = " ".join(facts(summary))
        self.assertNotIn("student 1", text, "the mean of fewer seeds is not compared with that of more")

    def test_deviation_of_one_value_is_none(self):
        self.assertEqual(spread([0.5, None]), {"mean": 0.5, "deviation": None, "n": 1})
        self.assertIsNone(spread([None]))
        self.assertAlmostEqual(spread([1.0, 3.0])["deviation"], 2**0.5)

    def test_numbers_that_json_does_not_know_become_null(self):
        self.run_driver("run", "a.ini", *ONE_SEED)
        text = self.read("runs/trial/summary.json")
        self.assertNotIn("NaN", text)
        self.assertIsNone(json.loads(text)["runs"][1]["inspect"]["ece"])

    def test_without_matplotlib_all_but_the_chart_is_there(self):
        done = self.run_driver("run", "a.ini", *ONE_SEED)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn("matplotlib", done.stderr)
        self.assertFalse(os.path.exists("runs/trial/accuracy.png"))
        self.assertNotIn("accuracy.png", self.read("runs/trial/report.md"))

    def test_chart_of_one_and_of_several_runs(self):
        try:
            load_matplotlib()
        except Failure as error:
            self.skipTest(str(error))
        self.run_driver("run", "a.ini")
        self.run_driver("report", "runs/trial", PYTHONPATH="")
        other = ("--set", "experiment.name=other", "--set", "experiment.seeds=3")
        self.run_driver("run", "a.ini", "--out", "runs/other", *other, "--set", "experiment.generations=1")
        self.assertTrue(os.path.exists("runs/trial/accuracy.png"))
        self.assertIn("](accuracy.png)", self.read("runs/trial/report.md"))
        self.run_driver("report", "runs/trial")
        self.assertIn("](accuracy.png)", self.read("runs/trial/report.md"), "the numbers are the chart's")
        with contextlib.redirect_stdout(io.StringIO()):
            code = plot_generations.main(["runs/trial/summary.json", "runs/other/summary.json", "-o", "both.png"])
        self.assertEqual(code, 0)
        with open("both.png", "rb") as file:
            self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            self.assertEqual(plot_generations.main(["a.ini", "-o", "none.png"]), 1)
        self.assertIn("a.ini", errors.getvalue())


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
                self.assertEqual(name, "fashion-demo.ini")
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


class RealProgram(Case):
    """The real program on a tiny set of images that each class can be told from."""

    def test_end_to_end(self):
        program = os.environ.get("DNG_DARKNET")
        if not program:
            print("skipped: DNG_DARKNET does not name a ./darknet to test with", file=sys.stderr)
            self.skipTest("DNG_DARKNET does not name a ./darknet to test with")
        program = os.path.abspath(os.path.join(self.before, program))
        for role, count in (("train", 160), ("t10k", 40)):
            labels = bytes(i % 4 for i in range(count))
            images = bytearray()
            for i, label in enumerate(labels):
                image = bytearray((7 * i + 13 * j) % 64 for j in range(64))
                top, left = 4 * (label // 2), 4 * (label % 2)
                for y in range(4):
                    image[8 * (top + y) + left : 8 * (top + y) + left + 4] = b"\xff" * 4
                images += image
            with open(f"{role}-images-idx3-ubyte", "wb") as file:
                file.write(struct.pack(">IIII", 0x803, count, 8, 8) + images)
            with open(f"{role}-labels-idx1-ubyte", "wb") as file:
                file.write(struct.pack(">II", 0x801, count) + labels)
        self.write("a.data", "classes=4\ntrain=train-images-idx3-ubyte\nvalid=t10k-images-idx3-ubyte\ntop=2\n")
        self.write(
            "net.cfg",
            textwrap.dedent("""\
            [net]
            batch=16
            subdivisions=1
            height=8
            width=8
            channels=1
            learning_rate=0.05
            momentum=0.9
            decay=0.0001
            policy=constant
            epochs=2
            pad=0
            mirror=0

            [convolutional]
            batch_normalize=1
            filters=8
            size=3
            stride=2
            pad=1
            activation=relu

            [connected]
            output=4
            activation=linear

            [softmax]
            """),
        )
        self.write(
            "a.ini",
            EXPERIMENT.replace("epochs=3", "epochs=2")
            .replace("seeds=1 2", "seeds=1")
            .replace("confidence=0.6", "confidence=0.6\nk=3"),
        )
        self.write("b.ini", self.read("a.ini").replace("generations=2", "generations=1\nbaseline=0\nensemble=0"))
        for arguments in (("a.ini",), ("b.ini", "--set", "student.cached=1", "--out", "runs/cached")):
            done = self.run_driver("run", *arguments, "--darknet", program)
            summary = json.loads(self.read(f"runs/{'trial' if len(arguments) == 1 else 'cached'}/summary.json"))
            self.assertTrue(summary["complete"], done.stdout + done.stderr)
            for run in summary["runs"]:
                self.assertEqual(run["epochs"], 2)
                self.assertEqual(run["last"]["images"], 40)
                self.assertGreaterEqual(run["last"]["topk"], run["last"]["top1"])
            self.assertIsNotNone(summary["runs"][-1]["inspect"])
            for ensemble in summary["ensembles"]:
                self.assertIsNotNone(ensemble["result"]["top1"])
            again = self.run_driver("run", *arguments, "--darknet", program)
            self.assertNotIn("training, log", again.stdout)
        reuse = ("--set", "experiment.reuse=1", "--set", "experiment.generations=1")
        for out, where in (("runs/reused", reuse), ("elsewhere/anew", reuse)):
            self.run_driver("run", "a.ini", *where, "--out", out, "--darknet", program)
        for name in ("baseline", "patriarch", "student1"):
            self.assertIn("taken_from", weights_record("runs/reused/seed1", name))
            self.assertNotIn("taken_from", weights_record("elsewhere/anew/seed1", name))
            for suffix in ("_final.weights", "_last.weights", "_best.weights"):
                same = files.sha256_file(f"elsewhere/anew/seed1/{name}{suffix}")
                self.assertEqual(files.sha256_file(f"runs/reused/seed1/{name}{suffix}"), same, "the same bytes")
        done = self.run_driver("run", "a.ini", "--set", "student.lambda=1.5", "--darknet", program, code=1)
        self.assertIn("a.ini: [student] is refused: [distill] lambda=1.5: found '1.5', allowed is", done.stderr)


if __name__ == "__main__":
    unittest.main()
