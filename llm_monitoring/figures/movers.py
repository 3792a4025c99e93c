"""What a change of the mention rate is made of: each provider's part in it, and each prompt's own change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import sqrt

from llm_monitoring.figures.change import CONFIDENCE, Verdict
from llm_monitoring.figures.comparison import refuse_overlap
from llm_monitoring.figures.measures import Pair, measured, mention
from llm_monitoring.figures.observations import Observation, unbranded
from llm_monitoring.figures.rates import Rate
from llm_monitoring.figures.statistics import percentage, rounded, wilson


@dataclass(frozen=True, slots=True)
class ProviderPart:
    """One provider's mention rate in two periods, and the points of the whole change that are its own.

    The parts add up to the whole difference: both are over the (prompt, provider) pairs of both periods.
    """

    provider: str
    before: Decimal | None
    after: Decimal | None
    part: Decimal | None


@dataclass(frozen=True, slots=True)
class PromptChange:
    """One prompt's mention rate in two periods with the answers that each rests on, `before` None without such.

    `low` and `high` bound the difference with 95 % confidence. `verdict` asks for Bonferroni's level over all prompts
    that are shown together, since they are read together; `judged_at` says it in percent.
    """

    query_id: int
    before: Rate | None
    after: Rate
    answers_before: int
    answers: int
    difference: Decimal | None
    low: Decimal | None
    high: Decimal | None
    verdict: Verdict
    judged_at: Decimal


def provider_parts(before: Sequence[Observation], after: Sequence[Observation]) -> tuple[ProviderPart, ...]:
    """Return the providers of a change of the mention rate, those with the largest part first."""
    refuse_overlap(before, after)
    left, right = pair_rates(before), pair_rates(after)
    pairs = left.keys() & right.keys()
    providers: dict[int, int] = defaultdict(int)
    for query_id, _ in pairs:
        providers[query_id] += 1
    found: list[tuple[Fraction, ProviderPart]] = []
    for name in sorted({provider for _, provider in pairs}):
        own = sorted(pair for pair in pairs if pair[1] == name)
        earlier, later = (mean_of([side[pair] for pair in own]) for side in (left, right))
        steps = [(right[pair] - left[pair]) / providers[pair[0]] for pair in own]
        part = mean_of(steps) * len(steps) / len(providers)
        found.append((part, ProviderPart(name, percentage(earlier), percentage(later), percentage(part))))
    return tuple(each for _, each in sorted(found, key=lambda entry: (-abs(entry[0]), entry[1].provider)))


def pair_rates(observations: Sequence[Observation]) -> Mapping[Pair, Fraction]:
    """Return the mention rate of each (prompt, provider) pair in percent, its days weighing equally."""
    mentions = measured(unbranded(observations), mention)
    return {pair: Fraction(part) / whole for pair, (part, whole, _) in mentions.sums.items()}


def mean_of(values: Sequence[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)


def prompt_changes(before: Sequence[Observation], after: Sequence[Observation]) -> tuple[PromptChange, ...]:
    """Return every prompt of the later period, those that changed most first; without `before` the lowest rate first.

    Of a prompt only the providers that both periods have are compared. A prompt's rate is that of its answers, and its
    interval is Wilson's over them. The difference of two independent rates is bounded by Newcombe's hybrid score
    interval (1998, method 10).
    """
    refuse_overlap(before, after)
    earlier, later = by_prompt(before), by_prompt(after)
    compared = len(earlier.keys() & later.keys())
    level = 1 - (1 - CONFIDENCE) / max(1, compared)
    found = [prompt_change(query_id, earlier.get(query_id, ()), later[query_id], level) for query_id in later]
    return tuple(sorted(found, key=order))


def order(change: PromptChange) -> tuple[Decimal, Decimal, int]:
    return -abs(change.difference or Decimal(0)), change.after.value or Decimal(0), change.query_id


def by_prompt(observations: Sequence[Observation]) -> Mapping[int, list[Observation]]:
    found: dict[int, list[Observation]] = defaultdict(list)
    for o in unbranded(observations):
        found[o.query_id].append(o)
    return found


def prompt_change(
    query_id: int, before: Sequence[Observation], after: Sequence[Observation], level: float
) -> PromptChange:
    shared = {o.provider for o in before} & {o.provider for o in after}
    left = [o.brand_mentioned for o in before if o.provider in shared]
    right = [o.brand_mentioned for o in after if not shared or o.provider in shared]
    if not left:
        return PromptChange(
            query_id, None, plain_rate(right), 0, len(right), None, None, None, "too little data", rounded(100 * level)
        )
    low, high = newcombe(left, right, CONFIDENCE)
    strict_low, strict_high = newcombe(left, right, level)
    gap = Fraction(100 * sum(right), len(right)) - Fraction(100 * sum(left), len(left))
    verdict: Verdict = "up" if strict_low > 0 else "down" if strict_high < 0 else "within noise"
    return PromptChange(
        query_id=query_id,
        before=plain_rate(left),
        after=plain_rate(right),
        answers_before=len(left),
        answers=len(right),
        difference=percentage(gap),
        low=rounded(low),
        high=rounded(high),
        verdict=verdict,
        judged_at=rounded(100 * level),
    )


def plain_rate(said: Sequence[bool]) -> Rate:
    """Return the rate of one prompt's answers, each counting the same."""
    return Rate(percentage(Fraction(100 * sum(said), len(said))), *wilson(sum(said), len(said)))


def newcombe(before: Sequence[bool], after: Sequence[bool], confidence: float) -> tuple[float, float]:
    """Return the bounds of the difference of two rates, in points."""
    (rate, low, high), (other, other_low, other_high) = (scored(said, confidence) for said in (before, after))
    gap = other - rate
    return (
        gap - sqrt((other - other_low) ** 2 + (high - rate) ** 2),
        gap + sqrt((other_high - other) ** 2 + (rate - low) ** 2),
    )


def scored(said: Sequence[bool], confidence: float) -> tuple[float, float, float]:
    low, high = wilson(sum(said), len(said), confidence)
    return 100 * sum(said) / len(said), float(low or 0), float(high or 0)
