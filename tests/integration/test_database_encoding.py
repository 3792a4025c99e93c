"""A database with an encoding that cannot hold every text is refused before anything is asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llm_monitoring.db import Database
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.jobs import daily
from tests.conftest import Databases


@pytest.fixture(params=["LATIN1", "SQL_ASCII"])
def other_encoding(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """The address of an empty database in another encoding than UTF8."""
    name = f"in_{request.param.lower()}"
    databases.run(
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{request.param}' "
        "LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER libc STRATEGY FILE_COPY"
    )
    yield databases.address(name)
    databases.run(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_database_that_cannot_hold_every_text(
    other_encoding: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its answers would be paid and then refused for a euro sign, so no run begins; the message says what to do."""
    with pytest.raises(ConfigurationError, match="which cannot hold every answer"):
        Database(other_encoding, retry_seconds=0.0).open()
    monkeypatch.setenv("DATABASE_URL", other_encoding)
    assert 1 == daily.main([])
    assert "which cannot hold every answer: create one with TEMPLATE template0" in capsys.readouterr().out
