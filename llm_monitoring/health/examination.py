"""The examination of an installation: every check of database and machine, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from llm_monitoring.app import assemble, database_url
from llm_monitoring.db import Database, RowErrors
from llm_monitoring.errors import ConfigurationError, MonitoringError
from llm_monitoring.health import (
    batches,
    database,
    definitions,
    economy,
    machine,
    models,
    projects,
    run_days,
    searching,
    spending,
    web,
)
from llm_monitoring.health import keys as key_checks
from llm_monitoring.health.check_result import CheckResult, green, red
from llm_monitoring.keys import check_keys
from llm_monitoring.process.hints import hint
from llm_monitoring.settings import Settings, fallback_settings


def examine(settings: Settings, *, offline: bool = False, demo: bool = False) -> list[CheckResult]:
    """Check the installation and change nothing; without `offline` each API key lists its models, which is free."""
    return [
        green("settings", "can be read"),
        *machine.unknown_settings(),
        *examine_database(settings, offline=offline, demo=demo),
        *examine_machine(settings),
    ]


def examine_without_settings(problem: ConfigurationError) -> list[CheckResult]:
    """Check what needs no settings, after `problem` kept them from being read."""
    unread = red("settings", str(problem), "correct it in the environment or .env, then run this again")
    return [unread, *examine_machine(fallback_settings())]


def examine_machine(settings: Settings) -> list[CheckResult]:
    checks: tuple[Callable[[Settings], Iterator[CheckResult]], ...] = (
        run_days.time_zone,
        machine.disk,
        machine.reports,
        machine.notifications,
        machine.railway,
    )
    return [result for check in checks for result in check(settings)]


def examine_database(settings: Settings, *, offline: bool, demo: bool) -> list[CheckResult]:
    """Every check that needs the database; an error that ends them is a result too."""
    results: list[CheckResult] = []
    try:
        with Database(database_url(settings), size=2, retry_seconds=0) as db:
            embedded = "the embedded one" if settings.may_embed_database else "the one of DATABASE_URL"
            results.append(green("database", f"{'the demo’s own' if demo else embedded}: {db.endpoint()}"))
            for each in database_results(db, settings, offline=offline):
                results.append(each)  # noqa: PERF402 - kept one by one, as the next may raise
    except MonitoringError as exc:
        subject = "database" if len(results) < 2 else "examination"
        results.append(red(subject, str(exc), hint(exc) or database_fix(settings)))
    return results


def database_fix(settings: Settings) -> str:
    if ".railway.internal" in (settings.database_url or ""):
        return (
            "outside Railway give DATABASE_PUBLIC_URL as DATABASE_URL: the private address is not reachable from here"
        )
    return "look whether PostgreSQL runs and DATABASE_URL names it"


def database_results(db: Database, settings: Settings, *, offline: bool) -> Iterator[CheckResult]:
    """The results of the checks; those of the tables only if all migrations are applied."""
    yield from database.clock(db)
    yield from database.encryption(db)
    yield from database.sessions(db)
    state = list(database.migrations(db))
    yield from state
    if any(each.colour != "green" for each in state):
        return
    try:
        app = assemble(db, settings)
    except ConfigurationError as exc:
        yield red("master key", str(exc), "correct LLM_KEYS_ENCRYPTION_KEY")
        return
    keys, budget = app.keys, app.budget
    checked = None if offline else check_keys(keys, settings, keys.listing())
    yield from database.access(db)
    yield from one_by_one(
        ("web access", lambda: web.rows(db)),
        ("master key", lambda: key_checks.master_key(settings, keys)),
        ("API keys", lambda: key_checks.keys(keys, checked)),
        ("models", lambda: models.models(db, checked)),
        ("prices", lambda: models.prices(db, budget)),
        ("budgets", lambda: database.budgets(budget)),
        ("forecast", lambda: spending.forecast(app)),
        ("pacing", lambda: spending.pacing(app)),
        ("projects", lambda: definitions.definitions(db)),
        ("web search", lambda: searching.searches(db, settings)),
        ("economy", lambda: economy.modes(db, settings, budget)),
        ("batches", lambda: batches.batches(db)),
        ("sites", lambda: projects.sites(db)),
        ("operator budget", lambda: database.operator_budget(settings, budget)),
        ("users", lambda: spending.named_users(db, settings)),
        ("runs", lambda: database.daily_runs(db, budget)),
        ("ids", lambda: database.ids(db)),
        ("readings", lambda: database.readings(db)),
        ("notifications", lambda: database.outbox(db)),
    )


def one_by_one(*checks: tuple[str, Callable[[], Iterator[CheckResult]]]) -> Iterator[CheckResult]:
    """The results of each check; one that a broken row ends is red, and the others go on."""
    for subject, check in checks:
        results: list[CheckResult] = []
        with RowErrors().guard("examine", subject) as work:
            try:
                for each in check():
                    results.append(each)  # noqa: PERF402 - kept one by one, as the next may raise
            except ConfigurationError as exc:  # a right that the role lacks, for example: no row is to blame
                results.append(red(subject, f"cannot be examined: {exc}", hint(exc)))
        yield from results
        if work.error is not None:
            message = f"cannot be examined: {work.error.code}: {work.error.message}"
            yield red(subject, message, "look for the row that the message names, correct it, then run this again")
