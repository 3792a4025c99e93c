"""The tasks that are left of a day: in which order a run reads them, and what happens to them meanwhile."""

from __future__ import annotations

from datetime import date

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database
from llm_monitoring.domain import Task
from llm_monitoring.runs import tasks as tasks_module

DAY = date(2026, 11, 23)


def add(db: Database, name: str, prompts: int) -> int:
    """A user with one project; returns the project's id."""
    user = projects.add_user(db, f"{name}@example.com")
    project_id = projects.add(db, projects.NewProject(user, "P", Entity("Quipu"), "software", []))
    projects.add_prompts(db, project_id, [f"{name} {number}" for number in range(prompts)])
    return project_id


def prompts(tasks: list[Task]) -> list[str]:
    return [task.prompt for task in tasks]


def test_turns(db: Database) -> None:
    """Users take turns over all pages, whatever the pages' size; every task comes once."""
    ids = [add(db, "a", 4), add(db, "b", 2)]
    expected = ["a 0", "b 0", "a 1", "b 1", "a 2", "a 3"]
    for page in (1, 2, 4, 500):
        assert expected == prompts(list(tasks_module.pending_tasks(db, "openai", DAY, ids, page)))


def test_done_tasks_are_left_out(db: Database) -> None:
    """What failed for good is not asked again that day, by that provider alone."""
    project_id = add(db, "a", 3)
    task = next(tasks_module.pending_tasks(db, "openai", DAY, [project_id]))
    tasks_module.record_failure(db, task, tasks_module.TaskFailure("refused", "no", final=True), None)
    assert ["a 1", "a 2"] == prompts(list(tasks_module.pending_tasks(db, "openai", DAY, [project_id])))
    assert ["a 0", "a 1", "a 2"] == prompts(list(tasks_module.pending_tasks(db, "google", DAY, [project_id])))


def test_paused_meanwhile(db: Database) -> None:
    """Prompts that are paused during a run are asked no more, and no other prompt is passed over for it."""
    project_id = add(db, "a", 6)
    ids = [row["id"] for row in projects.list_prompts(db, project_id)]
    found = tasks_module.pending_tasks(db, "openai", DAY, [project_id], 2)
    first = [next(found), next(found)]
    projects.set_prompts_active(db, project_id, [ids[0], ids[4]], False)
    assert ["a 0", "a 1", "a 2", "a 3", "a 5"] == prompts(first + list(found))


def test_fewer_samples_than_before(db: Database) -> None:
    """What failed of samples that are asked no more hides no task that is: a run on several machines counts by this."""
    project_id = add(db, "a", 2)
    db.execute("UPDATE llm_monitoring_projects SET samples_per_query = 3")
    for task in list(tasks_module.pending_tasks(db, "openai", DAY, [project_id])):
        if task.sample > 1:
            tasks_module.record_failure(db, task, tasks_module.TaskFailure("refused", "no", final=True), None)
    db.execute("UPDATE llm_monitoring_projects SET samples_per_query = 1")
    cell = tasks_module.completeness(db, DAY, [project_id], ["openai"])[project_id]["openai"]
    assert 2 == cell.open
    assert 2 == len(list(tasks_module.pending_tasks(db, "openai", DAY, [project_id])))
    assert 0 == cell.failures
