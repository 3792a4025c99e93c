"""Accounts: keys stored, removed and encrypted again, limits and pacing set, spend corrected."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from llm_monitoring import ledger
from llm_monitoring.app import App
from llm_monitoring.db import Database
from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.edits.records import By, changing, record
from llm_monitoring.keys import Progress, Rotation, require_own_key
from llm_monitoring.ledger import Pacing, Standing, new_id, pacing_of, read_steps


def store_key(app: App, by: By, user_id: int, provider: ProviderName, secret: Secret) -> None:
    """Store a user's key in place of the one before; raises ConfigurationError, Invalid and NotFound."""
    require_own_key(app.settings, provider, secret)

    def work(app: App) -> None:
        app.keys.store(user_id, provider, secret)
        record(app.db, by, user_id, "key.store", object_id=provider)

    changing(app, work)


def remove_key(app: App, by: By, user_id: int, provider: ProviderName) -> bool:
    """Delete a user's key; False if there was none."""

    def work(app: App) -> bool:
        is_removed = app.keys.remove(user_id, provider)
        if is_removed:
            record(app.db, by, user_id, "key.remove", object_id=provider)
        return is_removed

    return changing(app, work)


def rotate_keys(app: App, by: By, on_progress: Progress) -> Rotation:
    """Encrypt every user's keys again, each with its record; raises what `KeyStore.rotate` raises."""

    def note(db: Database, user_id: int, provider: ProviderName) -> None:
        record(db, by, user_id, "key.rotate", object_id=provider)

    return app.keys.rotate(on_progress, note)


def set_limits(app: App, by: By, user_id: int, budget_usd: Decimal | None, threshold: Decimal | None) -> Standing:
    """Change a user's monthly limit in USD and alert threshold in percent, and return the month; raises Invalid."""

    def work(app: App) -> Standing:
        app.budget.ensure_account(user_id)
        before = standing_of(app, user_id)
        app.budget.set_limits(user_id, budget_usd, threshold)
        after = standing_of(app, user_id)
        if limits(before) != limits(after):
            record(app.db, by, user_id, "budget.set", before=limits(before), after=limits(after))
        return after

    return changing(app, work)


def standing_of(app: App, user_id: int) -> Standing:
    return next(each for each in app.budget.standings(start_month=False) if each.user_id == user_id)


def limits(standing: Standing) -> dict[str, str]:
    return {"monthly_budget_usd": str(standing.budget_usd), "spending_alert_threshold": str(standing.threshold)}


def set_pacing(
    app: App, by: By, user_id: int, *, is_on: bool | None = None, steps: Iterable[str] | None = None
) -> Pacing:
    """Turn a user's pacing on or off, change the order of its steps, or both; None leaves it. Raises Invalid."""

    def work(app: App) -> Pacing:
        before = pacing_of(app.db, user_id)
        ladder = before.steps if steps is None else read_steps(steps)
        ledger.set_pacing(app.db, user_id, is_on=before.is_on if is_on is None else is_on, steps=ladder)
        after = pacing_of(app.db, user_id)
        if pacing_fields(before) != pacing_fields(after):
            record(app.db, by, user_id, "pacing.set", before=pacing_fields(before), after=pacing_fields(after))
        return after

    return changing(app, work)


def pacing_fields(pacing: Pacing) -> dict[str, object]:
    return {"is_on": pacing.is_on, "steps": list(pacing.steps)}


def correct_spend(
    app: App, by: By, user_id: int, change_usd: Decimal, reason: str, month: date | None = None
) -> Decimal:
    """Add a correction to a user's month, and return what is spent in it then, in USD; raises Invalid.

    `month`: the first day of one that is over; by default the present one.
    """
    entry_id = str(new_id())

    def work(app: App) -> Decimal:
        spent = app.budget.correct(user_id, change_usd, reason, entry_id, month)
        record(
            app.db,
            by,
            user_id,
            "budget.correct",
            object_id=entry_id,
            after={"amount_usd": str(change_usd), "reason": reason} | ({"month": f"{month:%Y-%m}"} if month else {}),
        )
        return spent

    return changing(app, work)
