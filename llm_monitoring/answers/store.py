"""Answers with their analysis, and the daily figures made of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal

from llm_monitoring.analysis import ANALYSIS_VERSION, Analysis, SentimentScore
from llm_monitoring.db import Database, Json, Rejected, RowErrors, Transaction, load
from llm_monitoring.domain import Mode, Task, read_task, task_key
from llm_monitoring.projects import Project, fingerprints
from llm_monitoring.providers import Answer, Reply

SQL = load("answers")
PAGE: Final = 500


SentimentStatus = Literal["none", "pending", "scored", "failed"]


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A valid answer as it is stored: its call with its mode and its cost in USD, and its analysis.

    Without `analysis` it is stored unread with its `unread_reason`, a code.
    """

    attempt_id: uuid.UUID
    run_id: int | None
    model_id: str
    cost_usd: Decimal
    branded: bool = False
    analysis: Analysis | None = None
    sentiment_status: SentimentStatus = "none"
    unread_reason: str | None = None
    mode: Mode = "standard"


def save(
    tx: Transaction, task: Task, project: Project | None, answer: Answer, reply: Reply, finding: StoredAnswer
) -> None:
    """Store a task's answer; a task that has one keeps it, and a prompt that was deleted gets none.

    Raises Rejected if a rule or trigger of the host has dropped it without an error, or made it that of another task:
    it would be asked and paid again.
    """
    usage = answer.usage
    tx.execute(
        SQL.save,
        {
            **task_key(task),
            **(UNREAD if finding.analysis is None else analysis_columns(finding.analysis)),
            "unread_reason": finding.unread_reason if finding.analysis is None else None,
            "model_id": finding.model_id,
            "model_used": answer.model[:100],
            "run_id": finding.run_id,
            "attempt_id": str(finding.attempt_id),
            "query_text": task.prompt,
            "brand_name": project and project.brand.name,
            "branded": finding.branded,
            "full_response": answer.text,
            "response_length": len(answer.text),
            "citations": Json([asdict(citation) for citation in answer.citations]),
            "finish_reason": answer.finish_reason,
            "tokens_used": usage and usage.total_tokens,
            "input_tokens": usage and usage.input_tokens,
            "output_tokens": usage and usage.output_tokens,
            "cost_usd": finding.cost_usd,
            "mode": finding.mode,
            # a batch brings an answer long after it was made: how long that took is not measured
            "response_time_ms": None if finding.mode == "batch" else reply.latency_ms,
            "sentiment_status": finding.sentiment_status,
            "rules_fingerprint": fingerprints.fingerprint(project) if project and finding.analysis else None,
        },
    )
    if tx.one(SQL.is_missing, task_key(task)) is not None:
        raise Rejected("the database does not keep the answer of this task: look at rules and triggers of its table")


UNREAD: Final[Mapping[str, Any]] = {
    "brand_mentioned": None,
    "mention_count": None,
    "mention_contexts": [],
    "mention_order": None,
    "position_in_list": None,
    "total_items_in_list": None,
    "ranking_kind": None,
    "appears_in_numbered_list": None,
    "competitors_mentioned": None,
    "competitor_positions": Json({}),
    "sources": Json([]),
    "brand_cited": False,
    "competitors_cited": Json({}),
    "analysis_version": None,
}
"""The columns of an answer that is not analysed yet: neither mention nor absence."""


def analysis_columns(analysis: Analysis) -> dict[str, Any]:
    """The analysis as parameters, named as its columns."""
    return {
        "brand_mentioned": analysis.brand_mentioned,
        "mention_count": analysis.mention_count,
        "mention_contexts": list(analysis.mention_contexts),
        "mention_order": analysis.mention_order,
        "position_in_list": analysis.position_in_list,
        "total_items_in_list": analysis.total_items_in_list,
        "ranking_kind": analysis.ranking_kind,
        "appears_in_numbered_list": analysis.appears_in_numbered_list,
        "competitors_mentioned": Json(dict(analysis.competitors_mentioned)),
        "competitor_positions": Json(dict(analysis.competitor_positions)),
        "sources": Json([dict(source) for source in analysis.sources]),
        "brand_cited": analysis.brand_cited,
        "competitors_cited": Json(dict(analysis.competitors_cited)),
        "analysis_version": ANALYSIS_VERSION,
    }


def set_sentiment(
    tx: Transaction, task: Task, verdict: SentimentScore | None, status: SentimentStatus, reason: str | None = None
) -> None:
    """Store the judge's verdict, or none with the reason; `pending` is asked again by the next start of the day.

    Raises Rejected if a rule or trigger of the host has dropped it without an error: it would be asked and paid again.
    """
    stored = tx.execute(
        SQL.set_sentiment,
        {
            **task_key(task),
            "sentiment": verdict and verdict.sentiment,
            "score": verdict and verdict.score,
            "status": status,
            "reason": reason,
        },
    )
    if stored == 0 and tx.one(SQL.is_unscored, task_key(task)) is not None:
        raise Rejected("the database drops the sentiment without an error: look at rules and triggers of its table")


def newest(db: Database) -> int:
    """The id of the answer that was stored last."""
    row = db.one(SQL.newest)
    return int(row["id"]) if row else 0


def pending_sentiment(
    db: Database, day: date, project_ids: Sequence[int], until: int, errors: RowErrors, page: int = PAGE
) -> Iterator[tuple[Task, tuple[str, ...]]]:
    """The day's answers up to the id `until` that were left unscored, with their mention contexts."""
    after = 0
    while True:
        params = {"day": day, "projects": list(project_ids), "until": until, "after": after, "page": page}
        rows = db.all(SQL.pending_sentiment, params)
        found: list[tuple[Task, tuple[str, ...]]] = []
        for row in rows:
            with errors.guard("read_answer", f"Respuesta #{row['id']}", project_id=row["project_id"]):
                found.append((read_task(row), tuple(each for each in row["mention_contexts"] or () if each)))
        yield from found
        if len(rows) < page:
            return
        after = rows[-1]["id"]


def unscored(db: Database, day: date, project_ids: Sequence[int]) -> dict[int, int]:
    """How many of the day's answers were left unscored, by project."""
    rows = db.all(SQL.unscored, {"day": day, "projects": list(project_ids)})
    return {row["project_id"]: row["answers"] for row in rows}
