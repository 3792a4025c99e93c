"""`models probe` and `models activate`: commands that ask a model one real question, within a user's budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from llm_monitoring.cli.base.command import example
from llm_monitoring.cli.base.output import say, usd
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.cli.models.options import author, author_options, model_arguments, require_person, yes_option
from llm_monitoring.domain import ProviderName
from llm_monitoring.registry import RegistryEntry, admin

if TYPE_CHECKING:
    from llm_monitoring.model_review.probe import Probe, ProbePlan

user_option = click.option("--user", help="The user who pays for the question; by default LLM_OPERATOR_USER_ID.")


@click.command(epilog=example('models probe openai gpt-6-luna --user 1 --reason "possible successor"'))
@model_arguments
@user_option
@author_options
@pass_session
def probe(
    session: Session, provider: ProviderName, model: str, user: str | None, reason: str | None, by: str | None
) -> None:
    """Ask an approved model one small real question, and record that it answered; nothing is switched.

    LLM_AUTO_SWITCH_MODELS switches only to models that answered one.
    """
    from llm_monitoring.model_review import probe as probing

    with session.app() as app:
        entry = admin.find(app.db, provider, model)
        admin.require_ready(entry)
        who = author(reason, by)
        plan = probing.plan_probe(app, entry, user)
        say(plan_line(plan))
        show_probe(probing.probe(app, plan, who), plan)


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

    It is asked one small real question first, within the budget of the user who pays; it takes over only if it
    answers and you agree.
    """
    from llm_monitoring.model_review import probe as probing

    with session.app() as app:
        entry = admin.find(app.db, provider, model)
        admin.require_ready(entry)
        if entry.is_current:
            say(f"{entry.name} is the current model already: nothing to do.")
            return
        require_person(yes=yes)
        who = author(reason, by)
        plan = probing.plan_probe(app, entry, user)

        def confirm(probe: Probe, before: RegistryEntry | None) -> bool:
            show_probe(probe, plan)
            question = f"Switch {provider} from {name_of(before)} to {entry.model_id}?"
            return yes or click.confirm(question, err=True)

        say(plan_line(plan))
        done = probing.activate(app, plan, who, confirm)
    if done.switched:
        say(f"{entry.name} answers for {provider} from now on, in place of {name_of(done.before)}.")
    else:
        say("Nothing was switched.")


def plan_line(plan: ProbePlan) -> str:
    most = usd(plan.ceiling_usd)
    return f"Asking {plan.entry.name} one question, at most {most} USD, paid by user {plan.user_id}."


def name_of(entry: RegistryEntry | None) -> str:
    return "no model" if entry is None else entry.model_id


def show_probe(probe: Probe, plan: ProbePlan) -> None:
    usage = probe.answer.usage
    answer = (f"  {line}".rstrip() for line in probe.answer.text.splitlines())
    for line in ("", f"> {plan.question.prompt}", "", *answer, ""):
        say(line)
    tokens = "the reply names no usage, so the ceiling is charged"
    if usage is not None:
        reasoning = f"{usage.output_tokens} out ({usage.reasoning_tokens} of them reasoning)"
        tokens = f"{usage.input_tokens} tokens in, {reasoning}, {usage.searches} searches"
    say(f"Answered by {probe.answer.model}: {tokens}; cost {probe.charged_usd:f} USD.")
