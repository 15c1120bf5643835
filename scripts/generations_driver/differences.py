"""Parts of reports: paired differences to the baseline of the same seed, and the patriarch's softness against them."""

import dataclasses
import statistics

from .document import Cell, Heading, Picture, Table, Text, number_cell
from .paired import EXACT_RANKS, RESAMPLES, holm, paired, rank_correlation
from .summary import baseline_name, gains, last_student, top1
from .tables import label_of

SOFTNESS = {"entropy": ("entropy (nats)", lambda mean: mean), "mean_primary": ("1 - confidence", lambda mean: 1 - mean)}
LEAST_RUNS = 3  # with less there is no rank correlation


@dataclasses.dataclass
class Difference:
    """Of one generation, or the ensemble of all students, in points of top-1 accuracy at the last epoch."""

    run: str
    generation: str
    found: dict  # as paired() says
    index: int | None  # None: the ensemble
    corrected: float | None = None  # Holm's p


def differences(summaries, labels):
    """Every generation of every run but the baselines themselves. Holm's family is all students of all runs."""
    found = []
    for summary, label in zip(summaries, labels):
        reference = baseline_name(summary)
        ensembles = {
            entry["seed"]: top1(entry["result"]) for entry in summary["ensembles"]
            if entry["kind"] == "cumulative" and entry["index"] == summary["configuration"]["generations"]
        }
        picks = [(label_of(entry["generation"]), entry["index"], lambda values, _, name=entry["generation"]:
                  values.get(name)) for entry in summary["mean"] if entry["generation"] not in ("baseline", reference)]
        picks.append(("all students together", None, lambda _, seed, ensembles=ensembles: ensembles.get(seed)))
        for name, index, pick in picks:
            result = paired([100 * gain for gain in gains(summary, pick, reference)])
            if result:
                found.append(Difference(label, name, result, index))
    students = [one for one in found if one.index]
    for one, p in zip(students, holm([one.found["p"] for one in students])):
        one.corrected = p
    return found


def interval_cell(interval):
    if interval is None:
        return Cell("-", {"low": None, "high": None})
    low, high = interval
    return Cell(f"{low:+.2f} to {high:+.2f}", {"low": low, "high": high})


def p_cell(p):
    text = "-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
    return Cell(text, {"": p})


def difference_rows(found, several):
    """The run is named in its first row."""
    before = None
    for one in found:
        result = one.found
        run = [Cell(one.run if one.run != before else "", {"": one.run})] if several else []
        before = one.run
        yield [*run, one.generation, str(result["n"]), Cell(f"{result['mean']:+.2f}", {"": result["mean"]}),
               interval_cell(result["t"]), interval_cell(result["bootstrap"]), p_cell(result["p"]),
               p_cell(one.corrected), f"{result['above']} of {result['n']}"]


def seeds_text(summaries):
    counts = sorted({len(summary["configuration"]["seeds"]) for summary in summaries})
    return "one seed" if counts == [1] else f"{' or '.join(map(str, counts))} seeds"


def difference_section(summaries, labels, found, drawn):
    """Nothing where no generation can be compared with a baseline."""
    if not found:
        return []
    count = sum(one.index is not None and one.index > 0 for one in found)
    tested = sum(one.corrected is not None for one in found)
    blocks = [Heading(2, "Differences to the baseline"), Text(
        f"Points of top-1 accuracy above the baseline with the same seed, {seeds_text(summaries)}. *Figure of record:* "
        "the weights of the last epoch; no epoch is selected. *Selection:* every generation of every run named on the "
        "command line is listed, whatever its result; options that were tuned on these validation images before are "
        "not known here.")]
    if tested:
        blocks.append(Text(
            f"*Intervals:* 95 %, by Student's t and by the percentile bootstrap ({RESAMPLES:,} resamples of the "
            "seeds), which is too narrow with few seeds. *p:* paired t test, two-sided. *Multiple comparisons:* Holm's "
            f"correction over the {tested} students with two seeds or more; patriarchs and ensembles are not counted."))
    else:
        blocks.append(Text(f"One seed gives no interval and no test for the {count} students: nothing is decided."))
    if "differences" in drawn:
        blocks.append(Picture("differences", "differences to the baseline with 95 % intervals"))
    several = len(summaries) > 1
    header = [*(["run"] if several else []), "generation", "seeds", "difference", "95 %, t", "95 %, bootstrap", "p",
              "p, Holm", "seeds above"]
    blocks.append(Table("differences", header, list(difference_rows(found, several))))
    return blocks + [Text(decided(found))] if tested else blocks


def decided(found):
    """What the intervals say, in one sentence."""
    students = [one for one in found if one.corrected is not None]
    above = [one for one in students if one.found["t"][0] > 0]
    below = [one for one in students if one.found["t"][1] < 0]
    kept = sum(one.corrected < 0.05 for one in above + below)
    rest = len(students) - len(above) - len(below)
    return (f"Of {len(students)} students, the t interval of {len(above)} lies above the baseline, of {len(below)} "
            f"below it, and of {rest} includes it; after Holm's correction {kept} "
            f"{'differs' if kept == 1 else 'differ'} at the 5 % level.")


def softness(summary, key):
    """A measure of the patriarch's outputs on training images, mean over the seeds; None where there is none."""
    patriarch = next((entry for entry in summary["mean"] if entry["generation"] == "patriarch"), {})
    value = (patriarch.get("inspect_train") or {}).get(key)
    return value and SOFTNESS[key][1](value["mean"])


def mean_gain(summary, name):
    """Points above the baseline, mean over the seeds; None without any."""
    pairs = gains(summary, lambda values, _: values.get(name), baseline_name(summary))
    return 100 * statistics.fmean(pairs) if pairs else None


def softness_points(summaries, key, choose):
    """[(softness, gain)] of the runs that have both; `choose` names a summary's student."""
    points = [(softness(summary, key), mean_gain(summary, choose(summary))) for summary in summaries]
    return [point for point in points if None not in point]


STUDENTS = {
    "student 1": lambda summary: "student1" if summary["configuration"]["generations"] else None,
    "last student": last_student,
}


def softness_section(summaries, drawn):
    """Spearman's correlation over the runs; nothing with fewer than three."""
    rows = []
    for key, (title, _) in SOFTNESS.items():
        for name, choose in STUDENTS.items():
            points = softness_points(summaries, key, choose)
            found = rank_correlation(*zip(*points)) if len(points) >= LEAST_RUNS else None
            if found:
                rows.append([title, name, str(found["n"]), number_cell(found["rho"], 2, 1), p_cell(found["p"])])
    if not rows:
        return []
    blocks = [Heading(2, "Softness of the patriarch and accuracy of its students"), Text(
        "Spearman's rank correlation over the runs, between the softness of the patriarch's outputs on training images "
        "and the students' difference to the baseline (means over the seeds). p: permutation test, two-sided (all "
        f"permutations up to {EXACT_RANKS} runs, else {RESAMPLES:,} drawn ones); runs that share a patriarch are not "
        "independent.")]
    if "softness" in drawn:
        blocks.append(Picture("softness", "the students' difference to the baseline over the patriarch's softness"))
    return [*blocks, Table("softness", ["softness", "of", "runs", "rho", "p"], rows)]
