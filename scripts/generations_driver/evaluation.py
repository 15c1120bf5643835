"""Results of evaluating weights, saved with the hashes of the inputs."""

import dataclasses
import os

from .files import read_json, sha256_file, write_json


@dataclasses.dataclass
class Evaluation:
    verb: str  # valid, inspect, ensemble
    path: str  # where the result is saved
    network: str
    data: str
    weights: list
    options: list = dataclasses.field(default_factory=list)  # more of the command line
    also: dict = dataclasses.field(default_factory=dict)  # other inputs: name -> string, or a file
    makes: str | None = None  # another file that it writes

    @property
    def answer(self):
        """What the program itself writes; removed once the result is saved."""
        return self.path + ".new"

    @property
    def arguments(self):
        return ["classifier", self.verb, self.data, self.network, *self.weights, *self.options, "-json", self.answer]

    def key(self):
        return {
            "network_sha256": sha256_file(self.network),
            "data_sha256": sha256_file(self.data),
            "weights": {os.path.basename(path): sha256_file(path) for path in self.weights},
            **{name: sha256_file(value) if os.path.exists(value) else value for name, value in self.also.items()},
        }

    def result(self):
        """The saved result, or None where there is none for these weights."""
        needed = [self.path, self.network, self.data, *self.weights] + ([self.makes] if self.makes else [])
        if not all(map(os.path.exists, needed)):
            return None
        saved = read_json(self.path, "remove it and run again")
        return saved.get("result") if saved.get("key") == self.key() else None

    def save(self):
        result = read_json(self.answer, "run again")
        write_json(self.path, {"key": self.key(), "arguments": self.arguments, "result": result})
        os.unlink(self.answer)
        return result
