"""T7: each fault of each provider gives the attempts, charge, failure, wait and message of the table in this file."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final, Literal

import pytest

from llm_monitoring import calls
from llm_monitoring.db.database import Row as DatabaseRow
from llm_monitoring.demo.bill import fingerprint
from llm_monitoring.demo.exchange import Rejection
from llm_monitoring.demo.service import WIRES
from llm_monitoring.domain import PROVIDERS, ProviderName
from tests.conftest import Databases
from tests.faults.conftest import Note, fill_watched
from tests.faults.in_process import TODAY, ask, impatient, key_of, run_day, staged_here
from tests.faults.scene import Scene

Action = Mapping[str, Any]
Charge = Literal["nothing", "bill", "ceiling", "ceiling + bill", "2 ceilings"]

MODELS: Final[dict[ProviderName, str]] = {
    "openai": "gpt-6.1-terra",
    "anthropic": "claude-sonnet-5-5",
    "google": "gemini-3.8-flash",
    "perplexity": "perplexity/sonar",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    `states` are the attempts of the task in order; `reason` is that of the failed task, None where it has its
    answer; `final` ends the task for the day; `message` stands in the first attempt; `wait` in seconds lies
    between the first attempt's end and the second's start.
    """

    name: str
    action: Action
    states: str
    charge: Charge
    message: str = ""
    reason: str | None = None
    final: bool = False
    wait: float = 0.0
    times: int = 1
    billed: bool = False
    only: Sequence[ProviderName] = PROVIDERS


def status(code: int, **more: Any) -> Action:
    return {"kind": "status", "status": code, **more}


def slow_down(**headers: str) -> Action:
    return status(429, headers={name.replace("_", "-"): value for name, value in headers.items()})


def body(text: object, code: int = 200) -> Action:
    return {"kind": "body", "body": text, "status": code}


def own_form(provider: ProviderName, rejection: Rejection) -> Action:
    return status(rejection.status, body=WIRES[provider].error(rejection, "0"))


def gone(provider: ProviderName) -> Action:
    """How the provider says that it does not serve a model (any more)."""
    return own_form(provider, WIRES[provider].unknown_model(MODELS[provider]))


def perplexity_reply(**cost: object) -> Action:
    text = {"type": "output_text", "text": "1. Holded\n2. Quipu", "annotations": []}
    message = {"type": "message", "role": "assistant", "content": [text]}
    usage = {"input_tokens": 10, "output_tokens": 10, "cost": {"currency": "USD", **cost}}
    return body({"model": MODELS["perplexity"], "status": "completed", "output": [message], "usage": usage})


RETRIED: Final = ("unknown settled", "ceiling + bill")
FINAL: Final[dict[str, Any]] = {"states": "settled", "charge": "bill", "final": True}
STOPS: Final[dict[str, Any]] = {"states": "void", "charge": "nothing"}

TABLE: Final = (
    # slow down: never billed, asked again when the provider says so
    Row("429, seconds", slow_down(Retry_After="1"), "void settled", "bill", "{p} answered 429: ", wait=1.0),
    Row("429, a date", slow_down(Retry_After="Wed, 01 Jan 2098 00:00:00 GMT"), **STOPS, message="{p} answered 429: ",
        reason="provider_closed"),
    Row("429, a past date", slow_down(Retry_After="Mon, 02 Jan 2006 15:04:05 GMT"), "void settled", "bill", "429"),
    Row("429, milliseconds", slow_down(retry_after_ms="700"), "void settled", "bill", "429", wait=0.7),
    Row("429, absurd", slow_down(Retry_After="99999999"), **STOPS, message="429", reason="provider_closed"),
    Row("429, an impossible date", slow_down(Retry_After="Wed, 01 Jan 99999999999999 00:00:00 GMT"), "void settled",
        "bill", "429", wait=1.0),
    Row("429, unreadable", slow_down(Retry_After="soon"), "void settled", "bill", "429", wait=1.0),
    Row("429, endless", slow_down(Retry_After="inf"), "void settled", "bill", "429", wait=1.0),
    Row("429, negative", slow_down(Retry_After="-5"), "void settled", "bill", "429", wait=1.0),
    Row("429, without", status(429), "void settled", "bill", "429", wait=1.0),
    Row("429, always", slow_down(Retry_After="0"), " ".join(["void"] * 10), "nothing", "429", "rate_limited", times=99),
    Row("429, no credit", own_form("openai", Rejection(429, "You exceeded your quota", "insufficient_quota")),
        **STOPS, message="You exceeded your quota", reason="auth_failed", only=["openai"]),
    # the provider fails: nobody knows whether it billed
    *(Row(f"{code}", status(code), *RETRIED, f"{{p}} answered {code}: ", billed=True)
      for code in (408, 500, 502, 503, 504, 529)),
    Row("500, always", status(500), "unknown unknown", "2 ceilings", "500", "unavailable", times=99, billed=True),
    Row("read timeout", {"kind": "hang"}, *RETRIED, "{p}: no reply: ReadTimeout", billed=True),
    Row("drop by drop", {"kind": "drip", "chunk_bytes": 1, "pause_ms": 900}, *RETRIED, "{p}: no reply: ReadTimeout"),
    Row("reset before the body", {"kind": "reset", "when": "before_body"}, *RETRIED, "{p}: no reply: "),
    Row("reset after the body", {"kind": "reset", "when": "after_body"}, *RETRIED, "{p}: no reply: ", billed=True),
    Row("reset in the reply", {"kind": "reset", "when": "mid_reply"}, *RETRIED, "{p}: no reply: ", billed=True),
    Row("cut, its length known", {"kind": "truncate", "content_length": "wrong"}, *RETRIED, "no reply: ", billed=True),
    # 200, and no answer in it
    Row("truncated JSON", {"kind": "truncate", "content_length": "right"}, *RETRIED, "is not JSON: ", billed=True),
    Row("HTML", {"kind": "html"}, *RETRIED, "{p}: the reply is not JSON: <!doctype html>", billed=True),
    Row("nothing", body(""), *RETRIED, "{p}: the reply is not JSON:", billed=True),
    Row("{}", body("{}"), *RETRIED, "{p}: the reply holds no text", billed=True),
    Row("null", body("null"), *RETRIED, "{p}: the reply is not a JSON object: None", billed=True),
    Row("a list", body("[]"), *RETRIED, "{p}: the reply is not a JSON object: []", billed=True),
    Row("a text", body('"ok"'), *RETRIED, "{p}: the reply is not a JSON object: ok", billed=True),
    Row("nested without end", body("[" * 200_000), *RETRIED, "{p}: the reply is not JSON: [[", billed=True),
    Row("an endless exponent", body('{"x": 1e99999999999999999999}'), *RETRIED, "the reply is not JSON: ", billed=True),
    Row("an error object", {"kind": "error_object"}, *RETRIED, "Internal error (simulated)", billed=True),
    Row("null, always", body("null"), "unknown unknown", "2 ceilings", "None", "bad_response", times=99, billed=True),
    # answered and paid, but no answer: not asked again that day
    Row("empty text", {"kind": "empty_text"}, **FINAL, message="{p}: the reply holds no text", reason="bad_response"),
    Row("refusal", {"kind": "refusal"}, **FINAL, message="{p}: the model refused: ", reason="refused",
        only=["openai", "anthropic", "perplexity"]),
    Row("content filter", {"kind": "content_filter"}, **FINAL, message="{p}: ", reason="refused"),
    Row("pause_turn", {"kind": "pause_turn"}, **FINAL, message="(pause_turn)", reason="bad_response",
        only=["anthropic"]),
    # an answer, whole or cut
    Row("cut at max tokens", {"kind": "max_tokens"}, "settled", "bill"),
    Row("usage missing", {"kind": "usage", "value": "missing"}, "unknown", "ceiling", billed=True),
    Row("usage null", {"kind": "usage", "value": "null"}, "unknown", "ceiling", billed=True),
    Row("usage negative", {"kind": "usage", "value": "negative"}, "unknown", "ceiling", billed=True),
    Row("an impossible bill", perplexity_reply(total_cost=1e30), "unknown", "ceiling", only=["perplexity"]),
    Row("an endless bill", perplexity_reply(total_cost=10**300), "unknown", "ceiling", only=["perplexity"]),
    # the request, the key, the model: surely not billed
    Row("400", status(400), **STOPS, message="{p} answered 400: ", reason="bad_request"),
    Row("413", status(413), **STOPS, message="{p} answered 413: ", reason="bad_request"),
    Row("401", status(401), **STOPS, message="{p} answered 401: ", reason="auth_failed"),
    Row("402", status(402), **STOPS, message="{p} answered 402: ", reason="auth_failed"),
    Row("403", status(403), **STOPS, message="{p} answered 403: ", reason="auth_failed"),
    Row("404", status(404), **STOPS, message="{p} answered 404: ", reason="model_not_found"),
    *(Row("model gone", gone(provider), **STOPS, message=MODELS[provider], reason="model_not_found", only=[provider])
      for provider in PROVIDERS),
)  # fmt: skip

Cell = tuple[Row, ProviderName]
CELLS: Final[tuple[Cell, ...]] = tuple((row, provider) for row in TABLE for provider in row.only)
SHORT: Final[tuple[Cell, ...]] = tuple((row, row.only[at % len(row.only)]) for at, row in enumerate(TABLE))
"""Every row with one provider, the providers taking turns; the long form plays every cell."""
TIMEOUTS: Final = {f"LLM_{provider.upper()}_TIMEOUT_SECONDS": "1.5" for provider in PROVIDERS} | {
    "LLM_MAX_WORKERS": "32"
}

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


def look(scene: Scene, user: int, provider: ProviderName) -> Seen:
    key = fingerprint(key_of(scene, user, provider))
    task = {"user": user, "provider": provider}
    billed = [Decimal(charge.price_usd) for charge in scene.server.bill.lines if charge.key == key]
    counted = scene.db.one(RESULTS, task) or {"n": 0}
    return Seen(scene.db.all(ATTEMPTS, task), scene.db.one(FAILED, task), counted["n"], billed)


def rule(scene: Scene, row: Row, user: int, provider: ProviderName) -> dict[str, Any]:
    match = {"provider": provider, "route": "answer", "key": fingerprint(key_of(scene, user, provider))}
    return {"name": row.name, "match": match, "action": row.action, "times": row.times, "billed": row.billed or None}


Day = dict[tuple[str, ProviderName], Seen]


@dataclass(frozen=True, slots=True)
class Played:
    """The day with its faults, and the same day completed by a second start with healthy providers."""

    faulty: Day
    completed: Day


def play(scene: Scene, cells: Sequence[Cell]) -> Played:
    """A user a fault, so that paused and dead keys stay apart; each has one prompt for every provider of the row."""
    users: dict[str, int] = {}
    for row, _ in cells:
        if row.name not in users:
            asked = [provider for other, provider in cells if other.name == row.name]
            users[row.name] = scene.add_user(asked)
            ask(scene, users[row.name], [f"¿Qué programa de facturación conviene, {row.name}?"], asked)
    scene.server.faults.set([rule(scene, row, users[row.name], provider) for row, provider in cells])
    days = []
    for _ in range(2):
        run_day(scene, **TIMEOUTS)
        assert scene.check() == []
        days.append({(row.name, provider): look(scene, users[row.name], provider) for row, provider in cells})
        scene.server.faults.set([])
    return Played(*days)


@pytest.fixture(scope="module")
def played(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Played]:
    """One run of the cells that are tested; its breakers stay closed, since each cell stands for itself."""
    here = (item for item in request.session.items if item.path == request.path)
    whole = any(item.get_closest_marker("long") for item in here)
    folder = tmp_path_factory.mktemp("matrix")
    with (
        databases.clone(databases.template("watched", fill_watched)) as url,
        staged_here(url, folder, Random(7)) as scene,
        impatient(FAILURES_TO_OPEN=10**6),
    ):
        yield play(scene, CELLS if whole else SHORT)


def expected_charge(row: Row, seen: Seen) -> Decimal:
    ceiling = Decimal(seen.attempts[0]["ceiling_usd"])
    bill = seen.billed[-1] if seen.billed else Decimal(0)
    charges: dict[Charge, Decimal] = {
        "nothing": Decimal(0), "bill": bill, "ceiling": ceiling, "ceiling + bill": ceiling + bill,
        "2 ceilings": 2 * ceiling,
    }  # fmt: skip
    return charges[row.charge]


def named(cells: Sequence[Cell]) -> list[Any]:
    return [
        pytest.param(cell, id=f"{cell[1]}: {cell[0].name}", marks=[] if cell in SHORT else [pytest.mark.long])
        for cell in cells
    ]


@pytest.mark.parametrize("cell", named(CELLS))
def test_t7_a_fault_has_the_outcome_of_the_table(played: Played, cell: Cell) -> None:
    """State, charge, retry, message, failure: as the table says, and never less than the provider billed."""
    row, provider = cell
    seen = played.faulty[row.name, provider]
    answered = row.reason is None
    assert seen.states == row.states
    assert seen.charged == expected_charge(row, seen) >= sum(seen.billed, Decimal(0))
    assert (seen.results, seen.failed and seen.failed["reason"]) == (int(answered), row.reason)
    message = row.message.format(p=provider)
    assert message in (seen.attempts[0]["error_message"] or "")
    if seen.failed:
        assert (seen.failed["final"], message in seen.failed["message"]) == (row.final, True)


@pytest.mark.parametrize("cell", named([cell for cell in CELLS if cell[0].wait]))
def test_t7_a_wait_that_is_asked_for_is_kept(played: Played, cell: Cell) -> None:
    """The next attempt goes out no sooner than the provider said."""
    row, provider = cell
    first, second = played.faulty[row.name, provider].attempts
    assert row.wait <= (second["reserved_at"] - first["closed_at"]).total_seconds()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.name} {row.only[0] * (len(row.only) == 1)}".strip())
def test_t7_the_next_start_completes_what_a_fault_left(played: Played, row: Row) -> None:
    """A task that was not answered is asked once more, unless it was paid for: no answer is bought twice."""
    asked_again = row.reason is not None and not row.final
    states = row.states + (" settled" if asked_again else "")
    found = {p: played.completed[row.name, p] for p in row.only if (row.name, p) in played.completed}
    told = {p: (seen.states, seen.results, seen.failed is None) for p, seen in found.items()}
    assert told == dict.fromkeys(found, (states, int(not row.final), not row.final))
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
def scene_here(watched_url: str, tmp_path: Path, random: Random) -> Iterator[Scene]:
    with staged_here(watched_url, tmp_path, random) as scene, impatient():
        yield scene


def test_t7_a_refused_connection_costs_nothing(scene_here: Scene) -> None:
    """Nothing left the machine: three free tries, no charge, and the next start finds the task as it was."""
    user = scene_here.add_user()
    ask(scene_here, user, ["¿Qué programa conviene?"])
    closed = {f"{provider.upper()}_BASE_URL": f"http://127.0.0.1:{free_port()}" for provider in PROVIDERS}
    run_day(scene_here, **closed)
    seen = {provider: look(scene_here, user, provider) for provider in PROVIDERS}
    told = {
        provider: (each.states, each.charged, each.failed and each.failed["reason"]) for provider, each in seen.items()
    }
    assert told == dict.fromkeys(PROVIDERS, ("void void void", Decimal(0), "unavailable"))
    assert all("ConnectError" in row["error_message"] for each in seen.values() for row in each.attempts)
    run_day(scene_here)
    assert scene_here.check(TODAY) == []


def test_t7_a_reply_that_breaks_its_reader_is_not_met_again(scene_here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unforeseen error while reading closes the call at its ceiling: no receipt stops the next start."""
    user = scene_here.add_user(["openai"])
    ask(scene_here, user, ["¿Qué programa conviene?"], ["openai"])
    monkeypatch.setattr(calls, "read_reply", lambda name, reply: 1 // 0)
    run_day(scene_here)
    seen = look(scene_here, user, "openai")
    assert (seen.states, seen.failed and seen.failed["reason"]) == ("unknown", "crashed")
    assert scene_here.check() == []
    monkeypatch.undo()
    run_day(scene_here)
    assert scene_here.check(TODAY) == []


def free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
