"""`doctor`: whether this installation can run, and how to mend what keeps it from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import Final

import click

from llm_monitoring import app
from llm_monitoring.cli.base.command import example, json_option
from llm_monitoring.cli.base.output import print_lines, say, show_json, text
from llm_monitoring.cli.base.session import Session
from llm_monitoring.db import Database
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.errors import ConfigurationError, MonitoringError
from llm_monitoring.health import database as checks
from llm_monitoring.health import definitions, projects, searching
from llm_monitoring.health import machine as machine_checks
from llm_monitoring.health.finding import CheckResult, green, red
from llm_monitoring.keys.verification import check_keys
from llm_monitoring.settings.fields import Settings, fallback_settings

MARKS: Final = {"green": "✔", "yellow": "!", "red": "✘"}


@click.command(epilog=example("doctor", "doctor --offline", "doctor --json"))
@click.option("--offline", is_flag=True, help="Ask no provider whether the keys work.")
@json_option
@click.pass_context
def doctor(ctx: click.Context, *, offline: bool, as_json: bool) -> None:
    """Examine this installation and say how to mend what is wrong.

    Database, migrations, clock, master key, API keys (by listing models, which is free), models, budgets, runs,
    notifications, time zone, disk and Railway's settings. Changes nothing. Exits with 1 where something is red.
    """
    session = ctx.ensure_object(Session)
    with ExitStack() as stack:
        try:
            settings, found = stack.enter_context(session.settings()), [green("settings", "can be read")]
        except ConfigurationError as exc:
            settings = fallback_settings()
            found = [red("settings", str(exc), "correct it in the environment or .env, then run this again")]
        else:
            found += machine_checks.unknown_settings()
            found += examine_database(settings, offline=offline, demo=session.demo)
        found += machine(settings)
    if as_json:
        show_json([asdict(each) for each in found])
    else:
        print_findings(found)
    ctx.exit(1 if any(each.colour == "red" for each in found) else 0)


def machine(settings: Settings) -> list[CheckResult]:
    checks: tuple[Callable[[Settings], Iterator[CheckResult]], ...] = (
        machine_checks.time_zone, machine_checks.disk, machine_checks.notifications, machine_checks.railway,
    )  # fmt: skip
    return [finding for check in checks for finding in check(settings)]


def examine_database(settings: Settings, *, offline: bool, demo: bool) -> list[CheckResult]:
    """Everything that needs the database; what cannot be looked at ends it with the reason."""
    found: list[CheckResult] = []
    try:
        with Database(app.database_url(settings), size=2, retry_seconds=0) as db:
            embedded = "the embedded one" if settings.may_embed_database else "the one of DATABASE_URL"
            found.append(green("database", f"{'the demo’s own' if demo else embedded}: {db.endpoint()}"))
            for each in look(db, settings, offline=offline):
                found.append(each)  # noqa: PERF402 - kept one by one, as the next may raise
    except MonitoringError as exc:
        found.append(red("database" if len(found) < 2 else "examination", str(exc), advice(settings, exc)))
    return found


def advice(settings: Settings, problem: MonitoringError) -> str:
    if problem.code == "master_key_invalid":
        return "correct LLM_KEYS_ENCRYPTION_KEY"
    if ".railway.internal" in (settings.database_url or ""):
        return (
            "outside Railway give DATABASE_PUBLIC_URL as DATABASE_URL: the private address is not reachable from here"
        )
    return "look whether PostgreSQL runs and DATABASE_URL names it"


def look(db: Database, settings: Settings, *, offline: bool) -> Iterator[CheckResult]:
    yield from checks.clock(db)
    yield from checks.encryption(db)
    yield from checks.sessions(db)
    state = list(checks.migrations(db))
    yield from state
    if any(each.colour != "green" for each in state):
        return
    opened = app.assemble(db, settings)
    store, budget = opened.keys, opened.budget
    checked = None if offline else check_keys(store, settings, store.listing())
    yield from checks.access(db)
    yield from one_by_one(
        ("master key", lambda: checks.master_key(settings, store)),
        ("API keys", lambda: checks.keys(store, checked)),
        ("models", lambda: checks.models(db, checked)),
        ("prices", lambda: checks.prices(db, budget)),
        ("budgets", lambda: checks.budgets(budget)),
        ("projects", lambda: definitions.definitions(db)),
        ("web search", lambda: searching.searches(db, settings)),
        ("sites", lambda: projects.sites(db)),
        ("operator budget", lambda: checks.operator_budget(settings, budget)),
        ("runs", lambda: checks.daily_runs(db, budget)),
        ("readings", lambda: checks.readings(db)),
        ("notifications", lambda: checks.outbox(db)),
    )


def one_by_one(*examinations: tuple[str, Callable[[], Iterator[CheckResult]]]) -> Iterator[CheckResult]:
    """The findings of each examination; one that a row breaks is red, and the others go on."""
    for subject, examine in examinations:
        found: list[CheckResult] = []
        with RowErrors().guard("examine", subject) as work:
            for each in examine():
                found.append(each)  # noqa: PERF402 - kept one by one, as the next may raise
        yield from found
        if work.error is not None:
            told = f"cannot be examined: {work.error.code}: {work.error.message}"
            yield red(subject, told, "look for the row that the message names, correct it, then run this again")


def print_findings(found: list[CheckResult]) -> None:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for each in found:
        table.add_row(text(MARKS[each.colour], each.colour), text(each.subject, "bold"), text(each.message))
        if each.mend:
            table.add_row("", "", text(f"→ {each.mend}"))
    print_lines(table)
    count = {colour: sum(each.colour == colour for each in found) for colour in MARKS}
    say(f"{count['green']} green, {count['yellow']} yellow, {count['red']} red.")
