"""What a run shows while it trains: lines, the trainings' progress, the time left."""

import contextlib
import statistics
import threading

from .progress import Display, Progress, clock, finish_of


class Monitor:
    """`estimated`: {folder: [seconds of each chain]}, for folders of which nothing is seen yet."""

    def __init__(self, graph, jobs, verbose, estimated=None):
        self.graph, self.jobs, self.verbose, self.estimated = graph, jobs, verbose, estimated or {}
        self.display = Display()
        self.mutex = threading.Lock()  # guards the display and what follows
        self.progress = {}  # step -> Progress, of those being trained now
        self.done = {}  # step -> seconds of its training, of those that are trained and evaluated
        self.given_up = set()  # steps that failed, or whose teacher did
        self.moved = False  # an iteration was seen

    def say(self, text):
        with self.mutex:
            self.display.line(text)

    def detail(self, text):
        """A line for -v."""
        if self.verbose:
            self.say(text)

    @contextlib.contextmanager
    def training(self, step):
        """Shows its progress."""
        generation = step.generation
        with self.mutex:
            self.progress[step] = Progress(generation.log, *step.folder.lengths)
            if not self.display.terminal or self.verbose:
                self.display.line(f"{step.title}: training, log {generation.log}")
        try:
            yield
        finally:
            self.show()  # its last lines
            with self.mutex:
                self.moved |= self.progress.pop(step).first is not None

    def finish(self, step, text):
        with self.mutex:
            self.done[step] = step.generation.record().get("wall_seconds") or step.generation.train_seconds()
            self.display.line(text)

    def show(self):
        """A line for each epoch in a pipe; one line that is overwritten on a terminal."""
        with self.mutex:
            left = self.left()
            for step, progress in self.progress.items():
                for line in progress.poll():
                    epoch = line.startswith("epoch ")
                    if (self.verbose and line and line[0] != "#") or (epoch and not self.display.terminal):
                        self.display.line(f"{step.title}: {line}" + (f"; {left}" if epoch and left else ""))
            if self.progress:
                parts = [f"{step.title} {progress.text()}" for step, progress in self.progress.items()]
                parts.append(f"{len(self.done)} of {len(self.graph.steps)} done" + (f", {left}" if left else ""))
                self.display.update(" | ".join(parts))

    def left(self):
        """'1:20:33 left in all', or in the runs of which something is known; '' without any."""
        chains, unknown = [], False
        for folder in self.graph.folders:
            found = self.chains_left(folder) or self.estimated.get(folder)
            chains += found or []
            unknown = unknown or found is None
        if not chains:
            return ""
        return f"{clock(finish_of(chains, self.jobs))} left in {'this run' if unknown else 'all'}"

    def chains_left(self, folder):
        """The seconds left for each chain, from the speeds seen so far; None without any."""
        wholes = {True: [], False: []}  # of students, whose teacher takes its time, and of the others
        chains = self.graph.chains(folder)
        for step in (step for chain in chains for step in chain):
            active = self.progress.get(step)
            seconds = active.whole() if active else self.done.get(step)
            if seconds:
                wholes[bool(step.generation.index)].append(seconds)
        if not any(wholes.values()):
            return None

        def rest(step):
            active, student = self.progress.get(step), bool(step.generation.index)
            return statistics.mean(wholes[student] or wholes[not student]) * (1 - active.fraction if active else 1)

        ended = self.done.keys() | self.given_up
        return [sum(rest(step) for step in chain if step not in ended and not step.original) for chain in chains]
