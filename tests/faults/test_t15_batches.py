"""T15: a kill at each step of a batch, in this process and as `kill -9`, and what the next starts make of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final, get_args

import pytest

from llm_monitoring.domain import ProviderName
from llm_monitoring.failpoints import BatchPoint
from tests.environment import AMPLE, Environment, open_environment
from tests.faults import batch_days
from tests.faults.batch_days import (
    BOTH,
    ECONOMY,
    LONGEST_HOURS,
    Died,
    add_proven_project,
    check,
    complete,
    few_are_enough,
    is_out,
    losses,
    pass_hours,
    unpaid_requests,
    ways,
)
from tests.faults.conftest import CI, LONG, Note
from tests.faults.in_process import TODAY, run_day
from tests.faults.weather import Json
from tests.fork_server import Halt

# How each task of a day goes on after a kill at a point. What was not posted is void and goes into another batch;
# what was posted but not made is proven absent first; what was made is found, and nothing is asked again.
FATES: Final[dict[BatchPoint, str]] = {
    "batch_opened": "settled batch",
    "batch_reserved": "void batch, settled batch",
    "batch_uploaded": "void batch, settled batch",
    "batch_posting": "void batch, settled batch",
    "batch_posted": "settled batch",
    "batch_running": "settled batch",
    "batch_cancelled": "settled batch",
    "batch_ended": "settled batch",
    "batch_receipt_kept": "settled batch",
    "batch_line_settled": "settled batch",
    "batch_settled": "settled batch",
    "batch_collected": "settled batch",
    "batch_forgotten": "settled batch",
}
SUBMITTING: Final[tuple[BatchPoint, ...]] = (
    "batch_opened",
    "batch_reserved",
    "batch_uploaded",
    "batch_posting",
    "batch_posted",
)
KILLS: Final[list[tuple[BatchPoint, ProviderName]]] = [
    *((point, provider) for point in SUBMITTING for provider in BOTH),
    *((point, BOTH[number % 2]) for number, point in enumerate(FATES) if point not in SUBMITTING),
]
OTHERS: Final = ("reserved", "settling", "settled", "snapshot", "finishing")
ROUTES: Final = ("file_create", "batch_create", "batch_list", "batch", "batch_cancel", "file_content", "batch_results")
BREAKS: Final[tuple[Json, ...]] = (
    {"kind": "reset", "when": "after_body"},
    {"kind": "truncate", "content_length": "wrong"},
    {"kind": "truncate", "content_length": "right"},
)
SPOILS: Final[tuple[Json, ...]] = (
    *({"kind": "status", "status": status} for status in (400, 429, 500)),
    *({"kind": kind} for kind in ("expired", "dropped", "repeated", "unreadable")),
)
WORKERS: Final = 10  # calls in flight when a process is killed: their replies go to no one
LINES: Final = ("batch_receipt_kept", "batch_line_settled")  # reached once for each line


@pytest.fixture
def environment(watched_url: str, random: Random) -> Iterator[Environment]:
    with open_environment(watched_url, random) as environment, few_are_enough():
        yield environment


@pytest.fixture
def days() -> Iterator[date]:
    return (TODAY - timedelta(days=number) for number in range(1_000))


def kill(environment: Environment, day: date, point: str, nth: int = 1) -> None:
    """A run of the day that ends at a point."""
    environment.server.batches.set_plan({"ends_after": None if point == "batch_cancelled" else 0, "ran": 1.0})
    with batch_days.killed_at(point, nth), pytest.raises(Died):
        run_day(environment, day, **ECONOMY)
    environment.server.batches.set_plan({"ends_after": 0})


@pytest.mark.ci
@pytest.mark.parametrize("provider", BOTH)
def test_t15_a_kill_at_each_step_is_mended_by_the_next_starts(
    environment: Environment, days: Iterator[date], note: Note, provider: ProviderName
) -> None:
    """At each step: no request is billed twice or unseen, no answer is lost, and each task goes the way of its fate."""
    add_proven_project(environment, provider, next(days))
    points = [point for point, killed in KILLS if killed == provider]
    broken: list[str] = []
    done: list[date] = []
    for point in points:
        done.append(next(days))
        kill(environment, done[-1], point, 2 if point in LINES else 1)
        complete(environment, done[-1])
        gone = ways(environment, done[-1])
        broken += [] if gone == {FATES[point]: batch_days.PROMPTS} else [f"T15 {point}: {gone}"]
        broken += [f"T15 {point}: {each}" for each in unpaid_requests(environment)]
    note.count_money(environment.ledger_view())
    note.add(kills=len(points))
    assert [] == broken + check(environment, *done, whole=True) + losses(environment).unexplained


def test_t15_every_point_has_its_fate() -> None:
    """The table knows each point of batches that the package names."""
    assert set(get_args(BatchPoint)) == set(FATES)


@dataclass
class Storm:
    """Days of processes that are killed at random steps, while the provider does to their batches what it may do."""

    environment: Environment
    days: Iterator[date]
    kills: int = 0

    @property
    def random(self) -> Random:
        return self.environment.random

    def halt(self) -> Halt:
        point = self.random.choice((*get_args(BatchPoint), *OTHERS))
        return Halt(point, self.random.randint(1, 25) if point in (*LINES, *OTHERS) else self.random.randint(1, 2))

    def day(self) -> list[str]:
        """One day, with up to four kills; returns what it breaks."""
        day, server = next(self.days), self.environment.server
        server.batches.set_plan(plan(self.random))
        server.faults.set(rules(self.random))
        for _ in range(self.random.randint(1, 4)):
            self.kills += self.environment.run_day(day, self.halt(), **ECONOMY) == -9
            pass_hours(self.environment, self.random.choice((0, 0, 1)))
        server.batches.set_plan({"ends_after": 0})
        server.faults.set([])
        self.finish(day)
        return check(self.environment, day) + losses(self.environment).unexplained

    def finish(self, day: date) -> None:
        for _ in range(LONGEST_HOURS):
            self.environment.finish_day(day, **ECONOMY)
            if not is_out(self.environment):
                pass_hours(self.environment, 24 * 8)
                return
            pass_hours(self.environment, 1)
        raise AssertionError("a batch is never collected")


def plan(random: Random) -> Json:
    return {
        "ends_after": random.choice((0, 1, 3, None)),
        "ending": random.choice(("completed", "completed", "expired", "cancelled")),
        "ran": random.random(),
        "separators": random.random() < 0.5,
    }


def rules(random: Random) -> list[Json]:
    """Faults of calls about batches, and of about a fifth of the requests in them."""
    made: list[Json] = []
    for route in ROUTES:
        failing: Json = {"kind": "status", "status": random.choice((429, 500, 503))}
        action = random.choice((failing, *BREAKS))
        made.append({"match": {"route": route, "probability": 0.1}, "billed": random.random() < 0.5, "action": action})
    for action in SPOILS:
        match = {"route": "batch_request", "probability": 0.04}
        made.append({"match": match, "action": action})
    return made


@pytest.mark.parametrize("kills", [pytest.param(15, marks=CI), pytest.param(300, marks=LONG)])
def test_t15_killed_processes_lose_no_charge(
    watched_url: str, days: Iterator[date], random: Random, note: Note, kills: int
) -> None:
    """After any number of kills at any step, under any fault, each day is complete and each request is paid for."""
    with open_environment(watched_url, random) as environment:
        storm = Storm(environment, days)
        providers = list(BOTH)
        environment.add_numbered_project(environment.add_user(providers=providers, budget=AMPLE), 21, providers)
        storm.finish(next(days))
        broken: list[str] = []
        while storm.kills < kills and not broken:
            broken = storm.day()
            note.progress(min(storm.kills, kills), kills, "kills")
        lost = losses(environment)
        note.count_money(environment.ledger_view())
        note.add(kills=storm.kills, runs=len(environment.processes))
        note.add(
            lost_to_spoiled_lines=lost.spoiled,
            lost_out_of_sight=lost.out_of_sight,
            lost_in_flight=lost.in_flight,
            lost_otherwise=lost.unexplained,
        )
        assert [] == broken + check(environment, whole=True) + lost.unexplained
        assert lost.in_flight <= storm.kills * WORKERS
