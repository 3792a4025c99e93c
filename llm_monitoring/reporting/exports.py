"""A project's stored rows, a page at a time, as records of named fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal, get_args

from llm_monitoring import projects, results, rules
from llm_monitoring.analysis.sources import owner_of_source
from llm_monitoring.analysis.terms import compile_vocabulary
from llm_monitoring.db.database import Database, Json, Row
from llm_monitoring.db.queries import load
from llm_monitoring.projects import Project
from llm_monitoring.readings import MAPPINGS, PLAIN, Readings
from llm_monitoring.row_errors import RowErrors

SQL = load("reporting")

Kind = Literal["results", "snapshots", "citations"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

PAGE: Final = 200
"""Rows in memory at once: an answer may have a megabyte."""

Record = Mapping[str, Any]

READ: Final = (*PLAIN, *MAPPINGS, "mention_contexts", "branded", "brand_name", "sentiment", "sentiment_score")
WITHOUT: Final[Mapping[str, Any]] = {"sources": []}

FIELDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "results": (
        "id", "analysis_date", "llm_provider", "model_id", "model_used", "query_id", "query_text", "sample", "branded",
        "brand_name", "brand_mentioned", "mention_count", "mention_order", "position_in_list", "total_items_in_list",
        "ranking_kind", "appears_in_numbered_list", "sentiment", "sentiment_score", "sentiment_status",
        "competitors_mentioned", "competitor_positions", "brand_cited", "competitors_cited", "mention_contexts",
        "finish_reason", "input_tokens", "output_tokens", "tokens_used", "cost_usd", "response_time_ms",
        "analysis_version", "created_at", "full_response",
    ),
    "snapshots": (
        "id", "snapshot_date", "llm_provider", "model_id", "models_served", "model_changed", "total_queries",
        "failed_queries", "total_mentions", "mention_rate", "mention_rate_low", "mention_rate_high", "share_of_voice",
        "weighted_share_of_voice", "total_competitor_mentions", "competitor_breakdown", "avg_position",
        "appeared_in_top3", "appeared_in_top5", "appeared_in_top10", "citation_rate", "positive_mentions",
        "neutral_mentions", "negative_mentions", "avg_sentiment_score", "branded_total_queries",
        "branded_total_mentions", "avg_response_time_ms", "total_cost_usd", "total_tokens",
    ),
    "citations": (
        "result_id", "analysis_date", "llm_provider", "model_id", "query_id", "query_text", "sample", "branded",
        "brand_mentioned", "competitors_mentioned", "place", "kind", "url", "domain", "title", "cited", "owner",
        "owner_name",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Export:
    """What to export: `first` and `last` bound the days, None leaves that side open."""

    project: Project
    kind: Kind
    first: date | None = None
    last: date | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        return FIELDS[self.kind]

    @property
    def params(self) -> dict[str, Any]:
        return {"project_id": self.project.id, "first": self.first, "last": self.last}


def plan(db: Database, project_id: int, kind: Kind, first: date | None, last: date | None) -> Export:
    """Return what to export; raises BadInput where there is no such project."""
    return Export(projects.find(db, project_id), kind, first, last)


def size(db: Database, export: Export) -> int:
    """How many stored rows the export goes through."""
    row = db.one(SQL.snapshots_count if export.kind == "snapshots" else SQL.results_count, export.params)
    return int(row["rows"]) if row else 0


def records(db: Database, export: Export, on_row: Callable[[int], None] = lambda done: None) -> Iterator[Record]:
    """Yield the export's records day by day; `on_row` hears of every stored row that is done."""
    found = snapshots(db, export) if export.kind == "snapshots" else answers(db, export)
    owners = Owners(export.project)
    for row in found:
        if export.kind == "citations":
            yield from owners.citations(row)
        else:
            yield row
        on_row(1)


def answers(db: Database, export: Export) -> Iterator[Row]:
    """Stored answers as present names read them; what cannot be read so is empty, and has no citations."""
    readings = Readings(db, export.project, bounded=False)
    has_site = bool(export.project.brand.domains)
    for page in pages(db, getattr(SQL, export.kind), export.params):
        for row, present in zip(page, readings.present(page), strict=True):
            found = present or {**row, **{name: None for name in READ if name in row}, **WITHOUT}
            yield found if has_site or "brand_cited" not in found else {**found, "brand_cited": None}


def snapshots(db: Database, export: Export) -> Iterator[Row]:
    """Daily figures; those that former names made are made of the day's answers as present names read them."""
    now, day = rules.fingerprint(export.project), None
    cells: results.Cells = {}
    for page in pages(db, SQL.snapshots, export.params):
        for row in page:
            if row["rules_fingerprint"] != now and row["snapshot_date"] != day:
                day = row["snapshot_date"]
                cells = results.day_cells(db, export.project, day, RowErrors())
            answered = cells.get((row["llm_provider"], row["model_id"]), [])
            if row["rules_fingerprint"] == now or (row["rules_fingerprint"] is None and not answered):
                yield row  # also the host's own, of which no answers were kept
            else:
                fresh = results.cell_columns(export.project, answered)
                yield row | {name: plain(value) for name, value in fresh.items() if name in row}


def plain(value: Any) -> Any:
    return value.adapted if isinstance(value, Json) else value


def pages(db: Database, sql: str, params: Mapping[str, Any]) -> Iterator[list[Row]]:
    after = 0
    while True:
        page = db.all(sql, {**params, "after": after, "page": PAGE})
        yield page
        if len(page) < PAGE:
            return
        after = page[-1]["id"]


class Owners:
    """Whose the cited pages are."""

    def __init__(self, project: Project) -> None:
        self.entities = (project.brand, *project.competitors)
        self.hosts = compile_vocabulary(self.entities).hosts

    def citations(self, row: Row) -> Iterator[Record]:
        """One record a page that an answer cites, in the order of citing."""
        shared = {name: row[name] for name in FIELDS["citations"][1:10]}
        for place, source in enumerate(row["sources"], 1):
            owner = owner_of_source(source["domain"], self.hosts)
            yield {
                "result_id": row["id"], **shared, "place": place, "kind": source["kind"], "url": source["url"],
                "domain": source["domain"], "title": source["title"], "cited": source.get("cited"),
                "owner": "other" if owner is None else "competitor" if owner else "brand",
                "owner_name": None if owner is None else self.entities[owner].name,
            }  # fmt: skip
