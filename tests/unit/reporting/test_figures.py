"""What the report computes besides the stored figures: intervals, competitors, trends, gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random

import pytest

from llm_monitoring.figures.answer_set import answer_set
from llm_monitoring.figures.cells import summary
from llm_monitoring.figures.figure_measures import MeasuredFigure, competitor_measures
from llm_monitoring.figures.measures import Measure, measured, measured_pairs, position, share_among
from llm_monitoring.figures.observations import Observation
from llm_monitoring.figures.periods import Period
from llm_monitoring.reporting.gaps import gap_rows, stretches
from llm_monitoring.reporting.overview import entity_rows, overview, score_bounds
from llm_monitoring.reporting.report_data import Absences, Access, ComparedPeriods, Failures, halves
from llm_monitoring.reporting.trends import trend
from llm_monitoring.reporting.uncertainty import Interval, interval
from llm_monitoring.runs.held_steps import LeftOutDays
from tests.unit.reporting.scene import LAST, RIVALS, material, observation, project

NAMES = [entity.name for entity in RIVALS]
COMPETITOR_FIGURES: tuple[MeasuredFigure, ...] = ("mention_rate", "share_of_voice", "avg_position")


def bounds(observations: Sequence[Observation], measure: Measure, least: int, most: int | None) -> Interval:
    found = measured(observations, measure)
    return interval(found, found.means(), least, most)


def in_the_brands_place(each: Observation, competitor: str, brand: str) -> Observation:
    """The same answer, as it would count if the competitor were the brand."""
    others = each.competitors - {competitor} | ({brand} if each.brand_mentioned else frozenset())
    return replace(
        each,
        brand_mentioned=competitor in each.competitors,
        competitors=others,
        position=each.competitor_positions.get(competitor),
    )


def test_intervals_cover() -> None:
    """Of 95 % intervals of a share, drawn from prompts that differ, about 95 in 100 hold the true share."""
    rng, held, rounds = Random(11), 0, 400
    for _ in range(rounds):
        answers = []
        for query_id in range(15):
            chance = rng.betavariate(2, 2)
            answers += [
                observation(
                    query_id=query_id,
                    sample=sample,
                    brand_mentioned=rng.random() < chance,
                    competitors=frozenset({"Holded"}),
                )
                for sample in range(4)
            ]
        low, high = bounds(answers, share_among(["Holded"]), 0, 100)
        assert low is not None
        assert high is not None
        held += low <= Decimal("33.33") <= high
    assert 0.91 <= held / rounds <= 0.98


@pytest.mark.parametrize(("prompts", "agree"), [(5, False), (20, True)])
def test_no_interval(prompts: int, agree: bool) -> None:
    """Too few prompts, or prompts that all agree, prove no interval: none is given rather than one without width."""
    answers = [observation(query_id=number, position=1 if agree else number % 3 + 1) for number in range(prompts)]
    assert (None, None) == bounds(answers, position, 1, None)


def test_prompts_that_agree_by_chance() -> None:
    """Six prompts with the same share, of answers that vary, have an interval as wide as their answers make it."""
    answers = [
        observation(
            query_id=number, day=LAST - timedelta(days=day), brand_mentioned=day < 3, competitors=frozenset({"Holded"})
        )
        for number in range(6)
        for day in range(7)
    ]
    low, high = bounds(answers, share_among(["Holded"]), 0, 100)
    assert low is not None
    assert high is not None
    assert high - low > 10


def test_interval_stays_within_bounds() -> None:
    """A share's interval never leaves 0 to 100, a position's never goes below 1."""
    answers = [observation(query_id=n, brand_mentioned=n == 0, competitors=frozenset(NAMES)) for n in range(8)]
    low, high = bounds(answers, share_among(NAMES), 0, 100)
    assert Decimal(0) == low
    assert high is not None
    assert high < 100
    places = [observation(query_id=n, position=9 if n == 0 else 1) for n in range(8)]
    assert Decimal(1) == bounds(places, position, 1, None)[0]


@pytest.mark.parametrize(("competitor", "others"), [("Holded", ["Quipu", "Sage"]), ("Sage", ["Quipu", "Holded"])])
def test_competitors_are_measured_as_the_brand_is(competitor: str, others: list[str]) -> None:
    """A competitor's row is the row that it would have as the brand."""
    answers = [
        replace(each, competitor_positions=dict.fromkeys(each.competitors, 1 + each.query_id % 4))
        for each in material().observations
    ]
    providers = ["openai", "google"]
    swapped = [in_the_brands_place(each, competitor, "Quipu") for each in answers]
    as_brand = entity_rows(answer_set(swapped, others), competitor, providers)
    as_competitor = entity_rows(answer_set(answers, NAMES), "Quipu", providers)
    expected = next(row for row in as_brand if row.is_brand)
    assert replace(expected, is_brand=False) == next(row for row in as_competitor if row.name == competitor)


@pytest.mark.parametrize("samples", [(1,), (3,), (1, 3)])
def test_one_pass_over_a_competitor_is_each_of_its_measures(samples: tuple[int, ...]) -> None:
    """The measures that are taken together are those that are taken one by one, several samples a day included."""
    repeated = [each for each in material().observations for _ in range(samples[each.day.day % len(samples)])]
    answers = answer_set(repeated, NAMES)
    for name in NAMES:
        measures = competitor_measures(name, NAMES)
        expected = [measured_pairs(answers.pairs, measures[each]) for each in COMPETITOR_FIGURES]
        found = answers.of_competitor(name)
        assert expected == [found.mentions, found.shares, found.positions]


def test_shares_add_up() -> None:
    """The shares of voice of the brand and its competitors are one whole."""
    rows = entity_rows(answer_set(material().observations, NAMES), "Quipu", ["openai"])
    whole = sum((row.share.value or Decimal(0) for row in rows), Decimal(0))
    assert abs(whole - 100) <= Decimal("0.02")


def test_headlines_say_what_they_rest_on() -> None:
    """Each headline has its own number of answers, and branded prompts are in none of them."""
    answers = list(material(prompts=8, days=10).observations)
    apart = [replace(each, branded=True, brand_mentioned=True) for each in answers if each.query_id == 8]
    kept = [each for each in answers if each.query_id != 8]
    both = answer_set([*kept, *apart], NAMES)
    found = overview(both, "Quipu", {"openai": both.of_provider("openai")})
    by_name = {each.figure: each for each in found.headlines}
    ranked = sum(each.position is not None for each in answers if each.query_id != 8)
    assert 280 == by_name["mention_rate"].answers
    assert 7 == by_name["mention_rate"].prompts
    assert ranked == by_name["avg_position"].answers
    assert 40 == found.branded_answers
    assert 40 == found.branded_mentions
    assert ["Quipu", *NAMES] == sorted((row.name for row in found.entities), key=["Quipu", *NAMES].index)


def test_halves() -> None:
    """The later half is compared with as many days right before it; a single day with nothing."""
    before, after = Period(date(2026, 10, 25), date(2026, 11, 8)), Period(date(2026, 11, 9), LAST)
    assert ComparedPeriods(before, after, [], []) == halves(Period(date(2026, 10, 25), LAST), [])
    before, after = Period(date(2026, 11, 22), date(2026, 11, 22)), Period(LAST, LAST)
    assert ComparedPeriods(before, after, [], []) == halves(Period(date(2026, 11, 21), LAST), [])
    assert halves(Period(LAST, LAST), []) is None


def test_trend_keeps_gaps() -> None:
    """A day without answers is a point without figures, and the week's mean leaves it out."""
    gone = LAST - timedelta(days=3)
    answers = [each for each in material().observations if each.provider == "openai" and each.day != gone]
    found = trend("openai", answer_set(answers, NAMES), LAST - timedelta(days=29), LAST)
    empty = next(point for point in found.points if point.day == gone)
    week = [each for each in answers if each.day > LAST - timedelta(days=7)]
    assert 30 == len(found.points)
    assert 7 == found.window
    assert 0 == empty.answers
    assert empty.rate is None
    assert empty.smooth is None
    assert summary(week, ()).figures.mention_rate == found.points[-1].smooth


def test_trend_marks_models() -> None:
    """A change of model is marked on the first day of the new one, and both are listed with their days."""
    middle = LAST - timedelta(days=5)
    answers = [
        replace(each, model_id="gpt-7" if each.day >= middle else "gpt-6")
        for each in material(days=10).observations
        if each.provider == "openai"
    ]
    found = trend("openai", answer_set(answers, NAMES), LAST - timedelta(days=9), LAST)
    assert [(middle, "gpt-6", "gpt-7")] == [(each.day, each.before, each.after) for each in found.changes]
    assert [("gpt-6", LAST - timedelta(days=9), middle - timedelta(days=1)), ("gpt-7", middle, LAST)] == [
        (use.model, use.first, use.last) for use in found.models
    ]


def test_gaps() -> None:
    """What is missing is told by provider: no key, reasons by number, days without an answer as stretches."""
    answers = [each for each in material(days=4).observations if each.provider == "openai" and each.day < LAST]
    failures = [
        Failures("openai", "refused", LAST, 3),
        Failures("openai", "refused", LAST - timedelta(days=2), 2),
        Failures("openai", "budget", LAST, 9),
    ]
    own = project(providers=("openai", "google"))
    rows = gap_rows(
        own,
        answers,
        Absences(failures, Access(frozenset({"google"})), {"google": LeftOutDays(2, LAST)}),
        Period(LAST - timedelta(days=3), LAST),
    )
    assert ["openai", "google"] == [row.provider for row in rows]
    assert [("budget", 9, 1), ("refused", 5, 2)] == [(each.reason, each.tasks, each.days) for each in rows[0].failures]
    assert ((LAST, LAST),) == rows[0].stretches
    assert rows[1].keyless is True
    assert rows[0].left_out is None
    assert LeftOutDays(2, LAST) == rows[1].left_out
    assert 0 == rows[1].days_measured
    assert ((LAST - timedelta(days=3), LAST),) == rows[1].stretches


def test_stretches() -> None:
    """Days that follow each other are one stretch."""
    days = [LAST - timedelta(days=back) for back in (9, 8, 5, 1, 0)]
    assert [(days[0], days[1]), (days[2], days[2]), (days[3], days[4])] == list(stretches(days))
    assert [] == list(stretches([]))


def test_bounds_of_a_score_have_two_decimals() -> None:
    """A score from 0 to 1 and its bounds are shown with two decimals everywhere."""
    scores = ("0.10", "0.20", "0.50", "0.51", "0.70", "0.93", "0.97")
    answers = [
        observation(query_id=number, brand_mentioned=True, sentiment="neutral", sentiment_score=Decimal(score))
        for number, score in enumerate(scores)
    ]
    assert (Decimal("0.25"), Decimal("0.87")) == score_bounds(answer_set(answers, ()))
