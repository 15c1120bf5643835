#!/usr/bin/env python3
"""Golden values of the cost layers: loss and dL/dz per sample, computed with 60 digits.

Writes costs.txt beside this script; README.md documents the format. Needs mpmath.

Every gradient is computed from the closed formula and checked against central differences of the loss, so that a slip
in either shows up here and not in the C++ under test.
"""

import os
import random
import struct

from mpmath import mp, mpf

mp.dps = 60
# Central differences with this step err by about STEP^2 = 1e-36 and lose 1e-60 * 1e4 / STEP = 1e-38 to rounding.
STEP = mpf(10) ** -18
AGREEMENT = mpf(10) ** -32
SMALLEST_NORMAL = mpf(2) ** -1022

random_source = random.Random(20180514)


def float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def input_text(value):
    text = "%.9g" % value
    assert float32(float(text)) == value == float32(value), value
    return text


def result_text(value):
    # Below the normal doubles a reader may flush to zero or not; 0 is the right answer for every tolerance in use.
    if abs(value) < SMALLEST_NORMAL:
        return "0"
    return "%.17g" % float(value)


# ---------------------------------------------------------------------------------------------------------------------
# The costs. Each takes exact logits z and returns the loss, or the gradient. `chosen` is the set of classes that the
# top-score difference ranks; the gradient holds it constant.


def log_softmax(z):
    top = max(z)
    log_sum = top + mp.log(mp.fsum(mp.exp(v - top) for v in z))
    return [v - log_sum for v in z]


def softmax(z):
    return [mp.exp(v) for v in log_softmax(z)]


def one_hot(count, label):
    return [mpf(j == label) for j in range(count)]


class Softmax:
    section = "softmax"
    weights = None  # of the classes

    def options(self):
        return []

    def weighted(self, weights):
        self.weights = [mpf(w) for w in weights]
        return self

    def choose(self, z, label):
        return None

    def cross_entropy(self, z, target):
        weights = self.weights or [mpf(1)] * len(z)
        return -mp.fsum(w * q * s for w, q, s in zip(weights, target, log_softmax(z), strict=True))

    def cross_entropy_gradient(self, z, target):
        weights = self.weights or [mpf(1)] * len(z)
        mass = [w * q for w, q in zip(weights, target, strict=True)]
        total = mp.fsum(mass)
        return [f * total - m for f, m in zip(softmax(z), mass, strict=True)]

    def loss(self, z, label, p, chosen):
        return self.cross_entropy(z, one_hot(len(z), label))

    def gradient(self, z, label, p, chosen):
        return self.cross_entropy_gradient(z, one_hot(len(z), label))


class Tsd(Softmax):
    section = "tsd"

    def __init__(self, k, eta=None, confidence=None, primary="top"):
        assert (eta is None) != (confidence is None)
        self.k, self.primary = k, primary
        if eta is not None:
            self.text = "eta=" + eta
            self.eta = mpf(eta)
        else:
            self.text = "confidence=" + confidence
            u = mpf(confidence)
            assert mpf(1) / k < u < 1
            self.eta = u * k / (k - 1 + u * k)

    def options(self):
        return [self.text, "k=%d" % self.k, "primary=" + self.primary]

    def choose(self, z, label):
        order = sorted(range(len(z)), key=lambda j: (-z[j], j))  # ties go to the lower index
        if self.primary == "top":
            return order[: self.k]
        return [label] + [j for j in order if j != label][: self.k - 1]

    def gap_weights(self, count, chosen):
        c = [mpf(0)] * count
        c[chosen[0]] = mpf(1)
        for j in chosen[1:]:
            c[j] = -mpf(1) / (self.k - 1)
        return c

    def loss(self, z, label, p, chosen):
        f = softmax(z)
        gap = f[chosen[0]] - mp.fsum(f[j] for j in chosen[1:]) / (self.k - 1)
        return self.eta * super().loss(z, label, p, chosen) + (1 - self.eta) * gap

    def gradient(self, z, label, p, chosen):
        f = softmax(z)
        c = self.gap_weights(len(z), chosen)
        g = mp.fsum(a * b for a, b in zip(c, f, strict=True))
        plain = super().gradient(z, label, p, chosen)
        return [self.eta * plain[j] + (1 - self.eta) * f[j] * (c[j] - g) for j in range(len(z))]


class Distill(Softmax):
    section = "distill"

    def __init__(self, weight, temperature):
        self.text = (weight, temperature)
        self.weight, self.temperature = mpf(weight), mpf(temperature)

    def options(self):
        return ["lambda=" + self.text[0], "temperature=" + self.text[1]]

    def soften(self, p):
        powers = [v ** (1 / self.temperature) if v > 0 else mpf(0) for v in p]
        total = mp.fsum(powers)
        return [v / total for v in powers]

    def loss(self, z, label, p, chosen):
        teacher = self.soften(p)
        student = log_softmax([v / self.temperature for v in z])
        divergence = mp.fsum(t * (mp.log(t) - s) for t, s in zip(teacher, student, strict=True) if t > 0)
        return (1 - self.weight) * super().loss(z, label, p, chosen) + self.weight * self.temperature**2 * divergence

    def gradient(self, z, label, p, chosen):
        plain = super().gradient(z, label, p, chosen)
        teacher = self.soften(p)
        student = softmax([v / self.temperature for v in z])
        return [
            (1 - self.weight) * plain[j] + self.weight * self.temperature * (student[j] - teacher[j])
            for j in range(len(z))
        ]


class LabelSmoothing(Softmax):
    section = "label_smoothing"

    def __init__(self, epsilon):
        self.text, self.epsilon = epsilon, mpf(epsilon)

    def options(self):
        return ["epsilon=" + self.text]

    def target(self, count, label):
        return [(1 - self.epsilon) * y + self.epsilon / count for y in one_hot(count, label)]

    def loss(self, z, label, p, chosen):
        return self.cross_entropy(z, self.target(len(z), label))

    def gradient(self, z, label, p, chosen):
        return self.cross_entropy_gradient(z, self.target(len(z), label))


class ConfidencePenalty(Softmax):
    section = "confidence_penalty"

    def __init__(self, beta):
        self.text, self.beta = beta, mpf(beta)

    def options(self):
        return ["beta=" + self.text]

    def loss(self, z, label, p, chosen):
        s = log_softmax(z)
        return super().loss(z, label, p, chosen) + self.beta * mp.fsum(mp.exp(v) * v for v in s)

    def gradient(self, z, label, p, chosen):
        s = log_softmax(z)
        f = [mp.exp(v) for v in s]
        mean = mp.fsum(a * b for a, b in zip(f, s, strict=True))
        plain = super().gradient(z, label, p, chosen)
        return [plain[j] + self.beta * f[j] * (s[j] - mean) for j in range(len(z))]


# ---------------------------------------------------------------------------------------------------------------------
# Inputs: (label, logits, teacher probabilities or None).


def moderate(count):
    return [float32(random_source.uniform(-4, 4)) for _ in range(count)]


def large(count):
    z = [float32(random_source.uniform(-50, 50)) for _ in range(count)]
    z[random_source.randrange(count)] = -50.0
    z[0] = 50.0
    return z


def extreme(count):
    z = [float32(random_source.uniform(-1e4, 1e4)) for _ in range(count)]
    z[0] = -1e4
    z[count - 1] = 1e4
    return z


def ranked(z):
    return sorted(range(len(z)), key=lambda j: (-z[j], j))


def teacher(count, zeros=0, peak=1.0):
    """Probabilities that are multiples of 2^-24: exact in float32, and their sum is exactly one."""
    order = list(range(count))
    random_source.shuffle(order)
    raw = {j: mp.exp(peak * random_source.uniform(-3, 3)) for j in order[zeros:]}
    total = mp.fsum(raw.values())
    whole = {j: max(1, int(v / total * 2**24)) for j, v in raw.items()}
    first = max(whole, key=whole.get)
    whole[first] += 2**24 - sum(whole.values())
    p = [whole.get(j, 0) / 2**24 for j in range(count)]
    assert sum(p) == 1 and p.count(0) == zeros and all(float32(v) == v for v in p)
    return p


def samples_of(count):
    z = moderate(count)
    out = [(ranked(z)[0], z, None)]
    z = moderate(count)
    out.append((ranked(z)[min(2, count - 1)], z, None))
    z = moderate(count)
    out.append((ranked(z)[-1], z, None))
    z = large(count)
    out.append((ranked(z)[0], z, None))
    z = large(count)
    out.append((ranked(z)[1], z, None))
    z = extreme(count)
    out.append((ranked(z)[0], z, None))
    z = extreme(count)
    out.append((ranked(z)[-1], z, None))
    if count > 20:
        return [out[0], out[1], out[4], out[6]]
    # All the weight on one class, the others equal and out of sight.
    z = [-1e4] * count
    z[1] = 1e4
    out.append((1, z, None))
    out.append((0, z, None))
    return out


def ties_of(count):
    """Equal logits at the top, across the k-th rank, and everywhere."""
    assert count >= 5
    rest = [-1.0 - j for j in range(count - 5)]
    return [
        (1, [0.5, 2.0, -1.0, 2.0, 1.0] + rest, None),  # two equal maxima, the label is the lower index
        (3, [0.5, 2.0, -1.0, 2.0, 1.0] + rest, None),  # ... the higher index
        (4, [1.0, 3.0, 1.0, 1.0, 1.0] + rest, None),  # ranks 2 to 5 are equal, the label is the last of them
        (2, [1.0, 1.0, 3.0, 1.0, 2.0] + rest, None),  # equal logits at ranks 3 to 5
        (2, [0.25] * count, None),
        (0, [0.25] * count, None),
        (3, [1e4, -1e4, 1e4, -1e4, 1e4] + [-1e4] * (count - 5), None),
        (2, [-50.0, 50.0, 50.0, 50.0, -50.0] + [50.0] * (count - 5), None),
    ]


def with_teachers(samples):
    """Cycles through a soft teacher, a confident one, one with zeros, a one-hot and a uniform one."""
    out = []
    for i, (label, z, _) in enumerate(samples):
        count = len(z)
        kind = i % 5
        if kind == 0:
            p = teacher(count)
        elif kind == 1:
            p = teacher(count, zeros=count // 3 + 1)
        elif kind == 2:
            p = teacher(count, peak=2.0)
        elif kind == 3:
            p = [1.0 if j == count // 2 else 0.0 for j in range(count)]
        else:
            p = [float32(1 / count)] * count
        out.append((label, z, p))
    return out


# ---------------------------------------------------------------------------------------------------------------------


def check_gradient(cost, z, label, p, chosen, gradient):
    assert abs(mp.fsum(gradient)) < AGREEMENT * 100, "a softmax gradient sums to zero"
    tied = len(set(z)) < len(z)
    for j in range(len(z)):
        values = []
        for sign in (1, -1):
            moved = list(z)
            moved[j] += sign * STEP
            # Without ties the loss is smooth, and ranking afresh proves that the index set was the right one.
            values.append(cost.loss(moved, label, p, chosen if tied else cost.choose(moved, label)))
        numerical = (values[0] - values[1]) / (2 * STEP)
        assert abs(numerical - gradient[j]) < AGREEMENT, (cost.section, cost.options(), j, numerical, gradient[j])


class Writer:
    def __init__(self):
        self.lines = [
            "# Golden values of the cost layers; made by make_golden.py, format in README.md.",
        ]
        self.names = set()
        self.results = {}

    def case(self, name, cost, samples):
        assert name not in self.names
        self.names.add(name)
        self.lines.append(" ".join(["case", name, cost.section] + cost.options()))
        if cost.weights:
            self.lines.append(" ".join(["weights"] + [input_text(float(w)) for w in cost.weights]))
        self.results[name] = []
        for label, logits, probabilities in samples:
            z = [mpf(v) for v in logits]
            p = [mpf(v) for v in probabilities] if probabilities else None
            chosen = cost.choose(z, label)
            loss = cost.loss(z, label, p, chosen)
            gradient = cost.gradient(z, label, p, chosen)
            check_gradient(cost, z, label, p, chosen, gradient)
            assert all(mp.isfinite(v) for v in [loss] + gradient)
            words = ["sample", str(label)] + [input_text(v) for v in logits]
            if probabilities:
                words += ["|"] + [input_text(v) for v in probabilities]
            self.lines.append(" ".join(words))
            self.lines.append("loss " + result_text(loss))
            self.lines.append("grad " + " ".join(result_text(v) for v in gradient))
            self.results[name].append((loss, gradient))

    def same(self, name, other):
        for (loss, gradient), (other_loss, other_gradient) in zip(self.results[name], self.results[other], strict=True):
            assert abs(loss - other_loss) < AGREEMENT
            assert all(abs(a - b) < AGREEMENT for a, b in zip(gradient, other_gradient, strict=True))

    def save(self, path):
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join(self.lines) + "\n")


def main():
    out = Writer()
    sets = {count: samples_of(count) for count in (3, 5, 10, 100)}
    ties = ties_of(10)

    for count, samples in sets.items():
        out.case("softmax_c%d" % count, Softmax(), samples)
    out.case("softmax_ties", Softmax(), ties)

    out.case("tsd_c3_k2", Tsd(2, eta="0.6"), sets[3])
    out.case("tsd_c3_k3_truth", Tsd(3, confidence="0.5", primary="truth"), sets[3])
    out.case("tsd_c5_k5", Tsd(5, eta="0.6"), sets[5])
    out.case("tsd_c5_k2_truth", Tsd(2, eta="0.3", primary="truth"), sets[5])
    out.case("tsd_c5_k5_confidence", Tsd(5, confidence="0.6"), sets[5])
    out.case("tsd_c10_k5", Tsd(5, eta="0.3"), sets[10])
    out.case("tsd_c10_k5_truth", Tsd(5, confidence="0.6", primary="truth"), sets[10])
    out.case("tsd_c10_k2_confidence", Tsd(2, confidence="0.51"), sets[10])
    out.case("tsd_c10_k10", Tsd(10, eta="0.4"), sets[10])
    out.case("tsd_c10_k10_truth", Tsd(10, confidence="0.9", primary="truth"), sets[10])
    out.case("tsd_c10_low_eta", Tsd(5, eta="0.05"), sets[10])
    out.case("tsd_c100_k5_confidence", Tsd(5, confidence="0.6"), sets[100])
    out.case("tsd_c100_k5_truth", Tsd(5, eta="0.6", primary="truth"), sets[100])
    for k in (2, 3, 5, 10):
        for primary in ("top", "truth"):
            out.case("tsd_ties_k%d_%s" % (k, primary), Tsd(k, eta="0.5", primary=primary), ties)

    taught = {count: with_teachers(samples) for count, samples in sets.items()}
    for count in (3, 5, 10):
        for temperature, name in (("1", "t1"), ("2", "t2"), ("0.5", "t05")):
            out.case("distill_c%d_%s" % (count, name), Distill("0.6", temperature), taught[count])
    out.case("distill_c100_t1", Distill("0.6", "1"), taught[100])
    out.case("distill_c100_t2", Distill("0.5", "2"), taught[100])
    out.case("distill_teacher_alone", Distill("1", "1"), taught[10])
    # Probabilities as small as float32 holds: their square underflows, their logarithm does not.
    tiny = [float32(v) for v in (1e-30, 0.75, 1.5e-38, 0.25, 1e-7)]
    hard = [(0, sets[5][1][1], tiny), (1, sets[5][3][1], tiny), (4, sets[5][6][1], tiny)]
    for temperature, name in (("1", "t1"), ("2", "t2"), ("0.5", "t05")):
        out.case("distill_tiny_teacher_%s" % name, Distill("0.6", temperature), hard)

    for count in (3, 5, 10, 100):
        out.case("label_smoothing_c%d" % count, LabelSmoothing("0.1"), sets[count])
        out.case("confidence_penalty_c%d" % count, ConfidencePenalty("0.1"), sets[count])
    out.case("label_smoothing_strong", LabelSmoothing("0.9"), sets[5])
    out.case("label_smoothing_ties", LabelSmoothing("0.1"), ties)
    out.case("confidence_penalty_strong", ConfidencePenalty("2"), sets[5])
    out.case("confidence_penalty_ties", ConfidencePenalty("0.3"), ties)

    weights = [0.25, 3.0, 0.0, 1.5, 1.0]
    for name, cost, samples in (
        ("weighted_softmax", Softmax(), sets[5]),
        ("weighted_tsd", Tsd(3, eta="0.3"), sets[5]),
        ("weighted_tsd_truth", Tsd(3, eta="0.3", primary="truth"), sets[5]),
        ("weighted_distill_t2", Distill("0.6", "2"), taught[5]),
        ("weighted_label_smoothing", LabelSmoothing("0.1"), sets[5]),
        ("weighted_confidence_penalty", ConfidencePenalty("0.3"), sets[5]),
    ):
        out.case(name, cost.weighted(weights), samples)
    out.case("identity_weights_of_one", Softmax().weighted([1.0] * 5), sets[5])
    out.same("identity_weights_of_one", "softmax_c5")

    # Identities: each names a plain softmax_c5 in disguise.
    for name, cost, samples in (
        ("identity_tsd_top", Tsd(3, eta="1"), sets[5]),
        ("identity_tsd_truth", Tsd(5, eta="1", primary="truth"), sets[5]),
        ("identity_distill", Distill("0", "1"), taught[5]),
        ("identity_distill_t2", Distill("0", "2"), taught[5]),
        ("identity_label_smoothing", LabelSmoothing("0"), sets[5]),
        ("identity_confidence_penalty", ConfidencePenalty("0"), sets[5]),
    ):
        out.case(name, cost, samples)
        out.same(name, "softmax_c5")

    out.save(os.path.join(os.path.dirname(os.path.abspath(__file__)), "costs.txt"))


if __name__ == "__main__":
    main()
