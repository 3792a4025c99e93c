"""A project with the matcher that reads its answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

from llm_monitoring import analysis
from llm_monitoring.projects.definition import Project


@dataclass(slots=True)
class TrackedProject:
    """A project with its matcher, which is compiled when it is first needed; safe for several threads."""

    project: Project
    lock: Lock = field(default_factory=Lock)
    compiled: analysis.Matcher | None = None

    @property
    def matcher(self) -> analysis.Matcher:
        with self.lock:
            if self.compiled is None:
                self.compiled = analysis.Matcher(self.project.brand, self.project.competitors)
            return self.compiled
