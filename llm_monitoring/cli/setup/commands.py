"""`setup`: set up an installation, step by step."""

from __future__ import annotations

import sys
from decimal import Decimal
from functools import partial
from typing import Final

import click

from llm_monitoring import edits, projects
from llm_monitoring.app import App, open_app, schedule_day
from llm_monitoring.cli.base.command import example
from llm_monitoring.cli.base.output import Columns, print_table, say, usd
from llm_monitoring.cli.base.questions import ask, choose, heading, retried
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.cli.keys.commands import ending
from llm_monitoring.cli.setup import project
from llm_monitoring.cli.setup.master_key import offer_master_key
from llm_monitoring.db import Row
from llm_monitoring.domain import PROVIDERS, ProviderName, Secret
from llm_monitoring.errors import BadInput, Invalid
from llm_monitoring.keys import store_unless_refused
from llm_monitoring.ledger import blocked_users
from llm_monitoring.logs import register_secret
from llm_monitoring.process.wording import COMMAND, DAILY, PROGRAM, python_command
from llm_monitoring.runs.estimate import Estimate, estimate
from llm_monitoring.runs.plan import make_plan
from llm_monitoring.runs.reason_texts import cause_text, problem_text
from llm_monitoring.settings.parsers import budget as budget_amount

COSTS: Final[Columns] = {
    "Provider": "provider",
    "Model": "model_id",
    "Prompts": "tasks",
    "At most USD": lambda each: usd(each["ceiling_usd"]),
    "Problem": "problem",
}


@click.command(epilog=example("setup"))
@pass_session
def setup(session: Session) -> None:
    """Set up the first user, keys, project and prompts, and show what a day would cost.

    It asks in a terminal and stores each answer as it is given: stop with Ctrl-C when you like and
    start it again, it continues with what is missing. Nothing is asked of the assistants and nothing is spent.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Invalid(
            "terminal",
            f"setup asks questions in a terminal; in scripts use `{PROGRAM} users add`, `keys set`, `projects add`, "
            f"`queries import`, then `{DAILY} --dry-run`",
        )
    try:
        with session.settings() as found:
            settings = offer_master_key(found)
            with open_app(settings, waits=False) as app:
                walk(app)
    except click.Abort:
        say("")
        say(f"Stopped. What was stored stays: `{PROGRAM} setup` goes on from here.")
        raise


def walk(app: App) -> None:
    user = find_user(app)
    keys(app, user)
    limit(app, user)
    project_id = project.find_project(app, user)
    project.prompts(app, project_id)
    cost(app, project_id)


def find_user(app: App) -> Row:
    """A user that exists, or a new one."""
    heading("User", "A user has projects, API keys and a monthly budget.")
    listed = projects.list_users(app.db)
    if listed:
        options = [f"{row['email']} (user {row['id']})" for row in listed] + ["a new user"]
        chosen = choose("Which user?", options)
        if chosen < len(listed):
            return listed[chosen]
    user_id = retried(lambda: edits.add_user(app.db, edits.COMMAND, ask("E-mail address")))
    user = projects.find_user(app.db, str(user_id))
    say(f"User {user_id} added.")
    return user


def keys(app: App, user: Row) -> None:
    """Ask for a key for each provider without one, and try it before it is stored."""
    heading("API keys", "Each provider bills its own key. They are stored encrypted and never shown again.")
    states = app.keys.available([user["id"]])[user["id"]]
    for provider in PROVIDERS:
        state = states.get(provider)
        if state is not None and state.usable:
            say(f"{provider}: there is one already{' (the operator’s)' if state.source == 'operator' else ''}.")
        elif app.keys.cipher is None:
            say(f"{provider}: none, and without a master key none can be stored.")
        else:
            offer_key(app, user, provider)
    if not any(state.usable for state in app.keys.available([user["id"]])[user["id"]].values()):
        say("Without a key nothing can be asked yet; the rest can be set up all the same.")


def offer_key(app: App, user: Row, provider: ProviderName) -> None:
    while secret := hidden_key(f"{provider} API key (not shown; empty: none)"):
        try:
            check = store_unless_refused(
                partial(edits.store_key, app, edits.COMMAND), app.settings, user["id"], provider, secret
            )
        except BadInput as exc:
            say(f"Not stored: {exc}")
            continue
        if check.verdict == "refused":
            say(f"Not stored: {check.message}")
            continue
        worked = f"it works: {len(check.models)} models listed."
        untried = f"it could not be tried: {check.message}"
        say(f"Stored{ending(check.key.last_four)}; {worked if check.verdict == 'works' else untried}")
        return


def hidden_key(question: str) -> Secret | None:
    """A key, which is not shown as it is typed; None for an empty answer."""
    typed: str = click.prompt(question, hide_input=True, default="", show_default=False)
    secret = Secret(typed.strip())
    register_secret(secret)
    return secret if secret.reveal() else None


def limit(app: App, user: Row) -> None:
    heading("Budget", "No call is made that could take a month (UTC) above its limit.")
    standings = {each.user_id: each for each in app.budget.standings(start_month=False)}
    known = standings.get(user["id"])
    now = known.budget_usd if known else app.settings.default_monthly_budget_usd

    def store() -> None:
        try:
            amount = budget_amount(ask("Monthly limit in USD", f"{now:f}"))
        except ValueError as exc:
            raise Invalid("limit", f"it must be {exc}") from exc
        edits.set_limits(app, edits.COMMAND, user["id"], amount, None)

    retried(store)


def cost(app: App, project_id: int) -> None:
    """Print the cost of a day, as --dry-run of the daily job does."""
    heading("What a day costs", "The most that a run now would spend; nothing is asked and nothing is spent.")
    blocked = blocked_users(app.budget.standings(start_month=False))
    plan = make_plan(app, [project_id], blocked)
    found = list(estimate(app, plan, schedule_day(app.settings)))
    if problem := plan.problems.get(project_id):
        say(f"Project {project_id} cannot be asked yet: {problem_text(problem, 'en')}")
    if found:
        print_table([row_of(each) for each in found], COSTS)
        total = sum((each.ceiling_usd for each in found), Decimal(0))
        say(
            f"In all at most {usd(total)} USD a day, and the tone of mentions extra; "
            f"answers as they come cost far less."
        )
    say("")
    daily, doctor = next_commands()
    say(f"Next: `{daily}` asks for the first time; `{doctor}` examines the installation.")


def next_commands() -> tuple[str, str]:
    """The daily job and `doctor` as they are started from here."""
    if PROGRAM == COMMAND:
        return DAILY, f"{PROGRAM} doctor"
    python = python_command()
    return f"{python} daily_llm_monitoring_cron.py", f"{python} -m llm_monitoring doctor"


def row_of(each: Estimate) -> dict[str, object]:
    return {
        "provider": each.provider,
        "model_id": each.model_id,
        "tasks": each.tasks,
        "ceiling_usd": each.ceiling_usd,
        "problem": each.problem and cause_text(each.problem, "en"),
    }
