"""`metrics`: the figures of a period, and their change from another period."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from llm_monitoring import projects
from llm_monitoring.cli.base.command import PROVIDER, example, json_option
from llm_monitoring.cli.base.output import say, show_json
from llm_monitoring.cli.base.periods import Asked, chosen_project, period_options, periods_of, project_options
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.cli.results.metrics_tables import (
    print_comparison,
    print_figures,
    print_model_changes,
    print_prompts,
)
from llm_monitoring.figures import Cell, Change, Comparison, ModelChange, PromptChange, Summary
from llm_monitoring.figures import periods as table
from llm_monitoring.figures.periods import PeriodFigures, PeriodRequest, PeriodTotals
from llm_monitoring.process.wording import PROGRAM, counted

if TYPE_CHECKING:
    from llm_monitoring.reporting.period_view import Figures


@click.command(
    epilog=example(
        "metrics 1 --previous",
        "metrics 1 --days 7 --previous --by prompt",
        "metrics 1 --from 2026-11-01 --to 2026-11-30 --provider google",
        "metrics 1 --from 2026-11-16 --to 2026-11-30 --compare-from 2026-11-01 --compare-to 2026-11-15",
    )
)
@project_options
@period_options
@click.option("--provider", type=PROVIDER, metavar="NAME", help="The answers of this provider alone.")
@click.option("--tag", help="The answers to prompts with this tag alone.")
@click.option(
    "--by",
    type=click.Choice(["provider", "prompt"]),
    default="provider",
    show_default=True,
    help="Figures by provider, or each prompt's mention rate.",
)
@json_option
@pass_session
def metrics(
    session: Session,
    /,
    number: int | None,
    project: int | None,
    provider: str | None,
    tag: str | None,
    by: str,
    *,
    as_json: bool,
    **asked: Any,
) -> None:
    """Show the figures of PROJECT over a period, in all and by provider or by prompt.

    Prompts that name the brand are counted apart and are in no other figure. Prompts weigh equally. “–” is said if
    there is nothing to measure. The interval is of 95 %.

    Compared are the prompts and providers that both periods have. The mention rate is judged at 95 %; the other
    figures are read together, so each asks for the confidence that “judged at” says.
    """
    from llm_monitoring.app import schedule_day

    wanted = None if tag is None else projects.clean_tag(tag)
    with session.app() as app:
        chosen = chosen_project(app.db, number, project)
        latest = table.latest_day(app.db, chosen) or schedule_day(app.settings)
        period, compared = periods_of(Asked(**asked), latest)
        report = table.period_figures(app.db, PeriodRequest(chosen, period, compared, provider, wanted))
    if as_json:
        show_json(report_fields(report))
    else:
        print_report(report, by_prompt=by == "prompt")


def print_report(report: PeriodFigures, *, by_prompt: bool = False) -> None:
    project = report.project
    say(f"Project {project.id}, {project.name}: {report.period}")
    if not (report.total.summary.figures.total_queries or report.total.summary.figures.branded_total_queries):
        say(f"No answer {nearest(report)}.")
    if by_prompt:
        print_prompts(report)
    else:
        print_figures(report)
    print_model_changes(report.total.summary.model_changes)
    for line in remarks(report):
        say(line)
    if report.comparison is not None and report.compared is not None and not by_prompt:
        before, after = table.in_order(report.period, report.compared)
        say("")
        say(f"Before: {before}. After: {after}. Over the prompts and providers of both:")
        print_comparison(report.comparison, report.parts)


def nearest(report: PeriodFigures) -> str:
    """Why a period has no answer: it has none at all, or none that the filters let through."""
    if report.latest is None:
        return "in this period: there is no answer at all yet"
    if report.period.first <= report.latest <= report.period.last:
        return f"of this provider or with this tag in this period: `queries tag {report.project.id}` lists the tags"
    return f"in this period: the latest day with answers is {report.latest}"


def remarks(report: PeriodFigures) -> Iterable[str]:
    """Notes about the figures, each with the command that helps."""
    number = report.project.id
    if report.read_again:
        again = counted(report.read_again, "answer was", "answers were")
        yield (
            f"Note: {again} stored with former names or rules and read again with the "
            f"present ones for these figures. `{PROGRAM} reanalyse --project {number} --preview` shows what to "
            "store."
        )
    if report.kept:
        yield (
            f"Note: {report.kept} answers without a text stand as they were read, with former names that count the "
            "same."
        )
    if report.left_out:
        yield (
            f"Note: {report.left_out} answers are in no figure: they were read with former names and their text is "
            "gone."
        )
    if report.unread:
        yield (
            f"Note: {report.unread} answers unread, which are in no figure: run `{PROGRAM} reanalyse --project "
            f"{number}`."
        )
    if not report.project.brand.domains:
        yield (
            f"No site is declared for {report.project.brand.name}, so nothing can be said of citations: "
            f"`{PROGRAM} projects edit {number} --domain HOST`."
        )


def report_fields(report: PeriodFigures) -> dict[str, Any]:
    """The report for programs: each figure under the name of its column, then with its interval and basis."""
    from llm_monitoring.reporting.period_view import period_view

    view = period_view(report)
    return {
        "project_id": report.project.id,
        "from": report.period.first,
        "to": report.period.last,
        "latest_day": report.latest,
        "all": measured_fields(report.total) | {"figures": figure_fields(view.total)},
        "by_provider": {
            name: measured_fields(each) | {"figures": figure_fields(view.by_provider[name])}
            for name, each in report.by_provider.items()
        },
        "competitors": [asdict(each) for each in view.competitors],
        "by_prompt": [prompt_fields(each, report.prompts) for each in report.by_prompt],
        "answers_read_again": report.read_again,
        "answers_kept_as_read": report.kept,
        "answers_left_out": report.left_out,
        "answers_unread": report.unread,
        "compare_from": report.compared.first if report.compared else None,
        "compare_to": report.compared.last if report.compared else None,
        "comparison": comparison_fields(report) if report.comparison else None,
    }


def figure_fields(figures: Figures) -> dict[str, Any]:
    """Each figure with its 95 % interval, and the answers and prompts that it rests on."""
    return {name: asdict(each) for name, each in figures.items()}


def prompt_fields(change: PromptChange, prompts: Mapping[int, str]) -> dict[str, Any]:
    return {**asdict(change), "prompt": prompts.get(change.query_id)}


def measured_fields(measured: PeriodTotals) -> dict[str, Any]:
    summary: Summary = measured.summary
    return {
        **cell_fields(summary.figures),
        "failed_queries": measured.failed,
        "total_cost_usd": measured.cost_usd,
        "prompts": summary.prompts,
        "providers": summary.providers,
        "first_day": summary.first_day,
        "last_day": summary.last_day,
        "model_changes": [asdict(change) for change in summary.model_changes],
    }


def cell_fields(cell: Cell) -> Mapping[str, Any]:
    return {**asdict(cell), "competitor_breakdown": dict(cell.competitor_breakdown)}


def comparison_fields(report: PeriodFigures) -> dict[str, Any]:
    comparison: Comparison | None = report.comparison
    assert comparison is not None
    changes: list[Change] = [*comparison.figures, *comparison.by_provider]
    models: Iterable[ModelChange] = comparison.model_changes
    return {
        "changes": [{**asdict(change), "improved": change.improved} for change in changes],
        "parts": [asdict(part) for part in report.parts],
        "model_changes": [asdict(change) for change in models],
    }
