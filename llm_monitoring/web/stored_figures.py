"""Reads the stored figures of a period: the one way of REST API, MCP and pages to them."""

from __future__ import annotations

from functools import lru_cache

from pydantic import TypeAdapter

from llm_monitoring.db import Database
from llm_monitoring.figures.periods import PeriodRequest
from llm_monitoring.figures.stored_figures import columns_of, find
from llm_monitoring.reporting.stored_figures import StoredFigures, code_version, figures_text
from llm_monitoring.web.arrival import waited


def figures_of(db: Database, wanted: PeriodRequest) -> StoredFigures:
    """The figures of a period, measured only if none are stored or something changed that they are made of.

    Those that were measured after the request arrived are taken, too: while a run stores an answer each moment, many
    requests share one measurement. Raises NotFound, Invalid if the periods overlap, or TooManyStale.
    """
    return reader().validate_json(figures_text(db, wanted, waited()))


def stored_figures_of(db: Database, wanted: PeriodRequest) -> StoredFigures | None:
    """The figures of a period if they are stored and nothing changed since; None if they would have to be measured."""
    body = find(db, {**columns_of(wanted, code_version()), "waited": waited()})["body"]
    return None if body is None else reader().validate_json(str(body))


@lru_cache(maxsize=1)
def reader() -> TypeAdapter[StoredFigures]:
    return TypeAdapter(StoredFigures)
