"""Ends what runs or waits of a run or a sweep; trainings save their state first."""

import os
import signal
import time

from . import slurm
from .errors import Failure
from .lock import holders
from .scheduler import STOP_WAIT

POLL = 0.2  # seconds


def locks_of(folders):
    """The locks of the runs and of their generations; the runs' first, as their holder starts the others."""
    return [*(os.path.join(folder.path, ".lock") for folder in folders),
            *(generation.path(".lock") for folder in folders for generation in folder.generations)]


def living(folders):
    """{(host, processes): Holder} outside Slurm."""
    found = [holder for path in locks_of(folders) for holder in holders(path) if not holder.job]
    return list({(holder.host, str(holder.processes[0])): holder for holder in found}.values())


def stop(path, folders):
    jobs = slurm.jobs_of([path, *(folder.path for folder in folders)])
    if jobs:
        slurm.cancel(jobs)
        print(f"{len(jobs)} jobs cancelled: {', '.join(job.id for job in jobs)}")
    found = living(folders)
    for pid in {pid for holder in found for pid in holder.living()[:1]}:  # a driver ends its children itself
        os.kill(pid, signal.SIGTERM)
        print(f"process {pid} gets SIGTERM and saves its training", flush=True)
    deadline = time.monotonic() + STOP_WAIT + 10
    while any(holder.is_here for holder in living(folders)):
        if time.monotonic() > deadline:
            raise Failure(f"{path}: {living(folders)[0].text()} has not ended after {STOP_WAIT + 10} s")
        time.sleep(POLL)
    for holder in (holder for holder in found if not holder.is_here):
        raise Failure(f"{path}: in use by {holder.text()}; stop it there{holder.advice()}")
    if not jobs and not found:
        print(f"{path}: nothing runs")
