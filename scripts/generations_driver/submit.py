"""A graph as Slurm jobs: a job for each step, behind those that it needs, and one for the report."""

import os
import sys

from . import slurm
from .errors import Failure
from .graph import ends
from .place import COMMAND
from .report import print_outputs, write_outputs


def submit_runs(runs, options):
    """Submits what is neither done nor queued; without anything to wait for, the report is written at once."""
    new, queued = [], {}
    for folder in runs.folders:
        write_outputs(folder, options.command, quiet=True, figures=False)
    try:
        submit_graph(runs, options, new, queued)
    except Failure as failure:
        text = f"{failure}; {len(new)} jobs are submitted, the same command submits the rest" if new else str(failure)
        raise Failure(text, failure.code) from failure
    if new or queued:
        print(f"{len(new)} jobs submitted, {len(queued)} were queued already\n"
              f"{COMMAND} status {runs.path} --follow\n{COMMAND} stop {runs.path}")
        return
    print("all trainings are done")
    for folder in runs.folders:
        print_outputs(folder, *write_outputs(folder, options.command, figures=not options.no_figures))
    runs.compare(options.command, not options.no_figures)


def submit_graph(runs, options, new, queued):
    """Adds to `new` [(title, number)] of the jobs submitted, to `queued` {step: number} of those that were there."""
    jobs, numbers = slurm.queue(), {}
    graph = runs.graph()

    def submit(title, folder, name, command, log, dependency):
        number = slurm.submit(slurm.name_of(folder, name), [sys.executable, os.path.abspath(sys.argv[0]), *command],
                              log, dependency, options.slurm)
        new.append((title, number))
        print(f"{title}: job {number}", flush=True)
        return number

    for step in graph.steps:
        folder, generation = step.folder.path, step.generation
        job = jobs.get(slurm.name_of(folder, generation.step))
        if step.is_done():
            continue
        if job:
            numbers[step] = queued[step] = job.id
            continue
        generation.forget_failure()
        needed = [numbers[other] for other in step.needs if other in numbers]
        numbers[step] = submit(step.title, folder, generation.step,
                               ["step", folder, generation.step, "--darknet", options.darknet],
                               generation.path(".slurm.log"), "afterok:" + ":".join(needed) if needed else None)
    report = jobs.get(slurm.name_of(runs.path, "report"))
    if new and report:
        slurm.cancel([report])  # it waits for fewer jobs
    if new or (numbers and not report):
        submit("report", runs.path, "report", ["report", runs.path, *(["--no-figures"] if options.no_figures else [])],
               os.path.join(runs.path, "report.slurm.log"),
               "afterany:" + ":".join(numbers[step] for step in ends(list(numbers))))
