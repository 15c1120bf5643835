"""Trainings that another run has finished already.

Training is deterministic: the same cfg, data, seed and teacher give the same weights. So a generation that was finished
in a folder beside this run's need not be trained again; its files are reused.
"""

import os
import shutil

from .errors import Failure
from .files import read_json, read_text, replacing, sha256_file, tidy
from .sweep import MARK
from .training_key import plain_cfg, plain_data

# The final weights come last: they mark that all files exist.
WEIGHTS = ("_best.weights", "_last.weights", "_final.weights")
COPIED = (".csv", ".log")  # not linked: later evaluations of either run append to the log


def needed(source):
    return [source + suffix for suffix in (".cfg", *COPIED, *WEIGHTS)]


def run_folders(root):
    """The runs in a folder, and those in the sweeps in it."""
    for entry in sorted(os.scandir(root), key=lambda entry: entry.name) if os.path.isdir(root) else []:
        if os.path.isfile(os.path.join(entry.path, "experiment.ini")):
            yield entry.path
        elif os.path.isfile(os.path.join(entry.path, MARK)):
            yield from run_folders(entry.path)


class Reuse:
    """The finished trainings of the runs below `root`."""

    def __init__(self, root):
        self.root = root

    def take(self, generation):
        """Copies a finished training with the same result; returns from where, or None without one."""
        for source, record in self._finished(generation):
            try:
                if self._matches(generation, source, record):
                    return self._take(generation, source, record)
            except (OSError, Failure):
                if all(map(os.path.exists, needed(source))):
                    raise
                # Another process removes files there: those are no match.
        return None

    def known_as(self, generation):
        """The hashes of its weights as far as it is finished, here or elsewhere; its teacher may not be here yet."""
        teachers = self.known_as(generation.teacher) if generation.teacher else {None}
        found = {sha256_file(source + "_final.weights") for source, record in self._finished(generation)
                 if record.get("teacher_sha256") in teachers and self._same_files(generation, source)}
        return found | ({sha256_file(generation.final)} if generation.is_done() else set())

    def _finished(self, generation):
        """(path of its files without extension, record) of the finished trainings with this seed, without this one."""
        for folder in run_folders(self.root):
            folder = os.path.join(folder, os.path.basename(generation.folder))
            if not os.path.isdir(folder) or os.path.realpath(folder) == os.path.realpath(generation.folder):
                continue
            for name in sorted(os.listdir(folder)):
                source, extension = os.path.splitext(os.path.join(folder, name))
                if extension == ".json" and all(map(os.path.exists, needed(source))):
                    record = read_json(source + ".json", "remove it together with the generation's other files")
                    if record.get("finished") and record.get("training_seed") == generation.training_seed:
                        yield source, record

    def _matches(self, generation, source, record):
        cfg, data = source + ".cfg", os.path.join(os.path.dirname(source), os.path.basename(generation.data))
        if not os.path.exists(data):
            return False
        if (record.get("cfg_sha256"), record.get("data_sha256")) != (sha256_file(cfg), sha256_file(data)):
            return False  # not the files that it was trained with
        teacher = sha256_file(generation.teacher.final) if generation.teacher else None
        return record.get("teacher_sha256") == teacher and self._same_files(generation, source)

    def _same_files(self, generation, source):
        cfg, data = source + ".cfg", os.path.join(os.path.dirname(source), os.path.basename(generation.data))
        new_cfg, new_data = generation.contents[generation.cfg], generation.contents[generation.data]
        return os.path.exists(data) and (
            plain_cfg(cfg, read_text(cfg, "cfg")) == plain_cfg(generation.cfg, new_cfg)
            and plain_data(data, read_text(data, ".data file")) == plain_data(generation.data, new_data)
        )

    def _take(self, generation, source, record):
        """Writes the record without "finished" first, so that an interruption here is noticed."""
        origin = record.get("taken_from") or tidy(source)
        taken = {**record, "generation": generation.name, "seed": generation.seed, **generation.identity(),
                 "taken_from": origin}
        generation.write_record({key: value for key, value in taken.items() if key != "finished"})
        for suffix in (*COPIED, *WEIGHTS):
            with replacing(generation.path(suffix)) as temporary:
                (shutil.copyfile if suffix in COPIED else link_or_copy)(source + suffix, temporary)
        generation.write_record(taken)
        return origin


def link_or_copy(source, name):
    """A hard link needs no space, but not every file system has links."""
    try:
        os.link(source, name)
    except OSError:
        shutil.copyfile(source, name)
