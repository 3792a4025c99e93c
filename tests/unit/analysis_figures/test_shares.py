"""Shares of many sets of the same answers: each equals the rate of a period that is measured for it alone."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import pytest

from llm_monitoring.figures import Observation, Rate, measured_pairs, period_rate
from llm_monitoring.figures.measures import paired
from llm_monitoring.figures.shares import AnswerShares

FIRST = date(2026, 11, 1)


def observation(random: Random, prompts: int) -> Observation:
    """An answer of one of eight days, up to three samples a day."""
    day, sample = FIRST + timedelta(days=random.randrange(8)), random.randrange(3)
    provider, query = random.choice(["openai", "google"]), random.randrange(prompts)
    return Observation(query, provider, "m", day, sample, False, False, frozenset(), None, {}, None, None, None)


def rate(observed: list[Observation], places: set[int], provider: str | None) -> Rate:
    hits = {id(observed[place]) for place in places}
    own = [each for each in observed if provider in (None, each.provider)]
    return period_rate(measured_pairs(paired(own), lambda each: (100 * (id(each) in hits), 1)))


@pytest.mark.parametrize("seed", range(40))
def test_a_share_is_the_rate_of_its_answers(seed: int) -> None:
    """With several samples a day, prompts without a hit, one provider alone, and sets that are empty or all."""
    random = Random(seed)
    observed = [observation(random, 1 + seed % 9) for _ in range(random.randrange(1, 120))]
    shares = AnswerShares(observed)
    for chance in (0.0, 0.1, 0.5, 1.0):
        places = {place for place in range(len(observed)) if random.random() < chance}
        for provider in (None, "openai", "google"):
            own = [place for place in range(len(observed)) if provider in (None, observed[place].provider)]
            expected = (len(places.intersection(own)), len(own), rate(observed, places, provider))
            assert expected == shares.share(places, provider)


def test_without_answers_there_is_no_rate() -> None:
    """Of no answer nothing can be said."""
    assert (0, 0, Rate(None, None, None)) == AnswerShares(()).share(set())
