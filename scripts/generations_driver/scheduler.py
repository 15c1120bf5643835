"""Runs the steps of a graph, several at a time, until none is left that can run, or a signal comes.

A step that fails ends what needs it; all other steps go on.
"""

import signal
import time
from concurrent import futures

from .errors import Failure, Stopped

STOP_WAIT = 60  # seconds that a child has for saving its state
POLL = 0.2  # seconds between two looks at the logs


class Scheduler:
    """`finished(step)` is called after every step; `passed_on` is the signal that the processes get for one that this
    one got.
    """

    def __init__(self, graph, runner, workers, monitor, finished, passed_on=None):
        self.graph, self.runner, self.workers, self.monitor = graph, runner, workers, monitor
        self.finished = finished
        self.passed_on = passed_on or {}
        self.signals = []
        self.failures = {}  # step -> Failure
        self.waiting, self.active, self.done = list(graph.steps), {}, set()  # active: future -> (step, GPU)
        self.gpus = list(workers.gpus)  # those that no step has
        if workers.jobs > 1:  # the long chains go first so that the short ones fill the gaps
            self.waiting.sort(key=lambda step: -graph.heights.get(step, 0))

    def run(self):
        """Raises Stopped where a signal ended it, and Failure where a step failed."""
        names = {signal.SIGINT, signal.SIGTERM, *self.passed_on}
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            names.add(signal.SIGHUP)
        previous = {name: signal.signal(name, lambda number, _: self.signals.append(number)) for name in names}
        pool = futures.ThreadPoolExecutor(self.workers.jobs)
        ended = []
        try:
            while (self.waiting or self.active or ended) and not self.signals:
                while len(self.active) < self.workers.jobs and (step := self._next()):
                    gpu = self.gpus.pop(0) if self.gpus else None
                    self.active[self._start(pool, step, gpu)] = step, gpu
                for step in ended:
                    self.finished(step)
                self.monitor.show()
                ended = [self._collect(one) for one in futures.wait(self.active, POLL, futures.FIRST_COMPLETED).done]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            self._end()
            for name, handler in previous.items():
                signal.signal(name, handler)
        if self.signals:
            raise Stopped
        for failure in self.failures.values():
            more = len(self.failures) - 1
            raise Failure(f"{failure}" + (f"; and {more} more failed, see above" if more else ""), failure.code)

    def _start(self, pool, step, gpu):
        try:
            return pool.submit(self.runner.run, step, gpu)
        except RuntimeError as error:  # the system refuses a thread
            advice = "end other processes, or use fewer --jobs"
            raise Failure(f"job {len(self.active) + 1}: {error}; {advice}") from error

    def _next(self):
        """A step that needs nothing more, taken from those that wait."""
        step = next((step for step in self.waiting if self.done.issuperset(step.needs)), None)
        if step:
            self.waiting.remove(step)
        return step

    def _collect(self, one):
        """Notes how a step has ended; returns it."""
        step, gpu = self.active.pop(one)
        self.gpus += [] if gpu is None else [gpu]
        try:
            one.result()
            self.done.add(step)
        except (Failure, OSError) as error:
            if isinstance(error, OSError):
                error = Failure(f"{step.title}: {error.filename or 'system'}: {error.strerror or error}")
            self.failures[step] = error
            self._give_up(step, error)
        return step

    def _give_up(self, failed, error):
        """Takes out what needs a failed step."""
        lost = {failed}
        for step in self.graph.steps:
            if lost.intersection(step.needs):
                lost.add(step)
        self.waiting = [step for step in self.waiting if step not in lost]
        self.monitor.given_up |= lost
        behind = [step.title for step in self.graph.steps if step in lost - {failed}]
        self.monitor.say(f"{failed.title}: failed: {error}" + (f"; not begun: {', '.join(behind)}" if behind else ""))

    def _end(self):
        """Has the children save their state and waits for them; a second signal does not wait."""
        first = self.signals[0] if self.signals else signal.SIGINT
        self.runner.children.stop(self.passed_on.get(first, first if first == signal.SIGINT else signal.SIGTERM))
        deadline = time.monotonic() + STOP_WAIT
        while any(not one.done() for one in self.active):
            with self.monitor.mutex:
                self.monitor.display.update("waiting for the training to save its state")
            if time.monotonic() > deadline or len(self.signals) > 1:
                self.runner.children.kill()
            futures.wait([one for one in self.active if not one.done()], POLL)
        self.monitor.display.clear()
