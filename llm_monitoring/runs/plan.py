"""Who is asked what: the projects that can be asked, whose keys their calls use, and why other projects stay out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

from llm_monitoring import projects, registry
from llm_monitoring.app import App
from llm_monitoring.domain import KeyId, ProviderName
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.ledger.accounts import Standing
from llm_monitoring.projects.tracked import TrackedProject
from llm_monitoring.runs.reasons import ProjectProblem

log = logging.getLogger(__name__)

Problems = dict[int, ProjectProblem]


@dataclass(frozen=True, slots=True)
class Plan:
    """The projects that can be asked, each user's keys, each project's judge, and why other projects stay out."""

    projects: Mapping[int, TrackedProject]
    keys: Mapping[tuple[int, ProviderName], KeyId]
    judges: Mapping[int, KeyId]
    catalogue: registry.Catalogue
    problems: Problems

    def providers(self, tracked: TrackedProject) -> tuple[ProviderName, ...]:
        """The project's providers that its user can call."""
        return tuple(name for name in tracked.project.providers if (tracked.project.user_id, name) in self.keys)

    def keyless(self, tracked: TrackedProject) -> tuple[ProviderName, ...]:
        """The project's providers that nobody is asked at, as its user has no usable key for them."""
        return tuple(name for name in tracked.project.providers if (tracked.project.user_id, name) not in self.keys)


def make_plan(
    app: App,
    project_ids: Sequence[int] | None,
    blocked: Mapping[int, Standing],
    catalogue: registry.Catalogue | None = None,
) -> Plan:
    """Decide which projects, of these or all, can be asked, with whose keys, and by whom their mentions are judged."""
    tracked, problems = read_projects(app, project_ids)
    owners = {item.project.user_id for item in tracked.values() if item.project.user_id is not None}
    keys, faults = usable_keys(app.keys, owners)
    plan = Plan(tracked, keys, {}, catalogue or registry.read_catalogue(app.db, app.errors), problems)
    for item in list(tracked.values()):
        problem = obstacle(plan, item, blocked, faults)
        if problem is not None:
            problems[item.project.id] = problem
            del tracked[item.project.id]
    today = app.budget.today()
    judges = {item.project.id: judge for item in tracked.values() if (judge := judge_of(plan, item, today)) is not None}
    return replace(plan, judges=judges)


def read_projects(app: App, project_ids: Sequence[int] | None) -> tuple[dict[int, TrackedProject], Problems]:
    """The active projects; one that cannot be read stays out alone."""
    tracked: dict[int, TrackedProject] = {}
    problems: Problems = {}
    for row in projects.active(app.db, project_ids):
        with app.errors.guard("read_project", f"Proyecto #{row['id']}", project_id=row["id"]) as work:
            tracked[row["id"]] = TrackedProject(projects.read_project(row))
        if work.error is not None:
            named = {"name": str(row["name"] or ""), "user_id": row["user_id"]}
            problems[row["id"]] = ProjectProblem("unreadable", row["id"], **named, detail=work.error.message)
    return tracked, problems


def usable_keys(
    store: KeyStore, owners: set[int]
) -> tuple[dict[tuple[int, ProviderName], KeyId], dict[int, list[str]]]:
    """Whose key each user's calls use, and what is wrong with the keys that cannot be read."""
    keys: dict[tuple[int, ProviderName], KeyId] = {}
    faults: dict[int, list[str]] = {}
    for user_id, states in store.available(sorted(owners)).items():
        for provider, state in states.items():
            if state.problem is None:
                keys[user_id, provider] = KeyId(provider, user_id if state.source == "user" else None)
            else:
                faults.setdefault(user_id, []).append(str(state.problem))
                log.error("❌ User #%s: %s", user_id, state.problem,
                          extra={"event": "key.unreadable", "user_id": user_id, "provider": provider})  # fmt: skip
    return keys, faults


def obstacle(
    plan: Plan, item: TrackedProject, blocked: Mapping[int, Standing], faults: Mapping[int, Sequence[str]]
) -> ProjectProblem | None:
    """Why nothing of a project can be asked, or None."""
    project, user_id = item.project, item.project.user_id
    if user_id is None:
        return ProjectProblem("no_user", project.id, project.name)
    problem = partial(ProjectProblem, project_id=project.id, name=project.name, user_id=user_id)
    if user_id in blocked:
        return problem("blocked", standing=blocked[user_id])
    if not project.providers:
        return problem("no_provider")
    if plan.providers(item):
        return None
    if user_id in faults:
        return problem("key_unreadable", detail="; ".join(faults[user_id]))
    return problem("keyless", providers=project.providers)


def judge_of(plan: Plan, item: TrackedProject, today: date) -> KeyId | None:
    """The key of the cheapest approved model of the project's providers, which scores the sentiment of mentions."""
    model = plan.catalogue.judge(frozenset(plan.providers(item)), today)
    return None if model is None or item.project.user_id is None else plan.keys[item.project.user_id, model.provider]
