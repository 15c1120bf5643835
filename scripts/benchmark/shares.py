"""Which kind of layer a training step spends its time on, from what `-profile` writes."""

WHOLE = ("data", "teacher", "cost", "update")  # keys of the profile beside the layers'


def shares(profile):
    """[(what, share of the time)], the largest first; what nobody claims comes last."""
    seconds = {}
    for layer in profile["layers"]:
        for direction in ("forward", "backward"):
            what = f"[{layer['section']}] {direction}"
            seconds[what] = seconds.get(what, 0) + layer.get(direction, 0)
    for key in WHOLE:
        seconds[key] = profile.get(key, 0)
    total = profile["seconds"]
    rows = sorted(((what, spent / total) for what, spent in seconds.items() if spent > 0), key=lambda row: -row[1])
    return [*rows, ("the rest", 1 - sum(share for _, share in rows))]
