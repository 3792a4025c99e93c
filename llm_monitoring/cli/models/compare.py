"""`models compare`: asks a project's prompts to two models, within its user's budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import click

from llm_monitoring.cli.base.command import PROJECT, example, json_option
from llm_monitoring.cli.base.output import Columns, print_table, say, show_json, usd
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.cli.models.options import require_person, yes_option
from llm_monitoring.errors import MonitoringError
from llm_monitoring.process.progress import bar
from llm_monitoring.process.wording import counted

if TYPE_CHECKING:
    from llm_monitoring.domain import ProviderName
    from llm_monitoring.model_review.comparison import ComparisonPlan, ComparisonStats, ModelComparison

FIGURES: Final = {"mention_rate": "Mention rate, %", "avg_position": "Position in lists"}
COMPARED: Final[Columns] = {
    "Figure": lambda row: FIGURES[row["figure"]],
    "Old": "before",
    "New": "after",
    "Difference": "difference",
    "95 % interval": lambda row: interval(row["low"], row["high"]),
    "Verdict": "verdict",
    "Prompts": "prompts",
}


@click.command(epilog=example("models compare gpt-6.1-terra gpt-6-luna --project 1 --samples 3"))
@click.argument("old")
@click.argument("new")
@click.option(
    "--project",
    "project_id",
    type=PROJECT,
    required=True,
    help="The project with the prompts to ask, at its user's expense.",
)
@click.option(
    "--samples", type=click.IntRange(1, 20), default=1, show_default=True, help="How often to ask each prompt."
)
@yes_option
@json_option
@pass_session
def compare(session: Session, old: str, new: str, project_id: int, samples: int, *, yes: bool, as_json: bool) -> None:
    """Ask a project's prompts to two models, OLD and NEW, and show what a switch would change by itself.

    The difference is paired by prompt, with its 95 % interval. Prompts that name the brand are left out, as no headline
    figure counts them. Neither results nor figures of any day are touched. Both models need a price.
    """
    from llm_monitoring.model_review import comparison

    with session.app() as app:
        plan = comparison.plan_comparison(app, project_id, old, new, samples)
        if not as_json:
            say(plan_line(plan))
        require_person(yes=yes)
        if not yes and not click.confirm("Ask them?", err=True):
            say("Nothing was asked.")
            return
        with bar("Questions", len(plan.questions)) as on_progress:
            found = comparison.compare_models(app, plan, on_progress)
    if as_json:
        show_json(comparison_fields(found, plan))
    else:
        show_comparison(found, plan.old.provider)
    if not found.old.answers or not found.new.answers:
        why = stop_text(found.stopped, plan.old.provider) if found.stopped else "a model gave no valid answer"
        raise MonitoringError(f"there is nothing to compare: {why}")


def plan_line(plan: ComparisonPlan) -> str:
    left_out = f" ({plan.branded} that name the brand are left out)" if plan.branded else ""
    return (
        f"{plan.prompts} prompts of project {plan.tracked.project.id}{left_out} are {len(plan.questions)} questions to "
        f"{plan.old.model_id} and {plan.new.model_id}, which cost at most {usd(plan.ceiling_usd)} USD, "
        f"paid by user {plan.user_id}."
    )


def comparison_fields(found: ModelComparison, plan: ComparisonPlan) -> dict[str, Any]:
    return {
        "old": asdict(found.old),
        "new": asdict(found.new),
        "ceiling_usd": plan.ceiling_usd,
        "mention_rate": asdict(found.comparison.mention_rate),
        "avg_position": asdict(found.comparison.avg_position),
        "stopped": found.stopped,
    }


def show_comparison(found: ModelComparison, provider: ProviderName) -> None:
    """Print the differences, then what they cost."""
    changes = (found.comparison.mention_rate, found.comparison.avg_position)
    print_table([asdict(change) for change in changes], COMPARED)
    for stats in (found.old, found.new):
        say(stats_line(stats))
    if found.stopped:
        say(f"It ended early: {stop_text(found.stopped, provider)}.")
    say("Neither results nor figures of any day were touched.")


def stop_text(code: str, provider: ProviderName) -> str:
    """The sentence for the code of a run's, a key's or a task's end."""
    from llm_monitoring.runs.reason_texts import CLOSED, STOPS, TASKS

    texts: tuple[Mapping[Any, Mapping[Any, str]], ...] = (STOPS, CLOSED, TASKS)
    return next(text[code]["en"] for text in texts if code in text).format(provider=provider)


def stats_line(stats: ComparisonStats) -> str:
    failed = f", {stats.failures} questions without an answer" if stats.failures else ""
    return f"{stats.model_id}: {counted(stats.answers, 'answer')}{failed}, {usd(stats.charged_usd)} USD."


def interval(low: Decimal | None, high: Decimal | None) -> str:
    return "" if low is None else f"{low} to {high}"
