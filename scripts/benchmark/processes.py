"""Running programs, and their peak memory."""

import json
import os
import signal
import subprocess
import tempfile
import threading

from generations_driver.errors import Failure


class Child:
    """A process whose stdout is read line by line; it ends with the block."""

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
        """Sends a signal. Popen's own would take the exit status of an ended process away from finish()."""
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


def json_of(command, max_seconds=None):
    """Runs a program that prints JSON; it may take `max_seconds`."""
    with Child(command) as child:
        timer = threading.Timer(max_seconds or threading.TIMEOUT_MAX, child.send, [signal.SIGKILL])
        timer.start()
        try:
            text = child.process.stdout.read()
            status = child.finish()
        finally:
            late = max_seconds is not None and not timer.is_alive()
            timer.cancel()
        if late:
            raise Failure(f"{command[0]}: stopped after {max_seconds:g} seconds")
        if status != 0:
            raise Failure(f"{command[0]}: {child.message()}")
        try:
            return json.loads(text)
        except ValueError as error:
            raise Failure(f"{command[0]}: its output is not JSON: {text[:60]!r}") from error
