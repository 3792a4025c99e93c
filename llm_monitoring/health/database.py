"""Checks of the database, the budgets, the runs and the stored answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from llm_monitoring import db as database
from llm_monitoring import projects
from llm_monitoring.db import (
    Database,
    PooledSessions,
    Row,
    RowErrors,
    advisory_holder,
    id_room,
    is_required,
    load,
    reach,
    require_sessions,
)
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.health.check_result import CheckResult, green, red, yellow
from llm_monitoring.ledger import Budget
from llm_monitoring.process.hints import hint
from llm_monitoring.process.wording import DAILY, PROGRAM, counted
from llm_monitoring.projects import fingerprints
from llm_monitoring.runs import records
from llm_monitoring.runs.records import LOCK_KEY
from llm_monitoring.settings import Settings

SQL = load("health")

SLOW_CLOCK: Final = timedelta(seconds=5)
WRONG_CLOCK: Final = timedelta(minutes=5)
LATE: Final = timedelta(hours=26)
SHOWN_AT_MOST: Final = 5
FEW_IDS: Final = 10_000_000  # a large installation stores 50,000 answers a day


def migrations(db: Database) -> Iterator[CheckResult]:
    try:
        waiting = database.pending(db)
    except ConfigurationError as exc:
        yield red("migrations", str(exc), "deploy the release that this database belongs to; never edit a migration")
        return
    if waiting:
        yield yellow(
            "migrations",
            f"{len(waiting)} are not applied: {', '.join(waiting[:SHOWN_AT_MOST])}",
            f"`{PROGRAM} migrate`; the next job or command does so by itself",
        )
    else:
        yield green("migrations", "the tables are up to date")


def access(db: Database) -> Iterator[CheckResult]:
    """Whether other logins of the server can act on this database."""
    row = db.one(SQL.access)
    assert row is not None
    if row["anyone_creates"]:
        yield red(
            "access",
            f"every login may create functions in schema {row['schema']}: it gets others' rights",
            f"as the owner: REVOKE CREATE ON SCHEMA {row['schema']} FROM PUBLIC",
        )
    if row["has_roles"] and row["anyone_connects"] and row["other_databases"]:
        others = ", ".join(row["other_databases"][:SHOWN_AT_MOST])
        yield yellow(
            "access",
            f"the roles belong to the server: logins of {others} may enter here too",
            f"as the owner: REVOKE CONNECT ON DATABASE {row['database']} FROM PUBLIC, then GRANT it to each "
            "login of this database",
        )
    elif not row["anyone_creates"]:
        yield green("access", f"no other login may create in schema {row['schema']}")


def clock(db: Database) -> Iterator[CheckResult]:
    """The clock of this machine (schedules and prices go by it too) against the database's (the ledger goes by it)."""
    before = datetime.now(UTC)
    row = db.one(SQL.clock)
    after = datetime.now(UTC)
    assert row is not None
    apart = abs(row["now"] - (before + (after - before) / 2))
    message = f"{apart.total_seconds():.1f} s apart from the database's (PostgreSQL {row['version'].split()[0]})"
    fix = "switch on time synchronisation (NTP) on this machine and on the database's"
    if apart > WRONG_CLOCK:
        yield red("clock", message, fix)
    elif apart > SLOW_CLOCK:
        yield yellow("clock", message, fix)
    else:
        yield green("clock", message)


def encryption(db: Database) -> Iterator[CheckResult]:
    """Whether the connection to the database is encrypted."""
    endpoint = db.endpoint()
    where = reach(endpoint.host)
    if where == "here":
        return
    fix = "add sslmode=require to DATABASE_URL, and switch TLS on at the server if it has none"
    if endpoint.encrypted and is_required(db.dsn):
        yield green("encryption", "the connection to the database uses TLS, and none without it is made")
    elif endpoint.encrypted:
        yield yellow("encryption", "the connection uses TLS, but one without it would be accepted", fix)
    else:
        network = "a private network" if where == "private" else "a public address"
        message = f"password and answers travel unencrypted to the database on {network} ({endpoint.host})"
        yield (yellow if where == "private" else red)("encryption", message, fix)


def budgets(budget: Budget) -> Iterator[CheckResult]:
    standings = budget.standings(start_month=False)
    if not standings:
        yield yellow("users", "there is none yet, so nothing is asked", f"`{PROGRAM} setup`, or `users add`")
    for standing in standings:
        used = f"{standing.spent_usd:.2f} of {standing.budget_usd} USD ({standing.shown_percent} %)"
        message = f"user {standing.user_id}: {used}"
        if standing.blocked:
            yield yellow(
                "budget",
                f"{message}: blocked until the month ends",
                f"`{PROGRAM} budget set {standing.user_id} --limit USD`",
            )
        elif standing.near_limit:
            yield yellow(
                "budget", f"{message}: near the limit", f"`{PROGRAM} budget set {standing.user_id} --limit USD`"
            )
    if budget.differences():
        yield red(
            "ledger", "a user's counters are not the sum of the ledger", f"`{PROGRAM} budget audit` says by how much"
        )
    elif standings and not any(standing.blocked or standing.near_limit for standing in standings):
        yield green(
            "budget", f"{counted(len(standings), 'user')} within the limits; the counters are the sum of the ledger"
        )


def readings(db: Database) -> Iterator[CheckResult]:
    """The stored answers that were read with former names or a former version of the analysis."""
    stale: dict[int, int] = {}
    for row in projects.active(db):
        with RowErrors().guard("read_project", f"#{row['id']}"):
            stale[row["id"]] = fingerprints.stale_answers(db, projects.read_project(row))
    found = [project_id for project_id, answers in stale.items() if answers]
    if found:
        named = ", ".join(f"#{project_id}" for project_id in found[:SHOWN_AT_MOST])
        more = f" and {len(found) - SHOWN_AT_MOST} more" if len(found) > SHOWN_AT_MOST else ""
        answers, several = counted(sum(stale.values()), "answer"), len(found) > 1
        yield yellow(
            "readings",
            f"{answers} of project{'s' if several else ''} {named}{more} read with former names or rules",
            f"`{PROGRAM} reanalyse --project {found[0]}`{', and each of the others' if several else ''}",
        )
    else:
        yield green("readings", "every stored answer was read with the present names and rules")


def operator_budget(settings: Settings, budget: Budget) -> Iterator[CheckResult]:
    """The budget of all users together for the operator's keys."""
    allowed = settings.operator_keys_for
    if not settings.api_keys or allowed == frozenset():
        return
    who = "every user" if allowed is None else f"users {', '.join(map(str, sorted(allowed)))}"
    spent, limit = budget.operator_standing()[0], settings.operator_monthly_budget_usd
    if budget.operator_difference() is not None:
        yield red(
            "operator budget", "the operator's account is not the sum of its calls", f"`{PROGRAM} budget audit --fix`"
        )
    elif limit is None:
        yield yellow(
            "operator budget",
            f"{who} can spend the operator's keys with no limit over all users together",
            "set LLM_OPERATOR_MONTHLY_BUDGET_USD, and LLM_OPERATOR_KEYS_FOR to who may use them",
        )
    elif spent >= limit:
        yield yellow(
            "operator budget",
            f"{spent:.2f} of {limit} USD: the operator's keys are blocked this month",
            "raise LLM_OPERATOR_MONTHLY_BUDGET_USD",
        )
    else:
        yield green("operator budget", f"{who}: {spent:.2f} of {limit} USD this month with the operator's keys")


def sessions(db: Database) -> Iterator[CheckResult]:
    """Whether each connection is a session of its own, which the locks between runs need."""
    try:
        require_sessions(db)
    except PooledSessions as exc:
        yield red("sessions", str(exc), "give the direct address as DATABASE_URL")
    else:
        yield green("sessions", "each connection is a session of its own")


def daily_runs(db: Database, budget: Budget) -> Iterator[CheckResult]:
    """How the last run ended, and whether a dead run left calls open."""
    holder = advisory_holder(db, LOCK_KEY)
    held = holder is not None
    left = sum(each["attempts"] for each in budget.open_by_user())
    if held and records.held_too_long(db, holder, datetime.now(UTC)):
        yield red(
            "runs",
            f"a session keeps the lock of the daily run, and no run has started for a day: {holder}",
            "end that session: `SELECT pg_terminate_backend(pid)`",
        )
    elif held:
        yield green("runs", f"a daily run is at work ({holder}), {left} calls are out")
    elif left:
        yield yellow(
            "runs", f"{left} calls of a run that died are open", "the next run settles them: start it, or wait"
        )
    last = next(iter(records.recent(db, 1)), None)
    if last is None:
        yield yellow("runs", "there was no daily run yet", f"`{DAILY}`, or wait for its hour")
    elif not held:
        yield last_run(last, datetime.now(UTC))


def last_run(row: Row, now: datetime) -> CheckResult:
    message = f"run {row['id']} of {row['analysis_date']} ended: {row['status']}"
    if now - row["started_at"] > LATE:
        return yellow("runs", f"{message}, and none started in the last day", "look at the schedule and the job's log")
    if row["status"] != "completed":
        return yellow("runs", message, f"`{PROGRAM} runs show {row['id']}`")
    return green("runs", message)


def ids(db: Database) -> Iterator[CheckResult]:
    """Whether the tables of the host have ids left for the answers and figures of the next months."""
    for found in id_room(db):
        if found.room < FEW_IDS:
            facts = {"table": found.table, "sequence": found.sequence}
            fix = hint(ConfigurationError("", code="ids_exhausted", **facts))
            yield yellow("ids", f"{found.table} has ids for {found.room} more rows", fix)


def outbox(db: Database) -> Iterator[CheckResult]:
    row = db.one(SQL.undelivered)
    if row is not None and row["lines"]:
        wait = "1 line waits" if row["lines"] == 1 else f"{row['lines']} lines wait"
        yield yellow(
            "notifications",
            f"{wait} since {row['since']:%Y-%m-%d} for a target",
            "look for `notify.undelivered` in the job's log; the next run tries again",
        )
