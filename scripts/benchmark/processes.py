"""Running programs and seeing what they, and everything else on the machine, took."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import tempfile
import threading
import time

from generations_driver.errors import Failure


def busy_seconds():
    """What all processors together have worked since the machine started, or a hypervisor gave to other machines."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _wait, interrupts, soft, stolen = map(int, file.readline().split()[1:9])
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")


def own_seconds():
    return sum(usage.ru_utime + usage.ru_stime
               for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


class Machine:
    """Collects, over the measurements, how many processors were busy with something else."""

    def __init__(self, progress):
        self.foreign, self.progress = [], progress

    @contextlib.contextmanager
    def measuring(self, what):
        """Around a measurement; the progress shows `what`."""
        start = time.monotonic(), busy_seconds(), own_seconds()
        with self.progress.showing(what):
            yield
        now = time.monotonic(), busy_seconds(), own_seconds()
        wall, busy, own = (after - before for after, before in zip(now, start))
        if wall > 0:
            self.foreign.append(max(0.0, (busy - own) / wall))

    def report(self):
        mean = sum(self.foreign) / len(self.foreign) if self.foreign else 0.0
        return {"cores": os.cpu_count(), "foreign_mean": mean, "foreign_most": max(self.foreign, default=0.0)}


class Child:
    """A process whose stdout is read line by line; it is ended in any case."""

    def __init__(self, command):
        self.command = command
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.peak_bytes = 0

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if self.process.returncode is None:
            self.send(signal.SIGKILL)
            self.finish()
        self.process.stdout.close()
        self.errors.close()

    def send(self, number):
        """Sends a signal. Popen's way would take the exit status of a process that is over away from finish()."""
        if self.process.returncode is None:
            os.kill(self.process.pid, number)

    def finish(self):
        """Waits; returns the exit status."""
        self.process.stdout.read()
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.peak_bytes = usage.ru_maxrss * 1024
        return self.process.returncode

    def message(self):
        """Its last line on stderr, for an error."""
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        return lines[-1] if lines else f"stopped with status {self.process.returncode}"


def json_line(command, most=None):
    """Runs a program that prints one line of JSON; it may take `most` seconds."""
    with Child(command) as child:
        timer = threading.Timer(most or threading.TIMEOUT_MAX, child.send, [signal.SIGKILL])
        timer.start()
        try:
            line = child.process.stdout.readline()
            status = child.finish()
        finally:
            late = most is not None and not timer.is_alive()
            timer.cancel()
        if late:
            raise Failure(f"{command[0]}: stopped after {most:g} seconds")
        if status != 0:
            raise Failure(f"{command[0]}: {child.message()}")
        try:
            return json.loads(line)
        except ValueError as error:
            raise Failure(f"{command[0]}: its output is no JSON: {line[:60]!r}") from error
