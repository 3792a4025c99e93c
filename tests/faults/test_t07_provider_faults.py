"""T7: each fault of each provider gives the attempts, charge, failure, wait and message of the fault table."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any, Final

import pytest

from llm_monitoring.db.database import Row as DatabaseRow
from llm_monitoring.demo.bill import fingerprint
from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.ledger import payment
from llm_monitoring.providers import refusals
from tests.conftest import Databases
from tests.environment import Environment, open_environment
from tests.faults.conftest import Note, fill_watched
from tests.faults.fault_table import TABLE, Charge, Row, error_reply
from tests.faults.in_process import TODAY, ask, impatient, run_day

Cell = tuple[Row, ProviderName]
CELLS: Final[tuple[Cell, ...]] = tuple((row, provider) for row in TABLE for provider in row.only)
SHORT: Final[tuple[Cell, ...]] = tuple((row, row.only[at % len(row.only)]) for at, row in enumerate(TABLE))
"""Every row with one provider, the providers taking turns; the long form plays every cell."""
REFUSALS: Final = (
    *(row for row in refusals.TABLE if row.mode is None),  # those of flex have a table of their own
    refusals.OTHER_CLIENT,
    refusals.OTHER_SERVER,
)
SILENT: Final = ("hang", "drip")
"""The faults that end by the client's timeout; all others have theirs however slow the machine is."""

ATTEMPTS: Final = """
SELECT a.state, a.ceiling_usd, a.charged_usd, a.error_message, a.reserved_at, a.closed_at, r.attempt_id AS receipt
FROM llm_call_attempts a LEFT JOIN llm_call_receipts r ON r.attempt_id = a.id
WHERE a.user_id = %(user)s AND a.llm_provider = %(provider)s ORDER BY a.reserved_at"""
STATES: Final = ("settled", "void", "unknown")
WHOLE: Final = frozenset("html body error_object empty_text refusal content_filter pause_turn max_tokens usage".split())
FAILED: Final = """
SELECT f.reason, f.final, f.message
FROM llm_monitoring_failed_tasks f JOIN llm_monitoring_projects p ON p.id = f.project_id
WHERE p.user_id = %(user)s AND f.llm_provider = %(provider)s"""
RESULTS: Final = """
SELECT count(*) AS n FROM llm_monitoring_results r JOIN llm_monitoring_projects p ON p.id = r.project_id
WHERE p.user_id = %(user)s AND r.llm_provider = %(provider)s"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of one cell: its attempts, its failed task, its results, and what its key was billed."""

    attempts: list[DatabaseRow]
    failed: DatabaseRow | None
    results: int
    billed: list[Decimal]

    @property
    def states(self) -> str:
        return " ".join(row["state"] for row in self.attempts)

    @property
    def charged(self) -> Decimal:
        return sum((row["charged_usd"] for row in self.attempts), Decimal(0))


def look(environment: Environment, user: int, provider: ProviderName) -> Seen:
    key = fingerprint(environment.key_of(user, provider))
    task = {"user": user, "provider": provider}
    billed = [Decimal(charge.price_usd) for charge in environment.server.bill.lines if charge.key == key]
    counted = environment.db.one(RESULTS, task) or {"n": 0}
    return Seen(environment.db.all(ATTEMPTS, task), environment.db.one(FAILED, task), counted["n"], billed)


def rule(environment: Environment, row: Row, user: int, provider: ProviderName) -> dict[str, Any]:
    match = {"provider": provider, "route": "answer", "key": fingerprint(environment.key_of(user, provider))}
    return {"name": row.name, "match": match, "action": row.action, "times": row.times, "billed": row.billed or None}


Day = dict[tuple[str, ProviderName], Seen]


@dataclass(frozen=True, slots=True)
class Played:
    """The day with its faults, and the same day completed by a further start with healthy providers."""

    faulty: Day
    completed: Day


def play(environment: Environment, cells: Sequence[Cell]) -> Played:
    """The faults that end by a timeout and then all others, each kind in a run of its own; then a healthy run."""
    silent = [cell for cell in cells if cell[0].action["kind"] in SILENT]
    others = [cell for cell in cells if cell not in silent]
    users: dict[str, int] = {}
    faulty = play_faults(environment, silent, users, timeout=4) | play_faults(environment, others, users, timeout=30)
    environment.server.faults.set([])
    run_patiently(environment, timeout=30)
    assert environment.check() == []
    return Played(faulty, seen(environment, cells, users))


def play_faults(environment: Environment, cells: Sequence[Cell], users: dict[str, int], *, timeout: int) -> Day:
    """A user a fault, so that paused and dead keys stay apart; each has one prompt for every provider of the row."""
    for row, _ in cells:
        if row.name not in users:
            asked = [provider for other, provider in cells if other.name == row.name]
            users[row.name] = environment.add_user(providers=asked)
            ask(environment, users[row.name], [f"¿Qué programa de facturación conviene, {row.name}?"], asked)
    environment.server.faults.set([rule(environment, row, users[row.name], provider) for row, provider in cells])
    run_patiently(environment, timeout=timeout)
    assert environment.check() == []
    return seen(environment, cells, users)


def run_patiently(environment: Environment, *, timeout: int) -> None:
    """One run with so many seconds for each call."""
    timeouts = {f"LLM_{provider.upper()}_TIMEOUT_SECONDS": str(timeout) for provider in PROVIDERS}
    run_day(environment, **timeouts, LLM_MAX_WORKERS="32")


def seen(environment: Environment, cells: Sequence[Cell], users: dict[str, int]) -> Day:
    return {(row.name, provider): look(environment, users[row.name], provider) for row, provider in cells}


@pytest.fixture(scope="module")
def played(databases: Databases, request: pytest.FixtureRequest) -> Iterator[Played]:
    """One run of the cells that are tested; its breakers stay closed, since each cell stands for itself."""
    with (
        databases.clone(databases.template("watched", fill_watched)) as url,
        open_environment(url, Random(7)) as environment,
        impatient(FAILURES_TO_OPEN=10**6),
    ):
        yield play(environment, cells_of(request))


def cells_of(request: pytest.FixtureRequest) -> Sequence[Cell]:
    """The cells that the selected tests of this file look at; if none names one, every row with one provider."""
    here = [item for item in request.session.items if item.path == request.path and isinstance(item, pytest.Function)]
    params = [item.callspec.params for item in here if hasattr(item, "callspec")]
    rows = [param["row"] for param in params if "row" in param]
    cells = [param["cell"] for param in params if "cell" in param]
    return [cell for cell in CELLS if cell in cells or (cell in SHORT and cell[0] in rows)] or SHORT


def expected_charge(row: Row, seen: Seen) -> Decimal:
    ceiling = Decimal(seen.attempts[0]["ceiling_usd"])
    bill = seen.billed[-1] if seen.billed else Decimal(0)
    charges: dict[Charge, Decimal] = {
        "nothing": Decimal(0),
        "bill": bill,
        "ceiling": ceiling,
        "ceiling + bill": ceiling + bill,
        "2 ceilings": 2 * ceiling,
    }
    return charges[row.charge]


def named(cells: Sequence[Cell]) -> list[Any]:
    return [
        pytest.param(cell, id=f"{cell[1]}: {cell[0].name}", marks=[] if cell in SHORT else [pytest.mark.long])
        for cell in cells
    ]


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: row.code)
def test_t7_holds_every_refusal_of_every_provider(row: refusals.Row) -> None:
    """A row of the table of refusals has a fault for each provider that it names: none is left untried."""
    tried = {provider for fault, provider in CELLS if refusal_of(fault, provider) is row}
    assert set(row.providers or PROVIDERS) == tried


def refusal_of(fault: Row, provider: ProviderName) -> refusals.Row | None:
    reply = error_reply(fault, provider)
    return reply and refusals.row_of(provider, reply[0], refusals.read_document(provider, reply[1]))


@pytest.mark.short(every=7)
@pytest.mark.parametrize("cell", named(CELLS))
def test_t7_a_fault_has_the_outcome_of_the_table(played: Played, cell: Cell) -> None:
    """State, charge, retry, message, failure: as the table says, and never less than the provider billed."""
    row, provider = cell
    seen = played.faulty[row.name, provider]
    answered = row.reason is None
    assert seen.states == row.states
    assert seen.charged == expected_charge(row, seen) >= sum(seen.billed, Decimal(0))
    assert seen.results == int(answered)
    assert (seen.failed and seen.failed["reason"]) == row.reason
    message = row.message.format(p=provider)
    assert message in (seen.attempts[0]["error_message"] or "")
    if seen.failed:
        assert seen.failed["final"] == row.final
        assert message in seen.failed["message"]


@pytest.mark.short(every=4)
@pytest.mark.parametrize("cell", named([cell for cell in CELLS if cell[0].wait]))
def test_t7_a_wait_that_is_asked_for_is_kept(played: Played, cell: Cell) -> None:
    """The next attempt goes out no sooner than the provider said."""
    row, provider = cell
    first, second = played.faulty[row.name, provider].attempts
    assert row.wait <= (second["reserved_at"] - first["closed_at"]).total_seconds()


@pytest.mark.short(every=4)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.name} {row.only[0] * (len(row.only) == 1)}".strip())
def test_t7_the_next_start_completes_what_a_fault_left(played: Played, row: Row) -> None:
    """A task that was not answered is asked once more, unless it was paid for: no answer is bought twice."""
    asked_again = row.reason is not None and not row.final
    states = row.states + (" settled" if asked_again else "")
    found = {p: played.completed[row.name, p] for p in row.only if (row.name, p) in played.completed}
    outcomes = {p: (seen.states, seen.results, seen.failed is None) for p, seen in found.items()}
    assert outcomes == dict.fromkeys(found, (states, int(not row.final), not row.final))
    assert found


def test_t7_every_whole_reply_is_kept(played: Played) -> None:
    """Whatever reading makes of a reply that arrived whole, its receipt is there; a void call has none."""
    arrived = {row.name for row in TABLE if row.action["kind"] in WHOLE}
    whole = [(name, seen) for (name, _), seen in played.faulty.items() if name in arrived]
    assert [name for name, seen in whole if not all(each["receipt"] for each in seen.attempts)] == []
    attempts = [row for seen in played.completed.values() for row in seen.attempts]
    kept = {state: {row["receipt"] is not None for row in attempts if row["state"] == state} for state in STATES}
    assert kept == {"settled": {True}, "void": {False}, "unknown": {True, False}}


@pytest.mark.long
def test_t7_the_long_form_plays_every_cell(played: Played, note: Note) -> None:
    """Every row with every provider that it concerns met its fault."""
    assert set(played.faulty) == {(row.name, provider) for row, provider in CELLS}
    note.add(rows=len(TABLE), cells=len(CELLS), calls=sum(len(seen.attempts) for seen in played.completed.values()))


@pytest.fixture
def environment(watched_url: str, random: Random) -> Iterator[Environment]:
    with open_environment(watched_url, random) as environment, impatient():
        yield environment


def test_t7_a_refused_connection_costs_nothing(environment: Environment) -> None:
    """Nothing left the machine: three free tries, no charge, and the next start finds the task as it was."""
    user = environment.add_user()
    ask(environment, user, ["¿Qué programa conviene?"])
    closed = {f"{provider.upper()}_BASE_URL": f"http://127.0.0.1:{free_port()}" for provider in PROVIDERS}
    run_day(environment, **closed)
    seen = {provider: look(environment, user, provider) for provider in PROVIDERS}
    outcomes = {
        provider: (each.states, each.charged, each.failed and each.failed["reason"]) for provider, each in seen.items()
    }
    assert outcomes == dict.fromkeys(PROVIDERS, ("void void void", Decimal(0), "unavailable"))
    assert all("ConnectError" in row["error_message"] for each in seen.values() for row in each.attempts)
    run_day(environment)
    assert environment.check(TODAY) == []


def test_t7_a_reply_that_breaks_its_reader_is_not_met_again(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unforeseen error while reading closes the call at its ceiling: no receipt stops the next start."""
    user = environment.add_user(providers=["openai"])
    ask(environment, user, ["¿Qué programa conviene?"], ["openai"])
    monkeypatch.setattr(payment, "read_reply", lambda name, reply: 1 // 0)
    run_day(environment)
    seen = look(environment, user, "openai")
    assert "unknown" == seen.states
    assert "crashed" == (seen.failed and seen.failed["reason"])
    assert environment.check() == []
    monkeypatch.undo()
    run_day(environment)
    assert environment.check(TODAY) == []


def free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
