"""What the tests of scripts/generations.py share: a stand-in for ./darknet, and a folder with an experiment."""

import json
import os
import pty
import shutil
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from run_support import RUN_SECONDS, SCRIPTS, FolderTest, write, write_quarters

from generations_driver.experiment import Experiment
from generations_driver.program import Program

SCRIPT = os.path.join(SCRIPTS, "generations.py")
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

def read_net(path):
    return open(path).read()

def accuracy(*words):
    return 0.5 + int(hashlib.sha256(" ".join(map(str, words)).encode()).hexdigest()[:4], 16) / 2 ** 16 / 4

arguments = sys.argv[1:]
if arguments[0] == "--version":
    say("a stand-in 1.0\nhost          packaged Darknet, /lib/a.so\noneDNN        2.6.3\nCUDA          no")
    sys.exit()
if arguments[0] == "options":
    if os.environ.get("FAKE_REFUSED", "") in "".join(map(read_net, arguments[1:])).split():
        fail("darknet: %s:3: [net] %s: not allowed" % (arguments[1], os.environ["FAKE_REFUSED"]))
    tables = json.loads(os.environ["FAKE_OPTIONS"])
    if "seen=0" in "".join(map(read_net, arguments[1:])):
        tables["translations"] = [{"where": arguments[1] + ":2: [net] seen=0", "became": "ignored"}]
    say(json.dumps(tables))
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
if os.environ.get("FAKE_FAIL") in (base, verb, cfg_path):
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
    measured = "darknet-estimate." in cfg_path
    assert option("-threads") and ("-resume" in rest) != measured and "-dont_show" in rest
    if "teacher" in cost:
        assert os.path.exists(cost["teacher"]) and os.path.exists(cost["teacher_weights"]), cost
    if "targets" in cost:
        assert os.path.exists(cost["targets"]), cost
    learned = [line for line in open(cfg_path) if line.strip() and line[0] != "#" and "/" not in line]
    for key in ("teacher_weights", "targets"):
        learned += [open(cost[key]).read()] if key in cost else []
    learned = hashlib.sha256("".join(learned).encode()).hexdigest()[:8]
    prefix = os.path.join(data["backup"], base)
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        open(prefix + ".gpu", "w").write("%s %s" % (os.environ["CUDA_VISIBLE_DEVICES"], option("-gpus")))
    epochs, begun = int(net["epochs"]), 0
    if os.path.exists(prefix + ".state"):
        begun = int(open(prefix + ".state").read())
        say("resumed at iteration %d" % (10 * begun))
    else:
        say("no state: from the beginning")
    say("training set: IDX, 5000 images of 1x8x8, the first 64 of each class: 640 images")
    say("validation set: IDX, 1000 images of 1x8x8\nhost: packaged Darknet, 2 threads, seed %s" % seed)
    say("%d batches of 64 images, %d.00 epochs" % (10 * epochs, epochs))
    if not begun:
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
                open(prefix + "_last.weights", "w").write("%s %s last" % (seed, learned))
                sys.stderr.write("stopped at iteration %d\n" % iteration)
                sys.exit(128 + stop[0])
            say("%d, %.3f: 1.234, 1.3 avg, 0.1 rate, %s seconds, %d images, 0.1 hours left" % (
                iteration, iteration / 10, os.environ.get("FAKE_STEP", "0.01"), 64 * iteration))
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
        result = {"top1": top1, "topk": top1 + .2, "top5": top1 + .2, "k": 5, "loss": 1.5 - top1, "images": 1000,
                  "classes": [{"name": "class %d" % i, "images": 3 if i < 2 else 2 if i == 2 else 0,
                               "top1": [2 / 3, 1.0, 0.0][i] if i < 3 else None} for i in range(10)],
                  "confusion": [[0, 0, 2], [0, 1, 1], [1, 1, 3], [2, 0, 2]]}
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

# For the program itself: of write_tiny's images.
TINY_NETWORK = """\
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
"""


def write_tiny(folder, train, valid):
    """tiny.data and write_quarters' images."""
    write_quarters(folder, train, valid)
    write(os.path.join(folder, "tiny.data"),
          "classes=4\ntrain=train-images-idx3-ubyte\nvalid=valid-images-idx3-ubyte\ntop=2\n")


def on_terminal(command, environment, folder=".", lines=24):
    """(exit code, what a command prints on a terminal of 80 columns)."""
    ours, its = pty.openpty()
    environment = {**environment, "COLUMNS": "80", "LINES": str(lines), "TERM": "xterm"}
    with subprocess.Popen(command, cwd=folder, stdout=its, env=environment) as process:
        os.close(its)
        found = b""
        try:
            while block := os.read(ours, 4096):
                found += block
        except OSError:
            pass  # the other end is closed
        os.close(ours)
    return process.returncode, found.decode().replace("\r", "")


def weights_record(folder, name):
    with open(os.path.join(folder, f"{name}.json"), encoding="utf-8") as file:
        return json.load(file)


class Case(FolderTest):
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
        self.flags = {"run": ["--no-estimate", "--no-figures"], "report": ["--no-figures"], "compare": ["--no-figures"]}
        os.environ["FAKE_OPTIONS"] = fake["FAKE_OPTIONS"]

    def tearDown(self):
        os.chdir(self.before)
        shutil.rmtree(self.folder, ignore_errors=True)

    def read(self, path):
        with open(path, encoding="utf-8") as file:
            return file.read()

    def run_driver(self, *arguments, code=0, flags=None, **environment):
        """Runs the script to its end; checks the exit code, and that a failure is one line on stderr."""
        flags = self.flags.get(arguments[0], []) if flags is None else flags
        done = subprocess.run(
            [sys.executable, SCRIPT, *arguments, *flags],
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            env={**self.environment, **environment},
            check=False,
        )
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        if code in (1, 2):
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done

    def start_driver(self, *arguments, **environment):
        return subprocess.Popen(
            [sys.executable, SCRIPT, *arguments, *self.flags["run"]],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environment, **environment},
        )

    def experiment(self, *overrides):
        return Experiment("a.ini", overrides, Program("./darknet"))

    def calls(self):
        return [json.loads(line) for line in self.read("calls").splitlines()]
