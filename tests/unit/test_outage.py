"""An outage of the database is reported once when it begins and once when it is over."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from llm_monitoring.db.database import Database, Interrupted


def failing(times: int) -> Iterator[Exception | None]:
    yield from (Interrupted("no route to host") for _ in range(times))
    while True:
        yield None


def attempts(db: Database, times: int) -> list[int]:
    """Work that is interrupted so often before it succeeds; returns how often it was tried."""
    fates, tries = failing(times), list[int]()

    def attempt() -> None:
        tries.append(1)
        if (error := next(fates)) is not None:
            raise error

    db.persist(attempt)
    return tries


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_monitoring.db.database.time.sleep", lambda seconds: None)


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.event for record in caplog.records]  # type: ignore[attr-defined]


def test_two_lines_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    """However often it is retried, there is one line when the database goes and one when it is back."""
    caplog.set_level(logging.INFO)
    db = Database("postgresql://127.0.0.1:9/none", retry_seconds=1000)
    assert 24 == len(attempts(db, 23))
    attempts(db, 0)
    assert ["database.lost", "database.back"] == events(caplog)
    attempts(db, 2)
    assert ["database.lost", "database.back"] * 2 == events(caplog)


def test_a_database_that_never_comes(caplog: pytest.LogCaptureFixture) -> None:
    """A database that stays away is reported with where to look, once."""
    db = Database("postgresql://127.0.0.1:9/none", retry_seconds=0.2)
    with pytest.raises(Interrupted):
        attempts(db, 10_000_000)
    assert ["database.lost", "database.gone"] == events(caplog)
    assert "revise DATABASE_URL" in caplog.messages[-1]
