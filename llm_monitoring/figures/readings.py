"""Stored answers with readings of the project's present names: stale ones are analysed again in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from llm_monitoring import analysis
from llm_monitoring.analysis import ANALYSIS_VERSION, Entity
from llm_monitoring.db import Database, Row, RowErrors, Transaction, load
from llm_monitoring.errors import MonitoringError
from llm_monitoring.projects import Project, fingerprints, read_entity

SQL = load("readings")

MOST_READ_AGAIN: Final = 20_000
"""Answers that one figure, page or export reads again: about a minute of work."""

PAGE: Final = 200
MAPPINGS: Final = ("competitors_mentioned", "competitor_positions", "competitors_cited")
PLAIN: Final = (
    "brand_mentioned",
    "mention_count",
    "mention_order",
    "position_in_list",
    "total_items_in_list",
    "ranking_kind",
    "appears_in_numbered_list",
    "brand_cited",
)
JUDGED: Final = ("sentiment", "sentiment_score")


class TooManyStale(MonitoringError):
    """More answers than can be read again at once were read with former names or rules."""

    def __init__(self, project_id: int) -> None:
        super().__init__(
            f"project {project_id}: more than {MOST_READ_AGAIN} answers were read with former names or rules, so there "
            "is no figure to show",
            code="too_many_stale",
            project_id=project_id,
        )
        self.project_id = project_id


@dataclass(slots=True)
class Readings:
    """Reads stale rows of one project again; writes nothing.

    `read_again` counts those. Rows without a text stand as they were read if former names count the same (`kept`);
    no figure may rest on the others (`left_out`).
    """

    db: Database | Transaction
    project: Project
    errors: RowErrors = field(default_factory=RowErrors)
    bounded: bool = True
    read_again: int = 0
    kept: int = 0
    left_out: int = 0
    looked_at: int = 0
    former: dict[str | None, Row | None] = field(default_factory=dict)
    compiled: analysis.Matcher | None = field(init=False, default=None)

    @property
    def matcher(self) -> analysis.Matcher:
        """The matcher of the present names, compiled for the first row that needs it: most pages have none."""
        if self.compiled is None:
            self.compiled = analysis.Matcher(self.project.brand, self.project.competitors)
        return self.compiled

    def usable(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows with present readings, in their order, without those that no figure may rest on.

        Rows need `id` and `rules_fingerprint`; every column of a reading that they have is replaced. Raises
        TooManyStale.
        """
        return [row for row in self.present(rows) if row is not None]

    def present(self, rows: Sequence[Row]) -> list[Row | None]:
        """Return the rows with present readings, None in the place of those that no figure may rest on."""
        now = fingerprints.fingerprint(self.project)
        stale = [row["id"] for row in rows if row["rules_fingerprint"] != now]
        self.looked_at += len(stale)
        if self.bounded and self.looked_at > MOST_READ_AGAIN:
            raise TooManyStale(self.project.id)
        fresh: dict[int, Row | None] = {}
        for first in range(0, len(stale), PAGE):
            for stored in self.db.all(SQL.texts, {"ids": stale[first : first + PAGE]}):
                fresh[stored["id"]] = None
                with self.errors.guard("figure_answer", f"Respuesta #{stored['id']}", project_id=self.project.id):
                    fresh[stored["id"]] = self.columns(stored)
        found = [with_reading(row, fresh[row["id"]]) if row["id"] in fresh else row for row in rows]
        self.left_out += found.count(None)
        return found

    def columns(self, stored: Row) -> Row | None:
        """Return the columns of a present reading of one answer; None if no figure may rest on it."""
        if not stored["full_response"]:
            found = self.relabelled(stored)
            self.kept += found is not None
            return found
        self.read_again += 1
        analysis = self.matcher.analyse(stored["full_response"], stored["citations"] or (), stored["language"])
        return {
            **{name: getattr(analysis, name) for name in PLAIN},
            "mention_contexts": list(analysis.mention_contexts),
            "sources": [dict(source) for source in analysis.sources],
            **{name: dict(getattr(analysis, name)) for name in MAPPINGS},
            "branded": self.matcher.names_brand(stored["query_text"], stored["language"]),
            "brand_name": self.project.brand.name,
            "analysis_version": ANALYSIS_VERSION,
        }

    def relabelled(self, stored: Row) -> Row | None:
        """Return the stored reading under present names if the former ones count the same; the text is gone."""
        labels = self.labels_of(stored)
        if labels is None:
            return None
        return {
            "brand_name": self.project.brand.name,
            "branded": self.matcher.names_brand(stored["query_text"], stored["language"]),
            **{name: renamed(stored[name] or {}, labels) for name in MAPPINGS},
        }

    def labels_of(self, stored: Row) -> Mapping[str, str] | None:
        """Return each former competitor's present name; None if the former names do not count the same."""
        fingerprint = stored["rules_fingerprint"]
        if fingerprint not in self.former:
            self.former[fingerprint] = self.db.one(SQL.rules, {"fingerprint": fingerprint})
        row = self.former[fingerprint]
        return unknown_rules(self.project, stored) if row is None else same_names(self.project, row["rules"])


def with_reading(row: Row, reading: Row | None) -> Row | None:
    """Return the row with the columns of the reading that it has; a judgement goes with the mention it was about."""
    if reading is None:
        return None
    fresh = {**row, **{name: value for name, value in reading.items() if name in row}}
    if bool(row.get("brand_mentioned")) != bool(fresh.get("brand_mentioned")):
        fresh |= {name: None for name in JUDGED if name in row}
        fresh |= {"sentiment_status": "none"} if "sentiment_status" in row else {}
    return fresh


def renamed(counts: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    return {labels[key]: value for key, value in counts.items() if key in labels}


def same_names(project: Project, former: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Return each former competitor's present name if brand and every competitor of today counted the same then."""
    brand = read_entity(former["brand"], project.id)
    rivals = [read_entity(item, project.id) for item in former["competitors"]]
    matcher_of = cache(analysis.Matcher)  # each entity is compared with many
    if not counts_alike(brand, project.brand, matcher_of):
        return None
    labels = {}
    for entity in project.competitors:
        match = next((rival for rival in rivals if counts_alike(rival, entity, matcher_of)), None)
        if match is None:
            return None
        labels[match.name] = entity.name
    return labels


def counts_alike(former: Entity, present: Entity, matcher_of: Callable[[Entity], analysis.Matcher]) -> bool:
    """Say whether both find the same answers: each spelling of the one is a mention of the other."""
    if set(former.domains) != set(present.domains) or set(former.exclude) != set(present.exclude):
        return False
    if former.case_sensitive != present.case_sensitive:
        return False
    pairs = ((former, present.spellings), (present, former.spellings))
    return all(matcher_of(entity).mentions(spelling) for entity, spellings in pairs for spelling in spellings)


def unknown_rules(project: Project, stored: Row) -> Mapping[str, str] | None:
    """Return present names for a reading of the host application, of which no names were kept.

    It stands as it is under the names that still belong to an entity; one with a name of no entity is left out.
    """
    known = {spelling.casefold(): entity.name for entity in project.competitors for spelling in entity.spellings}
    own = {spelling.casefold() for spelling in project.brand.spellings}
    keys = {key for name in MAPPINGS for key in stored[name] or {}}
    foreign = any(key.casefold() not in known for key in keys)
    if foreign or (stored["brand_name"] and stored["brand_name"].casefold() not in own):
        return None
    return {key: known[key.casefold()] for key in keys}
