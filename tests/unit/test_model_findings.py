"""What a list of models says against the registry, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from llm_monitoring.domain import ProviderName
from llm_monitoring.model_review.findings import Drift, Findings, Successor, examine
from llm_monitoring.model_review.suggested_prices import Suggestion
from llm_monitoring.providers import ModelInfo

NOW = datetime(2026, 11, 23, tzinfo=UTC)
WEEK_AGO = NOW - timedelta(days=7)
SUGGESTED = Suggestion(
    input=Decimal(1),
    output=Decimal(5),
    cached=Decimal("0.1"),
    cache_write=None,
    cache_write_1h=None,
    per_1k_searches=Decimal(10),
    tiers=({"above_input_tokens": 200000, "input": "2", "output": "8"},),
    priority_factor=None,
    source="list",
)


def row(model_id: str = "gpt-a", **changes: Any) -> dict[str, Any]:
    """A registered model as it is in the table: approved, priced, listed a week ago."""
    base = {
        "llm_provider": "openai", "model_id": model_id, "is_current": False, "is_available": True, "retired_at": None,
        "rejected_at": None, "validated_at": None, "missing_checks": 0, "last_seen_at": WEEK_AGO, "retires_at": None,
        "going_announced_at": None, "cost_per_1m_input_tokens": Decimal(1), "cost_per_1m_output_tokens": Decimal(5),
        "cost_per_1m_cached_input_tokens": None, "cost_per_1m_cache_write_tokens": None, "cost_per_1k_searches": None,
        "cost_per_request": Decimal(0), "price_tiers": [], "cost_per_1m_cache_write_1h_tokens": None,
        "priority_factor": None, "priced_on": None, "dated_prices": "[]",
    }  # fmt: skip
    return base | changes


def look(
    rows: list[dict[str, Any]],
    *listed: ModelInfo,
    suggestion: Suggestion | None = None,
    provider: ProviderName = "openai",
    later: tuple[tuple[date, Suggestion], ...] = (),
) -> Findings:
    return examine(
        provider, rows, listed, NOW, lambda provider, model_id, at: suggestion, lambda provider, model_id: later
    )


def info(model_id: str = "gpt-a", days: int | None = None) -> ModelInfo:
    return ModelInfo(model_id, model_id, retires_at=None if days is None else NOW + timedelta(days=days))


@pytest.mark.parametrize(
    ("model", "listed", "missing"),
    [
        (row(), "gpt-a", False),
        (row(), "gpt-b", True),
        (row(), "gpt-a-2026-10-06", True),
        (row(last_seen_at=None), "gpt-a-2026-10-06", False),
        (row(last_seen_at=None), "gpt-a-20261006", False),
        (row(last_seen_at=None), "gpt-a-mini-2026-10-06", True),
        (row(last_seen_at=None), "gpt-b", True),
        (row("gpt-a-codex"), "gpt-b", False),
        (row(is_available=False), "gpt-b", True),
    ],
)
def test_missing(model: dict[str, Any], listed: str, missing: bool) -> None:
    """Missing is what should be listed and is not; an alias of a listed snapshot and what is filtered out are not."""
    assert ((model["model_id"],) if missing else ()) == look([model], info(listed)).missing


@pytest.mark.parametrize(
    ("changes", "days", "why"),
    [
        ({"missing_checks": 1}, "gone", "missing"),
        ({}, "gone", None),
        ({"missing_checks": 1}, None, None),
        ({}, 30, "retires"),
        ({}, 31, None),
        ({}, -3, "retires"),
        ({"retired_at": WEEK_AGO, "missing_checks": 5}, "gone", None),
        ({"retires_at": NOW}, None, "retires"),
    ],
)
def test_going(changes: dict[str, Any], days: Any, why: str | None) -> None:
    """Going is a second miss in a row or an end within 30 days; what an admin retired is not watched."""
    listed = info("gpt-b") if days == "gone" else info(days=days)
    found = look([row(**changes)], listed)
    assert ([why] if why else []) == [each.why for each in found.going]


def test_an_end_that_is_taken_back() -> None:
    """A list that tells ends is believed where it tells none; one that tells none at all changes nothing."""
    known = row(retires_at=NOW + timedelta(days=5), going_announced_at=WEEK_AGO)
    telling = look([known], info(), info("gpt-b", 90))
    silent = look([known], info(), info("gpt-b"))
    assert ([(), ("gpt-a",)], [1, ()]) == ([telling.going, telling.back], [len(silent.going), silent.back])


def test_told_once() -> None:
    """Only the first check that finds a model going says so."""
    found = look([row(missing_checks=1), row("gpt-c", missing_checks=4, going_announced_at=WEEK_AGO)], info("gpt-b"))
    assert [("gpt-a", True), ("gpt-c", False)] == [(each.model_id, each.first) for each in found.going]


def current(**changes: Any) -> dict[str, Any]:
    return row("gpt-now", is_current=True, missing_checks=1, **changes)


def cost(amount: str) -> dict[str, Decimal]:
    return {"cost_per_1m_input_tokens": Decimal(amount), "cost_per_1m_output_tokens": 5 * Decimal(amount)}


@pytest.mark.parametrize(
    ("rivals", "expected"),
    [
        (
            [row("gpt-a", **cost("30"), validated_at=WEEK_AGO), row("gpt-b")],
            Successor("gpt-a", approved=True, validated=True),
        ),
        (
            [row("gpt-a", **cost("30")), row("gpt-b", is_available=False)],
            Successor("gpt-a", approved=True, validated=False),
        ),
        ([row("gpt-a", **cost("3")), row("gpt-b", **cost("0.5"))], Successor("gpt-b", approved=True, validated=False)),
        ([row("gpt-a", is_available=False)], Successor("gpt-a", approved=False, validated=False)),
        ([row("gpt-a", **cost("0"))], None),
        ([row("gpt-a", is_available=False, rejected_at=WEEK_AGO)], None),
        ([row("gpt-a", is_available=False, retired_at=WEEK_AGO)], None),
        ([row("gpt-gone", validated_at=WEEK_AGO)], None),
        ([row("gpt-a", retires_at=NOW + timedelta(days=9), validated_at=WEEK_AGO)], None),
        ([], None),
    ],
)
def test_successor(rivals: list[dict[str, Any]], expected: Successor | None) -> None:
    """A successor has a price, is listed and stays: validated before approved before others, then nearest in price."""
    listed = [info(each["model_id"]) for each in rivals if each["model_id"] != "gpt-gone"]
    found = look([current(), *rivals], *listed, info("gpt-else"))
    assert [expected] == [each.successor for each in found.going if each.row["is_current"]]


def test_only_a_current_model_has_a_successor() -> None:
    """For other models nobody is proposed."""
    assert [None] == [each.successor for each in look([row(missing_checks=1), row("gpt-b")], info("gpt-b")).going]


def test_new() -> None:
    """New is what is listed and not registered, with its suggestion; an id that the column cannot hold is named."""
    long = "gpt-" + "x" * 97
    found = look([row()], info(), info("gpt-b"), info(long), suggestion=SUGGESTED)
    assert (["gpt-b"], [SUGGESTED], (long,), ["gpt-a"]) == (
        [new.info.model_id for new in found.new],
        [new.suggestion for new in found.new],
        found.unstorable,
        [seen.model_id for seen in found.seen],
    )


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, ["cached", "input > 200000", "output > 200000"]),
        ({"cost_per_1m_input_tokens": Decimal("1.0101")}, ["cached", "input > 200000", "output > 200000"]),
        ({"cost_per_1m_input_tokens": Decimal("0.99")}, ["input", "cached", "input > 200000", "output > 200000"]),
        ({"cost_per_1k_searches": Decimal(14)}, ["cached", "searches", "input > 200000", "output > 200000"]),
        (
            {
                "cost_per_1m_cached_input_tokens": Decimal("0.1"),
                "price_tiers": [{"above_input_tokens": 200000, "input": "2", "output": "8"}],
            },
            [],
        ),
        ({"is_available": False}, []),
        ({"cost_per_1m_input_tokens": Decimal(0)}, []),
        ({"cost_per_1m_output_tokens": None}, []),
    ],
)
def test_drift(changes: dict[str, Any], names: list[str]) -> None:
    """Each price of an approved model that is off by more than 1 % of the registry's is told, tiers included."""
    found = look([row(**changes)], info(), suggestion=SUGGESTED)
    assert names == [drift.name for drift in found.drifts]


def test_drift_carries_both_figures() -> None:
    """A drift names what is charged, what is suggested and by whom."""
    found = look([row(cost_per_1m_cached_input_tokens=Decimal("0.2"))], info(), suggestion=SUGGESTED)
    assert Drift("gpt-a", "cached", Decimal("0.2"), Decimal("0.1"), "list") == found.drifts[0]


RISE = replace(SUGGESTED, input=Decimal(2), output=Decimal(9), tiers=())


@pytest.mark.parametrize(
    ("start", "priced_on", "known", "begun"),
    [
        (date(2027, 1, 1), None, True, False),
        (date(2027, 1, 22), None, True, False),
        (date(2027, 1, 23), None, False, False),
        (date(2026, 11, 23), None, True, True),
        (date(2026, 11, 23), date(2026, 11, 23), False, False),
        (date(2027, 1, 1), date(2026, 11, 23), True, False),
    ],
)
def test_a_dated_price_is_announced(start: date, priced_on: date | None, known: bool, begun: bool) -> None:
    """What begins within 60 days is announced with its day, and what has begun until an admin decides."""
    found = look([row(priced_on=priced_on)], info(), suggestion=SUGGESTED, later=((start, RISE),))
    assert ([("gpt-a", start, begun)] if known else []) == [
        (model_id, change.valid_from, change.begun) for model_id, change in found.price_changes
    ]


def test_an_announced_price_names_its_parts() -> None:
    """The parts that change are named with what they cost before and after."""
    found = look([row()], info(), suggestion=SUGGESTED, later=((date(2027, 1, 1), RISE),))
    ((_, change),) = found.price_changes
    assert ("input", Decimal(1), Decimal(2)) == (change.parts[0].name, change.parts[0].before, change.parts[0].after)


def test_a_later_price_of_an_unused_model_is_not_announced() -> None:
    """A model that is not approved costs nothing, whatever it will cost."""
    found = look([row(is_available=False)], info(), suggestion=SUGGESTED, later=((date(2027, 1, 1), RISE),))
    assert () == found.price_changes
