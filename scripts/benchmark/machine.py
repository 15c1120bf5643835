"""The machine under the benchmark: what it is, and what else it does meanwhile."""

import contextlib
import os
import re
import resource
import subprocess
import sys
import time


def processor():
    """The processor's name, or None."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"^model name\s*: (.*)", file.read(), re.M)
    return found and found[1]


def nvidia_smi(gpu, key):
    """What the driver says of a GPU (`name`, `driver_version`), or None."""
    try:
        done = subprocess.run(["nvidia-smi", "-i", str(gpu), f"--query-gpu={key}", "--format=csv,noheader"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def busy_seconds():
    """Processor time of the whole machine since it started, and what a hypervisor gave to other machines."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _wait, interrupts, soft, stolen = map(int, file.readline().split()[1:9])
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")


def own_seconds():
    return sum(usage.ru_utime + usage.ru_stime
               for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


class Spinner:
    """A process that keeps one core busy: beside it, threads that spin while they wait would starve each other."""

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-c", "while True: pass"])

    def __exit__(self, *_error):
        self.process.kill()
        self.process.wait()


class OtherWork:
    """How many cores were busy with other work, measurement by measurement."""

    def __init__(self, progress):
        self.cores, self.progress = [], progress

    @contextlib.contextmanager
    def measuring(self, what):
        """Around a measurement; the progress shows `what`."""
        start = time.monotonic(), busy_seconds(), own_seconds()
        with self.progress.showing(what):
            yield
        now = time.monotonic(), busy_seconds(), own_seconds()
        wall, busy, own = (after - before for after, before in zip(now, start))
        if wall > 0:
            self.cores.append(max(0.0, (busy - own) / wall))

    def report(self):
        mean = sum(self.cores) / len(self.cores) if self.cores else 0.0
        return {"mean": mean, "max": max(self.cores, default=0.0)}
