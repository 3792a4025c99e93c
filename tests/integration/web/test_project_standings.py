"""How far a project's last day came, next to what it asks now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from llm_monitoring.domain import PROVIDERS
from llm_monitoring.reporting.portfolio import ProjectStanding, project_standings
from tests.conftest import Databases
from tests.integration.web.two_periods import two_periods
from tests.integration.web.world import World

MONTH = date(2026, 11, 1)


@pytest.fixture
def measured(databases: Databases) -> Iterator[World]:
    with two_periods(databases) as world:
        yield world


def standing(world: World) -> ProjectStanding:
    (found,) = project_standings(world.db, world.ana, MONTH, world.project)
    return found


PAUSE = "UPDATE llm_monitoring_queries SET is_active = FALSE WHERE id = (SELECT max(id) FROM llm_monitoring_queries)"


@pytest.mark.parametrize(
    ("change", "answered"),
    [
        (PAUSE, 16),
        ("UPDATE llm_monitoring_projects SET enabled_llms = '{openai}'", 9),
        ("UPDATE llm_monitoring_results SET sample = 2 WHERE llm_provider = 'openai'", 8),
    ],
    ids=["a paused prompt", "a provider less", "a sample less"],
)
def test_only_answers_to_what_is_asked_now_count(measured: World, change: str, answered: int) -> None:
    """An answer of the last day counts if its prompt, provider and sample are asked now: never 17 of 16."""
    assert 17 == standing(measured).answered
    measured.db.execute(change)
    assert answered == standing(measured).answered


def test_failures_of_what_is_asked_no_more_need_no_attention(measured: World) -> None:
    """A task that failed and is asked no more is none of the failures of the last day."""
    measured.db.execute(
        "INSERT INTO llm_monitoring_failed_tasks"
        " (project_id, query_id, llm_provider, analysis_date, sample, reason, message, final)"
        " SELECT project_id, id, 'openai', '2026-11-04', 2, 'refused', '', FALSE"
        " FROM llm_monitoring_queries WHERE project_id = %(id)s",
        {"id": measured.project},
    )
    assert 0 == standing(measured).failed


def test_a_project_without_stored_providers_is_shown_with_all(measured: World) -> None:
    """Where a host stored no providers all are asked, so all are shown."""
    measured.db.execute("UPDATE llm_monitoring_projects SET enabled_llms = NULL")
    found = standing(measured)
    assert PROVIDERS == found.providers
    assert 36 == found.expected
    assert 17 == found.answered
