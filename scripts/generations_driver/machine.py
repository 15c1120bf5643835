"""How this machine, or a job's part of it, is shared: trainings side by side, threads and GPUs of each."""

import dataclasses
import os

from . import slurm
from .errors import Failure, warn
from .tables import counted


@dataclasses.dataclass
class Workers:
    """Trainings side by side, threads of each; with `gpus`, their names, each training has one for itself."""

    jobs: int
    threads: int
    gpus: list = dataclasses.field(default_factory=list)


def cores():
    """The cores that this process may use."""
    seen = len(os.sched_getaffinity(0))
    return min(seen, slurm.cores() or seen)


def threads_of(experiment):
    """The threads of all trainings together."""
    wanted, there = experiment.threads, cores()
    if wanted and wanted > there:
        warn(f"threads={wanted} is more than the {there} cores: using {there}")
    return min(wanted or there, there)


def workers_of(folders, jobs, gpus):
    """`jobs` and `gpus` are those of the command line."""
    gpus = [visible_gpu(number) for number in gpus]
    threads = min(threads_of(folder.experiment) for folder in folders)
    jobs = jobs or len(gpus) or max(folder.experiment.jobs for folder in folders)
    jobs = min(jobs, sum(len(folder.chains) for folder in folders))
    if jobs > threads:
        warn(f"{jobs} jobs are more than the {threads} threads: running {threads} at a time")
        jobs = threads
    return Workers(jobs, threads // jobs, gpus)


def visible_gpu(number):
    """The name of a GPU for CUDA_VISIBLE_DEVICES; the number counts those that are visible here."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return str(number)
    visible = [name.strip() for name in given.split(",") if name.strip()]
    if number >= len(visible):
        raise Failure(f"--gpus {number}: CUDA_VISIBLE_DEVICES={given} has {counted(len(visible), 'GPU')}, from 0 on", 2)
    return visible[number]
