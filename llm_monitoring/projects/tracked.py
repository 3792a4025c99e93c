"""A project with the matcher that reads its answers."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from llm_monitoring import analysis
from llm_monitoring.projects.definition import Project

MOST_KEPT: Final = 200_000
"""Of all matchers that are kept, the sum of their sizes: some five megabytes."""
SIZE_OF_MATCHER: Final = 600
"""A matcher takes some 15 kB with the prompts that it has read, and users take turns at one project each."""
SIZE_OF_NAME: Final = 10  # and one for each character, of about 25 bytes each


@dataclass(frozen=True, slots=True, eq=False)
class TrackedProject:
    """A project with its matcher, which is compiled when it is needed, and again if many others were used meanwhile."""

    project: Project

    @property
    def matcher(self) -> analysis.Matcher:
        return KEPT.matcher_of(self)

    @property
    def size(self) -> int:
        """What its matcher takes, in about 25 bytes each: long lists of names take megabytes."""
        entities = (self.project.brand, *self.project.competitors)
        names = [name for each in entities for name in (*each.spellings, *each.exclude, *each.domains)]
        return SIZE_OF_MATCHER + sum(SIZE_OF_NAME + len(name) for name in names)


@dataclass(slots=True)
class KeptMatchers:
    """The matchers that were used last, up to `most` in size; the last one whatever its size."""

    most: int = MOST_KEPT
    size: int = 0
    lock: Lock = field(default_factory=Lock)
    matchers: OrderedDict[TrackedProject, analysis.Matcher] = field(default_factory=OrderedDict)

    def matcher_of(self, tracked: TrackedProject) -> analysis.Matcher:
        """The matcher of a project. Threads that need it at the same moment may each compile one: they are alike."""
        with self.lock:
            if tracked in self.matchers:
                self.matchers.move_to_end(tracked)
                return self.matchers[tracked]
        made = analysis.Matcher(tracked.project.brand, tracked.project.competitors)
        with self.lock:
            if tracked not in self.matchers:
                self.size += tracked.size
            self.matchers[tracked] = made
            while self.size > self.most and len(self.matchers) > 1:
                self.size -= self.matchers.popitem(last=False)[0].size
        return made


KEPT: Final = KeptMatchers()
