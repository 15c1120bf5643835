"""The steps of a run or a sweep, and what each needs: one graph for a serial run, for several jobs, and for Slurm."""

import dataclasses
import os

from .folder import Folder
from .generation import Generation
from .measures import INSPECTIONS


@dataclasses.dataclass(eq=False)
class Step:
    """A generation's training and evaluations; with the last generation of a chain, those of the ensembles."""

    folder: Folder
    chain: list
    generation: Generation
    title: str
    teacher: "Step | None" = None
    original: "Step | None" = None  # of another run: the same training, which this one takes over

    @property
    def needs(self):
        return [step for step in (self.teacher, self.original) if step]

    def evaluations(self):
        """[(its name in messages, Evaluation)] in their order; "best" only where the training wrote such weights."""
        generation = self.generation
        kinds = ["last", *(["best"] if os.path.exists(generation.best) else []), *INSPECTIONS]
        found = [generation.look_at(kind) for kind in kinds]
        if generation is self.chain[-1]:
            found += [ensemble.evaluation for ensemble in self.folder.ensembles(self.chain)]
        return found

    def is_done(self):
        return self.generation.is_done() and all(one.result() is not None for one in self.evaluations())


class Graph:
    """Steps, each behind those that it needs."""

    def __init__(self, steps):
        self.steps = steps
        self.folders = list(dict.fromkeys(step.folder for step in steps))
        self.heights = {}  # how many steps wait for a step, one after the other
        for step in reversed(steps):
            for needed in step.needs:
                self.heights[needed] = max(self.heights.get(needed, 0), self.heights.get(step, 0) + 1)

    def chains(self, folder):
        """[[Step]] of a folder."""
        found = {}
        for step in self.steps:
            if step.folder is folder:
                found.setdefault(id(step.chain), []).append(step)
        return list(found.values())


def graph_of(folders, sweep):
    """Of the runs in these folders, which are prepared; in a `sweep` the runs' names tell the steps apart."""
    steps, originals = [], {}
    for folder in folders:
        for chain in folder.chains:
            step = None
            for generation in chain:
                title = f"{folder.experiment.name} {generation.title}" if sweep else generation.title
                key = generation.key()
                original = originals.get(key) if folder.experiment.reuse else None
                step = Step(folder, chain, generation, title, step, original)
                originals.setdefault(key, step)
                steps.append(step)
    return Graph(steps)


def ends(steps):
    """Those of the steps that none of the others needs: when they have ended, all have."""
    needed = {other for step in steps for other in step.needs}
    return [step for step in steps if step not in needed]
