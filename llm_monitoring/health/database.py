"""Examines the database: reachable, migrated, in time, in balance, with keys and models that can be used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from llm_monitoring import db as database
from llm_monitoring import projects, registry
from llm_monitoring.db import Database, Row
from llm_monitoring.db.encryption import is_required, reach
from llm_monitoring.db.locks import advisory_holder
from llm_monitoring.db.pooler import PooledSessions, require_sessions
from llm_monitoring.db.queries import load
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.health.finding import CheckResult, green, red, yellow
from llm_monitoring.keys.encryption import KeyCipher
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.keys.verification import KeyCheck
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.model_review import findings
from llm_monitoring.process.wording import PROGRAM, counted
from llm_monitoring.projects import fingerprints
from llm_monitoring.registry import ModelChange, RegistryEntry
from llm_monitoring.runs import records
from llm_monitoring.runs.records import LOCK_KEY
from llm_monitoring.settings.fields import Settings

SQL = load("health")

SLOW_CLOCK: Final = timedelta(seconds=5)
WRONG_CLOCK: Final = timedelta(minutes=5)
LATE: Final = timedelta(hours=26)
SHOWN_AT_MOST: Final = 5


def migrations(db: Database) -> Iterator[CheckResult]:
    try:
        waiting = database.pending(db)
    except ConfigurationError as exc:
        yield red("migrations", str(exc), "deploy the release that this database belongs to; never edit a migration")
        return
    if waiting:
        yield yellow("migrations", f"{len(waiting)} are not applied: {', '.join(waiting[:SHOWN_AT_MOST])}",
                     f"`{PROGRAM} migrate`; the next job or command does so by itself")  # fmt: skip
    else:
        yield green("migrations", "the tables are up to date")


def access(db: Database) -> Iterator[CheckResult]:
    """Whether other logins of the server can act on this database."""
    row = db.one(SQL.access)
    assert row is not None
    if row["anyone_creates"]:
        yield red("access", f"every login may create functions in schema {row['schema']}: it gets others' rights",
                  f"as the owner: REVOKE CREATE ON SCHEMA {row['schema']} FROM PUBLIC")  # fmt: skip
    if row["has_roles"] and row["anyone_connects"] and row["other_databases"]:
        others = ", ".join(row["other_databases"][:SHOWN_AT_MOST])
        yield yellow("access", f"the roles belong to the server: logins of {others} may enter here too",
                     f"as the owner: REVOKE CONNECT ON DATABASE {row['database']} FROM PUBLIC, then GRANT it to each "
                     "login of this database")  # fmt: skip
    elif not row["anyone_creates"]:
        yield green("access", f"no other login may create in schema {row['schema']}")


def clock(db: Database) -> Iterator[CheckResult]:
    """This machine's clock against the database's: budgets and days turn by the one, locks and records by the other."""
    before = datetime.now(UTC)
    row = db.one(SQL.clock)
    after = datetime.now(UTC)
    assert row is not None
    apart = abs(row["now"] - (before + (after - before) / 2))
    told = f"{apart.total_seconds():.1f} s apart from the database's (PostgreSQL {row['version'].split()[0]})"
    mend = "switch on time synchronisation (NTP) on this machine and on the database's"
    if apart > WRONG_CLOCK:
        yield red("clock", told, mend)
    elif apart > SLOW_CLOCK:
        yield yellow("clock", told, mend)
    else:
        yield green("clock", told)


def encryption(db: Database) -> Iterator[CheckResult]:
    """Whether others can read what goes to the database and comes from it."""
    endpoint = db.endpoint()
    where = reach(endpoint.host)
    if where == "here":
        return
    mend = "add sslmode=require to DATABASE_URL, and switch TLS on at the server if it has none"
    if endpoint.encrypted and is_required(db.dsn):
        yield green("encryption", "the connection to the database uses TLS, and none without it is made")
    elif endpoint.encrypted:
        yield yellow("encryption", "the connection uses TLS, but one without it would be accepted", mend)
    else:
        network = "a private network" if where == "private" else "a public address"
        told = f"password and answers travel unencrypted to the database on {network} ({endpoint.host})"
        yield (yellow if where == "private" else red)("encryption", told, mend)


def master_key(settings: Settings, keys: KeyStore) -> Iterator[CheckResult]:
    stored = any(key.source == "user" for key in keys.listing())
    if settings.keys_encryption_key is None:
        mend = f"set LLM_KEYS_ENCRYPTION_KEY; `{PROGRAM} setup` makes one"
        told = "LLM_KEYS_ENCRYPTION_KEY is not set"
        yield red("master key", f"{told} and stored keys wait for it", mend) if stored else yellow(
            "master key", f"{told}: users' keys cannot be stored", mend)  # fmt: skip
        return
    master_keys = len(KeyCipher(settings.keys_encryption_key.reveal()).master_keys)
    older = sum(key.bound is False for key in keys.listing())
    told = f"LLM_KEYS_ENCRYPTION_KEY holds {master_keys} master key{'s' if master_keys > 1 else ''}"
    if older:
        yield red("master key", f"{told}; {older} stored keys are of an older form that opens in any user's row",
                  f"`{PROGRAM} keys rotate` binds them to their users")  # fmt: skip
    else:
        yield green("master key", told)


def keys(store: KeyStore, checked: Sequence[KeyCheck] | None) -> Iterator[CheckResult]:
    """Every key by itself; without `checked` (offline) only whether it can be read."""
    listed = [each.key for each in checked] if checked is not None else list(store.listing())
    if not listed:
        yield red("API keys", "there is none", f"`{PROGRAM} keys set USER PROVIDER`, or OPENAI_API_KEY and the like")
    if checked is None:
        unread = [key for key in listed if key.problem is not None]
        yield from (red("API key", str(key.problem), f"`{PROGRAM} keys set {key.user_id} {key.provider}`")
                    for key in unread)  # fmt: skip
        if len(listed) > len(unread):
            yield green("API keys", f"{len(listed) - len(unread)} can be read; not tried, as --offline says")
        return
    yield from map(key_finding, checked)


def key_finding(checked: KeyCheck) -> CheckResult:
    key = checked.key
    whose = "the operator's" if key.user_id is None else f"user {key.user_id}'s"
    name = f"{whose} {key.provider} key" + (f" (ends in {key.last_four})" if key.last_four else "")
    again = (
        f"{key.provider.upper()}_API_KEY"
        if key.user_id is None
        else f"`{PROGRAM} keys set {key.user_id} {key.provider}`"
    )
    if checked.verdict == "works":
        return green("API key", f"{name} works: {counted(len(checked.models), 'model')} listed")
    if checked.verdict == "not reached":
        return yellow("API key", f"{name} could not be tried: {checked.message}",
                      "try again later; look at the network, the proxy and the provider's status page")  # fmt: skip
    if checked.verdict == "unclear":
        return yellow("API key", f"{name}: the answer says nothing of the key: {checked.message}",
                      f"if a gateway is meant to answer, correct {key.provider.upper()}_BASE_URL; else try again later"
                      )  # fmt: skip
    return red("API key", f"{name}: {checked.message}", f"set another one: {again}")


def models(db: Database, checked: Sequence[KeyCheck] | None) -> Iterator[CheckResult]:
    """For each provider: whether a model is current, priced, and listed by the keys that work."""
    asked = {row["provider"]: row["projects"] for row in db.all(SQL.asked_providers, {"providers": list(PROVIDERS)})}
    current = {entry.llm_provider: entry for entry in registry.read_entries(db) if entry.is_current}
    for provider in PROVIDERS:
        entry = current.get(provider)
        if entry is not None:
            yield model_finding(provider, entry, checked)
        elif provider in asked:
            yield red("model", f"{provider} has no current model and {asked[provider]} projects ask it",
                      f"`{PROGRAM} models list`, then `models activate {provider} MODEL`")  # fmt: skip
        else:
            yield yellow("model", f"{provider} has no current model; no project asks it", f"`{PROGRAM} models list`")


def prices(db: Database, budget: Budget) -> Iterator[CheckResult]:
    """Prices that begin within 60 days, and rises that are charged without a decision."""
    for each in registry.coming_changes(db, budget.today()):
        yield price_finding(each)


def price_finding(found: ModelChange) -> CheckResult:
    change, name = found.change, f"{found.provider}/{found.model_id}"
    parts = ", ".join(f"{part.name} {amount(part.before)} to {amount(part.after)}" for part in change.parts)
    when = f"{'since' if change.begun else 'from'} {change.valid_from} (UTC)"
    if change.source == "admin":
        return green("price", f"{name} costs another price {when}: {parts}, as {change.detail} decided")
    told = f"{name}: {parts} USD {when}, says {change.detail}; the dearer price is charged until an admin decides"
    return yellow("price", told, f"`{PROGRAM} models price {found.provider} {found.model_id} --suggested "
                  f"--from {change.valid_from}`")  # fmt: skip


def amount(value: Decimal | None) -> str:
    return "no price" if value is None else f"{value.normalize():f}"


def model_finding(provider: ProviderName, entry: RegistryEntry, checked: Sequence[KeyCheck] | None) -> CheckResult:
    name = entry.name
    if entry.read_price() is None:
        return red(
            "model", f"{name} is current and has no price", f"`{PROGRAM} models price {provider} {entry.model_id}`"
        )
    lists = [each.models for each in checked or () if each.key.provider == provider and each.verdict == "works"]
    if lists and all(findings.is_missing(provider, entry, {info.model_id: info for info in each}) for each in lists):
        return red("model", f"{name} is current and {provider} does not list it",
                   f"`{PROGRAM} models list`, then `models activate {provider} MODEL`")  # fmt: skip
    why = findings.end_reason(entry, datetime.now(UTC))
    if why is not None:
        end = f"ends on {entry.retires_at:%Y-%m-%d}" if why == "retires" else "was missing in the last weekly checks"
        return yellow("model", f"{name} is current and {end}", f"`{PROGRAM} models list`, then `models activate`")
    return green("model", f"{name} is current and priced" + (", and listed by its provider" if lists else ""))


def budgets(budget: Budget) -> Iterator[CheckResult]:
    standings = budget.standings(start_month=False)
    for standing in standings:
        told = (
            f"user {standing.user_id}: {standing.spent_usd:.2f} of {standing.budget_usd} USD ({standing.percent:.1f} %)"
        )
        if standing.blocked:
            yield yellow("budget", f"{told}: blocked until the month ends",
                         f"`{PROGRAM} budget set {standing.user_id} --limit USD`")  # fmt: skip
        elif standing.near_limit:
            yield yellow("budget", f"{told}: near the limit", f"`{PROGRAM} budget set {standing.user_id} --limit USD`")
    if budget.differences():
        yield red(
            "ledger", "a user's counters are not the sum of the ledger", f"`{PROGRAM} budget audit` says by how much"
        )
    elif not any(standing.blocked or standing.near_limit for standing in standings):
        yield green(
            "budget", f"{counted(len(standings), 'user')} within the limits; the counters are the sum of the ledger"
        )


def readings(db: Database) -> Iterator[CheckResult]:
    """How many stored answers were read with former names, or by a former version of the analysis."""
    stale: dict[int, int] = {}
    for row in projects.active(db):
        with RowErrors().guard("read_project", f"#{row['id']}"):
            stale[row["id"]] = fingerprints.stale_answers(db, projects.read_project(row))
    found = [project_id for project_id, answers in stale.items() if answers]
    if found:
        named = ", ".join(f"#{project_id}" for project_id in found[:SHOWN_AT_MOST])
        more = f" and {len(found) - SHOWN_AT_MOST} more" if len(found) > SHOWN_AT_MOST else ""
        answers = counted(sum(stale.values()), "answer")
        yield yellow("readings", f"{answers} of projects {named}{more} read with former names or rules",
                     f"`{PROGRAM} reanalyse --project {found[0]}`, and each of the others")  # fmt: skip
    else:
        yield green("readings", "every stored answer was read with the present names and rules")


def operator_budget(settings: Settings, budget: Budget) -> Iterator[CheckResult]:
    """What all users together may spend with the operator's keys."""
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
        yield yellow("operator budget", f"{who} can spend the operator's keys with no limit over all users together",
                     "set LLM_OPERATOR_MONTHLY_BUDGET_USD, and LLM_OPERATOR_KEYS_FOR to who may use them")  # fmt: skip
    elif spent >= limit:
        yield yellow("operator budget", f"{spent:.2f} of {limit} USD: the operator's keys are blocked this month",
                     "raise LLM_OPERATOR_MONTHLY_BUDGET_USD")  # fmt: skip
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
    """How the last run ended, and whether calls are open though nobody works on them."""
    holder = advisory_holder(db, LOCK_KEY)
    held = holder is not None
    left = sum(each["attempts"] for each in budget.open_by_user())
    if held and records.held_too_long(db, holder, datetime.now(UTC)):
        yield red("runs", f"a session keeps the lock of the daily run, and no run has started for a day: {holder}",
                  "end that session: `SELECT pg_terminate_backend(pid)`")  # fmt: skip
    elif held:
        yield green("runs", f"a daily run is at work ({holder}), {left} calls are out")
    elif left:
        yield yellow(
            "runs", f"{left} calls of a run that died are open", "the next run settles them: start it, or wait"
        )
    last = next(iter(records.recent(db, 1)), None)
    if last is None:
        yield yellow(
            "runs", "there was no daily run yet", "`python daily_llm_monitoring_cron.py`, or wait for its hour"
        )
    elif not held:
        yield last_run(last, datetime.now(UTC))


def last_run(row: Row, now: datetime) -> CheckResult:
    told = f"run {row['id']} of {row['analysis_date']} ended: {row['status']}"
    if now - row["started_at"] > LATE:
        return yellow("runs", f"{told}, and none started in the last day", "look at the schedule and the job's log")
    if row["status"] != "completed":
        return yellow("runs", told, f"`{PROGRAM} runs show {row['id']}`")
    return green("runs", told)


def outbox(db: Database) -> Iterator[CheckResult]:
    row = db.one(SQL.undelivered)
    if row is not None and row["lines"]:
        wait = "1 line waits" if row["lines"] == 1 else f"{row['lines']} lines wait"
        yield yellow("notifications", f"{wait} since {row['since']:%Y-%m-%d} for a target",
                     "look for `notify.undelivered` in the job's log; the next run tries again")  # fmt: skip
