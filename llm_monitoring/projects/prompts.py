"""The prompts of a project: added, listed, paused, edited, removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from llm_monitoring.db import Conflict, Database, Rejected, Row, Transaction, load
from llm_monitoring.errors import AlreadyExists, Invalid, NotFound, NotReady
from llm_monitoring.projects.definition import NewPrompt, Project
from llm_monitoring.projects.locale_codes import language_code
from llm_monitoring.projects.prompt_tags import clean_tags, write_tags
from llm_monitoring.projects.store import find
from llm_monitoring.projects.validation import check_prompt, prompt_key

SQL = load("prompts")


def list_prompts(db: Database, project_id: int) -> list[Row]:
    """The prompts of a project; raises NotFound."""
    find(db, project_id)
    return db.all(SQL.prompts, {"project_id": project_id})


def find_prompt(db: Database, project_id: int, query_id: int) -> Row:
    """One prompt of a project; raises NotFound if the project has none of this number."""
    row = next((each for each in list_prompts(db, project_id) if each["id"] == query_id), None)
    if row is None:
        raise NotFound("prompt", query_id, project_id=project_id)
    return row


def add_prompts(
    db: Database,
    project_id: int,
    texts: Iterable[str],
    language: str | None = None,
    query_type: str = "general",
) -> tuple[int, int]:
    """Add prompts, all or none; return how many were new and how many the project already had."""
    return add_all_prompts(db, project_id, [NewPrompt(text, language, query_type) for text in texts])


def add_all_prompts(
    db: Database, project_id: int, queries: Sequence[NewPrompt], on_added: Callable[[int], None] = lambda done: None
) -> tuple[int, int]:
    """Add prompts in one transaction; return how many were new and how many the project already had.

    `on_added` gets the number of prompts done since its last call.
    """
    project = find(db, project_id)
    for query in queries:
        check_prompt(query)
    fresh = [(query, clean_tags(query.tags)) for query, known in match_known(db, project_id, queries) if known is None]

    def work(tx: Transaction) -> int:
        added: dict[int, list[str]] = {}
        for query, tags in fresh:
            row = tx.one(SQL.add_prompt, prompt_fields(project, query))
            if row is not None:
                added[row["id"]] = tags
            on_added(1)
        write_tags(tx, project_id, {query_id: tags for query_id, tags in added.items() if tags})
        return len(added)

    try:
        added = db.transact(work)
    except Rejected as exc:
        sentence = f"the database does not take one of the prompts, so none was added: {exc}"
        raise Invalid("prompts", sentence, code="refused_by_database") from exc
    return added, len(queries) - added


def prompt_fields(project: Project, query: NewPrompt) -> dict[str, Any]:
    language = query.language and language_code(query.language)
    return {
        "project_id": project.id,
        "text": query.text.strip(),
        "language": language or project.language,
        "query_type": query.query_type,
        "is_active": query.is_active,
    }


@dataclass(frozen=True, slots=True)
class SamePrompt:
    """A prompt with the same words: of the project by `query_id`, or else the list's `entry`, counted from 1."""

    query_id: int | None = None
    entry: int | None = None


def match_known(db: Database, project_id: int, new: Sequence[NewPrompt]) -> list[tuple[NewPrompt, SamePrompt | None]]:
    """Each of these prompts, with the earlier prompt of the project or the list that has the same words."""
    seen: dict[str, SamePrompt] = {}
    for row in db.all(SQL.prompts, {"project_id": project_id}):
        seen.setdefault(prompt_key(row["query_text"]), SamePrompt(query_id=row["id"]))
    found: list[tuple[NewPrompt, SamePrompt | None]] = []
    for number, query in enumerate(new, start=1):
        key = prompt_key(query.text)
        found.append((query, seen.get(key)))
        seen.setdefault(key, SamePrompt(entry=number))
    return found


def set_prompts_active(db: Database, project_id: int, query_ids: Sequence[int], is_active: bool) -> None:
    """Pause or resume prompts, all or none; raises NotFound for one that the project does not have."""
    known = {row["id"] for row in list_prompts(db, project_id)}
    missing = [str(each) for each in query_ids if each not in known]
    if missing:
        raise NotFound("prompt", ", ".join(missing), project_id=project_id)
    db.execute(SQL.set_active, {"project_id": project_id, "ids": list(query_ids), "is_active": is_active})


def removable_prompts(db: Database, project_id: int, query_ids: Sequence[int]) -> list[Row]:
    """The rows of these prompts; raises NotFound for one of another project, NotReady for one that was asked."""
    find(db, project_id)
    rows = db.all(SQL.asked_prompts, {"project_id": project_id, "ids": list(query_ids)})
    missing = sorted(set(query_ids) - {row["id"] for row in rows})
    if missing:
        raise NotFound("prompt", ", ".join(map(str, missing)), project_id=project_id)
    asked = [str(row["id"]) for row in rows if row["asked"]]
    if asked:
        message = f"prompt {', '.join(asked)} was asked, and its answers, figures or calls stay"
        raise NotReady("prompt", asked, message, code="prompt_asked", project_id=project_id, prompts=" ".join(asked))
    return rows


def remove_prompts(db: Database, project_id: int, query_ids: Sequence[int]) -> None:
    """Delete prompts that were never asked, all or none; raises NotFound and NotReady."""
    removable_prompts(db, project_id, query_ids)
    wanted = len(set(query_ids))

    def work() -> None:
        with_asked = {"project_id": project_id, "ids": list(query_ids)}
        if db.execute(SQL.remove_prompts, {**with_asked, "wanted": wanted}) != wanted:
            sentence = "one of the prompts was asked meanwhile, so none was deleted"
            raise NotReady("prompt", query_ids, sentence, code="prompt_asked_meanwhile")

    try:
        work()
    except Rejected as exc:
        sentence = f"the prompts are in use by the host application: {exc}"
        raise NotReady("prompt", query_ids, sentence, code="in_use") from exc


def edit_prompt(
    db: Database, project_id: int, query_id: int, text: str | None, language: str | None, query_type: str | None
) -> None:
    """Change the words of a prompt (if it was never asked), its language or type; raises AlreadyExists and Invalid."""
    rows = db.all(SQL.asked_prompts, {"project_id": project_id, "ids": [query_id]})
    if not rows or (text is not None and rows[0]["asked"]):
        rows = removable_prompts(db, project_id, [query_id])
    row = rows[0]
    new = NewPrompt(row["query_text"] if text is None else text, language or None, query_type or row["query_type"])
    check_prompt(new)
    fields = {
        "project_id": project_id,
        "id": query_id,
        "text": new.text.strip(),
        "language": (language and language_code(language)) or row["language"],
        "query_type": new.query_type,
    }
    try:
        db.execute(SQL.edit_prompt, fields)
    except Conflict as exc:
        raise AlreadyExists("prompt", text, f"project {project_id} has a prompt with these words already") from exc
    except Rejected as exc:
        sentence = f"the database does not take the prompt: {exc}"
        raise Invalid("prompt", sentence, code="refused_by_database") from exc
