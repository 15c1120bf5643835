"""Statistics of paired differences: intervals, tests, Holm's correction, rank correlation.

Python's standard library alone, so that a comparison needs nothing else.
"""

import itertools
import math
import random
import statistics

LEVEL = 0.95
RESAMPLES = 10_000
EXACT_RANKS = 8  # up to so many pairs every permutation is tried: 8! = 40,320


def incomplete_beta(a, b, x):
    """The regularized incomplete beta function I_x(a, b), by Lentz's method on its continued fraction."""
    if x in (0.0, 1.0):
        return x
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly
        return 1 - incomplete_beta(b, a, 1 - x)
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    fraction = d
    for m in range(1, 1000):
        for term in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                     -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d = 1 / (1 + term * d or tiny)
            c = 1 + term / c or tiny
            fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(front) * fraction / a


def t_two_sided(t, freedom):
    """P(|T| >= |t|) of Student's t distribution."""
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def t_quantile(level, freedom):
    """The t that |T| does not exceed with probability `level`, by bisection."""
    low, high = 0.0, 1.0
    while t_two_sided(high, freedom) > 1 - level:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if t_two_sided(middle, freedom) > 1 - level else (low, middle)
    return (low + high) / 2


def bootstrap_interval(values, seed=0):
    """Percentile interval of the mean; the same numbers give the same interval."""
    draw = random.Random(seed)
    means = sorted(statistics.fmean(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return tuple(quantile(means, (1 + sign * LEVEL) / 2) for sign in (-1, 1))


def quantile(ordered, fraction):
    """Linear between the order statistics."""
    place = fraction * (len(ordered) - 1)
    below = min(int(place), len(ordered) - 2)
    return ordered[below] + (place - below) * (ordered[below + 1] - ordered[below])


def paired(differences):
    """n, mean, t interval, bootstrap interval and the p of the paired t test; None for what one value does not give.

    None without any difference.
    """
    n = len(differences)
    if not n:
        return None
    mean = statistics.fmean(differences)
    found = {"n": n, "mean": mean, "t": None, "bootstrap": None, "p": None, "above": sum(d > 0 for d in differences)}
    if n == 1:
        return found
    error = statistics.stdev(differences) / math.sqrt(n)
    reach = t_quantile(LEVEL, n - 1) * error
    p = t_two_sided(mean / error, n - 1) if error else float(mean == 0)
    return found | {"t": (mean - reach, mean + reach), "bootstrap": bootstrap_interval(differences), "p": p}


def holm(ps):
    """Holm's adjusted p values in the order of `ps`; None stays None and is not counted."""
    order = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    adjusted, largest = [None] * len(ps), 0.0
    for rank, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[place] = largest
    return adjusted


def ranks(values):
    """From 1 on; equal values share the mean of their ranks."""
    order = sorted(values)
    return [order.index(value) + (order.count(value) + 1) / 2 for value in values]


def correlation(x, y):
    """Pearson's; None where one of them is constant."""
    if len(set(x)) < 2 or len(set(y)) < 2:
        return None
    return statistics.correlation(x, y)


def rank_correlation(x, y, seed=0):
    """n, Spearman's rho and its two-sided permutation p; None with fewer than three pairs or where one is constant.

    All permutations up to EXACT_RANKS pairs, else RESAMPLES drawn ones.
    """
    if len(x) < 3:
        return None
    a, b = ranks(x), ranks(y)
    rho = correlation(a, b)
    if rho is None:
        return None
    # With the ranks fixed, only the sum of products depends on the permutation.
    centre = statistics.fmean(a) * sum(b)
    observed = abs(dot(a, b) - centre)
    exact = len(x) <= EXACT_RANKS
    if exact:
        orders = itertools.permutations(b)
    else:
        draw = random.Random(seed)
        orders = (draw.sample(b, len(b)) for _ in range(RESAMPLES))
    extreme, count = 0, 0
    for order in orders:
        extreme += abs(dot(a, order) - centre) >= observed - 1e-9
        count += 1
    # A drawn permutation counts the observed one, too, so that p is never zero.
    return {"n": len(x), "rho": rho, "p": extreme / count if exact else (extreme + 1) / (count + 1)}


def dot(a, b):
    return sum(one * other for one, other in zip(a, b))
