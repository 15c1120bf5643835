#!/usr/bin/env python3
"""The model cards that scripts/generations.py writes beside the final weights.

/usr/bin/python3 tests/scripts/model_card_test.py -v
"""

import hashlib
import json
import os
import unittest

from generations_support import Case

CARDS = [f"runs/trial/seed{seed}/student2_final.card" for seed in (1, 2)]


class ModelCardTest(Case):
    def finish(self, *more):
        self.write("names.txt", "T-shirt/top\nTrouser\n" + "".join(f"class {label}\n" for label in range(2, 10)))
        self.write("a.data", "classes = 10\ntrain=train.bin\nvalid=valid.bin\nbackup=elsewhere\nnames=names.txt\n")
        self.write("net.cfg", self.read("net.cfg").replace("batch=8\n", "batch=8\nheight=28\nwidth=28\nchannels=1\n"
                                                                        "mean=.5\nvalid_resize=32\n"))
        self.run_driver("run", "a.ini", *more)

    def test_a_run_ends_with_a_card_for_each_seed(self):
        self.finish("--set", "experiment.licence=CC0-1.0")
        summary = json.loads(self.read("runs/trial/summary.json"))
        for seed, base in enumerate(CARDS, 1):
            card, text = json.loads(self.read(base + ".json")), self.read(base + ".md")
            run = next(run for run in summary["runs"] if (run["seed"], run["generation"]) == (seed, "student2"))
            mean = next(entry for entry in summary["mean"] if entry["generation"] == "student2")
            with open(run["weights"], "rb") as file:
                self.assertEqual(card["weights"]["sha256"], hashlib.sha256(file.read()).hexdigest())
            self.assertEqual(card["weights"]["file"], "student2_final.weights")
            self.assertEqual(card["recipe"]["name"], "D(confidence=0.6, lambda=0.5)")
            self.assertEqual(card["licence"], "CC0-1.0")
            self.assertEqual((card["generation"]["seed"], card["generation"]["training_seed"]), (seed, 1000 * seed + 2))
            self.assertEqual(card["accuracy"]["this"]["top1"], run["last"]["top1"])
            self.assertEqual(card["accuracy"]["over_seeds"], mean["last"])
            self.assertEqual(card["calibration"]["bins"], run["inspect"]["calibration_bins"])
            self.assertEqual(card["data"]["names"][:2], ["T-shirt/top", "Trouser"])
            self.assertEqual(card["commands"], {"run": summary["command"], "training": run["command"]})
            both = mean["last"]["top1"]
            self.assertIn("| top-1 accuracy (%%) | %.2f | %.2f ± %.2f |" % (
                100 * run["last"]["top1"], 100 * both["mean"], 100 * both["deviation"]), text)
            for part in ("CC0-1.0", "of 10 classes", "`D(confidence=0.6, lambda=0.5)`", "T-shirt/top, Trouser, ",
                         "shorter side resized to 32, the centre 28x28 cut out; gray", "minus the mean .5",
                         "generations.py run a.ini", f"-seed {1000 * seed + 2}", "over 2 seeds"):
                self.assertIn(part, text)

    def test_cards_need_the_summary_alone(self):
        self.finish()
        written = {base + ending: self.read(base + ending) for base in CARDS for ending in (".md", ".json")}
        self.assertIn("| licence | not given |", written[CARDS[0] + ".md"])
        os.makedirs("copy")
        os.rename("runs/trial/summary.json", "copy/summary.json")
        os.rename("runs/trial/experiment.ini", "copy/experiment.ini")
        done = self.run_driver("card", "copy")
        self.assertEqual(done.stdout.split(), [path.replace("runs/trial", "copy") for path in written if ".md" in path])
        for path, text in written.items():
            self.assertEqual(self.read(path.replace("runs/trial", "copy")), text, path)

    def test_without_a_finished_chain_there_is_no_card(self):
        self.run_driver("run", "a.ini", "--set", "experiment.seeds=1", code=1, FAKE_FAIL="student2")
        self.assertFalse(os.path.exists(CARDS[0] + ".md"))
        self.assertIn("no chain is done", self.run_driver("card", "runs/trial", code=1).stderr)
        self.assertIn("not a run's folder", self.run_driver("card", ".", code=1).stderr)


if __name__ == "__main__":
    unittest.main()
