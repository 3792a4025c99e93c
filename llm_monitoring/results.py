"""Answers with their analysis, and the daily figures made of them."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from llm_monitoring import killpoints, rules
from llm_monitoring.analysis import ANALYSIS_VERSION, Analysis, figures
from llm_monitoring.analysis.sentiment import Verdict
from llm_monitoring.db.database import Database, Json, Row, Transaction
from llm_monitoring.db.queries import load
from llm_monitoring.domain import Task, provider_name
from llm_monitoring.projects import Project
from llm_monitoring.providers import Answer, Reply
from llm_monitoring.runs import PAGE, task_key

SQL = load("results")

SentimentStatus = Literal["none", "pending", "scored", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A valid answer as it is stored: whose call it was, what it cost in USD, what was read in it."""

    attempt_id: uuid.UUID
    run_id: int | None
    model_id: str
    cost_usd: Decimal
    branded: bool
    analysis: Analysis
    sentiment_status: SentimentStatus


def save(tx: Transaction, task: Task, project: Project, answer: Answer, reply: Reply, finding: Finding) -> None:
    """Store a task's answer; a task that has one keeps it."""
    usage = answer.usage
    tx.execute(
        SQL.save,
        {
            **task_key(task), **analysis_columns(finding.analysis),
            "model_id": finding.model_id, "model_used": answer.model[:100], "run_id": finding.run_id,
            "attempt_id": str(finding.attempt_id), "query_text": task.prompt, "brand_name": project.brand.name,
            "branded": finding.branded, "full_response": answer.text, "response_length": len(answer.text),
            "citations": Json([asdict(citation) for citation in answer.citations]),
            "finish_reason": answer.finish_reason, "tokens_used": usage and usage.total_tokens,
            "input_tokens": usage and usage.input_tokens, "output_tokens": usage and usage.output_tokens,
            "cost_usd": finding.cost_usd, "response_time_ms": reply.latency_ms,
            "sentiment_status": finding.sentiment_status, "rules_fingerprint": rules.fingerprint(project),
        },
    )  # fmt: skip


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
    tx: Transaction, task: Task, verdict: Verdict | None, status: SentimentStatus, reason: str | None = None
) -> None:
    """Store the judge's verdict, or none with the reason; `pending` is asked again by the next start of the day."""
    tx.execute(
        SQL.set_sentiment,
        {
            **task_key(task), "sentiment": verdict and verdict.sentiment, "score": verdict and verdict.score,
            "status": status, "reason": reason,
        },
    )  # fmt: skip


def newest(db: Database) -> int:
    """The id of the answer that was stored last."""
    row = db.one(SQL.newest)
    return int(row["id"]) if row else 0


def pending_sentiment(
    db: Database, day: date, project_ids: Sequence[int], until: int, page: int = PAGE
) -> Iterator[tuple[Task, list[str]]]:
    """The day's answers up to the id `until` that were left unscored, with their mention contexts."""
    after = 0
    while True:
        params = {"day": day, "projects": list(project_ids), "until": until, "after": after, "page": page}
        rows = db.all(SQL.pending_sentiment, params)
        for row in rows:
            yield pending_task(row, day), row["mention_contexts"]
        if len(rows) < page:
            return
        after = rows[-1]["id"]


def unscored(db: Database, day: date, project_ids: Sequence[int]) -> dict[int, int]:
    """How many of the day's answers were left unscored, by project."""
    rows = db.all(SQL.unscored, {"day": day, "projects": list(project_ids)})
    return {row["project_id"]: row["answers"] for row in rows}


def pending_task(row: Row, day: date) -> Task:
    return Task(
        user_id=row["user_id"],
        project_id=row["project_id"],
        query_id=row["query_id"],
        provider=provider_name(row["llm_provider"]),
        day=day,
        sample=row["sample"],
        prompt=row["query_text"],
        language=row["language"],
    )


Cells = dict[tuple[str, str], list[Row]]


def write_snapshots(db: Database, project: Project, day: date) -> None:
    """Compute the day's figures of a project from its stored answers and replace those of an earlier run."""
    params = {"project_id": project.id, "day": day, "rules_fingerprint": rules.fingerprint(project)}

    def write(tx: Transaction) -> None:
        # one writer at a time, or the slower of two would store figures of answers that were read anew meanwhile
        tx.one(SQL.lock_project, params)
        rules.record(tx, project)
        answers: Cells = defaultdict(list)
        for row in tx.all(SQL.observations, params):
            answers[row["llm_provider"], row["model_id"]].append(row)
        costs = {(row["provider"], row["model_id"]): row for row in tx.all(SQL.cell_costs, params)}
        failures = {(row["provider"], row["model_id"]): row["failures"] for row in tx.all(SQL.cell_failures, params)}
        cells = sorted({*answers, *failures, *(key for key in costs if key[1] is not None)})
        for key in cells:
            snapshot = {
                **params, "provider": key[0], "model_id": key[1],
                **cell_columns(project, answers.get(key, [])),
                "model_changed": bool(answers.get(key)) and model_changed(tx, project.id, key, day),
                "failed_queries": failures.get(key, 0),
                "total_cost_usd": costs[key]["cost_usd"] if key in costs else Decimal(0),
                "total_tokens": costs[key]["tokens"] if key in costs else 0,
            }  # fmt: skip
            tx.execute(SQL.save_snapshot, snapshot)
        providers, models = [provider for provider, _ in cells], [model for _, model in cells]
        tx.execute(SQL.drop_empty_cells, {**params, "providers": providers, "models": models})
        killpoints.reach("snapshot")

    db.transact(write)
    killpoints.reach("snapshot_written")


def model_changed(tx: Transaction, project_id: int, cell: tuple[str, str], day: date) -> bool:
    provider, model_id = cell
    row = tx.one(SQL.previous_model, {"project_id": project_id, "provider": provider, "day": day})
    return row is not None and row["model_id"] not in ("", model_id)


def cell_columns(project: Project, rows: Sequence[Row]) -> Mapping[str, Any]:
    """The figures of one cell as parameters, named as the snapshot's columns."""
    figure = figures.cell([observation(row) for row in rows], [entity.name for entity in project.competitors])
    times = [row["response_time_ms"] for row in rows if row["response_time_ms"] is not None]
    return {
        **asdict(figure),
        "competitor_breakdown": Json(dict(figure.competitor_breakdown)),
        "models_served": sorted({row["model_used"] for row in rows if row["model_used"]}),
        "avg_response_time_ms": round(sum(times) / len(times)) if times else None,
    }


def observation(row: Row) -> figures.Observation:
    return figures.Observation(
        query_id=row["query_id"],
        provider=row["llm_provider"],
        model_id=row["model_id"],
        day=row["analysis_date"],
        sample=row["sample"],
        branded=row["branded"],
        brand_mentioned=bool(row["brand_mentioned"]),  # the older form may hold NULL
        competitors=frozenset(row["competitors_mentioned"] or {}),
        position=row["position_in_list"],
        competitor_positions=row["competitor_positions"],
        brand_cited=row["brand_cited"],
        sentiment=row["sentiment"],
        sentiment_score=row["sentiment_score"],
    )
