"""Slurm's commands: submit, queue, cancel, requeue; and what a job knows of itself."""

import dataclasses
import functools
import os
import re
import shlex
import shutil
import time

from .errors import Failure, warn
from .program import output_of

ANSWER_WAIT = 60  # seconds
ANSWER_HOLDS = 10  # seconds: many locks may name one job
# Before the time limit, to the batch script alone: the step saves its training and requeues the job.
WARNING = "--signal=B:USR1@300"
OURS = ("--parsable", "--requeue", "--open-mode=append", "--kill-on-invalid-dep=yes", WARNING)
NOT_SET_UP = "Could not establish a configuration source"
WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD")


@dataclasses.dataclass
class Job:
    """A job that the queue has."""

    id: str
    state: str
    reason: str
    nodes: str

    @property
    def waits(self):
        return self.state in WAITING


def job():
    """The job that this process runs in; None outside Slurm."""
    return os.environ.get("SLURM_JOB_ID")


def attempt():
    """How often this job was requeued."""
    return int(os.environ.get("SLURM_RESTART_COUNT", "0"))


def cores():
    """Of this job on this node; None outside Slurm. A job may see more than it was given."""
    given = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE") if job() else None
    return int(given) if given else None


def is_installed():
    return shutil.which("squeue") is not None


def ask(*command):
    return output_of(command, timeout=ANSWER_WAIT)


def queue():
    """{name: Job} of this user's jobs that wait, run or end."""
    found = {}
    for line in ask("squeue", "--noheader", "--me", "--format=%i|%T|%r|%N|%j").splitlines():
        number, state, reason, nodes, name = line.split("|", 4)
        found[name.strip()] = Job(number, state, reason, nodes)
    return found


def queue_if_any():
    """The queue, empty where Slurm is not installed or not set up; None where it does not answer."""
    if not is_installed():
        return {}
    try:
        return queue()
    except Failure as failure:
        if NOT_SET_UP in str(failure):
            return {}
        warn(f"the queue is not known: {failure}")
        return None


def may_run(number):
    """Whether a job runs or ends, or cannot be asked for."""
    return not is_installed() or runs(number, int(time.monotonic() // ANSWER_HOLDS))


@functools.lru_cache(1000)
def runs(number, _):
    try:
        state = ask("squeue", "--noheader", f"--jobs={number}", "--format=%T").strip()
    except Failure as failure:
        return "Invalid job id" not in str(failure)
    return bool(state) and state not in WAITING


def name_of(folder, step):
    """A job's name says what it is; it is how this program finds the job again."""
    return f"{step}@{os.path.realpath(folder)}"


def submit(name, command, log, dependency, options):
    """The number of the new job."""
    words = ["sbatch", *OURS, f"--job-name={name}", "--output=" + os.path.abspath(log).replace("%", "%%")]
    words += [f"--dependency={dependency}"] if dependency else []
    answer = ask(*words, *options, f"--wrap=exec {shlex.join(command)}")
    number = answer.strip().partition(";")[0]
    if not re.fullmatch(r"\d+", number):
        raise Failure(f"sbatch: found '{answer.strip()}' where --parsable prints the number of the job")
    return number


def jobs_of(paths):
    """The jobs of the runs in these folders, and their reports: those that others wait for come last."""
    folders = {os.path.realpath(path) for path in paths}
    found = [job for name, job in (queue_if_any() or {}).items() if name.partition("@")[2] in folders]
    return sorted(found, key=lambda job: int(re.match(r"\d+", job.id)[0]), reverse=True)


def cancel(jobs):
    ask("scancel", *(job.id for job in jobs))


def requeue():
    """Puts this job back into the queue; Slurm ends what it still runs."""
    ask("scontrol", "requeue", job())
