"""Stored rows of one or several projects, a page at a time and day by day, as records of named fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from heapq import merge
from typing import Any, Final, Literal, get_args

from llm_monitoring import analysis
from llm_monitoring.analysis import Entity
from llm_monitoring.db import Database, Json, Row, RowErrors, load
from llm_monitoring.errors import Invalid
from llm_monitoring.figures import snapshots as snapshots_module
from llm_monitoring.figures.readings import MAPPINGS, PLAIN, Readings
from llm_monitoring.projects import Project, fingerprints

SQL = load("reporting")

Kind = Literal["results", "snapshots", "citations"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

PAGE: Final = 200
"""Rows in memory at once, of all projects together: an answer may have a megabyte."""

Record = Mapping[str, Any]

READ: Final = (*PLAIN, *MAPPINGS, "mention_contexts", "branded", "brand_name", "sentiment", "sentiment_score")
WITHOUT: Final[Mapping[str, Any]] = {"sources": []}
PROJECT_COLUMNS: Final = ("project_id", "project_name", "project_brand")
COST: Final = ("cost_usd", "total_cost_usd", "input_tokens", "output_tokens", "tokens_used", "total_tokens")
DAY: Final[Mapping[Kind, str]] = {
    "results": "analysis_date",
    "snapshots": "snapshot_date",
    "citations": "analysis_date",
}

FIELDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "results": (
        "id",
        "analysis_date",
        "llm_provider",
        "model_id",
        "model_used",
        "query_id",
        "query_text",
        "sample",
        "branded",
        "brand_name",
        "brand_mentioned",
        "mention_count",
        "mention_order",
        "position_in_list",
        "total_items_in_list",
        "ranking_kind",
        "appears_in_numbered_list",
        "sentiment",
        "sentiment_score",
        "sentiment_status",
        "competitors_mentioned",
        "competitor_positions",
        "brand_cited",
        "competitors_cited",
        "mention_contexts",
        "finish_reason",
        "input_tokens",
        "output_tokens",
        "tokens_used",
        "cost_usd",
        "response_time_ms",
        "analysis_version",
        "unread_reason",
        "created_at",
        "mode",
        *PROJECT_COLUMNS,
        "full_response",
    ),
    "snapshots": (
        "id",
        "snapshot_date",
        "llm_provider",
        "model_id",
        "models_served",
        "model_changed",
        "mode",
        "mode_changed",
        "total_queries",
        "failed_queries",
        "unread_queries",
        "total_mentions",
        "mention_rate",
        "mention_rate_low",
        "mention_rate_high",
        "share_of_voice",
        "weighted_share_of_voice",
        "total_competitor_mentions",
        "competitor_breakdown",
        "avg_position",
        "appeared_in_top3",
        "appeared_in_top5",
        "appeared_in_top10",
        "citation_rate",
        "positive_mentions",
        "neutral_mentions",
        "negative_mentions",
        "avg_sentiment_score",
        "branded_total_queries",
        "branded_total_mentions",
        "avg_response_time_ms",
        "total_cost_usd",
        "total_tokens",
        *PROJECT_COLUMNS,
    ),
    "citations": (
        "result_id",
        "analysis_date",
        "llm_provider",
        "model_id",
        "query_id",
        "query_text",
        "sample",
        "branded",
        "brand_mentioned",
        "competitors_mentioned",
        "place",
        "kind",
        "url",
        "domain",
        "title",
        "cited",
        "owner",
        "owner_name",
        *PROJECT_COLUMNS,
    ),
}

LONG_FIELDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "results": (
        *PROJECT_COLUMNS,
        "result_id",
        "analysis_date",
        "llm_provider",
        "model_id",
        "model_used",
        "query_id",
        "query_text",
        "sample",
        "branded",
        "role",
        "name",
        "mentioned",
        "mentions",
        "position",
        "cited",
    ),
    "snapshots": (
        *PROJECT_COLUMNS,
        "snapshot_date",
        "llm_provider",
        "model_id",
        "answers",
        "role",
        "name",
        "answers_with_name",
    ),
}


@dataclass(frozen=True, slots=True)
class Export:
    """What to export: `first` and `last` bound the days, None leaves that side open; no provider means every one.

    `mentioned` keeps the answers that name the brand, or those that do not. `long` makes a row of each brand and
    competitor. `without_cost` leaves what calls cost empty.
    """

    projects: tuple[Project, ...]
    kind: Kind
    first: date | None = None
    last: date | None = None
    providers: tuple[str, ...] = ()
    mentioned: bool | None = None
    long: bool = False
    without_cost: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        return LONG_FIELDS[self.kind] if self.long else FIELDS[self.kind]

    def params(self, project: Project) -> dict[str, Any]:
        return {
            "project_id": project.id,
            "first": self.first,
            "last": self.last,
            "providers": list(self.providers) or None,
        }


def check(export: Export) -> None:
    """Raise Invalid if the export's options do not go together."""
    if export.kind == "citations" and export.long:
        raise Invalid(
            "long",
            "citations have a row for each page already: the long form is for results and snapshots",
            code="long_form",
        )
    if export.kind == "snapshots" and export.mentioned is not None:
        raise Invalid(
            "mentioned",
            "snapshots are figures of a whole day: only results and citations can be chosen by mention",
            code="mention_filter",
        )


def size(db: Database, export: Export) -> int:
    """How many stored rows the export goes through."""
    sql = SQL.snapshots_count if export.kind == "snapshots" else SQL.results_count
    rows = [db.one(sql, export.params(project)) for project in export.projects]
    return sum(int(row["rows"]) for row in rows if row)


def records(db: Database, export: Export, on_row: Callable[[int], None] = lambda done: None) -> Iterator[Record]:
    """Yield the records of all projects day by day; `on_row` is called for every stored row that is done."""
    page = max(1, PAGE // max(1, len(export.projects)))
    found = [project_records(db, export, project, page, on_row) for project in export.projects]
    return merge(*found, key=lambda record: record[DAY[export.kind]])


def project_records(
    db: Database, export: Export, project: Project, page: int, on_row: Callable[[int], None]
) -> Iterator[Record]:
    owners = Owners(project)
    own: dict[str, Any] = dict(zip(PROJECT_COLUMNS, (project.id, project.name, project.brand.name), strict=True))
    if export.without_cost:
        own |= dict.fromkeys(COST)
    rows = (snapshots if export.kind == "snapshots" else answers)(db, export, project, page)
    for row in rows:
        if export.mentioned is None or row["brand_mentioned"] is export.mentioned:
            for record in records_of(export, project, owners, row):
                yield {**record, **own}
        on_row(1)


def records_of(export: Export, project: Project, owners: Owners, row: Row) -> Iterator[Record]:
    if export.kind == "citations":
        yield from owners.citations(row)
    elif export.long:
        yield from (names_of_answer if export.kind == "results" else names_of_day)(project, row)
    else:
        yield row


def answers(db: Database, export: Export, project: Project, page: int) -> Iterator[Row]:
    """Stored answers as present names read them; what cannot be read so is empty, and has no citations."""
    readings = Readings(db, project, bounded=False)
    has_site = bool(project.brand.domains)
    for rows in pages(db, getattr(SQL, export.kind), export.params(project), page):
        for row, present in zip(rows, readings.present(rows), strict=True):
            read = None if row["unread_reason"] else present
            found = read or {**row, **{name: None for name in READ if name in row}, **WITHOUT}
            yield found if has_site or "brand_cited" not in found else {**found, "brand_cited": None}


def snapshots(db: Database, export: Export, project: Project, page: int, after: int = 0) -> Iterator[Row]:
    """Daily figures after row `after`; those of former names are made again of the day's answers."""
    now, day = fingerprints.fingerprint(project), None
    cells: snapshots_module.Cells = {}
    for rows in pages(db, SQL.snapshots, export.params(project), page, after):
        for row in rows:
            if row["rules_fingerprint"] != now and row["snapshot_date"] != day:
                day = row["snapshot_date"]
                cells = snapshots_module.day_cells(db, project, day, RowErrors())
            answered = cells.get((row["llm_provider"], row["model_id"]), [])
            if row["rules_fingerprint"] == now or (row["rules_fingerprint"] is None and not answered):
                yield row  # also the host's own, of which no answers were kept
            else:
                fresh = snapshots_module.cell_columns(project, answered)
                yield row | {name: plain(value) for name, value in fresh.items() if name in row}


def plain(value: Any) -> Any:
    return value.adapted if isinstance(value, Json) else value


def pages(db: Database, sql: str, params: Mapping[str, Any], page: int, after: int = 0) -> Iterator[list[Row]]:
    while True:
        rows = db.all(sql, {**params, "after": after, "page": page})
        yield rows
        if len(rows) < page:
            return
        after = rows[-1]["id"]


def entities(project: Project) -> Sequence[tuple[str, Entity]]:
    """The brand and each competitor, with their roles."""
    return [("brand", project.brand), *(("competitor", each) for each in project.competitors)]


def names_of_answer(project: Project, row: Row) -> Iterator[Record]:
    """A record for the brand and for each competitor of an answer; an answer that cannot be read says nothing."""
    shared = {name: row[name] for name in LONG_FIELDS["results"] if name in row} | {"result_id": row["id"]}
    for role, entity in entities(project):
        yield {**shared, "role": role, "name": entity.name, **reading_of(row, None if role == "brand" else entity)}


def reading_of(row: Row, competitor: Entity | None) -> Record:
    if row["brand_mentioned"] is None:
        return dict.fromkeys(("mentioned", "mentions", "position", "cited"))
    if competitor is None:
        return {
            "mentioned": row["brand_mentioned"],
            "mentions": row["mention_count"],
            "position": row["position_in_list"],
            "cited": row["brand_cited"],
        }
    name = competitor.name
    mentions = (row["competitors_mentioned"] or {}).get(name, 0)
    cited = row["competitors_cited"] if competitor.domains else None
    return {
        "mentioned": mentions > 0,
        "mentions": mentions,
        "position": (row["competitor_positions"] or {}).get(name),
        "cited": None if cited is None else cited.get(name, 0) > 0,
    }


def names_of_day(project: Project, row: Row) -> Iterator[Record]:
    """A record for the brand and for each competitor of a day's figures: how many answers name it."""
    shared = {name: row[name] for name in LONG_FIELDS["snapshots"] if name in row} | {"answers": row["total_queries"]}
    for role, entity in entities(project):
        count = row["total_mentions"] if role == "brand" else (row["competitor_breakdown"] or {}).get(entity.name, 0)
        yield {**shared, "role": role, "name": entity.name, "answers_with_name": count}


class Owners:
    """Which entity owns a cited page."""

    def __init__(self, project: Project) -> None:
        self.entities = (project.brand, *project.competitors)
        self.hosts = analysis.compile_hosts(self.entities)

    def citations(self, row: Row) -> Iterator[Record]:
        """One record a page that an answer cites, in the order of citing."""
        shared = {name: row[name] for name in FIELDS["citations"][1:10]}
        for place, source in enumerate(row["sources"], 1):
            owner = analysis.owner_of_source(source["domain"], self.hosts)
            yield {
                "result_id": row["id"],
                **shared,
                "place": place,
                "kind": source["kind"],
                "url": source["url"],
                "domain": source["domain"],
                "title": source["title"],
                "cited": source.get("cited"),
                "owner": "other" if owner is None else "competitor" if owner else "brand",
                "owner_name": None if owner is None else self.entities[owner].name,
            }
