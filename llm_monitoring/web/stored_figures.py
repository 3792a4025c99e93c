"""Reads the stored figures of a period: the one way of REST API, MCP and pages to them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from pydantic import TypeAdapter

from llm_monitoring.db import Database
from llm_monitoring.figures.periods import PeriodRequest
from llm_monitoring.figures.stored_figures import columns_of, find_all
from llm_monitoring.reporting.stored_figures import StoredFigures, code_version, figures_text
from llm_monitoring.web.arrival import waited


def figures_of(db: Database, wanted: PeriodRequest) -> StoredFigures:
    """The figures of a period, measured only if none are stored or something changed that they are made of.

    Those that were measured after the request arrived are taken, too: while a run stores an answer each moment, many
    requests share one measurement. Raises NotFound, Invalid if the periods overlap, or TooManyStale.
    """
    return reader().validate_json(figures_text(db, wanted, waited()))


def stored_figures_of(db: Database, wanted: Sequence[PeriodRequest]) -> list[StoredFigures | None]:
    """The figures of each period if they are stored and nothing changed since; None: they would have to be measured."""
    found = find_all(db, [{**columns_of(each, code_version()), "waited": waited()} for each in wanted])
    return [None if row["body"] is None else reader().validate_json(str(row["body"])) for row in found]


@lru_cache(maxsize=1)
def reader() -> TypeAdapter[StoredFigures]:
    return TypeAdapter(StoredFigures)
