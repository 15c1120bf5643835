#!/usr/bin/env python3
"""What the verbs print: the formats that people and scripts read, and the host's own verbs.

/usr/bin/python3 tests/cli/verb_test.py -v
"""

import collections
import json
import math
import os
import re
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import (ROOT, MadeOnceTest, SOFTMAX, TSD, fashion_data, fashion_image, fashion_network, section,
                         write_fashion, write_png)

VALID_LINE = re.compile(r"top1 (\d\.\d{4}) top(\d+) (\d\.\d{4}) loss (\d+\.\d{4}) images (\d+)")


class VerbTest(MadeOnceTest):
    def make(self):
        write_fashion(self.folder, 960, 200)
        names = os.path.join(ROOT, "data", "fashion.labels")
        self.write("fashion.data", fashion_data(names=names, labels=names))
        self.write("superclasses.txt", "0\n1\n0\n1\n0\n2\n0\n2\n3\n2\n")
        self.write("super.data", fashion_data(names=names, superclasses="superclasses.txt"))
        self.write("net.cfg", fashion_network(TSD, epochs=3))
        self.train("net.cfg")
        for index in range(3):
            rows, label = fashion_image(index, self.folder)
            write_png(self.path("image%d.png" % index), rows, 1)
        with open(names) as file:
            self.write("names.json", json.dumps(file.read().split("\n")))

    def names(self):
        return json.loads(self.read("names.json"))[:10]

    def evaluate(self, verb, *weights, data="fashion.data", out="out.json", **options):
        weights = weights or ("backup/net_final.weights",)
        done = self.run_darknet("classifier", verb, data, "net.cfg", *weights, "-json", out, "-threads", 1, **options)
        return done.stdout.splitlines(), json.loads(self.read(out))

    def assert_line_is(self, line, result):
        match = VALID_LINE.fullmatch(line)
        self.assertIsNotNone(match, line)
        top1, k, topk, loss, images = match.groups()
        self.assertEqual((top1, int(k), topk, loss, int(images)),
                         ("%.4f" % result["top1"], result["k"], "%.4f" % result["topk"], "%.4f" % result["loss"],
                          result["images"]))
        self.assertEqual(result["top" + k], result["topk"])
        self.assertAlmostEqual(result["top1"], result["top1_count"] / result["images"], places=8)
        self.assertAlmostEqual(result["topk"], result["topk_count"] / result["images"], places=8)

    def test_the_hosts_own_verbs_get_no_cfg_that_they_crash_on(self):
        for words in (["partial", "net.cfg", "backup/net_final.weights", "out.weights", "1"],
                      ["classifier", "test", "fashion.data", "net.cfg", "backup/net_final.weights"]):
            done = self.run_darknet(*words, code=1)
            self.assert_one_line(done, "net.cfg: [tsd] is unknown to", f"the verb '{words[0]}'", "chain stock net.cfg")
        self.write("steps.cfg", fashion_network(SOFTMAX, policy="steps", epoch_steps="2,3", scales=".1,.1"))
        self.assert_one_line(self.run_darknet("partial", "steps.cfg", "a", "b", "1", code=1), "epoch_steps= is unknown")

    def test_a_cfg_of_another_kind_goes_to_the_host_without_a_word(self):
        """A detector has many lines that are errors here, and none of them is this program's business."""
        self.write("detector.cfg", "[net]\nheight=32\n\n[yolo]\nmask=0\n\n[yolo]\nmask=1\n\n[region]\n")
        done = self.run_darknet("partial", "detector.cfg", "none.weights", "out.weights", "1", code=None)
        self.assertNotIn("detector.cfg:", done.stderr)
        train = self.run_darknet("classifier", "train", "fashion.data", "detector.cfg", code=1)
        self.assertEqual(len(train.stderr.splitlines()), 3, train.stderr)

    # --- our verbs ---

    def test_training_says_what_the_stock_program_computes_otherwise(self):
        layers = (section("convolutional", filters=4, size=3, pad=1, activation="mish") +
                  section("convolutional", filters=4, size=3, pad=1, dilation=2, stride_x=1, activation="relu6") +
                  section("normalization") + section("local_avgpool", size=1) +
                  section("shortcut", **{"from": "-2"}, beta=2, activation="linear"))
        text = self.read("net.cfg").decode()
        head, rest = text.split("[convolutional]", 1)
        self.write("odd.cfg", re.sub(r"epochs=\d+", "max_batches=1", head) + layers + "[convolutional]" + rest)
        output = self.train("odd.cfg").stdout.splitlines()
        lines = [line for line in output if "evaluate these weights otherwise" in line]
        packaged = os.environ.get("DNG_HOST", "packaged") == "packaged"
        wanted = (["has no mish", "has no dilation= in [convolutional]", "has no relu6",
                   "leaves a square out of the sums", "has no [local_avgpool]"] if packaged else
                  ["gives zero for relu6", "leaves a square out of the sums", "has no factors in [shortcut]"])
        self.assertEqual(len(lines), len(wanted), lines)
        for line, words in zip(lines, wanted, strict=True):
            self.assertRegex(line, r"^odd\.cfg:\d+: \[\w+\]")
            self.assertIn(words, line)

    def test_valid_ends_with_one_line(self):
        lines, result = self.evaluate("valid")
        self.assert_line_is(lines[-1], result)
        self.assertEqual(len(lines), 1, lines)
        self.assertEqual(result["images"], 200)
        self.assertGreater(result["top1"], 0.2)
        self.assertEqual(result["weights"], "backup/net_final.weights")
        self.assertEqual(result["cfg"], "net.cfg")

    def test_valid_counts_by_class(self):
        """The same images as `inspect -examples` shows, one by one."""
        _, result = self.evaluate("valid")
        self.run_darknet("classifier", "inspect", "fashion.data", "net.cfg", "backup/net_final.weights", "-examples",
                         "counted", "-count", 200)
        pairs = collections.Counter((image["label"], image["top"][0]["class"]) for image in
                                    json.loads(self.read("counted", "examples.json"))["images"])
        self.assertEqual(result["confusion"], [[*pair, count] for pair, count in sorted(pairs.items())])
        for index, (entry, name) in enumerate(zip(result["classes"], self.names(), strict=True)):
            images = sum(count for (label, _), count in pairs.items() if label == index)
            self.assertEqual(entry, {"name": name, "images": images, "top1_count": pairs[index, index],
                                     "top1": float("%.9g" % (pairs[index, index] / images))})
        self.assertEqual(sum(entry["top1_count"] for entry in result["classes"]), result["top1_count"])
        done = self.run_darknet("classifier", "valid", "fashion.data", "net.cfg", "backup/net_final.weights",
                                "-classes")
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 12)
        self.assert_line_is(lines[-1], result)
        for line, entry in zip(lines[1:], result["classes"], strict=False):
            self.assertRegex(line, "^%s +%d  %.4f( |$)" % (entry["name"], entry["images"], entry["top1"]))

    def test_valid_agrees_with_training(self):
        """The last epoch's validation is what valid says about the final weights."""
        _, result = self.evaluate("valid")
        row = self.read("backup", "net.csv").decode().splitlines()[-1].split(",")
        self.assertEqual(["%.6f" % result[key] for key in ("loss", "top1", "topk")], row[4:7])

    def test_valid_does_not_depend_on_the_batch_of_the_cfg(self):
        """Up to rounding: how many images go through the network together is up to the program."""
        lines, result = self.evaluate("valid")
        cfg = self.read("net.cfg").decode()
        self.assertIn("batch=", cfg)
        for batch in (1, 7, 256):
            self.write("other.cfg", re.sub(r"(?m)^batch=\d+", "batch=%d" % batch, cfg))
            done = self.run_darknet("classifier", "valid", "fashion.data", "other.cfg", "backup/net_final.weights",
                                    "-json", "other.json")
            other = json.loads(self.read("other.json"))
            self.assertEqual([other[key] for key in ("top1", "topk", "images")],
                             [result[key] for key in ("top1", "topk", "images")])
            self.assertAlmostEqual(other["loss"], result["loss"], places=5)
            self.assertEqual(len(done.stdout.splitlines()), len(lines))

    def test_predict_prints_what_darknet_prints(self):
        done = self.run_darknet("classifier", "predict", "fashion.data", "net.cfg", "backup/net_final.weights",
                                "image0.png", "-t", 3)
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 3, lines)
        shares, names = [], []
        for line in lines:
            match = re.fullmatch(r"([ 0-9]{2}\d?\.\d\d)%: (.+)", line)
            self.assertIsNotNone(match, line)
            shares.append(float(match.group(1)))
            names.append(match.group(2))
        self.assertEqual(shares, sorted(shares, reverse=True))
        self.assertLessEqual(sum(shares), 100.02)
        self.assertEqual(len(set(names)), 3)
        self.assertLessEqual(set(names), set(json.loads(self.read("names.json"))))

    def test_predict_without_t_shows_top(self):
        done = self.run_darknet("classifier", "predict", "fashion.data", "net.cfg", "backup/net_final.weights",
                                "image0.png")
        self.assertEqual(len(done.stdout.splitlines()), 5)

    def test_predict_reads_paths(self):
        words = ("classifier", "predict", "fashion.data", "net.cfg", "backup/net_final.weights")
        alone = [self.run_darknet(*words, "image%d.png" % i).stdout for i in range(3)]
        done = self.run_darknet(*words, input="image0.png\n\n  image1.png \nimage2.png")
        self.assertEqual(done.stdout, "".join("image%d.png\n%s" % (i, alone[i]) for i in range(3)))
        # A wrong path does not end the session, but it shows in the exit code.
        done = self.run_darknet(*words, input="image0.png\nmissing.png\nimage1.png\n", code=1)
        self.assertEqual(done.stdout, "image0.png\n%smissing.png\nimage1.png\n%s" % (alone[0], alone[1]))
        self.assert_one_line(done, "missing.png")

    def test_predict_agrees_with_valid(self):
        """200 images through predict have as many hits as valid counts."""
        paths, labels = [], []
        for index in range(200):
            rows, label = fashion_image(index, self.folder)
            paths.append("all%d.png" % index)
            labels.append(label)
            write_png(self.path(paths[-1]), rows, 1)
        out = self.run_darknet("classifier", "predict", "fashion.data", "net.cfg", "backup/net_final.weights", "-t", 1,
                               input="\n".join(paths)).stdout.splitlines()
        names = json.loads(self.read("names.json"))
        self.assertEqual(out[::2], paths)
        hits = sum(line.split(": ", 1)[1] == names[label] for line, label in zip(out[1::2], labels, strict=True))
        self.assertEqual(hits, self.evaluate("valid", out="all.json")[1]["top1_count"])

    def test_layer_prints_nine_digits(self):
        logits = [(2, [0.5, -1.25, 2.0, 0.125]), (0, [-3.0, 7.5, 0.0, 1e-3])]
        self.write("logits.csv", "".join("%d,%s\n" % (label, ",".join(map(repr, z))) for label, z in logits))
        out = self.run_darknet("layer", "softmax", "logits.csv").stdout
        rows = [line.split(",") for line in out.splitlines()]
        self.assertEqual([len(row) for row in rows], [5, 5])
        for row, (label, z) in zip(rows, logits, strict=True):
            top = max(z)
            total = sum(math.exp(value - top) for value in z)
            f = [math.exp(value - top) / total for value in z]
            wanted = [-math.log(f[label])] + [share - (j == label) for j, share in enumerate(f)]
            for text, value in zip(row, wanted, strict=True):
                # As many of nine digits as are not trailing zeros.
                self.assertEqual(text, "%.9g" % float(text))
                self.assertAlmostEqual(float(text) / value, 1, delta=2e-8)
            self.assertTrue(any(len(text.split("e")[0].strip("-0.").replace(".", "")) == 9 for text in row), row)

    def test_layer_takes_options(self):
        self.write("logits.csv", "1,0.5,1.5,-0.5\n")
        plain = self.run_darknet("layer", "softmax", "logits.csv").stdout
        self.assertEqual(self.run_darknet("layer", "tsd", "eta=1", "k=2", "logits.csv").stdout, plain)
        self.assertNotEqual(self.run_darknet("layer", "tsd", "eta=0.5", "k=2", "logits.csv").stdout, plain)
        self.assertEqual(self.run_darknet("layer", "label_smoothing", "epsilon=0", "logits.csv").stdout, plain)
        self.write("doubled.csv", "1,1,3,-1\n")
        self.assertEqual(self.run_darknet("layer", "softmax", "temperature=2", "doubled.csv").stdout, plain)
        self.write("both.csv", "1,0.5,1.5,-0.5,0.2,0.7,0.1\n")
        self.assertEqual(self.run_darknet("layer", "distill", "lambda=0", "both.csv").stdout, plain)
        self.assert_one_line(self.run_darknet("layer", "tsd", "etta=1", "logits.csv", code=2), "etta", "eta")
        self.assert_one_line(self.run_darknet("layer", "tsdd", "logits.csv", code=2), "tsdd", "tsd")

    def test_options_checks_a_cfg(self):
        plain = json.loads(self.run_darknet("options").stdout)
        network = json.loads(self.run_darknet("options", "net.cfg").stdout)
        with_data = json.loads(self.run_darknet("options", "net.cfg", "fashion.data").stdout)
        self.assertEqual(with_data.pop("names"), json.loads(self.read("names.json"))[:10])
        self.assertEqual(with_data, network)
        network = network.pop("network")
        self.assertEqual({**plain, "network": network}, with_data)
        self.assertEqual((network["input"], network["mean"]), ([1, 28, 28], []))
        layers = network["layers"]
        self.assertEqual([layer["section"] for layer in layers],
                         ["convolutional", "convolutional", "dropout", "avgpool", "connected", "tsd"])
        self.assertEqual((layers[1]["in"], layers[1]["out"], layers[1]["sources"]), ([8, 14, 14], [16, 7, 7], [0]))
        keys = "filters", "groups", "activation"
        self.assertEqual([layers[1]["options"][key] for key in keys], ["16", "1", "relu"])
        line = self.read("net.cfg").decode().splitlines().index("[avgpool]") + 1
        self.assertEqual(layers[3]["where"], f"net.cfg:{line}: [avgpool]")
        self.write("bad.cfg", "[net]\npower=x\n" + self.read("net.cfg").decode().partition("[net]\n")[2])
        bad = self.run_darknet("options", "bad.cfg", code=1)
        self.assertEqual(bad.stdout, "")
        self.assert_one_line(bad, "bad.cfg:2: [net] power=x")
        self.assert_one_line(self.run_darknet("options", "net.cfg", "fashion.data", "net.cfg", code=2),
                             "darknet options [CFG [DATA]]")

    def test_translations_are_warnings_and_errors_with_strict(self):
        text = self.read("net.cfg").decode()
        self.write("loose.cfg", text.replace("[net]\n", "[net]\nseen=0\n") + "[cost]\ntype=sse\n")
        places = ["loose.cfg:2: [net] seen=0", "loose.cfg:%d: [cost]" % (text.count("\n") + 2)]
        tables = json.loads(self.run_darknet("options", "loose.cfg").stdout)
        self.assertEqual([entry["where"] for entry in tables["translations"]], places)
        words = ["classifier", "valid", "fashion.data", "loose.cfg", "backup/net_final.weights", "-threads", 1]
        lines = self.run_darknet(*words).stderr.splitlines()
        for line, place in zip(lines[:2], places, strict=True):
            self.assertTrue(line.startswith("darknet: " + place), line)
            self.assertTrue(line.endswith("; -strict refuses it"), line)
        for strict in (words, ["options", "loose.cfg"]):
            self.assert_one_line(self.run_darknet(*strict, "-strict", code=1), places[0], "remove the line")

    def test_inspect_keys(self):
        lines, result = self.evaluate("inspect", out="inspect.json")
        self.assert_line_is(lines[-1], result)
        self.assertEqual(set(result), {
            "top1", "topk", "top5", "k", "loss", "images", "top1_count", "topk_count", "mean_primary", "mean_rank_2_k",
            "mean_by_rank", "mean_true", "entropy", "dist_between", "dist_within", "dist_all", "inside_superclass",
            "ece", "calibration_bins", "teacher_agreement", "teacher_kl", "set"})
        self.assertEqual(result["set"], "valid")
        self.assertEqual(len(result["mean_by_rank"]), 5)
        self.assertEqual(result["mean_by_rank"], sorted(result["mean_by_rank"], reverse=True))
        self.assertAlmostEqual(result["mean_primary"], result["mean_by_rank"][0], places=9)
        self.assertAlmostEqual(result["mean_rank_2_k"], sum(result["mean_by_rank"][1:]) / 4, places=8)
        self.assertEqual(sum(item["images"] for item in result["calibration_bins"]), 200)
        # Without superclasses, or a teacher, there is nothing to say about them.
        for key in ("dist_between", "dist_within", "inside_superclass", "teacher_agreement", "teacher_kl"):
            self.assertIsNone(result[key], key)
        lines, result = self.evaluate("inspect", data="super.data", out="super.json")
        for key in ("dist_between", "dist_within", "dist_all", "inside_superclass"):
            self.assertGreater(result[key], 0, key)
        self.assertLess(result["inside_superclass"], 1)
        self.assertTrue(any("between superclasses %.4f" % result["dist_between"] in line for line in lines), lines)

    def test_inspect_looks_at_training_images(self):
        # The training set as the validation set of another .data file gives the same figures.
        self.write("swapped.data", fashion_data(valid="train"))
        wanted = self.evaluate("inspect", data="swapped.data", out="swapped.json")[1]
        done = self.run_darknet("classifier", "inspect", "fashion.data", "net.cfg", "backup/net_final.weights", "-set",
                                "train", "-json", "train.json", "-threads", 1)
        result = json.loads(self.read("train.json"))
        self.assertEqual(result["set"], "train")
        self.assertEqual(result["images"], 960)
        self.assertEqual(dict(result, set="valid"), wanted)
        self.assert_line_is(done.stdout.splitlines()[-1], result)
        done = self.run_darknet("classifier", "inspect", "fashion.data", "net.cfg", "backup/net_final.weights", "-set",
                                "trian", code=2)
        self.assert_one_line(done, "-set trian", "valid or train", "'train'")
        self.write("no_train.data", "classes=10\nvalid=valid-images-idx3-ubyte\n")
        done = self.run_darknet("classifier", "inspect", "no_train.data", "net.cfg", "backup/net_final.weights", "-set",
                                "train", code=1)
        self.assert_one_line(done, "no_train.data", "train= is missing")

    def test_inspect_says_what_the_teacher_differs_in(self):
        words = ("classifier", "inspect", "fashion.data", "net.cfg", "backup/net_final.weights", "-threads", 1)
        done = self.run_darknet(*words, "-teacher", "backup/net_final.weights", "-json", "same.json")
        result = json.loads(self.read("same.json"))
        self.assertEqual((result["teacher_agreement"], result["teacher_kl"]), (1, 0))
        self.assertIn("same top class as the teacher         1.0000", done.stdout)
        done = self.run_darknet(*words, "-teacher", "missing.weights", code=1)
        self.assert_one_line(done, "missing.weights")

    def test_inspect_writes_examples(self):
        words = ("classifier", "inspect", "fashion.data", "net.cfg", "backup/net_final.weights", "-threads", 1)
        self.run_darknet(*words, "-examples", "some/examples", "-count", 12)
        found = json.loads(self.read("some", "examples", "examples.json"))
        names = json.loads(self.read("names.json"))
        self.assertEqual({key: found[key] for key in ("set", "cfg", "weights", "k")},
                         {"set": "valid", "cfg": "net.cfg", "weights": "backup/net_final.weights", "k": 5})
        self.assertIn("200 images of 1x28x28", found["data"])
        labels = [fashion_image(index, self.folder)[1] for index in range(200)]
        first = [labels.index(label) for label in range(10)]
        second = [labels.index(label, first[label] + 1) for label in (0, 5)]
        self.assertEqual({image["index"] for image in found["images"]}, {*first, *second})
        self.assertEqual(sorted(os.listdir(self.path("some", "examples"))),
                         sorted([image["file"] for image in found["images"]] + ["examples.json"]))
        for image in found["images"]:
            self.assertEqual(image["label"], labels[image["index"]])
            self.assertEqual(image["label_name"], names[image["label"]])
            self.assertEqual([one["name"] for one in image["top"]], [names[one["class"]] for one in image["top"]])
            shares = [one["probability"] for one in image["top"]]
            self.assertEqual(shares, sorted(shares, reverse=True))
            # The picture, through predict, is the image.
            lines = self.run_darknet("classifier", "predict", "fashion.data", "net.cfg", "backup/net_final.weights",
                                     "some/examples/" + image["file"]).stdout.splitlines()
            self.assertEqual(lines, ["%5.2f%%: %s" % (100 * one["probability"], one["name"]) for one in image["top"]])
        self.assert_one_line(self.run_darknet(*words, "-count", 3, code=2), "-count", "-examples DIR")
        self.assert_one_line(self.run_darknet(*words, "-examples", "e", "-count", 0, code=2), "-count 0", "from 1")
        self.assert_one_line(self.run_darknet(*words, "-examples", "net.cfg", code=1), "net.cfg", "folder")

    def test_ensemble_of_one_network_twice_is_the_network(self):
        _, member = self.evaluate("valid", out="member.json")
        lines, result = self.evaluate("ensemble", "backup/net_final.weights", "backup/net_final.weights",
                                      out="ensemble.json")
        self.assert_line_is(lines[-1], result)
        self.assertEqual(len(lines), 3, lines)
        self.assertEqual(len(result["members"]), 2)
        for one in result["members"]:
            self.assertEqual({key: member[key] for key in one}, one)
        for key in ("top1_count", "topk_count", "images"):
            self.assertEqual(result[key], member[key], key)
        self.assertAlmostEqual(result["loss"], member["loss"], delta=1e-6)

    def test_json_goes_nowhere_else(self):
        """A file that cannot be written is an error, and the exit code says so."""
        done = self.run_darknet("classifier", "valid", "fashion.data", "net.cfg", "backup/net_final.weights", "-json",
                                "missing/out.json", code=1)
        self.assert_one_line(done, "missing/out.json", "cannot be written")

    # --- the host's verbs ---

    def handed_over(self, *words, code=0):
        done = self.run_darknet(*words, code=None)
        if "the host's own program cannot be started" in done.stderr:
            self.assert_one_line(done)
            self.assertEqual(done.returncode, 1)
            raise unittest.SkipTest("the host's own program is not installed: it was asked for in one line")
        self.assertEqual(done.returncode, code, done.stdout[-500:] + done.stderr[-500:])
        return done

    def plain_cfg(self):
        """With nothing but the host's keys."""
        return section("net", batch=1, height=28, width=28, channels=3) + section(
            "convolutional", filters=4, size=3, stride=1, pad=1, activation="relu") + section("avgpool") + section(
                "connected", output=10, activation="linear") + SOFTMAX

    def test_ops_reaches_the_host(self):
        self.write("plain.cfg", self.plain_cfg())
        done = self.handed_over("ops", "plain.cfg")
        # 2 operations for each of 28 x 28 x 4 x (3 x 3 x 3) products, and 2 x 4 x 10 behind the pooling.
        self.assertRegex(done.stdout, r"Floating Point Operations: %d\b" % (2 * 28 * 28 * 4 * 27 + 2 * 4 * 10))

    def test_classifier_verbs_reach_the_host(self):
        for index in range(3):
            shutil.copy(self.path("image%d.png" % index), self.path("%d_lbl%dx.png" % (index, index)))
        self.write("list.txt", "".join("%d_lbl%dx.png\n" % (index, index) for index in range(3)))
        self.write("labels.txt", "".join("lbl%dx\n" % index for index in range(10)))
        self.write("host.data", "classes=10\nvalid=list.txt\nlabels=labels.txt\nnames=labels.txt\ntop=2\n")
        self.write("plain.cfg", self.plain_cfg())
        done = self.handed_over("classifier", "valid10", "host.data", "plain.cfg")
        self.assertRegex(done.stdout, r"2: top 1: [01]\.\d+, top 2: [01]\.\d+")

    def test_unknown_verbs_are_refused(self):
        self.assert_one_line(self.run_darknet("detectr", code=2), "detectr", "'detect'")
        self.assert_one_line(self.run_darknet("classifier", "vaild", code=2), "vaild", "valid")


if __name__ == "__main__":
    unittest.main()
