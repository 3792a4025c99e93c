"""What changed between two periods, and whether the change is more than noise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

from llm_monitoring.errors import Invalid
from llm_monitoring.figures.cells import MIN_PROMPTS, ModelChange, Observation, model_changes, prompt_weights, unbranded
from llm_monitoring.figures.spread import Measured, Pair, Row, Spread, answers_error, margins, spread_of, standard_error
from llm_monitoring.figures.statistics import hundredths, percentage, rounded

Figure = Literal["mention_rate", "share_of_voice", "avg_position", "citation_rate"]
Verdict = Literal["up", "down", "within noise", "too little data"]
Measure = Callable[[Observation], tuple[int, int] | None]
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Change:
    """One figure in two periods, over the (prompt, provider) pairs that both have.

    `before`, `after`, `difference`, `low` and `high` are percentage points, places for `avg_position`;
    `low` and `high` bound the difference with 95 % confidence. `provider` is None over all of them.
    `verdict` says where the number went; `judged_at` is the confidence, in percent, that it asked for.
    """

    figure: Figure
    provider: str | None
    before: Decimal | None
    after: Decimal | None
    difference: Decimal | None
    low: Decimal | None
    high: Decimal | None
    prompts: int
    pairs: int
    verdict: Verdict
    judged_at: Decimal

    @property
    def improved(self) -> bool | None:
        """Whether it is good for the brand, as a lower position is; None unless the verdict is up or down."""
        if self.verdict not in ("up", "down"):
            return None
        return (self.verdict == "up") != (self.figure == "avg_position")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two periods side by side: the mention rate is the headline, the other figures stand behind it.

    `by_provider` has each provider's mention rate, and is empty where there is one provider.
    `model_changes` are those from the first day of the earlier period to the last of the later one.
    """

    mention_rate: Change
    share_of_voice: Change
    avg_position: Change
    citation_rate: Change
    by_provider: tuple[Change, ...]
    model_changes: tuple[ModelChange, ...]

    @property
    def figures(self) -> tuple[Change, ...]:
        """The mention rate, and what stands behind it."""
        return self.mention_rate, self.share_of_voice, self.avg_position, self.citation_rate


@dataclass(frozen=True, slots=True)
class Estimate:
    """A difference and its uncertainty, None if too few prompts have something to compare."""

    figure: Figure
    provider: str | None
    before: Fraction | None
    after: Fraction | None
    spread: Spread | None
    prompts: int
    pairs: int


def compare(
    before: Sequence[Observation],
    after: Sequence[Observation],
    competitors: Sequence[str],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Return what changed from `before` to `after`, unbranded prompts only; the same input, the same output.

    Only (prompt, provider) pairs with answers in both periods count (for `avg_position`, with a position in
    both), and prompts weigh equally. Prompts are drawn with replacement, each with all its answers, since
    the answers of one prompt are not independent; the interval is the difference plus and minus Student's t
    times the standard error of those draws. (Their percentiles would double the false alarms of ten prompts.)
    If prompts agree more closely than their answers allow, or nothing varies at all, the interval is that of
    `spread.margins`: no interval has a width of zero, and no verdict comes from one.

    `too little data`: fewer than MIN_PROMPTS prompts with something to compare in either period.

    Against false alarms, the mention rate alone is judged at 95 %. The other figures and the providers are
    read together, so each is judged at Bonferroni's 1 - 5 % / (how many they are): where nothing changed, at
    most one comparison in twenty shows any of them as a change. Their `low` and `high` stay at 95 %, so one
    may be `within noise` though its interval leaves out zero. Comparing anew every day until something
    turns up adds false alarms that nothing here takes away, and a swing that all prompts share for some
    days, as when a provider changes its index, is a change like any other.

    Raises BadInput where the later period does not start after the earlier one.
    """
    refuse_overlap(before, after)
    earlier, later = unbranded(before), unbranded(after)

    def estimated(figure: Figure, measure: Measure, provider: str | None = None) -> Estimate:
        left, right = measured(measure, of(provider, earlier)), measured(measure, of(provider, later))
        pairs = left.keys() & right.keys()
        rows, spread = rows_of(left, right, pairs), None
        if enough(rows):
            answers = answers_error((left, right), rows, pairs)
            limits = possible(figure, left, right)
            spread = spread_of(rows, standard_error(rows, resamples, seed), answers, *limits)
        return Estimate(figure, provider, *ratios(rows), spread, len(rows), len(pairs))

    headline = estimated("mention_rate", mention)
    others = [
        estimated("share_of_voice", share_among(competitors)),
        estimated("avg_position", position),
        estimated("citation_rate", citation),
        *(estimated("mention_rate", mention, provider) for provider in shared_providers(earlier, later)),
    ]
    family = sum(other.spread is not None for other in others)
    level = 1 - (1 - CONFIDENCE) / max(1, family)
    share_of_voice, avg_position, citation_rate, *by_provider = (judge(other, level) for other in others)
    return Comparison(
        mention_rate=judge(headline, CONFIDENCE),
        share_of_voice=share_of_voice,
        avg_position=avg_position,
        citation_rate=citation_rate,
        by_provider=tuple(by_provider),
        model_changes=model_changes([*before, *after]),
    )


def refuse_overlap(before: Sequence[Observation], after: Sequence[Observation]) -> None:
    if before and after and max(o.day for o in before) >= min(o.day for o in after):
        raise Invalid("period", "the later period must start after the earlier one has ended")


def of(provider: str | None, observations: Sequence[Observation]) -> Sequence[Observation]:
    return observations if provider is None else [o for o in observations if o.provider == provider]


def shared_providers(earlier: Sequence[Observation], later: Sequence[Observation]) -> list[str]:
    """Return the providers of both periods, none where there is only one: it would repeat the headline."""
    shared = {o.provider for o in earlier} & {o.provider for o in later}
    return sorted(shared) if len(shared) > 1 else []


def mention(observation: Observation) -> tuple[int, int]:
    return 100 * observation.brand_mentioned, 1


def citation(observation: Observation) -> tuple[int, int] | None:
    return None if observation.brand_cited is None else (100 * observation.brand_cited, 1)


def position(observation: Observation) -> tuple[int, int] | None:
    return None if observation.position is None else (observation.position, 1)


def share_among(competitors: Sequence[str]) -> Measure:
    """Return the measure of the brand among all tracked mentions, which needs competitors to say anything."""
    tracked = frozenset(competitors)

    def measure(observation: Observation) -> tuple[int, int] | None:
        brand = int(observation.brand_mentioned)
        return (100 * brand, brand + len(tracked & observation.competitors)) if tracked else None

    return measure


def rows_of(left: dict[Pair, list[Measured]], right: dict[Pair, list[Measured]], pairs: AbstractSet[Pair]) -> list[Row]:
    """Return a row for each prompt of the (prompt, provider) pairs in both periods."""
    before, after = totals(left, pairs), totals(right, pairs)
    return [(*before[query_id], *after[query_id]) for query_id in sorted(before)]


def possible(
    figure: Figure, left: dict[Pair, list[Measured]], right: dict[Pair, list[Measured]]
) -> tuple[float, float]:
    """Return the least and the most by which one prompt could change; for positions as far as places seen lie apart."""
    if figure != "avg_position":
        return -100.0, 100.0
    places = [part for side in (left, right) for entries in side.values() for _, part, _ in entries]
    reach = float(max(1, max(places) - min(places)))
    return -reach, reach


def measured(measure: Measure, observations: Sequence[Observation]) -> dict[Pair, list[Measured]]:
    """Return the answers that the measure applies to, with what it says of each, by (prompt, provider)."""
    found: dict[Pair, list[Measured]] = defaultdict(list)
    for o in observations:
        if (value := measure(o)) is not None:
            found[o.query_id, o.provider].append((o, *value))
    return found


def totals(found: dict[Pair, list[Measured]], pairs: AbstractSet[Pair]) -> dict[int, tuple[Fraction, Fraction]]:
    """Return each prompt's numerator and denominator over these pairs, every prompt weighing 1."""
    kept = [entry for pair in pairs for entry in found[pair]]
    parts: dict[int, int] = defaultdict(int)
    wholes: dict[int, int] = defaultdict(int)
    weights: dict[int, int] = defaultdict(int)
    for weight, (o, part, whole) in zip(prompt_weights([o for o, _, _ in kept]), kept, strict=True):
        parts[o.query_id] += weight * part
        wholes[o.query_id] += weight * whole
        weights[o.query_id] += weight
    return {
        query_id: (Fraction(parts[query_id], weight), Fraction(wholes[query_id], weight))
        for query_id, weight in weights.items()
    }


def ratios(rows: Sequence[Row]) -> tuple[Fraction | None, Fraction | None]:
    """Return the figure before and after."""
    part_before, whole_before, part_after, whole_after = (sum(row[i] for row in rows) for i in range(4))
    return (
        Fraction(part_before) / whole_before if whole_before else None,
        Fraction(part_after) / whole_after if whole_after else None,
    )


def enough(rows: Sequence[Row]) -> bool:
    """Say whether MIN_PROMPTS prompts have something to compare in each period."""
    return min(sum(row[1] > 0 for row in rows), sum(row[3] > 0 for row in rows)) >= MIN_PROMPTS


def judge(estimate: Estimate, confidence: float) -> Change:
    """Return the change with its 95 % interval and the verdict at `confidence`."""
    low, high = interval(estimate)
    return Change(
        figure=estimate.figure,
        provider=estimate.provider,
        before=shown(estimate.figure, estimate.before),
        after=shown(estimate.figure, estimate.after),
        difference=shown(estimate.figure, difference(estimate)),
        low=low,
        high=high,
        prompts=estimate.prompts,
        pairs=estimate.pairs,
        verdict=verdict(estimate, confidence),
        judged_at=rounded(100 * confidence),
    )


def difference(estimate: Estimate) -> Fraction | None:
    if estimate.before is None or estimate.after is None:
        return None
    return estimate.after - estimate.before


def shown(figure: Figure, value: Fraction | None) -> Decimal | None:
    return hundredths(value) if figure == "avg_position" else percentage(value)


def bounds(estimate: Estimate, confidence: float) -> tuple[float, float] | None:
    """Return the bounds of the difference at `confidence`; None if too few prompts allow them."""
    gap = difference(estimate)
    if gap is None or estimate.spread is None:
        return None
    below, above = margins(estimate.spread, float(gap), confidence)
    return float(gap) - below, float(gap) + above


def interval(estimate: Estimate) -> tuple[Decimal, Decimal] | tuple[None, None]:
    found = bounds(estimate, CONFIDENCE)
    if found is None:
        return None, None
    low, high = found
    if estimate.figure == "avg_position":
        return rounded(low), rounded(high)
    return rounded(max(-100.0, low)), rounded(min(100.0, high))


def verdict(estimate: Estimate, confidence: float) -> Verdict:
    found = bounds(estimate, confidence)
    if found is None:
        return "too little data"
    low, high = found
    if low <= 0 <= high:
        return "within noise"
    return "up" if low > 0 else "down"
