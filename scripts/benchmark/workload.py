"""A network prepared for measuring: a cfg that trains without end, a student of it, data files."""

import os
import re

from generations_driver.errors import Failure
from generations_driver.files import read_text

from . import image_sets

WORK = ("train", "distill", "valid")
# Images in a batch, of small images and of those from LARGE pixels on.
CPU_BATCHES, GPU_BATCHES, LARGE = (128, 16), (128, 256), 128
PAPER_CFGS = ["cfg/cifar100-resnet20.cfg", "cfg/cifar100-resnet56.cfg", "cfg/cifar100-resnet110.cfg",
              "cfg/cifar100-densenet100.cfg", "cfg/ilsvrc2012-resnet18.cfg"]
CFGS = PAPER_CFGS + [f"bench/networks/{name}.cfg" for name in (
    "darknet19", "darknet53", "resnet50", "efficientnet-b0", "cspdarknet53")]
ENDLESS = "policy=constant\nmax_batches=1000000\nlearning_rate=0.01\nmomentum=0.9\n"
REPLACED = ("batch", "subdivisions", "learning_rate", "momentum", "policy", "epochs", "max_batches", "epoch_steps",
            "steps", "scales", "burn_in", "power", "precision")


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def option(text, key, path):
    found = re.search(rf"^\s*{key}\s*=\s*(.*\S)", text, re.M)
    if not found:
        raise Failure(f"{path}: {key}= is missing")
    return found.group(1)


def endless(cfg, batch, precision=None):
    """The cfg with one forward pass of `batch` images for each step, a constant rate, and no end."""
    head, mark, rest = cfg.partition("\n[")  # comments may precede [net]
    if "[net]" not in head:
        net, mark, tail = rest.partition("\n[")
        head, rest = head + "\n[" + net, tail
    head = re.sub(rf"^[ \t]*({'|'.join(REPLACED)})[ \t]*=.*\n?", "", head, flags=re.M)
    more = f"precision={precision}\n" if precision else ""  # builds without CUDA do not know all of them
    head = head.replace("[net]\n", f"[net]\nbatch={batch}\nsubdivisions=1\n{ENDLESS}{more}", 1)
    return head + mark + rest


def with_cost(cfg, cost):
    """The cfg with another last section: the cost."""
    return cfg[: cfg.rindex("\n[") + 1] + cost


def batch_for(height, batches):
    small, large = batches
    return large if height >= LARGE else small


class Workload:
    """One network, its files in a separate folder."""

    def __init__(self, path, images, batch, folder, precision=None):
        cfg = read_text(path, "cfg")
        self.path, self.precision, self.name = path, precision, os.path.splitext(os.path.basename(path))[0]
        self.folder = os.path.join(folder, "-".join(filter(None, (self.name, precision))))
        os.makedirs(self.folder, exist_ok=True)
        height = int(option(cfg, "height", path))
        large = height >= LARGE
        self.batch = batch or batch_for(height, GPU_BATCHES if precision else CPU_BATCHES)
        plain = with_cost(endless(cfg, self.batch, precision), "[softmax]\n")
        self.cfg = write(os.path.join(self.folder, "train.cfg"), plain)
        self.weights = os.path.join(self.folder, "train_last.weights")
        self.student = write(os.path.join(self.folder, "student.cfg"), with_cost(
            plain, f"[distill]\nlambda=0.6\nteacher={self.cfg}\nteacher_weights={self.weights}\n"))
        if large and not images:
            raise Failure(f"{path}: its images are missing: name a .data file of image lists with --images")
        gray = option(cfg, "channels", path) == "1"
        self.source = images if large else "cfg/fashion.data" if gray else "cfg/cifar100.data"
        self.lines = [line for line in read_text(self.source, ".data file").splitlines()
                      if not re.match(r"\s*backup\s*=", line)]
        self.classes = int(option("\n".join(self.lines), "classes", self.source))
        for key in ("train", "valid"):
            self.require(option("\n".join(self.lines), key, self.source))
        self.data = self.data_file("data", self.lines)

    def require(self, path):
        if not os.path.exists(path):
            advice = "; run scripts/get_cifar100.sh first" if "cifar-100" in path else ""
            raise Failure(f"{path}, named by {self.source}, is missing{advice}")

    def data_file(self, name, lines):
        text = "\n".join([*lines, f"backup={self.folder}"]) + "\n"
        return write(os.path.join(self.folder, name + ".data"), text)

    def valid_images(self):
        return image_sets.count(option("\n".join(self.lines), "valid", self.source), self.classes)

    def few_images(self, images):
        """A .data file whose validation set is the first images of the real one."""
        name = f"first-{images}"
        path = image_sets.take(option("\n".join(self.lines), "valid", self.source), self.classes, images, self.folder,
                               name)
        lines = [line for line in self.lines if not re.match(r"\s*valid\s*=", line)]
        return self.data_file(name, [*lines, f"valid={path}"])
