"""One step of a run: a job of Slurm, or by hand."""

import os
import signal

from . import slurm
from .errors import Failure, Stopped
from .folder import Folder
from .graph import Graph, Step
from .here import Here
from .machine import Workers, threads_of
from .reuse import Reuse
from .runs import home_of

TOO_SHORT = ("the job's time limit ends before the first iteration; give more time, or --signal=B:USR1@N with a "
             "smaller N")


def find_step(path, name):
    """The step of that name, whose teacher is done, with the files that the run has written."""
    folder = Folder.open(path)
    places = {one.step: (chain, one) for chain in folder.chains for one in chain}
    if name not in places:
        raise Failure(f"{path}: no step {name}; allowed: {', '.join(places)}", 2)
    chain, generation = places[name]
    teacher = generation.teacher
    if teacher and not teacher.is_done():
        raise Failure(f"{path}: {name} needs {teacher.step}, which is not done; run that step first")
    generation.load()
    generation.check()
    return Step(folder, chain, generation, generation.title)


def run_step(path, name, program):
    """On the warning before a job's time limit, it saves the training and requeues the job."""
    step = find_step(path, name)
    reuse = Reuse(os.path.dirname(os.path.abspath(home_of(path))))
    here = Here(Graph([step]), program, Workers(1, threads_of(step.folder.experiment)), reuse,
                passed_on={signal.SIGUSR1: signal.SIGINT} if slurm.job() else {})
    try:
        here.scheduler.run()
    except Stopped:
        if here.scheduler.signals[0] != signal.SIGUSR1:
            raise
        if not here.monitor.moved and not step.generation.is_done():  # it would be requeued for ever
            step.generation.write_failure(TOO_SHORT)
            raise Failure(f"{step.title}: {TOO_SHORT}") from None
        slurm.requeue()
        raise
