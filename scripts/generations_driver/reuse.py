"""Trainings that another run has finished already.

Training is deterministic: the same cfg, data, seed and teacher give the same weights. So a generation that was finished
in a folder beside this run's need not be trained again; its files are taken over.
"""

import os
import shutil

from .cfg_files import read_sections
from .errors import Failure
from .files import read_json, read_text, replacing, sha256_file, tidy
from .program import TEACHER_KEYS
from .sweep import MARK

# The final weights come last: they say that all is there.
WEIGHTS = ("_best.weights", "_last.weights", "_final.weights")
TEXTS = (".csv", ".log")  # copied: the evaluations of either run go on writing into the log


def plain_cfg(path, text):
    """What trains: sections, keys and values, without comments and without the place of the teacher."""
    return [
        (name, [(key, "" if key in TEACHER_KEYS else value) for key, value, _ in entries])
        for name, _, entries in read_sections(path, text)
    ]


def plain_data(path, text):
    (_, _, entries), *_ = read_sections(path, text, "data")
    return {key: value for key, value, _ in entries if key != "backup"}


def needed(source):
    return [source + suffix for suffix in (".cfg", *TEXTS, *WEIGHTS)]


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
        """Takes over a finished training with the same outcome; says from where, or None where there is none."""
        for source, record in self._finished(generation):
            try:
                if self._matches(generation, source, record):
                    return self._take(generation, source, record)
            except (OSError, Failure):
                if all(map(os.path.exists, needed(source))):
                    raise
                # Somebody is tidying up there: what is gone is no match.
        return None

    def _finished(self, generation):
        """(stem of its files, record) of the finished trainings with this seed, this very one left out."""
        for folder in run_folders(self.root):
            folder = os.path.join(folder, os.path.basename(generation.folder))
            if not os.path.isdir(folder) or os.path.samefile(folder, generation.folder):
                continue
            for name in sorted(os.listdir(folder)):
                stem, extension = os.path.splitext(os.path.join(folder, name))
                if extension == ".json" and all(map(os.path.exists, needed(stem))):
                    record = read_json(stem + ".json", "remove it together with the generation's other files")
                    if record.get("finished") and record.get("training_seed") == generation.training_seed:
                        yield stem, record

    def _matches(self, generation, source, record):
        cfg, data = source + ".cfg", os.path.join(os.path.dirname(source), os.path.basename(generation.data))
        if not os.path.exists(data):
            return False
        if (record.get("cfg_sha256"), record.get("data_sha256")) != (sha256_file(cfg), sha256_file(data)):
            return False  # the files beside it are not those that it was trained with
        teacher = sha256_file(generation.teacher.final) if generation.teacher else None
        texts = generation.texts
        return record.get("teacher_sha256") == teacher and (
            plain_cfg(cfg, read_text(cfg, "cfg")) == plain_cfg(generation.cfg, texts[generation.cfg])
            and plain_data(data, read_text(data, ".data file")) == plain_data(generation.data, texts[generation.data])
        )

    def _take(self, generation, source, record):
        """A record without its end comes first, so that what is cut off here is seen as such."""
        origin = record.get("taken_from") or tidy(source)
        taken = {**record, "generation": generation.name, "seed": generation.seed, **generation.identity(),
                 "taken_from": origin}
        generation.write_record({key: value for key, value in taken.items() if key != "finished"})
        for suffix in (*TEXTS, *WEIGHTS):
            with replacing(generation.path(suffix)) as temporary:
                if suffix in TEXTS or not linked(source + suffix, temporary):
                    shutil.copyfile(source + suffix, temporary)
        generation.write_record(taken)
        return origin


def linked(source, name):
    """A hard link costs no space; False where the file system has none to give."""
    try:
        os.link(source, name)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return True
