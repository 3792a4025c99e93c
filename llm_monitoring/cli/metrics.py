"""`metrics`: a period's figures, and what changed against another period."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any, Final

import click

from llm_monitoring import metrics as table
from llm_monitoring.analysis.comparison import Change, Comparison
from llm_monitoring.analysis.figures import Cell, ModelChange, Summary
from llm_monitoring.cli.command import PROGRAM, PROJECT, example, json_option
from llm_monitoring.cli.output import print_table, say, show_json, usd
from llm_monitoring.cli.periods import DAY, check_order
from llm_monitoring.cli.session import Session, pass_session
from llm_monitoring.errors import BadInput
from llm_monitoring.metrics import Measured, Period, Report

NOTHING: Final = "–"
HEADLINE_CONFIDENCE: Final = Decimal("95.00")
TITLES: Final = {
    "mention_rate": "Mention rate %",
    "share_of_voice": "Share of voice %",
    "avg_position": "Average position",
    "citation_rate": "Citation rate %",
}


@click.command(
    epilog=example(
        "metrics --project 1 --from 2026-11-01 --to 2026-11-15",
        "metrics --project 1 --from 2026-11-16 --to 2026-11-30 --compare-from 2026-11-01 --compare-to 2026-11-15",
    )
)
@click.option("--project", "project", type=PROJECT, required=True, help="Whose figures.")
@click.option("--from", "first", type=DAY, required=True, help="First day.")
@click.option("--to", "last", type=DAY, required=True, help="Last day.")
@click.option("--compare-from", "other_first", type=DAY, help="First day of the period to compare with.")
@click.option("--compare-to", "other_last", type=DAY, help="Last day of the period to compare with.")
@json_option
@pass_session
def metrics(
    session: Session, /, project: int, first: date, last: date, other_first: date | None, other_last: date | None,
    *, as_json: bool,
) -> None:  # fmt: skip
    """Show a project's figures over a period, in all and by provider.

    Prompts that name the brand are counted apart and are in no other figure. Prompts weigh equally. “–” is said where
    there is nothing to measure. The interval is of 95 %.

    Compared are the prompts and providers that both periods have. The mention rate is judged at 95 %; the other
    figures are read together, so each asks for the confidence that “judged at” says.
    """
    check_order(first, last)
    if (other_first is None) != (other_last is None):
        raise BadInput("a comparison needs both --compare-from and --compare-to")
    check_order(other_first, other_last, "--compare-from and --compare-to")
    compared = Period(other_first, other_last) if other_first and other_last else None
    with session.tools() as tools:
        report = table.report(tools.db, project, Period(first, last), compared)
    if as_json:
        show_json(report_fields(report))
    else:
        print_report(report)


def print_report(report: Report) -> None:
    project = report.project
    say(f"Project {project.id}, {project.name}: {report.period}")
    print_figures(report)
    print_model_changes(report.total.summary.model_changes)
    if report.read_otherwise:
        gone = report.read_otherwise - report.readable
        way = f" `{PROGRAM} reanalyse --project {project.id} --preview`." if report.readable else ""
        say(f"Note: {report.read_otherwise} answers were read with other names or rules than the project's present "
            f"ones{f', {gone} of them without a text to read anew' if gone else ''}.{way}")  # fmt: skip
    if report.comparison is not None and report.compared is not None:
        before, after = table.in_order(report.period, report.compared)
        say("")
        say(f"Before: {before}. After: {after}. Over the prompts and providers of both:")
        print_comparison(report.comparison)


def print_figures(report: Report) -> None:
    """One line a figure, one column for all and one for each provider."""
    columns = {"All": report.total, **report.by_provider}
    rows = [
        {"figure": title, **{name: of(measured) for name, measured in columns.items()}}
        for title, of in figure_lines(report.total.summary.figures)
    ]
    shown: dict[str, Callable[[Any], object]] = {name: shower(name) for name in columns}
    print_table(rows, {"Figure": "figure", **shown})


def shower(name: str) -> Callable[[Any], object]:
    return lambda row: NOTHING if row[name] is None else str(row[name])


def figure_lines(total: Cell) -> Iterable[tuple[str, Callable[[Measured], object]]]:
    """The lines of the table: title, and what it shows of a column."""
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


def competitor(name: str) -> Callable[[Measured], object]:
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
        say(f"Model changed: from {change.day} on {change.provider} answers with {change.after}, "
            f"with {change.before} before.")  # fmt: skip


def print_comparison(comparison: Comparison) -> None:
    rows = [change_row(change) for change in changes_of(comparison)]
    print_table(rows, {title: title for title in rows[0]})
    print_model_changes(comparison.model_changes)


def change_row(change: Change) -> dict[str, object]:
    return {
        "Figure": TITLES[change.figure],
        "Of": change.provider or "all",
        "Before": shown(change.before),
        "After": shown(change.after),
        "Difference": NOTHING if change.difference is None else f"{change.difference:+}",
        "95 % interval": interval(change.low, change.high) or NOTHING,
        "Prompts": change.prompts,
        "Pairs": change.pairs,
        "Verdict": verdict(change),
        "Judged at": judged_at(change),
    }


def changes_of(comparison: Comparison) -> list[Change]:
    """The mention rate, what stands behind it, and each provider's mention rate."""
    figures = [comparison.mention_rate, comparison.share_of_voice, comparison.avg_position, comparison.citation_rate]
    return [*figures, *comparison.by_provider]


def shown(value: Decimal | None) -> str:
    return NOTHING if value is None else str(value)


def verdict(change: Change) -> str:
    """The verdict; of positions, where less is more, also what it means."""
    if change.figure != "avg_position" or change.improved is None:
        return change.verdict
    return f"{change.verdict} ({'improved' if change.improved else 'worse'})"


def judged_at(change: Change) -> str:
    return "" if change.judged_at == HEADLINE_CONFIDENCE else f"{change.judged_at} %"


def report_fields(report: Report) -> dict[str, Any]:
    """The report for programs, every figure by the name of its column."""
    return {
        "project_id": report.project.id,
        "from": report.period.first,
        "to": report.period.last,
        "all": measured_fields(report.total),
        "by_provider": {name: measured_fields(each) for name, each in report.by_provider.items()},
        "answers_read_otherwise": report.read_otherwise,
        "answers_to_reanalyse": report.readable,
        "compare_from": report.compared.first if report.compared else None,
        "compare_to": report.compared.last if report.compared else None,
        "comparison": comparison_fields(report.comparison) if report.comparison else None,
    }


def measured_fields(measured: Measured) -> dict[str, Any]:
    summary: Summary = measured.summary
    return {
        **cell_fields(summary.figures), "failed_queries": measured.failed, "total_cost_usd": measured.cost_usd,
        "prompts": summary.prompts, "providers": summary.providers, "first_day": summary.first_day,
        "last_day": summary.last_day, "model_changes": [asdict(change) for change in summary.model_changes],
    }  # fmt: skip


def cell_fields(cell: Cell) -> Mapping[str, Any]:
    return {**asdict(cell), "competitor_breakdown": dict(cell.competitor_breakdown)}


def comparison_fields(comparison: Comparison) -> dict[str, Any]:
    return {
        "changes": [{**asdict(change), "improved": change.improved} for change in changes_of(comparison)],
        "model_changes": [asdict(change) for change in comparison.model_changes],
    }
