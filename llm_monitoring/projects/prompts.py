"""The prompts of a project: added, listed, switched on and off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from llm_monitoring.db.database import Database, Rejected, Row, Transaction
from llm_monitoring.db.queries import load
from llm_monitoring.errors import Invalid, NotFound
from llm_monitoring.projects.definition import NewQuery, Project
from llm_monitoring.projects.locale_codes import language_code
from llm_monitoring.projects.store import find
from llm_monitoring.projects.validation import check_query, prompt_key

SQL = load("projects")


def queries(db: Database, project_id: int) -> list[Row]:
    """A project's prompts; raises BadInput where there is no such project."""
    find(db, project_id)
    return db.all(SQL.queries, {"project_id": project_id})


def add_queries(
    db: Database,
    project_id: int,
    texts: Iterable[str],
    language: str | None = None,
    query_type: str = "general",
) -> tuple[int, int]:
    """Add prompts, all or none; return how many were new and how many the project already had."""
    return add_all_queries(db, project_id, [NewQuery(text, language, query_type) for text in texts])


def add_all_queries(
    db: Database, project_id: int, queries: Sequence[NewQuery], on_added: Callable[[int], None] = lambda done: None
) -> tuple[int, int]:
    """Add prompts in one transaction; return how many were new and how many the project already had.

    `on_added` gets the number of prompts done since its last call.
    """
    project = find(db, project_id)
    for query in queries:
        check_query(query)
    fresh = [query for query, known in recognised(db, project_id, queries) if known is None]

    def work(tx: Transaction) -> int:
        added = 0
        for query in fresh:
            added += tx.one(SQL.add_query, query_fields(project, query)) is not None
            on_added(1)
        return added

    try:
        added = db.transact(work)
    except Rejected as exc:
        raise Invalid("prompts", f"the database does not take one of the prompts, so none was added: {exc}") from exc
    return added, len(queries) - added


def query_fields(project: Project, query: NewQuery) -> dict[str, Any]:
    language = query.language and language_code(query.language)
    return {"project_id": project.id, "text": query.text.strip(), "language": language or project.language,
            "query_type": query.query_type}  # fmt: skip


def recognised(db: Database, project_id: int, new: Sequence[NewQuery]) -> list[tuple[NewQuery, str | None]]:
    """Each of these prompts, with the words of the same prompt that the project or the list has before it."""
    seen: dict[str, str] = {}
    for row in db.all(SQL.queries, {"project_id": project_id}):
        seen.setdefault(prompt_key(row["query_text"]), f"prompt {row['id']}")
    found: list[tuple[NewQuery, str | None]] = []
    for number, query in enumerate(new, start=1):
        key = prompt_key(query.text)
        found.append((query, seen.get(key)))
        seen.setdefault(key, f"entry {number} of this list")
    return found


def set_queries_active(db: Database, project_id: int, query_ids: Sequence[int], is_active: bool) -> None:
    """Pause or resume prompts, all or none; raises BadInput for one that the project does not have."""
    known = {row["id"] for row in queries(db, project_id)}
    missing = [str(each) for each in query_ids if each not in known]
    if missing:
        raise NotFound("prompt", ", ".join(missing), project_id=project_id)
    db.execute(SQL.set_queries_active, {"project_id": project_id, "ids": list(query_ids), "is_active": is_active})
