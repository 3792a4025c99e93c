"""A month of daily runs on the simulator, each at 04:00 UTC of its day by a clock that the test turns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from llm_monitoring import edits
from llm_monitoring.app import App
from llm_monitoring.domain import ProviderName
from llm_monitoring.ledger import Budget
from llm_monitoring.runs.daily import RunRequest, run_day
from llm_monitoring.runs.report import DayReport
from llm_monitoring.settings import load_settings
from tests.environment import Environment

# an answer is cut at so few tokens that the ceiling of a call is near its cost, as a month of calls makes it
SHORT = {"LLM_MAX_OUTPUT_TOKENS": "150", "LLM_MAX_WORKERS": "4"}
TWO: Sequence[ProviderName] = ("openai", "google")


@dataclass
class Clock:
    """A clock that the test turns."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


@dataclass
class SimulatedMonth:
    """A month in the past; `reports` are those of its runs, by day."""

    environment: Environment
    first: date
    settings: dict[str, str] = field(default_factory=lambda: {"LLM_SENTIMENT": "false"})
    reports: dict[date, DayReport] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = Clock(datetime.combine(self.first, datetime.min.time(), UTC))
        variables = self.environment.variables({**SHORT, **self.settings})
        self.app = App(
            self.environment.db,
            Budget(self.environment.db, clock=self.clock),
            self.environment.store,
            load_settings(variables, dotenv=False),
        )

    def add_user(self, budget: str, providers: Sequence[ProviderName] = TWO) -> int:
        """Add a user with an account of this month."""
        user = self.environment.add_user(providers=providers, budget=budget)
        self.environment.db.execute(
            "UPDATE user_llm_api_keys SET last_spend_reset = %(month)s, ledger_month = %(month)s "
            "WHERE user_id = %(user)s",
            {"month": self.first.replace(day=1), "user": user},
        )
        return user

    def pace(self, user: int, *steps: str) -> None:
        """Turn a user's pacing on, before the month."""
        edits.set_pacing(self.app, edits.COMMAND, user, is_on=True, steps=steps or None)
        self.app.db.execute("UPDATE llm_pacing SET on_since = '2020-01-01'")

    def run(self, day: date, project_id: int | None = None) -> DayReport:
        self.clock.now = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
        self.reports[day] = run_day(self.app, RunRequest(day, project_id))
        return self.reports[day]

    def run_all(self, days: Iterable[date]) -> None:
        for day in days:
            self.run(day)

    def days(self, first: int, last: int) -> list[date]:
        start = self.first.replace(day=1)
        return [start + timedelta(days=number - 1) for number in range(first, last + 1)]

    def answers(self) -> dict[date, int]:
        """How many answers each day has."""
        rows = self.app.db.all(
            "SELECT analysis_date AS day, count(*) AS n FROM llm_monitoring_results GROUP BY 1 ORDER BY 1"
        )
        return {row["day"]: row["n"] for row in rows}

    def spent(self, user: int) -> Decimal:
        row = self.app.db.one(
            "SELECT coalesce(sum(charged_usd), 0) AS usd FROM llm_call_attempts WHERE user_id = %(user)s",
            {"user": user},
        )
        assert row is not None
        return Decimal(row["usd"])
