"""What a run or a sweep does now: a table for a terminal, a line for each training elsewhere."""

import collections
import dataclasses
import os
import shutil
import statistics
import sys
import time

from . import slurm
from .lock import holders
from .progress import ITERATION, clock
from .summary import shown

TAIL = 64 * 1024  # bytes of a log that are read for its last iterations
LOCAL_POLL, QUEUE_POLL = 2, 10  # seconds; asking Slurm costs its controller
ACTIVE = ("running", "evaluating")
# What a seed's row names: all that are active or failed, or else the first of these.
NAMED, NEXT = (*ACTIVE, "failed"), ("interrupted", "queued", "not begun")
HEADER = ("run", "seed", "done", "training", "epoch", "top-1 %", "left", "state, job")
GAP, LEAST = 2, 12  # characters between columns, and of a column that is cut


@dataclasses.dataclass
class State:
    """Of one training."""

    run: str
    seed: int
    name: str
    state: str
    epochs: float  # done
    total: int | None
    top1: float | None
    left: float | None  # seconds
    where: str  # job or process
    error: str | None

    @property
    def epoch(self):
        """'41.20/164'."""
        if not self.epochs and self.state not in ACTIVE:
            return ""
        return f"{self.epochs:.{0 if isinstance(self.epochs, int) else 2}f}" + (f"/{self.total}" if self.total else "")

    def line(self):
        parts = [self.state, self.epoch and f"epoch {self.epoch}",
                 self.top1 is not None and f"top-1 {shown(self.top1)} %",
                 self.left is not None and f"{clock(self.left)} left", self.where, self.error]
        return f"{self.run} seed {self.seed} {self.name}: {', '.join(part for part in parts if part)}"

    def cells(self, done):
        if self.state == "done":
            return [os.path.basename(self.run), str(self.seed), done, "", "", shown(self.top1), "", "done"]
        state = f"{self.state} {self.where.replace('Slurm job ', '')}".rstrip()
        return [os.path.basename(self.run), str(self.seed), done, self.name, self.epoch,
                "" if self.top1 is None else shown(self.top1), "" if self.left is None else clock(self.left), state]


def last_iterations(log):
    """The matches of the last lines of a log about iterations."""
    if not os.path.exists(log):
        return []
    with open(log, "rb") as file:
        file.seek(max(0, os.path.getsize(log) - TAIL))
        lines = file.read().decode(errors="replace").splitlines()
    return [match for match in map(ITERATION.match, lines) if match]


def progress_of(generation, lengths):
    """(epochs done, seconds left) of a training as its log has it; seconds None where that is not known."""
    found = last_iterations(generation.log)
    epochs, max_batches = lengths
    if not found:
        return 0.0, None
    iteration, epoch = int(found[-1][1]), float(found[-1][2])
    whole = epochs * iteration / epoch if epochs and epoch else max_batches
    step = statistics.median(float(match[6]) for match in found)
    return epoch, max(0.0, whole - iteration) * step if whole else None


def state_of(folder, lengths, generation, job):
    rows, living = generation.curve(), holders(generation.path(".lock"))
    done, failure = generation.is_done(), generation.failure()
    epochs, left, where = len(rows), None, ""
    if living:
        state, where = ("evaluating" if done else "running"), living[0].text()
        epochs, left = (len(rows), None) if done else progress_of(generation, lengths)
    elif done and not failure:
        state = "done"
    elif job:
        state, where = "queued", f"Slurm job {job.id}" + (f" ({job.reason})" if job.waits else "")
    else:
        state = "failed" if failure else "interrupted" if generation.traces() else "not begun"
    return State(folder.path, generation.seed, generation.name, state, epochs, lengths[0],
                 rows[max(rows)].get("valid_top1") if rows else None, left, where,
                 failure if state == "failed" else None)


def states_of(folders, jobs):
    """[State] of all trainings; `jobs`: the queue."""
    found = []
    for folder in folders:
        lengths = folder.lengths
        for generation in folder.generations:
            job = jobs.get(slurm.name_of(folder.path, generation.step))
            found.append(state_of(folder, lengths, generation, job))
    return found


def opening(path, states):
    counts = collections.Counter(one.state for one in states)
    more = [f", {counts[state]} {state}" for state in (*NAMED, *NEXT) if counts[state]]
    return f"{path}: {counts['done']} of {len(states)} trainings done{''.join(more)}"


def rows_of(states):
    """The rows of the table: for each seed of a run what is active or failed, or what comes next."""
    seeds = {}
    for one in states:
        seeds.setdefault((one.run, one.seed), []).append(one)
    for ones in seeds.values():
        done = f"{sum(one.state == 'done' for one in ones)}/{len(ones)}"
        following = [one for state in NEXT for one in ones if one.state == state]
        for one in [one for one in ones if one.state in NAMED] or following[:1] or ones[-1:]:
            yield one.cells(done)


def table(path, states, width):
    """Lines of at most `width` characters."""
    rows = [list(HEADER), *rows_of(states)]
    if len({one.run for one in states}) == 1:
        rows = [row[1:] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for place in (-1, 0):  # the state is cut first, then the run's name
        over = sum(widths) + GAP * (len(widths) - 1) - width
        widths[place] -= min(max(0, over), max(0, widths[place] - LEAST))
    cells = ((cut(cell, space).ljust(space) for cell, space in zip(row, widths)) for row in rows)
    lines = [opening(path, states), *((" " * GAP).join(row).rstrip() for row in cells)]
    lines += [f"{os.path.basename(one.run)} seed {one.seed} {one.name}: {one.error}" for one in states if one.error]
    return [cut(line, width) for line in lines]


def cut(text, width):
    return text if len(text) <= width else text[: max(0, width - 3)] + "..."


def show_status(path, folders, follow):
    """Once, or with `follow` until nothing runs or waits any more."""
    terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    before = {}
    while True:
        jobs = slurm.queue_if_any()
        states = states_of(folders, jobs or {})
        if terminal:
            size = shutil.get_terminal_size()
            lines = table(path, states, size.columns)
            print("\x1b[H\x1b[2J" + "\n".join(lines[: size.lines - 1]) if follow else "\n".join(lines), flush=True)
        else:
            now = {(one.run, one.seed, one.name): (one.state, int(one.epochs), one.where) for one in states}
            changed = [one.line() for one, key in zip(states, now) if before.get(key) != now[key]]
            print("\n".join([*([] if before else [opening(path, states)]), *changed]), end="\n" if changed else "",
                  flush=True)
            before = now
        if not follow or not any(one.state in (*ACTIVE, "queued") for one in states):
            return
        time.sleep(QUEUE_POLL if jobs or jobs is None else LOCAL_POLL)
