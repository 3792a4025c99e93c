"""T6: PostgreSQL fails under a whole run: backends terminated, the server stopped at once, acknowledgements lost."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import TypeVar

import psycopg2
import pytest

from llm_monitoring.app import App
from llm_monitoring.db.database import Database, Interrupted, Transaction
from llm_monitoring.db.embedded import Server, launch, serve
from llm_monitoring.keys.encryption import KeyCipher
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.ledger.attempts import Attempt
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.runs import daily as daily_run
from llm_monitoring.runs import records
from llm_monitoring.runs import report as report_module
from llm_monitoring.runs.records import RunLock
from llm_monitoring.settings.fields import load_settings
from tests.environment import AMPLE, Environment, open_environment
from tests.faults.conftest import Note, fill_watched, forms
from tests.fork_server import Child

FIRST_DAY = date(2026, 11, 22)
TERMINATE = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND {which}"
WHICH = ("random() < 0.3", "random() < 0.3", "TRUE")
T = TypeVar("T")


@dataclass
class Postgres:
    """A server that can be crashed and started again."""

    server: Server
    restarted: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.url

    def terminate(self, which: str) -> None:
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(TERMINATE.format(which=f"backend_type = 'client backend' AND {which}"))

    def crash(self, pause: float) -> None:
        """Stop the server without a checkpoint or a goodbye, and start it again."""
        cluster = self.server.cluster
        stopped = cluster.run("pg_ctl", "-D", cluster.data, "-m", "immediate", "-w", "stop")
        assert stopped.returncode == 0, stopped.stderr
        time.sleep(pause)
        self.restarted.append(launch(cluster))


@pytest.fixture
def postgres(server_folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL of this test's own, which survives a crash as production's does."""
    made = Postgres(serve(server_folder / "data"))
    fill_watched(made.url)
    yield made
    made.server.stop()
    for process in made.restarted:
        process.wait(20)


def trouble(server: Postgres, random: Random, child: Child, restarts: int) -> int:
    """Terminate backends every 0.2 to 2 s and crash the server now and then, until the run ends; the count of both."""
    troubles, crashes = 0, 0
    while not child.ended.wait(random.uniform(0.2, 2.0)):
        troubles += 1
        if crashes < restarts and random.random() < 0.4:
            crashes += 1
            server.crash(random.uniform(0.0, 0.5))
        else:
            server.terminate(random.choice(WHICH))
    return troubles


@pytest.mark.ci
@pytest.mark.parametrize(("days", "prompts"), [(1, 12), pytest.param(20, 40, marks=pytest.mark.long)])
def test_t6_a_failing_database_costs_time_and_no_money(
    postgres: Postgres, random: Random, note: Note, days: int, prompts: int
) -> None:
    """Terminated backends and crashes of the server: the run ends complete, nothing is paid twice, nothing is lost."""
    with open_environment(postgres.url, random, latency_ms=150, spread=1.0) as environment:
        environment.add_numbered_project(environment.add_user(budget=AMPLE), prompts)
        done, troubles = [], 0
        for number in range(days):
            done.append(FIRST_DAY - timedelta(days=number))
            child = environment.start_day(done[-1], LLM_MAX_WORKERS="6")
            troubles += trouble(postgres, random, child, restarts=2)
            assert child.wait() == 0, child.said()[-3000:]
            note.progress(number + 1, days, "days")
        view = environment.ledger_view()
        note.count_money(view)
        note.add(days=days, troubles=troubles)
        assert [] == environment.check(*done, whole=True)
        assert troubles > 0
        assert 0 == view.lost_replies
        assert view.billed_usd == view.charged_usd


class Forgetful(Database):
    """A database that at random breaks the connection after a commit and before its acknowledgement."""

    def __init__(self, dsn: str, random: Random, share: float) -> None:
        super().__init__(dsn, size=12, retry_seconds=30.0)
        self.random, self.share, self.forgotten = random, share, 0

    def persist(self, attempt: Callable[[], T]) -> T:
        def forgetful() -> T:
            result = attempt()
            if self.random.random() < self.share:
                self.forgotten += 1
                raise Interrupted("the acknowledgement got lost")
            return result

        return super().persist(forgetful)


class TakenBack(Budget):
    """A ledger that loses its first reservation, as in a crash before it was on disk."""

    crashed = False

    def mark_sent(self, call: Attempt, rates: str | None = None) -> bool:
        if not self.crashed:
            self.crashed = True
            self.db.execute(
                "WITH lost AS (DELETE FROM llm_call_attempts WHERE id = %(id)s RETURNING user_id, ceiling_usd) "
                "UPDATE user_llm_api_keys k SET reserved_spend_usd = reserved_spend_usd - lost.ceiling_usd FROM lost "
                "WHERE k.user_id = lost.user_id",
                {"id": str(call.id)},
            )
        return super().mark_sent(call)


def run_with(environment: Environment, db: Database, budget: Budget, day: date) -> report_module.DayReport:
    settings = load_settings({**environment.variables(), "LLM_SENTIMENT": "true"}, dotenv=False)
    app = App(db, budget, KeyStore(db, KeyCipher(environment.master_key), {}), settings)
    with RunLock(environment.db) as lock:
        return daily_run.run_day(app, daily_run.RunRequest(day), lock=lock)


@pytest.mark.ci
@pytest.mark.parametrize("days", forms(1, ci=4, long=60))
def test_t6_a_lost_acknowledgement_is_no_second_payment(
    environment: Environment, random: Random, note: Note, days: int
) -> None:
    """A commit that is done and not acknowledged is repeated without effect, in every statement of a run."""
    tight = environment.add_user(providers=["openai"], budget="0.05")
    environment.add_numbered_project(tight, 12, ["openai"])
    environment.add_numbered_project(
        environment.add_user(providers=["anthropic", "google"], budget=AMPLE), 4, ["anthropic", "google"]
    )
    done = []
    with Forgetful(environment.url, random, share=0.3) as db:
        for number in range(days):
            done.append(FIRST_DAY - timedelta(days=number))
            environment.budget.correct(tight, -environment.budget.standings()[0].spent_usd, "another day's money")
            report = run_with(environment, db, Budget(db), done[-1])
            assert report.complete, report
            note.progress(number + 1, days, "days")
        note.add(days=days, forgotten=db.forgotten)
    view = environment.ledger_view()
    note.count_money(view)
    assert [] == environment.check(*done, whole=True)
    assert db.forgotten > 20 * days
    assert 0 == view.lost_replies
    assert view.billed_usd == view.charged_usd
    assert {"settled"} == {row["state"] for row in view.calls}


@pytest.mark.ci
def test_t6_a_correction_whose_acknowledgement_got_lost_is_entered_once(
    environment: Environment, random: Random
) -> None:
    """A correction by hand that is repeated by itself counts once, and its caller gets the new spend."""
    user = environment.add_user(providers=[])
    with Forgetful(environment.url, random, share=0.3) as db:
        spends = [Budget(db).correct(user, Decimal(1), "by hand") for _ in range(12)]
    assert spends == [Decimal(number) for number in range(1, 13)]
    assert environment.check() == []


@pytest.mark.ci
def test_t6_a_run_whose_start_was_not_acknowledged_is_opened_once(environment: Environment, random: Random) -> None:
    """A run that is opened again by itself is the same one: no other is left that counts as running."""
    with Forgetful(environment.url, random, share=0.5) as db:
        opened = [records.start(db, FIRST_DAY) for _ in range(6)]
    assert opened == [
        row["id"] for row in environment.db.all("SELECT id FROM llm_monitoring_analysis_runs ORDER BY id")
    ]


def test_t6_a_reservation_that_a_crash_took_back_is_made_again(environment: Environment) -> None:
    """A call is reserved again in the same run if its reservation did not survive the server."""
    environment.add_numbered_project(environment.add_user(providers=["openai"], budget=AMPLE), 3, ["openai"])
    report = run_with(environment, environment.db, TakenBack(environment.db), FIRST_DAY)
    assert report.complete is True
    assert [] == environment.check(FIRST_DAY)


def test_t6_the_transaction_is_whole(environment: Environment, random: Random) -> None:
    """What fails in the middle of a settlement leaves neither result nor charge."""

    def fail(tx: Transaction) -> None:
        tx.execute("UPDATE user_llm_api_keys SET reserved_spend_usd = 1")
        raise Interrupted("cut")

    user = environment.add_user(providers=[])
    with Database(environment.url, retry_seconds=0.2) as db, pytest.raises(Interrupted):
        db.transact(fail)
    assert user == environment.ledger_view().accounts[0]["user_id"]
    assert [] == environment.check()
