"""A project with the matcher that reads its answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from llm_monitoring import analysis
from llm_monitoring.projects.definition import Project

MATCHERS_KEPT: Final = 200
"""A matcher takes some 15 kB with the prompts that it has read, and users take turns at one project each."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackedProject:
    """A project with its matcher, which is compiled when it is needed, and again if many others were used meanwhile."""

    project: Project

    @property
    def matcher(self) -> analysis.Matcher:
        return compiled(self)


@lru_cache(maxsize=MATCHERS_KEPT)
def compiled(tracked: TrackedProject) -> analysis.Matcher:
    """The matcher of a project. Threads that need it at the same moment may each compile one: they are alike."""
    return analysis.Matcher(tracked.project.brand, tracked.project.competitors)
