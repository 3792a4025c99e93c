"""Changes prompts of a project: those that were asked keep their words, as their figures belong to them."""

from __future__ import annotations

from collections.abc import Sequence

from llm_monitoring.db.database import Conflict, Database, Rejected, Row
from llm_monitoring.db.queries import load
from llm_monitoring.errors import AlreadyExists, Invalid, NotFound, NotReady
from llm_monitoring.projects import definition, store
from llm_monitoring.projects.locale_codes import language_code
from llm_monitoring.projects.validation import check_query

SQL = load("prompt_edits")


def removable(db: Database, project_id: int, query_ids: Sequence[int]) -> list[Row]:
    """The rows of these prompts; raises BadInput if one is not the project's, or was asked."""
    store.find(db, project_id)
    rows = db.all(SQL.prompts, {"project_id": project_id, "ids": list(query_ids)})
    missing = sorted(set(query_ids) - {row["id"] for row in rows})
    if missing:
        raise NotFound("prompt", ", ".join(map(str, missing)), project_id=project_id)
    asked = [str(row["id"]) for row in rows if row["asked"]]
    if asked:
        message = f"prompt {', '.join(asked)} was asked, and its answers, figures or calls stay"
        raise NotReady("prompt", asked, message, code="prompt_asked", project_id=project_id, prompts=" ".join(asked))
    return rows


def remove(db: Database, project_id: int, query_ids: Sequence[int]) -> None:
    """Delete prompts that were never asked, all or none; raises BadInput."""
    removable(db, project_id, query_ids)
    wanted = len(set(query_ids))

    def work() -> None:
        with_asked = {"project_id": project_id, "ids": list(query_ids)}
        if db.execute(SQL.remove_prompts, {**with_asked, "wanted": wanted}) != wanted:
            raise NotReady("prompt", query_ids, "one of the prompts was asked meanwhile, so none was deleted")

    try:
        work()
    except Rejected as exc:
        raise NotReady("prompt", query_ids, f"the prompts are in use by the host application: {exc}") from exc


def edit(
    db: Database, project_id: int, query_id: int, text: str | None, language: str | None, query_type: str | None
) -> None:
    """Change a prompt's words (if it was never asked), language or type; raises BadInput."""
    rows = db.all(SQL.prompts, {"project_id": project_id, "ids": [query_id]})
    if not rows or (text is not None and rows[0]["asked"]):
        rows = removable(db, project_id, [query_id])
    row = rows[0]
    new = definition.NewQuery(
        row["query_text"] if text is None else text, language or None, query_type or row["query_type"]
    )
    check_query(new)
    fields = {
        "project_id": project_id, "id": query_id, "text": new.text.strip(),
        "language": (language and language_code(language)) or row["language"], "query_type": new.query_type,
    }  # fmt: skip
    try:
        db.execute(SQL.edit_prompt, fields)
    except Conflict as exc:
        raise AlreadyExists("prompt", text, f"project {project_id} has a prompt with these words already") from exc
    except Rejected as exc:
        raise Invalid("prompt", f"the database does not take the prompt: {exc}") from exc
