"""The daily figures of a project: its cells, made of stored answers and written as snapshots."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from llm_monitoring import failpoints
from llm_monitoring.db import Database, Json, Row, RowErrors, Transaction, load
from llm_monitoring.figures.cells import cell
from llm_monitoring.figures.observations import Observation, most_used
from llm_monitoring.figures.readings import Readings
from llm_monitoring.projects import Project, fingerprints

SQL = load("answers")


LAST_POSITION: Final = 100_000


def write_snapshots(db: Database, project: Project, day: date, errors: RowErrors) -> None:
    """Compute the day's figures of a project from its stored answers and replace those of an earlier run.

    An answer that cannot be counted stays out of them; a project that was deleted meanwhile gets none.
    """
    params = {"project_id": project.id, "day": day, "rules_fingerprint": fingerprints.fingerprint(project)}

    def write(tx: Transaction) -> None:
        # one writer at a time, or the slower of two would store figures of answers that were analysed again meanwhile
        if tx.one(SQL.lock_project, params) is None:
            return
        fingerprints.record(tx, project)
        answers = day_cells(tx, project, day, errors)
        costs = {(row["provider"], row["model_id"]): row for row in tx.all(SQL.cell_costs, params)}
        failures = by_cell(tx.all(SQL.cell_failures, params), "failures")
        unread = by_cell(tx.all(SQL.cell_unread, params), "answers")
        cells = sorted({*answers, *failures, *unread, *(key for key in costs if None not in key)})
        for key in cells:
            snapshot = {
                **params,
                "provider": key[0],
                "model_id": key[1],
                **cell_columns(project, answers.get(key, [])),
                **changes(tx, project.id, key, day, answers.get(key, [])),
                "failed_queries": failures.get(key, 0),
                "unread_queries": unread.get(key, 0),
                "avg_response_time_ms": costs[key]["response_ms"] if key in costs else None,
                "total_cost_usd": costs[key]["cost_usd"] if key in costs else Decimal(0),
                "total_tokens": costs[key]["tokens"] if key in costs else 0,
            }
            tx.execute(SQL.save_snapshot, snapshot)
        providers, models = [provider for provider, _ in cells], [model for _, model in cells]
        tx.execute(SQL.drop_empty_cells, {**params, "providers": providers, "models": models})
        failpoints.reach("snapshot")

    db.transact(write)
    failpoints.reach("snapshot_written")


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


def changes(
    tx: Transaction, project_id: int, cell: tuple[str, str], day: date, answers: Sequence[Counted]
) -> Mapping[str, Any]:
    """The cell's mode, and whether its model and its mode are others than on the last day with answers."""
    provider, model_id = cell
    mode = most_used(Counter(each.observation.mode for each in answers))
    row = tx.one(SQL.previous_model, {"project_id": project_id, "provider": provider, "day": day}) if answers else None
    return {
        "mode": mode,
        "model_changed": row is not None and row["model_id"] not in ("", model_id),
        "mode_changed": row is not None and row["mode"] != mode,
    }


@dataclass(frozen=True, slots=True)
class Counted:
    """An answer as the figures count it, and the model that its call reported."""

    observation: Observation
    model_used: str | None


Cells = dict[tuple[str, str], list[Counted]]


def counted(row: Row, project: Project) -> Counted:
    """An answer's row as the figures count it; raises what `observation` raises."""
    return Counted(observation(row, project), row["model_used"])


def cell_columns(project: Project, answers: Sequence[Counted]) -> Mapping[str, Any]:
    """The figures of one cell as parameters, named as the snapshot's columns."""
    figure = cell([each.observation for each in answers], [entity.name for entity in project.competitors])
    return {
        **asdict(figure),
        "competitor_breakdown": Json(dict(figure.competitor_breakdown)),
        "models_served": sorted({each.model_used for each in answers if each.model_used}),
    }


def observation(row: Row, project: Project) -> Observation:
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
    return Observation(
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
        mode=row["mode"],
    )


def counts(column: str, value: Any) -> Mapping[str, int]:
    """A JSON column of whole numbers by name; raises ValueError for anything else. The older form may hold NULL."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(type(number) is int for number in value.values()):
        raise ValueError(f"{column} is no object of whole numbers")
    return value
