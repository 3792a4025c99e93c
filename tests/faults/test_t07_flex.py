"""T7 for flex: what each reply to a flex call does to its attempts, its charge, its key and the next try."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from threading import Event
from typing import Any, Final, Literal

import pytest

from llm_monitoring.app import App
from llm_monitoring.db.database import Row as DatabaseRow
from llm_monitoring.demo.bill import fingerprint
from llm_monitoring.demo.exchange import Rejection
from llm_monitoring.demo.server.broken_replies import error_reply, shed
from llm_monitoring.demo.server.service import WIRES
from llm_monitoring.domain import ProviderName
from llm_monitoring.providers import refusals
from llm_monitoring.runs import daily, execution
from llm_monitoring.runs.limits import Limits
from llm_monitoring.settings import load_settings
from tests.conftest import Databases
from tests.environment import Environment, open_environment
from tests.faults.conftest import fill_watched
from tests.faults.in_process import TODAY, ask, impatient, run_day

BOTH: Final[tuple[ProviderName, ...]] = ("openai", "google")
ECONOMY: Final = {"LLM_ECONOMY": "openai:flex,google:flex", "LLM_MAX_WORKERS": "16"}
Charge = Literal["bill", "ceiling", "ceiling + bill"]
Action = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: how the provider acts on flex calls, and the attempts in order, each with its mode.

    `reason`: that of the failed task, None if it has its answer. `saves`: the last attempt costs less than standard.
    """

    name: str
    action: Action | None
    attempts: str
    charge: Charge = "bill"
    only: Sequence[ProviderName] = BOTH
    times: int = 1
    billed: bool | None = None
    reason: str | None = None
    saves: bool = False


def tier(name: str | None) -> Action:
    return {"kind": "tier", "tier": name}


def status(code: int, **more: Any) -> Action:
    return {"kind": "status", "status": code, **more}


ONCE, TWICE = "void/flex settled/flex", "void/flex void/flex settled/standard"
AT_FULL_PRICE, IN_DOUBT = "void/flex settled/standard", "unknown/flex settled/standard"
HTML: Final = "<!doctype html><title>503 Service Unavailable</title>"

TABLE: Final = (
    # the tier that is served decides the price
    Row("flex served", None, "settled/flex", saves=True),
    Row("no tier named", tier(None), "settled/flex"),
    Row("default served", tier("default"), "settled/flex", only=["openai"]),
    Row("auto served", tier("auto"), "settled/flex", only=["openai"]),
    Row("standard served", tier("standard"), "settled/flex", only=["google"]),
    Row("priority served", tier("priority"), "settled/flex", only=["openai"]),
    Row("priority without a price", tier("priority"), "unknown/flex", "ceiling", only=["google"]),
    Row("unknown tier", tier("scale"), "unknown/flex", "ceiling"),
    Row("no usage", {"kind": "usage", "value": "missing"}, "unknown/flex", "ceiling", billed=True),
    Row("filtered", {"kind": "content_filter"}, "settled/flex", reason="refused", saves=True),
    # no room: nothing is charged, once more as flex, then at the standard price
    Row("shed once", {"kind": "shed"}, ONCE, saves=True),
    Row("shed twice", {"kind": "shed"}, TWICE, times=2),
    Row("shed always", {"kind": "shed"}, TWICE, times=99),
    Row("shed by 429", {"kind": "shed", "status": 429}, ONCE, only=["google"], saves=True),
    Row("shed with a wait", status(503, headers={"Retry-After": "0.2"}), ONCE, only=["google"], saves=True),
    # a real rate limit is no shedding: flex stays
    Row("rate limit", status(429), ONCE, only=["openai"], saves=True),
    # refused as such: at the standard price at once
    Row("400", status(400), AT_FULL_PRICE),
    Row("404", status(404), AT_FULL_PRICE),
    # perhaps billed: its ceiling, and once more at the standard price
    Row("503 of another server", status(503, body=HTML), IN_DOUBT, "ceiling + bill", billed=True),
    Row("500", status(500), IN_DOUBT, "ceiling + bill", only=["openai"], billed=True),
    Row("500 for load", status(500), AT_FULL_PRICE, only=["google"]),
    Row("cut", {"kind": "reset", "when": "mid_reply"}, IN_DOUBT, "ceiling + bill", billed=True),
    Row("not JSON", {"kind": "html"}, IN_DOUBT, "ceiling + bill", billed=True),
)
SILENT: Final = (Row("no reply in time", {"kind": "hang"}, IN_DOUBT, "ceiling + bill", billed=True),)
SLOW: Final = (Row("slow", {"kind": "delay", "delay_ms": 2500}, "settled/flex", saves=True),)
PLAYED: Final = "test_t7_a_flex_call_has_the_outcome_of_the_table"
Cell = tuple[Row, ProviderName]
CELLS: Final[tuple[Cell, ...]] = tuple((row, name) for row in (*TABLE, *SILENT, *SLOW) for name in row.only)

ATTEMPTS: Final = """
SELECT state, mode, ceiling_usd, charged_usd, saved_usd FROM llm_call_attempts
WHERE user_id = %(user)s AND llm_provider = %(provider)s ORDER BY reserved_at"""
FAILED: Final = """
SELECT f.reason FROM llm_monitoring_failed_tasks f JOIN llm_monitoring_projects p ON p.id = f.project_id
WHERE p.user_id = %(user)s AND f.llm_provider = %(provider)s"""
RESULTS: Final = """
SELECT r.mode FROM llm_monitoring_results r JOIN llm_monitoring_projects p ON p.id = r.project_id
WHERE p.user_id = %(user)s AND r.llm_provider = %(provider)s"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of one cell."""

    attempts: list[DatabaseRow]
    failed: DatabaseRow | None
    result: DatabaseRow | None
    billed: list[Decimal]

    @property
    def ways(self) -> str:
        return " ".join(f"{row['state']}/{row['mode']}" for row in self.attempts)

    @property
    def charged(self) -> Decimal:
        return sum((row["charged_usd"] for row in self.attempts), Decimal(0))


def look(environment: Environment, user: int, provider: ProviderName) -> Seen:
    task = {"user": user, "provider": provider}
    key = fingerprint(environment.key_of(user, provider))
    billed = [Decimal(charge.price_usd) for charge in environment.server.bill.lines if charge.key == key]
    db = environment.db
    return Seen(db.all(ATTEMPTS, task), db.one(FAILED, task), db.one(RESULTS, task), billed)


def play(environment: Environment, rows: Sequence[Row], **variables: str) -> dict[tuple[str, ProviderName], Seen]:
    """One run of these rows, a user each, so that keys stay apart."""
    users, rules = dict[str, int](), list[Mapping[str, Any]]()
    for row in rows:
        users[row.name] = environment.add_user(providers=row.only)
        ask(environment, users[row.name], [f"¿Qué programa de facturación conviene, {row.name}?"], row.only)
        for provider in row.only if row.action else ():
            match = {
                "provider": provider,
                "route": "answer",
                "tier": "flex",
                "key": fingerprint(environment.key_of(users[row.name], provider)),
            }
            rules.append(
                {"name": row.name, "match": match, "action": row.action, "times": row.times, "billed": row.billed}
            )
    environment.server.faults.set(rules)
    run_day(environment, **ECONOMY, **variables)
    assert environment.check() == []
    return {(row.name, provider): look(environment, users[row.name], provider) for row in rows for provider in row.only}


def timeouts(seconds: int) -> dict[str, str]:
    return {f"LLM_{provider.upper()}_TIMEOUT_SECONDS": str(seconds) for provider in BOTH}


@pytest.fixture(scope="module")
def played(databases: Databases, request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, ProviderName], Seen]]:
    """The rows of the tests that are selected."""
    here = [item for item in request.session.items if item.path == request.path and isinstance(item, pytest.Function)]
    chosen = [item.callspec.params["cell"] for item in here if item.originalname == PLAYED]
    with (
        databases.clone(databases.template("watched", fill_watched)) as url,
        open_environment(url, Random(7)) as environment,
        impatient(FAILURES_TO_OPEN=10**6),
    ):
        found: dict[tuple[str, ProviderName], Seen] = {}
        for rows, flex_seconds, seconds in ((TABLE, "60", 60), (SILENT, "3", 60), (SLOW, "60", 2)):
            if picked := [row for row in rows if any((row, provider) in chosen for provider in row.only)]:
                found |= play(environment, picked, LLM_FLEX_TIMEOUT_SECONDS=flex_seconds, **timeouts(seconds))
        yield found


@pytest.mark.ci
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell[1]}: {cell[0].name}")
def test_t7_a_flex_call_has_the_outcome_of_the_table(played: dict[tuple[str, ProviderName], Seen], cell: Cell) -> None:
    """Attempts with their modes, charge, answer, saving: as the table says, and never less than the provider billed."""
    row, provider = cell
    seen = played[row.name, provider]
    ceiling, bill = Decimal(seen.attempts[0]["ceiling_usd"]), sum(seen.billed[-1:], Decimal(0))
    charges: dict[Charge, Decimal] = {"bill": bill, "ceiling": ceiling, "ceiling + bill": ceiling + bill}
    assert row.attempts == seen.ways
    assert seen.charged == charges[row.charge] >= sum(seen.billed, Decimal(0))
    assert row.reason == (seen.failed and seen.failed["reason"])
    assert row.saves == (seen.attempts[-1]["saved_usd"] > 0)
    if row.reason is None:
        assert seen.result == {"mode": row.attempts.rpartition("/")[2]}


@pytest.mark.parametrize("row", [row for row in refusals.TABLE if row.mode == "flex"], ids=lambda row: row.code)
def test_t7_holds_every_refusal_of_a_flex_call(row: refusals.Row) -> None:
    """Each row for flex in the table of refusals is met by a simulated refusal."""
    met = set()
    for provider in BOTH:
        for refusal in (shed(provider, None), shed(provider, 429), Rejection(429, "Slow down")):
            reply = error_reply(WIRES[provider], refusal, "0")
            document = refusals.read_document(provider, reply.body)
            met |= {provider} if refusals.row_of(provider, reply.status, document, "flex") is row else set()
    assert set(row.providers or ()) == met


@pytest.fixture
def environment(watched_url: str, random: Random) -> Iterator[Environment]:
    with open_environment(watched_url, random) as environment, impatient():
        yield environment


@pytest.mark.ci
def test_t7_shedding_neither_narrows_a_window_nor_opens_a_breaker(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every flex call of a day is shed: the key's window stays as wide, and each prompt is asked at full price."""
    opened: list[Limits] = []

    def opening(*arguments: Any) -> Limits:
        opened.append(Limits(*arguments))
        return opened[-1]

    monkeypatch.setattr(execution, "Limits", opening)
    user = environment.add_user(providers=BOTH)
    ask(environment, user, [f"¿Qué programa conviene {number}?" for number in range(12)], BOTH)
    environment.server.faults.set([{"match": {"route": "answer", "tier": "flex"}, "action": {"kind": "shed"}}])
    report = run_day(environment, **ECONOMY)
    assert 24 == report.stats.answered
    (limits,) = opened
    assert {16} == {state.window.calls for state in limits.keys.values()}
    assert environment.charged() == environment.billed()
    assert environment.check(TODAY) == []


def test_t7_with_the_setting_off_no_call_is_flex(environment: Environment) -> None:
    """Projects are punctual by default, and nothing is asked cheaper unless the operator allows it."""
    user = environment.add_user()
    ask(environment, user, ["¿Qué programa conviene?"])
    run_day(environment)
    assert [{"mode": "standard", "n": 4}] == environment.rows(
        "SELECT mode, count(*) AS n FROM llm_call_attempts GROUP BY mode"
    )
    assert {""} == {charge.tier for charge in environment.server.bill.lines}


@pytest.mark.ci
def test_t7_a_prompt_project_is_asked_at_once(environment: Environment) -> None:
    """Its pace keeps it out of flex, the project next to it is asked so, and only where a provider has flex."""
    user = environment.add_user()
    hurried = ask(environment, user, ["¿Qué programa conviene?"])
    environment.db.execute("UPDATE llm_monitoring_projects SET pace = 'prompt'")
    other = environment.add_user()
    ask(environment, other, ["¿Qué programa conviene hoy?"])
    run_day(environment, **ECONOMY)
    modes = environment.rows("SELECT project_id, llm_provider, mode FROM llm_call_attempts")
    assert {"standard"} == {row["mode"] for row in modes if row["project_id"] == hurried}
    assert {"openai", "google"} == {row["llm_provider"] for row in modes if row["mode"] == "flex"}
    assert environment.check(TODAY) == []


@pytest.mark.ci
def test_t7_a_model_that_is_not_sold_in_flex_is_asked_in_standard(environment: Environment) -> None:
    """Without a factor no flex call is made, and the day is whole."""
    environment.db.execute("UPDATE llm_model_registry SET flex_factor = NULL WHERE llm_provider = 'google'")
    ask(environment, environment.add_user(), ["¿Qué programa conviene?"])
    run_day(environment, **ECONOMY)
    rows = environment.rows("SELECT llm_provider, mode FROM llm_call_attempts WHERE mode = 'flex'")
    assert [{"llm_provider": "openai", "mode": "flex"}] == rows
    assert environment.check(TODAY) == []


def test_t7_near_the_deadline_no_flex_call_starts(environment: Environment) -> None:
    """A call that could last longer than the run is asked at the standard price."""
    ask(environment, environment.add_user(providers=BOTH), ["¿Qué programa conviene?"], BOTH)
    run_day(environment, **ECONOMY, LLM_FLEX_TIMEOUT_SECONDS="900", LLM_RUN_DEADLINE_MINUTES="10")
    assert [{"mode": "standard"}] == environment.rows("SELECT DISTINCT mode FROM llm_call_attempts")
    assert environment.check(TODAY) == []


@pytest.mark.ci
def test_t7_a_stop_saves_the_flex_calls_in_flight(environment: Environment) -> None:
    """A stop starts no more calls and waits for those that are out; the next start asks the rest, nothing twice."""
    ask(environment, environment.add_user(providers=["openai"]), [f"¿Caso {n}?" for n in range(8)], ["openai"])
    slow = {"kind": "delay", "delay_ms": 500}
    environment.server.faults.set([{"match": {"tier": "flex", "nth": [2, 3, 4, 5, 6, 7, 8]}, "action": slow}])
    stop = Event()
    named = {**environment.server.environment(), **ECONOMY, "LLM_SENTIMENT": "false", "LLM_MAX_WORKERS": "3"}
    app = App(environment.db, environment.budget, environment.store, load_settings(named, dotenv=False))
    request = daily.RunRequest(TODAY, stop=stop, on_progress=lambda stats: stop.set())
    report = daily.run_day(app, request)
    rows = environment.rows("SELECT state, mode FROM llm_call_attempts")
    assert "signal" == report.stats.stopped
    assert {("settled", "flex")} == {(row["state"], row["mode"]) for row in rows}
    assert 1 < len(rows) == report.stats.answered < 8
    run_day(environment, **ECONOMY)
    assert 8 == len(environment.server.bill.lines)
    assert environment.charged() == environment.billed()
    assert environment.check(TODAY) == []
