#!/usr/bin/env python3
"""scripts/prepare_imagenet.py on archives of the official form, made from real images, whole and damaged; the
superclasses; and ResNet-18 trained and evaluated with what the script wrote.

/usr/bin/python3 tests/scripts/prepare_imagenet_test.py -v
"""

import contextlib
import io
import os
import random
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import (ROOT, PHOTOGRAPHS_ARCHIVE, RUN_SECONDS, SCRIPTS, FolderTest, RunTest, read, say,
                         unpack_photographs, write)

import make_superclasses
import prepare_imagenet

CLASSES = read(os.path.join(ROOT, "data", "ilsvrc2012.labels")).decode().split()
TRAIN, VALID, DEVKIT = prepare_imagenet.TRAIN_TAR, prepare_imagenet.VALID_TAR, prepare_imagenet.DEVKIT
VALID_COUNT = 60


def tar_of(files, mode="w"):
    """Bytes of a tar of {name: bytes}."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def devkit_of(numbers, ids):
    """The devkit with a number for each validation image, and {number: synset}, as MATLAB wrote it."""
    import numpy
    import scipy.io
    kind = [("ILSVRC2012_ID", object), ("WNID", object), ("words", object), ("num_children", object)]
    synsets = numpy.array([(float(number), synset, "words", 0.0) for number, synset in ids.items()], dtype=kind)
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"synsets": synsets.reshape(-1, 1)})
    return tar_of({"ILSVRC2012_devkit_t12/data/meta.mat": buffer.getvalue(),
                   "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt":
                       "".join("%d\n" % number for number in numbers).encode()}, "w:gz")


class PrepareTest(FolderTest):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.mkdtemp(prefix="dng_test_")
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)
        images = unpack_photographs(cls.shared)
        # Every class has an image: its own where there is one.
        by_class = {}
        for path, index, _ in images[VALID_COUNT:]:
            by_class.setdefault(index, []).append(read(path))
        cls.train = {synset: {"%s_%d.JPEG" % (synset, i): content for i, content in enumerate(
            by_class.get(index, [read(images[index % 1300][0])]))} for index, synset in enumerate(CLASSES)}
        cls.train_tar = tar_of({synset + ".tar": tar_of(files) for synset, files in cls.train.items()})
        cls.valid = {"ILSVRC2012_val_%08d.JPEG" % (i + 1): read(path)
                     for i, (path, _, _) in enumerate(images[:VALID_COUNT])}
        cls.valid_labels = [index for _, index, _ in images[:VALID_COUNT]]

    def setUp(self):
        super().setUp()
        self.source, self.out = self.path("in"), self.path("out")
        os.mkdir(self.source)
        count = sum(len(files) for files in self.train.values())
        for name, value in (("TRAIN_IMAGES", count), ("VALID_IMAGES", VALID_COUNT)):
            patch = unittest.mock.patch.object(prepare_imagenet, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def put(self, name, content):
        return write(os.path.join(self.source, name), content)

    def put_all(self):
        self.put(TRAIN, self.train_tar)
        self.put(VALID, tar_of(self.valid))
        self.labels = self.put("val_labels.txt", "".join(
            "%s %d\n" % (name, label) for name, label in zip(self.valid, self.valid_labels, strict=True)))

    def prepare(self, *words, code=0):
        """The script's (stdout, stderr)."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            found = prepare_imagenet.main([self.source, "--out", self.out, *words])
        self.assertEqual(found, code, err.getvalue())
        self.assertEqual(err.getvalue().count("\n"), 1 if code else 0)
        return out.getvalue(), err.getvalue()

    def listed(self, name):
        return [line.rsplit(" ", 1) for line in read(os.path.join(self.out, name)).decode().splitlines()]

    def check_lists(self):
        expected = [(name, index) for index, synset in enumerate(CLASSES) for name in sorted(self.train[synset])]
        train = self.listed("train.txt")
        self.assertEqual([(os.path.basename(path), int(index)) for path, index in train], expected)
        for path, index in train[::50]:
            self.assertEqual(read(path), self.train[CLASSES[int(index)]][os.path.basename(path)])
        valid = self.listed("valid.txt")
        self.assertEqual([(os.path.basename(path), int(index)) for path, index in valid],
                         list(zip(self.valid, self.valid_labels, strict=True)))
        for path, _ in valid:
            self.assertEqual(read(path), self.valid[os.path.basename(path)])

    def test_the_official_archives_become_lists_and_a_data_file(self):
        try:
            import scipy.io  # noqa: F401
        except ImportError:
            self.skipTest("python3-scipy is not installed")
        self.put_all()
        # The devkit's numbers are not the classes' order.
        numbers = list(range(1, 1001))
        random.Random(1).shuffle(numbers)
        ids = {number: CLASSES[i] for i, number in enumerate(numbers)}
        self.put(DEVKIT, devkit_of([numbers[label] for label in self.valid_labels], {**ids, 1001: "n00001740"}))
        out, _ = self.prepare()
        self.check_lists()
        self.assertIn("%d training images of 1000 classes" % prepare_imagenet.TRAIN_IMAGES, out)
        self.assertNotIn("\r", out)
        data = dict(line.split("=") for line in read(os.path.join(self.out, "ilsvrc2012.data")).decode().splitlines()
                    if "=" in line)
        self.assertEqual(data["train"], os.path.join(self.out, "train.txt"))
        self.assertEqual(data["valid"], os.path.join(self.out, "valid.txt"))
        self.assertEqual(data["labels"], "data/ilsvrc2012.labels")

    def test_given_again_it_unpacks_nothing_twice(self):
        self.put_all()
        self.prepare("--valid-labels", self.labels)
        path = self.listed("train.txt")[5][0]
        before = os.stat(path)
        os.remove(os.path.join(self.source, TRAIN))
        self.put(VALID, b"not looked at")
        self.prepare("--valid-labels", self.labels)
        self.assertEqual(os.stat(path).st_mtime_ns, before.st_mtime_ns)
        self.check_lists()

    def test_what_was_cut_off_goes_on(self):
        self.put_all()
        whole = self.train_tar
        self.put(TRAIN, whole[:len(whole) // 2])
        _, err = self.prepare("--valid-labels", self.labels, code=1)
        self.assertRegex(err, r"ILSVRC2012_img_train.tar.*(damaged|cut off|end of data).*get the archive again")
        done = [name for name in os.listdir(os.path.join(self.out, "train")) if not name.endswith(".part")]
        self.assertGreater(len(done), 100)
        stamps = {name: os.stat(os.path.join(self.out, "train", name)).st_mtime_ns for name in done}
        self.put(TRAIN, whole)
        self.prepare("--valid-labels", self.labels)
        for name, stamp in stamps.items():
            self.assertEqual(os.stat(os.path.join(self.out, "train", name)).st_mtime_ns, stamp)
        self.check_lists()

    def test_archives_cut_off_anywhere_are_refused(self):
        few = {synset: self.train[synset] for synset in CLASSES[:3]}
        whole = tar_of({synset + ".tar": tar_of(files) for synset, files in few.items()})
        self.put(VALID, tar_of(self.valid))
        labels = self.put("labels", "".join("%s 0\n" % name for name in self.valid))
        members = tarfile.open(fileobj=io.BytesIO(whole)).getmembers()
        for cut in (0, 100, members[1].offset, members[1].offset_data + 512, members[2].offset_data - 512,
                    members[2].offset_data + members[2].size):
            shutil.rmtree(self.out, ignore_errors=True)
            self.put(TRAIN, whole[:cut])
            _, err = self.prepare("--valid-labels", labels, "--part", code=1)
            self.assertIn(TRAIN, err, cut)
        self.put(TRAIN, whole)
        self.prepare("--valid-labels", labels, "--part")

    def test_damage_is_named(self):
        labels = self.put("labels", "".join("%s 0\n" % name for name in self.valid))
        good = self.train[CLASSES[0]]
        first = next(iter(good))
        for files, words in (
                ({"n00000000.tar": tar_of(good)}, ["n00000000.tar", "none of the 1000 classes"]),
                ({CLASSES[0] + ".tar": b"x" * 2048}, [CLASSES[0] + ".tar is damaged"]),
                ({CLASSES[0] + ".tar": tar_of({})}, [CLASSES[0] + ".tar", "no images"]),
                ({CLASSES[0] + ".tar": tar_of({first: b""})}, [first, "0 bytes", "no JPEG"]),
                ({CLASSES[0] + ".tar": tar_of({first: b"<html>"})}, [first, "no JPEG"]),
                ({CLASSES[0] + ".tar": tar_of({"README": b"x"})}, ["README", "*.JPEG"])):
            shutil.rmtree(self.out, ignore_errors=True)
            self.put(TRAIN, tar_of(files))
            self.put(VALID, tar_of(self.valid))
            _, err = self.prepare("--valid-labels", labels, "--part", code=1)
            for word in words:
                self.assertIn(word, err)

    def test_missing_classes_and_images_are_named(self):
        self.put_all()
        self.put(TRAIN, tar_of({synset + ".tar": tar_of(files) for synset, files in self.train.items()
                                if synset not in CLASSES[7:9]}))
        _, err = self.prepare("--valid-labels", self.labels, code=1)
        for word in ("of 998 classes", CLASSES[7], CLASSES[8], "--part"):
            self.assertIn(word, err)
        self.assertFalse(os.path.exists(os.path.join(self.out, "train.txt")))
        out, _ = self.prepare("--valid-labels", self.labels, "--part")
        self.assertIn("of 998 classes", out)

    def test_an_unpacked_tree_is_used_where_it_is(self):
        for synset, files in self.train.items():
            folder = os.path.join(self.source, "train", synset)
            os.makedirs(folder)
            for name, content in files.items():
                write(os.path.join(folder, name), content)
        for (name, content), label in zip(self.valid.items(), self.valid_labels, strict=True):
            folder = os.path.join(self.source, "val", CLASSES[label])
            os.makedirs(folder, exist_ok=True)
            write(os.path.join(folder, name), content)
        self.prepare("--part")
        self.assertEqual({(os.path.basename(path), int(index)) for path, index in self.listed("valid.txt")},
                         set(zip(self.valid, self.valid_labels, strict=True)))
        self.assertEqual(sorted(os.listdir(self.out)), ["ilsvrc2012.data", "train.txt", "valid.txt"])
        self.assertTrue(all(path.startswith(self.source) for path, _ in self.listed("train.txt")))

    def test_what_cannot_be_known_is_asked_for(self):
        self.put(TRAIN, self.train_tar)
        self.assertIn(VALID, self.prepare(code=1)[1])
        self.put(VALID, tar_of(self.valid))
        _, err = self.prepare(code=1)
        self.assertIn(DEVKIT, err)
        self.assertIn("--valid-labels", err)
        few = self.put("few", "ILSVRC2012_val_00000001.JPEG 3\n")
        self.assertIn("classes of ILSVRC2012_val_00000002.JPEG", self.prepare("--valid-labels", few, code=1)[1])
        for index in ("1000", "²", "-1", ""):
            bad = self.put("bad", f"ILSVRC2012_val_00000001.JPEG {index}\n")
            self.assertIn("bad:1:", self.prepare("--valid-labels", bad, code=1)[1])

    def test_too_little_room_is_said_before_anything_is_unpacked(self):
        self.put_all()
        usage = shutil.disk_usage(self.folder)
        with unittest.mock.patch("shutil.disk_usage", return_value=usage._replace(free=len(self.train_tar) - 1)):
            _, err = self.prepare("--valid-labels", self.labels, code=1)
        self.assertIn("GB are free", err)
        self.assertEqual(os.listdir(self.out), [])
        # Enough for one of the archives, but not for both.
        with unittest.mock.patch("shutil.disk_usage", return_value=usage._replace(free=len(self.train_tar) + 1)):
            _, err = self.prepare("--valid-labels", self.labels, code=1)
        for word in (TRAIN, VALID, "--out"):
            self.assertIn(word, err)
        self.assertEqual(os.listdir(self.out), [])

    def test_inputs_are_checked_before_anything_is_unpacked(self):
        self.put_all()
        bad = self.put("bad", "ILSVRC2012_val_00000001.JPEG x\n")
        for words, found in ((["--valid-labels", bad], "bad:1:"), (["--valid-labels", "nowhere"], "nowhere: "),
                             ([], DEVKIT)):
            self.assertIn(found, self.prepare(*words, code=1)[1])
        self.put(DEVKIT, b"not an archive")
        self.assertIn(DEVKIT, self.prepare(code=1)[1])
        with unittest.mock.patch.dict(sys.modules, {"scipy": None, "scipy.io": None}):
            self.assertIn("python3-scipy", self.prepare(code=1)[1])
        os.remove(os.path.join(self.source, VALID))
        self.assertIn(VALID, self.prepare("--valid-labels", self.labels, code=1)[1])
        self.assertFalse(os.path.exists(self.out))

    def test_a_file_in_the_place_of_the_folder_is_refused(self):
        self.put_all()
        write(self.out, "")
        _, err = self.prepare("--valid-labels", self.labels, code=1)
        self.assertRegex(err, "out: .*File exists; name another with --out")

    def test_a_full_disk_is_one_line_and_leaves_no_broken_image(self):
        self.put_all()
        limit = 9000  # bytes a file; images have more
        done = subprocess.run([sys.executable, os.path.join(SCRIPTS, "prepare_imagenet.py"), self.source, "--out",
                               self.out, "--valid-labels", self.labels], capture_output=True, text=True,
                              timeout=RUN_SECONDS,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^prepare_imagenet.py: .*File too large\n$")
        for folder, _, names in os.walk(self.out):
            for name in names:
                self.assertTrue(name.endswith(".part"), os.path.join(folder, name))

    def test_the_data_file_of_cfg_is_the_default_one(self):
        text = read(os.path.join(ROOT, "cfg", "ilsvrc2012.data")).decode()
        for name in ("train", "valid"):
            self.assertIn("%s=%s/%s.txt\n" % (name, prepare_imagenet.DEFAULT_OUT, name), text)


class TrainingTest(RunTest):
    """cfg/ilsvrc2012-resnet18.cfg on the real thing, in small: 16 images of two classes, a batch in 4 parts."""

    def test_resnet18_learns_with_subdivisions_and_is_evaluated(self):
        images = unpack_photographs(self.folder)
        by_class = {}
        for path, index, _ in images:
            by_class.setdefault(index, []).append(path)
        largest = sorted(by_class, key=lambda index: (-len(by_class[index]), index))[:4]
        chosen = [(path, index) for index in largest for path in by_class[index][:4]]
        for name in ("train", "valid"):
            self.write(name + ".txt", "".join("%s %d\n" % line for line in chosen))
        names = {key: os.path.join(ROOT, "data", "ilsvrc2012." + key) for key in ("labels", "names", "superclasses")}
        self.write("few.data", "classes=1000\ntrain=train.txt\nvalid=valid.txt\nbackup=backup\ntop=5\n" +
                   "".join("%s=%s\n" % item for item in names.items()))
        cfg = read(os.path.join(ROOT, "cfg", "ilsvrc2012-resnet18.cfg")).decode()
        for old, new in (("batch=256\nsubdivisions=16\n", "batch=16\nsubdivisions=4\n"),
                         ("learning_rate=0.1\n", "learning_rate=0.02\n"),
                         ("epochs=90\nepoch_steps=30,60\n", "epochs=10\nepoch_steps=8,9\n")):
            self.assertIn(old, cfg)
            cfg = cfg.replace(old, new)
        self.write("small.cfg", cfg)
        done = self.train("small.cfg", data="few.data", threads=2)
        losses = [float(line.split(":")[1].split(",")[0]) for line in done.stdout.splitlines() if " rate, " in line]
        say("ResNet-18, 16 images, 10 steps: loss %.2f to %.2f" % (losses[0], losses[-1]))
        self.assertEqual(len(losses), 10)
        self.assertGreater(losses[0], 6)  # log 1000 = 6.9
        self.assertLess(losses[-1], losses[0] / 2)
        valid = self.run_darknet("classifier", "valid", "few.data", "small.cfg", "backup/small_final.weights")
        self.assertRegex(valid.stdout, r"top1 \S+ top5 \S+ loss \S+ images 16\s*$")


class SuperclassTest(unittest.TestCase):
    def superclasses(self):
        folder = os.path.join(ROOT, "data")
        return ([int(line) for line in read(os.path.join(folder, "ilsvrc2012.superclasses")).decode().split()],
                read(os.path.join(folder, "ilsvrc2012.superclass_names")).decode().splitlines())

    def test_every_superclass_has_five_classes_and_a_name(self):
        indices, names = self.superclasses()
        self.assertEqual(len(indices), 1000)
        self.assertEqual(set(indices), set(range(len(names))))
        self.assertGreaterEqual(min(indices.count(i) for i in range(len(names))), make_superclasses.SMALLEST_SUPERCLASS)
        self.assertIn("makes %d superclasses" % len(names), make_superclasses.__doc__)
        self.assertEqual(CLASSES, sorted(CLASSES))

    def test_they_are_what_one_would_say(self):
        indices, names = self.superclasses()
        of = {synset: names[index].split(",")[0] for synset, index in zip(CLASSES, indices, strict=True)}
        self.assertEqual(of["n01440764"], "teleost fish")  # tench
        self.assertEqual(of["n02093754"], "terrier")  # Border terrier
        self.assertEqual(of["n04515003"], "musical instrument")  # upright piano

    def test_the_files_are_what_the_script_writes(self):
        sources = [make_superclasses.WORDNET] if os.path.exists(make_superclasses.WORDNET) else []
        with tempfile.TemporaryDirectory() as folder:
            if os.path.exists(PHOTOGRAPHS_ARCHIVE):
                name = "ilsvrc2012-1300/wordnet30_hypernyms_ilsvrc2012.tsv"
                with tarfile.open(PHOTOGRAPHS_ARCHIVE, "r:xz") as archive:
                    archive.extract(name, folder)
                sources.append(os.path.join(folder, name))
            if not sources:
                self.skipTest("no WordNet: neither %s nor %s" % (make_superclasses.WORDNET, PHOTOGRAPHS_ARCHIVE))
            for source in sources:
                self.assertEqual(make_superclasses.main([source, "--check"]), 0, source)


if __name__ == "__main__":
    unittest.main()
