# SPDX-License-Identifier: Apache-2.0
"""Medians and percentiles of samples (nearest rank: a figure that was measured, never one between two)."""
import math


def percentile(samples, p):
    s = sorted(samples)
    return s[max(0, math.ceil(p / 100 * len(s)) - 1)]


def median(samples):
    """Of an even number of samples the upper one of the two in the middle."""
    return sorted(samples)[len(samples) // 2]


def ratios(samples, base):
    """Pairs of one round: alternating rounds saw the same machine."""
    return [a / b for a, b in zip(samples, base)]
