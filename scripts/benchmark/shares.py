"""Which kind of layer a training step spends its time on, from what `-profile` writes."""

WHOLE = ("data", "teacher", "cost", "update")  # keys of the profile beside the layers'


def shares(profile):
    """{what: share of the time}, the largest first; the rest, which no key names, comes last."""
    seconds = {}
    for layer in profile["layers"]:
        for direction in ("forward", "backward"):
            what = f"[{layer['section']}] {direction}"
            seconds[what] = seconds.get(what, 0) + layer.get(direction, 0)
    seconds.update((key, profile.get(key, 0)) for key in WHOLE)
    total = profile["seconds"]
    found = {what: spent / total for what, spent in sorted(seconds.items(), key=lambda item: -item[1]) if spent > 0}
    return {**found, "the rest": 1 - sum(found.values())}
