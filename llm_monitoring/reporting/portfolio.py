"""A user's projects next to each other: how far the last day came, what it cost, and what needs attention first."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, get_args

from llm_monitoring.db import Database, load
from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.figures.periods import Period, PeriodRequest
from llm_monitoring.figures.stored_figures import columns_of
from llm_monitoring.projects import enabled_providers

SQL = load("portfolio")

Need = Literal["unreadable", "blocked", "dark", "keyless", "no_prompts", "failures", "drop", "new", "none", "paused"]
ORDER: Final[tuple[Need, ...]] = get_args(Need)
"""What comes first needs attention first."""


@dataclass(frozen=True, slots=True)
class ProjectStanding:
    """One project: `day` is the last that was measured or tried, `measured` the days with answers, first to last.

    Of the `expected` tasks of now, `answered` have an answer of that day and `failed` do not. `spent_usd` is
    this month's cost, None for a viewer.
    """

    id: int
    name: str
    brand: str
    role: Literal["owner", "viewer"]
    is_active: bool
    providers: tuple[ProviderName, ...]
    prompts: int
    expected: int
    day: date | None
    answered: int
    failed: int
    measured: Period | None
    spent_usd: Decimal | None

    def needs(
        self, today: date, usable: AbstractSet[str], *, is_blocked: bool = False, has_dropped: bool = False
    ) -> list[Need]:
        """What needs attention, the most pressing first; keys and budget are the owner's, and concern no viewer."""
        if not self.is_active:
            return ["paused"]
        is_owner = self.role == "owner"
        found: dict[Need, bool] = {
            "blocked": is_owner and is_blocked,
            "dark": self.measured is not None and self.measured.last < today - timedelta(days=1),
            "keyless": is_owner and not set(self.providers) <= usable,
            "no_prompts": not self.prompts,
            "failures": self.failed > 0,
            "drop": has_dropped,
            "new": self.measured is None and self.prompts > 0,
        }
        return [need for need in ORDER if found.get(need)]


def project_standings(db: Database, user_id: int, month: date, project_id: int | None = None) -> list[ProjectStanding]:
    """The user's projects that are not archived, by brand, or one of them; costs are those since `month`."""
    params = {"user_id": user_id, "since": month, "project_id": project_id, "providers": list(PROVIDERS)}
    return [standing_of(row) for row in db.all(SQL.projects, params)]


def last_verdicts(db: Database, wanted: Sequence[PeriodRequest]) -> dict[int, str | None]:
    """What the mention rate of each project did when these periods were last measured; without those that never were.

    An answer may have come since, so this orders projects and is no figure to show.
    """
    columns = [columns_of(each, "") for each in wanted]
    rows = db.all(
        SQL.last_verdicts,
        {
            "project_ids": [each["project_id"] for each in columns],
            "firsts": [each["first"] for each in columns],
            "lasts": [each["last"] for each in columns],
            "filters": [each["filters"] for each in columns],
        },
    )
    return {row["project_id"]: row["verdict"] for row in rows}


def standing_of(row: Any) -> ProjectStanding:
    providers = enabled_providers(row["enabled_llms"])
    return ProjectStanding(
        id=row["id"],
        name=row["name"],
        brand=row["brand_name"],
        role=row["role"],
        is_active=bool(row["is_active"]),
        providers=providers,
        prompts=row["prompts"],
        expected=row["prompts"] * len(providers) * max(1, row["samples_per_query"] or 1),
        day=row["day"],
        answered=row["answered"],
        failed=row["failed"],
        measured=Period(row["first"], row["last"]) if row["first"] else None,
        spent_usd=row["spent_usd"] if row["role"] == "owner" else None,
    )
