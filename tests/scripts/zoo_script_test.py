#!/usr/bin/env python3
"""scripts/zoo.py: which cfgs are classifiers, the edited copies, the answers, and a small tree from end to end.

/usr/bin/python3 tests/scripts/zoo_script_test.py -v
"""

import json
import math
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import (DARKNET, ROOT, SCRIPTS, FolderTest, RunTest, fashion_image, read, section, stock_darknet,
                         write_fashion, write_png)

from classifier_zoo.answers import answers, largest_difference
from classifier_zoo.cfgs import kind_of, with_classes, with_values
from generations_driver.errors import Failure

NET = section("net", batch=64, subdivisions=8, height=8, width=8, channels=3)
END = section("avgpool") + section("softmax")


def convolution(filters):
    return section("convolutional", filters=filters, size=3, pad=1, activation="linear")


class CfgTest(FolderTest):
    def test_kinds_follow_from_the_sections(self):
        for text, kind in ((convolution(5) + END, "classifiers"), (convolution(5) + END + "[cost]\n", "classifiers"),
                           (convolution(5) + "[yolo]\n", "detectors"), ("[rnn]\n" + END, "recurrent"),
                           (convolution(5) + "[cost]\n", "no classifiers"), (convolution(5), "no classifiers")):
            self.assertEqual(kind_of(self.write("a.cfg", NET + text)), kind, text)

    def test_nothing_but_the_named_values_is_edited(self):
        text = "# mine\n" + NET.replace("batch=64", "batch = 64 # large\nbatch=1") + convolution(1000) + END
        found = with_values(self.write("a.cfg", text), {"batch": 2, "subdivisions": 1, "max_batches": 3})
        found, classes = with_classes(self.write("a.cfg", found), 6, 1000)
        self.assertEqual(classes, 6)
        self.assertEqual(found, text.replace("[net]", "[net]\nmax_batches=3").replace(
            "batch = 64 # large", "batch=2").replace("=8\nheight", "=1\nheight").replace("=1000", "=6"))

    def test_classes_that_follow_from_sizes_stay(self):
        text = NET + convolution(1) + section("softmax")
        self.assertEqual(with_classes(self.write("a.cfg", text), 6, 64), (text, 64))

    def test_what_is_no_network_is_one_line(self):
        with self.assertRaisesRegex(Failure, "not a network cfg"):
            kind_of(self.write("a.cfg", "[softmax]\n"))


class AnswersTest(unittest.TestCase):
    def test_both_hosts_answers_are_read(self):
        self.assertEqual(answers("Loading...\n12.50%: cat\n 1.00%: dog\n"), [("cat", 12.5), ("dog", 1.0)])
        self.assertEqual(answers(" seen 64, trained: 0 K-images\ncat: 0.125000\nx.png: Predicted in 1.5 seconds.\n"),
                         [("cat", 12.5)])

    def test_differences(self):
        self.assertEqual(largest_difference([("a", 60), ("b", 40)], [("b", 41.5), ("a", 58.5)]), 1.5)
        self.assertIsNone(largest_difference([("a", 60)], answers("a: -nan\n")))
        self.assertEqual(largest_difference([("a", 60), ("b", 30)], [("a", 60), ("c", 29.5)]), 0.5)
        self.assertEqual(largest_difference([("a", 60)], []), math.inf)


class ZooScriptTest(RunTest):
    def zoo(self, *words, code=0):
        done = subprocess.run([sys.executable, os.path.join(SCRIPTS, "zoo.py"), "--darknet", DARKNET, *words],
                              cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def tree(self):
        write_fashion(self.folder, 1, 6)
        paths = [self.path("%d.png" % index) for index in range(6)]
        for index, path in enumerate(paths):
            rows, _ = fashion_image(index, self.folder)
            write_png(path, [bytes(value for one in row for value in (one, 255 - one, one // 2)) for row in rows], 3)
        self.write("list.txt", "".join("%s 3\n" % path for path in paths))
        self.write("list.data", "classes=10\ntrain=list.txt\nvalid=list.txt\n")
        for name in ("darknet19", "darknet53"):
            self.write("tree/cfg/%s.cfg" % name, read(os.path.join(ROOT, "tests/zoo", name + ".cfg")))
        self.write("tree/cfg/refused.cfg", NET + section("convolutional", xnor=1) + END)
        self.write("tree/cfg/detector.cfg", NET + convolution(5) + "[yolo]\n")
        return self.path("tree")

    def test_a_tree(self):
        tree = self.tree()
        done = self.zoo("--data", "list.data", "--json", "out.json", tree,
                        *(("--stock", stock_darknet()) if stock_darknet() else ()))
        rows = {row["cfg"]: row for row in json.loads(self.read("out.json"))["rows"]}
        self.assertEqual(sorted(rows), ["darknet19.cfg", "darknet53.cfg", "refused.cfg"])
        self.assertIn("xnor=1", rows["refused.cfg"]["refused"])
        self.assertFalse(rows["refused.cfg"]["accepted"])
        for name in ("darknet19.cfg", "darknet53.cfg"):
            self.assertTrue(rows[name]["accepted"] and rows[name]["trained"], rows[name])
            self.assertEqual(len(rows[name]["losses"]), 4)
            self.assertEqual(rows[name]["agrees"], True if stock_darknet() else None, rows[name])
        self.assertEqual([became for _, became in rows["darknet53.cfg"]["translated"]], [])
        self.assertIn("[cost]", done.stdout)
        self.assertIn("detectors: detector\n", done.stdout)
        self.assertIn("| darknet53 | yes |", done.stdout)
        self.assertIn("3/3 refused.cfg: refused: ", done.stderr)

    def test_another_programs_answers_are_a_difference(self):
        tree = self.tree()
        fake = self.write("fake", "#!/bin/sh\necho '100.00%: image0'\n")
        os.chmod(fake, 0o755)
        self.zoo("--data", "list.data", "--json", "out.json", "--stock", fake, tree, "darknet53")
        row = json.loads(self.read("out.json"))["rows"][0]
        self.assertFalse(row["agrees"])
        self.assertGreater(row["largest_difference"], 10)

    def test_bad_input_is_one_line(self):
        tree = self.tree()
        for words, code, says in ((["none"], 2, "no cfg/*.cfg"), ([tree, "other"], 2, "no other.cfg"),
                                  ([tree], 1, "--data"), (["--data", "none.data", tree], 1, "none.data"),
                                  (["--data", "list.data", "--stock", "none", tree], 2, "none"), ([], 2, "TREE")):
            done = self.zoo(*words, code=code)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(says, done.stderr)


if __name__ == "__main__":
    unittest.main()
