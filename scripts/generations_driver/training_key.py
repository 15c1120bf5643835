"""A hash of what decides a training's weights: cfg, data, seed, and the teacher's own key."""

import functools

from .cfg_files import read_sections, values
from .files import sha256_text
from .program import TEACHER_KEYS


def plain_cfg(path, text):
    """What decides the training: sections, keys and values, without comments and without the teacher's paths."""
    return [(name, [(key, "" if key in TEACHER_KEYS else value) for key, value, _ in entries])
            for name, _, entries in read_sections(path, text)]


def plain_data(path, text):
    return values(read_sections(path, text, "data")[0]) | {"backup": None}


def training_key(generation):
    """Equal for two generations whose trainings are the same one."""
    contents = tuple((path, generation.contents[path]) for path in (generation.cfg, generation.data))
    return key_of(*contents, generation.training_seed,
                  training_key(generation.teacher) if generation.teacher else None)


@functools.cache
def key_of(cfg, data, seed, teacher):
    return sha256_text(repr((plain_cfg(*cfg), sorted(plain_data(*data).items(), key=str), seed, teacher)))
