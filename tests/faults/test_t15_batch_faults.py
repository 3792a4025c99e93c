"""T15: what a provider may do to a batch and its results, with the charge and the next try of each request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any, Final

import pytest

from llm_monitoring.domain import ProviderName
from tests.environment import Environment, open_environment
from tests.faults.batch_days import (
    BOTH,
    ECONOMY,
    PROMPTS,
    Died,
    add_proven_project,
    check,
    complete,
    few_are_enough,
    killed_at,
    losses,
    pass_hours,
    unpaid_requests,
    ways,
)
from tests.faults.conftest import CI, Note
from tests.faults.in_process import TODAY, run_day
from tests.faults.weather import Json

ANSWERED: Final = "settled batch"
AGAIN: Final = "void batch, settled standard"
NEVER_MADE: Final = "void batch, settled batch"
IN_DOUBT: Final = "unknown batch, settled standard"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a fault, and the way that the requests go.

    `plan` is of the simulated batches, `rules` are fault rules. `each`: the way of all requests; `one`: of the one
    that a rule of the route batch_request spoils. `starts`: how many it takes at least; `valid`: its answers.
    """

    name: str
    plan: Mapping[str, Any] = field(default_factory=dict)
    rules: tuple[Json, ...] = ()
    each: str = ANSWERED
    one: str | None = None
    starts: int = 1
    valid: int = PROMPTS
    only: tuple[ProviderName, ...] = BOTH


def on(route: str, action: Json, **more: Any) -> Json:
    return {"match": {"route": route}, "times": 1, "action": action, **more}


def line(kind: str, **more: Any) -> tuple[Json, ...]:
    """A fault of the second request of a batch."""
    return ({"match": {"route": "batch_request", "nth": 2}, "action": {"kind": kind, **more}},)


def status(code: int) -> Json:
    return {"kind": "status", "status": code}


RESET: Final[Json] = {"kind": "reset", "when": "after_body"}
PATIENT: Final = "UPDATE llm_monitoring_projects SET pace = 'patient'"
DOWNLOADS: Final = {"openai": "file_content", "anthropic": "batch_results"}


def downloads(name: str, action: Json) -> Iterator[Row]:
    """A download that fails once: the next one brings the answers."""
    for provider in BOTH:
        yield Row(name, rules=(on(DOWNLOADS[provider], action),), only=(provider,))


TABLE: Final = (
    Row("all answered"),
    Row("line separators", {"separators": True}),
    # a batch that ends early: what ran is charged, the rest is free and asked at once
    Row("expired, nothing ran", {"ending": "expired", "ran": 0.0}, each=AGAIN),
    Row("expired, all ran", {"ending": "expired", "ran": 1.0}),
    Row("cancelled by someone", {"ending": "cancelled", "ran": 0.0}, each=AGAIN),
    Row("late, nothing ran", {"ends_after": None, "ran": 0.0}, each=AGAIN),
    Row("late, all ran", {"ends_after": None, "ran": 1.0}),
    Row("refused by its validation", {"ending": "failed"}, each=AGAIN, only=("openai",)),
    # lines
    Row("400", rules=line("status", status=400), one=AGAIN),
    Row("500 of OpenAI", rules=line("status", status=500), one=IN_DOUBT, only=("openai",)),
    Row("500 of Anthropic", rules=line("status", status=500), one=AGAIN, only=("anthropic",)),
    Row("one expired", rules=line("expired"), one=AGAIN),
    Row("a missing line", rules=line("dropped"), one=IN_DOUBT),
    Row("a repeated line", rules=line("repeated")),
    Row("an unreadable line", rules=line("unreadable"), one=IN_DOUBT),
    Row("a refusal", rules=line("refusal"), valid=PROMPTS - 1),
    Row("an empty text", rules=line("empty_text"), valid=PROMPTS - 1),
    Row("no usage", rules=({**line("usage", value="missing")[0], "billed": True},), one="unknown batch"),
    # downloads
    *downloads("cut", {"kind": "truncate", "content_length": "wrong"}),
    *downloads("cut, unnoticed", {"kind": "truncate", "content_length": "right"}),
    *downloads("reset", {"kind": "reset", "when": "mid_reply"}),
    *downloads("500", status(500)),
    *downloads("404", status(404)),
    # creation and looks
    *(Row(f"creation refused, {code}", rules=(on("batch_create", status(code)),), each=AGAIN) for code in (400, 429)),
    Row("upload fails", rules=(on("file_create", status(500)),), each=AGAIN, only=("openai",)),
    Row("creation lost, not made", rules=(on("batch_create", RESET),), each=NEVER_MADE, starts=3),
    Row("creation lost, made", rules=(on("batch_create", RESET, billed=True),)),
    Row("creation 500, not made", rules=(on("batch_create", status(500)),), each=NEVER_MADE, starts=3),
    Row("creation 500, made", rules=(on("batch_create", status(500), billed=True),)),
    Row("a look fails", rules=(on("batch", status(500)), on("batch", RESET))),
    Row("the list fails", rules=(on("batch_create", RESET, billed=True), on("batch_list", status(503)))),
    Row("deletion fails", rules=(on("file_delete", status(500)), on("batch_delete", status(500)))),
)
CASES: Final = [(row, provider) for row in TABLE for provider in row.only]


@pytest.fixture
def environment(watched_url: str, random: Random) -> Iterator[Environment]:
    with open_environment(watched_url, random) as environment, few_are_enough():
        yield environment


@pytest.fixture
def days() -> Iterator[date]:
    return (TODAY - timedelta(days=number) for number in range(1_000))


def broken_by(environment: Environment, row: Row, day: date) -> Iterator[str]:
    """What a day under a fault leaves that it should not."""
    environment.server.batches.set_plan({"ends_after": 0, "ending": "completed", "ran": 1.0, **row.plan})
    environment.server.faults.set(row.rules)
    starts = complete(environment, day)
    environment.server.faults.set([])
    expected = {row.each: PROMPTS} if row.one is None else {row.each: PROMPTS - 1, row.one: 1}
    valid = environment.count(f"llm_monitoring_results WHERE analysis_date = '{day}'")
    found = (dict(ways(environment, day)), valid)
    if found != (expected, row.valid) or starts < row.starts:
        yield f"{row.name}: {found} after {starts} starts, not {(expected, row.valid)}"
    yield from (f"{row.name}: {each}" for each in unpaid_requests(environment))
    pass_hours(environment, 24 * 8)  # two failures in a week would end the batches


def rows_of(provider: ProviderName, every: int) -> list[Row]:
    """Every so many-th row of a provider, with other rows for each provider."""
    return [row for row in TABLE if provider in row.only][BOTH.index(provider) % every :: every]


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=CI)])
@pytest.mark.parametrize("provider", BOTH)
def test_t15_each_fault_has_its_charge_and_its_next_try(
    environment: Environment, days: Iterator[date], note: Note, provider: ProviderName, every: int
) -> None:
    """Whatever a provider does to a batch: nothing charged is lost, nothing free is charged, nothing is paid twice."""
    add_proven_project(environment, provider, next(days))
    broken: list[str] = []
    whole: list[date] = []
    for row, day in zip(rows_of(provider, every), days, strict=False):
        broken += broken_by(environment, row, day)
        whole += [day] if row.valid == PROMPTS else []
    note.count_money(environment.ledger_view())
    assert [] == broken + check(environment, *whole, whole=True) + losses(environment).unexplained


@pytest.mark.ci
@pytest.mark.parametrize("rules", [(), (on("batch_create", RESET, billed=True),)])
@pytest.mark.parametrize("provider", BOTH)
def test_t15_a_batch_that_is_hidden_at_first_is_neither_lost_nor_made_again(
    environment: Environment, days: Iterator[date], provider: ProviderName, rules: tuple[Json, ...]
) -> None:
    """A new batch is not listed for minutes, with and without its id: no start concludes that it does not exist."""
    add_proven_project(environment, provider, next(days))
    environment.db.execute(PATIENT)
    day = next(days)
    environment.server.faults.set(rules)
    environment.server.batches.set_plan({"hidden_seconds": 3600.0})
    for _ in range(2):
        run_day(environment, day, **ECONOMY)
    assert {"sent batch": PROMPTS} == ways(environment, day)
    environment.server.batches.set_plan({"hidden_seconds": 0.0})
    run_day(environment, day, **ECONOMY)
    assert {ANSWERED: PROMPTS} == ways(environment, day)
    assert [] == check(environment, day)


@pytest.mark.ci
@pytest.mark.parametrize("provider", BOTH)
def test_t15_a_batch_that_is_never_seen_again_is_charged_its_ceilings(
    environment: Environment, days: Iterator[date], provider: ProviderName
) -> None:
    """After two days nothing more is expected of it: its calls are charged in doubt, and what it costs is covered."""
    add_proven_project(environment, provider, next(days))
    environment.db.execute(PATIENT)
    day = next(days)
    environment.server.batches.set_plan({"hidden_seconds": 3600.0})
    run_day(environment, day, **ECONOMY)
    pass_hours(environment, 48)
    run_day(environment, day, **ECONOMY)
    assert {"sent batch": PROMPTS} == ways(environment, day)
    pass_hours(environment, 2)
    environment.server.batches.set_plan({"hidden_seconds": 0.0})
    environment.server.faults.set([{"match": {"route": "batch"}, "action": status(404)}])
    run_day(environment, day, **ECONOMY)
    environment.server.faults.set([])
    complete(environment, day)
    assert {"unknown batch"} == {way.split(",")[0] for way in ways(environment, day)}
    assert [] == check(environment, day)


@pytest.mark.short(every=2)
@pytest.mark.parametrize("provider", BOTH)
def test_t15_a_line_that_was_stored_is_settled_without_its_batch(
    environment: Environment, days: Iterator[date], provider: ProviderName
) -> None:
    """The process ended between a receipt and its settlement, and the results are gone: the receipt is enough."""
    add_proven_project(environment, provider, next(days))
    environment.db.execute(PATIENT)
    day = next(days)
    with killed_at("batch_receipt_kept", 2), pytest.raises(Died):
        run_day(environment, day, **ECONOMY)
    environment.server.faults.set([{"match": {"route": DOWNLOADS[provider]}, "action": status(404)}])
    pass_hours(environment, 50)
    run_day(environment, day, **ECONOMY)
    first = [way.split(",")[0] for way in ways(environment, day).elements()]
    assert ["settled batch"] * 2 + ["unknown batch"] * (PROMPTS - 2) == sorted(first)
    environment.server.faults.set([])
    complete(environment, day)
    assert [] == check(environment, day)


@pytest.mark.ci
def test_t15_a_batch_that_was_given_up_cannot_run(environment: Environment, days: Iterator[date]) -> None:
    """OpenAI begins a batch too late: its requests were deleted before the last look, so nothing of it runs."""
    add_proven_project(environment, "openai", next(days))
    environment.db.execute(PATIENT)
    day = next(days)
    environment.server.batches.set_plan({"hidden_seconds": 3600.0})
    environment.server.faults.set([on("batch_create", RESET, billed=True)])
    for _ in range(2):
        run_day(environment, day, **ECONOMY)
        pass_hours(environment, 1)
    environment.server.batches.finish()
    run_day(environment, day, **ECONOMY)
    environment.server.batches.set_plan({"hidden_seconds": 0.0})
    complete(environment, day)
    assert {NEVER_MADE: PROMPTS} == ways(environment, day)
    assert [] == check(environment, day)
    assert "failed" in {batch.ended for batch in environment.server.batches.made}
