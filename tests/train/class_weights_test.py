#!/usr/bin/env python3
"""class_weights= of the .data file: what a training does with it, and what it leaves alone.

/usr/bin/python3 tests/train/class_weights_test.py -v
"""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import MadeOnceTest, SOFTMAX, TSD, distill, fashion_data, fashion_network, write_fashion

IGNORED = 1


class ClassWeightsTest(MadeOnceTest):
    def make(self):
        write_fashion(self.folder, 640, 200)

    def trained(self, name, cost=SOFTMAX, weights=None, words=(), code=0, **net):
        """A training with files of its own: backup/NAME.*"""
        more = {} if weights is None else {"class_weights": weights}
        self.write(name + ".data", fashion_data(**more))
        self.write(name + ".cfg", fashion_network(cost, **dict(dict(epochs=3), **net)))
        return self.train(name + ".cfg", *words, data=name + ".data", code=code)

    def weights(self, name):
        return self.read("backup", name + "_final.weights")

    def rows(self, name):
        return [line.split(",") for line in self.read("backup", name + ".csv").decode().splitlines()[1:]]

    def test_weights_of_two_are_twice_the_gradient(self):
        self.trained("plain")
        done = self.trained("ones", weights=",".join(["1"] * 10))
        self.assertIn("\nclass weights: 1 to 1, mean over the training images 1\n", done.stdout)
        self.assertEqual(self.weights("plain"), self.weights("ones"))
        self.trained("twos", weights=",".join(["2"] * 10))
        self.trained("scale", SOFTMAX.rstrip("\n") + "\ngradient_scale=2\n")
        self.assertEqual(self.weights("twos"), self.weights("scale"))
        self.assertNotEqual(self.weights("twos"), self.weights("plain"))
        # The training's loss has the weights, the validation's has not.
        twos, scale = self.rows("twos"), self.rows("scale")
        self.assertEqual([row[4:7] for row in twos], [row[4:7] for row in scale])
        for one, other in zip(twos, scale, strict=True):
            self.assertAlmostEqual(float(one[2]), 2 * float(other[2]), delta=2e-6)

    def test_a_class_of_weight_zero_is_not_learned(self):
        self.write("weights.txt", "\ufeff".encode() + b"".join(b"%d\r\n" % (i != IGNORED) for i in range(10)))
        found = {}
        for name, weights in (("all", None), ("without", "weights.txt")):
            self.trained(name, weights=weights, epochs=8)
            self.run_darknet("classifier", "valid", name + ".data", name + ".cfg", f"backup/{name}_final.weights",
                             "-json", name + ".json")
            result = json.loads(self.read(name + ".json"))
            found[name] = result["classes"][IGNORED]
            self.assertEqual("%.6f" % result["loss"], self.rows(name)[-1][4])
        self.assertEqual(found["without"]["images"], found["all"]["images"])
        self.assertGreater(found["all"]["top1"], 0.3)
        self.assertEqual(found["without"]["top1"], 0)

    def test_a_teacher_is_not_weighted(self):
        """Caches do not depend on the weights, and a student that learns from its teacher alone has none."""
        self.trained("teacher", TSD)
        teacher = ("teacher.cfg", "backup/teacher_final.weights")
        weights = "3,0,1,1,1,1,1,1,1,2"
        self.trained("alone", distill(*teacher, **{"lambda": 1}))
        self.trained("weighted", distill(*teacher, **{"lambda": 1}), weights=weights)
        self.assertEqual(self.weights("alone"), self.weights("weighted"))
        self.trained("live", distill(*teacher, **{"lambda": 0.5}), weights=weights)
        self.run_darknet("classifier", "targets", "alone.data", "live.cfg", "-out", "t.targets", "-seed", 1)
        self.trained("cached", distill(targets="t.targets", **{"lambda": 0.5}), weights=weights)
        self.assertEqual(self.weights("live"), self.weights("cached"))

    def test_other_weights_are_another_training(self):
        self.trained("cut", weights=",".join("1234567890"))
        for weights, shown in ((None, "none"), ("1,2,3,4,5,6,7,8,9,1", "1,2,3,4,5,6,7,8,9,1")):
            done = self.trained("cut", weights=weights, words=["-resume"], code=1, epochs=4)
            self.assert_one_line(done, "another class_weights", "found '1,2,3,4,5,6,7,8,9,0'", f"has '{shown}'")
        self.write("same.txt", "".join(f"{weight}\n" for weight in "1234567890"))
        self.assertIn("resumed at", self.trained("cut", weights="same.txt", words=["-resume"], epochs=4).stdout)


if __name__ == "__main__":
    unittest.main()
