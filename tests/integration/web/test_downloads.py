"""Downloads from the pages: the report, and exports with the bytes of the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from llm_monitoring.access import roles, shares
from llm_monitoring.access.audit import Actor
from llm_monitoring.reporting.words import load_words
from llm_monitoring.web.cookies import SHARE
from tests.conftest import Databases
from tests.integration.web.two_periods import PERIOD, two_periods
from tests.integration.web.world import World, sign_in

FILES = ("report.html", "exports/results", "exports/snapshots", "exports/citations")


@pytest.fixture
def measured(databases: Databases) -> Iterator[World]:
    """Two measured periods of one project of Ana, which Bea may view."""
    with two_periods(databases) as world:
        roles.add_viewer(world.db, world.project, world.bea)
        yield world


def fetch(world: World, file: str, user: int, **params: str) -> Any:
    return world.open(f"/projects/{world.project}/reports/{file}", sign_in(world, user), params={**PERIOD, **params})


def test_the_report_of_the_days_is_a_file(measured: World) -> None:
    """One HTML page with the days in it, named as the command names it."""
    found = fetch(measured, "report.html", measured.ana)
    assert 200 == found.status_code
    assert 'attachment; filename="3-p-2026-11-04.html"' == found.headers["content-disposition"]
    assert "3 nov – 4 nov 2026" in found.text


@pytest.mark.short(every=2)
@pytest.mark.parametrize("kind", ["results", "snapshots", "citations"])
def test_exports_have_the_bytes_of_the_api(measured: World, kind: str) -> None:
    """With the days that were chosen, and the mark that a spreadsheet needs."""
    found = fetch(measured, f"exports/{kind}", measured.ana)
    path = f"/projects/{measured.project}/exports/{kind}"
    same = measured.call("GET", path, params={**PERIOD, "bom": "true"})
    assert 200 == found.status_code
    assert same.content == found.content
    assert "attachment" in found.headers["content-disposition"]


def test_a_viewer_downloads_without_cost_and_manages_nothing(measured: World) -> None:
    """The page has the downloads alone."""
    shown = measured.open(f"/projects/{measured.project}/reports", sign_in(measured, measured.bea))
    assert 200 == shown.status_code
    assert "exports/results" in shown.text
    assert "/reports/links" not in shown.text
    assert [200] * len(FILES) == [fetch(measured, file, measured.bea).status_code for file in FILES]
    path = f"/projects/{measured.project}/exports/snapshots"
    same = measured.call("GET", path, measured.texts["bea"], params={**PERIOD, "bom": "true"})
    assert same.content == fetch(measured, "exports/snapshots", measured.bea).content
    assert same.content != fetch(measured, "exports/snapshots", measured.ana).content


def test_a_viewers_report_gives_no_reason(measured: World) -> None:
    """That answers are missing, not that the budget was spent or a key refused."""
    measured.db.execute(
        "INSERT INTO llm_monitoring_failed_tasks SELECT project_id, id, 'openai', %(day)s, 1, NULL, 'budget', 'x',"
        " FALSE FROM llm_monitoring_queries WHERE project_id = %(id)s",
        {"id": measured.project, "day": PERIOD["to"]},
    )
    reason = load_words("es").reason("budget")
    assert reason in fetch(measured, "report.html", measured.ana).text
    assert reason not in fetch(measured, "report.html", measured.bea).text


def test_a_link_downloads_nothing(measured: World) -> None:
    """Who has a link looks at pages; files are for people who sign in."""
    secret = shares.create(measured.db, Actor("command", measured.ana), measured.project, "Acme")[1]
    cookies = {f"__Host-{SHARE}{measured.project}": secret.reveal()}
    for path in ("", *(f"/{file}" for file in FILES)):
        assert 404 == measured.open(f"/projects/{measured.project}/reports{path}", cookies).status_code, path


def test_reports_are_counted_as_exports_are(measured: World) -> None:
    """One that is asked for too often is not made, and says when to come again."""
    measured.service.export_rate.limit = 2
    found = [fetch(measured, file, measured.bea) for file in ("exports/snapshots", "report.html", "report.html")]
    assert [200, 200, 429] == [each.status_code for each in found]
    assert 0 < int(found[-1].headers["retry-after"]) <= 60
