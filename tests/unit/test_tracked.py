"""The matchers of a run's projects."""

from __future__ import annotations

from llm_monitoring.analysis import Entity
from llm_monitoring.projects import Project, TrackedProject
from llm_monitoring.projects.tracked import MOST_KEPT, KeptMatchers


def tracked(number: int, *aliases: str) -> TrackedProject:
    brand = Entity(f"Quipu {number}", aliases)
    return TrackedProject(
        Project(number, 1, "P", brand, (), "software", "es", None, ("openai",), False, 1, True)
    )  # fmt: skip


def test_a_project_has_one_matcher() -> None:
    """Answers of a project are read by one matcher, with the project's own names."""
    project = tracked(1)
    assert project.matcher is project.matcher
    assert "Quipu 1" == project.matcher.entities[0].name


def test_the_matchers_of_a_large_run_are_not_all_kept() -> None:
    """A run over any number of projects keeps the matchers of the last ones that it read."""
    kept = KeptMatchers(most=10 * tracked(10).size)
    names = [kept.matcher_of(tracked(number)).entities[0].name for number in range(10, 40)]
    assert [f"Quipu {number}" for number in range(10, 40)] == names
    assert 10 == len(kept.matchers)


def test_long_lists_of_names_take_the_place_of_many_matchers() -> None:
    """Each would take megabytes: projects with all the names that a project may have do not fill the memory."""
    kept = KeptMatchers()
    for number in range(20):
        kept.matcher_of(tracked(number))
    hostile = [tracked(number, *(f"{number}-{each}" * 40 for each in range(1_999))) for number in (1, 2)]
    for each in hostile:
        kept.matcher_of(each)
    assert hostile[0].size > MOST_KEPT
    assert [hostile[1]] == list(kept.matchers)
    assert hostile[1].size == kept.size
