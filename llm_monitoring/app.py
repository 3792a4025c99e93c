"""The composition root: opens settings, database, key box and ledger, and closes everything."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from threading import Event
from typing import Any, NoReturn, Self

from llm_monitoring import day
from llm_monitoring.accounts import Standing
from llm_monitoring.budget import Budget
from llm_monitoring.crypto import KeyBox
from llm_monitoring.db.database import Database
from llm_monitoring.db.migrate import migrate
from llm_monitoring.db.pooler import require_sessions
from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.errors import BadInput
from llm_monitoring.keys import KeyStore
from llm_monitoring.logs import register_secret
from llm_monitoring.runs import RunLock
from llm_monitoring.settings import Settings, load_settings

log = logging.getLogger(__name__)

SPARE_CONNECTIONS = 2  # the coordinator and a command beside the workers
MOST_CONNECTIONS = 20  # a statement takes milliseconds of a call that takes seconds; PostgreSQL allows 100 to everybody


@contextmanager
def open_tools(settings: Settings | None = None, stop: Event | None = None) -> Iterator[day.Tools]:
    """Everything that a job or command works with, on a migrated database; `stop` shortens the wait for one away."""
    settings = settings or load_settings()
    box = KeyBox(settings.keys_encryption_key.reveal()) if settings.keys_encryption_key else None
    with Database(database_url(settings), size=connections(settings), stop=stop) as db:
        require_sessions(db)
        migrate(db)
        budget = Budget(
            db, settings.default_monthly_budget_usd, operator_budget_usd=settings.operator_monthly_budget_usd
        )
        keys = KeyStore(
            db, box, settings.api_keys, default_budget_usd=settings.default_monthly_budget_usd,
            operator_keys_for=settings.operator_keys_for,
        )  # fmt: skip
        yield day.Tools(db, budget, keys, settings)


def connections(settings: Settings) -> int:
    return min(settings.max_workers, MOST_CONNECTIONS) + SPARE_CONNECTIONS


def database_url(settings: Settings) -> str:
    """DATABASE_URL, or an embedded server on this machine; raises ConfigurationError on Railway without it."""
    if not settings.may_embed_database:
        return settings.require_database_url()
    from llm_monitoring.db import embedded
    from llm_monitoring.db.data_directory import own_data_directory

    data = own_data_directory(settings.data_dir)
    fields = {"event": "database.embedded", "directory": str(data)}
    log.info("📁 Sin DATABASE_URL: los datos están en %s", data, extra=fields)
    return embedded.start(data)


def schedule_day(settings: Settings) -> date:
    """The day that a run now belongs to, in LLM_TIMEZONE."""
    return datetime.now(settings.timezone).date()


def blocked_users(standings: list[Standing]) -> dict[int, Standing]:
    return {standing.user_id: standing for standing in standings if standing.blocked}


class PlainKey(str):
    """A key in the clear for a caller that hands it to an SDK.

    It is the key wherever a text is asked for, `str()` and f-strings included, as SDKs make their headers so. Its repr
    is `***`, so that no dict or traceback shows it, it cannot be pickled, and this package's log lines hide it.
    """

    __slots__ = ()

    def __new__(cls, secret: Secret) -> Self:
        register_secret(secret)
        return super().__new__(cls, secret.reveal())

    def __repr__(self) -> str:
        return "***"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a key is not pickled: read it where it is used")


def plain_keys(keys: Mapping[ProviderName, Secret]) -> dict[str, str]:
    return {provider: PlainKey(secret) for provider, secret in keys.items()}


def budget_info(standings: list[Standing]) -> tuple[bool, dict[str, Any]]:
    """Whether anybody may spend, and who is near or over the limit; with active projects only their owners count."""
    relevant = [standing for standing in standings if standing.has_active_projects] or standings
    info = {
        "total_users": len(standings),
        "users_over_budget": [standing_dict(standing) for standing in standings if standing.blocked],
        "users_near_limit": [standing_dict(standing) for standing in standings if standing.near_limit],
    }
    return not relevant or any(not standing.blocked for standing in relevant), info


def standing_dict(standing: Standing) -> dict[str, Any]:
    return {
        "user_id": standing.user_id,
        "current_month_spend": standing.spent_usd,
        "monthly_budget_usd": standing.budget_usd,
        "reserved_spend_usd": standing.reserved_usd,
        "spending_alert_threshold": standing.threshold,
        "percent_used": standing.percent,
    }


def amount(value: Decimal | float | str) -> Decimal:
    """`value` in USD, exactly as written; raises BadInput where it is no finite number."""
    try:
        found = Decimal(str(value))
    except InvalidOperation as exc:
        raise BadInput(f"{value!r} is no amount in USD") from exc
    if not found.is_finite() or abs(found) >= 10**8:
        raise BadInput(f"{value!r} is no amount in USD")
    return found


def check_budget_limits() -> tuple[bool, dict[str, Any]]:
    """Whether anybody may spend this month, and `total_users`, `users_over_budget`, `users_near_limit`."""
    with open_tools() as tools:
        return budget_info(tools.budget.standings())


def get_api_keys_from_db(user_id: int | None = None) -> dict[str, str]:
    """The usable API keys of a user by provider, the environment's where the user has none.

    Without a user: those of the one user who stored any, else the environment's.
    """
    with open_tools() as tools:
        return plain_keys(tools.keys.all_for(user_id))


def update_monthly_spend(total_cost_usd: Decimal | float | str, user_id: int | None = None) -> Decimal:
    """Correct a user's month by hand with a ledger entry, and return the new spend in USD.

    A run settles call by call and never needs this. Without a user only where there is exactly one; raises BadInput.
    """
    with open_tools() as tools:
        if user_id is None:
            standings = tools.budget.standings()
            if len(standings) != 1:
                raise BadInput(f"there are {len(standings)} users: say whose spend to change with user_id")
            user_id = standings[0].user_id
        return tools.budget.correct(user_id, amount(total_cost_usd), "update_monthly_spend")


def analyze_all_active_projects(max_workers: int = 10) -> list[dict[str, Any]]:
    """Analyse today's open tasks of every active project; one dict a project (design, section 3).

    Raises AlreadyRunning while another daily run works, ConfigurationError unless `max_workers` is 1 to 256.
    """
    settings = load_settings(max_workers=max_workers)
    with open_tools(settings) as tools, RunLock(tools.db) as lock:
        blocked = blocked_users(tools.budget.standings())
        report = day.analyse(tools, day.Order(schedule_day(settings)), blocked, lock)
    return [project.as_dict() for project in report.projects]
