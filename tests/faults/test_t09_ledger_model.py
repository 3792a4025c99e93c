"""T9: the ledger as a state machine against a plain model, with clocks that jump and acknowledgements that get lost."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import count
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from llm_monitoring import projects
from llm_monitoring.db.database import Database, Interrupted
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.domain import MODES, Mode, Task, Usage
from llm_monitoring.errors import BadInput
from llm_monitoring.ledger.attempts import Attempt, Settlement
from llm_monitoring.ledger.balancing import balance
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.ledger.errors import Withdrawn, WithdrawnFor
from llm_monitoring.runs import records
from tests.admission import admits
from tests.faults.conftest import Note, forms

T = TypeVar("T")
OPEN = ("reserved", "sent")
BOOKS = """
SELECT json_build_object(
    'month', to_char(k.last_spend_reset, 'YYYY-MM'), 'spent', k.current_month_spend::text,
    'reserved', k.reserved_spend_usd::text,
    'attempts', (SELECT json_object_agg(id, json_build_array(state, to_char(month, 'YYYY-MM'), charged_usd::text,
                                                             mode, saved_usd::text))
                 FROM llm_call_attempts a WHERE a.user_id = k.user_id AND kind NOT IN ('correction', 'host')),
    'alerts', (SELECT json_agg(json_build_array(to_char(month, 'YYYY-MM'), threshold::text))
               FROM llm_budget_alerts a WHERE a.user_id = k.user_id))::text AS books
FROM user_llm_api_keys k WHERE k.user_id = %(user)s
"""
HOST_WRITES = {
    "reset": "UPDATE user_llm_api_keys SET current_month_spend = 0 WHERE user_id = %(user)s",
    "add": "UPDATE user_llm_api_keys SET current_month_spend = current_month_spend + 0.05 WHERE user_id = %(user)s",
    "reserved": "UPDATE user_llm_api_keys SET reserved_spend_usd = 0 WHERE user_id = %(user)s",
}
ENDED_RUN = """
INSERT INTO llm_monitoring_analysis_runs (analysis_date, owner, status, finished_at)
VALUES (now(), 'a start that balanced the accounts', 'completed', now())
"""
amounts = st.decimals("0.0000000001", "1.2", places=10)
chances = st.sampled_from([False, False, False, True])


class Forgetful(Database):
    """A database that on request does one thing and breaks the connection before its acknowledgement."""

    forgets = False

    def persist(self, attempt: Callable[[], T]) -> T:
        def forgetful() -> T:
            result = attempt()
            if self.forgets:
                self.forgets = False
                raise Interrupted("the acknowledgement got lost")
            return result

        return super().persist(forgetful)


@dataclass
class Entry:
    """The model's attempt."""

    call: Attempt
    month: date
    state: str = "reserved"
    charged: Decimal = Decimal(0)
    saved: Decimal = Decimal(0)


@dataclass
class Model:
    """The ledger of one user in plain Python: sums over a list, and nothing else."""

    month: date
    budget: Decimal = Decimal(1)
    threshold: Decimal = Decimal(80)
    entries: list[Entry] = field(default_factory=list)
    corrections: list[tuple[date, Decimal]] = field(default_factory=list)
    alerts: set[tuple[date, Decimal]] = field(default_factory=set)

    def spent(self, month: date) -> Decimal:
        charged = sum((entry.charged for entry in self.entries if entry.month == month), Decimal(0))
        return charged + sum((amount for each, amount in self.corrections if each == month), Decimal(0))

    def reserved(self, month: date) -> Decimal:
        held = (each.call.ceiling_usd for each in self.entries if each.month == month and each.state in OPEN)
        return sum(held, Decimal(0))

    def reserve(self, call: Attempt, month: date) -> bool:
        month = max(month, self.month)
        if self.spent(month) + self.reserved(month) + call.ceiling_usd > self.budget:
            return False
        self.month = month
        self.entries.append(Entry(call, month))
        return True

    def close(self, entry: Entry, state: str, charged: Decimal, saved: Decimal = Decimal(0)) -> None:
        entry.state, entry.charged, entry.saved = state, charged, saved
        self.corrections.append((entry.month, max(Decimal(0), -self.spent(entry.month))))
        if entry.month == self.month:
            self.raise_alerts()

    def correct(self, amount: Decimal, month: date) -> None:
        self.month = max(month, self.month)
        self.corrections.append((self.month, amount))
        self.raise_alerts()

    def raise_alerts(self) -> None:
        for threshold in (self.threshold, Decimal(100)):
            if self.spent(self.month) >= self.budget * threshold / 100:
                self.alerts.add((self.month, threshold))


def text(month: date) -> str:
    return f"{month:%Y-%m}"


class Ledger(RuleBasedStateMachine):
    """One user's ledger and its model, step by step."""

    db: ClassVar[Forgetful]
    examples: ClassVar[Any]
    note: ClassVar[Note]
    wanted: ClassVar[int]

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime.now(UTC)
        self.budget = Budget(self.db, Decimal(1), lambda: self.now)
        number = next(self.examples)
        if number <= self.wanted:
            self.note.progress(number, self.wanted, "examples")
        self.user = projects.add_user(self.db, f"u{number}-{uuid.uuid4().hex}@example.com")
        self.budget.set_limits(self.user, Decimal(1), Decimal(80))
        self.model = Model(self.month())
        self.run = records.start(self.db, self.now.date())
        self.buried = False

    def month(self) -> date:
        """The clock's month, which is at most the one after the database's."""
        following = (datetime.now(UTC).replace(day=1) + timedelta(days=32)).date().replace(day=1)
        return min(self.now.astimezone(UTC).date().replace(day=1), following)

    def entry(self, number: int, *states: str) -> Entry | None:
        fitting = [each for each in self.model.entries if not states or each.state in states]
        return fitting[number % len(fitting)] if fitting else None

    @rule(months=st.integers(-2, 3), edge=st.sampled_from([-1, 0, 1, 12 * 3600 * 10**6]), zone=st.integers(-12, 14))
    def clock_jumps(self, months: int, edge: int, zone: int) -> None:
        """To a microsecond before, on or after the start of a month near by, or into it; in any time zone."""
        first = self.now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        for _ in range(abs(months)):
            first = (first + timedelta(days=32 if months > 0 else -1)).replace(day=1)
        self.now = (first + timedelta(microseconds=edge)).astimezone(timezone(timedelta(hours=zone)))

    @rule(
        ceiling=amounts,
        task=st.sampled_from([None, 1, 2]),
        mode=st.sampled_from(MODES),
        of_run=st.booleans(),
        forgets=chances,
        again=chances,
    )
    def reserve(self, ceiling: Decimal, task: int | None, mode: Mode, of_run: bool, forgets: bool, again: bool) -> None:
        made = task and Task(self.user, self.user, task, "openai", date(2026, 1, 1), 1, "?", "es")
        run = self.run if of_run else None
        call = Attempt(
            uuid.uuid4(),
            "answer" if made else "probe",
            self.user,
            "openai",
            "m",
            "user",
            ceiling,
            run,
            made or None,
            mode=mode,
        )
        expected = self.expected(call)
        assert expected == self.attempted(call, forgets)
        if again and expected is True:
            assert self.attempted(call, forgets=False) == (WithdrawnFor.SUPERSEDED if of_run and self.buried else True)

    def expected(self, call: Attempt) -> object:
        if call.run_id is not None and self.buried:
            return WithdrawnFor.SUPERSEDED
        asked = call.task and any(e.call.task == call.task and e.state in OPEN for e in self.model.entries)
        before = self.model.month
        admitted = self.model.reserve(call, self.month())
        if admitted and asked:
            self.model.entries.pop()
            self.model.month = before
            return WithdrawnFor.TASK_TAKEN
        return admitted

    def attempted(self, call: Attempt, forgets: bool) -> object:
        self.db.forgets = forgets
        try:
            return admits(self.budget, call)
        except Withdrawn as exc:
            return exc.reason
        finally:
            self.db.forgets = False

    @rule(ceiling=amounts, forgets=chances)
    def doubt(self, ceiling: Decimal, forgets: bool) -> None:
        """A call that goes out and is given up as doubtful, in one step."""
        call = Attempt(uuid.uuid4(), "probe", self.user, "openai", "m", "user", ceiling)
        expected = self.expected(call)
        assert expected == self.attempted(call, forgets)
        if expected is True:
            assert self.budget.mark_sent(call)
            self.db.transact(lambda tx: self.budget.close(tx, call.id, Settlement("unknown")))
            self.model.close(self.model.entries[-1], "unknown", ceiling)

    @precondition(lambda self: self.model.entries)
    @rule(number=st.integers(0, 99), forgets=chances)
    def mark_sent(self, number: int, forgets: bool) -> None:
        entry = self.entry(number)
        assert entry is not None
        self.db.forgets = forgets
        assert self.budget.mark_sent(entry.call) is (entry.state == "reserved")
        if entry.state == "reserved":
            entry.state = "sent"

    @precondition(lambda self: self.model.entries)
    @rule(number=st.integers(0, 99), share=st.integers(0, 1300), fate=st.integers(0, 2), forgets=chances)
    def close(self, number: int, share: int, fate: int, forgets: bool) -> None:
        """Settle, void or doubt any attempt, whatever its state; a cost may pass the ceiling, as a bill may."""
        entry = self.entry(number)
        assert entry is not None
        cost = (entry.call.ceiling_usd * share / 1000).quantize(Decimal("1e-10"))
        outcome, charged = (
            (Settlement("settled", cost, Usage(1, 1), "m", saved_usd=cost), cost),
            (Settlement("void"), Decimal(0)),
            (Settlement("unknown"), entry.call.ceiling_usd),
        )[fate]
        self.db.forgets = forgets
        returned = self.db.transact(lambda tx: self.budget.close(tx, entry.call.id, outcome))
        may_close = entry.state in ("sent", "unknown")
        if may_close:
            self.model.close(entry, outcome.state, charged, outcome.saved_usd)
        # a settlement that repeats itself finds the attempt closed: it tells None and has charged once
        assert returned in ((charged, None) if forgets and may_close else (charged if may_close else None,))
        if may_close and entry.state != "unknown":
            late = Settlement("settled", entry.call.ceiling_usd, Usage(1, 1), "m")
            assert self.db.transact(lambda tx: self.budget.close(tx, entry.call.id, late)) is None

    @precondition(lambda self: self.model.entries)
    @rule(number=st.integers(0, 99), forgets=chances)
    def release(self, number: int, forgets: bool) -> None:
        entry = self.entry(number)
        assert entry is not None
        self.db.forgets = forgets
        self.budget.release(entry.call.id, "test", "given back")
        if entry.state == "reserved":
            self.model.close(entry, "void", Decimal(0))

    @rule(amount=st.one_of(st.none(), st.decimals("-0.6", "0.6", places=10)), forgets=chances)
    def correct(self, amount: Decimal | None, forgets: bool) -> None:
        """By any amount, or by all that was spent."""
        month = max(self.month(), self.model.month)
        amount = -self.model.spent(month) if amount is None else amount
        self.db.forgets = forgets
        if self.model.spent(month) + amount < 0:
            with pytest.raises(BadInput):
                self.budget.correct(self.user, amount, "test")
            self.db.forgets = False
            return
        self.model.correct(amount, self.month())
        assert self.budget.correct(self.user, amount, "test") == self.model.spent(self.model.month)

    @rule(budget=st.decimals("0.01", "2", places=2), threshold=st.integers(1, 99))
    def change_limits(self, budget: Decimal, threshold: int) -> None:
        self.budget.set_limits(self.user, budget, Decimal(threshold))
        self.model.budget, self.model.threshold = budget, Decimal(threshold)

    @rule(start_month=st.booleans())
    def look(self, start_month: bool) -> None:
        """Reading where everybody stands starts the month, where it is asked to."""
        shown = next(s for s in self.budget.standings(start_month=start_month) if s.user_id == self.user)
        if start_month:
            self.model.month = max(self.model.month, self.month())
        same = self.model.month >= self.month()
        assert (self.model.spent(self.model.month) if same else 0) == shown.spent_usd
        assert (self.model.reserved(self.model.month) if same else 0) == shown.reserved_usd

    @precondition(lambda self: self.model.month == self.month())
    @rule(change=st.sampled_from(sorted(HOST_WRITES)), ceiling=amounts)
    def host_writes(self, change: str, ceiling: Decimal) -> None:
        """The host changes a counter: a reset admits nothing more, and the next start puts the account right.

        That start raises every alert that is due, also after a lower limit, and its run is recorded.
        """
        spent, reserved = self.model.spent(self.model.month), self.model.reserved(self.model.month)
        self.db.execute(HOST_WRITES[change], {"user": self.user})
        if change == "reset" and spent + reserved + ceiling > self.model.budget:
            assert not admits(self.budget, Attempt(uuid.uuid4(), "probe", self.user, "openai", "m", "user", ceiling))
        found = [each.reason for each in balance(self.budget, RowErrors())]
        if change == "add":
            self.model.corrections.append((self.model.month, Decimal("0.05")))
        expected = {
            "add": ["host_added"],
            "reset": ["host_lowered"] * (spent != 0),
            "reserved": ["reserved_changed"] * (reserved != 0),
        }
        assert expected[change] == found
        self.model.raise_alerts()
        self.db.execute(ENDED_RUN)

    @precondition(lambda self: not self.buried)
    @rule()
    def a_later_start_takes_over(self) -> None:
        records.close_dead_runs(self.db)
        self.buried = True

    @invariant()
    def ledger_is_the_model(self) -> None:
        row = self.db.one(BOOKS, {"user": self.user})
        assert row is not None
        found = json.loads(row["books"])
        model = self.model
        assert text(model.month) == found["month"]
        assert model.spent(model.month) == Decimal(found["spent"])
        assert model.reserved(model.month) == Decimal(found["reserved"])
        assert {str(e.call.id): (e.state, text(e.month), e.charged, e.call.mode, e.saved) for e in model.entries} == {
            name: (state, month, Decimal(charged), mode, Decimal(saved))
            for name, (state, month, charged, mode, saved) in (found["attempts"] or {}).items()
        }
        assert {(text(month), threshold) for month, threshold in model.alerts} == {
            (month, Decimal(threshold)) for month, threshold in found["alerts"] or []
        }

    def teardown(self) -> None:
        self.db.execute("DELETE FROM users WHERE id = %(user)s", {"user": self.user})


@pytest.mark.parametrize("examples", forms(20, ci=200, long=10_000))
def test_t9_the_ledger_does_what_the_plain_model_does(watched_url: str, note: Note, examples: int) -> None:
    """Any order of calls, ends, corrections, limits, clock jumps and lost acknowledgements: no difference."""
    with Forgetful(watched_url, retry_seconds=10.0) as db:
        numbers = count(1)
        attributes = {"db": db, "examples": numbers, "note": note, "wanted": examples}
        machine = seed(note.seed)(type("SeededLedger", (Ledger,), attributes))
        checks = list(HealthCheck)
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=15,
                deadline=None,
                database=None,
                suppress_health_check=checks,
            ),
        )
        breaches = db.all("SELECT rule, message FROM watch_breaches WHERE rule <> 'I5'")
        note.add(examples=next(numbers) - 1)
    assert [] == breaches
