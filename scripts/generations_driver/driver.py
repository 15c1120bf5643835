"""Runs the chains of a folder, several at a time, until all are done, one fails, or a signal comes."""

import contextlib
import datetime
import os
import signal
import threading
import time
from concurrent import futures

from .children import Children
from .errors import Failure, Stopped, warn
from .files import now, remove_leftovers, sha256_file, whole_or_none
from .lock import Lock
from .measures import INSPECTIONS
from .network import epochs_of
from .progress import Display, Progress, clock, time_left
from .provenance import device_of, provenance
from .report import write_outputs
from .summary import shown, top1

STOP_WAIT = 60  # seconds that a child has for saving its state
POLL = 0.2  # seconds between two looks at the logs


class Driver:
    def __init__(self, folder, program, workers, command, verbose, reuse=None, later=0.0, figures=True):
        """`workers`: (jobs, threads of each); `later`: seconds that the sweep's runs after this one take."""
        self.folder, self.command, self.verbose, self.reuse, self.later = folder, command, verbose, reuse, later
        self.figures = figures
        self.jobs, threads = workers
        self.threads = ["-threads", str(threads)]
        self.origin = {**provenance(program), "threads": threads}
        net = folder.network.net
        self.lengths = epochs_of(net), whole_or_none(net.get("max_batches"))
        self.display = Display()
        self.mutex = threading.Lock()  # guards the display and what follows
        self.progress = {}  # title -> Progress, of those being trained now
        self.done = {}  # title -> seconds of training, of those that are trained and evaluated
        self.signals = []
        self.children = Children(program.path, Lock(folder.path), self.say if verbose else lambda text: None)
        remove_leftovers(folder.path)  # nobody else writes there now

    def close(self):
        self.children.lock.close()

    def say(self, text):
        with self.mutex:
            self.display.line(text)

    def evaluate(self, generation, evaluation):
        """The result of an evaluation, the saved one where there is one."""
        result = evaluation.result()
        if result is not None:
            return result
        os.makedirs(os.path.dirname(evaluation.path), exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(evaluation.answer)
        what = f"{generation.title}: classifier {evaluation.verb}"
        self.children.run([*evaluation.arguments, *self.threads], generation.log, what)
        return evaluation.save()

    def train(self, generation):
        """Trains what is not done yet, with a record of what it began with and how long it took."""
        arguments = [*generation.train_arguments, *self.threads, "-resume", "-dont_show"]
        record = generation.record() if generation.traces() else None
        if record:
            generation.check_teacher(record)  # the teacher may have been trained again just now
        teacher = generation.teacher
        record = record or {
            "generation": generation.name, "seed": generation.seed, **generation.identity(),
            "teacher_sha256": sha256_file(teacher.final) if teacher else None, "begun": now(), "wall_seconds": 0.0,
        }
        record.pop("taken_from", None)  # reusing another training was interrupted
        record["command"] = [self.children.program, *arguments]
        origins = record.setdefault("provenance", [])
        if not origins or {**origins[-1], "device": None} != {**self.origin, "device": None}:
            origins.append(self.origin)  # a resumed training may go on with another version, or elsewhere
        generation.write_record(record)
        started = time.monotonic()
        try:
            if generation.cached and not os.path.exists(generation.targets):
                what = f"{generation.title}: classifier targets"
                self.children.run([*generation.targets_arguments, *self.threads], generation.log, what)
            with self.mutex:
                self.progress[generation.title] = Progress(generation.log, *self.lengths)
                if not self.display.terminal or self.verbose:
                    self.display.line(f"{generation.title}: training, log {generation.log}")
            try:
                self.children.run(arguments, generation.log, generation.title, watched=True)
            finally:
                self.show()  # its last lines
                with self.mutex:
                    self.progress.pop(generation.title)
        finally:
            record["wall_seconds"] = round(record.get("wall_seconds", 0.0) + time.monotonic() - started, 1)
            origins[-1] = {**origins[-1], "device": device_of(generation.log)}
            generation.write_record(record)
        if not os.path.exists(generation.final):
            raise Failure(f"{generation.final}: the training ended without writing it; log: {generation.log}")
        generation.write_record({**record, "finished": now()})

    def reuse_training(self, generation):
        """Copies it from another run, unless its own training was begun."""
        begun = generation.traces() and not (generation.record() or {}).get("taken_from")
        origin = None if begun or self.reuse is None else self.reuse.take(generation)
        if origin:
            self.say(f"{generation.title}: reused from {origin}")
        return bool(origin)

    def advance(self, generation):
        """Trains and evaluates a generation, as far as that is not done yet."""
        if generation.is_done():
            complete_record(generation)
        elif not self.reuse_training(generation):
            self.train(generation)
        if generation.cached and os.path.exists(generation.targets):
            os.unlink(generation.targets)
        last = self.evaluate(generation, generation.look_at("last"))
        text = f"{generation.title}: done, top-1 {shown(top1(last))} % last epoch"
        if os.path.exists(generation.best):
            best = self.evaluate(generation, generation.look_at("best"))
            text += f", {shown(top1(best))} % best epoch ({generation.best_epoch()})"
        for kind in (*INSPECTIONS, "classes"):
            self.evaluate(generation, generation.look_at(kind))
        with self.mutex:
            self.done[generation.title] = generation.record().get("wall_seconds") or generation.train_seconds()
            self.display.line(text)
            write_outputs(self.folder, self.command, quiet=True, figures=self.figures)

    def train_chain(self, chain):
        for generation in chain:
            self.advance(generation)
        for ensemble in self.folder.ensembles(chain):
            self.evaluate(chain[-1], ensemble.evaluation)

    def show(self):
        """A line for each epoch in a pipe; one line that is overwritten on a terminal."""
        with self.mutex:
            seconds = time_left(self.folder.chains, self.jobs, self.progress, self.done)
            left = f"{clock(seconds + (self.later or 0))} left" if seconds is not None else ""
            whole = "in this run" if self.later is None else "in all"
            for title, progress in self.progress.items():
                for line in progress.poll():
                    epoch = line.startswith("epoch ")
                    if (self.verbose and line and line[0] != "#") or (epoch and not self.display.terminal):
                        self.display.line(f"{title}: {line}" + (f"; {left} {whole}" if epoch and left else ""))
            if self.progress:
                parts = [f"{title} {progress.text()}" for title, progress in self.progress.items()]
                parts.append(f"{len(self.done)} of {len(self.folder.generations)} done" + (f", {left}" if left else ""))
                self.display.update(" | ".join(parts))

    def run(self):
        """Raises Stopped where a signal ended it, and Failure where a generation failed."""
        names = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            names.append(signal.SIGHUP)
        previous = {name: signal.signal(name, lambda number, _: self.signals.append(number)) for name in names}
        # With several jobs, the long chains go first so that the short ones fill the gaps.
        chains = self.folder.chains if self.jobs == 1 else sorted(self.folder.chains, key=len, reverse=True)
        pool = futures.ThreadPoolExecutor(self.jobs)
        work = []
        try:
            try:
                for chain in chains:
                    work.append(pool.submit(self.train_chain, chain))
            except RuntimeError as error:  # the system refuses a thread
                raise Failure(f"job {len(work) + 1}: {error}; end other processes, or use fewer --jobs") from error
            while not self.signals and not all(one.done() for one in work) and not failures_of(work):
                self.show()
                futures.wait(work, POLL, futures.FIRST_EXCEPTION)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            self.end(work)
            for name, handler in previous.items():
                signal.signal(name, handler)
        if self.signals:
            raise Stopped
        for failure in failures_of(work):
            raise failure

    def end(self, work):
        """Has the children save their state and waits for them; a second signal does not wait."""
        self.children.stop(signal.SIGINT if self.signals[:1] in ([], [signal.SIGINT]) else signal.SIGTERM)
        deadline = time.monotonic() + STOP_WAIT
        while any(not one.done() for one in work):
            with self.mutex:
                self.display.update("waiting for the training to save its state")
            if time.monotonic() > deadline or len(self.signals) > 1:
                self.children.kill()
            futures.wait([one for one in work if not one.done()], POLL)
        self.display.clear()


def complete_record(generation):
    """Of a training that ended after its driver was killed."""
    record = generation.record()
    if "finished" in record:
        return
    if record.get("provenance"):
        record["provenance"][-1]["device"] = device_of(generation.log)
    ended = datetime.datetime.fromtimestamp(os.path.getmtime(generation.final))
    generation.write_record({**record, "finished": ended.isoformat(timespec="seconds")})


def workers_of(folder, jobs):
    """(chains trained side by side, threads of each)."""
    wanted, cores = folder.experiment.threads, len(os.sched_getaffinity(0))
    if wanted and wanted > cores:
        warn(f"threads={wanted} is more than the {cores} cores: using {cores}")
    threads = min(wanted or cores, cores)
    jobs = min(jobs or folder.experiment.jobs, len(folder.chains))
    if jobs > threads:
        warn(f"{jobs} jobs are more than the {threads} threads: running {threads} at a time")
        jobs = threads
    return jobs, threads // jobs


def failures_of(work):
    """The exceptions of finished futures, without those of a stop."""
    errors = [one.exception() for one in work if one.done() and not one.cancelled()]
    return [error for error in errors if error and not isinstance(error, Stopped)]
