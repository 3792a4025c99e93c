"""One stored answer for a reader: marked text, sources, the answers around it, what changed since the last one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from llm_monitoring.db import Database, Row, load
from llm_monitoring.registry import is_same_model
from llm_monitoring.reporting import exports
from llm_monitoring.reporting.answers import Piece
from llm_monitoring.reporting.stored_answers import StoredAnswer, find_in, find_next_to
from llm_monitoring.reporting.text_difference import TextDifference, difference

SQL = load("stored_answers")

LONGEST_SHOWN: Final = 60_000
MOST_MARKS: Final = 1_000
MOST_SOURCES: Final = 100

Lines = Sequence[tuple[Piece, ...]]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The answer of another day to the same prompt, by the same provider and of the same sample."""

    id: int
    day: date


@dataclass(frozen=True, slots=True)
class AnswerPage:
    """An answer as it is shown; `lines` are cut at LONGEST_SHOWN of its `length` characters.

    `changes` is None without an earlier answer, or if the text of one of the two is no longer stored.
    """

    row: Row
    lines: Lines
    length: int
    sources: Sequence[Mapping[str, Any]]
    more_sources: int
    earlier: Neighbour | None
    later: Neighbour | None
    same_day: Sequence[Row]
    changes: TextDifference | None

    @property
    def is_cut(self) -> bool:
        return shown_length(self.lines) < self.length

    @property
    def is_asked_otherwise(self) -> bool:
        """Whether another model answered than the one that was asked; a version of the same one is not another."""
        return not is_same_model(self.row["model_id"], self.row["model_used"] or "")


def read_answer(db: Database, project_id: int, answer_id: int) -> AnswerPage | None:
    """One answer of a project; None if the project has none of this number."""
    found = find_in(db, project_id, answer_id)
    if found is None:
        return None
    around = {each["is_earlier"]: Neighbour(each["id"], each["analysis_date"]) for each in neighbours(db, found.row)}
    earlier = around.get(True)
    sources = list(exports.Owners(found.project).citations(found.row | {"sources": found.row["sources"] or []}))
    return AnswerPage(
        row=found.row,
        lines=list(cut(found.text, LONGEST_SHOWN)),
        length=shown_length(found.text),
        sources=sources[:MOST_SOURCES],
        more_sources=max(0, len(sources) - MOST_SOURCES),
        earlier=earlier,
        later=around.get(False),
        same_day=db.all(SQL.same_day, params_of(found.row)),
        changes=changes_since(earlier, found) if earlier else None,
    )


def neighbours(db: Database, row: Row) -> list[Row]:
    return db.all(SQL.neighbours, params_of(row))


def params_of(row: Row) -> Mapping[str, Any]:
    return {
        "project_id": row["project_id"],
        "query_id": row["query_id"],
        "provider": row["llm_provider"],
        "sample": row["sample"],
        "day": row["analysis_date"],
    }


def changes_since(earlier: Neighbour, found: StoredAnswer) -> TextDifference | None:
    """What changed from the earlier answer; None if one of the two has no text any more."""
    before = find_next_to(found, earlier.id)
    if before is None or not before.row["full_response"] or not found.row["full_response"]:
        return None
    return difference(plain(before.text), plain(found.text))


def plain(lines: Lines) -> str:
    """The text of lines without their marks."""
    return "\n".join("".join(piece.text for piece in line) for line in lines)


def shown_length(lines: Lines) -> int:
    return sum(len(piece.text) for line in lines for piece in line)


def cut(lines: Lines, most: int) -> Iterator[tuple[Piece, ...]]:
    """The lines up to `most` characters; marks beyond MOST_MARKS are text like any other."""
    left, marks = most, MOST_MARKS
    for line in lines:
        kept: list[Piece] = []
        for piece in line:
            marks -= bool(piece.mark)
            kept.append(Piece(piece.text[:left], piece.mark if marks >= 0 else ""))
            left -= len(kept[-1].text)
            if left <= 0:
                yield tuple(kept)
                return
        yield tuple(kept)
