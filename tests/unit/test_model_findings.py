"""A provider's list of models against the registry, entry by entry."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from llm_monitoring.domain import ProviderName
from llm_monitoring.model_review.findings import ModelReview, PriceDrift, Successor, examine, undecided_drifts
from llm_monitoring.model_review.suggested_prices import SuggestedPrice
from llm_monitoring.providers import ModelInfo
from llm_monitoring.registry import COLUMNS, PriceEntry, RegistryEntry
from tests.registry_rows import registry_entry

NOW = datetime(2026, 11, 23, tzinfo=UTC)
WEEK_AGO = NOW - timedelta(days=7)
SUGGESTED = SuggestedPrice(
    PriceEntry(
        input=Decimal(1),
        output=Decimal(5),
        cached=Decimal("0.1"),
        searches=Decimal(10),
        request=Decimal(0),
        priority_factor=Decimal(2),
        tiers=({"above_input_tokens": 200000, "input": "2", "output": "8"},),
    ),
    source="list",
)


def entry(model_id: str = "gpt-a", **changes: Any) -> RegistryEntry:
    """A registered model: approved, priced, listed a week ago."""
    return registry_entry(model_id, **({"last_seen_at": WEEK_AGO} | changes))


def look(
    entries: list[RegistryEntry],
    *listed: ModelInfo,
    suggestion: SuggestedPrice | None = None,
    provider: ProviderName = "openai",
    later: tuple[tuple[date, SuggestedPrice], ...] = (),
) -> ModelReview:
    return examine(
        provider, entries, listed, NOW, lambda provider, model_id, at: suggestion, lambda provider, model_id: later
    )


def info(model_id: str = "gpt-a", days: int | None = None) -> ModelInfo:
    return ModelInfo(model_id, model_id, retires_at=None if days is None else NOW + timedelta(days=days))


@pytest.mark.parametrize(
    ("model", "listed", "missing"),
    [
        (entry(), "gpt-a", False),
        (entry(), "gpt-b", True),
        (entry(), "gpt-a-2026-10-06", True),
        (entry(last_seen_at=None), "gpt-a-2026-10-06", False),
        (entry(last_seen_at=None), "gpt-a-20261006", False),
        (entry(last_seen_at=None), "gpt-a-mini-2026-10-06", True),
        (entry(last_seen_at=None), "gpt-b", True),
        (entry("gpt-a-codex"), "gpt-b", False),
        (entry(is_available=False), "gpt-b", True),
    ],
)
def test_missing(model: RegistryEntry, listed: str, missing: bool) -> None:
    """Missing is what should be listed and is not; an alias of a listed snapshot and what is filtered out are not."""
    assert ((model.model_id,) if missing else ()) == look([model], info(listed)).missing


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
def test_retiring(changes: dict[str, Any], days: Any, why: str | None) -> None:
    """Two misses in a row or an end within 30 days; a model that an admin retired is not reported."""
    listed = info("gpt-b") if days == "gone" else info(days=days)
    found = look([entry(**changes)], listed)
    assert ([why] if why else []) == [each.reason for each in found.retiring]


def test_an_end_that_is_taken_back() -> None:
    """A model without an end date stays if its list has end dates; a list without any changes nothing."""
    known = entry(retires_at=NOW + timedelta(days=5), going_announced_at=WEEK_AGO)
    dated = look([known], info(), info("gpt-b", 90))
    undated = look([known], info(), info("gpt-b"))
    assert () == dated.retiring
    assert ("gpt-a",) == dated.reappeared
    assert 1 == len(undated.retiring)
    assert () == undated.reappeared


def test_retirement_is_announced_once() -> None:
    """Only the first check that finds a model retiring announces it."""
    found = look(
        [entry(missing_checks=1), entry("gpt-c", missing_checks=4, going_announced_at=WEEK_AGO)], info("gpt-b")
    )
    assert [("gpt-a", True), ("gpt-c", False)] == [(each.model_id, not each.announced) for each in found.retiring]


def current(**changes: Any) -> RegistryEntry:
    return entry("gpt-now", is_current=True, missing_checks=1, **changes)


def cost(amount: str) -> dict[str, Decimal]:
    return {"cost_per_1m_input_tokens": Decimal(amount), "cost_per_1m_output_tokens": 5 * Decimal(amount)}


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (
            [entry("gpt-a", **cost("30"), validated_at=WEEK_AGO), entry("gpt-b")],
            Successor("gpt-a", approved=True, validated=True),
        ),
        (
            [entry("gpt-a", **cost("30")), entry("gpt-b", is_available=False)],
            Successor("gpt-a", approved=True, validated=False),
        ),
        (
            [entry("gpt-a", **cost("3")), entry("gpt-b", **cost("0.5"))],
            Successor("gpt-b", approved=True, validated=False),
        ),
        ([entry("gpt-a", is_available=False)], Successor("gpt-a", approved=False, validated=False)),
        ([entry("gpt-a", **cost("0"))], None),
        ([entry("gpt-a", is_available=False, rejected_at=WEEK_AGO)], None),
        ([entry("gpt-a", is_available=False, retired_at=WEEK_AGO)], None),
        ([entry("gpt-gone", validated_at=WEEK_AGO)], None),
        ([entry("gpt-a", retires_at=NOW + timedelta(days=9), validated_at=WEEK_AGO)], None),
        ([], None),
    ],
)
def test_successor(others: list[RegistryEntry], expected: Successor | None) -> None:
    """A successor has a price, is listed and stays: validated before approved before others, then nearest in price."""
    listed = [info(each.model_id) for each in others if each.model_id != "gpt-gone"]
    found = look([current(), *others], *listed, info("gpt-else"))
    assert [expected] == [each.successor for each in found.retiring if each.entry.is_current]


def test_only_a_current_model_has_a_successor() -> None:
    """No successor is proposed for other models."""
    assert [None] == [
        each.successor for each in look([entry(missing_checks=1), entry("gpt-b")], info("gpt-b")).retiring
    ]


@pytest.mark.parametrize("rest", ["\0", "\ud800", "\n", "\u202e", "\x1b[2J"], ids=ascii)
def test_an_id_that_cannot_be_printed_is_not_registered(rest: str) -> None:
    """The database would store another id, which every check would report as new and then as retired."""
    found = look([entry()], info(), info(f"gpt-{rest}"))
    assert (f"gpt-{rest}",) == found.unstorable
    assert () == found.new


def test_new() -> None:
    """New is what is listed and not registered, with its suggestion; an id that the column cannot hold is named."""
    long = "gpt-" + "x" * 97
    found = look([entry()], info(), info("gpt-b"), info(long), suggestion=SUGGESTED)
    assert ["gpt-b"] == [new.info.model_id for new in found.new]
    assert [SUGGESTED] == [new.suggestion for new in found.new]
    assert (long,) == found.unstorable
    assert ["gpt-a"] == [seen.model_id for seen in found.seen]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, ["cached", "input > 200000", "output > 200000"]),
        ({"cost_per_1m_input_tokens": Decimal("1.001")}, ["input", "cached", "input > 200000", "output > 200000"]),
        ({"cost_per_1m_input_tokens": Decimal("0.99")}, ["input", "cached", "input > 200000", "output > 200000"]),
        ({"cost_per_1k_searches": Decimal(14)}, ["cached", "searches", "input > 200000", "output > 200000"]),
        (
            {
                "cost_per_1m_cached_input_tokens": Decimal("0.1"),
                "price_tiers": [{"above_input_tokens": 200000, "input": "2", "output": "8"}],
            },
            [],
        ),
        ({"priority_factor": Decimal("1.6")}, ["cached", "priority_factor", "input > 200000", "output > 200000"]),
        ({"is_available": False}, []),
        ({"cost_per_1m_input_tokens": Decimal(0)}, []),
        ({"cost_per_1m_output_tokens": None}, []),
    ],
)
def test_drift(changes: dict[str, Any], names: list[str]) -> None:
    """Each price of an approved model that differs from the registry's is reported, tiers included."""
    found = look([entry(**changes)], info(), suggestion=SUGGESTED)
    assert names == [drift.name for drift in found.drifts]


def test_drift_carries_both_figures() -> None:
    """A drift names what is charged, what is suggested and by whom."""
    found = look([entry(cost_per_1m_cached_input_tokens=Decimal("0.2"))], info(), suggestion=SUGGESTED)
    assert PriceDrift("gpt-a", "cached", Decimal("0.2"), Decimal("0.1"), "list") == found.drifts[0]


@pytest.mark.parametrize(
    ("suggested_on", "priced_on", "names"),
    [
        (date(2026, 11, 22), None, ["cached"]),
        (date(2026, 11, 22), date(2026, 11, 21), ["cached"]),
        (date(2026, 11, 22), date(2026, 11, 22), []),
        (date(2026, 11, 22), date(2026, 11, 23), []),
        (None, None, []),
    ],
)
def test_a_drift_waits_for_a_decision(suggested_on: date | None, priced_on: date | None, names: list[str]) -> None:
    """A difference to what the last check read is open until an admin enters a price on that day or later."""
    changes: dict[str, Any] = {
        f"suggested_{COLUMNS[name]}": SUGGESTED.price.amount(name) for name in ("input", "output", "cached")
    }
    source = None if suggested_on is None else "list"
    found = entry(**changes, suggested_source=source, suggested_at=suggested_on, priced_on=priced_on)
    assert names == [drift.name for drift in undecided_drifts(found, NOW.date())]


RISE = replace(SUGGESTED, price=replace(SUGGESTED.price, input=Decimal(2), output=Decimal(9), tiers=()))


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
    found = look([entry(priced_on=priced_on)], info(), suggestion=SUGGESTED, later=((start, RISE),))
    assert ([("gpt-a", start, begun)] if known else []) == [
        (model_id, change.valid_from, change.begun) for model_id, change in found.price_changes
    ]


def test_an_announced_price_names_its_parts() -> None:
    """The parts that change are named with what they cost before and after."""
    found = look([entry()], info(), suggestion=SUGGESTED, later=((date(2027, 1, 1), RISE),))
    ((_, change),) = found.price_changes
    assert "input" == change.parts[0].name
    assert Decimal(1) == change.parts[0].before
    assert Decimal(2) == change.parts[0].after


def test_a_later_price_of_an_unused_model_is_not_announced() -> None:
    """A model that is not approved costs nothing, whatever it will cost."""
    found = look([entry(is_available=False)], info(), suggestion=SUGGESTED, later=((date(2027, 1, 1), RISE),))
    assert () == found.price_changes
