"""Trends, rivals, positions and gaps over the API: the report's rows, each figure with its interval and basis."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import pytest

from llm_monitoring.figures.periods import Period
from llm_monitoring.reporting.report_data import Access, ReportRequest, read
from llm_monitoring.reporting.view import Report, view
from tests.conftest import Databases
from tests.integration.web.two_periods import AFTER, BEFORE, COMPARED, PERIOD, two_periods
from tests.integration.web.world import World

NAMES: Final = ("mention_rate", "share_of_voice", "avg_position")


@pytest.fixture
def measured(databases: Databases) -> Iterator[World]:
    """A project with two measured periods."""
    with two_periods(databases) as world:
        yield world


def got(world: World, table: str, **params: str) -> Any:
    answer = world.call("GET", f"/projects/{world.project}/{table}", params=params)
    assert 200 == answer.status_code, answer.text
    return answer.json()


def report(world: World) -> Report:
    return view(read(world.db, ReportRequest(world.project, Period(*AFTER), Period(*BEFORE)), AFTER[1], Access()))


def shown(figure: dict[str, Any]) -> list[Any]:
    return [figure[name] for name in ("value", "low", "high", "answers", "prompts")]


def numbers(*values: Any) -> list[Any]:
    return [None if value is None else float(value) for value in values]


def test_a_point_of_a_trend_is_the_figure_of_its_day(measured: World) -> None:
    """A day's rate at a provider is what `figures` says of this day and provider, bounds and basis included."""
    for trend in got(measured, "trends", **PERIOD)["data"]:
        for point in trend["points"]:
            day = {"from": point["day"], "to": point["day"], "provider": trend["provider"]}
            assert shown(got(measured, "figures", **day)["all"]["mention_rate"]) == shown(point["mention_rate"])


def test_trends_are_those_of_the_report(measured: World) -> None:
    """Points, smoothed points, models and changes of model; the whole period's rate with its verdict."""
    found = {each["provider"]: each for each in got(measured, "trends", **COMPARED)["data"]}
    assert {each.provider for each in report(measured).trends} == set(found)
    for trend in report(measured).trends:
        row = found[trend.provider]
        assert [numbers(p.rate, p.smooth, p.low, p.high, p.smooth_answers) for p in trend.points] == [
            [p["mention_rate"]["value"], *(p["smoothed"][name] for name in ("value", "low", "high", "answers"))]
            for p in row["points"]
        ]
        assert [(use.model, use.answers) for use in trend.models] == [
            (use["model"], use["answers"]) for use in row["models"]
        ]
        assert (
            got(measured, "figures", **COMPARED)["by_provider"][trend.provider]["mention_rate"] == row["mention_rate"]
        )


def test_a_day_without_answers_is_a_gap(measured: World) -> None:
    """Neither zero nor the day before: no rate and no smoothed one."""
    found = got(measured, "trends", **{"from": "2026-11-04", "to": "2026-11-05"})["data"][0]["points"]
    assert [[None, None, None, 0, 0]] * 2 == [shown(found[1][name]) for name in ("mention_rate", "smoothed")]
    assert found[0]["mention_rate"]["value"] is not None


def test_rivals_are_those_of_figures_and_the_report(measured: World) -> None:
    """The brand among its competitors, in the report's order; its figures have their change."""
    found, figures = got(measured, "rivals", **COMPARED), got(measured, "figures", **COMPARED)
    assert [(row.name, row.is_brand) for row in report(measured).overview.entities] == [
        (row["name"], row["is_brand"]) for row in found["data"]
    ]
    own = {"Quipu": figures["all"], **{each["name"]: each for each in figures["competitors"]}}
    for row in found["data"]:
        assert [own[row["name"]][name] for name in NAMES] == [row[name] for name in NAMES]
    for row, entity in zip(found["data"], report(measured).overview.entities, strict=True):
        shares = dict(zip(report(measured).overview.providers, entity.by_provider, strict=True))
        assert {name: shown(each) for name, each in row["share_by_provider"].items()} == {
            name: numbers(each.value, each.low, each.high, each.answers, each.prompts) for name, each in shares.items()
        }


def test_positions_are_those_of_figures_and_the_report(measured: World) -> None:
    """Over all providers with the change, then of each one; the places add up to the answers that rank the brand."""
    found, figures = got(measured, "positions", **COMPARED), got(measured, "figures", **COMPARED)
    total, *others = found["data"]
    assert total["provider"] is None
    assert figures["all"]["avg_position"] == total["avg_position"]
    assert {row["provider"]: row["avg_position"] for row in others} == {
        name: each["avg_position"] for name, each in figures["by_provider"].items()
    }
    rows = {row.provider: row for row in report(measured).overview.positions}
    for row in found["data"]:
        own = rows[row["provider"]]
        assert list(own.buckets) == [each["answers"] for each in row["places"]]
        assert own.ranked == row["avg_position"]["answers"] == sum(own.buckets)
        assert (own.top3, own.top5, own.top10) == tuple(row[f"appeared_in_top{top}"] for top in (3, 5, 10))


def fail(world: World, day: date, reason: str) -> None:
    world.db.execute(
        "INSERT INTO llm_monitoring_failed_tasks SELECT project_id, min(id), 'google', %(day)s, 1, NULL, %(reason)s,"
        " 'x', FALSE FROM llm_monitoring_queries WHERE project_id = %(id)s GROUP BY project_id",
        {"day": day, "reason": reason, "id": world.project},
    )


def test_gaps_are_those_of_the_report(measured: World) -> None:
    """Days without an answer, reasons as codes, providers without a key; complete ones are said to be."""
    fail(measured, AFTER[1], "rate_limited")
    found = {row["provider"]: row for row in got(measured, "gaps", **PERIOD)["data"]}
    for gap in report(measured).gaps:
        row = found[gap.provider]
        assert gap.answers == row["answers"]
        assert gap.days_measured == row["days_measured"]
        assert gap.days == row["days"]
        assert [(str(first), str(last)) for first, last in gap.stretches] == [
            (each["from"], each["to"]) for each in row["without_answers"]
        ]
    assert [("rate_limited", 1, 1, "2026-11-04")] == [
        (each["reason"], each["tasks"], each["days"], each["last_day"]) for each in found["google"]["failures"]
    ]
    assert found["google"]["is_complete"] is False
    assert found["google"]["is_keyless"] is True
    assert ["google"] == [row["provider"] for row in got(measured, "gaps", provider="google")["data"]]


def test_a_viewer_sees_that_something_is_missing_and_not_why(measured: World) -> None:
    """Reasons, keys and budget are the owner's."""
    fail(measured, AFTER[1], "budget")
    measured.db.execute(
        "INSERT INTO llm_project_viewers VALUES (%(p)s, %(u)s)", {"p": measured.project, "u": measured.bea}
    )
    path = f"/projects/{measured.project}/gaps"
    answer = measured.call("GET", path, measured.texts["bea"], params=PERIOD)
    found = answer.json()
    assert None is found["is_over_budget"]
    assert {None} == {row["is_keyless"] for row in found["data"]}
    failures = [each for row in found["data"] for each in row["failures"]]
    assert [{"reason": None, "tasks": 1, "days": None, "last_day": "2026-11-04"}] == failures
    assert 'budget"' not in answer.text.replace('is_over_budget"', "")


def test_a_period_by_day_has_an_end(measured: World) -> None:
    """A calendar of ten thousand years is refused before a list of its days is made."""
    days = {"from": "0001-01-01", "to": "9999-12-31"}
    for table in ("trends", "gaps"):
        answer = measured.call("GET", f"/projects/{measured.project}/{table}", params=days)
        assert 422 == answer.status_code, table
        assert "/from" == answer.json()["errors"][0]["pointer"], table


def test_rows_that_the_caller_has_are_not_sent_again(measured: World) -> None:
    """The tag is that of the body."""
    for table in ("trends", "rivals", "positions", "gaps"):
        path = f"/projects/{measured.project}/{table}"
        first = measured.call("GET", path)
        again = measured.call("GET", path, headers={"If-None-Match": first.headers["etag"]})
        assert 304 == again.status_code, table
        assert b"" == again.content, table
