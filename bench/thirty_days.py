"""Thirty simulated days of the demo's projects: is a real trend distinguished from noise?"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from cryptography.fernet import Fernet

from bench.environment import database
from llm_monitoring import projects
from llm_monitoring.app import App, open_app
from llm_monitoring.cli.results.metrics import print_report
from llm_monitoring.cli.results.metrics_tables import print_comparison
from llm_monitoring.demo.sample import SAMPLE_EMAIL
from llm_monitoring.demo.server.loopback import DemoServer
from llm_monitoring.demo.session import fill
from llm_monitoring.domain import Secret
from llm_monitoring.figures import periods
from llm_monitoring.figures.comparison import Comparison
from llm_monitoring.figures.periods import Period, PeriodRequest
from llm_monitoring.runs import daily
from llm_monitoring.runs.records import RunLock
from llm_monitoring.settings.fields import load_settings

ENOUGH_USD = Decimal("1000.00")


@contextmanager
def simulated(url: str, last: date) -> Iterator[tuple[App, DemoServer]]:
    """Yield the demo's projects on a database, and the loopback server with a trend that ends on `last`."""
    with DemoServer(epoch=last) as server:
        settings = dataclasses.replace(
            load_settings({**server.environment(), "DATABASE_URL": url, "LLM_LOG_LEVEL": "ERROR"}, dotenv=False),
            keys_encryption_key=Secret(Fernet.generate_key().decode()),
        )
        with open_app(settings) as app:
            fill(app)
            app.budget.set_limits(projects.find_user(app.db, SAMPLE_EMAIL)["id"], ENOUGH_USD, None)
            yield app, server


def live(app: App, server: DemoServer, days: Sequence[date]) -> int:
    """Run the daily job for each of the days; return the number of answers."""
    answers = 0
    with RunLock(app.db) as lock:
        for each in days:
            server.set_day(each)
            report = daily.run_day(app, daily.RunRequest(each), lock=lock)
            assert report.in_balance
            answers += report.stats.answered
    return answers


def comparisons(days: Sequence[date]) -> list[tuple[str, Period, Period]]:
    """Return the comparisons: the first half with the second, and the last two weeks."""
    half = len(days) // 2
    return [
        ("first half against second", Period(days[0], days[half - 1]), Period(days[half], days[-1])),
        ("last week against the one before", Period(days[-14], days[-8]), Period(days[-7], days[-1])),
    ]


def measure(app: App, days: Sequence[date]) -> list[dict[str, Any]]:
    """Print the figures and every comparison as the command line does; return the verdicts."""
    found = []
    for row in projects.overview(app.db):
        print_report(periods.period_figures(app.db, PeriodRequest(row["id"], Period(days[0], days[-1]))))
        for what, before, after in comparisons(days):
            comparison = periods.period_figures(app.db, PeriodRequest(row["id"], after, before)).comparison
            assert comparison is not None
            print(f"\n{what}: {before}, then {after}")
            print_comparison(comparison)
            found.append({"project": row["name"], "compared": what, **verdicts(comparison)})
        print()
    return found


def verdicts(comparison: Comparison) -> dict[str, Any]:
    headline, *others = (*comparison.figures, *comparison.by_provider)
    return {
        "before": str(headline.before),
        "after": str(headline.after),
        "interval": [str(headline.low), str(headline.high)],
        "verdict": headline.verdict,
        "others": [f"{each.figure} {each.provider or 'all'}: {each.verdict}" for each in others],
    }


def main() -> None:
    """Simulate, print the figures, and end with one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    wanted = parser.parse_args().days
    last = datetime.now(UTC).date()
    days = [last - timedelta(days=back) for back in range(wanted - 1, -1, -1)]
    with database() as url, simulated(url, last) as (app, server):
        start = time.monotonic()
        answers = live(app, server, days)
        seconds = round(time.monotonic() - start, 1)
        verdicts_found = measure(app, days)
    print(
        json.dumps(
            {"days": wanted, "answers": answers, "seconds": seconds, "verdicts": verdicts_found}, ensure_ascii=False
        )
    )


if __name__ == "__main__":
    main()
