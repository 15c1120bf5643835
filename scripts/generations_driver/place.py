"""Paths and names of the project's files and the program: in a checkout, or installed."""

import os
import shutil

HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STARTED_BY = os.environ.get("DARKNET_GENERATIONS")  # `darknet-generations chain` names itself
INSTALLED = os.path.basename(STARTED_BY or "darknet")
PROGRAM_NAME = "./darknet" if INSTALLED == "darknet" else INSTALLED
DRIVER_NAME = f"{PROGRAM_NAME} chain" if STARTED_BY else "generations.py"
COMMAND = DRIVER_NAME if STARTED_BY else "scripts/generations.py"


def default_program():
    if STARTED_BY:
        return STARTED_BY
    return "./darknet" if os.path.exists("./darknet") else shutil.which("darknet-generations") or "./darknet"


def find_file(path):
    """The path, or, where the current folder does not have it, what it means below HOME, as the program does it."""
    other = os.path.join(HOME, path)
    return other if not os.path.exists(path) and os.path.exists(other) else path


def find_experiment(path):
    """An experiment file by its path, or by the name of one that is installed."""
    named = find_file(os.path.join("cfg", "generations", f"{path}.ini"))
    found = find_file(path)
    return named if not os.path.isfile(found) and os.path.isfile(named) else found
