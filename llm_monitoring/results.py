"""Answers with their analysis, and the daily figures made of them."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal

from llm_monitoring import killpoints, rules
from llm_monitoring.analysis import ANALYSIS_VERSION, Analysis, figures
from llm_monitoring.analysis.sentiment import Verdict
from llm_monitoring.db.database import Database, Json, Row, Transaction
from llm_monitoring.db.queries import load
from llm_monitoring.domain import Task, provider_name
from llm_monitoring.projects import Project
from llm_monitoring.providers import Answer, Reply
from llm_monitoring.readings import Readings
from llm_monitoring.row_errors import RowErrors
from llm_monitoring.runs import PAGE, task_key

SQL = load("results")

LAST_POSITION: Final = 100_000

SentimentStatus = Literal["none", "pending", "scored", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A valid answer as it is stored: whose call it was, what it cost in USD, what was read in it.

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


def save(tx: Transaction, task: Task, project: Project | None, answer: Answer, reply: Reply, finding: Finding) -> None:
    """Store a task's answer; a task that has one keeps it, and a prompt that was deleted gets none."""
    usage = answer.usage
    tx.execute(
        SQL.save,
        {
            **task_key(task),
            **(UNREAD if finding.analysis is None else analysis_columns(finding.analysis)),
            "unread_reason": finding.unread_reason if finding.analysis is None else None,
            "model_id": finding.model_id, "model_used": answer.model[:100], "run_id": finding.run_id,
            "attempt_id": str(finding.attempt_id), "query_text": task.prompt,
            "brand_name": project and project.brand.name,
            "branded": finding.branded, "full_response": answer.text, "response_length": len(answer.text),
            "citations": Json([asdict(citation) for citation in answer.citations]),
            "finish_reason": answer.finish_reason, "tokens_used": usage and usage.total_tokens,
            "input_tokens": usage and usage.input_tokens, "output_tokens": usage and usage.output_tokens,
            "cost_usd": finding.cost_usd, "response_time_ms": reply.latency_ms,
            "sentiment_status": finding.sentiment_status,
            "rules_fingerprint": rules.fingerprint(project) if project and finding.analysis else None,
        },
    )  # fmt: skip


UNREAD: Final[Mapping[str, Any]] = {
    "brand_mentioned": None, "mention_count": None, "mention_contexts": [], "mention_order": None,
    "position_in_list": None, "total_items_in_list": None, "ranking_kind": None, "appears_in_numbered_list": None,
    "competitors_mentioned": None, "competitor_positions": Json({}), "sources": Json([]), "brand_cited": False,
    "competitors_cited": Json({}), "analysis_version": None,
}  # fmt: skip
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
                found.append((pending_task(row, day), tuple(each for each in row["mention_contexts"] or () if each)))
        yield from found
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


def write_snapshots(db: Database, project: Project, day: date, errors: RowErrors) -> None:
    """Compute the day's figures of a project from its stored answers and replace those of an earlier run.

    An answer that cannot be counted stays out of them; a project that was deleted meanwhile gets none.
    """
    params = {"project_id": project.id, "day": day, "rules_fingerprint": rules.fingerprint(project)}

    def write(tx: Transaction) -> None:
        # one writer at a time, or the slower of two would store figures of answers that were read anew meanwhile
        if tx.one(SQL.lock_project, params) is None:
            return
        rules.record(tx, project)
        answers = day_cells(tx, project, day, errors)
        costs = {(row["provider"], row["model_id"]): row for row in tx.all(SQL.cell_costs, params)}
        failures = by_cell(tx.all(SQL.cell_failures, params), "failures")
        unread = by_cell(tx.all(SQL.cell_unread, params), "answers")
        cells = sorted({*answers, *failures, *unread, *(key for key in costs if None not in key)})
        for key in cells:
            snapshot = {
                **params, "provider": key[0], "model_id": key[1],
                **cell_columns(project, answers.get(key, [])),
                "model_changed": bool(answers.get(key)) and model_changed(tx, project.id, key, day),
                "failed_queries": failures.get(key, 0), "unread_queries": unread.get(key, 0),
                "total_cost_usd": costs[key]["cost_usd"] if key in costs else Decimal(0),
                "total_tokens": costs[key]["tokens"] if key in costs else 0,
            }  # fmt: skip
            tx.execute(SQL.save_snapshot, snapshot)
        providers, models = [provider for provider, _ in cells], [model for _, model in cells]
        tx.execute(SQL.drop_empty_cells, {**params, "providers": providers, "models": models})
        killpoints.reach("snapshot")

    db.transact(write)
    killpoints.reach("snapshot_written")


def by_cell(rows: Sequence[Row], count: str) -> dict[tuple[str, str], int]:
    return {(row["provider"], row["model_id"]): row[count] for row in rows}


def day_cells(db: Database | Transaction, project: Project, day: date, errors: RowErrors) -> Cells:
    """The day's answers by provider and model, as the project's present names read them."""
    rows = db.all(SQL.observations, {"project_id": project.id, "day": day})
    cells: Cells = defaultdict(list)
    for row in Readings(db, project, errors, bounded=False).usable(rows):
        with errors.guard("figure_answer", f"Respuesta #{row['id']}", project_id=project.id):
            cells[row["llm_provider"], row["model_id"]].append(counted(row, project))
    return cells


def model_changed(tx: Transaction, project_id: int, cell: tuple[str, str], day: date) -> bool:
    provider, model_id = cell
    row = tx.one(SQL.previous_model, {"project_id": project_id, "provider": provider, "day": day})
    return row is not None and row["model_id"] not in ("", model_id)


@dataclass(frozen=True, slots=True)
class Counted:
    """An answer as the figures count it, and what its call told of itself."""

    observation: figures.Observation
    model_used: str | None
    response_time_ms: int | None


Cells = dict[tuple[str, str], list[Counted]]


def counted(row: Row, project: Project) -> Counted:
    """An answer's row as the figures count it; raises what `observation` raises."""
    return Counted(observation(row, project), row["model_used"], row["response_time_ms"])


def cell_columns(project: Project, answers: Sequence[Counted]) -> Mapping[str, Any]:
    """The figures of one cell as parameters, named as the snapshot's columns."""
    figure = figures.cell([each.observation for each in answers], [entity.name for entity in project.competitors])
    times = [each.response_time_ms for each in answers if each.response_time_ms is not None]
    return {
        **asdict(figure),
        "competitor_breakdown": Json(dict(figure.competitor_breakdown)),
        "models_served": sorted({each.model_used for each in answers if each.model_used}),
        "avg_response_time_ms": round(sum(times) / len(times)) if times else None,
    }


def observation(row: Row, project: Project) -> figures.Observation:
    """An answer's row as the figures count it; raises ValueError or TypeError if it holds what no analysis stores.

    Of citations nothing can be said if the brand has no site declared.
    """
    day, score, position = row["analysis_date"], row["sentiment_score"], row["position_in_list"]
    if not isinstance(day, date):
        raise TypeError(f"analysis_date is no day: {day}")
    if score is not None and not 0 <= Decimal(score) <= 1:  # raises for NaN
        raise ValueError(f"sentiment_score is not between 0 and 1: {score}")
    if position is not None and not 0 < position <= LAST_POSITION:
        raise ValueError(f"position_in_list is no position: {position}")
    return figures.Observation(
        query_id=row["query_id"],
        provider=row["llm_provider"],
        model_id=row["model_id"],
        day=day,
        sample=row["sample"],
        branded=row["branded"],
        brand_mentioned=bool(row["brand_mentioned"]),  # the older form may hold NULL
        competitors=frozenset(counts("competitors_mentioned", row["competitors_mentioned"])),
        position=position,
        competitor_positions=counts("competitor_positions", row["competitor_positions"]),
        brand_cited=row["brand_cited"] if project.brand.domains else None,
        sentiment=row["sentiment"],
        sentiment_score=score,
    )


def counts(column: str, value: Any) -> Mapping[str, int]:
    """A JSON column of whole numbers by name; raises ValueError for anything else. The older form may hold NULL."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(type(number) is int for number in value.values()):
        raise ValueError(f"{column} is no object of whole numbers")
    return value
