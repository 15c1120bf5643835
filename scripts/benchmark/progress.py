"""How far a benchmark is: on a terminal one line that is written over, in a pipe a line for each turn that is done."""

import contextlib
import statistics
import sys
import time

from generations_driver.progress import Display, clock


class Progress:
    """A network goes through rounds; in each, every turn (a number of threads, a precision) comes once.

    It writes to stderr: stdout has the table alone.
    """

    def __init__(self, networks, rounds, stream=None):
        self.rounds, self.later, self.display = rounds, networks, Display(stream or sys.stderr)
        self.place, self.spent, self.since = "", {}, 0.0

    def run(self, network, turns, measure):
        """{turn: results of measure(turn), one for each round}. turns: {turn: its title}."""
        results = {turn: [] for turn in turns}
        self.spent, self.later = {turn: [] for turn in turns}, self.later - 1
        for number in range(1, self.rounds + 1):
            for turn, title in turns.items():
                self.place, self.since = f"{network}, {title}, round {number} of {self.rounds}", time.monotonic()
                results[turn].append(measure(turn))
                self._done(turn)
        self.place, self.spent = network, {}
        return results

    @contextlib.contextmanager
    def showing(self, what):
        """Around a measurement, within measure() or after run()."""
        self.display.update(f"{self.place}: {what}{self._left(time.monotonic() - self.since)}")
        try:
            yield
        finally:
            self.display.clear()

    def _done(self, turn):
        self.spent[turn].append(time.monotonic() - self.since)
        if not self.display.terminal:
            self.display.line(f"{self.place}: {clock(self.spent[turn][-1])}{self._left(0)}")

    def _left(self, begun):
        """Turns take as long as they took before; those not yet seen as long as the others."""
        known = [seconds for spent in self.spent.values() for seconds in spent]
        rest = sum((self.rounds - len(spent)) * statistics.mean(spent or known)
                   for spent in self.spent.values() if known)
        texts = [f"about {clock(max(0.0, rest - begun))} left for this network"] if rest else []
        if self.later:
            texts.append(f"{self.later} more network{'s' if self.later > 1 else ''} to come")
        return "".join(f"; {text}" for text in texts)
