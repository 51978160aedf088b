"""Robinson's and Fisher's way of judging by words: counts to probabilities to one figure. Pure.

G. Robinson, "A statistical approach to the spam problem" (2003): each word's probability is drawn
to 1/2 as long as the word is rare, and Fisher's method combines the words' evidence for spam and
for ham apart from each other, so that a message of which both are true comes out undecided.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

STRENGTH = 0.45
"""How many messages the assumption weighs that an unknown word says nothing."""
UNKNOWN = 0.5
DEVIATION = 0.1
"""Words nearer to 1/2 say nothing."""
FEWEST_CLUES = 8
"""With fewer words known, nothing is said."""

STEPS: tuple[tuple[float, str, float], ...] = (
    (0.99, "LEARNED_SPAM_99", 5.0),
    (0.95, "LEARNED_SPAM_95", 3.5),
    (0.80, "LEARNED_SPAM_80", 1.5),
)
HAM_STEPS: tuple[tuple[float, str, float], ...] = (
    (0.01, "LEARNED_HAM_01", -4.0),
    (0.05, "LEARNED_HAM_05", -2.5),
    (0.20, "LEARNED_HAM_20", -1.0),
)


def word_probability(spam: int, ham: int, spam_messages: int, ham_messages: int) -> float:
    """How likely a message with this word is spam, between 0 and 1."""
    in_spam = min(1.0, spam / spam_messages)
    in_ham = min(1.0, ham / ham_messages)
    seen = spam + ham
    if not seen or not in_spam + in_ham:
        return UNKNOWN
    naive = in_spam / (in_spam + in_ham)
    return (STRENGTH * UNKNOWN + seen * naive) / (STRENGTH + seen)


def combine(words: Iterable[tuple[float, int]]) -> float | None:
    """One figure from 0 (ham) to 1 (spam) for (probability, how many words have it).

    None where too few words say something. Probabilities are above 0 and below 1.
    """
    count = 0
    for_ham = for_spam = 0.0
    for probability, times in words:
        if abs(probability - 0.5) >= DEVIATION:
            count += times
            for_ham += times * math.log(probability)
            for_spam += times * math.log(1.0 - probability)
    if count < FEWEST_CLUES:
        return None
    spam = 1.0 - chi_square(-2.0 * for_spam, 2 * count)
    ham = 1.0 - chi_square(-2.0 * for_ham, 2 * count)
    return (spam - ham + 1.0) / 2.0


def chi_square(value: float, degrees: int) -> float:
    """The probability that chi-square with an even number of degrees is at least `value`."""
    half = value / 2.0
    term = total = math.exp(-half)
    for step in range(1, degrees // 2):
        term *= half / step
        total += term
    return min(total, 1.0)


def judge(
    counts: Sequence[tuple[int, int]], spam_messages: int, ham_messages: int
) -> tuple[str, float] | None:
    """The rule, with its points, that fits the (spam, ham) counts of a message's words."""
    # Most words were seen a few times, so that few pairs of counts are different.
    figure = combine(
        (word_probability(spam, ham, spam_messages, ham_messages), times)
        for (spam, ham), times in Counter(counts).items()
    )
    if figure is None:
        return None
    for least, name, points in STEPS:
        if figure >= least:
            return name, points
    for most, name, points in HAM_STEPS:
        if figure <= most:
            return name, points
    return None
