"""A run, or the runs of a sweep: their folders, which are written before the first training, and their reports."""

import os
import shlex

from .comparison import write_comparison
from .errors import Failure
from .experiment import Experiment
from .files import write_json
from .folder import Folder
from .graph import graph_of
from .lock import Lock, holders
from .place import find_experiment
from .sweep import MARK, read_mark, read_sweep

IN_USE = "wait for it, stop it, or choose another --out"


class Runs:
    """`path`: the run's folder, or the sweep's; `sweep`: its name, None without one; `command`: of the sweep."""

    def __init__(self, path, folders, sweep=None, command=None):
        self.path, self.folders, self.sweep, self.command = path, folders, sweep, command

    @classmethod
    def prepared(cls, experiment, out, overrides, program):
        """From an experiment file, with all that can be checked before the first training."""
        path = find_experiment(experiment)
        sweep = read_sweep(path, overrides, program)
        if sweep:
            out = out or os.path.join("runs", sweep.name)
            folders = [Folder(os.path.join(out, one.name), one) for one in sweep.experiments]
        else:
            one = Experiment(path, overrides, program)
            out = out or os.path.join("runs", one.name)
            folders = [Folder(out, one)]
        for folder in folders:
            folder.prepare()
            folder.experiment.check_values(program, folder.network, folder.classes)
            for generation in folder.generations:
                generation.check()
        return cls(out, folders, sweep and sweep.name)

    @classmethod
    def open(cls, path):
        """Those in a folder that are begun."""
        mark = read_mark(path)
        if mark is None:
            return cls(path, [Folder.open(path)])
        paths = [os.path.join(path, name) for name in mark["runs"]]
        begun = [one for one in paths if os.path.isfile(os.path.join(one, "experiment.ini"))]
        return cls(path, [Folder.open(one) for one in begun], mark.get("name") or path, mark["command"])

    @property
    def root(self):
        """The folder whose runs may have finished the same trainings."""
        return os.path.dirname(os.path.abspath(self.path))

    def graph(self):
        return graph_of(self.folders, self.sweep is not None)

    def write(self, command):
        for folder in self.folders:
            folder.write(shlex.join(command))
        if self.sweep:
            names = [folder.experiment.name for folder in self.folders]
            write_json(os.path.join(self.path, MARK), {"name": self.sweep, "command": command, "runs": names})

    def check_locks(self):
        """Refuses to begin where a process works on one of the generations."""
        for folder in self.folders:
            for generation in folder.generations:
                for holder in holders(generation.path(".lock")):
                    what = generation.path("")
                    raise Failure(f"{what}: in use by {holder.text()}; {IN_USE}{holder.advice()}")

    def lock(self, stack):
        """Locks all folders against other runs, until the ExitStack closes."""
        for folder in self.folders:
            stack.enter_context(Lock(os.path.join(folder.path, ".lock"), folder.path, IN_USE))

    def compare(self, command, figures):
        """Writes a sweep's report of all its runs."""
        if self.sweep:
            print("\n".join(write_comparison(self.folders, self.path, command, figures)))


def home_of(folder):
    """The folder of the sweep that a run belongs to, or its own."""
    above = os.path.dirname(os.path.abspath(folder))
    mark = read_mark(above)
    return above if mark and os.path.basename(os.path.abspath(folder)) in mark["runs"] else folder
