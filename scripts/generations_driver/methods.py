"""Names of runs in comparisons: D(eta, lambda) as in the paper, with the meaning of the first number."""

from .experiment import options_of
from .files import number_or_none, stem

# Values that a name does not mention.
USUAL = {
    "tsd": {"k": "5", "primary": "top", "warmup_epochs": "0"},
    "softmax": {}, "label_smoothing": {}, "confidence_penalty": {},
    "distill": {"temperature": "1"},
}
SIGNS = {"k": "K", "warmup_epochs": "warmup"}


def option_title(section, key):
    """'K of the patriarch': an option as the figures name it."""
    return f"{SIGNS.get(key, key)} of the {section}" if section in ("patriarch", "student") else f"{key} of [{section}]"


def decimal(text):
    """1 as 1.0, 0.60 as 0.6."""
    number = number_or_none(text)
    return text if number is None else f"{number:.1f}" if number == round(number, 1) else f"{number:g}"


def unusual(values, named, varied=()):
    """', K 10' and the like: the options that the name does not hold and that vary or are not as usual."""
    usual = USUAL.get(values["cost"], {})
    return "".join(f", {SIGNS.get(key, key)} {value}" for key, value in options_of(values).items()
                   if key not in named and (key in varied or decimal(value) != decimal(usual.get(key))))


def method_of(configuration, varied=()):
    """'D(0.6, 0.6) confidence', 'D(1.0, 0.5)', 'label smoothing 0.1, lambda 0.6'; `varied`: options to be named."""
    patriarch, student = configuration["patriarch"], dict(configuration["student"])
    student.pop("cached", None)
    weight = decimal(student.get("lambda", "")) if configuration["generations"] else "0.0"
    more = unusual(student, ("lambda",), varied) if configuration["generations"] else ""
    cost = patriarch["cost"]
    if cost == "softmax":
        return f"D(1.0, {weight}){more}"
    if cost == "tsd":
        reading = reading_of(patriarch)
        named = f"D({decimal(patriarch.get(reading, ''))}, {weight}) {reading}"
        return named + unusual(patriarch, (reading,), varied) + more
    return f"{patriarch_of(patriarch, varied)}, lambda {weight}{more}"


def varied_in(configurations):
    """The options of costs that have several values in these runs: each run is to name its own."""
    seen = {}
    for configuration in configurations:
        for section in ("patriarch", "student"):
            for key, value in configuration[section].items():
                seen.setdefault((configuration[section]["cost"], key), set()).add(decimal(str(value)))
    return {key for (_, key), found in seen.items() if len(found) > 1}


def reading_of(patriarch):
    return "confidence" if "confidence" in patriarch else "eta"


def patriarch_of(patriarch, varied=()):
    """'confidence 0.6', 'label smoothing 0.1': the patriarch alone."""
    first = reading_of(patriarch) if patriarch["cost"] == "tsd" else next(iter(options_of(patriarch)), "")
    name = first if patriarch["cost"] == "tsd" else patriarch["cost"].replace("_", " ")
    return f"{name} {patriarch.get(first, '')}".rstrip() + unusual(patriarch, (first,), varied)


def labels_of(summaries):
    """A name for each run: its method, with network and data where these differ, and the run's name if need be."""
    configurations = [summary["configuration"] for summary in summaries]
    varied = varied_in(configurations)
    labels = [method_of(configuration, varied) for configuration in configurations]
    for key in ("network", "data"):
        if len({configuration[key] for configuration in configurations}) > 1:
            labels = [f"{stem(configuration[key])}: {label}" for configuration, label in zip(configurations, labels)]
    return [f"{label} ({summary['name']})" if labels.count(label) > 1 else label
            for label, summary in zip(labels, summaries)]
