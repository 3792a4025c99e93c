"""T5: a kill at each labelled point of a run, and at the first and last byte of a request and of its reply."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import get_args

import pytest

from llm_monitoring.failpoints import Point
from tests.environment import AMPLE, Environment
from tests.faults.conftest import CI, LONG, Note
from tests.faults.failpoint_hooks import BYTES, Byte, trapped
from tests.fork_server import Halt
from tests.ledger_view import Row

FIRST_DAY = date(2026, 11, 22)
ONE_WORKER = {"LLM_MAX_WORKERS": "1", "LLM_LOG_LEVEL": "DEBUG"}

# what the next start makes of the call that the kill interrupted; with one worker at most one call is under way
FATES: dict[Point, str | None] = {
    "run_opened": None,
    "reserve": None,
    "reserved": "void",
    "sent": "unknown",
    "replied": "unknown",
    "receipt_kept": "settled",
    "settling": "settled",
    "settled": None,
    "failing": "unknown",
    "failed": None,
    "giving_up": None,
    "gave_up": None,
    "snapshot": None,
    "snapshot_written": None,
    "finishing": None,
    "finished": None,
}
ONE_OF_EACH_FATE: tuple[Point, ...] = ("reserved", "sent", "receipt_kept", "snapshot")
IN_RECOVERY: tuple[Point, ...] = ("recovery_step", "recovery_stepped")
PROVOKED: dict[Point, int] = {"failing": 429, "failed": 429, "giving_up": 401, "gave_up": 401}


@pytest.fixture
def small(environment: Environment) -> Environment:
    """One user with days of four tasks and two sentiments."""
    environment.add_numbered_project(
        environment.add_user(providers=["openai", "anthropic"], budget=AMPLE), 2, ["openai", "anthropic"]
    )
    return environment


@pytest.fixture
def days() -> Iterator[date]:
    return (FIRST_DAY - timedelta(days=number) for number in itertools.count())


def open_calls(environment: Environment) -> dict[str, Row]:
    return {row["id"]: row for row in environment.ledger_view().calls if row["state"] in ("reserved", "sent")}


def settle_after_kill(environment: Environment, day: date) -> tuple[list[str], list[str]]:
    """Complete the day after a kill; what became of the calls that were open, and what is broken."""
    left = open_calls(environment)
    in_doubt = {row["id"] for row in left.values() if row["state"] == "sent" and not row["has_receipt"]}
    doubtful_before = {row["id"] for row in environment.ledger_view().calls if row["state"] == "unknown"}
    environment.server.faults.set([])
    environment.finish_day(day, **ONE_WORKER)
    ended = {row["id"]: row["state"] for row in environment.ledger_view().calls}
    broken = environment.check(day, whole=True)
    new_doubt = {name for name, state in ended.items() if state == "unknown"} - doubtful_before
    if new_doubt != in_doubt:
        broken.append(f"T5 in doubt after the restart {new_doubt}, sent without a receipt at the kill {in_doubt}")
    return [ended[name] for name in left], broken


def provoke(environment: Environment, point: Point, times: int) -> None:
    """Make the provider answer so that the point is reached so many times."""
    status = PROVOKED.get(point)
    if status:
        action = {"kind": "status", "status": status, "headers": {"Retry-After": "0"}}
        match = {"provider": "openai", "route": "answer"}
        environment.server.faults.set([{"match": match, "times": times, "action": action}])


def kill_at(environment: Environment, day: date, point: Point, nth: int) -> bool:
    """Run the day until it is killed at the point; False where the run ended before."""
    provoke(environment, point, nth)
    child = environment.start_day(day, Halt(point, nth), **ONE_WORKER)
    return child.wait() == -9


def check_point(environment: Environment, day: date, point: Point, nth: int) -> list[str] | None:
    """Kill at a point, restart, compare with its fate; None where the point is not reached so often."""
    if not kill_at(environment, day, point, nth):
        environment.server.faults.set([])
        environment.finish_day(day, **ONE_WORKER)
        return None
    fates, broken = settle_after_kill(environment, day)
    fate = FATES[point]
    expected = [] if fate is None else [fate]
    return broken + ([] if fates == expected else [f"T5 {point} no. {nth}: {fates} in place of {expected}"])


@pytest.mark.parametrize(
    ("most", "points"),
    [
        pytest.param(1, ONE_OF_EACH_FATE, id="one of each fate"),
        pytest.param(1, tuple(FATES), id="1", marks=CI),
        pytest.param(200, tuple(FATES), id="200", marks=LONG),
    ],
)
def test_t5_a_kill_at_each_point_is_mended_by_the_next_start(
    small: Environment, days: Iterator[date], note: Note, most: int, points: tuple[Point, ...]
) -> None:
    """At each point, at its first time or at every one: the call ends as its table says, and the day is complete."""
    broken: list[str] = []
    kills = 0
    for done, point in enumerate(points, 1):
        for nth in range(1, (min(most, 3) if point in PROVOKED else most) + 1):
            found = check_point(small, next(days), point, nth)
            if found is None:
                assert nth > 1, f"{point} is never reached"
                break
            broken += found
            kills += 1
        note.progress(done, len(points), "points")
    note.count_money(small.ledger_view())
    note.add(kills=kills)
    assert [] == broken


@pytest.mark.short("request_ends-1", "reply_ends-1")
@pytest.mark.parametrize("most", [1, pytest.param(4, marks=LONG)])
@pytest.mark.parametrize("byte", BYTES)
def test_t5_a_kill_at_each_byte_of_a_call_is_mended_by_the_next_start(
    small: Environment, days: Iterator[date], note: Note, byte: Byte, most: int
) -> None:
    """Whatever byte of a call was the last: the call is in doubt and charged, or settled by its receipt."""
    broken: list[str] = []
    for nth in range(1, most + 1):
        day = next(days)
        with trapped(small.server, byte, nth) as trap:
            trap.victim = small.start_day(day, None, **ONE_WORKER)
            assert trap.victim.wait() == -9
        fates, found = settle_after_kill(small, day)
        allowed = [["unknown"], ["settled"], []] if byte == "reply_ends" else [["unknown"]]
        broken += found + ([] if fates in allowed else [f"T5 {byte} no. {nth}: {fates}"])
    note.count_money(small.ledger_view())
    note.add(kills=most)
    assert [] == broken


@pytest.mark.ci
@pytest.mark.parametrize("point", IN_RECOVERY)
def test_t5_a_kill_during_recovery_is_mended_by_the_start_after_it(
    small: Environment, days: Iterator[date], note: Note, point: Point
) -> None:
    """Two starts are killed while they settle what dead runs left, one step apart; the next one settles the rest."""
    broken: list[str] = []
    for left_at, fate in (("reserved", "void"), ("sent", "unknown"), ("receipt_kept", "settled")):
        day = next(days)
        assert small.run_day(day, Halt(left_at, 3), LLM_MAX_WORKERS="4") == -9
        left = open_calls(small)
        assert small.run_day(day, Halt(point, 1), **ONE_WORKER) == -9
        small.finish_day(day, **ONE_WORKER)
        broken += small.check(day, whole=True)
        ended = {row["id"]: row["state"] for row in small.ledger_view().calls}
        if fate not in [ended[name] for name in left]:
            broken.append(f"T5 {point} after {left_at}: no call of {left.keys()} is {fate}")
    note.count_money(small.ledger_view())
    assert [] == broken


def test_t5_every_point_has_its_fate() -> None:
    """The table knows each point that the package names."""
    assert set(get_args(Point)) == {*FATES, *IN_RECOVERY}


@pytest.mark.short("sent-unknown")
@pytest.mark.parametrize(("left_at", "fate"), [("reserved", "void"), ("sent", "unknown"), ("receipt_kept", "settled")])
def test_t5_a_start_that_may_not_spend_settles_what_a_dead_run_left(
    small: Environment, days: Iterator[date], left_at: Point, fate: str
) -> None:
    """A start that aborts, as everyone is over budget, leaves no call of a dead run open and its answer stored."""
    day = next(days)
    assert small.run_day(day, Halt(left_at, 2), **ONE_WORKER) == -9
    (left,) = open_calls(small)
    user = small.ledger_view().accounts[0]["user_id"]
    small.budget.correct(user, Decimal(100_000), "spent elsewhere")
    assert small.run_day(day, None, **ONE_WORKER) == 1
    view = small.ledger_view()
    assert [fate] == [row["state"] for row in view.calls if row["id"] == left]
    assert (fate == "settled") == any(row["attempt_id"] == left for row in view.results)
    assert [] == small.check(whole=True)
