"""Figures of periods that are kept as they were measured, until something changes that they were made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from llm_monitoring.db import Database, Locked, Row, Transaction, load, on_one_session, snapshot
from llm_monitoring.figures.periods import Period

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SQL = load("stored_figures")

MOST_STORED: Final = 60
"""Periods that are kept of a project, the latest ones: thirty days of five assistants take some 10 kB each."""

MEASURING: Final = Lock()
"""One measurement at a time in a process: it holds its answers in memory, and threads share one processor."""

OWN_COLUMNS: Final = ("project_id", "period")
PERIOD_COLUMNS: Final = ("first", "last", "compared_first", "compared_last")


class Wanted(Protocol):
    """What is asked of a project's period; all fields of such a dataclass are in the key of what is stored."""

    @property
    def project_id(self) -> int: ...

    @property
    def period(self) -> Period: ...

    @property
    def compared(self) -> Period | None: ...


Measure = Callable[[Database], str]
"""Measures a period on one state of the database, and returns the figures as text."""


def stored_text(db: Database, wanted: Wanted, code: str, measure: Measure, waited: float = 0.0) -> str:
    """Return the figures of a period, measured only if none are stored that `code` made of what is stored now.

    Whoever asked `waited` seconds ago, or waits for another who measures, takes what was measured since, even if an
    answer came meanwhile: it is of a moment after the question. The same figures are measured once at a time, in all
    processes; if the lock is not free within the wait of a statement, as of a session that hangs, without it. Raises
    what `measure` raises.
    """
    params = {**columns_of(wanted, code), "waited": waited}
    found = find(db, params)
    if found["body"] is not None:
        return str(found["body"])
    params["asked_at"] = found["asked_at"]

    def work(session: Transaction) -> str:
        return found_or_measured(db, session, params, measure)

    with MEASURING:
        try:
            return on_one_session(db, work, lock_name(params))
        except Locked:
            return on_one_session(db, work)


def found_or_measured(db: Database, session: Transaction, params: Row, measure: Measure) -> str:
    """The figures that another stored while this one waited, or else measured now."""
    found = find(session, params)
    if found["body"] is not None:
        return str(found["body"])
    return measured(db, session, {**params, "measured_at": found["now"]}, measure)


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
    """The version of one period's figures now, and the stored ones if they are new enough."""
    return find_all(db, [params])[0]


def find_all(db: Database | Transaction, wanted: Sequence[Row]) -> list[Row]:
    """The same of several periods, in their order, in one statement: planning it takes longer than running it.

    `code`, `asked_at` and `waited` are those of the first one.
    """
    if not wanted:
        return []
    lists = {f"{name}s": [each[name] for each in wanted] for name in ("project_id", *PERIOD_COLUMNS)}
    shared = {name: wanted[0][name] for name in ("code", "asked_at", "waited")}
    return db.all(SQL.find, {**lists, **shared, "filters": [each["filters"] for each in wanted]})


def columns_of(wanted: Wanted, code: str) -> Row:
    """The parameters of the statements; whatever a request asks beyond project and period is among its filters."""
    others: dict[str, Any] = {
        each.name: getattr(wanted, each.name)
        for each in fields(cast("DataclassInstance", wanted))
        if each.name not in OWN_COLUMNS
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
        "waited": 0.0,
        "most": MOST_STORED,
    }


def lock_name(params: Row) -> str:
    return "llm_stored_figures/{project_id}/{first}/{last}/{filters}".format(**params)
