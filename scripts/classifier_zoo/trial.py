"""One cfg: is it accepted, what is translated, does it train, does the host's own program agree."""

import json
import math
import os
import re
import time

from cfg_network.network import Network
from generations_driver.errors import Failure
from generations_driver.files import write_text
from generations_driver.program import output_of

from .answers import answers, largest_difference
from .cfgs import shape_of, with_classes, with_values
from .photographs import write_set

NET = {"batch": 2, "subdivisions": 1, "max_batches": 3}
ROUNDING = 0.02  # points: both print two digits of a percentage
PREDICTED = 2  # images
MAX_SECONDS = 1800  # of one command
LOSS = re.compile(r"^\d+, \S+: (\S+), ", re.M)
# Where training warns that the host's program computes something else.
STOCK = re.compile(r"^\S+:\d+: \[\w+\] [^:]*: (.*)(?:; the stock |, but the stock )", re.M)
SOURCE_LINE = re.compile(r"^\S+\.c:\d+: ")


class Trial:
    """`row` has the results."""

    def __init__(self, path, program, stock, photographs, folder):
        self.path, self.program, self.stock, self.photographs, self.folder = path, program, stock, photographs, folder
        self.row = {"cfg": os.path.basename(path), "accepted": False, "translated": [], "refused": None,
                    "trained": False, "losses": [], "notes": [], "largest_difference": None, "between_images": None,
                    "agrees": None}

    def run(self):
        start = time.monotonic()
        try:
            self.accept()
            self.train()
        except Failure as failure:
            self.row["refused" if not self.row["accepted"] else "failed"] = self.plain(failure)
        else:
            if self.stock:
                self.compare()
        self.row["seconds"] = time.monotonic() - start
        return self.row

    def plain(self, text):
        """Without this run's folder."""
        return str(text).replace(self.folder + os.sep, "").replace(self.folder, "its folder")

    def ask(self, program, *words):
        return output_of([program, *words], timeout=MAX_SECONDS)

    def accept(self):
        self.cfg = os.path.join(self.folder, self.row["cfg"])
        write_text(self.cfg, with_values(self.path, NET))
        text, classes = with_classes(self.cfg, len(self.photographs), Network(self.cfg, self.program).classes)
        write_text(self.cfg, text)
        self.data, self.images = write_set(self.folder, self.photographs, shape_of(self.path), classes)
        tables = json.loads(self.ask(self.program, "options", self.cfg, self.data))
        self.row["translated"] = [[self.plain(entry["where"]), entry["became"]] for entry in tables["translations"]]
        self.row["accepted"] = True

    def train(self):
        output = self.ask(self.program, "classifier", "train", self.data, self.cfg, "-seed", "1", "-threads", "2",
                          "-nogpu")
        self.row["losses"] = [float(loss) for loss in LOSS.findall(output)]
        self.row["notes"] = sorted(set(STOCK.findall(output)))
        self.weights = os.path.splitext(self.cfg)[0] + "_final.weights"
        result = os.path.join(self.folder, "valid.json")
        self.ask(self.program, "classifier", "valid", self.data, self.cfg, self.weights, "-json", result, "-nogpu")
        with open(result, encoding="utf-8") as file:
            self.row["losses"].append(json.load(file)["loss"])
        self.row["trained"] = (len(self.row["losses"]) == NET["max_batches"] + 1 and
                               all(math.isfinite(loss or math.nan) for loss in self.row["losses"]))

    def compare(self):
        """`predict` of both programs on the same weights; and how much the answers depend on the image."""
        ours, theirs = [], []
        try:
            for image in self.images[:PREDICTED]:
                words = "classifier", "predict", self.data, self.cfg, self.weights, image
                ours.append(answers(self.ask(self.program, *words, "-nogpu")))
                theirs.append(answers(self.ask(self.stock, *words)))
        except Failure as failure:
            self.row["notes"].append(f"the host's program stops: {SOURCE_LINE.sub('', self.plain(failure))}")
            return
        found = [largest_difference(*pair) for pair in zip(ours, theirs)]
        differences = [difference for difference in found if difference is not None]
        if len(differences) < len(found):
            self.row["notes"].append(f"the host's program answers NaN for {len(found) - len(differences)} of "
                                     f"{len(found)} images")
        if differences:
            self.row["largest_difference"] = max(differences)
            self.row["between_images"] = largest_difference(ours[0], ours[-1])
            self.row["agrees"] = max(differences) <= ROUNDING
