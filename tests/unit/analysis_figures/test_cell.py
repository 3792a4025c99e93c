"""The figures of one provider's day, against their definitions."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_monitoring.figures.cells import cell, summary
from llm_monitoring.figures.measures import position_weight
from llm_monitoring.figures.observations import Observation
from llm_monitoring.figures.statistics import wilson
from tests.unit.analysis_figures.answers import COMPETITORS, answer


def test_counts_answers_and_mentions() -> None:
    """Every unbranded answer is in the denominator, and the rate is a plain ratio."""
    found = cell([answer(1, mentioned=True), answer(2), answer(3)], COMPETITORS)
    assert 3 == found.total_queries
    assert 1 == found.total_mentions
    assert Decimal("33.33") == found.mention_rate


def test_nothing_measured_is_null_not_zero() -> None:
    """Without answers every rate, share, mean and bound is null, and every count zero."""
    found = cell([], COMPETITORS)
    assert (
        found.mention_rate,
        found.mention_rate_low,
        found.mention_rate_high,
        found.share_of_voice,
        found.weighted_share_of_voice,
        found.avg_position,
        found.citation_rate,
        found.avg_sentiment_score,
    ) == (None,) * 8
    assert 0 == found.total_queries
    assert 0 == found.total_competitor_mentions
    assert found.competitor_breakdown == {"Quipu": 0, "Billin": 0, "Sage": 0}


def test_branded_prompts_stay_apart() -> None:
    """A branded prompt adds to the branded counts and to nothing else."""
    plain = [answer(1), answer(2, mentioned=True)]
    branded = answer(3, branded=True, position=1, competitors=["Quipu"], cited=True, sentiment="positive", score="1.00")
    alone, both = cell(plain, COMPETITORS), cell([*plain, branded, answer(4, branded=True)], COMPETITORS)
    assert 2 == both.branded_total_queries
    assert 1 == both.branded_total_mentions
    for name in set(alone.__slots__) - {"branded_total_queries", "branded_total_mentions"}:
        assert getattr(alone, name) == getattr(both, name), name


def test_share_of_voice_counts_an_answer_once_an_entity() -> None:
    """The brand's share is its answers over all entities' answers."""
    found = cell(
        [
            answer(1, mentioned=True, competitors=["Quipu", "Sage"]),
            answer(2, competitors=["Quipu"]),
            answer(3),
        ],
        COMPETITORS,
    )
    assert Decimal("25.00") == found.share_of_voice
    assert found.competitor_breakdown == {"Quipu": 2, "Billin": 0, "Sage": 1}
    assert 3 == found.total_competitor_mentions


def test_untracked_competitors_do_not_count() -> None:
    """A name that the project no longer tracks is in no figure, with a position or without."""
    found = cell([answer(1, mentioned=True, competitor_positions={"Gone": 1, "Sage": 2})], ["Sage"])
    assert Decimal("50.00") == found.share_of_voice
    assert Decimal("33.33") == found.weighted_share_of_voice
    assert 1 == found.total_competitor_mentions


@pytest.mark.parametrize("competitors", [(), COMPETITORS])
def test_share_of_voice_is_null_without_voices(competitors: Sequence[str]) -> None:
    """Without competitors, or without a single mention, there is no share."""
    found = cell([answer(1, mentioned=not competitors)], competitors)
    assert found.share_of_voice is None
    assert found.weighted_share_of_voice is None


@pytest.mark.parametrize(
    ("position", "weight"),
    [(1, 20), (3, 20), (4, 15), (5, 15), (6, 12), (10, 12), (11, 8), (40, 8), (None, 10)],
)
def test_position_weights(position: int | None, weight: int) -> None:
    """Weights, in tenths, change after places 3, 5 and 10."""
    assert weight == position_weight(position)


def test_weighted_share_uses_each_entitys_own_position() -> None:
    """2.0 of the brand at 3, against 1.5 at 5, 0.8 at 11 and 1.0 unranked: 200 / 5.3."""
    ranked = answer(1, position=3, competitors=["Sage"], competitor_positions={"Quipu": 5, "Billin": 11})
    found = cell([ranked], COMPETITORS)
    assert Decimal("37.74") == found.weighted_share_of_voice
    assert Decimal("25.00") == found.share_of_voice


def test_positions_are_averaged_where_there_are_any() -> None:
    """The mean is over ranked answers; the tops are cumulative counts."""
    found = cell([answer(i, position=p) for i, p in enumerate((1, 3, 5, 10, 11))] + [answer(9)], COMPETITORS)
    assert Decimal("6.00") == found.avg_position
    assert 2 == found.appeared_in_top3
    assert 3 == found.appeared_in_top5
    assert 4 == found.appeared_in_top10


def test_citations_are_over_all_answers() -> None:
    """An answer that cites the brand without naming it counts."""
    assert Decimal("25.00") == cell([answer(1, cited=True), *map(answer, (2, 3, 4))], ()).citation_rate


def test_sentiment_is_over_scored_mentions_only() -> None:
    """Answers without a verdict are in no sentiment figure, and never neutral."""
    found = cell(
        [
            answer(1, mentioned=True, sentiment="positive", score="0.90"),
            answer(2, mentioned=True, sentiment="negative", score="0.15"),
            answer(3, mentioned=True, sentiment="neutral", score="0.50"),
            answer(4, mentioned=True),
            answer(5, sentiment="negative", score="0.00"),
        ],
        COMPETITORS,
    )
    assert 1 == found.positive_mentions
    assert 1 == found.neutral_mentions
    assert 1 == found.negative_mentions
    assert Decimal("0.52") == found.avg_sentiment_score


@pytest.mark.parametrize(("mentions", "rate"), [(1, "3.12"), (3, "9.38"), (5, "15.62")])
def test_an_exact_half_goes_to_the_even_digit(mentions: int, rate: str) -> None:
    """3.125, 9.375 and 15.625 % are rounded half to even."""
    assert Decimal(rate) == cell([answer(i, mentioned=i < mentions) for i in range(32)], ()).mention_rate


def test_bounds_are_wilsons_of_the_counts() -> None:
    """With one sample a prompt, n is the number of answers."""
    found = cell([answer(i, mentioned=i < 7) for i in range(20)], ())
    assert wilson(7, 20) == (found.mention_rate_low, found.mention_rate_high)


def test_prompts_weigh_equally_however_often_they_were_asked() -> None:
    """A prompt asked four times counts as one asked once, in every figure that is a rate or a mean."""
    often = [
        answer(1, sample=s, position=2, competitors=["Sage"], cited=True, sentiment="positive", score="0.80")
        for s in range(1, 5)
    ]
    once = answer(2, position=6, competitors=["Sage", "Quipu"], sentiment="neutral", score="0.40")
    found = cell([*often, once, answer(3)], COMPETITORS)
    assert 6 == found.total_queries
    assert 5 == found.total_mentions
    assert 4 == found.appeared_in_top3
    assert [Decimal(text) for text in ("66.67", "40.00", "51.61", "4.00", "33.33", "0.60")] == [
        found.mention_rate,
        found.share_of_voice,
        found.weighted_share_of_voice,
        found.avg_position,
        found.citation_rate,
        found.avg_sentiment_score,
    ]


def test_a_prompts_samples_are_averaged_first() -> None:
    """One mention in four samples is a quarter of a mention."""
    samples = [answer(1, sample=s, mentioned=s == 1) for s in range(1, 5)]
    assert Decimal("62.50") == cell([*samples, answer(2, mentioned=True)], ()).mention_rate


def test_samples_that_agree_do_not_narrow_the_bounds() -> None:
    """Five samples of ten prompts that each answer alike give the bounds of ten answers at the same rate."""
    repeated = [answer(i, sample=s, mentioned=i < 4) for i in range(10) for s in range(1, 6)]
    found = cell(repeated, ())
    assert wilson(4, 10) == (found.mention_rate_low, found.mention_rate_high)


answers = st.builds(
    answer,
    mentioned=st.booleans(),
    competitors=st.sets(st.sampled_from(COMPETITORS)),
    position=st.none() | st.integers(1, 15),
    competitor_positions=st.dictionaries(st.sampled_from(COMPETITORS), st.integers(1, 15)),
    cited=st.booleans(),
    sentiment=st.sampled_from(["positive", "neutral", "negative"]),
    score=st.integers(0, 100).map(lambda hundredth: f"{hundredth / 100:.2f}"),
)


def one_sample_a_prompt(found: list[Observation]) -> list[Observation]:
    return [
        answer(
            query_id,
            mentioned=o.brand_mentioned,
            competitors=o.competitors,
            position=o.position,
            competitor_positions=o.competitor_positions,
            cited=o.brand_cited,
            sentiment=o.sentiment,
            score=str(o.sentiment_score),
        )
        for query_id, o in enumerate(found)
    ]


def weight(position: int | None) -> float:
    if position is None:
        return 1.0
    return {1: 2.0, 2: 2.0, 3: 2.0, 4: 1.5, 5: 1.5, 6: 1.2, 7: 1.2, 8: 1.2, 9: 1.2, 10: 1.2}.get(position, 0.8)


@given(st.lists(answers, min_size=1, max_size=40).map(one_sample_a_prompt))
def test_one_sample_a_prompt_gives_the_plain_definitions(found: list[Observation]) -> None:
    """Every rate and mean equals the contract's formula, written out over counts."""
    figures = cell(found, COMPETITORS)
    mentions = [o for o in found if o.brand_mentioned]
    ranked = [o.position for o in found if o.position is not None]
    voices = len(mentions) + sum(len(o.competitors) for o in found)
    brand = sum(weight(o.position) for o in mentions)
    rivals = sum(weight(o.competitor_positions.get(name)) for o in found for name in o.competitors)
    scores = [float(o.sentiment_score or 0) for o in mentions]
    plain = {
        "mention_rate": (100 * len(mentions), len(found)),
        "share_of_voice": (100 * len(mentions), voices),
        "weighted_share_of_voice": (100 * brand, brand + rivals),
        "avg_position": (sum(ranked), len(ranked)),
        "citation_rate": (100 * sum(bool(o.brand_cited) for o in found), len(found)),
        "avg_sentiment_score": (sum(scores), len(scores)),
    }
    for name, (part, whole) in plain.items():
        value = getattr(figures, name)
        assert bool(whole) == (value is not None), name
        assert not whole or float(value) == pytest.approx(part / whole, abs=0.0051), name


@given(st.lists(answers, max_size=40).map(one_sample_a_prompt))
def test_a_period_of_one_cell_is_that_cell(found: list[Observation]) -> None:
    """One provider, one day, one sample: the summary's figures are the cell's, bounds included."""
    assert cell(found, COMPETITORS) == summary(found, COMPETITORS).figures
