"""The matchers of a run's projects."""

from __future__ import annotations

from llm_monitoring.analysis import Entity
from llm_monitoring.projects import Project, TrackedProject
from llm_monitoring.projects.tracked import MATCHERS_KEPT, compiled


def tracked(number: int) -> TrackedProject:
    project = Project(
        number, 1, "P", Entity(f"Quipu {number}"), (), "software", "es", None, ("openai",), False, 1, True
    )
    return TrackedProject(project)


def test_a_project_has_one_matcher() -> None:
    """Answers of a project are read by one matcher, with the project's own names."""
    project = tracked(1)
    assert project.matcher is project.matcher
    assert "Quipu 1" == project.matcher.entities[0].name


def test_the_matchers_of_a_large_run_are_not_all_kept() -> None:
    """A run over any number of projects keeps the matchers of the last ones that it read."""
    compiled.cache_clear()
    projects = [tracked(number) for number in range(MATCHERS_KEPT + 20)]
    names = [project.matcher.entities[0].name for project in projects]
    assert [f"Quipu {number}" for number in range(MATCHERS_KEPT + 20)] == names
    assert MATCHERS_KEPT == compiled.cache_info().currsize
