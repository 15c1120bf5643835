"""A training's progress from its log, and lines on a pipe or a terminal."""

import os
import re
import shutil
import sys
import time

from .files import number_or_none

ITERATION = re.compile(r"^\s*(\d+), ([0-9.]+): (\S+), (\S+) avg, (\S+) rate, (\S+) seconds")
EPOCH = re.compile(r"^epoch (\d+)\b.*?\bvalid loss \S+ top1 ([0-9.]+)")


def clock(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if minutes >= 60 else f"{minutes}:{seconds:02}"


class Progress:
    """What a training's log says, read as it grows."""

    def __init__(self, log, epochs, max_batches):
        self.log, self.epochs, self.max_batches = log, epochs, max_batches
        self.offset, self.rest = os.path.getsize(log) if os.path.exists(log) else 0, ""
        self.fraction, self.epoch, self.top1 = 0.0, 0.0, None
        self.first = None  # (time, fraction) of the first iteration seen

    def poll(self):
        """The new whole lines."""
        if not os.path.exists(self.log):
            return []
        with open(self.log, encoding="utf-8", errors="replace") as file:
            file.seek(self.offset)
            *lines, self.rest = (self.rest + file.read()).split("\n")
            self.offset = file.tell()
        for line in lines:
            iteration, epoch = ITERATION.match(line), EPOCH.match(line)
            if epoch:
                self.top1 = number_or_none(epoch[2])
            elif iteration and (self.epochs or self.max_batches):
                self.epoch = float(iteration[2])
                done = self.epoch / self.epochs if self.epochs else int(iteration[1]) / self.max_batches
                self.fraction = min(1.0, done)
                self.first = self.first or (time.monotonic(), self.fraction)
        return lines

    def whole(self):
        """Seconds that the whole training takes at the speed seen so far, or None."""
        if self.first is None or self.fraction <= self.first[1]:
            return None
        return (time.monotonic() - self.first[0]) / (self.fraction - self.first[1])

    def text(self):
        total = f"/{self.epochs}" if self.epochs else ""
        return f"epoch {self.epoch:.2f}{total}" + (f" top-1 {100 * self.top1:.2f} %" if self.top1 is not None else "")


def finish_of(chains, jobs):
    """When the last of the chains ends, given the seconds of each; the long ones go first."""
    loads = [0.0] * jobs
    for seconds in sorted(chains, reverse=True):
        loads[loads.index(min(loads))] += seconds
    return max(loads)


class Display:
    """Plain lines, and on a terminal one line that is overwritten."""

    def __init__(self, stream=None):
        """stream: stdout, unless named."""
        self.stream = stream or sys.stdout
        self.terminal = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.shown = False

    def clear(self):
        if self.shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
        self.shown = False

    def line(self, text):
        self.clear()
        print(text, file=self.stream, flush=True)

    def update(self, text):
        if self.terminal:
            self.clear()
            width = shutil.get_terminal_size().columns - 1
            self.stream.write(text if len(text) <= width else text[: max(0, width - 3)] + "...")
            self.stream.flush()
            self.shown = True
