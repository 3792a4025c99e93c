"""Who is asked what: the projects that can be asked, the keys that their calls use, and why other projects stay out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial

from llm_monitoring import projects, registry
from llm_monitoring.app import App
from llm_monitoring.domain import KeyId, ProviderName, Task
from llm_monitoring.keys import KeyStatus, KeyUnreadable
from llm_monitoring.ledger import Standing
from llm_monitoring.projects import TrackedProject
from llm_monitoring.runs.pacing import Choice
from llm_monitoring.runs.reason_texts import key_line
from llm_monitoring.runs.reasons import ProblemCode, ProjectProblem

log = logging.getLogger(__name__)

Problems = dict[int, ProjectProblem]
KeyStates = Mapping[int, Mapping[ProviderName, KeyStatus]]
"""The state of each user's keys, by user and provider; a provider without a key is left out."""


@dataclass(frozen=True, slots=True)
class ReadProjects:
    """The active projects, and the problems of those that cannot be read."""

    tracked: Mapping[int, TrackedProject]
    problems: Mapping[int, ProjectProblem]

    @property
    def owners(self) -> set[int]:
        """The users of the projects that can be read."""
        users = (tracked.project.user_id for tracked in self.tracked.values())
        return {user_id for user_id in users if user_id is not None}

    def only(self, project_ids: Sequence[int] | None) -> ReadProjects:
        """These projects alone; None: all."""
        if project_ids is None:
            return self
        return ReadProjects(
            {number: tracked for number, tracked in self.tracked.items() if number in project_ids},
            {number: problem for number, problem in self.problems.items() if number in project_ids},
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """The projects that can be asked, each user's keys, each project's judge, and why other projects stay out.

    `choices` has what is asked of paced projects: of the others everything is. The answers of `unjudged` projects get
    no sentiment, so that their day fits the user's budget. `late_judges` are those of the answers of earlier days: the
    plans of these days say whether they get one.
    """

    projects: Mapping[int, TrackedProject]
    keys: Mapping[tuple[int, ProviderName], KeyId]
    judges: Mapping[int, KeyId]
    catalogue: registry.Catalogue
    problems: Problems
    choices: Mapping[int, Choice] = field(default_factory=dict)
    late_judges: Mapping[int, KeyId] = field(default_factory=dict)

    @property
    def unjudged(self) -> frozenset[int]:
        return frozenset(number for number, choice in self.choices.items() if "sentiment" in choice.steps)

    def asks(self, task: Task) -> bool:
        """Whether a task is not left out of its project's day."""
        choice = self.choices.get(task.project_id)
        return choice is None or choice.asks(task)

    def only(self, project_ids: Sequence[int] | None) -> Plan:
        """The plan of these projects alone; None: of all."""
        if project_ids is None:
            return self
        return replace(
            self,
            projects={number: item for number, item in self.projects.items() if number in project_ids},
            judges={number: judge for number, judge in self.judges.items() if number in project_ids},
            late_judges={number: judge for number, judge in self.late_judges.items() if number in project_ids},
            problems={number: problem for number, problem in self.problems.items() if number in project_ids},
            choices={number: choice for number, choice in self.choices.items() if number in project_ids},
        )

    def providers(self, tracked: TrackedProject) -> tuple[ProviderName, ...]:
        """The project's providers that its user can call."""
        return tuple(name for name in tracked.project.providers if (tracked.project.user_id, name) in self.keys)

    def keyless(self, tracked: TrackedProject) -> tuple[ProviderName, ...]:
        """The project's providers that are not asked, as its user has no usable key for them."""
        return tuple(name for name in tracked.project.providers if (tracked.project.user_id, name) not in self.keys)


def make_plan(
    app: App,
    project_ids: Sequence[int] | None,
    blocked: Mapping[int, Standing],
    catalogue: registry.Catalogue | None = None,
) -> Plan:
    """Read these projects or all, their owners' keys and the catalogue, and plan with them."""
    read = read_projects(app, project_ids)
    keys = app.keys.available(sorted(read.owners))
    log_unreadable_keys(keys)
    return plan_projects(
        read, keys, blocked, catalogue or registry.read_catalogue(app.db, app.errors), app.budget.today()
    )


def plan_projects(
    read: ReadProjects,
    keys: KeyStates,
    blocked: Mapping[int, Standing],
    catalogue: registry.Catalogue,
    today: date,
) -> Plan:
    """Decide which projects can be asked, with which keys, and which model judges their mentions."""
    usable, unreadable = usable_keys(keys)
    tracked, problems = dict(read.tracked), dict(read.problems)
    plan = Plan(tracked, usable, {}, catalogue, problems)
    for number, item in read.tracked.items():
        problem = obstacle(plan, item, blocked, unreadable)
        if problem is not None:
            problems[number] = problem
            del tracked[number]
    judges = {number: judge for number, item in tracked.items() if (judge := judge_of(plan, item, today)) is not None}
    return replace(plan, judges=judges, late_judges=judges)


def read_projects(app: App, project_ids: Sequence[int] | None = None) -> ReadProjects:
    """The active projects, these or all; one that cannot be read stays out alone."""
    tracked: dict[int, TrackedProject] = {}
    problems: Problems = {}
    for row in projects.active(app.db, project_ids):
        with app.errors.guard("read_project", f"Proyecto #{row['id']}", project_id=row["id"]) as work:
            tracked[row["id"]] = TrackedProject(projects.read_project(row))
        if work.error is not None:
            name = str(row["name"] or "")
            problems[row["id"]] = ProjectProblem(
                ProblemCode.UNREADABLE, row["id"], name, row["user_id"], detail=work.error.message
            )
    return ReadProjects(tracked, problems)


def usable_keys(
    states: KeyStates,
) -> tuple[dict[tuple[int, ProviderName], KeyId], dict[int, list[KeyUnreadable]]]:
    """The key that each user's calls to a provider use, and the problems of the keys that cannot be read, by user."""
    keys: dict[tuple[int, ProviderName], KeyId] = {}
    unreadable: dict[int, list[KeyUnreadable]] = {}
    for user_id, by_provider in states.items():
        for provider, state in by_provider.items():
            if state.problem is None:
                keys[user_id, provider] = KeyId(provider, user_id if state.source == "user" else None)
            else:
                unreadable.setdefault(user_id, []).append(state.problem)
    return keys, unreadable


def log_unreadable_keys(states: KeyStates) -> None:
    """Report each key that cannot be read."""
    for user_id, by_provider in states.items():
        for provider, state in by_provider.items():
            if state.problem is not None:
                fields = {"event": "key.unreadable", "user_id": user_id, "provider": provider}
                log.error("❌ User #%s: %s", user_id, key_line(state.problem), extra=fields)


def anyone_may_spend(standings: Iterable[Standing]) -> bool:
    """Whether some user has budget left; if there are active projects, only their owners count."""
    every = list(standings)
    relevant = [standing for standing in every if standing.has_active_projects] or every
    return not relevant or any(not standing.blocked for standing in relevant)


def obstacle(
    plan: Plan,
    item: TrackedProject,
    blocked: Mapping[int, Standing],
    unreadable: Mapping[int, Sequence[KeyUnreadable]],
) -> ProjectProblem | None:
    """Why nothing of a project can be asked, or None."""
    project, user_id = item.project, item.project.user_id
    if user_id is None:
        return ProjectProblem(ProblemCode.NO_USER, project.id, project.name)
    problem = partial(ProjectProblem, project_id=project.id, name=project.name, user_id=user_id)
    if user_id in blocked:
        return problem(ProblemCode.BLOCKED, standing=blocked[user_id])
    if not project.providers:
        return problem(ProblemCode.NO_PROVIDER)
    if plan.providers(item):
        return None
    if user_id in unreadable:
        return problem(ProblemCode.KEY_UNREADABLE, detail="; ".join(map(str, unreadable[user_id])))
    return problem(ProblemCode.KEYLESS, providers=project.providers)


def judge_of(plan: Plan, item: TrackedProject, today: date) -> KeyId | None:
    """The key of the cheapest approved model of the project's providers, which scores the sentiment of mentions."""
    model = plan.catalogue.judge(frozenset(plan.providers(item)), today)
    return None if model is None or item.project.user_id is None else plan.keys[item.project.user_id, model.provider]
