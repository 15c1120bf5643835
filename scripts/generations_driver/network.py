"""A network's cfg as text: the cost at its end is exchanged, keys of [net] are overridden."""

from .cfg_files import read_sections
from .errors import Failure
from .files import number_or_none, read_text

# Two ways to say one thing: who gives one takes the other out.
PAIRS = (("epochs", "max_batches"), ("epoch_steps", "steps"), ("eta", "confidence"))
PARTNER = {one: other for pair in PAIRS for one, other in (pair, pair[::-1])}


def epochs_of(net):
    """epochs= of [net] as a number, an int where it is whole; None where there is none."""
    value = number_or_none(net.get("epochs"))
    return int(value) if value is not None and value.is_integer() else value


def read_net(path):
    """[net] of a cfg."""
    sections = read_sections(path, read_text(path, "network cfg"))
    return {key: value for key, value, _ in sections[0][2]} if sections else {}


class Network:
    """A cfg whose last section is [softmax]."""

    def __init__(self, path, overrides):
        text = read_text(path, "network cfg")
        sections = read_sections(path, text)
        if not sections or sections[0][0] not in ("net", "network"):
            raise Failure(f"{path}: the first section of a network cfg is [net]")
        name, line, entries = sections[-1]
        if name != "softmax" or len(sections) < 2:
            raise Failure(
                f"{path}:{line}: the last section is [{name}]; an experiment's network ends with [softmax], which "
                "makes room for the costs"
            )
        for key, value, number in entries:
            if value != "1":  # groups=1 and temperature=1 say nothing
                raise Failure(
                    f"{path}:{number}: [softmax] {key}={value}: the costs that take its place have no such key; take "
                    "it out"
                )
        body = text.splitlines()[: line - 1]
        end = sections[1][1] - 1  # [net] is body[:end], less the comment above the next section
        while not body[end - 1].strip() or body[end - 1].strip()[0] in "#;":
            end -= 1
        self.net = {key: value for key, value, _ in sections[0][2]}
        places = {key: number - 1 for key, _, number in sections[0][2]}
        added, removed = [], set()
        for key, value in overrides.items():
            if PARTNER.get(key) in places:
                removed.add(places[PARTNER[key]])
                self.net.pop(PARTNER[key])
            if key in places:
                body[places[key]] = f"{key}={value}"
            else:
                added.append(f"{key}={value}")
            self.net[key] = value
        head = [text for number, text in enumerate(body[:end]) if number not in removed]
        self.body = "\n".join(head + added + body[end:]).rstrip("\n") + "\n"

    def text(self, header, cost, options):
        """The whole cfg, with the cost as its last section."""
        lines = [f"# {line}" for line in header] + ["", self.body, f"[{cost}]"]
        return "\n".join(lines + [f"{key}={value}" for key, value in options.items()]) + "\n"
