#!/usr/bin/env python3
"""Tests of scripts/generations.py: against a stand-in for ./darknet, and with DNG_DARKNET=FILE against the program.

python3 tests/scripts/generations_test.py
"""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import unittest
import warnings

from generations_support import (
    Case, EXPERIMENT, NETWORK, ONE_SEED, SCRIPT, TINY_NETWORK, weights_record, write_tiny,
)

import plot_generations
import plot_training
from generations_driver import cfg_files, files
from generations_driver.errors import Failure
from generations_driver.experiment import Experiment
from generations_driver.figures import learning, style
from generations_driver.figures.style import load_matplotlib
from generations_driver.folder import Folder
from generations_driver.program import Program
from generations_driver.report import facts
from generations_driver.stock import stock_text
from generations_driver.summary import load_summary, spread


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

    def test_digits_of_other_kinds_are_no_numbers(self):
        self.assertEqual([files.whole_or_none(text) for text in ("0", "12", "²", "٣", "-1", "", None, "9" * 5000)],
                         [0, 12, *[None] * 6])
        for text in ("²", "1", "9" * 5000):
            self.write("a.data", f"classes={text}\ntrain=a\nvalid=b\n")
            with self.assertRaisesRegex(Failure, "^a.data: classes=.* a whole number from 2 on$"):
                cfg_files.read_data("a.data")

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
            ("student.temperature=", "removes a key"),
            ("experiment.base=b.ini", "cannot be set here"),
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
        return found[0].contents[found[0].cfg]

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
        self.assertIn("backup=runs/trial/seed1\n", generation.contents[generation.data])
        self.assertNotIn("elsewhere", generation.contents[generation.data])

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

    def test_network_is_read_as_darknet_reads_it(self):
        self.write("net.cfg", NETWORK.replace("[net]\n", "[net]\nmomentum=.9 # as usual\nmomentum=.8\ndecay=\n"))
        net = cfg_files.values(cfg_files.read_network("net.cfg")[1][0])
        self.assertEqual(net["momentum"], ".9")
        self.assertNotIn("decay", net)

    def test_cfg_for_darknets_own_program_has_what_it_knows_and_the_same_layers(self):
        net = "[net]\npolicy=steps\nepoch_steps=1,2\nheight=32\nwidth=32\n"
        self.write("tsd.cfg", NETWORK.replace("[net]\n", net).replace("[softmax]\ngroups=1", "[tsd]\nk=5"))
        text, warnings = stock_text("tsd.cfg")
        sections = cfg_files.read_sections("x", text)
        self.assertEqual([name for name, _, _ in sections], ["net", "convolutional", "softmax"])
        self.assertEqual({key: value for key, value, _ in sections[0][2]},
                         {"height": "32", "width": "32", "batch": "1", "subdivisions": "1", "policy": "constant",
                          "learning_rate": "0.1", "max_batches": "1"})
        layers = cfg_files.read_sections("x", NETWORK)
        self.assertEqual([entry[:2] for entry in sections[1][2]], [entry[:2] for entry in layers[1][2]])
        self.assertEqual((sections[2][2], warnings), ([], []))

    def test_cfg_for_darknets_own_program_says_what_it_cannot_say(self):
        self.write("mean.cfg", NETWORK.replace("[net]\n", "[net]\nmean=.5, .5, .4\nstd=1,1,1\nvalid_resize=256\n"))
        text, warnings = stock_text("mean.cfg")
        self.assertEqual([re.search(r": (\w+)=", line)[1] for line in warnings], ["mean", "valid_resize"])
        self.assertNotIn("mean", text.partition("\n")[2])
        self.assertIn("\n[softmax]\ngroups=1\n", text)
        self.write("detector.cfg", NETWORK.replace("[softmax]\ngroups=1", "[yolo]\nclasses=2"))
        with self.assertRaisesRegex(Failure, r"detector.cfg:11: the last section is \[yolo\]; one of .*tsd"):
            stock_text("detector.cfg")
        self.write("empty.cfg", "")
        with self.assertRaisesRegex(Failure, "empty.cfg: not a network"):
            stock_text("empty.cfg")

    def test_cfg_for_darknets_own_program_from_the_command_line(self):
        done = self.run_driver("stock", "net.cfg")
        self.assertEqual(done.stdout, stock_text("net.cfg")[0])
        self.assertIn("none.cfg: cannot read", self.run_driver("stock", "none.cfg", code=1).stderr)

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
            [(entry["seed"], entry["kind"], entry["members"]) for entry in summary["ensembles"]][:3],
            [(1, "cumulative", ["student1", "student2"]), (1, "patriarch", ["patriarch", "student1"]),
             (1, "patriarch", ["patriarch", "student1", "student2"])],
        )
        report = self.read("runs/trial/report.md")
        self.assertIn("2 seeds (1, 2)", report)
        self.assertIn(" ± ", report)
        self.assertRegex(done.stdout, r"seed 1 patriarch: epoch 3: .*\n")
        self.assertIn("report: runs/trial/report.html, report.md, tables/\n", done.stdout)
        # The order of a seed: each teacher before its student.
        trained = [os.path.basename(call[3]) for call in self.calls() if call[1] == "train"][:4]
        self.assertEqual(trained, ["baseline.cfg", "patriarch.cfg", "student1.cfg", "student2.cfg"])

    def test_values_of_a_cost_are_checked_by_the_program_before_anything_is_done(self):
        for cost, section, line in (("tsd", "patriarch", 13), ("distill", "student", 16)):
            done = self.run_driver("run", "a.ini", code=1, FAKE_FAIL=cost)
            self.assertIn(f"a.ini:{line}: [{section}] is refused: [{cost}] ", done.stderr)
        done = self.run_driver("run", "a.ini", "--set", "student.lambda=2", code=2, FAKE_FAIL="distill")
        self.assertIn("--set student.lambda=2: [student] is refused: [distill] lambda=2: ", done.stderr)
        self.assertFalse(os.path.exists("runs") or os.path.exists("calls"))

    def test_values_of_the_network_are_checked_by_the_program_before_anything_is_done(self):
        for refused, where in (("epochs=3", "a.ini:9"), ("batch=8", "net.cfg")):
            done = self.run_driver("run", "a.ini", code=1, FAKE_REFUSED=refused)
            self.assertIn(f" {where}: [network] is refused: [net] {refused}: not allowed", done.stderr)
        done = self.run_driver("run", "a.ini", "--set", "network.epochs=x", code=2, FAKE_REFUSED="epochs=x")
        self.assertIn("--set network.epochs=x: [network] is refused: [net] epochs=x: ", done.stderr)
        self.assertFalse(os.path.exists("runs") or os.path.exists("calls"))

    def test_network_without_an_end_is_refused(self):
        for length in ("max_batches=0\n", ""):
            self.write("net.cfg", NETWORK.replace("max_batches=500\n", length))
            done = self.run_driver("run", "a.ini", "--set", "network.epochs=", code=1)
            self.assertIn("net.cfg: no epochs= and no max_batches= in [net]", done.stderr)

    def test_translations_of_the_network_are_shown_once(self):
        self.write("net.cfg", NETWORK.replace("[net]\n", "[net]\nseen=0\n"))
        done = self.run_driver("run", "a.ini", *ONE_SEED)
        self.assertEqual(done.stderr.count("net.cfg: [net] seen=0: ignored\n"), 1, done.stderr)

    def test_program_without_options_is_one_line(self):
        done = self.run_driver("run", "a.ini", code=1, FAKE_OPTIONS="{}")
        self.assertIn("./darknet options: the output is not its JSON", done.stderr)
        self.write("darknet", "#!/bin/sh\necho unknown verb >&2; exit 2\n")
        self.assertIn("./darknet options: unknown verb; rebuild", self.run_driver("run", "a.ini", code=1).stderr)

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

    def test_runs_of_a_figure_look_different(self):
        looks = {(style.colour_of(i), style.marker_of(i), style.line_of(i)) for i in range(28)}
        self.assertEqual(len(looks), 28)

    def test_a_run_without_baseline_and_ensembles(self):
        self.run_driver("run", "a.ini", *ONE_SEED, "--set", "experiment.baseline=0", "--set", "experiment.ensemble=0")
        summary = json.loads(self.read("runs/trial/summary.json"))
        self.assertEqual(summary["ensembles"], [])
        self.assertIn("One seed (1)", self.read("runs/trial/report.md"))
        self.assertNotIn("| baseline", self.read("runs/trial/report.md"))


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
        self.assertEqual(errors, "generations.py: stopped; the same command resumes\n")

    def test_interrupt_is_handed_on_once_and_the_training_goes_on_later(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                shutil.rmtree("runs", ignore_errors=True)
                self.stopped(number)
                self.assertEqual(self.read("runs/trial/seed1/patriarch.signals"), f"{int(number)}\n1 in all\n")
                self.assertIn("seed 1 patriarch: interrupted, epoch ", self.run_driver("status", "runs/trial").stdout)
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
            [sys.executable, SCRIPT, *self.ARGUMENTS, *self.flags["run"]],
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
        self.assertRegex(self.run_driver("status", "runs/trial").stdout,
                         rf"seed 1 patriarch: running, epoch [0-9.]+/3, .* left, process {driver.pid}, \d+\n")
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
        del record["finished"], record["provenance"][0]["device"]
        files.write_json("runs/trial/seed1/patriarch.json", record)
        os.unlink("calls")
        self.run_driver(*self.ARGUMENTS)
        self.assertFalse(os.path.exists("calls"))
        record = weights_record("runs/trial/seed1", "patriarch")
        self.assertIn("finished", record)
        self.assertEqual(record["provenance"][0]["device"], "CPU")


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

    def test_missing_matplotlib_is_said_before_anything_is_done(self):
        for arguments in (("run", "a.ini"), ("report", "runs/trial"), ("compare", "runs/trial")):
            done = self.run_driver(*arguments, flags=[], code=1)
            for words in ("cannot import matplotlib (not installed)", "python3-matplotlib", "--no-figures"):
                self.assertIn(words, done.stderr)
        self.assertFalse(os.path.exists("runs") or os.path.exists("calls"))

    def test_without_figures_all_else_is_there(self):
        self.assertEqual(self.run_driver("run", "a.ini", *ONE_SEED).stderr, "")
        self.assertFalse(os.path.exists("runs/trial/accuracy.png"))
        self.assertNotIn("accuracy.png", self.read("runs/trial/report.md"))
        self.assertIn("<h2>Accuracy over generations</h2>\n<div", self.read("runs/trial/report.html"))

    def test_chart_of_one_and_of_several_runs(self):
        try:
            load_matplotlib()
        except Failure as error:
            self.skipTest(str(error))
        self.run_driver("run", "a.ini")
        self.run_driver("report", "runs/trial", flags=[], PYTHONPATH="")
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

    def test_chart_of_a_training(self):
        try:
            load_matplotlib()
        except Failure as error:
            self.skipTest(str(error))
        header = "epoch,iteration,train_loss,train_top1,valid_loss,valid_top1,valid_topk,rate,seconds\n"
        self.write("net.csv", header + "1,10,2.5,0.4,,,,0.1,3.00\n2,20,1.5,0.6,1.25,0.7,0.9,0.1,3.00\n")
        with contextlib.redirect_stdout(io.StringIO()) as output:
            self.assertEqual(plot_training.main(["net.csv", "-o", "net.png"]), 0)
        self.assertEqual(output.getvalue(), "net.png\n")
        with open("net.png", "rb") as file:
            self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
        low, high = learning.limits_of([1, 2, 3, 4, 5, 1000])
        self.assertTrue(0 < low < 1 and 5 < high < 6, "one outlier does not flatten the axis")
        self.write("Größe-Дом.csv", header + "".join(
            f"{i},{i},{900 if i == 3 else 2 - i / 10},{i / 10},{2 - i / 10},0.7,0.9,0.1,3\n" for i in range(1, 10)))
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("error")  # a letter that the font lacks is a warning
            self.assertEqual(plot_training.main(["Größe-Дом.csv", "-o", "utf8.svg"]), 0)
        drawn = self.read("utf8.svg")
        self.assertIn("<!-- Größe-Дом -->", drawn)
        self.assertIn("<!-- 1 beyond the axis -->", drawn)
        self.assertNotIn("<!-- 800 -->", drawn, "no tick up there")
        other = "not the .csv"
        for text, reason in ((header, "no epoch"), ("a,b\n1,2\n", other), (header + "1,1,x\n", other)):
            self.write("bad.csv", text)
            with contextlib.redirect_stderr(io.StringIO()) as errors:
                self.assertEqual(plot_training.main(["bad.csv", "-o", "none.png"]), 1, text)
            self.assertRegex(errors.getvalue(), rf"^\S+: bad.csv: .*{reason}.*\n$")

    def test_summaries_of_another_form_are_refused(self):
        right = {"format": 1, "name": "a", "configuration": {}, "runs": [], "mean": [], "ensemble_mean": []}
        self.write("s.json", json.dumps(right))
        load_summary("s.json")
        incomplete = [{key: right[key] for key in right if key != missing} for missing in right]
        for summary in ({}, {**right, "format": 2}, *incomplete):
            self.write("s.json", json.dumps(summary))
            with contextlib.redirect_stderr(io.StringIO()) as errors:
                self.assertEqual(plot_generations.main(["s.json", "-o", "none.png"]), 1, summary)
            self.assertRegex(errors.getvalue(), r"^\S+: s.json: .*generations.py report DIR writes a new one\n$")


class RealProgram(Case):
    """The real program on a tiny set of images that each class can be told from."""

    def test_end_to_end(self):
        program = os.environ.get("DNG_DARKNET")
        if not program:
            print("skipped: DNG_DARKNET does not name a ./darknet to test with", file=sys.stderr)
            self.skipTest("DNG_DARKNET does not name a ./darknet to test with")
        program = os.path.abspath(os.path.join(self.before, program))
        write_tiny(".", 160, 40)
        self.write("a.data", self.read("tiny.data") + "class_weights=1,2,1,1\n")
        self.write("net.cfg", TINY_NETWORK)
        self.write(
            "a.ini",
            EXPERIMENT.replace("epochs=3", "epochs=2")
            .replace("seeds=1 2", "seeds=1")
            .replace("confidence=0.6", "confidence=0.6\nk=3"),
        )
        self.write("b.ini", self.read("a.ini").replace("generations=2", "generations=1\nbaseline=0\nensemble=0"))
        for arguments in (("a.ini",), ("b.ini", "--set", "student.cached=1", "--out", "runs/cached")):
            done = self.run_driver("run", *arguments, "--darknet", program, flags=["--no-figures"])
            self.assertRegex(done.stdout, "^about [0-9.]+ (s|min|h) on this machine, 2 epochs x . generations ")
            summary = json.loads(self.read(f"runs/{'trial' if len(arguments) == 1 else 'cached'}/summary.json"))
            self.assertTrue(summary["complete"], done.stdout + done.stderr)
            for run in summary["runs"]:
                self.assertEqual(run["epochs"], 2)
                self.assertEqual(run["last"]["images"], 40)
                self.assertGreaterEqual(run["last"]["topk"], run["last"]["top1"])
                self.assertAlmostEqual(sum(run["class_accuracy"]) / 4, run["last"]["top1"], delta=1e-12)
                self.assertEqual(run["provenance"][0]["device"], "CPU")
                log = self.read(run["cfg"].removesuffix(".cfg") + ".log")
                self.assertIn("\nclass weights: 1 to 2, mean over the training images 1.25\n", log)
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
        for override, words in (
            ("student.lambda=1.5", "[student] is refused: [distill] lambda=1.5: found '1.5', allowed is"),
            ("patriarch.eta=abc", "[patriarch] is refused: [tsd] eta=abc: found 'abc', allowed is"),
            ("network.epochs=x", "[network] is refused: [net] epochs=x: found 'x', allowed is"),
        ):
            done = self.run_driver("run", "a.ini", "--set", override, "--darknet", program, code=2)
            self.assertIn(f"--set {override}: {words}", done.stderr)
        self.write("a.data", self.read("a.data").replace("classes=4", "classes=5").replace("1,2,1,1", "1,2,1,1,1"))
        done = self.run_driver("run", "a.ini", "--out", "runs/classes", "--darknet", program, code=1)
        self.assertIn("net.cfg: [network] is refused: [softmax]: the network has 4 outputs, a.data says classes=5;",
                      done.stderr)
        self.assertFalse(os.path.exists("runs/classes"), "nothing begun")


if __name__ == "__main__":
    unittest.main()
