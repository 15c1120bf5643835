"""The processes of a run: output into a log, the last line of stderr as the error, a signal passed through once."""

import os
import shlex
import signal
import subprocess
import threading

from .errors import Failure, Stopped
from .files import now
from .program import BUILD


class Children:
    def __init__(self, program, on_line):
        self.program = program
        self.on_line = on_line  # gets the commands and lines of stderr, for -v
        self.mutex = threading.Lock()
        self.running = set()
        self.stopping = False

    def run(self, arguments, log, what, context, watched=False):
        """Runs the program to its end; raises Failure with its last line on stderr.

        `context`: the lock that names the process, and what its environment has besides; `watched`: its log is read.
        """
        command = [self.program, *arguments]
        self.on_line("$ " + shlex.join(command))
        with open(log, "ab", buffering=0) as output:
            output.write(f"\n# {now()} {shlex.join(command)}\n".encode())
            process = self._start(command, output, context)
            last = ""
            for line in process.stderr:
                output.write(line)
                text = line.decode(errors="replace").strip()
                if text:
                    last = text
                    if not watched:
                        self.on_line(f"{what}: {text}")
            process.stderr.close()
            code = process.wait()
        with self.mutex:
            self.running.discard(process)
            if self.stopping:
                raise Stopped
        if code:
            ended = f"was killed by signal {-code}" if code < 0 else f"failed with exit code {code}"
            raise Failure(f"{what} {ended}: {last or 'no line on stderr'}; log: {log}")

    def _start(self, command, output, context):
        with self.mutex:
            if self.stopping:
                raise Stopped
            try:
                # A session of its own: a terminal's Ctrl-C comes through the driver, once.
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE,
                                           start_new_session=True, env={**os.environ, **context.environment})
            except OSError as error:
                raise Failure(f"{self.program}: cannot start: {error.strerror}; {BUILD}") from error
            self.running.add(process)
            context.lock.note(process.pid)
            return process

    def stop(self, number):
        """Passes a signal through, once; the children save their state and end, and no other starts."""
        with self.mutex:
            if self.stopping:
                return
            self.stopping = True
            for process in self.running:
                process.send_signal(number)

    def kill(self):
        with self.mutex:
            for process in (process for process in self.running if process.poll() is None):
                os.killpg(process.pid, signal.SIGKILL)
