"""What the Python tests share: folders, the program, small sets of real images, networks, comparisons.

Environment: DNG_DARKNET, the program (default: ./darknet of the repository); DNG_HOST, packaged or alexeyab (default:
packaged); DNG_STOCK, the host's own program (default: /usr/bin/darknet where the host is the packaged one).
"""

import contextlib
import gzip
import os
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scripts"))

from classifier_zoo.answers import answers

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DARKNET = os.path.abspath(os.environ.get("DNG_DARKNET") or os.path.join(ROOT, "darknet"))
HOST = os.environ.get("DNG_HOST") or "packaged"
FASHION = "/usr/share/datasets/fashion-mnist"
CIFAR100_ARCHIVE = os.path.join(os.path.dirname(ROOT), "shared", "data", "cifar-100-binary.tar.xz")
PHOTOGRAPHS_ARCHIVE = os.path.join(os.path.dirname(ROOT), "shared", "data", "ilsvrc2012-1300.tar.xz")
CIFAR100_RECORD = 2 + 3 * 32 * 32
SCRIPTS = os.path.join(ROOT, "scripts")
# No single run of these tests lasts longer, however busy the machine is.
RUN_SECONDS = 300
# A page each in the pipe and in the reader's buffer: a run is at most that many lines of its log ahead of its reader.
PIPE_BYTES = 4096
LINES_AHEAD = 100


def say(text):
    """A line of the test's log: figures, and what could not be tested."""
    sys.stderr.write("\n  " + text + "\n")
    sys.stderr.flush()


def stock_darknet():
    """Path of the host's own program, or None."""
    path = os.environ.get("DNG_STOCK") or ("/usr/bin/darknet" if HOST == "packaged" else None)
    return path if path and os.access(path, os.X_OK) else None


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, content):
    with open(path, "wb" if isinstance(content, bytes) else "w") as file:
        file.write(content)
    return path


def csv_without_seconds(path):
    """The .csv, but for its last column: seconds are never the same twice."""
    rows = [line.rpartition(",") for line in read(path).decode().splitlines()]
    assert rows and rows[0][2] == "seconds", rows[:1]
    return [row[0] for row in rows]


# --- images -----------------------------------------------------------------------------------------------------------

def write_fashion(folder, train, valid):
    """Real images, Fashion-MNIST's first ones, as IDX: `train` of the training set, `valid` of the test set."""
    if not os.path.isdir(FASHION):
        raise unittest.SkipTest("%s is missing: install the package dataset-fashion-mnist" % FASHION)
    for source, name, count in (("train", "train", train), ("t10k", "valid", valid)):
        for kind, header, item in (("images-idx3", 16, 28 * 28), ("labels-idx1", 8, 1)):
            with gzip.open("%s/%s-%s-ubyte.gz" % (FASHION, source, kind)) as file:
                content = file.read(header + count * item)
            assert len(content) == header + count * item
            write(os.path.join(folder, "%s-%s-ubyte" % (name, kind)),
                  content[:4] + struct.pack(">I", count) + content[8:])


def write_quarters(folder, train=160, valid=40):
    """Images of 8x8 in four classes as IDX, names as write_fashion's: the class is the quarter that is white."""
    for name, count in (("train", train), ("valid", valid)):
        images, labels = bytearray(), bytes(i % 4 for i in range(count))
        for i, label in enumerate(labels):
            image = bytearray((7 * i + 13 * j) % 64 for j in range(64))
            for y in range(4 * (label // 2), 4 * (label // 2) + 4):
                image[8 * y + 4 * (label % 2):8 * y + 4 * (label % 2) + 4] = b"\xff" * 4
            images += image
        write(os.path.join(folder, name + "-images-idx3-ubyte"), struct.pack(">IIII", 0x803, count, 8, 8) + images)
        write(os.path.join(folder, name + "-labels-idx1-ubyte"), struct.pack(">II", 0x801, count) + labels)


def fashion_image(index, folder):
    """(28 rows of 28 bytes, label) of image `index` of the validation set that write_fashion wrote."""
    pixels = read(os.path.join(folder, "valid-images-idx3-ubyte"))[16 + 784 * index:16 + 784 * (index + 1)]
    label = read(os.path.join(folder, "valid-labels-idx1-ubyte"))[8 + index]
    return [pixels[28 * y:28 * (y + 1)] for y in range(28)], label


def write_cifar100(folder, train, valid):
    """The first records of CIFAR100 as train.bin and valid.bin. Raises SkipTest where the archive is missing."""
    if not os.path.exists(CIFAR100_ARCHIVE):
        raise unittest.SkipTest("not tested, there is no CIFAR100 at %s" % CIFAR100_ARCHIVE)
    counts = {"train.bin": train, "test.bin": valid}
    # As a stream: the test set comes first, and little of the training set needs to be unpacked.
    with tarfile.open(CIFAR100_ARCHIVE, "r|xz") as archive:
        for member in archive:
            name = os.path.basename(member.name)
            if name not in counts:
                continue
            size = counts.pop(name) * CIFAR100_RECORD
            content = archive.extractfile(member).read(size)
            assert len(content) == size, "%s has too few records" % name
            write(os.path.join(folder, name.replace("test", "valid")), content)
            if not counts:
                return
    raise AssertionError("%s lacks %s" % (CIFAR100_ARCHIVE, " and ".join(counts)))


def unpack_photographs(folder):
    """1,300 images of ILSVRC2012's validation set: [(path, class, synset)], in order. Raises SkipTest where the archive
    is missing.
    """
    if not os.path.exists(PHOTOGRAPHS_ARCHIVE):
        raise unittest.SkipTest("not tested, there are no images at %s" % PHOTOGRAPHS_ARCHIVE)
    with tarfile.open(PHOTOGRAPHS_ARCHIVE, "r:xz") as archive:
        archive.extractall(folder)
    folder = os.path.join(folder, "ilsvrc2012-1300")
    rows = [line.split() for line in read(os.path.join(folder, "labels.txt")).decode().splitlines()]
    assert len(rows) == 1300
    return [(os.path.join(folder, "images", name), int(index), synset) for name, index, synset in rows]


def png(rows, channels, size=None, body=None):
    """An 8-bit PNG of rows of bytes, grey (1 channel) or RGB (3); or of that size, with `body` for pixels."""
    width, height = size or (len(rows[0]) // channels, len(rows))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows), 1) if body is None else body
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def write_png(path, rows, channels):
    write(path, png(rows, channels))


# --- networks ---------------------------------------------------------------------------------------------------------

def section(name, **options):
    return "[%s]\n" % name + "".join("%s=%s\n" % item for item in options.items()) + "\n"


def fashion_network(cost, **net):
    """A small network with all that a resumed run must bring back: batch norm, dropout, momentum, augmentation.

    `cost` is the text of the last section; `net` replaces keys of [net], None takes one out.
    """
    keys = dict(batch=32, subdivisions=1, height=28, width=28, channels=1, learning_rate=0.05, momentum=0.9,
                decay=0.0001, policy="cosine", epochs=8, pad=2, mirror=1)
    keys.update(net)
    text = section("net", **{key: value for key, value in keys.items() if value is not None})
    for filters, size in ((8, 5), (16, 3)):
        text += section("convolutional", batch_normalize=1, filters=filters, size=size, stride=2, pad=1,
                        activation="relu")
    return text + section("dropout", probability=0.2) + section("avgpool") + section(
        "connected", output=10, activation="linear") + cost


TSD = section("tsd", confidence=0.6, k=5)
SOFTMAX = section("softmax")


def distill(teacher=None, weights=None, **options):
    if teacher:
        options.update(teacher=teacher, teacher_weights=weights)
    return section("distill", **options)


def fashion_data(backup="backup", train="train", valid="valid", **keys):
    keys = dict(dict(classes=10, train=train + "-images-idx3-ubyte", valid=valid + "-images-idx3-ubyte",
                     backup=backup, top=5), **keys)
    return "".join("%s=%s\n" % item for item in keys.items())


# --- the program ------------------------------------------------------------------------------------------------------

class FolderTest(unittest.TestCase):
    """Every test has a folder of its own, self.folder."""

    maxDiff = 2000

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="dng-%s-" % type(self).__name__.lower())
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, content):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        return write(self.path(name), content)

    def read(self, *names):
        return read(self.path(*names))

    @contextlib.contextmanager
    def mounted(self, folder, options):
        """A small file system of its own."""
        os.makedirs(self.path(folder), exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.path(folder)]
        if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(
                mount, stderr=subprocess.DEVNULL, check=False).returncode != 0:
            raise unittest.SkipTest("not tested: a file system can be mounted by root only")
        try:
            yield
        finally:
            subprocess.run(["umount", self.path(folder)], check=True)

    def wait_for(self, condition):
        """Polls for a minute at most: what other processes do to files cannot be waited for otherwise."""
        for _ in range(3000):
            if condition():
                return
            time.sleep(0.02)
        self.fail("nothing happened")


class RunTest(FolderTest):
    """The program runs in the test's folder."""

    @classmethod
    def setUpClass(cls):
        if not os.access(DARKNET, os.X_OK):
            raise AssertionError("%s is missing: build the program, or name it in DNG_DARKNET" % DARKNET)

    def start(self, *words, cwd=None, **options):
        return subprocess.Popen([DARKNET] + [str(word) for word in words], cwd=cwd or self.folder,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                **options)

    def run_darknet(self, *words, code=0, cwd=None, program=DARKNET, **options):
        """Runs the program to its end; `code` is the exit code it must have."""
        if "input" not in options:
            options["stdin"] = subprocess.DEVNULL
        done = subprocess.run([program] + [str(word) for word in words], cwd=cwd or self.folder, text=True,
                              capture_output=True, timeout=RUN_SECONDS, **options)
        if code is not None:
            self.assertEqual(done.returncode, code, "darknet %s\n%s\n%s" % (
                " ".join(map(str, words)), done.stdout[-2000:], done.stderr[-2000:]))
        return done

    def predict(self, *words, program=DARKNET):
        """[(class name, percent)] of `classifier predict`, best first; `words` are its arguments."""
        return answers(self.run_darknet("classifier", "predict", *words, program=program).stdout)

    def train(self, cfg, *words, data="fashion.data", seed=1, threads=1, **options):
        return self.run_darknet("classifier", "train", data, cfg, "-seed", seed, "-threads", threads, *words, **options)

    def assert_one_line(self, done, *parts):
        """The program failed with one line on stderr, which names all `parts`."""
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertTrue(lines[0].startswith("darknet: "), lines[0])
        for part in parts:
            self.assertIn(part, lines[0])

    def assert_same_results(self, first, second, best=True):
        """`first` and `second` are paths without ending: .../backup/base."""
        for ending in ("_final.weights", "_last.weights") + (("_best.weights",) if best else ()):
            self.assertEqual(read(first + ending), read(second + ending),
                             "%s and %s differ" % (first + ending, second + ending))
        self.assertEqual(csv_without_seconds(first + ".csv"), csv_without_seconds(second + ".csv"))

    def assert_no_leftovers(self, folder):
        left = [name for name in os.listdir(folder) if name.endswith(".tmp") or name.startswith(".write_probe")]
        self.assertEqual(left, [], folder)


class MadeOnceTest(RunTest):
    """All tests share a folder, which make() fills once; they read, and write under names of their own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        maker = cls("make")
        RunTest.setUp(maker)
        cls.shared = maker.folder
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)
        maker.make()

    def setUp(self):
        self.folder = self.shared


def iteration_of(line):
    """The number of the iteration that a line of the log is about, or None."""
    head = line.split(",", 1)[0]
    return int(head) if head.isdigit() and " rate, " in line else None


def resumed_at(text):
    """What 'resumed at iteration N' in the output says, or 0."""
    for line in text.splitlines():
        if line.startswith("resumed at iteration "):
            return int(line.split()[-1])
    return 0


class Cut:
    """A run that is ended by a signal, `delay` seconds after the log's line of `iteration` (0: after the start).

    Where more than LINES_AHEAD iterations remain, the run cannot be over before: its log would not fit into the pipe.
    `done` is true where it was.
    """

    def __init__(self, test, words, iteration, delay=0.0, number=signal.SIGKILL):
        process = test.start(*words, pipesize=PIPE_BYTES)
        lines = []
        while iteration > 0:
            line = process.stdout.readline()
            lines.append(line)
            if line == "" or (iteration_of(line) or 0) >= iteration:
                break
        time.sleep(delay)
        process.send_signal(number)
        lines.append(process.stdout.read())
        self.err = process.stderr.read()
        process.stdout.close()
        process.stderr.close()
        self.code = process.wait(RUN_SECONDS)
        self.out = "".join(lines)
        self.done = self.code == 0
