#!/usr/bin/env python3
"""Tests of runs beside each other: trainings taken over, sweeps, comparisons.

python3 tests/scripts/sweep_test.py
"""

import json
import os
import re
import shutil
import signal
import unittest

from generations_support import Case, EXPERIMENT, ONE_SEED, weights_record

from generations_driver import files
from generations_driver.differences import differences, softness_section
from generations_driver.document import Table
from generations_driver.errors import Failure
from generations_driver.figures.heat import grid_of
from generations_driver.figures.options import varied_options
from generations_driver.figures.style import load_matplotlib
from generations_driver.methods import labels_of, method_of
from generations_driver.paired import holm, paired
from generations_driver.program import Program
from generations_driver.sweep import read_sweep


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
        self.assertEqual(report.count("| reused |"), 2)
        self.assertNotIn("reused", self.read("runs/trial/report.md"))

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
        self.run_driver("run", "a.ini", *ONE_SEED, code=1, FAKE_FAIL="patriarch")
        driver = self.start_driver("run", "a.ini", *ONE_SEED, FAKE_SECONDS="30")  # a minute for the patriarch
        self.addCleanup(driver.communicate, timeout=60)
        self.addCleanup(driver.send_signal, signal.SIGINT)
        self.wait_for(lambda: os.path.exists("runs/trial/seed1/patriarch.state"))
        self.run_driver("run", "a.ini", *self.ON, "--out", "runs/other", "--set", "experiment.generations=0")
        self.assertEqual(
            weights_record("runs/other/seed1", "baseline")["taken_from"], "runs/trial/seed1/baseline")
        self.assertNotIn("taken_from", weights_record("runs/other/seed1", "patriarch"))


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
        self.refused("is not given", overrides=["sweep.student.temperature="], code=2)
        self.assertIsNone(read_sweep("a.ini", (), Program("./darknet")))

    def test_sweep_trains_what_is_shared_once_and_compares(self):
        self.write_sweep("patriarch.confidence=0.5 0.6\nstudent.lambda=0.5 0.6")
        done = self.run_driver("run", "s.ini")
        self.assertIn("runs/s/confidence0.6-lambda0.6: run 4 of 4", done.stdout)
        self.assertIn("left in this run\n", done.stdout)
        before_last, last = done.stdout.split("confidence0.6-lambda0.6 seed 1 student1: training")
        self.assertNotIn("left in all", before_last, "nothing is known about the other runs")
        self.assertIn("left in all", last)
        trained = [call[3] for call in self.calls() if call[1] == "train"]
        self.assertEqual(len(trained), 1 + 2 + 4 * 2, trained)
        report = self.read("runs/s/report.md")
        for label in ("D(0.5, 0.5) confidence", "D(0.6, 0.6) confidence"):
            self.assertIn(f"| {label} |", report)
        self.assertIn("(confidence0.5-lambda0.6/report.md)", report)
        os.unlink("calls")
        self.run_driver("run", "s.ini")
        self.assertFalse(os.path.exists("calls"))
        self.assertIn("runs/s: 16 of 16 trainings done\n", self.run_driver("status", "runs/s").stdout)
        os.unlink("runs/s/report.md")
        self.run_driver("report", "runs/s")
        self.assertEqual(self.read("runs/s/report.md"), report)
        # A run beside the sweep finds what the sweep has trained.
        on = ("--set", "experiment.reuse=1", "--set", "patriarch.confidence=0.5", "--set", "student.lambda=0.5")
        self.run_driver("run", "a.ini", *ONE_SEED, *on)
        self.assertFalse([call for call in self.calls() if call[1] == "train"])

    def test_sweep_json_of_another_form_is_refused(self):
        os.makedirs("runs/s")
        for mark in ({}, {"runs": 3}, {"runs": [3]}, {"runs": [], "command": 3}, {"runs": []}):
            self.write("runs/s/sweep.json", json.dumps(mark))
            for arguments in (("status", "runs/s"), ("report", "runs/s"), ("compare", "runs/s", "--out", "c")):
                done = self.run_driver(*arguments, code=1)
                self.assertRegex(done.stderr, "runs/s/sweep.json: .* is not a list of strings; run the sweep again")

    def test_everything_is_checked_before_the_first_training(self):
        self.write_sweep("experiment.network=net.cfg nowhere.cfg")
        self.assertIn("nowhere.cfg", self.run_driver("run", "s.ini", code=1).stderr)
        self.write_sweep("network.epochs=1 x")
        done = self.run_driver("run", "s.ini", code=1, FAKE_REFUSED="epochs=x")
        self.assertIn("s.ini:6: [network] is refused: [net] epochs=x: ", done.stderr)
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

    def test_runs_that_differ_in_an_option_all_name_theirs(self):
        def labels(*patriarchs, **student):
            return labels_of([{"name": str(i), "configuration": self.configuration(patriarch, **student)}
                              for i, patriarch in enumerate(patriarchs)])

        tsd = {"cost": "tsd", "eta": "0.6", "k": "5", "primary": "top", "warmup_epochs": "0"}
        self.assertEqual(labels(tsd, tsd | {"k": "2"}), ["D(0.6, 0.6) eta, K 5", "D(0.6, 0.6) eta, K 2"])
        self.assertEqual(labels(tsd, tsd | {"eta": "0.5"}), ["D(0.6, 0.6) eta", "D(0.5, 0.6) eta"])
        mixed = labels(tsd, tsd | {"k": "2"}, {"cost": "label_smoothing", "epsilon": "0.1"})
        self.assertEqual(mixed[2], "label smoothing 0.1, lambda 0.6", "it has no K")

    def test_same_methods_are_told_apart_by_network_or_name(self):
        one = {"name": "a", "configuration": self.configuration({"cost": "softmax"})}
        other = {"name": "b", "configuration": self.configuration({"cost": "softmax"})}
        self.assertEqual(labels_of([one, other]), ["D(1.0, 0.6) (a)", "D(1.0, 0.6) (b)"])
        other["configuration"]["network"] = "cfg/big.cfg"
        self.assertEqual(labels_of([one, other]), ["n: D(1.0, 0.6)", "big: D(1.0, 0.6)"])

    def test_options_that_differ_in_numbers_are_axes(self):
        def varied(*configurations):
            return varied_options([{"configuration": configuration | {"net": {}}} for configuration in configurations])

        tsd = {"cost": "tsd", "k": "5", "eta": "0.6"}
        one, other = self.configuration(tsd), self.configuration(tsd | {"k": "10"}, **{"lambda": "0.5"})
        self.assertEqual(varied(one, other), {("patriarch", "k"): [5, 10], ("student", "lambda"): [0.6, 0.5]})
        self.assertEqual(varied(one, one), {})
        self.assertEqual(varied(one, self.configuration(tsd | {"eta": "0.60"})), {}, "the same number")
        confidence = self.configuration({"cost": "tsd", "k": "5", "confidence": "0.6"})
        for different in (confidence, self.configuration({"cost": "softmax"}), other | {"network": "m"},
                          self.configuration(tsd | {"k": "10"}, generations=3)):
            self.assertEqual(varied(one, different), {})

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
        self.assertIn(f"| student 2 | 2 | {100 * sum(pairs) / 2:+.2f} | ", report)
        self.assertIn(f"| {sum(pair > 0 for pair in pairs)} of 2 |", report)

    def test_differences_to_the_baseline_are_paired_by_seed(self):
        def summary(name, generations, tops, plain=False):
            runs = [{"seed": seed, "generation": generation, "last": {"top1": top / 100}}
                    for generation, values in tops.items() for seed, top in enumerate(values, 1)]
            means = [{"generation": generation, "index": None if generation == "baseline" else place - (not plain)}
                     for place, generation in enumerate(tops)]
            return {"name": name, "runs": runs, "mean": means, "patriarch_is_baseline": plain, "ensembles": [
                        {"seed": 1, "kind": "cumulative", "index": generations, "result": {"top1": 0.75}}],
                    "configuration": {"seeds": [1, 2, 3], "generations": generations}}

        one = summary("a", 2, {"baseline": [70, 71, 72], "patriarch": [69, 69, 69], "student1": [71, 72.5, 73],
                               "student2": [71, 70, 74]})
        other = summary("b", 1, {"patriarch": [70, 71, 72], "student1": [71.2, 72.1, 73.3]}, plain=True)
        found = differences([one, other], ["A", "B"])
        named = {(entry.run, entry.generation): entry for entry in found}
        self.assertEqual(list(named), [("A", "patriarch"), ("A", "student 1"), ("A", "student 2"),
                                       ("A", "all students together"), ("B", "student 1"),
                                       ("B", "all students together")], "a plain patriarch is the baseline")
        first = named["A", "student 1"]
        for key, value in paired([1.0, 1.5, 1.0]).items():
            for number, wanted in zip(*[[v] if not isinstance(v, tuple) else v for v in (first.found[key], value)],
                                      strict=True):
                self.assertAlmostEqual(number, wanted, delta=1e-6)
        # Another pairing has the same mean, but not the same interval.
        shuffled = paired([72.5 - 70, 71 - 71, 73 - 72])
        self.assertAlmostEqual(shuffled["mean"], first.found["mean"])
        self.assertGreater(shuffled["p"], 5 * first.found["p"])
        students = [named[key] for key in named if "student " in key[1]]
        self.assertEqual([entry.corrected for entry in students], holm([entry.found["p"] for entry in students]))
        self.assertIsNone(named["A", "patriarch"].corrected, "not in the family")
        self.assertEqual(named["A", "all students together"].found["n"], 1)

    def test_softness_of_patriarchs_is_correlated_with_their_students_gain(self):
        def summary(entropy, gain):
            runs = [{"seed": 1, "generation": name, "last": {"top1": top}} for name, top in
                    (("baseline", 0.7), ("student1", 0.7 + gain))]
            inspect = {"entropy": {"mean": entropy}, "mean_primary": {"mean": 1 - entropy / 2}}
            return {"runs": runs, "mean": [{"generation": "patriarch", "inspect_train": inspect}],
                    "patriarch_is_baseline": False, "configuration": {"seeds": [1], "generations": 1}}

        summaries = [summary(entropy, gain) for entropy, gain in ((0.1, 0.01), (0.5, 0.02), (0.9, 0.04), (1.2, 0.03))]
        table = next(block for block in softness_section(summaries, {}) if isinstance(block, Table))
        self.assertEqual([list(map(str, row)) for row in table.rows][:2],
                         [["entropy (nats)", "student 1", "4", "0.80", "0.333"],
                          ["entropy (nats)", "last student", "4", "0.80", "0.333"]])
        self.assertEqual(softness_section(summaries[:2], {}), [], "two runs are no correlation")

    def test_grid_of_options_needs_all_combinations(self):
        def summary(k, weight):
            configuration = self.configuration({"cost": "tsd", "eta": "0.6", "k": str(k)}, 1, **{"lambda": str(weight)})
            runs = [{"seed": 1, "generation": "baseline", "last": {"top1": 0.7}},
                    {"seed": 1, "generation": "student1", "last": {"top1": 0.7 + k / 100 + weight / 1000}}]
            return {"runs": runs, "mean": [], "patriarch_is_baseline": False,
                    "configuration": configuration | {"net": {}, "seeds": [1]}}

        grid = [summary(k, weight) for k in (2, 5) for weight in (0.3, 0.6)]
        options, gains = grid_of(grid)
        self.assertEqual(list(options), [("patriarch", "k"), ("student", "lambda")])
        self.assertAlmostEqual(gains[5, 0.3], 5.03)
        self.assertIsNone(grid_of([*grid[:3], summary(9, 0.9)]), "not a grid")

    def test_mistakes_are_one_line(self):
        self.run_driver("run", "a.ini", *ONE_SEED)
        self.assertIn("nowhere", self.run_driver("compare", "nowhere", "--out", "b", code=1).stderr)
        self.assertIn("another --out", self.run_driver("compare", "runs/trial", "--out", "runs/trial", code=2).stderr)
        self.run_driver("compare", "runs/trial")
        self.assertTrue(os.path.exists("runs/comparison/report.html"))

    def test_unfinished_runs_are_said_to_be(self):
        self.run_driver("run", "a.ini", code=1, FAKE_FAIL="runs/trial/seed2/student2.cfg")
        self.run_driver("compare", "runs/trial", "--out", "both")
        report = self.read("both/report.md")
        self.assertIn("**Not complete:** D(0.6, 0.5) confidence lacks seed 2 student2", report)
        self.assertIn("(n=1)", report)

    def draw_with_matplotlib(self):
        """The driver draws from here on; a test that needs it is skipped where it is not installed."""
        try:
            load_matplotlib()
        except Failure as error:
            self.skipTest(str(error))
        self.environment["PYTHONPATH"] = ""
        self.flags = {"run": ["--no-estimate"]}

    def test_figures_of_runs_and_comparison(self):
        self.draw_with_matplotlib()
        report = self.compared()
        for folder, text in (("runs/trial", self.read("runs/trial/report.md")), ("both", report)):
            for subject in ("accuracy", "differences", "measures", "calibration", "confidence", "examples"):
                self.assertIn(f"]({subject}.png)", text)
                with open(f"{folder}/{subject}.png", "rb") as file:
                    self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
                self.assertIn("<svg", self.read(f"{folder}/{subject}.svg"))
        self.assertNotIn("options.png", report, "the runs differ in more than numbers")
        for subject in ("learning", "confusion"):
            self.assertIn(f"]({subject}.png)", self.read("runs/trial/report.md"))

    def test_many_runs_have_panels_of_their_own(self):
        self.draw_with_matplotlib()
        lines = "patriarch.k=2 3 4 5\nstudent.lambda=0.3 0.6"
        self.write("s.ini", f"[experiment]\nbase=a.ini\nseeds=1\ngenerations=1\n[sweep]\n{lines}\n")
        self.run_driver("run", "s.ini", flags=["--no-estimate", "--no-figures"])
        self.run_driver("compare", "runs/s", "--out", "runs/s")
        for subject in ("accuracy", "tradeoff", "measures"):
            drawn = self.read(f"runs/s/{subject}.svg")
            for k in (2, 3, 4, 5):
                self.assertEqual(len(re.findall(rf"<!-- .*\(0.6, 0.3\) confidence, K {k} -->", drawn)),
                                 2 if subject == "measures" else 1, subject)

    def test_figure_of_a_sweep_over_numbers(self):
        self.draw_with_matplotlib()
        self.write("s.ini", "[experiment]\nbase=a.ini\nseeds=1\n[sweep]\npatriarch.k=2 5\nstudent.lambda=0.3 0.6\n")
        self.run_driver("run", "s.ini", flags=["--no-estimate", "--no-figures"])
        self.run_driver("compare", "runs/s", "--out", "runs/s")
        for subject in ("options", "heat", "tradeoff"):
            self.assertIn(f"]({subject}.png)", self.read("runs/s/report.md"))
        self.assertIn("<!-- lambda of the student -->", self.read("runs/s/heat.svg"))
        drawn = self.read("runs/s/options.svg")
        for words in ("K of the patriarch", "lambda of the student", "last student", "baseline"):
            self.assertIn(words, drawn)


if __name__ == "__main__":
    unittest.main()
