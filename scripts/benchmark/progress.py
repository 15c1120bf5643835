"""How far a benchmark is: on a terminal one line that is overwritten, in a pipe a line for each finished setting."""

import contextlib
import statistics
import sys
import time

from generations_driver.progress import Display, clock


class Progress:
    """A network is measured in repetitions; each goes once through the settings (numbers of threads, precisions).

    It writes to stderr: stdout has the table only.
    """

    def __init__(self, networks, repetitions, stream=None):
        self.repetitions, self.later, self.display = repetitions, networks, Display(stream or sys.stderr)
        self.place, self.spent, self.since = "", {}, 0.0

    def run(self, network, settings, measure):
        """{setting: results of measure(setting), one for each repetition}. settings: {setting: its title}."""
        results = {setting: [] for setting in settings}
        self.spent, self.later = {setting: [] for setting in settings}, self.later - 1
        for number in range(1, self.repetitions + 1):
            for setting, title in settings.items():
                self.place = f"{network}, {title}, repetition {number} of {self.repetitions}"
                self.since = time.monotonic()
                results[setting].append(measure(setting))
                self._done(setting)
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

    def _done(self, setting):
        self.spent[setting].append(time.monotonic() - self.since)
        if not self.display.terminal:
            self.display.line(f"{self.place}: {clock(self.spent[setting][-1])}{self._left(0)}")

    def _left(self, begun):
        """A setting takes as long as before; one not yet measured as long as the others."""
        known = [seconds for spent in self.spent.values() for seconds in spent]
        rest = sum((self.repetitions - len(spent)) * statistics.mean(spent or known)
                   for spent in self.spent.values() if known)
        texts = [f"about {clock(max(0.0, rest - begun))} left for this network"] if rest else []
        if self.later:
            texts.append(f"{self.later} more network{'s' if self.later > 1 else ''} to come")
        return "".join(f"; {text}" for text in texts)
