"""./darknet, which knows the names and defaults of all options, and checks their values."""

import functools
import json
import os
import re
import shutil
import subprocess
import tempfile

from .errors import Failure

BUILD = "build it with `make`, or name it with --darknet"
TEACHER_KEYS = ("teacher", "teacher_weights", "targets")  # a student's cost has them; the driver fills them in
ANSWER_WAIT = 60  # seconds


def output_of(command, advice="", timeout=None):
    """What a program prints; raises Failure with its last line on stderr."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
                              timeout=timeout, check=False)
    except OSError as error:
        raise Failure(f"{command[0]}: cannot start: {error.strerror}{advice}") from error
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{command[0]}: no answer after {timeout} s") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"{command[0]}: exit code {done.returncode} without a message"]
        raise Failure(lines[-1].removeprefix("darknet: "), 2 if done.returncode == 2 else 1)
    return done.stdout


class Program:
    """The program, and the tables that `darknet options` prints."""

    def __init__(self, path):
        self.ask_about = functools.cache(self.ask_about)  # the runs of a sweep ask much the same
        self.path = path if os.sep in path else shutil.which(path) or path
        if not os.path.isfile(self.path) or not os.access(self.path, os.X_OK):
            raise Failure(f"{path}: no such program; {BUILD}")
        try:
            tables = json.loads(self.ask("options"))
            self.host = tables["host"]
            self.net = [option["name"] for option in tables["net"]]
            costs = {cost: {option["name"]: option["default"] for option in options}
                     for cost, options in tables["costs"].items()}
        except (ValueError, KeyError, TypeError, Failure) as error:
            reason = error if isinstance(error, Failure) else "the output is not its JSON"
            raise Failure(f"{path} options: {reason}; rebuild ./darknet with `make`") from error
        costs["softmax"] = {}  # Darknet's own: each of its keys has one allowed value
        self.patriarch_costs, self.student_costs = {}, {}
        for cost, options in costs.items():
            kind = self.student_costs if "teacher" in options else self.patriarch_costs
            kind[cost] = {name: default for name, default in options.items() if name not in TEACHER_KEYS}

    def ask(self, *arguments):
        return output_of([self.path, *arguments], timeout=ANSWER_WAIT)

    def ask_about(self, text, suffix, *arguments):
        """The answer about a file with this text, whose name becomes the first argument that is None."""
        with tempfile.NamedTemporaryFile("w", suffix=suffix) as file:
            file.write(text)
            file.flush()
            place = rf"({re.escape(file.name)}(:\d+)?|command line): "
            try:
                return re.sub(place, "", self.ask(*(file.name if argument is None else argument
                                                    for argument in arguments)))
            except Failure as failure:
                raise Failure(re.sub("^" + place, "", str(failure))) from failure

    def check_network(self, text, data):
        """What it translates in a cfg, a line each.

        Raises Failure with its own words where it refuses the cfg, or where that does not fit the .data file.
        """
        translations = json.loads(self.ask_about(text, ".cfg", "options", None, data)).get("translations", [])
        return [f"{entry['where']}: {entry['became']}" for entry in translations]

    def check_cost(self, cost, options, classes):
        """Raises Failure with its own words where it refuses the options: before hours of training, not after."""
        teacher = [str(1 / classes)] * classes if cost in self.student_costs else []
        row = ",".join(["0"] * (1 + classes) + teacher) + "\n"
        self.ask_about(row, ".csv", "layer", cost, *(f"{key}={value}" for key, value in options.items()), None)
