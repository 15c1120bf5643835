"""Where a training's numbers come from: version, commit, machine, device, libraries."""

import os
import platform
import re

from .errors import Failure
from .files import read_text
from .place import HOME
from .program import output_of


def commit_of(folder):
    """The commit of the checkout that has the project's files, '+ changes' where tracked files differ from it."""
    try:
        commit = output_of(["git", "-C", folder, "rev-parse", "--short=12", "HEAD"]).strip()
        top = output_of(["git", "-C", folder, "rev-parse", "--show-toplevel"]).strip()
        changed = output_of(["git", "-C", folder, "status", "--porcelain", "--untracked-files=no"]).strip()
    except Failure:
        return None  # no git, or no checkout
    if os.path.realpath(top) != os.path.realpath(folder):
        return None  # an installed copy inside another project's checkout
    return commit + (" + changes" if changed else "")


def processor():
    """The processor's name as /proc/cpuinfo has it (x86), else its architecture."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", read_text("/proc/cpuinfo", "list of processors"), re.M)
    except Failure:
        found = None
    return found[1] if found else platform.machine()


def version_of(program):
    """{what: version} from the lines of --version; the first is the program's own."""
    first, *lines = program.ask("--version").splitlines()
    pairs = (line.split(None, 1) for line in lines)
    return {"version": first.strip()} | {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}


def provenance(program):
    """What does not change during a run of the driver. The GPU is the training's own to name, see device_of()."""
    return {
        **version_of(program), "commit": commit_of(HOME), "machine": platform.node(), "processor": processor(),
        "cores": len(os.sched_getaffinity(0)), "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def device_of(log):
    """'CPU', or the GPU with its libraries, as the last training in this log said; None where it did not begin."""
    lines = read_text(log, "log").splitlines() if os.path.exists(log) else []
    for place in range(len(lines) - 1, -1, -1):
        if lines[place].startswith("host: "):
            found = (line.removeprefix("GPU: ") for line in lines[place:place + 3] if line.startswith("GPU: "))
            return next(found, "CPU")
    return None
