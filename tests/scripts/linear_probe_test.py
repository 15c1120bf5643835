#!/usr/bin/env python3
"""Features of trained networks, and what a linear classifier makes of them.

/usr/bin/python3 tests/scripts/linear_probe_test.py -v
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import (DARKNET, MadeOnceTest, ROOT, RUN_SECONDS, RunTest, SOFTMAX, fashion_data, fashion_network,
                         say, section, write_cifar100, write_fashion)

try:
    import numpy
except ImportError:
    numpy = None

PROBE = os.path.join(ROOT, "scripts", "linear_probe.py")
WIDTH = 16  # channels of fashion_network's last layer before the pooling
NET, OTHER = "backup/net_final.weights", "backup/other_final.weights"


def softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_f = shifted - numpy.log(numpy.exp(shifted).sum(axis=1, keepdims=True))
    return numpy.exp(log_f), log_f


class ProbeRuns:
    def probe(self, *words, code=0, **options):
        done = subprocess.run([sys.executable, PROBE, *map(str, words), "--darknet", DARKNET], cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=RUN_SECONDS, check=False, **options)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def assert_one_probe_line(self, done, *parts):
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for part in ("linear_probe.py: ", *parts):
            self.assertIn(part, done.stderr)


@unittest.skipIf(numpy is None, "not tested, there is no numpy")
class FeaturesTest(ProbeRuns, MadeOnceTest):
    def make(self):
        write_fashion(self.folder, 2000, 500)
        self.write("fashion.data", fashion_data())
        for name, epochs in (("net", 3), ("other", 1)):
            self.write(name + ".cfg", fashion_network(SOFTMAX, epochs=epochs))
            self.train(name + ".cfg", seed=epochs)

    def features(self, weights=NET, *words, out="f.npy", data="fashion.data"):
        done = self.run_darknet("classifier", "features", data, "net.cfg", weights, "-out", out, *words)
        return done, numpy.load(self.path(out))

    def labels(self, name, count):
        return numpy.frombuffer(self.read(name + "-labels-idx1-ubyte")[8:8 + count], numpy.uint8)

    def outputs(self, weights):
        """(f, log f) of the validation set in double precision: features through the last [connected] by hand."""
        records = self.features(weights)[1]
        values = numpy.frombuffer(self.read(weights)[20:], numpy.float32)[-10 * (WIDTH + 1):].astype(float)
        return softmax(records["features"] @ values[10:].reshape(10, WIDTH).T + values[:10])

    def test_file_is_what_numpy_reads(self):
        for name, count in (("valid", 500), ("train", 2000)):
            done, records = self.features(NET, "-set", name)
            self.assertEqual(records.shape, (count,))
            self.assertEqual(records["features"].shape, (count, WIDTH))
            self.assertEqual(records["features"].dtype, numpy.float32)
            numpy.testing.assert_array_equal(records["label"], self.labels(name, count))
            self.assertIn("saved f.npy: %d images, %d values of layer 3 [avgpool]" % (count, WIDTH), done.stdout)

    def test_layers_are_those_of_the_cfg(self):
        planes = self.features(NET, "-layer", 1)[1]["features"]
        self.assertEqual(planes.shape, (500, WIDTH * 7 * 7))
        pooled = self.features(NET, "-layer", 3)[1]["features"]
        # [dropout] does nothing in an evaluation, and [avgpool] is the mean over the plane.
        numpy.testing.assert_allclose(planes.reshape(500, WIDTH, 49).mean(axis=2), pooled, rtol=1e-5, atol=1e-6)
        self.assertGreater(pooled.std(axis=0).min(), 0)
        self.assertEqual(self.features(NET, "-layer", 4)[1]["features"].shape, (500, 10))

    def test_inspect_is_what_the_features_give(self):
        """Every figure of inspect from the features and the last layer's weights, in numpy."""
        self.write("superclasses.txt", "0\n1\n0\n1\n0\n2\n0\n2\n3\n2\n")
        self.write("super.data", fashion_data(superclasses="superclasses.txt"))
        self.run_darknet("classifier", "inspect", "super.data", "net.cfg", NET, "-teacher", OTHER, "-json", "i.json")
        found = json.loads(self.read("i.json"))
        (f, log_f), (t, log_t) = self.outputs(NET), self.outputs(OTHER)
        labels, every = self.labels("valid", 500), numpy.arange(500)
        ordered, primary = -numpy.sort(-f, axis=1), f.argmax(axis=1)
        confidence, right = f.max(axis=1), primary == labels
        superclass = numpy.array([0, 1, 0, 1, 0, 2, 0, 2, 3, 2])
        secondary = f.copy()
        secondary[every, primary] = 0
        inside = superclass[None, :] == superclass[labels][:, None]
        means = numpy.array([f[labels == c].mean(axis=0) for c in range(10)])
        distance = numpy.linalg.norm(means[:, None] - means[None], axis=2)
        same, pair = superclass[:, None] == superclass[None], ~numpy.eye(10, dtype=bool)
        bins = numpy.minimum((confidence * 15).astype(int), 14)
        wanted = {
            "loss": -log_f[every, labels].mean(), "mean_primary": confidence.mean(),
            "mean_true": f[every, labels].mean(), "mean_rank_2_k": ordered[:, 1:5].mean(),
            "entropy": -(f * log_f).sum(axis=1).mean(), "inside_superclass": secondary[inside].sum() / secondary.sum(),
            "dist_between": distance[~same].mean(), "dist_within": distance[same & pair].mean(),
            "dist_all": distance[pair].mean(),
            "ece": sum(abs((confidence - right)[bins == b].sum()) for b in range(15)) / 500,
            "teacher_kl": (t * (log_t - log_f)).sum(axis=1).mean(),
        }
        for key, value in wanted.items():
            self.assertAlmostEqual(found[key] / value, 1, delta=1e-4, msg=key)
        self.assertEqual(found["top1_count"], right.sum())
        agreed = (primary == t.argmax(axis=1)).mean()
        self.assertAlmostEqual(found["teacher_agreement"], agreed, places=9)
        self.assertLess(agreed, 1)
        self.assertEqual([one["images"] for one in found["calibration_bins"]],
                         numpy.bincount(bins, minlength=15).tolist())

    def test_classes_of_the_data_need_not_be_the_networks(self):
        self.write("eleven.data", fashion_data(classes=11))
        wanted = self.features()[1]
        numpy.testing.assert_array_equal(self.features(data="eleven.data")[1], wanted)
        self.assert_one_line(self.run_darknet("classifier", "valid", "eleven.data", "net.cfg", NET, code=1),
                             "10 outputs", "classes=11")

    def test_mistakes_are_one_line(self):
        words = ("classifier", "features", "fashion.data", "net.cfg", NET)
        self.assert_one_line(self.run_darknet(*words, code=2), "-out is missing")
        self.assert_one_line(self.run_darknet(*words, "-out", "f", "-layer", 5, code=2), "-layer 5", "from 0 to 4")
        self.assert_one_line(self.run_darknet(*words, "-out", "f", "-layer", "last", code=2), "-layer last")
        self.assert_one_line(self.run_darknet(*words, "-out", "f", "-set", "test", code=2), "valid or train")
        self.assert_one_line(self.run_darknet(*words, "-out", "no/f", code=1), "no/f", "cannot be written")
        self.assertFalse(os.path.exists(self.path("f")))

    # --- the script ---

    @unittest.skipIf(shutil.which("liblinear-train") is None, "not tested, there is no liblinear-train")
    def test_probe_measures(self):
        done = self.probe("fashion.data", "net.cfg", NET, "--json", "p.json", "--features", "kept")
        result = json.loads(self.read("p.json"))
        say("Fashion-MNIST, 2000 images: " + done.stdout.splitlines()[-1])
        self.assertEqual(done.stdout.splitlines()[-1], "top1 %.4f top5 %.4f images 500" % (
            result["top1"], result["top5"]))
        self.assertEqual((result["k"], result["images"], result["train_images"], result["features"]),
                         (5, 500, 2000, WIDTH))
        self.assertEqual(result["topk"], result["top5"])
        self.assertIn("C = %g: top1 %.4f in cross-validation" % (result["c"], result["cv_top1"]), done.stdout)
        # Far above chance, and close to what cross-validation promised.
        self.assertGreater(result["top1"], 0.4)
        self.assertLess(abs(result["top1"] - result["cv_top1"]), 0.1)
        # The same again with that C; and the figure from the kept features by liblinear's own program.
        again = self.probe("fashion.data", "net.cfg", NET, "-c", result["c"], "--json", "again.json")
        self.assertEqual(again.stdout.splitlines()[-1], done.stdout.splitlines()[-1])
        self.assertEqual(json.loads(self.read("again.json")), dict(result, cv_top1=None))
        for name in ("train", "valid"):
            records = numpy.load(self.path("kept", name + ".npy"))
            rows = records["features"] / numpy.linalg.norm(records["features"], axis=1, keepdims=True)
            self.write(name + ".txt", "".join(
                "%d %s\n" % (label, " ".join("%d:%.7g" % (i + 1, value) for i, value in enumerate(row)))
                for label, row in zip(records["label"], rows, strict=True)))
        subprocess.run(["liblinear-train", "-q", "-s", "2", "-B", "1", "-e", "0.001", "-c", str(result["c"]),
                        "train.txt", "model"], cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        out = subprocess.run(["liblinear-predict", "valid.txt", "model", "out"], cwd=self.folder, check=True,
                             capture_output=True, text=True).stdout
        self.assertIn("(%d/500)" % result["top1_count"], out)

    @unittest.skipIf(shutil.which("liblinear-train") is None, "not tested, there is no liblinear-train")
    def test_probe_with_two_classes(self):
        # Of two classes liblinear keeps one column of weights.
        images, labels = self.read("train-images-idx3-ubyte"), self.labels("train", 2000)
        kept = [i for i in range(2000) if labels[i] < 2]
        count = len(kept).to_bytes(4, "big")
        self.write("two-images-idx3-ubyte", images[:4] + count + images[8:16] +
                   b"".join(images[16 + 784 * i:16 + 784 * (i + 1)] for i in kept))
        self.write("two-labels-idx1-ubyte", b"\0\0\x08\x01" + count + bytes(labels[kept].tolist()))
        self.write("two.data", fashion_data(train="two", valid="two", classes=2, top=2))
        done = self.probe("two.data", "net.cfg", NET, "-c", 10, "--json", "two.json")
        result = json.loads(self.read("two.json"))
        self.assertGreater(result["top1"], 0.85)  # trousers and T-shirts
        self.assertEqual(result["top1"], result["train_top1"])
        self.assertTrue(done.stdout.endswith("top2 1.0000 images %d\n" % len(kept)), done.stdout)

    def test_probe_mistakes_are_one_line(self):
        self.assert_one_line_of(self.probe("fashion.data", "net.cfg", "no.weights", code=1), "no.weights")
        self.assert_one_line_of(self.probe("fashion.data", "net.cfg", NET, "-c", 0, code=2), "-c: found '0', allowed")
        self.assert_one_probe_line(self.probe("fashion.data", "net.cfg", NET, "--json", "no/p.json", code=1),
                                   "no/p.json", "cannot write")
        self.assert_one_probe_line(self.probe("fashion.data", "net.cfg", NET, "--features", "net.cfg", code=1),
                                   "net.cfg: cannot make this folder", "name another with --features")
        nowhere = dict(os.environ, PATH=self.path("nowhere"))
        self.assert_one_probe_line(self.probe("fashion.data", "net.cfg", NET, code=1, env=nowhere), "liblinear-tools")

    def assert_one_line_of(self, done, part):
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(part, done.stderr)

    def test_probe_that_is_stopped_leaves_nothing(self):
        self.write("tmp/keep", "")
        process = subprocess.Popen([sys.executable, PROBE, "fashion.data", "net.cfg", NET, "--darknet", DARKNET],
                                   cwd=self.folder, env=dict(os.environ, TMPDIR=self.path("tmp")),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.wait_for(lambda: len(os.listdir(self.path("tmp"))) == 2)
        process.send_signal(signal.SIGTERM)
        error = process.communicate(timeout=RUN_SECONDS)[1]
        self.assertEqual(process.returncode, 128 + signal.SIGTERM, error)
        self.assertEqual(os.listdir(self.path("tmp")), ["keep"])


@unittest.skipIf(numpy is None or shutil.which("liblinear-train") is None, "not tested, numpy or liblinear is missing")
class TransferTest(ProbeRuns, RunTest):
    def test_fine_classes_teach_coarse_ones(self):
        """A network trained on CIFAR100's 100 classes for seconds; its features tell the 20 coarse ones apart better
        than those of fresh weights."""
        write_cifar100(self.folder, 4000, 1000)
        for name, classes in (("fine", 100), ("coarse", 20)):
            self.write(name + ".data", "classes=%d\ntrain=train.bin\nvalid=valid.bin\nbackup=backup\n" % classes)
        text = section("net", batch=32, subdivisions=1, height=32, width=32, channels=3, learning_rate=0.05,
                       momentum=0.9, decay=0.0001, policy="cosine", epochs=8, pad=4, mirror=1)
        for filters in (16, 32, 64):
            text += section("convolutional", batch_normalize=1, filters=filters, size=3, stride=2, pad=1,
                            activation="relu")
        text += section("avgpool") + section("connected", output=100, activation="linear") + SOFTMAX
        self.write("net.cfg", text)
        self.write("fresh.cfg", text.replace("epochs=8", "max_batches=1").replace("policy=cosine", "policy=constant"))
        top1 = {}
        for name in ("net", "fresh"):
            self.train(name + ".cfg", data="fine.data", threads=2)
            self.probe("coarse.data", "net.cfg", "backup/%s_final.weights" % name, "--json", name + ".json")
            top1[name] = json.loads(self.read(name + ".json"))["top1"]
        say("CIFAR100's coarse classes, 4000 images: %.4f with trained features, %.4f with fresh ones" % (
            top1["net"], top1["fresh"]))
        self.assertGreater(top1["net"], top1["fresh"] + 0.03)


if __name__ == "__main__":
    unittest.main()
