"""The tables of `metrics`; no number or name is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from llm_monitoring.cli.base.output import print_table, say, terminal, usd
from llm_monitoring.figures import Cell, Change, Comparison, ModelChange, PromptChange, ProviderPart
from llm_monitoring.figures.periods import PeriodFigures, PeriodTotals

NOTHING: Final = "–"
HEADLINE_CONFIDENCE: Final = Decimal("95.00")
GAP: Final = 2
LONGEST_PROMPT: Final = 60
TITLES: Final = {
    "mention_rate": "Mention rate %",
    "share_of_voice": "Share of voice %",
    "avg_position": "Average position",
    "citation_rate": "Citation rate %",
}
Line = Mapping[str, object]


def print_columns(rows: Sequence[Line], label: str) -> None:
    """Print rows under their titles; columns beyond the width of the terminal go to further tables."""
    if not rows:
        return
    titles = [title for title in rows[0] if title != label]
    sizes = {title: GAP + max(len(title), *(len(str(row[title])) for row in rows)) for title in rows[0]}
    room = terminal().width - sizes[label]
    chunk: list[str] = []
    chunks = [chunk]
    for title in titles:
        if chunk and sum(sizes[each] for each in chunk) + sizes[title] > room:
            chunk = []
            chunks.append(chunk)
        chunk.append(title)
    for place, names in enumerate(chunks):
        if place:
            say("")
        print_table(rows, {title: title for title in (label, *names)})


def print_figures(report: PeriodFigures) -> None:
    """One line a figure, one column for all and one for each provider."""
    columns = {"All": report.total, **report.by_provider}
    rows = [
        {"Figure": title, **{name: shown(of(measured)) for name, measured in columns.items()}}
        for title, of in figure_lines(report.total.summary.figures)
    ]
    print_columns(rows, "Figure")


def figure_lines(total: Cell) -> Iterable[tuple[str, Callable[[PeriodTotals], object]]]:
    """The lines of the table: title, and the function that reads its value from a column."""
    yield "Answers", lambda m: m.summary.figures.total_queries
    yield "Prompts", lambda m: m.summary.prompts
    yield "Failed tasks", lambda m: m.failed
    yield "Answers with the brand", lambda m: m.summary.figures.total_mentions
    yield "Mention rate %", lambda m: m.summary.figures.mention_rate
    yield "  95 % interval", lambda m: interval(m.summary.figures.mention_rate_low, m.summary.figures.mention_rate_high)
    yield "Share of voice %", lambda m: m.summary.figures.share_of_voice
    yield "  weighted by position", lambda m: m.summary.figures.weighted_share_of_voice
    for name in total.competitor_breakdown:
        yield f"  answers with {name}", competitor(name)
    yield "Average position", lambda m: m.summary.figures.avg_position
    yield "In top 3 / 5 / 10", lambda m: " / ".join(map(str, tops(m.summary.figures)))
    yield "Citation rate %", lambda m: m.summary.figures.citation_rate
    yield "Positive / neutral / negative", lambda m: " / ".join(map(str, sentiments(m.summary.figures)))
    yield "Average sentiment", lambda m: m.summary.figures.avg_sentiment_score
    yield "Branded: with the brand / answers", lambda m: branded(m.summary.figures)
    yield "Cost USD", lambda m: usd(m.cost_usd)


def competitor(name: str) -> Callable[[PeriodTotals], object]:
    return lambda m: m.summary.figures.competitor_breakdown[name]


def tops(cell: Cell) -> tuple[int, int, int]:
    return cell.appeared_in_top3, cell.appeared_in_top5, cell.appeared_in_top10


def sentiments(cell: Cell) -> tuple[int, int, int]:
    return cell.positive_mentions, cell.neutral_mentions, cell.negative_mentions


def branded(cell: Cell) -> str | None:
    return f"{cell.branded_total_mentions} / {cell.branded_total_queries}" if cell.branded_total_queries else None


def interval(low: Decimal | None, high: Decimal | None) -> str | None:
    return None if low is None or high is None else f"{low} to {high}"


def print_model_changes(changes: Iterable[ModelChange]) -> None:
    for change in changes:
        say(
            f"Model changed: from {change.day} on {change.provider} answers with {change.after}, "
            f"with {change.before} before."
        )


def print_comparison(comparison: Comparison, parts: Sequence[ProviderPart] = ()) -> None:
    """One row a figure, then how much of the mention rate's change each provider makes up."""
    rows = [change_row(change) for change in (*comparison.figures, *comparison.by_provider)]
    print_columns(rows, "Figure")
    if len(parts) > 1:
        shares = ", ".join(f"{part.provider} {signed(part.part)}" for part in parts)
        say(f"Of the mention rate's {signed(comparison.mention_rate.difference)} points: {shares}.")
    print_model_changes(comparison.model_changes)


def change_row(change: Change) -> dict[str, object]:
    return {
        "Figure": f"{TITLES[change.figure]}, {change.provider or 'all'}",
        "Before": shown(change.before),
        "After": shown(change.after),
        "Difference": signed(change.difference),
        "95 % interval": interval(change.low, change.high) or NOTHING,
        "Prompts": change.prompts,
        "Pairs": change.pairs,
        "Verdict": verdict(change),
        "Judged at": judged_at(change.judged_at),
    }


def print_prompts(report: PeriodFigures) -> None:
    """One row a prompt: the largest change first or, without a comparison, the lowest rate first."""
    rows = [prompt_row(change, compared=report.compared is not None) for change in report.by_prompt]
    print_columns(rows, "Prompt")
    if rows:
        say("")
    for change in report.by_prompt:
        text = " ".join((report.prompts.get(change.query_id) or "").split())
        say(f"{change.query_id}: {text if len(text) <= LONGEST_PROMPT else text[: LONGEST_PROMPT - 1] + '…'}")


def prompt_row(change: PromptChange, *, compared: bool) -> dict[str, object]:
    rate = {"Prompt": change.query_id, "Answers": change.answers, "Mention rate %": shown(change.after.value)}
    if not compared:
        return {**rate, "95 % interval": interval(change.after.low, change.after.high) or NOTHING}
    return {
        "Prompt": change.query_id,
        "Before": shown(change.before and change.before.value),
        "of": change.answers_before,
        "After": shown(change.after.value),
        "of ": change.answers,
        "Difference": signed(change.difference),
        "95 % interval": interval(change.low, change.high) or NOTHING,
        "Verdict": change.verdict,
        "Judged at": judged_at(change.judged_at),
    }


def shown(value: object) -> str:
    return NOTHING if value is None else str(value)


def signed(value: Decimal | None) -> str:
    """A difference with its sign; zero has none."""
    return NOTHING if value is None else f"{value:+}" if value else f"{abs(value)}"


def verdict(change: Change) -> str:
    """The verdict; of positions, of which fewer is better, also what it means."""
    if change.figure != "avg_position" or change.improved is None:
        return change.verdict
    return f"{change.verdict} ({'improved' if change.improved else 'worse'})"


def judged_at(confidence: Decimal) -> str:
    return "" if confidence == HEADLINE_CONFIDENCE else f"{confidence} %"
