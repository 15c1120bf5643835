"""Locks that work on every shared file system: no flock, no hard links.

Whoever wants a lock puts down a file of its own, PATH.UNIQUE, that names its job, host and processes, and then looks
which others exist. Of two that come at the same time at least one sees the other and withdraws. A file whose holder is
gone is stale; anybody may remove it, as its name is never used again.

A holder is gone
- on this machine: when none of its processes lives (by number and start time: numbers are used again);
- on a host of the same name that was started again since;
- in a Slurm job: when it is an earlier attempt of this very job, or squeue neither runs nor ends that job.
Any other holder counts as alive, and the error says which file to remove.
"""

import dataclasses
import glob
import json
import os
import platform
import random
import threading
import time
import uuid

from . import slurm
from .errors import Failure
from .files import make_folder, now, write_text

TRIES = 5  # of those that come at the same time; each waits for a random part of a second


def start_of(pid):
    """The start time of a process in ticks since boot; None where it has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def boot():
    with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
        return file.read().strip()


def namespace():
    """Process numbers mean the same in one namespace only: containers have their own."""
    return os.readlink("/proc/self/ns/pid")


@dataclasses.dataclass
class Holder:
    """What a lock's file says."""

    host: str
    boot: str
    namespace: str
    job: str | None
    attempt: int
    processes: list  # [number, start time]
    since: str
    file: str = ""

    @classmethod
    def here(cls):
        return cls(platform.node(), boot(), namespace(), slurm.job(), slurm.attempt(),
                   [[os.getpid(), start_of(os.getpid())]], now())

    @property
    def is_here(self):
        return (self.host, self.boot, self.namespace) == (platform.node(), boot(), namespace())

    def living(self):
        """The numbers of its processes that live, where that can be told."""
        return [pid for pid, start in self.processes if start_of(pid) == start] if self.is_here else []

    def is_alive(self):
        if self.is_here:
            return bool(self.living())
        if self.host == platform.node() and self.boot != boot():
            return False
        if self.job is None:
            return True
        if self.job == slurm.job():
            return self.attempt == slurm.attempt()
        return slurm.may_run(self.job)

    def text(self):
        """'process 12', 'process 12 on node07', 'Slurm job 34 on node07'."""
        pids = [str(pid) for pid in self.living()] or [str(pid) for pid, _ in self.processes[:1]]
        who = f"Slurm job {self.job}" if self.job else f"process {', '.join(pids)}"
        return who if self.is_here and not self.job else f"{who} on {self.host}"

    def advice(self):
        return "" if self.is_here or self.job else f"; if it is gone, remove {self.file}"


def read_holder(path):
    """None where the file is gone, or no lock's."""
    try:
        with open(path, encoding="utf-8") as file:
            return Holder(**{**json.load(file), "file": path})
    except (FileNotFoundError, ValueError, TypeError):
        return None


def holders(path):
    """Those who hold a lock; stale files are removed."""
    found = []
    for name in sorted(glob.glob(glob.escape(path) + ".*[0-9a-f]")):
        holder = read_holder(name)
        if holder and holder.is_alive():
            found.append(holder)
        elif holder:
            remove(name)
    return found


def remove(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


class Lock:
    """Raises Failure where somebody else holds it; `what` is locked, `advice` what to do then."""

    def __init__(self, path, what, advice="wait for it, or stop it"):
        self.mutex = threading.Lock()
        self.holder = Holder.here()
        self.holder.file = f"{path}.{uuid.uuid4().hex}"
        make_folder(os.path.dirname(path), "--out")
        for last in (attempt == TRIES for attempt in range(1, TRIES + 1)):
            self._write()
            others = [other for other in holders(path) if other.file != self.holder.file]
            if not others:
                return
            self.close()
            if last:
                raise Failure(f"{what}: in use by {others[0].text()}; {advice}{others[0].advice()}")
            time.sleep(random.uniform(0.02, 0.2))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _write(self):
        text = json.dumps({key: value for key, value in vars(self.holder).items() if key != "file"})
        write_text(self.holder.file, text + "\n")

    def note(self, pid):
        """Names a process that goes on with the work if this one is killed."""
        with self.mutex:
            self.holder.processes.append([pid, start_of(pid)])
            self._write()

    def close(self):
        remove(self.holder.file)
