"""What changed between two periods, and what is noise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random

import numpy as np
import pytest

from llm_monitoring.errors import BadInput
from llm_monitoring.figures.cells import summary
from llm_monitoring.figures.comparison import Comparison, compare, rows_of
from llm_monitoring.figures.measures import measured, mention
from llm_monitoring.figures.observations import ModelChange, Observation
from llm_monitoring.figures.spread import Bootstrap
from tests.unit.analysis_figures.answers import (
    COMPETITORS,
    FIRST_DAY,
    NEXT_MONTH,
    answer,
    period,
    uneven_rates,
)


def one_day(mentions: Sequence[int], day: int, **common: object) -> list[Observation]:
    """Return a day with one answer a prompt, prompt i mentioning the brand where `mentions[i]`."""
    start = FIRST_DAY + timedelta(days=day)
    return [answer(i, day=start, mentioned=bool(m), **common) for i, m in enumerate(mentions)]  # type: ignore[arg-type]


def simulated(seed: int, *, shift: float, prompts: int = 15) -> Comparison:
    random = Random(seed)
    rates = uneven_rates(random, prompts)
    before = period(random, FIRST_DAY, rates)
    after = period(random, NEXT_MONTH, [rate + shift for rate in rates])
    return compare(before, after, COMPETITORS, resamples=200, seed=seed)


@pytest.mark.parametrize("draws", [80, pytest.param(200, marks=pytest.mark.long)])
def test_periods_of_noise_are_within_noise(draws: int) -> None:
    """If nothing changed, the headline is wrong one time in twenty, and so are all others together."""
    found = [simulated(seed, shift=0) for seed in range(draws)]
    headline = Counter(comparison.mention_rate.verdict for comparison in found)
    alarms = sum(
        change.verdict in ("up", "down")
        for c in found
        for change in (c.share_of_voice, c.avg_position, c.citation_rate, *c.by_provider)
    )
    assert headline.total() == draws
    assert 0.91 * draws <= headline["within noise"] <= 0.99 * draws
    assert alarms <= 0.09 * draws


def test_a_real_change_is_found() -> None:
    """Fifteen points more on 15 prompts, two providers and seven days is seen, and in the right direction."""
    verdicts = Counter(simulated(seed, shift=0.15).mention_rate.verdict for seed in range(40))
    assert verdicts["up"] >= 32
    assert verdicts["down"] == 0


@pytest.mark.parametrize("draws", [60, pytest.param(150, marks=pytest.mark.long)])
def test_the_interval_holds_the_true_change(draws: int) -> None:
    """95 % intervals of the difference miss a true change of ten points about one time in twenty."""
    misses = 0
    for seed in range(draws):
        change = simulated(seed, shift=0.1).mention_rate
        assert change.low is not None
        assert change.high is not None
        misses += not change.low <= 10 <= change.high
    assert 1 <= misses <= 0.11 * draws


def test_standard_error_is_numpys() -> None:
    """For a mean, the draws' standard error is the closed form's, s over the root of n."""
    random = Random(1)
    before = period(random, FIRST_DAY, uneven_rates(random, 12))
    after = period(random, NEXT_MONTH, uneven_rates(random, 12))
    rows = rows_of(measured(before, mention), measured(after, mention))
    changes = np.array([float(row[2] - row[0]) for row in rows])
    closed_form = changes.std(ddof=1) / np.sqrt(len(changes))
    assert closed_form == pytest.approx(Bootstrap(8000, seed=1).standard_error(rows), rel=0.03)


def test_the_same_input_gives_the_same_output() -> None:
    """Reproducible in any order of the answers, and another seed moves nothing but the interval."""
    random = Random(4)
    rates = uneven_rates(random, 12)
    before, after = period(random, FIRST_DAY, rates), period(random, NEXT_MONTH, rates)
    first = compare(before, after, COMPETITORS)
    shuffled = compare(random.sample(before, len(before)), random.sample(after, len(after)), COMPETITORS)
    other = compare(before, after, COMPETITORS, seed=1)
    assert first == shuffled
    assert first.mention_rate.low != other.mention_rate.low
    assert first.mention_rate.difference == other.mention_rate.difference


def test_only_pairs_of_both_periods_count() -> None:
    """A prompt or a provider that only one period has moves no figure."""
    before, after = one_day([1, 0, 0, 0, 1, 0, 0, 1], 0), one_day([1, 0, 1, 0, 1, 0, 0, 1], 9)
    more_before = [answer(1, provider="google", mentioned=True), answer(50, mentioned=True)]
    more_after = [
        answer(51, day=NEXT_MONTH, mentioned=True),
        answer(1, provider="perplexity", day=NEXT_MONTH),
    ]
    plain = compare(before, after, COMPETITORS)
    assert plain == compare([*before, *more_before], [*after, *more_after], COMPETITORS)
    assert 8 == plain.mention_rate.prompts
    assert 8 == plain.mention_rate.pairs
    assert Decimal("37.50") == plain.mention_rate.before
    assert Decimal("50.00") == plain.mention_rate.after
    assert Decimal("12.50") == plain.mention_rate.difference


def test_a_pair_weighs_the_same_however_many_days_it_has() -> None:
    """Prompts weigh equally in a period, whatever went missing in it."""
    before = one_day([1] * 4 + [0] * 4, 0)
    after = [*one_day([1] * 4 + [0] * 4, 9), *one_day([1] * 4, 10), *one_day([1] * 4, 11)]
    assert Decimal("0.00") == compare(before, after, ()).mention_rate.difference


def test_branded_prompts_are_left_out() -> None:
    """Prompts that name the brand change nothing."""
    before, after = one_day([0] * 8, 0), one_day([0] * 8, 9)
    branded = [answer(i, day=NEXT_MONTH, branded=True, mentioned=True) for i in range(8)]
    assert compare(before, after, ()) == compare(before, [*after, *branded], ())


def test_both_sides_are_the_summaries_of_the_same_pairs() -> None:
    """Where both periods have the same pairs, before and after are the periods' own figures."""
    random = Random(8)
    rates = uneven_rates(random, 10)
    before, after = period(random, FIRST_DAY, rates), period(random, NEXT_MONTH, rates, days=3, samples=2)
    found = compare(before, after, COMPETITORS, resamples=10)
    for name in ("mention_rate", "share_of_voice", "citation_rate"):
        change = getattr(found, name)
        assert getattr(summary(before, COMPETITORS).figures, name) == change.before, name
        assert getattr(summary(after, COMPETITORS).figures, name) == change.after, name


@pytest.mark.parametrize(("prompts", "verdict"), [(5, "too little data"), (6, "up")])
def test_fewer_than_six_prompts_are_too_little_data(prompts: int, verdict: str) -> None:
    """Five prompts that all move alike prove nothing; six do."""
    change = compare(one_day([0] * prompts, 0), one_day([1] * prompts, 9), ()).mention_rate
    assert verdict == change.verdict
    assert Decimal("100.00") == change.difference


def test_too_little_data_has_no_interval() -> None:
    """What cannot be bounded is null, and the difference is still said."""
    change = compare(one_day([0, 1], 0), one_day([1, 1], 9), ()).mention_rate
    assert change.low is None
    assert change.high is None
    assert Decimal("50.00") == change.difference
    assert change.improved is None


def test_share_of_voice_needs_voices_in_both_periods() -> None:
    """Prompts in which nobody is named tell nothing of shares, and periods without any have none."""
    before = one_day([1] * 5 + [0] * 15, 0, competitors=[])
    after = one_day([1] * 20, 9, competitors=["Sage"])
    assert compare(before, after, COMPETITORS).share_of_voice.verdict == "too little data"
    silent = compare(one_day([0] * 9, 0), after, COMPETITORS).share_of_voice
    assert silent.before is None
    assert silent.difference is None
    assert "too little data" == silent.verdict


def test_share_of_voice_needs_competitors() -> None:
    """Without competitors there is no share to compare."""
    change = compare(one_day([1] * 9, 0), one_day([1] * 9, 9), ()).share_of_voice
    assert change.before is None
    assert change.after is None
    assert 0 == change.pairs
    assert "too little data" == change.verdict


def test_share_of_voice_knows_tracked_competitors_only() -> None:
    """A name that the project no longer tracks has no voice."""
    before = one_day([1] * 9, 0, competitors=["Sage", "Gone"])
    after = one_day([1] * 9, 9, competitors=["Sage"])
    change = compare(before, after, ["Sage"]).share_of_voice
    assert change.before == Decimal("50.00")
    assert change.after == Decimal("50.00")


def test_a_lower_position_is_an_improvement() -> None:
    """From 8th to 3rd the number goes down and the brand improves, over pairs ranked in both periods only."""
    before = [answer(i, position=8 + i % 2) for i in range(10)] + [answer(20, position=40)]
    after = [answer(i, day=NEXT_MONTH, position=3) for i in range(10)] + [answer(20, day=NEXT_MONTH)]
    change = compare(before, after, ()).avg_position
    assert Decimal("8.50") == change.before
    assert Decimal("3.00") == change.after
    assert "down" == change.verdict
    assert change.improved is True
    assert 10 == change.pairs


def test_improvement_follows_the_verdict() -> None:
    """A falling rate is no improvement, and noise is neither."""
    fallen = compare(one_day([1] * 9, 0), one_day([0] * 9, 9), ()).mention_rate
    same = compare(one_day([1] * 9, 0), one_day([1] * 9, 9), ()).mention_rate
    assert "down" == fallen.verdict
    assert fallen.improved is False
    assert "within noise" == same.verdict
    assert same.improved is None


def test_figures_read_together_are_judged_more_strictly() -> None:
    """Only those with enough data count: citations and two providers are three, each at 98.33 %."""
    random = Random(2)
    before = period(random, FIRST_DAY, [0.3] * 9)
    after = period(random, NEXT_MONTH, [0.3] * 9)
    found = compare(before, after, ())
    assert [("google", Decimal("98.33")), ("openai", Decimal("98.33"))] == [
        (change.provider, change.judged_at) for change in found.by_provider
    ]
    assert Decimal("95.00") == found.mention_rate.judged_at
    assert Decimal("98.33") == found.citation_rate.judged_at


def test_a_stricter_judge_can_overrule_the_interval() -> None:
    """A citation rate whose 95 % interval leaves out zero stays within noise among four figures."""
    cited = [answer(i, day=NEXT_MONTH, provider=p, cited=i < 6) for i in range(24) for p in ("openai", "google")]
    plain = [answer(i, provider=p) for i in range(24) for p in ("openai", "google")]
    change = compare(plain, cited, ()).citation_rate
    assert change.low is not None
    assert change.low > 0
    assert change.verdict == "up"
    fewer = [answer(i, day=NEXT_MONTH, provider=p, cited=i < 5) for i in range(24) for p in ("openai", "google")]
    change = compare(plain, fewer, ()).citation_rate
    assert change.low is not None
    assert change.low > 0
    assert change.verdict == "within noise"


def test_one_provider_does_not_repeat_the_headline() -> None:
    """With one provider in both periods, there is no table by provider."""
    before = [*one_day([1] * 8, 0), *one_day([1] * 8, 0, provider="google")]
    assert compare(before, one_day([1] * 8, 9), ()).by_provider == ()


def test_changes_of_model_are_listed_from_the_first_day_to_the_last() -> None:
    """A change inside a period and one in the gap between them are both said, whatever the verdict."""
    before = [*one_day([1] * 8, 0, model_id="a"), *one_day([1] * 8, 1, model_id="b")]
    after = one_day([1] * 8, 9, model_id="c")
    assert (
        ModelChange("openai", FIRST_DAY + timedelta(days=1), "a", "b"),
        ModelChange("openai", FIRST_DAY + timedelta(days=9), "b", "c"),
    ) == compare(before, after, ()).model_changes


@pytest.mark.parametrize("days", [(0, 0), (9, 0)])
def test_periods_must_follow_one_another(days: tuple[int, int]) -> None:
    """Overlapping or swapped periods are refused."""
    with pytest.raises(BadInput):
        compare(one_day([1], days[0]), one_day([1], days[1]), ())


def test_an_empty_period_is_too_little_data() -> None:
    """Nothing to compare with is said, not failed."""
    found = compare([], one_day([1] * 9, 9), COMPETITORS)
    assert "too little data" == found.mention_rate.verdict
    assert found.mention_rate.before is None
    assert 0 == found.mention_rate.prompts


def test_intervals_of_rates_stay_within_the_possible() -> None:
    """A difference of percentages is never bounded beyond a hundred points."""
    after = one_day([1] * 11 + [0], 9)
    change = compare(one_day([0] * 12, 0), after, ()).mention_rate
    assert Decimal("100.00") == change.high
    assert "up" == change.verdict
