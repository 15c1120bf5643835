#!/usr/bin/env python3
"""Tests of the statistics of comparisons against SciPy, on made-up numbers.

python3 tests/scripts/paired_test.py
"""

import itertools
import os
import random
import statistics
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

import run_support  # noqa: F401  its import makes scripts/ importable

from generations_driver.paired import (
    bootstrap_interval, holm, incomplete_beta, paired, quantile, rank_correlation, t_quantile, t_two_sided,
)

try:
    import numpy
    import scipy.special
    import scipy.stats
except ImportError:
    scipy = None

needs_scipy = unittest.skipUnless(scipy, "SciPy is missing")
DIFFERENCES = (0.75, 0.85, 1.37, 0.62, 0.70)


def samples(count, seed):
    draw = random.Random(seed)
    for _ in range(count):
        yield [draw.gauss(draw.uniform(-1, 1), draw.uniform(0.1, 2)) for _ in range(draw.randint(2, 12))]


class Intervals(unittest.TestCase):
    @needs_scipy
    def test_beta_function_and_students_t_are_scipys(self):
        for a, b, x in itertools.product((0.5, 1, 2.5, 40), (0.5, 3, 17), (0, 1e-9, 0.2, 0.5, 0.97, 1)):
            self.assertAlmostEqual(incomplete_beta(a, b, x), scipy.special.betainc(a, b, x), delta=1e-12)
        for freedom in (1, 2, 4, 9, 30, 200):
            for t in (0, 0.3, 1, 2.776, 12, 100):
                expected = 2 * scipy.stats.t.sf(t, freedom)
                self.assertAlmostEqual(t_two_sided(t, freedom), expected, delta=1e-12)
                self.assertEqual(t_two_sided(-t, freedom), t_two_sided(t, freedom))
            for level in (0.5, 0.95, 0.999):
                expected = scipy.stats.t.ppf((1 + level) / 2, freedom)
                self.assertAlmostEqual(t_quantile(level, freedom) / expected, 1, delta=1e-8)  # SciPy has 9 digits

    @needs_scipy
    def test_interval_and_p_are_those_of_the_paired_t_test(self):
        for differences in samples(40, 1):
            found = paired(differences)
            test = scipy.stats.ttest_rel(differences, [0] * len(differences))
            interval = test.confidence_interval(0.95)
            self.assertAlmostEqual(found["p"], test.pvalue, delta=1e-12)
            self.assertAlmostEqual(found["t"][0], interval.low, delta=1e-7)
            self.assertAlmostEqual(found["t"][1], interval.high, delta=1e-7)
            # Negative control: a test of the values against another sample, or one-sided, is another number.
            self.assertNotAlmostEqual(found["p"], scipy.stats.ttest_1samp(differences, 0.5).pvalue, delta=1e-6)
            self.assertNotAlmostEqual(found["t"][1], test.confidence_interval(0.9).high, delta=1e-6)

    @needs_scipy
    def test_bootstrap_interval_is_scipys_percentile_interval(self):
        for differences in samples(6, 2):
            expected = scipy.stats.bootstrap((differences,), numpy.mean, confidence_level=0.95, method="percentile",
                                             n_resamples=20000, random_state=numpy.random.default_rng(3))
            found = bootstrap_interval(differences)
            # Both are drawn: each end has a Monte Carlo error of about a fortieth of the mean's standard error.
            error = statistics.stdev(differences) / len(differences) ** 0.5
            for one, other in zip(found, expected.confidence_interval, strict=True):
                self.assertAlmostEqual(one, other, delta=0.15 * error)
            self.assertNotAlmostEqual(found[0], found[1], delta=0.5 * error)
            self.assertEqual(found, bootstrap_interval(differences), "the same numbers, the same interval")

    def test_quantiles_lie_between_the_order_statistics(self):
        self.assertEqual([quantile([1, 2, 4], part) for part in (0, 0.25, 0.5, 0.75, 1)], [1, 1.5, 2, 3, 4])

    def test_interval_covers_as_often_as_it_says(self):
        draw = random.Random(4)
        covered = wrong = 0
        for _ in range(600):
            values = [draw.gauss(0.3, 1) for _ in range(5)]
            mean, error = statistics.fmean(values), statistics.stdev(values) / 5 ** 0.5
            reach = t_quantile(0.95, 4) * error
            covered += abs(mean - 0.3) <= reach
            wrong += abs(mean - 0.3) <= 1.96 * error  # a normal interval is too narrow for five values
        self.assertTrue(0.93 < covered / 600 < 0.97, covered)
        self.assertLess(wrong / 600, 0.91)

    def test_few_and_equal_values(self):
        self.assertIsNone(paired([]))
        self.assertEqual(paired([0.5]), {"n": 1, "mean": 0.5, "t": None, "bootstrap": None, "p": None, "above": 1})
        same = paired([0.5, 0.5])
        self.assertEqual((same["t"], same["bootstrap"], same["p"]), ((0.5, 0.5), (0.5, 0.5), 0.0))
        self.assertEqual(paired([0.0, 0.0])["p"], 1.0)
        self.assertEqual(paired(DIFFERENCES)["above"], 5)
        self.assertEqual(paired([-1.0, 0.0, 2.0])["above"], 1)


class Holm(unittest.TestCase):
    def test_by_hand(self):
        self.assertEqual(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
        self.assertEqual(holm([0.04, None, 0.01]), [0.04, None, 0.02])
        self.assertEqual(holm([0.6, 0.7]), [1.0, 1.0])
        self.assertEqual(holm([]), [])

    def test_is_between_bonferroni_and_no_correction_and_keeps_the_order(self):
        draw = random.Random(5)
        for _ in range(50):
            ps = [draw.random() ** 3 for _ in range(9)]
            adjusted = holm(ps)
            for p, one in zip(ps, adjusted, strict=True):
                self.assertTrue(p <= one <= min(1, 9 * p) + 1e-15)
            order = sorted(range(9), key=ps.__getitem__)
            self.assertEqual([adjusted[i] for i in order], sorted(adjusted))

    def test_family_wise_error_is_kept(self):
        draw = random.Random(6)
        plain = corrected = 0
        for _ in range(400):
            ps = [draw.random() for _ in range(10)]  # ten true null hypotheses
            plain += min(ps) < 0.05
            corrected += min(holm(ps)) < 0.05
        self.assertLess(corrected / 400, 0.09)
        self.assertGreater(plain / 400, 0.3, "without the correction something is found in four tables of ten")


class RankCorrelation(unittest.TestCase):
    @needs_scipy
    def test_rho_is_spearmans_with_ties_too(self):
        draw = random.Random(7)
        for n in (3, 5, 8, 27):
            for digits in (1, 6):
                x = [round(draw.random(), digits) for _ in range(n)]
                y = [round(value + draw.gauss(0, 0.4), digits) for value in x]
                if len(set(x)) > 1 and len(set(y)) > 1:
                    expected = scipy.stats.spearmanr(x, y).statistic
                    self.assertAlmostEqual(rank_correlation(x, y)["rho"], expected, delta=1e-12)

    @needs_scipy
    def test_p_is_that_of_the_permutation_test(self):
        x, y = [1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 7]
        expected = scipy.stats.permutation_test(
            (x,), lambda order: scipy.stats.spearmanr(order, y).statistic, permutation_type="pairings",
            n_resamples=numpy.inf, alternative="two-sided")
        self.assertAlmostEqual(rank_correlation(x, y)["p"], expected.pvalue, delta=1e-9)
        draw = random.Random(8)
        x = [draw.random() for _ in range(20)]
        y = [value + draw.gauss(0, 0.6) for value in x]
        self.assertAlmostEqual(rank_correlation(x, y)["p"], scipy.stats.spearmanr(x, y).pvalue, delta=0.01)

    def test_direction_and_noise(self):
        x = list(range(10))
        self.assertEqual(rank_correlation(x, [value**3 for value in x])["rho"], 1.0)
        self.assertLess(rank_correlation(x, [-value for value in x])["p"], 0.001)
        noise = random.Random(9).sample(x, 10)
        self.assertGreater(rank_correlation(x, noise)["p"], 0.2)

    def test_without_three_pairs_or_differences_there_is_none(self):
        self.assertIsNone(rank_correlation([1, 2], [1, 2]))
        self.assertIsNone(rank_correlation([1, 1, 1], [1, 2, 3]))
        self.assertIsNone(rank_correlation([1, 2, 3], [5, 5, 5]))


if __name__ == "__main__":
    unittest.main()
