"""`models probe|activate|compare`: the commands on models that ask real questions, within a user's budget."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import click

from llm_monitoring import projects, registry
from llm_monitoring.cli.base.command import PROJECT, example, json_option
from llm_monitoring.cli.base.output import Columns, print_table, say, show_json, usd
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.cli.models.options import author, author_options, model_arguments
from llm_monitoring.domain import ProviderName
from llm_monitoring.errors import Invalid, MonitoringError, NotReady
from llm_monitoring.process.progress import command_bar
from llm_monitoring.process.wording import counted
from llm_monitoring.registry import Model, NotCallable, RegistryEntry, admin
from llm_monitoring.registry.admin import Author

if TYPE_CHECKING:
    from llm_monitoring.app import App
    from llm_monitoring.figures.change import Change
    from llm_monitoring.model_review.comparison import ComparisonPlan, ComparisonStats, ModelComparison
    from llm_monitoring.model_review.probe import Probe
    from llm_monitoring.runs.executor import TaskExecutor

FIGURES: Final = {"mention_rate": "Mention rate, %", "avg_position": "Position in lists"}
COMPARED: Final[Columns] = {
    "Figure": lambda row: FIGURES[row["figure"]], "Old": "before", "New": "after", "Difference": "difference",
    "95 % interval": lambda row: interval(row["low"], row["high"]), "Verdict": "verdict", "Prompts": "prompts",
}  # fmt: skip
user_option = click.option("--user", help="Who pays for the question; by default LLM_OPERATOR_USER_ID.")
yes_option = click.option("--yes", is_flag=True, help="Ask nobody: for scripts.")


@contextmanager
def open_desk(app: App) -> Iterator[TaskExecutor]:
    """What the daily run pays its calls with, without a run."""
    from llm_monitoring.keys.clients import Clients
    from llm_monitoring.registry import Catalogue
    from llm_monitoring.runs.executor import TaskExecutor

    clients = Clients(app.keys, app.settings)
    try:
        yield TaskExecutor(app.budget, clients, Catalogue(()), {}, app.settings, None)
    finally:
        clients.close()


def require_person(*, yes: bool) -> None:
    """Raise BadInput before anything is paid where nobody could confirm it."""
    if not yes and not sys.stdin.isatty():
        raise Invalid("yes", "there is no terminal to confirm on: add --yes")


def payer(app: App, user: str | None) -> int:
    """Who pays for a trial question; raises BadInput where nobody is named."""
    wanted = user if user is not None else app.settings.operator_user_id
    if wanted is None:
        raise Invalid("user", "say who pays for the question: --user USER, or LLM_OPERATOR_USER_ID in the environment")
    return int(projects.find_user(app.db, str(wanted))["id"])


def ask(app: App, entry: RegistryEntry, who: Author, user_id: int) -> None:
    """Put the trial question to a model and show what came of it."""
    from llm_monitoring.model_review import probe as trial

    model = admin.require_ready(entry)
    try:
        tariff = model.tariff(app.settings.base_urls.get(model.provider))
        ceiling = tariff.quote(trial.probe_question(model), *app.budget.pricing_times()).ceiling_usd
    except NotCallable as exc:
        raise NotReady("model", entry.name, str(exc)) from exc
    with open_desk(app) as desk:
        say(f"Asking {entry.name} one question, at most {usd(ceiling)} USD, paid by user {user_id}.")
        show_probe(trial.probe(desk, entry, who, user_id), trial.PROBE_PROMPT)


def show_probe(probe: Probe, prompt: str) -> None:
    usage = probe.answer.usage
    for line in ("", f"> {prompt}", "", *(f"  {line}".rstrip() for line in probe.answer.text.splitlines()), ""):
        say(line)
    tokens = "usage not told, so the ceiling is charged" if usage is None else (
        f"{usage.input_tokens} tokens in, {usage.output_tokens} out ({usage.reasoning_tokens} of them reasoning), "
        f"{usage.searches} searches"
    )  # fmt: skip
    say(f"Answered by {probe.answer.model}: {tokens}; cost {probe.charged_usd:f} USD.")


@click.command(epilog=example('models probe openai gpt-6-luna --user 1 --reason "possible successor"'))
@model_arguments
@user_option
@author_options
@pass_session
def probe(
    session: Session, provider: ProviderName, model: str, user: str | None, reason: str | None, by: str | None
) -> None:
    """Ask an approved model one small real question, and note that it answered; nothing is switched.

    Only a model that answered one is switched to by LLM_AUTO_SWITCH_MODELS.
    """
    with session.app() as app:
        entry = admin.find(app.db, provider, model)
        admin.require_ready(entry)
        ask(app, entry, author(reason, by), payer(app, user))


@click.command(epilog=example('models activate openai gpt-6-luna --user 1 --reason "cheaper, as good"'))
@model_arguments
@user_option
@yes_option
@author_options
@pass_session
def activate(
    session: Session,
    provider: ProviderName,
    model: str,
    user: str | None,
    reason: str | None,
    by: str | None,
    *,
    yes: bool,
) -> None:
    """Make an approved and priced model the one that answers for PROVIDER.

    It is asked one small real question first, within the budget of the user who pays; it takes over only where it
    answers and you agree.
    """
    with session.app() as app:
        entry = admin.find(app.db, provider, model)
        admin.require_ready(entry)
        if entry.is_current:
            say(f"{entry.name} is the current model already: nothing to do.")
            return
        require_person(yes=yes)
        who, user_id = author(reason, by), payer(app, user)
        ask(app, entry, who, user_id)
        before = admin.current(app.db, provider)
        now = before.model_id if before else "no model"
        if not yes and not click.confirm(f"Switch {provider} from {now} to {entry.model_id}?", err=True):
            say("Nothing was switched.")
            return
        admin.switch(app.db, entry, who)
    say(f"{entry.name} answers for {provider} from now on, in place of {now}.")


@click.command(epilog=example("models compare gpt-6.1-terra gpt-6-luna --project 1 --samples 3"))
@click.argument("old")
@click.argument("new")
@click.option(
    "--project", "project_id", type=PROJECT, required=True, help="Whose prompts to ask, at its user's expense."
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

    with session.app() as app, open_desk(app) as desk:
        plan = make_plan(desk, project_id, old, new, samples)
        if not as_json:
            say(plan_line(plan))
        require_person(yes=yes)
        if not yes and not click.confirm("Ask them?", err=True):
            say("Nothing was asked.")
            return
        with command_bar("Questions", len(plan.asks)) as shown:
            found = comparison.run(desk, plan, shown.advance)
    if as_json:
        show_json(bridge_fields(found, plan))
    else:
        tell(found)
    if not found.old.answers or not found.new.answers:
        raise MonitoringError(f"there is nothing to compare: {found.stopped or 'a model gave no valid answer'}")


def make_plan(desk: TaskExecutor, project_id: int, old: str, new: str, samples: int) -> ComparisonPlan:
    """What the comparison asks; raises BadInput where the models or the project do not fit."""
    from llm_monitoring.model_review import comparison
    from llm_monitoring.projects.tracked import TrackedProject

    db = desk.budget.db
    before, after = (registry.read_model(admin.find(db, None, name)) for name in (old, new))
    refuse_pair(before, after)
    watched = TrackedProject(projects.find(db, project_id))
    prompts = [row for row in projects.list_prompts(db, project_id) if row["is_active"]]
    try:
        plan = comparison.make_plan(desk, watched, prompts, before, after, samples, datetime.now(UTC).date())
        if not plan.asks:
            raise NotReady(
                "project", project_id, f"project {project_id} has no active prompt without the brand's name in it"
            )
    except NotCallable as exc:
        raise NotReady("model", new, str(exc)) from exc
    return plan


def refuse_pair(old: Model, new: Model) -> None:
    if old.provider != new.provider:
        raise Invalid(
            "model", f"{old.model_id} and {new.model_id} are of two providers: a switch is between models of one"
        )
    if old.model_id == new.model_id:
        raise Invalid("model", "a model is compared with another one, not with itself")


def plan_line(plan: ComparisonPlan) -> str:
    left_out = f" ({plan.branded} that name the brand are left out)" if plan.branded else ""
    return (
        f"{plan.prompts} prompts of project {plan.watched.project.id}{left_out} are {len(plan.asks)} questions to "
        f"{plan.old.model_id} and {plan.new.model_id}, which cost at most {usd(plan.ceiling_usd)} USD, "
        f"paid by user {plan.user_id}."
    )


def bridge_fields(bridge: ModelComparison, plan: ComparisonPlan) -> dict[str, Any]:
    return {
        "old": asdict(bridge.old), "new": asdict(bridge.new), "ceiling_usd": plan.ceiling_usd,
        "mention_rate": asdict(bridge.comparison.mention_rate), "avg_position": asdict(bridge.comparison.avg_position),
        "stopped": bridge.stopped,
    }  # fmt: skip


def tell(bridge: ModelComparison) -> None:
    """Print the differences, then what it cost."""
    changes: tuple[Change, ...] = (bridge.comparison.mention_rate, bridge.comparison.avg_position)
    print_table([asdict(change) for change in changes], COMPARED)
    for tally in (bridge.old, bridge.new):
        say(tally_line(tally))
    if bridge.stopped:
        say(f"It ended early: {bridge.stopped}")
    say("Neither results nor figures of any day were touched.")


def tally_line(tally: ComparisonStats) -> str:
    failed = f", {tally.failures} questions without an answer" if tally.failures else ""
    return f"{tally.model_id}: {counted(tally.answers, 'answer')}{failed}, {usd(tally.charged_usd)} USD."


def interval(low: Decimal | None, high: Decimal | None) -> str:
    return "" if low is None else f"{low} to {high}"
