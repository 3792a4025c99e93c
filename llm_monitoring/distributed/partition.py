"""Divides a day into chunks: whole projects, users taking turns, the last chunks small."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Final

from llm_monitoring.runs.chunks import ChunkPlan

LAST_SHARES: Final = 16  # a chunk has at most this part of what is left, so that the workers end together
SMALLEST_PART: Final = 10  # but no less than this part of a full chunk, as each chunk's end leaves a worker half idle


def divide(tasks: Mapping[int, int], owners: Mapping[int, int], size: int) -> list[ChunkPlan]:
    """Group projects into chunks of about `size` tasks; `tasks` and `owners` are by project."""
    plans: list[ChunkPlan] = []
    group: list[int] = []
    left = sum(tasks.values())
    for project_id in in_turns(tasks, owners):
        group.append(project_id)
        grouped = sum(tasks[each] for each in group)
        if grouped >= chunk_size(left, size):
            plans.append(ChunkPlan(tuple(group), grouped))
            group, left = [], left - grouped
    return [*plans, ChunkPlan(tuple(group), left)] if group else plans


def chunk_size(left: int, size: int) -> int:
    """How many tasks the next chunk should have at least, with so many `left`."""
    return min(size, max(left // LAST_SHARES, size // SMALLEST_PART, 1))


def in_turns(tasks: Mapping[int, int], owners: Mapping[int, int]) -> Iterator[int]:
    """Each user's largest projects first, a project a turn, beginning with the user with most tasks.

    A project without tasks is left out.
    """
    queues: dict[int, deque[int]] = defaultdict(deque)
    for project_id in sorted(tasks, key=lambda each: (-tasks[each], each)):
        if tasks[project_id]:
            queues[owners[project_id]].append(project_id)
    turns = deque(sorted(queues, key=lambda user: (-sum(tasks[each] for each in queues[user]), user)))
    while turns:
        user = turns.popleft()
        yield queues[user].popleft()
        if queues[user]:
            turns.append(user)
