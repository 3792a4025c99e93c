"""The figures of a period over the API: each with its interval and basis, its change, and the same as elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from llm_monitoring import projects
from llm_monitoring.figures import periods, readings
from llm_monitoring.figures.periods import Period
from llm_monitoring.reporting import exports
from llm_monitoring.reporting.overview import Overview
from llm_monitoring.reporting.report_data import Access, ReportRequest, read
from llm_monitoring.reporting.view import view
from tests.conftest import Databases
from tests.integration.stored import Book, done
from tests.integration.web.two_periods import (
    AFTER,
    BEFORE,
    COMPARABLE,
    COMPARED,
    FIRST,
    PERIOD,
    SECOND,
    two_periods,
)
from tests.integration.web.world import World


@pytest.fixture
def measured(databases: Databases) -> Iterator[World]:
    """A project with two measured periods."""
    with two_periods(databases) as world:
        yield world


def figures(world: World, **params: str) -> Any:
    answer = world.call("GET", f"/projects/{world.project}/figures", params=params)
    assert 200 == answer.status_code, answer.text
    return answer.json()


def code_of(world: World, **params: str) -> tuple[int, str]:
    answer = world.call("GET", f"/projects/{world.project}/figures", params=params)
    return answer.status_code, answer.json()["code"]


def numbers(*values: Decimal | str | None) -> list[float | None]:
    return [None if value is None else float(value) for value in values]


def shown(figure: dict[str, Any]) -> list[float | None]:
    return [figure["value"], figure["low"], figure["high"]]


def test_each_figure_has_its_interval_and_what_it_rests_on(measured: World) -> None:
    """The rate by hand; answers to the prompt that names the brand are in none of them."""
    found = figures(measured, **PERIOD)
    rate = found["all"]["mention_rate"]
    assert (50.0, 95, 32, 8, None) == tuple(
        rate[name] for name in ("value", "confidence", "answers", "prompts", "change")
    )
    assert rate["low"] < 50.0 < rate["high"]
    assert 2 == found["branded_total_queries"]
    assert 2 == found["branded_total_mentions"]
    assert {"google", "openai"} == found["by_provider"].keys()
    assert (16, 50.0) == tuple(found["by_provider"]["openai"]["mention_rate"][name] for name in ("answers", "value"))
    assert "2026-11-03" == found["from"]
    assert "2026-11-04" == found["to"]
    assert "UTC" == found["timezone"]


def test_a_figure_without_an_interval_has_none(measured: World) -> None:
    """The weighted share of voice has a value and no bounds."""
    weighted = figures(measured, **COMPARED)["all"]["weighted_share_of_voice"]
    assert weighted["value"] is not None
    assert [None, None, None, None] == [weighted[name] for name in ("low", "high", "confidence", "change")]


def test_what_was_not_measured_is_null(world: World) -> None:
    """Never 0: neither without answers, nor a citation rate without a site of the brand."""
    empty = figures(world)["all"]
    assert {(None, 0)} == {(each["value"], each["answers"]) for each in empty.values()}
    book = Book(world.db, world.project)
    book.store(0, BEFORE[0], SECOND, citations=["https://example.org"])
    found = figures(world)["all"]
    assert 100.0 == found["mention_rate"]["value"]
    assert found["citation_rate"]["value"] is None


def test_the_days_are_by_default_those_of_metrics(measured: World) -> None:
    """Thirty of them, up to the last one with answers."""
    found = figures(measured)
    assert "2026-10-06" == found["from"]
    assert "2026-11-04" == found["to"]
    assert "2026-11-04" == found["latest_day"]
    assert periods.period_of(None, None, AFTER[1]) == Period(date(2026, 10, 6), AFTER[1])


def test_changes_have_a_verdict_and_the_model_is_named(measured: World) -> None:
    """Over all providers four figures are compared, of each provider the mention rate."""
    found = figures(measured, **COMPARED)
    change = found["all"]["mention_rate"]["change"]
    assert 25.0 == change["difference"]
    assert change["low"] < 25.0 < change["high"]
    assert 95 == change["confidence"]
    assert 95.0 == change["judged_at"]
    assert all(found["all"][name]["change"] for name in COMPARABLE)
    assert ["mention_rate"] == [name for name, each in found["by_provider"]["google"].items() if each["change"]]
    assert [
        {
            "provider": "openai",
            "day": "2026-11-03",
            "before": "m-1",
            "after": "m-2",
            "before_mode": "standard",
            "after_mode": "standard",
        }
    ] == found["model_changes"]


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    "params",
    [
        {"from": "2026-11-02", "to": "2026-11-01"},
        {"compare_from": "2026-11-01"},
        {"compare_from": "2026-11-02", "compare_to": "2026-11-01"},
        {**PERIOD, "compare_from": "2026-11-01", "compare_to": "2026-11-03"},
        {"to": "0001-01-01"},
        {"provider": "unknown"},
        {"days": "7"},
    ],
    ids=",".join,
)
def test_a_period_that_is_none_is_refused(measured: World, params: dict[str, str]) -> None:
    """Half a comparison, days in disorder, periods that overlap, days before the calendar, names that are not known."""
    assert (422, "invalid") == code_of(measured, **params)


def test_figures_that_the_caller_has_are_not_sent_again(measured: World) -> None:
    """The tag is that of the body: another period has another one, and a new answer changes it."""
    path = f"/projects/{measured.project}/figures"
    first = measured.call("GET", path)
    tag = {"If-None-Match": first.headers["etag"]}
    again = measured.call("GET", path, headers=tag)
    assert 304 == again.status_code
    assert b"" == again.content
    assert 200 == measured.call("GET", path, params=PERIOD, headers=tag).status_code
    Book(measured.db, measured.project).store(0, AFTER[1], FIRST, sample=2)
    assert 200 == measured.call("GET", path, headers=tag).status_code


def test_too_many_answers_of_former_names_are_a_state_and_no_failure(
    measured: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller learns why there is no figure."""
    monkeypatch.setattr(readings, "MOST_READ_AGAIN", 3)
    Book(measured.db, measured.project).rename(brand_name="Kipu")
    assert (409, "not_ready") == code_of(measured)


def report_of(world: World) -> Overview:
    request = ReportRequest(world.project, Period(*AFTER), Period(*BEFORE))
    return view(read(world.db, request, AFTER[1], Access())).overview


def test_rest_command_and_report_show_the_same_figures(measured: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Value, interval, basis, change and verdict of a period, over all providers and of each one."""
    monkeypatch.setenv("DATABASE_URL", measured.db.dsn)
    rest = figures(measured, **COMPARED)
    days = [word for name, day in COMPARED.items() for word in (f"--{name.replace('_', '-')}", day)]
    command = json.loads(done("metrics", str(measured.project), *days, "--json"))
    report = report_of(measured)

    for part, own in ((rest["all"], command["all"]), *zip_providers(rest, command)):
        for name in (*COMPARABLE, "weighted_share_of_voice", "avg_sentiment_score"):
            assert numbers(own[name]) == [part[name]["value"]], name
        assert numbers(own["mention_rate_low"], own["mention_rate_high"]) == shown(part["mention_rate"])[1:]
        assert own["total_queries"] == part["mention_rate"]["answers"]
        assert own["prompts"] == part["mention_rate"]["prompts"]

    for change in command["comparison"]["changes"]:
        part = rest["by_provider"][change["provider"]] if change["provider"] else rest["all"]
        assert_same_change(part[change["figure"]]["change"], change)

    for headline in report.headlines:
        part = rest["all"]["avg_sentiment_score" if headline.figure == "sentiment" else headline.figure]
        assert numbers(headline.value, headline.low, headline.high) == shown(part), headline.figure
        assert headline.answers == part["answers"], headline.figure
        assert headline.prompts == part["prompts"], headline.figure
        if headline.change is not None:
            assert headline.change.verdict == part["change"]["verdict"]
            assert numbers(headline.change.difference) == [part["change"]["difference"]]

    rivals = {row.name: row for row in report.entities if not row.is_brand}
    assert ["Holded", "Sage"] == [each["name"] for each in rest["competitors"]]
    for each in rest["competitors"]:
        row = rivals[each["name"]]
        assert numbers(row.mention_rate, row.low, row.high) == shown(each["mention_rate"])
        assert numbers(row.share.value, row.share.low, row.share.high) == shown(each["share_of_voice"])
        assert (*numbers(row.avg_position), row.ranked) == (
            each["avg_position"]["value"],
            each["avg_position"]["answers"],
        )


def zip_providers(rest: dict[str, Any], command: dict[str, Any]) -> list[tuple[Any, Any]]:
    assert command["by_provider"].keys() == rest["by_provider"].keys()
    return [(rest["by_provider"][name], each) for name, each in command["by_provider"].items()]


def assert_same_change(rest: dict[str, Any], command: dict[str, Any]) -> None:
    for name in ("before", "after", "difference", "low", "high", "judged_at"):
        assert numbers(command[name]) == [rest[name]], name
    assert command["verdict"] == rest["verdict"]
    assert command["prompts"] == rest["prompts"]


def test_a_day_of_one_provider_is_its_snapshot_and_its_export(measured: World) -> None:
    """The period's figures, the stored ones of the day and the exported ones agree."""
    project = projects.find(measured.db, measured.project)
    exported = exports.records(measured.db, exports.Export((project,), "snapshots"))
    rows = measured.call("GET", f"/projects/{measured.project}/snapshots").json()["data"]
    assert 8 == len(rows)
    for row, record in zip(rows, sorted(exported, key=lambda each: each["id"]), strict=True):
        day = {"from": row["snapshot_date"], "to": row["snapshot_date"], "provider": row["llm_provider"]}
        found = figures(measured, **day)
        for name in (*COMPARABLE, "weighted_share_of_voice"):
            assert [row[name]] == numbers(record[name]) == [found["all"][name]["value"]], (day, name)
        assert [row["mention_rate_low"], row["mention_rate_high"]] == shown(found["all"]["mention_rate"])[1:]
        assert row["total_queries"] == found["all"]["mention_rate"]["answers"]
