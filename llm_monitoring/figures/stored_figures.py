"""Figures of periods that are kept as they were measured, until something changes that they were made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final

from llm_monitoring.db import Database, Locked, Row, Transaction, load, on_one_session, snapshot
from llm_monitoring.figures.periods import PeriodRequest

SQL = load("stored_figures")

MOST_STORED: Final = 60
"""Periods that are kept of a project, the latest ones: thirty days of five assistants take some 10 kB each."""

OWN_COLUMNS: Final = ("project_id", "period")

Measure = Callable[[Database], str]
"""Measures a period on one state of the database, and returns the figures as text."""


def stored_text(db: Database, wanted: PeriodRequest, code: str, measure: Measure) -> str:
    """Return the figures of a period, measured only if none are stored that `code` made of what is stored now.

    They are measured once at a time. Another request for the same figures waits and takes those, even if an answer
    came meanwhile: they are of a moment after it asked. If the lock is not free within the wait of a statement, as of
    a session that hangs, it measures itself. Raises what `measure` raises.
    """
    params = columns_of(wanted, code)
    found = find(db, params)
    if found["body"] is not None:
        return str(found["body"])

    def work(session: Transaction) -> str:
        again = find(session, {**params, "asked_at": found["asked_at"]})
        if again["body"] is not None:
            return str(again["body"])
        return measured(db, session, {**params, "measured_at": again["asked_at"]}, measure)

    try:
        return on_one_session(db, work, lock_name(params))
    except Locked:
        return on_one_session(
            db, lambda session: measured(db, session, {**params, "measured_at": found["asked_at"]}, measure)
        )


def measured(db: Database, session: Transaction, params: Row, measure: Measure) -> str:
    """Measure the figures on one state of the database, and store them with the version of that state."""
    with snapshot(db, session) as state:
        version = find(state, params)["version"]
        body = measure(state)
    kept = {**params, "version": version, "body": body}
    session.execute(SQL.keep, kept)
    session.execute(SQL.trim, kept)
    return body


def find(db: Database | Transaction, params: Row) -> Row:
    row = db.one(SQL.find, params)
    assert row is not None  # it has a row with the version in any case
    return row


def columns_of(wanted: PeriodRequest, code: str) -> Row:
    """The parameters of the statements; whatever a request asks beyond project and period is among its filters."""
    others: dict[str, Any] = {
        each.name: getattr(wanted, each.name) for each in fields(wanted) if each.name not in OWN_COLUMNS
    }
    return {
        "project_id": wanted.project_id,
        "first": wanted.period.first,
        "last": wanted.period.last,
        "compared_first": wanted.compared and wanted.compared.first,
        "compared_last": wanted.compared and wanted.compared.last,
        "filters": json.dumps({name: value for name, value in others.items() if value is not None}, default=str),
        "code": code,
        "asked_at": None,
        "most": MOST_STORED,
    }


def lock_name(params: Row) -> str:
    return "llm_stored_figures/{project_id}/{first}/{last}/{filters}".format(**params)
