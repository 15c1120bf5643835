"""A network's cfg as text: another cost at its end, other values in [net]."""

from .cfg_files import read_network, values
from .errors import Failure
from .files import number_or_none

# Two keys for one thing: giving one removes the other.
PAIRS = (("epochs", "max_batches"), ("epoch_steps", "steps"), ("eta", "confidence"))
PARTNER = {one: other for pair in PAIRS for one, other in (pair, pair[::-1])}


def epochs_of(net):
    """epochs= of [net] as a number, an int where it is whole; None where there is none."""
    value = number_or_none(net.get("epochs"))
    return int(value) if value is not None and value.is_integer() else value


class Network:
    """A cfg whose last section is [softmax]."""

    def __init__(self, path, overrides):
        text, sections = read_network(path)
        name, line, entries = sections[-1]
        if name != "softmax":
            raise Failure(f"{path}:{line}: the last section is [{name}]; an experiment's network ends with [softmax], "
                          "which the costs replace")
        for key, value, number in entries:
            if value != "1":  # groups=1 and temperature=1 are the defaults
                raise Failure(f"{path}:{number}: [softmax] {key}={value}: the costs that replace it have no such key; "
                              "remove the line")
        body = text.splitlines()[: line - 1]
        end = sections[1][1] - 1  # [net] is body[:end], less the comment above the next section
        while not body[end - 1].strip() or body[end - 1].strip()[0] in "#;":
            end -= 1
        self.net = values(sections[0])
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
