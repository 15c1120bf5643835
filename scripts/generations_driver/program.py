"""./darknet as the source of what there is: names and defaults of options, and whether it accepts values."""

import json
import os
import re
import shutil
import subprocess
import tempfile

from .errors import Failure

TEACHER_KEYS = ("teacher", "teacher_weights", "targets")  # a student's cost has them; the driver fills them in
ANSWER_WAIT = 60  # seconds


class Program:
    """The program, and the tables that `darknet options` prints."""

    def __init__(self, path):
        self.path = path if os.sep in path else shutil.which(path) or path
        if not os.path.isfile(self.path) or not os.access(self.path, os.X_OK):
            raise Failure(f"{path}: no such program; build it with `make`, or name it with --darknet")
        try:
            tables = json.loads(self.ask("options"))
            self.net = [option["name"] for option in tables["net"]]
            costs = {
                cost: {option["name"]: option["default"] for option in options}
                for cost, options in tables["costs"].items()
            }
        except (ValueError, KeyError, TypeError, Failure) as error:
            words = error if isinstance(error, Failure) else "the answer is not its JSON"
            raise Failure(f"{path} options: {words}; build ./darknet anew with `make`") from error
        costs["softmax"] = {}  # Darknet's own: each of its keys has one allowed value
        self.patriarch_costs, self.student_costs = {}, {}
        for cost, options in costs.items():
            kind = self.student_costs if "teacher" in options else self.patriarch_costs
            kind[cost] = {name: default for name, default in options.items() if name not in TEACHER_KEYS}

    def ask(self, *arguments):
        """What it prints; raises Failure with its last line on stderr."""
        try:
            done = subprocess.run(
                [self.path, *arguments], capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
                timeout=ANSWER_WAIT, check=False,
            )
        except OSError as error:
            raise Failure(f"cannot start: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise Failure(f"no answer after {ANSWER_WAIT} s") from error
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode} without a line on stderr"]
            raise Failure(lines[-1].removeprefix("darknet: "))
        return done.stdout

    def check_network(self, text, data):
        """Raises Failure with its own words where it refuses a cfg, or where that does not fit the .data file."""
        with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
            file.write(text)
            file.flush()
            try:
                self.ask("options", file.name, data)
            except Failure as failure:
                words = re.sub(rf"^{re.escape(file.name)}(:\d+)?: ", "", str(failure))
                raise Failure(words) from failure

    def check_cost(self, cost, options, classes):
        """Raises Failure with its own words where it refuses the options: before hours of training, not after."""
        teacher = [str(1 / classes)] * classes if cost in self.student_costs else []
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
            file.write(",".join(["0"] * (1 + classes) + teacher) + "\n")
            file.flush()
            words = [f"{key}={value}" for key, value in options.items()]
            try:
                self.ask("layer", cost, *words, file.name)
            except Failure as failure:
                raise Failure(str(failure).removeprefix("command line: ")) from failure
